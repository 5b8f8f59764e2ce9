//! What a build leaves: what was asked for, what was there before, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::judges::{expect_no_complaint, partitions};
use crate::mount::{Entry, Mount, sha256_of};
use crate::support::{self, Project, have};

const HOSTS: [&str; 3] = ["k8sctl-pi5l", "k8sctl-pi5r", "k8sctl-pi5x"];

#[test]
fn every_host_on_every_kind_of_base_pleases_the_judges_and_the_kernel() {
    if !["e2fsck", "fsck.fat", "sfdisk", "getfattr"].iter().all(|judge| have(judge)) {
        return;
    }
    for variant in ["pios", "default"] {
        let Some(base) = support::base_image(variant) else { return };
        let project = Project::new();
        let raw_base = project.decoded_base(&base);
        let (_, base_root) = partitions(&raw_base);
        let Some(before) = Mount::read_only(&raw_base, base_root.start) else { return };
        let before = before.tree();
        for host in HOSTS {
            let image = project.build_raw(host, &base);
            expect_no_complaint(&image);
            let (_, root) = partitions(&image);
            let after = Mount::read_only(&image, root.start).expect("root").tree();
            let manifest = fs::read(image.with_file_name("manifest.json")).expect("the manifest");
            let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
            expect_changes(&manifest, &before, &after, host);
            fs::remove_file(image).expect("making room");
        }
    }
}

/// Every change of the manifest is there, and every other entry is as it was.
fn expect_changes(
    manifest: &Value,
    before: &BTreeMap<String, Entry>,
    after: &BTreeMap<String, Entry>,
    host: &str,
) {
    let changes = manifest["changes"].as_array().expect("changes");
    let on_root: Vec<_> = changes.iter().filter(|change| change["partition"] == "root").collect();
    assert!(on_root.len() > 20, "{host}: a host needs more than {} changes", on_root.len());
    let mut touched: BTreeMap<String, ()> = BTreeMap::new();
    let mut removed = Vec::new();
    for change in on_root {
        let path = change["path"].as_str().expect("a path");
        if change["action"] == "remove" {
            removed.push(path);
        } else {
            expect_entry(change, after.get(path), &format!("{host}: {path}"));
        }
        touched.insert(path.to_owned(), ());
        for (index, _) in path.match_indices('/') {
            touched.insert(if index == 0 { "/".to_owned() } else { path[..index].to_owned() }, ());
        }
    }
    let gone = |path: &str| removed.iter().any(|gone| path == *gone || path.starts_with(&format!("{gone}/")));
    for (path, entry) in before.iter().filter(|(path, _)| !touched.contains_key(*path)) {
        if gone(path) {
            assert!(!after.contains_key(path), "{host}: {path} is still there");
        } else {
            assert_eq!(after.get(path), Some(entry), "{host}: {path} was not to be touched");
        }
    }
    let added = after.keys().filter(|path| !before.contains_key(*path) && !touched.contains_key(*path));
    assert_eq!(added.collect::<Vec<_>>(), Vec::<&String>::new(), "{host}: nobody asked for these");
}

fn expect_entry(change: &Value, entry: Option<&Entry>, what: &str) {
    let entry = entry.unwrap_or_else(|| panic!("{what} is missing"));
    let kind = match change["action"].as_str().expect("an action") {
        "file" => 'f',
        "directory" => 'd',
        "symlink" => 'l',
        other => {
            assert_eq!(other, "ownership", "{what}");
            entry.kind
        }
    };
    assert_eq!(entry.kind, kind, "{what}: kind");
    if let Some(mode) = change["mode"].as_str() {
        assert_eq!(format!("{:04o}", entry.mode), mode, "{what}: mode");
        assert_eq!(u64::from(entry.owner.0), change["uid"].as_u64().expect("uid"), "{what}: owner");
        assert_eq!(u64::from(entry.owner.1), change["gid"].as_u64().expect("gid"), "{what}: group");
    }
    if let Some(sha256) = change["sha256"].as_str() {
        assert_eq!(entry.content, sha256, "{what}: content");
    }
    if let Some(target) = change["target"].as_str() {
        assert_eq!(entry.content, target, "{what}: target");
    }
    if change["secret"] == true {
        // /etc/shadow is open to its group, as on every Debian
        assert!(entry.mode & 0o007 == 0, "{what}: a secret that others may read");
        assert!(
            entry.mode & 0o070 == 0 || what.ends_with("shadow"),
            "{what}: a secret that a group may read"
        );
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let Some(base) = support::base_image("pios") else { return };
    let (first, second) = (Project::new(), Project::new());
    let built = |project: &Project| {
        let base = base.to_str().expect("UTF-8");
        let arguments = ["build", "--profile", "k8sctl-pi5l", "--base", base, "--ssh-key", "test.pub"];
        let output = project.pimg_ok(&arguments);
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        project.join(printed.lines().next().expect("the image's path"))
    };
    let image = built(&first);
    fs::create_dir(second.join("secrets")).expect("a directory");
    copy_seed(&first, &second);
    let again = built(&second);
    assert_eq!(sha256_of(&image), sha256_of(&again));
    let listed = fs::read_to_string(format!("{}.sha256", image.display())).expect("a digest file");
    let name = image.file_name().expect("a name").to_string_lossy().into_owned();
    assert_eq!(listed, format!("{}  {name}\n", sha256_of(&image)));
    let manifest = |path: &Path| fs::read(path.with_file_name("manifest.json")).expect("the manifest");
    assert_eq!(manifest(&image), manifest(&again));
}

fn copy_seed(from: &Project, to: &Project) {
    for entry in fs::read_dir(from.join("secrets")).expect("the first build makes a seed") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join("secrets").join(entry.file_name())).expect("copying the seed");
    }
}

#[test]
fn stock_decoders_read_what_a_build_publishes_in_little_memory() {
    if !["zstd", "xz"].iter().all(|judge| have(judge)) {
        return;
    }
    let Some(base) = support::base_image("pios") else { return };
    for (format, decoder) in [("zst", "zstd"), ("xz", "xz")] {
        let project = Project::new();
        let base = base.to_str().expect("UTF-8");
        let arguments = ["build", "--profile", "k8sctl-pi5l", "--base", base, "--format", format];
        let mut command = project.pimg(&[&arguments[..], &["--ssh-key", "test.pub"]].concat());
        // an empty cache: the base is decoded too
        command.env("PIMG_CACHE", project.join("cache")).stdout(Stdio::null()).stderr(Stdio::null());
        let peak = peak_memory_kib(command.spawn().expect("starting pimg"));
        assert!(peak > 0 && peak < 300 << 10, "{format}: {peak} KiB of memory");
        println!("{format}: at most {peak} KiB of memory");
        let image = project.join("out/k8sctl-pi5l").join(format!("k8sctl-pi5l-1.img.{format}"));
        let manifest = fs::read(image.with_file_name("manifest.json")).expect("the manifest");
        let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        let pipeline = format!("{decoder} -dc '{}' | sha256sum", image.display());
        let digest = support::run("bash", &["-o", "pipefail", "-c", &pipeline]);
        assert_eq!(digest.split_whitespace().next(), manifest["image"]["raw_sha256"].as_str(), "{format}");
    }
}

/// Waits for a build and returns the most memory it ever had (`VmHWM`).
fn peak_memory_kib(mut build: Child) -> u64 {
    let mut peak = 0;
    while build.try_wait().expect("asking for pimg").is_none() {
        peak = peak.max(memory_kib(build.id()).unwrap_or(0));
        sleep(Duration::from_millis(20));
    }
    assert!(build.wait().expect("waiting for pimg").success());
    peak
}

fn memory_kib(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
