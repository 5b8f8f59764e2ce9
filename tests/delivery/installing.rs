//! `scripts/install`, which the action calls: a released archive is taken only if it is the one that was asked for.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::have;
use crate::{VERSION, directory, ok, script, told};

/// Where releases are looked for: a directory with one archive, whose program says a word.
fn releases(directory: &Path, word: &str) -> (String, String) {
    let target = ok(script("install").arg("--target"));
    let (target, release) = (target.trim(), directory.join(format!("v{VERSION}")));
    fs::create_dir_all(&release).expect("a directory");
    let program = directory.join("program");
    fs::write(&program, format!("#!/bin/sh\necho {word}\n")).expect("a program");
    let extras = directory.join("extras");
    for part in ["man", "completions"] {
        fs::create_dir_all(extras.join(part)).expect("a directory");
    }
    let mut command = script("package");
    let path = ok(command.arg("archive").arg(program).arg(target).arg(extras).arg(release));
    let digest = crate::support::run("sha256sum", &[path.trim()]);
    (format!("file://{}", directory.display()), digest.split(' ').next().unwrap_or_default().to_owned())
}

fn install(into: &Path, from: &str, digest: &str) -> Command {
    let mut command = script("install");
    command.arg(into).args([VERSION, digest]).env("PIMG_RELEASES", from);
    command
}

#[test]
fn the_archive_of_the_digest_is_installed_and_no_other() {
    if !have("curl") {
        return;
    }
    let dir = directory();
    let (from, digest) = releases(dir.path(), "genuine");
    let into = dir.path().join("pimg");
    ok(&mut install(&into, &from, &digest));
    let program = into.join("bin/pimg");
    assert_eq!(ok(&mut Command::new(&program)).trim(), "genuine");

    let (_, other) = releases(dir.path(), "forged");
    assert_ne!(digest, other);
    let elsewhere = dir.path().join("elsewhere");
    let output = install(&elsewhere, &from, &digest).output().expect("running a script");
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains(&format!("expected sha256 {digest}, got {other}")), "{}", told(&output));
    assert!(!elsewhere.exists());

    for wrong in ["", "abc", &digest.to_uppercase()] {
        let output = install(&elsewhere, &from, wrong).output().expect("running a script");
        assert!(told(&output).contains("expected a SHA-256 in hexadecimal"), "{}", told(&output));
    }
    let output = install(&elsewhere, "file:///nowhere", &digest).output().expect("running a script");
    assert!(!output.status.success() && !elsewhere.exists());
}

#[test]
fn sources_have_a_digest_that_follows_them() {
    let digest = ok(script("install").arg("--sources"));
    assert_eq!(digest.trim().len(), 64);
    assert_eq!(digest, ok(script("install").arg("--sources")));
}
