//! The steps that overlays bring, run for real without a boot: on a card that is a file, in a root that is a chroot.
//!
//! Each scenario is a script beside this file; it runs as root in a mount namespace that ends with it.
#![expect(clippy::disallowed_methods, reason = "scenarios are scripts")]

use std::path::Path;
use std::process::Command;

#[path = "../support/debian.rs"]
mod debian;
#[path = "../support/mod.rs"]
mod support;

use pimg::guest::per_host::{self, Left};
use support::{Project, base_image, have, repository, run, skip};

/// Runs a scenario and demands that it ends well.
fn scenario(name: &str, arguments: &[&str], base: Option<&Path>) {
    if run("id", &["-u"]).trim() != "0" {
        return skip("steps run as root");
    }
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let script = repository().join("tests/steps").join(name);
    let mut command = Command::new("unshare");
    command.args(["--mount", "--uts", "bash"]).arg(script).args(arguments);
    command.env("REPOSITORY", repository()).env("WORK", work.path()).env("BASE", base.unwrap_or(work.path()));
    let output = command.output().expect("running a scenario");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} {arguments:?}:\n{out}{err}");
}

/// Whether the programs are here that make a card of a file.
fn have_card_tools() -> bool {
    ["losetup", "partx", "sfdisk", "mke2fs", "debugfs", "e2fsck", "unshare"].iter().all(|tool| have(tool))
}

#[test]
fn a_card_that_gives_back_other_data_is_mended_or_named() {
    if have_card_tools() {
        scenario("selfcheck", &[], None);
    }
}

#[test]
fn the_root_partition_grows_to_the_end_of_the_card() {
    if have_card_tools() {
        scenario("grow-root", &["dos"], None);
        scenario("grow-root", &["gpt"], None);
    }
}

#[test]
fn packages_are_in_place_wherever_dpkg_was_cut() {
    let tools = ["strace", "apt-get", "dpkg-deb", "dpkg-scanpackages", "apt-ftparchive", "unshare"];
    if tools.iter().all(|tool| have(tool)) {
        scenario("packages", &[], None);
    }
}

#[test]
fn a_baked_node_makes_its_packages_its_own_wherever_it_was_cut() {
    let tools = ["strace", "apt-get", "dpkg-deb", "debconf-communicate", "unshare"];
    if tools.iter().all(|tool| have(tool)) {
        scenario("baked", &[], None);
    }
}

/// Their scripts make keys, names and numbers, and ask questions.
const DEBIAN: [&str; 4] = ["nvme-cli", "open-iscsi", "postfix", "ssl-cert"];

/// What no two nodes may share, as lines that a script reads: a path, and what may be left in its place.
fn per_host_rules() -> String {
    let rules = per_host::RULES.iter().map(|rule| match rule.left {
        Left::Text(text) => format!("{}\t{}\n", rule.path, text.trim_end()),
        Left::Nothing | Left::Link => format!("{}\t\n", rule.path),
    });
    rules.collect()
}

#[test]
fn real_packages_end_as_they_would_on_a_node_that_installs_them() {
    let Some(base) = base_image("pios") else { return };
    if !have("sfdisk") || !have("qemu-aarch64-static") {
        return;
    }
    let project = Project::new();
    let base = project.decoded_base(&base);
    let image = base.to_str().expect("UTF-8");
    let status = project.pimg_ok(&["inspect", image, "/var/lib/dpkg/status"]).stdout;
    let Some(debs) = debian::directory(&DEBIAN, &status, &project.join("apt")) else { return };
    let reconfigure: String = per_host::reconfigured()
        .into_iter()
        .map(|(package, files)| format!("{package} {}\n", files.join(" ")))
        .collect();
    for (name, text) in [("per-host", per_host_rules()), ("reconfigure", reconfigure)] {
        std::fs::write(project.join(name), text).expect("a list");
    }
    let lists = project.path().to_str().expect("UTF-8");
    scenario("debian", &[debs.to_str().expect("UTF-8"), lists], Some(&base));
}

#[test]
fn network_cards_are_told_apart() {
    scenario("nics", &[], None);
}

#[test]
fn steps_do_their_work_in_the_base() {
    let Some(base) = base_image("pios") else { return };
    if have("sfdisk") && have("qemu-aarch64-static") {
        let project = Project::new();
        scenario("base", &[], Some(&project.decoded_base(&base)));
    }
}
