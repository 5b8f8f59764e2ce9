//! What `pimg test` found.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::{Verdict, in_seconds};
use crate::guest::node_status::StepState;

/// `pimg test`
#[derive(Clone, Debug, Serialize)]
pub struct TestOutcome {
    /// Whether all nodes came where they should.
    pub passed: bool,
    /// Version of QEMU.
    pub qemu: String,
    /// The seed of the power cuts, where there were any.
    pub seed: Option<u64>,
    /// The nodes, in the order in which they were named.
    pub nodes: Vec<TestedNode>,
    /// The directory with what the nodes said, where it was written.
    pub logs: Option<PathBuf>,
    /// The JUnit file, where one was asked for.
    pub junit: Option<PathBuf>,
}

/// One node.
#[derive(Clone, Debug, Serialize)]
pub struct TestedNode {
    /// Host name.
    pub node: String,
    /// The image.
    pub image: PathBuf,
    /// How it ended. Skipped: another node failed first.
    pub result: Verdict,
    /// Why it failed, or what it was at.
    pub message: Option<String>,
    /// From the first power-on to the end.
    #[serde(rename = "seconds", serialize_with = "in_seconds")]
    pub elapsed: Duration,
    /// How often it started.
    pub boots: u32,
    /// The power cuts, in their order.
    pub power_cuts: Vec<DonePowerCut>,
    /// The steps, in the order in which they began; those that did not begin stand at the end.
    pub steps: Vec<TestedStep>,
    /// What was looked at after it had finished.
    pub checks: Vec<NodeCheck>,
}

/// A power cut that was made.
#[derive(Clone, Debug, Serialize)]
pub struct DonePowerCut {
    /// The step that had begun, or nothing: the machine's start.
    pub after: Option<String>,
    /// How much later it was meant to be.
    #[serde(rename = "delay", serialize_with = "in_seconds")]
    pub delay: Duration,
    /// When it was, since the beginning of the test.
    #[serde(rename = "seconds", serialize_with = "in_seconds")]
    pub at: Duration,
}

/// A step of a node.
#[derive(Clone, Debug, Serialize)]
pub struct TestedStep {
    /// Its name.
    pub name: String,
    /// Where it came to.
    pub state: StepState,
    /// Why, in its own words; may be empty.
    pub message: String,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "in_seconds")]
    pub elapsed: Duration,
}

/// Something that was looked at on a finished node.
#[derive(Clone, Debug, Serialize)]
pub struct NodeCheck {
    /// What, such as `root file system`.
    pub name: String,
    /// What came out.
    pub result: Verdict,
    /// More about it; may be empty.
    pub message: String,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "in_seconds")]
    pub elapsed: Duration,
}

impl TestedNode {
    /// Whether it came where it should, and all is in order there.
    pub fn passed(&self) -> bool {
        let is_passed = |verdict: Verdict| matches!(verdict, Verdict::Passed);
        is_passed(self.result) && self.checks.iter().all(|check| !matches!(check.result, Verdict::Failed(_)))
    }
}
