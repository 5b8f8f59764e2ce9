//! A fault of pimg itself: what is said instead of a Rust panic message.

use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::printer::Printer;

/// Reports the first panic through `printer`; those that follow from it say nothing.
pub(super) fn report_to(printer: Arc<Printer>, with_backtrace: bool) {
    let is_reported = AtomicBool::new(false);
    panic::set_hook(Box::new(move |panic| {
        if is_reported.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut text = describe(panic);
        if with_backtrace {
            text += &format!("{}\n", Backtrace::force_capture());
        } else {
            text +=
                "\nhint: please report it with the command that led to it; `RUST_BACKTRACE=1` shows more\n";
        }
        printer.always(&text);
    }));
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(String::new, ToString::to_string);
    let message = panic.payload_as_str().unwrap_or("no message");
    format!("error: internal error, please report\n  {place}: {message}\n")
}
