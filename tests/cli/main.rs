//! The program as a person or a script meets it: what it prints where, and its exit code.
#![expect(clippy::disallowed_methods, reason = "tests run pimg")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tiny_base.rs"]
mod tiny_base;

mod clean;
mod doctor;
mod errors;
mod help;
mod import;
mod new_project;
mod project;
mod publish;
mod status;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A project of its own, with a home and a cache of its own.
pub(crate) struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    pub(crate) fn new() -> Self {
        let project = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        for name in ["home", "profiles", "overlays"] {
            fs::create_dir(project.path().join(name)).expect("a new directory");
        }
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("has a parent")).expect("a new directory");
        fs::write(path, text).expect("a new file");
    }

    /// pimg in this project, with nothing of the environment that could change what it does.
    pub(crate) fn pimg(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pimg"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command
            .env_clear()
            .env("HOME", self.path().join("home"))
            .env("PIMG_CACHE", self.path().join("cache"));
        // the coverage and sanitizer run-times say where they write by these
        for name in ["PATH", "LLVM_PROFILE_FILE", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.pimg(arguments).output().expect("pimg runs")
    }

    /// Exit code, stdout and stderr as one text, without what differs from run to run.
    pub(crate) fn snapshot(&self, arguments: &[&str]) -> String {
        self.describe(&self.run(arguments))
    }

    pub(crate) fn describe(&self, output: &Output) -> String {
        let mut text = match output.status.code() {
            Some(code) => format!("exit code {code}\n"),
            None => format!("{}\n", output.status),
        };
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !bytes.is_empty() {
                let shown =
                    String::from_utf8_lossy(bytes).replace(&self.path().display().to_string(), "[PROJECT]");
                let _ = write!(text, "--- {name}\n{shown}");
            }
        }
        text
    }
}
