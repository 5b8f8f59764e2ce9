//! Any failure as text: what happened, where, why, and what can be done about it. The only renderer.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::text::printable;
use crate::failure::{Class, Failure};

/// The failure as lines with colours; the printer takes those off where they are not wanted.
pub(super) fn render(failure: &Failure) -> String {
    let mut text = String::new();
    let mut messages = failure.messages().into_iter();
    let first = messages.next().unwrap_or_default();
    let _ = writeln!(text, "{} {}", "error:".red().bold(), printable(&first));
    for cause in messages {
        let _ = writeln!(text, "  {} {}", "caused by:".bold(), printable(&cause));
    }
    let details = failure.details();
    if !details.is_empty() {
        // a pair such as got and expected belongs to the message; excerpts stand apart
        if details.lines().count() > 2 && !details.starts_with('\n') {
            text.push('\n');
        }
        for line in details.split('\n') {
            let _ = writeln!(text, "{}", printable(line));
        }
    }
    let hints = all_hints(failure);
    if !hints.is_empty() {
        text.push('\n');
    }
    for hint in hints {
        let _ = writeln!(text, "{} {}", "hint:".cyan().bold(), printable(&hint));
    }
    text
}

/// The failure's hints, and what every failure of a class shares.
pub(super) fn all_hints(failure: &Failure) -> Vec<String> {
    let mut hints = failure.hints();
    if failure.class() == Class::Internal {
        hints.push("this is a fault of pimg: please report it with the command that led to it".to_owned());
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::failure::{Class, Failure};
    use crate::lock::LockError;

    fn plain(failure: &Failure) -> String {
        anstream::adapter::strip_str(&render(failure)).to_string()
    }

    #[test]
    fn shows_message_causes_details_and_hints() {
        let error = LockError::Differs { what: "sha256", expected: "4e1f".into(), got: "77ab".into() };
        let failure = Failure::from(error).context("cannot build host `node-a`");
        insta::assert_snapshot!(plain(&failure), @r"
        error: cannot build host `node-a`
          caused by: the base image is not the locked one: its sha256 differs
          expected sha256 4e1f
          got      sha256 77ab

        hint: leave `--locked` out to build with another base than the locked one
        ");
    }

    #[test]
    fn a_failure_without_hints_is_one_line() {
        assert_eq!(plain(&Failure::interrupted()), "error: interrupted\n");
    }

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        let failure = Failure::new(Class::Base, "bad name `\u{1b}[2Jx`");
        assert_eq!(plain(&failure), "error: bad name `\\u{1b}[2Jx`\n");
    }
}
