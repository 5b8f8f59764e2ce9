//! `scripts/release` in an operator's project, as the workflow and any other CI run it, with a small base and a stand-in
//! for GitHub's program.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::have;
use crate::tiny_base::TinyBase;
use crate::{directory, ok, read, script, told};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test";

/// A release on GitHub is a directory here, beside a log of what was asked for.
const GH: &str = r#"#!/bin/bash
set -euo pipefail
printf '%s\n' "$*" >>"$GH_DIR/log"
case "$1 $2" in
  'release view') [ -d "$GH_DIR/$3" ] ;;
  'release create') mkdir "$GH_DIR/$3" ;;
  'release upload') cp "${@:4}" "$GH_DIR/$3/" ;;
  'release edit') [ -d "$GH_DIR/$3" ] ;;
  *) exit 64 ;;
esac
"#;

/// A project with two hosts, `node-a` and `node-b`, locked.
struct Nodes {
    dir: TempDir,
}

impl Nodes {
    fn new() -> Option<Self> {
        let tools = ["jq", "mke2fs", "mkfs.vfat", "mcopy", "sfdisk"];
        if !tools.iter().all(|tool| have(tool)) {
            return None;
        }
        let nodes = Self { dir: directory() };
        for directory in ["profiles", "overlays", "bin", "github"] {
            fs::create_dir(nodes.path().join(directory)).expect("a directory");
        }
        for (name, address) in [("node-a", "10.0.0.2"), ("node-b", "10.0.0.3")] {
            let profile = format!(
                "hostname = \"{name}\"\n\n[base]\nsource = \"base.img\"\n\n[image]\nfree = \"16MiB\"\n\n\
                 [user]\nname = \"op\"\nssh_keys = [\"{KEY}\"]\n\n[network]\naddress = \"{address}/24\"\n\
                 gateway = \"10.0.0.1\"\ndns = [\"10.0.0.1\"]\n"
            );
            fs::write(nodes.path().join(format!("profiles/{name}.toml")), profile).expect("a profile");
        }
        TinyBase::new().make(nodes.path(), "base.img");
        symlink(env!("CARGO_BIN_EXE_pimg"), nodes.path().join("bin/pimg")).expect("a link");
        let gh = nodes.path().join("bin/gh");
        fs::write(&gh, GH).expect("a program");
        fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).expect("a mode");
        ok(nodes.set(&mut Command::new("pimg")).args(["lock", "--all"]));
        Some(nodes)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The environment of a CI job.
    fn set<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let inherited = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{inherited}", self.path().join("bin").display());
        for name in
            ["PIMG_SEEDS", "PIMG_WITH_SECRETS", "PIMG_SIGNING_KEY", "GITHUB_SERVER_URL", "SOURCE_DATE_EPOCH"]
        {
            command.env_remove(name);
        }
        command.current_dir(self.path()).env("PATH", path).env("HOME", self.path()).env("NO_COLOR", "1");
        command.env("PIMG_CACHE", self.path().join("cache")).env("GH_DIR", self.path().join("github"));
        command.env("GITHUB_REPOSITORY", "you/nodes")
    }

    /// `scripts/release` with these arguments.
    fn release(&self, arguments: &[&str]) -> Command {
        let mut command = script("release");
        self.set(command.args(arguments));
        command
    }

    /// What `scripts/release` says when it refuses.
    fn refused(&self, command: &mut Command) -> String {
        let output = command.output().expect("running a script");
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        told(&output)
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path().join(directory)).expect("a directory");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn seeds() -> String {
    format!("node-a {}\nnode-b {}\n", "a1".repeat(32), "b2".repeat(32))
}

#[test]
fn a_tag_becomes_a_release_with_links_that_lead_into_it() {
    let Some(nodes) = Nodes::new() else { return };
    let mut all = nodes.release(&["all", "v1", "--", "--format", "xz"]);
    ok(all.env("PIMG_SEEDS", seeds()));
    let log = read(nodes.path().join("github/log"));
    let asked: Vec<_> =
        log.lines().map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(asked, ["release view v1", "release create v1", "release upload v1", "release edit v1"]);
    // nobody sees half a release
    assert!(log.lines().nth(1).is_some_and(|line| line.contains("--draft ")), "{log}");
    assert!(log.lines().last().is_some_and(|line| line.ends_with("--draft=false")), "{log}");

    let files = nodes.names("github/v1");
    for host in ["node-a", "node-b"] {
        for ending in [".img.xz", ".img.xz.sha256", ".img.bmap", ".manifest.json", ".spdx.json"] {
            let found = files.iter().any(|file| file.starts_with(host) && file.ends_with(ending));
            assert!(found, "no {host}…{ending} in {files:?}");
        }
    }
    let list: serde_json::Value =
        serde_json::from_str(&read(nodes.path().join("github/v1/os_list.json"))).expect("JSON");
    let entries = list["os_list"].as_array().expect("a list");
    assert_eq!(entries.len(), 2);
    for entry in entries {
        let url = entry["url"].as_str().expect("a link");
        let name = url.strip_prefix("https://github.com/you/nodes/releases/download/v1/").expect(url);
        assert!(files.iter().any(|file| file == name), "{name} is not among {files:?}");
    }
    // the seeds went into files that only their owner may read, and not into the release
    let mode = fs::metadata(nodes.path().join("secrets/node-a.seed")).expect("a seed").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for file in &files {
        let bytes = fs::read(nodes.path().join("github/v1").join(file)).expect("a file");
        assert!(!bytes.windows(16).any(|window| window == b"a1a1a1a1a1a1a1a1"), "{file}");
    }

    // what people may have is not replaced
    let refusal = nodes.refused(&mut nodes.release(&["upload", "v1"]));
    assert!(refusal.contains("there is a release `v1` already"), "{refusal}");
    assert_eq!(read(nodes.path().join("github/log")).lines().count(), log.lines().count() + 1);
}

#[test]
fn hosts_of_a_matrix_are_those_of_one_build() {
    let (Some(one), Some(matrix)) = (Nodes::new(), Nodes::new()) else { return };
    assert_eq!(ok(&mut matrix.release(&["hosts"])).trim(), r#"["node-a","node-b"]"#);
    ok(one.release(&["seeds"]).env("PIMG_SEEDS", seeds()));
    ok(&mut one.release(&["build"]));
    // the same repository, cloned: two bases that were made at two times differ
    for file in ["base.img", "pimg.lock"] {
        fs::copy(one.path().join(file), matrix.path().join(file)).expect("the same file");
    }
    // each job has its own cache and its own host
    ok(matrix.release(&["seeds"]).env("PIMG_SEEDS", seeds()));
    for host in ["node-b", "node-a"] {
        ok(matrix.release(&["build", host]).env("PIMG_CACHE", matrix.path().join(host)));
    }
    for host in ["node-a", "node-b"] {
        let digest = |nodes: &Nodes| {
            let name = nodes.names(&format!("out/{host}")).into_iter().find(|name| name.ends_with(".sha256"));
            read(nodes.path().join("out").join(host).join(name.expect("a digest")))
        };
        assert_eq!(digest(&one), digest(&matrix), "{host}");
    }
}

#[test]
fn without_its_seed_no_host_is_built() {
    let Some(nodes) = Nodes::new() else { return };
    let refusal = nodes.refused(&mut nodes.release(&["all", "v1"]));
    assert!(refusal.contains("no seed `secrets/node-a.seed`: add a line `node-a SEED`"), "{refusal}");
    for wrong in ["node-a abc", "../x 00", "node-a"] {
        let refusal = nodes.refused(nodes.release(&["seeds"]).env("PIMG_SEEDS", wrong));
        assert!(refusal.contains("64 hexadecimal digits") && !refusal.contains("abc"), "{refusal}");
    }
    assert!(!nodes.path().join("out").exists() && !nodes.path().join("secrets").exists());
}

#[test]
fn images_with_secrets_are_built_on_request_and_not_published() {
    let Some(nodes) = Nodes::new() else { return };
    ok(nodes.release(&["seeds"]).env("PIMG_SEEDS", seeds()));
    ok(nodes.release(&["build", "node-a"]).env("PIMG_WITH_SECRETS", "yes"));
    let output = nodes.release(&["publish", "https://example.org/pi"]).output().expect("running a script");
    assert!(
        !output.status.success() && told(&output).contains("refusing to publish `node-a`"),
        "{}",
        told(&output)
    );
    assert!(!nodes.path().join("out/release").exists());
}

#[test]
fn what_is_asked_wrongly_is_answered_with_the_usage() {
    for arguments in [&["publish"][..], &["all"], &["flash"], &[], &["hosts", "x"]] {
        let output = script("release").args(arguments).output().expect("running a script");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(told(&output).contains("usage: scripts/release"), "{arguments:?}");
    }
}
