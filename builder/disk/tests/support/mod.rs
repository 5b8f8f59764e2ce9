//! Judges: the tools of others that decide whether our bytes are right.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A tool that was found.
pub(crate) struct Judge {
    path: PathBuf,
}

/// What a judge said.
pub(crate) struct Verdict {
    /// Whether it exited with 0.
    pub(crate) success: bool,
    /// What it wrote to stdout.
    pub(crate) stdout: Vec<u8>,
    /// Both its outputs, for messages.
    pub(crate) text: String,
}

/// Finds these tools. Where one is missing the test is to be skipped, but in CI that is a failure.
pub(crate) fn judges<const N: usize>(names: [&str; N]) -> Option<[Judge; N]> {
    let mut missing = Vec::new();
    let found = names.map(|name| {
        let judge = find(name);
        if judge.is_none() {
            missing.push(name);
        }
        judge
    });
    #[expect(clippy::disallowed_methods, reason = "tests have no host room")]
    let in_ci = std::env::var_os("CI").is_some();
    assert!(missing.is_empty() || !in_ci, "missing judges: {missing:?}");
    if !missing.is_empty() {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: {} not found", missing.join(", "));
        }
        return None;
    }
    Some(found.map(|judge| judge.expect("none is missing")))
}

fn find(name: &str) -> Option<Judge> {
    #[expect(clippy::disallowed_methods, reason = "tests have no host room")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    // most live in sbin, which is not in the PATH of ordinary users on Debian
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories.map(|directory| directory.join(name)).find(|path| path.is_file()).map(|path| Judge { path })
}

impl Judge {
    /// Runs the tool.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Verdict {
        self.run_with_input(arguments, "")
    }

    /// Runs the tool with `input` as its stdin.
    pub(crate) fn run_with_input<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Verdict {
        #[expect(clippy::disallowed_methods, reason = "tests have no host room")]
        let mut command = Command::new(&self.path);
        // mtools would refuse FAT32 volumes smaller than Microsoft makes them
        command.args(arguments).env("MTOOLS_SKIP_CHECK", "1").env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the tool was found");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // a tool that does not read its input may be gone already
        let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("the tool runs");
        let text = [output.stdout.as_slice(), output.stderr.as_slice()].map(String::from_utf8_lossy).concat();
        Verdict { success: output.status.success(), stdout: output.stdout, text }
    }
}
