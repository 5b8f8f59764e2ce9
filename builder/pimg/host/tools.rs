//! The only room that spawns processes.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::files::parent;
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
    /// The person asked to stop.
    #[error("`{program}` was stopped")]
    Stopped {
        /// The program.
        program: String,
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
        match self {
            Self::Stopped { .. } => Class::Interrupted,
            _ => Class::Host,
        }
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

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Answer {
    /// How it ended.
    pub status: std::process::ExitStatus,
    /// What it printed on standard output.
    pub stdout: Zeroizing<Vec<u8>>,
    /// What it printed on standard error.
    pub stderr: Zeroizing<Vec<u8>>,
}

/// Runs `command` in `dir` with nothing on its standard input: what it printed on standard output.
///
/// Only the program's name ever appears in an error, since arguments may be private.
///
/// # Errors
/// It cannot be started, fails, prints too much or takes longer than `timeout`.
pub fn run(command: &[String], dir: &Path, timeout: Duration) -> Result<Zeroizing<Vec<u8>>, ToolError> {
    let answer = ask(command, dir, timeout, &|| false)?;
    if !answer.status.success() {
        let program = command.first().cloned().unwrap_or_default();
        return Err(ToolError::Failed { program, status: answer.status, stderr: last_lines(&answer.stderr) });
    }
    Ok(answer.stdout)
}

/// As [`run`], but a program that fails is an answer too, and one that is to `stop` is ended.
///
/// # Errors
/// It cannot be started, prints too much, takes longer than `timeout`, or is to stop.
#[expect(clippy::disallowed_methods, reason = "this is the room that spawns processes")]
pub fn ask(
    command: &[String],
    dir: &Path,
    timeout: Duration,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Answer, ToolError> {
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
        let is_late = Instant::now() >= deadline;
        if is_late || stop() {
            let _ = child.kill();
            let _ = child.wait();
            let program = program.clone();
            return Err(match is_late {
                true => ToolError::TimedOut { program, timeout },
                false => ToolError::Stopped { program },
            });
        }
        thread::sleep(POLL);
    };
    // a grandchild that keeps the pipe open must not hold pimg up
    let grace = deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
    let stdout = stdout.recv_timeout(grace).unwrap_or_default();
    let stderr = stderr.recv_timeout(grace).unwrap_or_default();
    if status.success() && u64::try_from(stdout.len()).unwrap_or(u64::MAX) > MAX_OUTPUT {
        return Err(ToolError::TooLong { program: program.clone() });
    }
    Ok(Answer { status, stdout, stderr })
}

/// Lets the operator edit `file`, on the terminal that pimg was started on. `editor` is a command line of the shell, as
/// in `$EDITOR`; it works in the file's directory.
///
/// # Errors
/// It cannot be started, or fails.
#[expect(clippy::disallowed_methods, reason = "this is the room that spawns processes")]
pub fn edit(editor: &str, file: &Path) -> Result<(), ToolError> {
    let program = editor.to_owned();
    let status = Command::new("/bin/sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(file)
        .current_dir(parent(file))
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(ToolError::Failed { program, status, stderr: String::new() }),
        Err(source) => Err(ToolError::Start { program, source }),
    }
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

    use super::{ToolError, ask, run};

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
    fn stops_when_it_is_told_to_and_takes_a_failure_for_an_answer() {
        let command = |script: &str| ["/bin/sh", "-c", script].map(str::to_owned);
        let is_interrupted = || -> bool { true };
        let stopped = ask(&command("sleep 600"), Path::new("/"), LONG, &is_interrupted);
        let stopped = stopped.expect_err("the operator asked to stop before it ended");
        assert!(matches!(stopped, ToolError::Stopped { .. }), "{stopped}");
        let answer = ask(&command("echo a; echo b >&2; exit 3"), Path::new("/"), LONG, &|| false);
        let answer = answer.expect("it ended");
        assert_eq!((answer.stdout.as_slice(), answer.stderr.as_slice()), (&b"a\n"[..], &b"b\n"[..]));
        assert_eq!(answer.status.code(), Some(3));
    }

    #[test]
    fn says_when_there_is_no_such_program() {
        let error = run(&["/nowhere/tool".to_owned()], Path::new("/"), LONG).expect_err("is not there");
        assert_eq!(error.to_string(), "cannot run `/nowhere/tool`");
        assert!(matches!(run(&[], Path::new("/"), LONG), Err(ToolError::Empty)));
    }
}
