//! `pimg status`: the table as the result, and what changes while nodes are watched.

use indicatif::ProgressBar;

use super::dispatch::Presenter;
use super::exit_code::ExitCode;
use super::json;
use super::printer::Printer;
use super::progress::Progress;
use super::status_args::StatusArgs;
use super::text::status::{Screen, node_state, state_name, status_text};
use crate::command::outcome::{AskedNode, StatusOutcome, StepState};
use crate::command::request::StatusRequest;
use crate::command::{self, Context};
use crate::failure::Failure;

impl Presenter<'_> {
    /// Asks the nodes, shows what they say, and makes an exit code of it.
    pub(super) fn status(&self, args: StatusArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
        let request =
            StatusRequest { hosts: args.hosts, all: args.all, cluster: args.cluster, watch: args.watch };
        let mut board = Board::new(self.progress, self.verbose);
        let told = command::status::run(&request, context, &mut |outcome| board.show(outcome));
        board.clear();
        let outcome = told?;
        self.progress.end();
        if self.json {
            self.printer.result(&json::result("status", &outcome)?)?;
        } else {
            let screen = Screen { columns: Printer::columns(), rows: None, verbose: self.verbose };
            let text = status_text(&outcome, screen);
            self.printer.result(&text.out)?;
            self.printer.message(&text.err);
        }
        Ok(outcome.failed().map_or(ExitCode::Done, ExitCode::from))
    }
}

/// What is shown while nodes are watched: a table that stays in its place on a terminal, else a line a change.
struct Board<'a> {
    progress: &'a Progress,
    verbose: bool,
    bar: Option<ProgressBar>,
    before: Option<StatusOutcome>,
}

impl<'a> Board<'a> {
    fn new(progress: &'a Progress, verbose: bool) -> Self {
        Self { progress, verbose, bar: None, before: None }
    }

    fn show(&mut self, outcome: &StatusOutcome) {
        if self.bar.is_none() {
            self.bar = self.progress.board();
        }
        if let Some(bar) = &self.bar {
            let (columns, rows) = Printer::size_of_stderr().unwrap_or((80, 24));
            let screen = Screen { columns: Some(columns), rows: Some(rows), verbose: self.verbose };
            let text = status_text(outcome, screen);
            bar.set_message(self.progress.colored(&(text.out + &text.err)));
            bar.tick();
        }
        for (at, node) in outcome.nodes.iter().enumerate() {
            let before = self.before.as_ref().and_then(|before| before.nodes.get(at));
            for change in changes(before, node) {
                self.progress.changed(&node.host, change.step, change.state, change.message);
            }
        }
        self.before = Some(outcome.clone());
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A node or a step that got into another state.
#[derive(Debug, PartialEq, Eq)]
struct Change<'a> {
    step: Option<&'a str>,
    state: &'a str,
    message: &'a str,
}

/// In what a node differs from how it was; of one that is new, all steps that have begun.
fn changes<'a>(before: Option<&AskedNode>, node: &'a AskedNode) -> Vec<Change<'a>> {
    let mut found = Vec::new();
    let old_steps = before.and_then(|node| node.status.as_ref()).map(|status| &status.first_boot.steps);
    for step in node.status.iter().flat_map(|status| &status.first_boot.steps) {
        let old = old_steps.and_then(|steps| steps.iter().find(|old| old.name == step.name));
        let is_same = match old {
            // what a step that has not begun comes after changes with every other step
            _ if step.state == StepState::Pending => old.is_none_or(|old| old.state == StepState::Pending),
            Some(old) => old.state == step.state && old.message == step.message,
            None => false,
        };
        if !is_same {
            let state = state_name(step.state);
            found.push(Change { step: Some(&step.name), state, message: &step.message });
        }
    }
    let state = node_state(node);
    let reason = node.reason.as_deref().unwrap_or_default();
    let is_same = before.is_some_and(|before| {
        node_state(before) == state && before.reason.as_deref().unwrap_or_default() == reason
    });
    if !is_same {
        found.push(Change { step: None, state, message: reason });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Change, changes};
    use crate::cli::text::status::test_data::{answering, silent};

    #[test]
    fn tells_what_is_new_and_nothing_twice() {
        let first = answering("node-a", "working", &[("zpool", "running", ""), ("tls", "pending", "")]);
        let zpool = Change { step: Some("zpool"), state: "running", message: "" };
        let working = Change { step: None, state: "working", message: "" };
        assert_eq!(changes(None, &first), [zpool, working]);
        assert_eq!(changes(Some(&first), &first), []);
        let second =
            answering("node-a", "waiting", &[("zpool", "done", ""), ("tls", "waiting", "no network")]);
        assert_eq!(
            changes(Some(&first), &second),
            [
                Change { step: Some("zpool"), state: "done", message: "" },
                Change { step: Some("tls"), state: "waiting", message: "no network" },
                Change { step: None, state: "waiting", message: "" },
            ]
        );
        let gone = silent("node-a", "Connection refused");
        let unreachable = Change { step: None, state: "unreachable", message: "Connection refused" };
        assert_eq!(changes(Some(&second), &gone), [unreachable]);
    }
}
