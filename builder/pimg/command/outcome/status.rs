//! What `pimg status` was told by the nodes.

use serde::Serialize;

use crate::failure::Class;
use crate::guest::node_status::NodeStatus;
pub use crate::guest::node_status::{OverallState, StepState, StepStatus};

/// `pimg status`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusOutcome {
    /// One entry a node, in the order in which they were asked for.
    pub nodes: Vec<AskedNode>,
}

/// A node that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AskedNode {
    /// Host name of the profile, or the address as it was given.
    pub host: String,
    /// Whether it answered.
    pub answered: bool,
    /// Why it did not, in words; `null` if it did.
    pub reason: Option<String>,
    /// What can be done about that.
    pub hint: Option<String>,
    /// What it said, now or, while it is watched, the last time that it answered.
    pub status: Option<NodeAnswer>,
    /// How it did not answer; `null` if it did.
    pub silence: Option<Silence>,
}

/// How a node did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Silence {
    /// Another machine answers in its place, or one that nobody vouches for.
    Untrusted,
    /// Nothing answers, or it lets nobody in.
    Unreachable,
    /// It has nothing to say about a first boot, or nothing that can be read.
    NoStatus,
}

/// What a node said about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeAnswer {
    /// When it said so, in seconds since 1970 by the node's own clock.
    pub clock: u64,
    /// Its first boot.
    #[serde(flatten)]
    pub first_boot: NodeStatus,
}

impl AskedNode {
    /// Where the node stands; `None` if it did not answer.
    pub fn state(&self) -> Option<OverallState> {
        self.status.as_ref().filter(|_| self.answered).map(|status| status.first_boot.state)
    }
}

impl StatusOutcome {
    /// Whether every node is finished.
    pub fn is_finished(&self) -> bool {
        self.nodes.iter().all(|node| node.state() == Some(OverallState::Finished))
    }

    /// What decides the exit code: a node that is not the one that it should be, before one whose first boot
    /// failed, before one that did not answer.
    pub fn failed(&self) -> Option<Class> {
        let any = |is: &dyn Fn(&AskedNode) -> bool| self.nodes.iter().any(is);
        if any(&|node| node.silence == Some(Silence::Untrusted)) {
            Some(Class::Trust)
        } else if any(&|node| node.state() == Some(OverallState::Failed)) {
            Some(Class::BootTest)
        } else {
            any(&|node| !node.answered).then_some(Class::Network)
        }
    }
}
