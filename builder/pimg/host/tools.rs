//! The only room that spawns processes.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::failure::{Class, Fault};

/// Longest output that is taken, in bytes.
const MAX_OUTPUT: u64 = 16 << 20;

/// How often a running program is asked whether it is done.
const POLL: Duration = Duration::from_millis(10);

/// A program of the host did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// No program was named.
    #[error("the command is empty")]
    Empty,
    /// It could not be started.
    #[error("cannot run `{program}`")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with an error.
    #[error("`{program}` failed ({status}){}", said(.stderr))]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// It did not end.
    #[error("`{program}` was stopped: it took longer than {} seconds", .timeout.as_secs())]
    TimedOut {
        /// The program.
        program: String,
        /// How long it may take.
        timeout: Duration,
    },
    /// It printed more than is taken.
    #[error("`{program}` printed more than {MAX_OUTPUT} bytes")]
    TooLong {
        /// The program.
        program: String,
    },
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

impl Fault for ToolError {
    fn class(&self) -> Class {
        Class::Host
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Start { program, source } if source.kind() == io::ErrorKind::NotFound => {
                vec![format!("install `{program}`, or see whether it is in `$PATH`")]
            }
            _ => Vec::new(),
        }
    }
}

/// Runs `command` in `dir` with nothing on its standard input: what it printed on standard output.
///
/// Only the program's name ever appears in an error, since arguments may be private.
///
/// # Errors
/// It cannot be started, fails, prints too much or takes longer than `timeout`.
#[expect(clippy::disallowed_methods, reason = "this is the room that spawns processes")]
pub fn run(command: &[String], dir: &Path, timeout: Duration) -> Result<Zeroizing<Vec<u8>>, ToolError> {
    let (program, arguments) = command.split_first().ok_or(ToolError::Empty)?;
    let failed_to_start = |source| ToolError::Start { program: program.clone(), source };
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed_to_start)?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let deadline = Instant::now() + timeout;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed_to_start)? {
            break status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(ToolError::TimedOut { program: program.clone(), timeout });
        }
        thread::sleep(POLL);
    };
    // a grandchild that keeps the pipe open must not hold pimg up
    let grace = deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
    let printed = stdout.recv_timeout(grace).unwrap_or_default();
    if !status.success() {
        let stderr = last_lines(&stderr.recv_timeout(grace).unwrap_or_default());
        return Err(ToolError::Failed { program: program.clone(), status, stderr });
    }
    if u64::try_from(printed.len()).unwrap_or(u64::MAX) > MAX_OUTPUT {
        return Err(ToolError::TooLong { program: program.clone() });
    }
    Ok(printed)
}

/// Reads a pipe to its end on a thread of its own.
fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Zeroizing<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::new());
        if let Some(pipe) = pipe {
            // what was read up to an error is all that there is
            let _ = pipe.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

/// The last lines of what a program said about its failure, as one line.
fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let shown = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default().join("; ");
    shown.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{ToolError, run};

    fn shell(script: &str, timeout: Duration) -> Result<Vec<u8>, ToolError> {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        run(&command, Path::new("/"), timeout).map(|bytes| bytes.to_vec())
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn takes_what_is_printed_and_offers_no_input() {
        assert_eq!(shell("cat; pwd", LONG).expect("runs"), b"/\n");
    }

    #[test]
    fn tells_why_it_failed_and_not_what_it_was_told() {
        let error = shell("echo hunter2; echo sorry >&2; exit 3", LONG).expect_err("fails");
        assert_eq!(error.to_string(), "`/bin/sh` failed (exit status: 3): sorry");
    }

    #[test]
    fn stops_what_does_not_end() {
        let error = shell("sleep 600", Duration::from_millis(50)).expect_err("never ends");
        assert!(matches!(error, ToolError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn says_when_there_is_no_such_program() {
        let error = run(&["/nowhere/tool".to_owned()], Path::new("/"), LONG).expect_err("is not there");
        assert_eq!(error.to_string(), "cannot run `/nowhere/tool`");
        assert!(matches!(run(&[], Path::new("/"), LONG), Err(ToolError::Empty)));
    }
}
