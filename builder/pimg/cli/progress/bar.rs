//! What a task looks like on a terminal of 80 columns and more.

use std::time::Duration;

use indicatif::{BinaryBytes, ProgressBar, ProgressState, ProgressStyle};

/// How often a bar is drawn while nothing happens, so that its time left is true.
const TICK: Duration = Duration::from_millis(200);

/// What a bar is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A task of its own.
    Single,
    /// A task of many parts, above the bars of these.
    Whole,
    /// A part of another task.
    Part,
}

/// A bar that is not drawn yet.
pub(super) fn bar(message: String, total: Option<u64>, role: Role, color: bool) -> ProgressBar {
    let style = ProgressStyle::with_template(&template(total.is_some(), role, color));
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("amount", amount);
    let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new).with_style(style);
    bar.with_message(message)
}

/// Lets time pass for a bar that has its place.
pub(super) fn start(bar: &ProgressBar) {
    bar.enable_steady_tick(TICK);
}

/// Bytes of a task without an end, where it has to do with bytes.
fn amount(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    if state.pos() > 0 {
        // a line that cannot be drawn is drawn again
        let _ = write!(out, "{}", BinaryBytes(state.pos()));
    }
}

fn template(has_total: bool, role: Role, color: bool) -> String {
    let name = match role {
        Role::Single => "{msg:32!}",
        Role::Whole => "{msg:28!}",
        Role::Part => "  {msg:26!}",
    };
    // the whole is what counts: its parts are told apart by their paler bars
    let wide_bar = match (role, color) {
        (_, false) => "{wide_bar}",
        (Role::Part, true) => "{wide_bar:.blue}",
        (_, true) => "{wide_bar:.cyan}",
    };
    match (role, has_total) {
        (_, false) => format!("{name} {{spinner}} {{elapsed}} {{amount}}"),
        (Role::Single, true) => {
            format!("{name} {wide_bar} {{percent:>3}} %  {{binary_bytes_per_sec:>12}}  {{eta:>4}} left")
        }
        (_, true) => format!(
            "{name} {wide_bar} {{binary_bytes:>10}} of {{binary_total_bytes:<10}} \
             {{binary_bytes_per_sec:>12}} {{eta:>4}}"
        ),
    }
}
