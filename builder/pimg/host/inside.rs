//! What process 1 of namespaces does ([`super::namespace`]): it mounts, runs a program, and ends when that does, or when
//! pimg outside is gone.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The argument by which pimg knows that it is to be process 1. No verb of the command line.
pub const VERB: &str = "__inside";

/// What is to be done inside.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Inside {
    /// Where relative paths begin.
    pub work: PathBuf,
    /// Name of the machine; empty for the host's own.
    pub hostname: String,
    /// What is mounted, in this order.
    pub mounts: Vec<Mount>,
    /// The directory that `/` is for the program, unless empty.
    pub root: PathBuf,
    /// The program and its arguments. Where there is none, process 1 does `task` itself.
    pub command: Vec<String>,
    /// All its environment variables.
    pub environment: BTreeMap<String, String>,
    /// What pimg itself does inside in place of a program, for the room that asked for it.
    pub task: String,
}

/// Something to be mounted. Where it goes is made if it is not there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Mount {
    /// A file or directory of the host, with all that is mounted below it.
    Bind {
        /// What.
        from: PathBuf,
        /// Where.
        to: PathBuf,
    },
    /// `proc` of the namespace's own processes.
    Proc {
        /// Where.
        to: PathBuf,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// Where.
        to: PathBuf,
        /// Its mode, such as 0o755.
        mode: u32,
    },
    /// `/dev` with what programs expect there, and no disk.
    Devices {
        /// Where.
        to: PathBuf,
    },
    /// An overlay whose changes go to `upper`. All paths are below `work` and without commas and colons.
    Overlay {
        /// What lies below, topmost first.
        lower: Vec<PathBuf>,
        /// Where changes go.
        upper: PathBuf,
        /// An empty directory beside `upper`.
        scratch: PathBuf,
        /// Where.
        to: PathBuf,
    },
    /// A `binfmt_misc` of the namespace's own in which `line` is registered. Kernels before 6.7 have none: what the host
    /// has registered is what there is, then.
    Emulator {
        /// A line as in `binfmt.d(5)`.
        line: Vec<u8>,
        /// Where.
        to: PathBuf,
    },
}

/// Reads what is to be done from standard input, does it, and says how it ended: an exit status. Process 1 of a namespace
/// alone does this. `task` is what does [`Inside::task`].
pub fn run(task: &dyn Fn(&Inside) -> Result<(), String>) -> u8 {
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line).is_err() {
        return 70;
    }
    end_with_standard_input();
    say(super::namespace::BEGUN);
    let done = serde_json::from_str(&line).map_err(|error| error.to_string()).and_then(|job: Inside| {
        std::env::set_current_dir(&job.work).map_err(|error| format!("{}: {error}", job.work.display()))?;
        prepare(&job)?;
        if job.command.is_empty() { task(&job).map(|()| 0) } else { start(&job) }
    });
    done.unwrap_or_else(|error| {
        say(&error);
        70
    })
}

/// A line for who listens outside; it is no terminal.
pub fn say(line: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    // nobody may be there any more
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Process 1 ends, and all others with it, once nobody holds the other end: pimg outside is gone.
#[expect(clippy::exit, reason = "process 1 is what keeps a namespace alive")]
fn end_with_standard_input() {
    std::thread::spawn(|| {
        let mut byte = [0];
        while std::io::stdin().read(&mut byte).is_ok_and(|read| read > 0) {}
        std::process::exit(75);
    });
}

/// Runs the program and waits for it. Only it is below the new root: whoever asks whether it is in a chroot compares its
/// `/` with that of process 1, as systemctl does before it starts a unit.
#[expect(clippy::disallowed_methods, reason = "this is the room that spawns processes")]
fn start(job: &Inside) -> Result<u8, String> {
    use std::os::unix::process::ExitStatusExt;
    let mut command = std::process::Command::new("unshare");
    if !job.root.as_os_str().is_empty() {
        command.arg("--root").arg(&job.root).args(["--wd", "/"]);
    }
    command.arg("--").args(&job.command).stdin(std::process::Stdio::null());
    // `unshare` itself is looked for in the host's own directories
    command.env_clear().envs(&job.environment);
    let status = command.status().map_err(|error| format!("unshare: {error}"))?;
    let signal = status.signal().and_then(|signal| u8::try_from(signal).ok()).unwrap_or_default();
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or_else(|| signal.saturating_add(128)))
}

#[cfg(not(target_os = "linux"))]
fn prepare(_: &Inside) -> Result<(), String> {
    Err("only Linux has namespaces".to_owned())
}

#[cfg(target_os = "linux")]
fn prepare(job: &Inside) -> Result<(), String> {
    if !job.hostname.is_empty() {
        let set = rustix::system::sethostname(job.hostname.as_bytes());
        set.map_err(|error| format!("cannot name the machine: {error}"))?;
    }
    job.mounts.iter().try_for_each(|mount| {
        super::mounts::mount(mount)
            .map_err(|error| format!("cannot mount {}: {error}", name(mount).display()))
    })
}

#[cfg(target_os = "linux")]
fn name(mount: &Mount) -> &Path {
    match mount {
        Mount::Bind { to, .. }
        | Mount::Proc { to }
        | Mount::Tmpfs { to, .. }
        | Mount::Devices { to }
        | Mount::Overlay { to, .. }
        | Mount::Emulator { to, .. } => to,
    }
}
