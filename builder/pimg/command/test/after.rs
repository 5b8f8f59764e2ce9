//! What is done with nodes that have come to their end: the operator's script, switching off, a look at the file
//! system; or the collection of all that may say why they failed.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::super::outcome::{NodeCheck, Verdict};
use super::prepare::Bench;
use super::run::{Rack, Running};
use crate::failure::{Class, Failure};
use crate::host::machine::Stopwatch;
use crate::host::tools::{self, ToolError};
use crate::host::{files, scratch};
use crate::machine::console::plain;
use crate::machine::qemu::agent_socket;

/// How long the operator's script may take.
const CHECK_PATIENCE: Duration = Duration::from_secs(1800);

/// How long a node may take to switch itself off: its services stop under emulation, too.
const OFF_PATIENCE: Duration = Duration::from_secs(600);

/// How long a node that failed may take to collect its logs. Its kernel may have stopped.
const REPORT_PATIENCE: Duration = Duration::from_secs(180);

/// How long a check of a file system may take.
const FSCK_PATIENCE: Duration = Duration::from_secs(1800);

/// Looks at nodes that have finished: what was found, node by node.
///
/// # Errors
/// The operator asked to stop.
pub(super) fn look(bench: &Bench<'_>, rack: &mut Rack<'_>) -> Result<Vec<Vec<NodeCheck>>, Failure> {
    let mut found: Vec<Vec<NodeCheck>> = match &bench.request.check {
        Some(script) => on_all(rack, |node| vec![run_script(bench, node, script)]),
        None => rack.nodes.iter().map(|_| Vec::new()).collect(),
    };
    bench.context.check_interrupt()?;
    let has_cuts = bench.request.power_cuts > 0;
    if !has_cuts && bench.request.hardware.keep.is_none() {
        return Ok(found);
    }
    on_all(rack, |node| ask(bench, node, "poweroff", REPORT_PATIENCE).is_ok());
    rack.wait_until_off(OFF_PATIENCE);
    bench.context.check_interrupt()?;
    for (node, found) in rack.nodes.iter_mut().zip(&mut found) {
        if node.is_on() {
            let message = format!("it did not switch itself off within {} s", OFF_PATIENCE.as_secs());
            found.push(NodeCheck {
                name: "switching off".to_owned(),
                result: Verdict::Failed(Class::BootTest),
                message,
                elapsed: OFF_PATIENCE,
            });
        } else if has_cuts {
            found.push(check_file_system(bench, node)?);
        }
    }
    Ok(found)
}

/// Does the same on all nodes at once.
fn on_all<R: Send>(rack: &mut Rack<'_>, work: impl Fn(&mut Running<'_>) -> R + Sync) -> Vec<R> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = rack.nodes.iter_mut().map(|node| scope.spawn(move || work(node))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, R>| match thread.join() {
            Ok(answer) => answer,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().map(join).collect()
    })
}

fn ask(
    bench: &Bench<'_>,
    node: &mut Running<'_>,
    verb: &str,
    patience: Duration,
) -> std::io::Result<Vec<u8>> {
    let socket = bench.scratch.sockets().join(agent_socket(&node.prepared.machine.name));
    node.agent.ask(&socket, verb, patience)
}

/// The file in a node's work directory with what the operator's script printed.
pub(super) const CHECK_OUTPUT: &str = "check.txt";

fn run_script(bench: &Bench<'_>, node: &mut Running<'_>, script: &Path) -> NodeCheck {
    let watch = Stopwatch::start();
    let (result, message) = match ask(bench, node, "check", CHECK_PATIENCE) {
        Ok(answer) => {
            // the exit status, and behind it what was printed
            let text = String::from_utf8_lossy(&answer);
            let (status, output) = text.split_once('\n').unwrap_or((&text, ""));
            let kept = files::write_atomic(&node.prepared.work.join(CHECK_OUTPUT), output.as_bytes());
            let last =
                output.lines().rev().find(|line| !line.trim().is_empty()).map(plain).unwrap_or_default();
            match (status.trim(), kept) {
                ("0", Ok(())) => (Verdict::Passed, last),
                ("0", Err(error)) => (failed(), error.to_string()),
                (status, _) => (failed(), format!("exit status {status}: {last}")),
            }
        }
        Err(error) => (failed(), format!("no answer: {error}")),
    };
    let name = script.file_name().unwrap_or_default().to_string_lossy();
    NodeCheck { name: format!("check {name}"), result, message, elapsed: watch.elapsed() }
}

fn failed() -> Verdict {
    Verdict::Failed(Class::BootTest)
}

/// Has the root file system looked at by e2fsck, which shares no code with pimg.
fn check_file_system(bench: &Bench<'_>, node: &Running<'_>) -> Result<NodeCheck, Failure> {
    let watch = Stopwatch::start();
    let target = format!("{}?offset={}", node.prepared.machine.card.display(), node.prepared.root_at);
    // what it finds it prints on its standard output; users' paths often lack the directories of such programs
    let script =
        "PATH=$PATH:/usr/sbin:/sbin; command -v e2fsck >/dev/null || exit 99; exec e2fsck -fn \"$0\" >&2";
    let command = ["/bin/sh", "-c", script, &target].map(str::to_owned);
    let (result, message) = match tools::run(&command, &bench.context.project, FSCK_PATIENCE) {
        Ok(_) => (Verdict::Passed, String::new()),
        Err(ToolError::Failed { status, .. }) if status.code() == Some(99) => {
            (Verdict::Skipped, "`e2fsck` is not installed".to_owned())
        }
        Err(ToolError::Failed { stderr, .. }) => (failed(), stderr),
        Err(error) => return Err(error.into()),
    };
    Ok(NodeCheck { name: "root file system".to_owned(), result, message, elapsed: watch.elapsed() })
}

/// Writes what the nodes say into `dir`, a directory a node. A node that does not answer has its console only.
///
/// # Errors
/// The files cannot be written.
pub(super) fn collect(bench: &Bench<'_>, rack: &mut Rack<'_>, dir: &Path) -> Result<(), Failure> {
    let reports = on_all(rack, |node| match node.is_on() {
        true => ask(bench, node, "report", REPORT_PATIENCE).ok(),
        false => None,
    });
    for (node, report) in rack.nodes.iter().zip(reports) {
        let into: PathBuf = dir.join(&node.prepared.machine.name);
        if into.exists() {
            files::remove_tree(&into)?;
        }
        for name in ["serial.log", "qemu.log", CHECK_OUTPUT] {
            scratch::keep_file(&node.prepared.work.join(name), &into.join(name))?;
        }
        if let Some(report) = report {
            scratch::unpack(&report, &into.join("node"))?;
        }
    }
    Ok(())
}
