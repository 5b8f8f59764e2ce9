//! Starts pimg itself in namespaces of its own, as their first process: its own users, mounts, processes, no network.
//!
//! A user needs a range of subordinate ids for that ([`Ids::Range`]) or nothing at all ([`Ids::One`]); root needs neither.
//! `unshare(1)` makes the namespaces, as Rust has no safe call for it. The way in, each step the same process:
//! ```text
//! unshare --user  →  sh, which waits  →  (ids are mapped from outside)  →  unshare --mount --pid …  →  pimg, process 1
//! ```
//! Ids have to be mapped before the last step, since only a program that is started as root of a namespace has root's
//! rights there. Its standard input stays open as long as pimg outside lives: process 1 ends when it closes
//! ([`super::inside`]), and Linux ends all others of its namespace with it, however pimg was killed.

use std::io::{BufReader, PipeReader, PipeWriter, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::error::HostError;
use super::id_maps;
use super::inside::{self, Inside};
use super::machine::next_line;
use super::namespace_error::NamespaceError;

/// Said by the shell once the user namespace is there.
const WAITING: &str = "pimg: waiting for ids";
/// Said by process 1 when it begins.
pub(super) const BEGUN: &str = "pimg: inside";
/// How often it is asked whether to stop.
const POLL: Duration = Duration::from_millis(50);

/// Which users there are inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Many, as a whole system needs them: those of the host for root, the user's range of `/etc/subuid` else.
    Range,
    /// Root alone, who is the caller outside. Whatever is asked for another owner fails.
    One,
}

/// Runs `job` in new namespaces and waits for its end: how it ended. `program` is pimg itself
/// ([`super::env::program`]). Each line that it prints, on whichever of its outputs, goes to `hear` without its end.
///
/// Once `stop` says so, or once this process is gone, all that runs inside is killed.
///
/// # Errors
/// The host has no such namespaces, or not for this user; or it was to stop.
pub fn run(
    program: &Path,
    ids: Ids,
    job: &Inside,
    hear: &mut dyn FnMut(&str),
    stop: &dyn Fn() -> bool,
) -> Result<ExitStatus, NamespaceError> {
    if !cfg!(target_os = "linux") {
        return Err(NamespaceError::NotLinux);
    }
    let job = serde_json::to_string(job).map_err(|error| NamespaceError::Start(error.into()))?;
    let mut namespace = Started::new(program)?;
    namespace.enter(ids, &job, stop)?;
    while let Some(line) = namespace.next(stop)? {
        hear(&line);
    }
    namespace.child.wait().map_err(NamespaceError::Start)
}

/// Namespaces that come to life or live. They end with this value.
struct Started {
    child: Child,
    input: Option<PipeWriter>,
    lines: Receiver<String>,
}

impl Started {
    #[expect(clippy::disallowed_methods, reason = "this is the room that spawns processes")]
    fn new(program: &Path) -> Result<Self, NamespaceError> {
        let (output, writer) = std::io::pipe().map_err(NamespaceError::Start)?;
        let (reader, input) = std::io::pipe().map_err(NamespaceError::Start)?;
        let errors = writer.try_clone().map_err(NamespaceError::Start)?;
        let script = format!("echo '{WAITING}'; read -r mapped && exec \"$@\"");
        let enter =
            ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--"];
        let child = Command::new("unshare")
            .args(["--user", "--", "/bin/sh", "-c", &script, "sh"])
            .args(enter)
            .arg(program)
            .arg(inside::VERB)
            // nothing of the host's is known inside
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/")
            // ctrl-C is for pimg, which ends what is inside
            .process_group(0)
            .stdin(Stdio::from(reader))
            .stdout(writer)
            .stderr(errors)
            .spawn()
            .map_err(NamespaceError::NoUnshare)?;
        Ok(Self { child, input: Some(input), lines: listen(output) })
    }

    /// Waits for the user namespace, maps its ids, and goes on to process 1, which is given `job`.
    fn enter(&mut self, ids: Ids, job: &str, stop: &dyn Fn() -> bool) -> Result<(), NamespaceError> {
        self.wait_for(WAITING, stop)?;
        id_maps::write(self.child.id(), ids)?;
        self.tell("mapped")?;
        self.tell(job)?;
        self.wait_for(BEGUN, stop)
    }

    fn wait_for(&mut self, expected: &str, stop: &dyn Fn() -> bool) -> Result<(), NamespaceError> {
        let mut said = Vec::new();
        while let Some(line) = self.next(stop)? {
            if line == expected {
                return Ok(());
            }
            said.push(line);
        }
        Err(NamespaceError::refused(said.join("; ")))
    }

    fn tell(&mut self, line: &str) -> Result<(), NamespaceError> {
        // who ended before it heard this has said why
        if let Some(input) = &mut self.input {
            let _ = writeln!(input, "{line}");
        }
        Ok(())
    }

    /// The next line; nothing once all that was started has ended.
    fn next(&self, stop: &dyn Fn() -> bool) -> Result<Option<String>, NamespaceError> {
        loop {
            if stop() {
                return Err(NamespaceError::Stopped);
            }
            match self.lines.recv_timeout(POLL) {
                Ok(line) => return Ok(Some(line)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.input.take());
        // it may have ended by itself; `unshare --kill-child` takes process 1 along
        let _ = self.child.kill();
        let _ = self.child.wait();
        // the last one that ran inside closes the pipe: nobody touches a file any more
        while self.lines.recv().is_ok() {}
    }
}

fn listen(output: PipeReader) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        while let Some(line) = next_line(&mut output) {
            let line = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The error of a file that is read on the way in.
pub(super) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> NamespaceError {
    let error = HostError::file(doing, path);
    move |source| NamespaceError::Host(error(source))
}
