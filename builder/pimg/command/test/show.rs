//! What a test shows while it runs: a task a step of a node, and a line for what a person should know.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::machine::console::StepState;
use crate::machine::track::{Change, SeenStep};
use crate::progress::{Reporter, TaskId};

/// The steps of one node that are under way.
pub(super) struct Shown<'a> {
    node: String,
    reporter: &'a dyn Reporter,
    tasks: BTreeMap<String, TaskId>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(node: &str, reporter: &'a dyn Reporter) -> Self {
        Self { node: node.to_owned(), reporter, tasks: BTreeMap::new() }
    }

    /// Shows what has changed.
    pub(super) fn show(&mut self, change: &Change, now: Duration) {
        match change {
            Change::Step(step) => self.step(step, now),
            Change::Boot(1) => self.say("started"),
            Change::Boot(count) => self.say(&format!("started again, for the {count}. time")),
            Change::Reached => self.say(&format!("all is done after {} s", now.as_secs())),
            Change::Failed(why) => self.say(&format!("failed: {why}")),
        }
    }

    /// A line about the node.
    pub(super) fn say(&self, text: &str) {
        self.reporter.notice(&format!("{}: {text}", self.node));
    }

    /// Its power was cut: nothing is under way.
    pub(super) fn power_cut(&mut self, after: &str) {
        for task in std::mem::take(&mut self.tasks).into_values() {
            self.reporter.finish(task, "the power is cut");
        }
        self.say(&format!("the power is cut {after}"));
    }

    fn step(&mut self, step: &SeenStep, now: Duration) {
        let name = format!("{} {}", self.node, step.name);
        let with_message = |word: &str| match step.message.as_str() {
            "" => word.to_owned(),
            message => format!("{word}: {message}"),
        };
        match step.state {
            StepState::Pending => {}
            StepState::Running => {
                let begin = || self.reporter.begin(&name, None);
                self.tasks.entry(step.name.clone()).or_insert_with(begin);
            }
            StepState::Waiting | StepState::Retrying => {
                self.reporter.notice(&format!("{name}: {}", with_message(step.state.word())));
            }
            StepState::Failed | StepState::Done => {
                let task = self.tasks.remove(&step.name);
                let task = task.unwrap_or_else(|| self.reporter.begin(&name, None));
                let outcome = match step.state {
                    StepState::Done => format!("done, {} s", step.elapsed(now).as_secs()),
                    _ => with_message("failed"),
                };
                self.reporter.finish(task, &outcome);
            }
        }
    }
}
