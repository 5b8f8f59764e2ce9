//! ctrl-C and its kin: the first asks to stop tidily, the second stops at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::exit_code::ExitCode;
use super::progress::Progress;
use crate::progress::Reporter;

/// Sets `interrupted` on SIGINT, SIGTERM and SIGHUP; ends the process on the second one.
pub(super) fn watch(interrupted: Arc<AtomicBool>, progress: Arc<Progress>) {
    // without a handler a signal ends the process at once, and the next build tidies up behind it
    let _ = ctrlc::set_handler(move || {
        if interrupted.swap(true, Ordering::Relaxed) {
            stop_at_once();
        }
        progress.notice("stopping; once more to stop at once");
    });
}

#[expect(clippy::exit, reason = "the person does not want to wait for the threads that work")]
fn stop_at_once() {
    std::process::exit(ExitCode::Interrupted.number().into());
}
