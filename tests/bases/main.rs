//! Bases that nobody has seen before: other file systems, other trees, damaged ones. A build of them ends in an
//! image that pleases the judges, or in one clear error.
#![expect(clippy::disallowed_methods, reason = "tests run pimg and its judges")]

#[path = "../image/judges.rs"]
mod judges;
#[path = "../support/mount.rs"]
mod mount;
#[path = "../support/planned.rs"]
mod planned;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tiny_base.rs"]
mod tiny_base;

mod diff;
mod exit_codes;
mod file_systems;
mod fuzz;
mod golden;
mod judged;
mod leaks;
mod lived_in;
mod rebuild;
mod same_bytes;
mod secrets;
mod seeding;
mod signed;
mod trees;
mod verify;

use std::path::{Path, PathBuf};
use std::process::Output;

use support::Project;

/// Whether the tools that make and judge tiny bases are there.
fn have_tools() -> bool {
    ["mke2fs", "mkfs.vfat", "mcopy", "sfdisk", "e2fsck", "fsck.fat"].iter().all(|tool| support::have(tool))
}

/// A project with one small node beside the repository's three.
fn project() -> Project {
    let project = Project::without_packages();
    let node = "hostname = \"tiny\"\noverlays = [\"raspios\"]\n\n[image]\nfree = \"16MiB\"\n\n[user]\nname = \"op\"\n\n\
                [locale]\ndefault = \"en_AU.UTF-8\"\ntimezone = \"Australia/Sydney\"\n\n\
                [network]\naddress = \"10.0.0.2/24\"\ngateway = \"10.0.0.1\"\ndns = [\"10.0.0.1\"]\n\n\
                [base]\nsource = \"base.img\"\n";
    std::fs::write(project.join("profiles/tiny.toml"), node).expect("a profile");
    let shared = project.join("profiles/k8sctl.toml");
    let small = std::fs::read_to_string(&shared).expect("a profile") + "\n[image]\nfree = \"16MiB\"\n";
    std::fs::write(shared, small).expect("a profile");
    project
}

/// Builds the small node with a cache of its own.
fn build(project: &Project, base: &Path) -> Output {
    let base = base.to_str().expect("UTF-8");
    let arguments =
        ["build", "--profile", "tiny", "--base", base, "--format", "raw", "--ssh-key", "test.pub"];
    project.pimg(&arguments).env("PIMG_CACHE", project.join("cache")).output().expect("running pimg")
}

/// The image that a build names.
fn built_image(project: &Project, output: &Output) -> PathBuf {
    let printed = String::from_utf8_lossy(&output.stdout);
    project.join(printed.lines().next().expect("the image's path on stdout"))
}

/// What a person reads.
fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Builds and demands an image without a complaint.
fn expect_image(project: &Project, base: &Path, what: &str) {
    let output = build(project, base);
    assert_eq!(output.status.code(), Some(0), "{what}: {}", told(&output));
    let image = built_image(project, &output);
    judges::expect_no_complaint(&image);
    planned::expect_as_planned(base, &image, what);
}

/// Builds and demands a refusal of the base, with these words, and nothing in `out/`.
fn expect_refusal(project: &Project, base: &Path, words: &str) {
    let output = build(project, base);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(7), "{words}: {told}");
    assert!(told.contains(words), "{words}: {told}");
    assert!(!project.join("out/tiny").exists(), "{words}: a failed build leaves nothing");
}
