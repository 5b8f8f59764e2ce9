//! What became of one node so far: its steps with their times, and whether it is where it should come to.
//!
//! Times are since the beginning of the test.

use std::time::Duration;

use super::console::{Event, StepState};
use super::steps::{Offline, StepLine, without_network};
use crate::guest::node_status::{self, OverallState};

/// Where a node is to come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// All steps are done, and the node says so.
    Finished,
    /// All that needs no network is done, and the rest says that it waits.
    Offline(Offline),
}

impl Goal {
    /// What a node without a network can reach.
    pub fn offline(steps: &[StepLine]) -> Self {
        Self::Offline(without_network(steps))
    }
}

/// A step as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenStep {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: StepState,
    /// Why, in its own words.
    pub message: String,
    /// When it began.
    pub since: Duration,
    /// When it came into this state.
    pub changed: Duration,
}

impl SeenStep {
    /// How long it took, or has taken so far.
    pub fn elapsed(&self, now: Duration) -> Duration {
        let until = if self.state == StepState::Done { self.changed } else { now };
        until.saturating_sub(self.since)
    }
}

/// What has changed, for those who watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A step began, or came into another state.
    Step(SeenStep),
    /// The machine has started: so many times so far.
    Boot(u32),
    /// It is where it should come to.
    Reached,
    /// It will not come there, because.
    Failed(String),
}

/// One node under test.
#[derive(Clone, Debug)]
pub struct Track {
    goal: Goal,
    steps: Vec<SeenStep>,
    boots: u32,
    is_up: bool,
    is_finished: bool,
    verdict: Option<Result<(), String>>,
}

impl Track {
    /// A node that was never switched on.
    pub fn new(goal: Goal) -> Self {
        Self { goal, steps: Vec::new(), boots: 0, is_up: false, is_finished: false, verdict: None }
    }

    /// The steps in the order in which they were first seen.
    pub fn steps(&self) -> &[SeenStep] {
        &self.steps
    }

    /// How often the machine has started.
    pub fn boots(&self) -> u32 {
        self.boots
    }

    /// How it ended, once it has.
    pub fn verdict(&self) -> Option<&Result<(), String>> {
        self.verdict.as_ref()
    }

    /// The steps that are neither done nor pending, in a few words.
    pub fn open_steps(&self) -> String {
        let open =
            self.steps.iter().filter(|step| !matches!(step.state, StepState::Done | StepState::Pending));
        let words = open.map(|step| match step.message.as_str() {
            "" => format!("`{}` is {}", step.name, step.state),
            message => format!("`{}` is {}: {message}", step.name, step.state),
        });
        words.collect::<Vec<_>>().join("; ")
    }

    /// The network came: from now on the node is to finish.
    pub fn expect_finish(&mut self) {
        self.goal = Goal::Finished;
        if self.verdict == Some(Ok(())) && !self.is_finished {
            self.verdict = None;
        }
    }

    /// The power was cut: what it had said of its end counts no more.
    pub fn power_cut(&mut self) {
        if !self.is_up {
            // it was cut before it could say that it had started
            self.boots += 1;
        }
        (self.is_up, self.is_finished, self.verdict) = (false, false, None);
        // it is to say anew that it waits: the same words count again
        for step in &mut self.steps {
            if !matches!(step.state, StepState::Done | StepState::Pending) {
                (step.state, step.message) = (StepState::Retrying, "the power was cut".to_owned());
            }
        }
    }

    /// It will not come to its goal.
    pub fn fail(&mut self, why: &str) -> Vec<Change> {
        if self.verdict.is_some() {
            return Vec::new();
        }
        self.verdict = Some(Err(why.to_owned()));
        vec![Change::Failed(why.to_owned())]
    }

    /// Takes in what the console says.
    pub fn hear(&mut self, event: Event, now: Duration) -> Vec<Change> {
        match event {
            Event::Up => {
                self.boots += 1;
                self.is_up = true;
                vec![Change::Boot(self.boots)]
            }
            Event::Broken(why) => self.fail(&why),
            Event::Finished => {
                self.is_finished = true;
                self.judge()
            }
            Event::Step { name, state, message } => self.step(&name, state, &message, now),
        }
    }

    /// Takes in the node's own status file, which says again what a torn line of the console did not.
    pub fn read_status(&mut self, json: &[u8], now: Duration) -> Vec<Change> {
        // half a file, or another program's: the console goes on being heard
        let Ok(status) = node_status::parse(json) else { return Vec::new() };
        let mut changes = Vec::new();
        for step in &status.steps {
            let is_known = self.steps.iter().any(|seen| seen.name == step.name);
            if step.state != StepState::Pending || is_known {
                changes.extend(self.step(&step.name, step.state, &step.message, now));
            }
        }
        if status.state == OverallState::Finished && !self.is_finished {
            changes.extend(self.hear(Event::Finished, now));
        }
        changes
    }

    fn step(&mut self, name: &str, state: StepState, message: &str, now: Duration) -> Vec<Change> {
        let found = self.steps.iter_mut().find(|step| step.name == name);
        let changed = match found {
            Some(step) if step.state == state && step.message == message => return Vec::new(),
            Some(step) => {
                if step.state == StepState::Pending {
                    step.since = now;
                }
                (step.state, step.message, step.changed) = (state, message.to_owned(), now);
                step.clone()
            }
            None => {
                let (name, message) = (name.to_owned(), message.to_owned());
                let step = SeenStep { name, state, message, since: now, changed: now };
                self.steps.push(step.clone());
                step
            }
        };
        let mut changes = vec![Change::Step(changed)];
        if state == StepState::Failed {
            let why = if message.is_empty() { "it does not say why" } else { message };
            changes.extend(self.fail(&format!("step `{name}` failed: {why}")));
        } else {
            changes.extend(self.judge());
        }
        changes
    }

    /// Whether the goal is reached by what was heard last.
    fn judge(&mut self) -> Vec<Change> {
        let is_reached = match &self.goal {
            Goal::Finished => self.is_finished,
            Goal::Offline(offline) => self.is_finished || self.has_come_to(offline),
        };
        if !is_reached || self.verdict.is_some() {
            return Vec::new();
        }
        self.verdict = Some(Ok(()));
        vec![Change::Reached]
    }

    fn has_come_to(&self, offline: &Offline) -> bool {
        let is_in = |name: &String, state| {
            self.steps.iter().any(|step| {
                step.name == *name
                    && step.state == state
                    && (state == StepState::Done || !step.message.is_empty())
            })
        };
        let anything = !offline.done.is_empty() || !offline.waiting.is_empty();
        anything
            && offline.done.iter().all(|name| is_in(name, StepState::Done))
            && offline.waiting.iter().all(|name| is_in(name, StepState::Waiting))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Change, Goal, Track};
    use crate::machine::console::{Event, StepState, read_line};
    use crate::machine::steps;

    fn hear(track: &mut Track, second: u64, line: &str) -> Vec<Change> {
        track.hear(read_line(line.as_bytes()).expect("a line of ours"), Duration::from_secs(second))
    }

    #[test]
    fn times_a_step_from_its_beginning_to_its_end() {
        let mut track = Track::new(Goal::Finished);
        hear(&mut track, 1, "pimg-test: up");
        hear(&mut track, 10, "pimg: zpool: pending");
        hear(&mut track, 20, "pimg: zpool: running");
        hear(&mut track, 25, "pimg: zpool: waiting: no disk yet");
        assert_eq!(track.open_steps(), "`zpool` is waiting: no disk yet");
        hear(&mut track, 50, "pimg: zpool: done");
        assert!(hear(&mut track, 55, "pimg: zpool: done").is_empty(), "nothing is new");
        assert_eq!(track.steps()[0].elapsed(Duration::from_secs(99)), Duration::from_secs(30));
        assert_eq!(track.verdict(), None);
        assert_eq!(hear(&mut track, 60, "pimg: finished"), [Change::Reached]);
        assert_eq!((track.verdict(), track.boots()), (Some(&Ok(())), 1));
    }

    #[test]
    fn a_step_that_stops_is_the_end_and_says_why() {
        let mut track = Track::new(Goal::Finished);
        hear(&mut track, 1, "pimg: tls: retrying: no answer");
        assert_eq!(track.verdict(), None);
        let changes = hear(&mut track, 2, "pimg: tls: failed: the DNS API refuses the token: write it anew");
        let why = "step `tls` failed: the DNS API refuses the token: write it anew".to_owned();
        assert_eq!(changes.last(), Some(&Change::Failed(why.clone())));
        hear(&mut track, 3, "pimg: finished");
        assert_eq!(track.verdict(), Some(&Err(why)));
    }

    #[test]
    fn the_status_file_says_what_a_torn_line_did_not() {
        let mut track = Track::new(Goal::Finished);
        hear(&mut track, 1, "pimg: zpool: running");
        let json = br#"{"node":"a","state":"finished","steps":[{"name":"zpool","state":"done","message":""},
                        {"name":"late","state":"pending","message":null}]}"#;
        let changes = track.read_status(json, Duration::from_secs(9));
        assert_eq!(changes.len(), 2);
        assert_eq!(track.steps().len(), 1);
        assert_eq!(track.verdict(), Some(&Ok(())));
        assert!(track.read_status(b"{ half", Duration::from_secs(9)).is_empty());
    }

    #[test]
    fn without_a_network_it_comes_as_far_as_it_can_and_then_finishes() {
        let list = "root\tRoot\t-\t-\tno\ntls\tTLS\troot\tnetwork\tno\nclean\tClean\ttls\t-\tno\n";
        let mut track = Track::new(Goal::offline(&steps::parse(list)));
        hear(&mut track, 1, "pimg: root: done");
        hear(&mut track, 2, "pimg: tls: waiting");
        assert_eq!(track.verdict(), None, "it must say for what it waits");
        hear(&mut track, 3, "pimg: tls: waiting: network");
        assert_eq!(track.verdict(), Some(&Ok(())));
        track.expect_finish();
        assert_eq!(track.verdict(), None);
        track.hear(Event::Finished, Duration::from_secs(4));
        assert_eq!(track.verdict(), Some(&Ok(())));
    }

    #[test]
    fn what_a_node_waited_for_before_the_power_cut_is_to_be_said_again() {
        let list = "root\tRoot\t-\t-\tno\ntls\tTLS\troot\tnetwork\tno\n";
        let mut track = Track::new(Goal::offline(&steps::parse(list)));
        hear(&mut track, 1, "pimg: root: done");
        hear(&mut track, 2, "pimg: tls: waiting: network");
        track.power_cut();
        assert_eq!(track.open_steps(), "`tls` is retrying: the power was cut");
        hear(&mut track, 9, "pimg: tls: waiting: network");
        assert_eq!(track.verdict(), Some(&Ok(())), "the same words as before");
    }

    #[test]
    fn a_power_cut_takes_the_end_back() {
        let mut track = Track::new(Goal::Finished);
        hear(&mut track, 1, "pimg: finished");
        track.power_cut();
        assert_eq!(track.verdict(), None);
        hear(&mut track, 2, "pimg: root: running");
        assert_eq!(track.steps()[0].state, StepState::Running);
        assert_eq!(hear(&mut track, 3, "pimg: finished"), [Change::Reached]);
        assert_eq!(track.boots(), 1, "the one that was cut before it was up");
    }
}
