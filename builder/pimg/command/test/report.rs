//! What came out: the outcome, the JUnit file, and the logs of nodes that failed.

use std::path::PathBuf;
use std::time::Duration;

use super::super::outcome::{NodeCheck, TestOutcome, TestedNode, TestedStep, Verdict};
use super::after;
use super::prepare::Bench;
use super::run::{Rack, Running};
use crate::failure::{Class, Failure};
use crate::host::files;
use crate::machine::console::StepState;
use crate::machine::junit::{Case, CaseResult, Suite, document};

/// Where logs go in the output directory, unless a place is named.
const LOGS: &str = "boot-test";

/// Looks at nodes that finished, collects the logs of those that did not, and writes down the result.
///
/// # Errors
/// A file cannot be written, or the operator asked to stop.
pub(super) fn report(
    bench: &Bench<'_>,
    mut rack: Rack<'_>,
    qemu: String,
    seed: Option<u64>,
) -> Result<TestOutcome, Failure> {
    let request = bench.request;
    let came_there = rack.nodes.iter().all(|node| node.track.verdict() == Some(&Ok(())));
    let mut checks: Vec<Vec<NodeCheck>> = rack.nodes.iter().map(|_| Vec::new()).collect();
    if came_there {
        checks = after::look(bench, &mut rack)?;
    }
    let now = rack.watch.elapsed();
    let nodes: Vec<_> =
        rack.nodes.iter().zip(checks).map(|(node, checks)| tested(node, checks, now)).collect();
    let passed = nodes.iter().all(TestedNode::passed);
    let logs = match &request.logs {
        Some(dir) => Some(dir.clone()),
        None if passed => None,
        None => Some(request.out.clone().unwrap_or_else(|| bench.context.in_project("out")).join(LOGS)),
    };
    if let Some(logs) = &logs {
        after::collect(bench, &mut rack, logs)?;
    }
    let outcome = TestOutcome { passed, qemu, seed, nodes, logs, junit: request.junit.clone() };
    write_junit(&outcome)?;
    Ok(outcome)
}

fn tested(node: &Running<'_>, checks: Vec<NodeCheck>, now: Duration) -> TestedNode {
    let (result, message) = match node.track.verdict() {
        Some(Ok(())) => (Verdict::Passed, None),
        Some(Err(why)) => (Verdict::Failed(Class::BootTest), Some(why.clone())),
        None => (Verdict::Skipped, Some(node.track.open_steps()).filter(|text| !text.is_empty())),
    };
    let ended = node.ended.unwrap_or(now);
    let mut steps: Vec<TestedStep> = node
        .track
        .steps()
        .iter()
        .map(|step| TestedStep {
            name: step.name.clone(),
            state: step.state,
            message: step.message.clone(),
            elapsed: step.elapsed(ended),
        })
        .collect();
    for line in &node.prepared.steps {
        if !steps.iter().any(|step| step.name == line.name) {
            let (state, message, elapsed) = (StepState::Pending, String::new(), Duration::ZERO);
            steps.push(TestedStep { name: line.name.clone(), state, message, elapsed });
        }
    }
    TestedNode {
        node: node.prepared.machine.name.clone(),
        image: node.prepared.image.clone(),
        result,
        message,
        elapsed: ended,
        boots: node.track.boots(),
        power_cuts: node.cuts.clone(),
        steps,
        checks,
    }
}

fn write_junit(outcome: &TestOutcome) -> Result<(), Failure> {
    let Some(path) = &outcome.junit else { return Ok(()) };
    let suites: Vec<_> = outcome.nodes.iter().map(suite).collect();
    let path: PathBuf = path.clone();
    Ok(files::write_atomic(&path, document(&suites).as_bytes())?)
}

/// A case a step, one for the node as a whole, one a check.
fn suite(node: &TestedNode) -> Suite {
    let steps = node.steps.iter().map(|step| Case {
        name: step.name.clone(),
        elapsed: step.elapsed,
        result: match step.state {
            StepState::Done => CaseResult::Passed,
            StepState::Failed => CaseResult::Failed(step.message.clone()),
            state if step.message.is_empty() => CaseResult::Skipped(state.word().to_owned()),
            state => CaseResult::Skipped(format!("{state}: {}", step.message)),
        },
    });
    let why = || node.message.clone().unwrap_or_default();
    let whole =
        Case { name: "finished".to_owned(), elapsed: node.elapsed, result: case_result(node.result, why()) };
    let checks = node.checks.iter().map(|check| Case {
        name: check.name.clone(),
        elapsed: check.elapsed,
        result: case_result(check.result, check.message.clone()),
    });
    let cases = steps.chain([whole]).chain(checks).collect();
    Suite { name: node.node.clone(), elapsed: node.elapsed, cases }
}

fn case_result(verdict: Verdict, why: String) -> CaseResult {
    match verdict {
        Verdict::Passed => CaseResult::Passed,
        Verdict::Failed(_) => CaseResult::Failed(why),
        Verdict::Skipped => CaseResult::Skipped(why),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::suite;
    use crate::command::outcome::{NodeCheck, TestedNode, TestedStep, Verdict};
    use crate::failure::Class;
    use crate::machine::console::StepState;
    use crate::machine::junit::CaseResult;

    #[test]
    fn every_step_and_every_check_is_a_case() {
        let step = |name: &str, state, message: &str| TestedStep {
            name: name.into(),
            state,
            message: message.into(),
            elapsed: Duration::from_secs(1),
        };
        let node = TestedNode {
            node: "node-a".into(),
            image: "a.img".into(),
            result: Verdict::Failed(Class::BootTest),
            message: Some("step `tls` failed: refused".into()),
            elapsed: Duration::from_secs(9),
            boots: 2,
            power_cuts: Vec::new(),
            steps: vec![
                step("zpool", StepState::Done, ""),
                step("tls", StepState::Failed, "refused"),
                step("cluster", StepState::Waiting, "no quorum"),
                step("cleanup", StepState::Pending, ""),
            ],
            checks: vec![NodeCheck {
                name: "check x.sh".into(),
                result: Verdict::Passed,
                message: String::new(),
                elapsed: Duration::ZERO,
            }],
        };
        assert!(!node.passed());
        let cases: Vec<_> = suite(&node).cases.into_iter().map(|case| (case.name, case.result)).collect();
        let expected = [
            ("zpool", CaseResult::Passed),
            ("tls", CaseResult::Failed("refused".into())),
            ("cluster", CaseResult::Skipped("waiting: no quorum".into())),
            ("cleanup", CaseResult::Skipped("pending".into())),
            ("finished", CaseResult::Failed("step `tls` failed: refused".into())),
            ("check x.sh", CaseResult::Passed),
        ];
        assert_eq!(cases, expected.map(|(name, result)| (name.to_owned(), result)));
    }
}
