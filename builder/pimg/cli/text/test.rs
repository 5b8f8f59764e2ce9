//! What `pimg test` found, as text: a row a node, and why one failed.

use std::fmt::Write;

use super::{Show, Text, plural, printable, row, table};
use crate::command::outcome::{StepState, TestOutcome, TestedNode, Verdict};

impl Show for TestOutcome {
    fn text(&self, verbose: bool) -> Text {
        let mut rows = vec![row(["NODE", "RESULT", "SECONDS", "BOOTS", "STEPS"])];
        rows.extend(self.nodes.iter().map(node_row));
        let mut text = Text { out: table(&rows), err: String::new() };
        for node in &self.nodes {
            write_node(&mut text.err, node, verbose);
        }
        if let Some(logs) = &self.logs {
            let _ =
                writeln!(text.err, "what the nodes say is in `{}`", printable(&logs.display().to_string()));
        }
        text
    }
}

fn node_row(node: &TestedNode) -> Vec<String> {
    let result = match node.result {
        Verdict::Passed if !node.passed() => "failed".to_owned(),
        Verdict::Skipped => "stopped".to_owned(),
        result => result.to_string(),
    };
    let done = node.steps.iter().filter(|step| step.state == StepState::Done).count();
    row([
        &node.node,
        &result,
        &node.elapsed.as_secs().to_string(),
        &node.boots.to_string(),
        &format!("{done} of {}", node.steps.len()),
    ])
}

fn write_node(err: &mut String, node: &TestedNode, verbose: bool) {
    let name = printable(&node.node);
    if let Some(message) = &node.message {
        let _ = writeln!(err, "{name}: {}", printable(message));
    }
    for check in &node.checks {
        let is_failed = matches!(check.result, Verdict::Failed(_));
        if verbose || is_failed || check.result == Verdict::Skipped {
            let colon = if check.message.is_empty() { "" } else { ": " };
            let (what, message) = (printable(&check.name), printable(&check.message));
            let _ = writeln!(err, "{name}: {what} {}{colon}{message}", check.result);
        }
    }
    if !node.power_cuts.is_empty() {
        let _ = writeln!(err, "{name}: {}", plural(node.power_cuts.len(), "power cut"));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::cli::text::Show;
    use crate::command::outcome::{
        DonePowerCut, NodeCheck, StepState, TestOutcome, TestedNode, TestedStep, Verdict,
    };
    use crate::failure::Class;

    fn node(name: &str, result: Verdict) -> TestedNode {
        let step = TestedStep {
            name: "zpool".into(),
            state: StepState::Done,
            message: String::new(),
            elapsed: Duration::from_secs(3),
        };
        TestedNode {
            node: name.into(),
            image: "x.img".into(),
            result,
            message: None,
            elapsed: Duration::from_secs(90),
            boots: 2,
            power_cuts: Vec::new(),
            steps: vec![step],
            checks: Vec::new(),
        }
    }

    #[test]
    fn a_row_a_node_and_a_line_a_fault() {
        let mut first = node("node-a", Verdict::Failed(Class::BootTest));
        first.message = Some("step `tls` failed: refused".into());
        let mut second = node("node-b", Verdict::Passed);
        second.power_cuts.push(DonePowerCut { after: None, delay: Duration::ZERO, at: Duration::ZERO });
        second.checks.push(NodeCheck {
            name: "root file system".into(),
            result: Verdict::Failed(Class::BootTest),
            message: "bad inode".into(),
            elapsed: Duration::ZERO,
        });
        let third = node("node-c", Verdict::Skipped);
        let outcome = TestOutcome {
            passed: false,
            qemu: "10.0.2".into(),
            seed: Some(7),
            nodes: vec![first, second, third],
            logs: Some("out/boot-test".into()),
            junit: None,
        };
        let text = outcome.text(false);
        insta::assert_snapshot!(format!("{}---\n{}", text.out, text.err), @r"
        NODE    RESULT   SECONDS  BOOTS  STEPS
        node-a  failed   90       2      1 of 1
        node-b  failed   90       2      1 of 1
        node-c  stopped  90       2      1 of 1
        ---
        node-a: step `tls` failed: refused
        node-b: root file system failed: bad inode
        node-b: 1 power cut
        what the nodes say is in `out/boot-test`
        ");
    }
}
