//! What leaves this repository and the operator's: workflows, the action, the scripts that they call, and packages of pimg.
//! Linters and package managers judge; nothing here asks the network.
#![expect(clippy::disallowed_methods, reason = "tests run scripts and their judges")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tiny_base.rs"]
mod tiny_base;

mod archives;
mod debian;
mod images;
mod installing;
mod workflows;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The Rust targets that a release has binaries for.
const TARGETS: [&str; 4] = [
    "aarch64-apple-darwin",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "x86_64-unknown-linux-musl",
];

fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn in_repository(name: &str) -> String {
    read(support::repository().join(name))
}

/// A script of the repository.
fn script(name: &str) -> Command {
    Command::new(support::repository().join("scripts").join(name))
}

/// Runs it and demands success; its standard output.
fn ok(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", told(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// All that a program printed.
fn told(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    texts.concat()
}

/// The version in Cargo.toml.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The program, without what only a debugger wants.
fn stripped(directory: &Path) -> PathBuf {
    let program = directory.join("stripped");
    let path = program.to_str().expect("UTF-8");
    support::run("strip", &["-o", path, env!("CARGO_BIN_EXE_pimg")]);
    program
}

/// Manual pages and completions of the program.
fn extras(directory: &Path) -> PathBuf {
    let extras = directory.join("extras");
    ok(script("package").args(["extras", env!("CARGO_BIN_EXE_pimg")]).arg(&extras));
    extras
}
