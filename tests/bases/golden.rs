//! The golden layer: made once for all hosts, never without need, never wrong, and no secret in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use crate::mount::sha256_of;
use crate::secrets::{Planted, count};
use crate::support::Project;
use crate::tiny_base::TinyBase;
use crate::{have_tools, judges, project, told};

const HOSTS: [&str; 3] = ["left", "middle", "right"];

/// Three small hosts that share files, short ones and one that is not held in memory.
fn cluster() -> Project {
    let project = project();
    for entry in fs::read_dir(project.join("profiles")).expect("profiles") {
        let path = entry.expect("an entry").path();
        if path.file_stem().is_some_and(|name| name != "tiny") {
            fs::remove_file(path).expect("removing");
        }
    }
    let tiny = project.join("profiles/tiny.toml");
    let text = fs::read_to_string(&tiny).expect("a profile").replace("hostname = \"tiny\"\n", "");
    fs::write(tiny, text.replace("\"raspios\"]", "\"raspios\", \"files\"]")).expect("a profile");
    for (name, octet) in HOSTS.iter().zip(10..) {
        let text = format!(
            "extends = \"tiny\"\nhostname = \"{name}\"\n\n[network]\naddress = \"10.0.0.{octet}/24\"\n"
        );
        fs::write(project.join(&format!("profiles/{name}.toml")), text).expect("a profile");
    }
    let files = project.join("overlays/files/rootfs/usr/share/files");
    fs::create_dir_all(&files).expect("a directory");
    for number in 0..60_usize {
        let text = format!("file {number}\n").repeat(1 + number * 100);
        fs::write(files.join(format!("{number}.txt")), text).expect("a file");
    }
    fs::write(files.join("large.bin"), large()).expect("a file");
    fs::write(files.join("name.j2"), "this is {{ hostname }}\n").expect("a template");
    TinyBase::new().make(project.path(), "base.img");
    project
}

/// 3 MiB that nothing compresses or repeats.
fn large() -> Vec<u8> {
    let words = (0..3_u32 << 18).map(|at| at.wrapping_mul(2_654_435_761).rotate_left(11) ^ at);
    words.flat_map(u32::to_le_bytes).collect()
}

fn command(project: &Project, hosts: &[&str], cache: &str) -> std::process::Command {
    let mut arguments = vec!["build", "--format", "raw", "--ssh-key", "test.pub", "--progress", "plain"];
    hosts.iter().for_each(|host| arguments.extend(["--profile", host]));
    if hosts.is_empty() {
        arguments.push("--all");
    }
    let mut command = project.pimg(&arguments);
    command.env("PIMG_CACHE", project.join(cache));
    command
}

/// Builds these hosts, or all: digests of their images, and what a person reads.
fn build(project: &Project, hosts: &[&str], cache: &str) -> (BTreeMap<String, String>, String) {
    let output = command(project, hosts, cache).output().expect("running pimg");
    assert!(output.status.success(), "{}", told(&output));
    (images(project, &output), told(&output))
}

fn images(project: &Project, output: &Output) -> BTreeMap<String, String> {
    let printed = String::from_utf8_lossy(&output.stdout);
    let digests = printed.lines().map(|line| {
        let image = project.join(line);
        let host = image.parent().and_then(Path::file_name).expect("a host's directory");
        (host.to_string_lossy().into_owned(), sha256_of(&image))
    });
    digests.collect()
}

/// The files of golden layers in a cache, marks left out.
fn layers(project: &Project, cache: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(project.join(cache).join("layer-v1")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_none_or(|extension| extension != "seen")).collect()
}

fn only_layer(project: &Project, cache: &str) -> PathBuf {
    let found = layers(project, cache);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

/// What `pimg` said about golden layers: `made` and `reused`, sorted, as hosts are built at the same time. A line of
/// one host of several begins with its name.
fn said(told: &str) -> Vec<&str> {
    let lines = told.lines().filter_map(|line| line.split_once("golden layer: "));
    let outcomes = lines.filter(|(whose, _)| whose.is_empty() || whose.ends_with(": "));
    let mut words: Vec<_> = outcomes.filter_map(|(_, outcome)| outcome.split(' ').next()).collect();
    words.sort_unstable();
    words
}

#[test]
fn an_image_is_the_same_alone_with_others_and_from_the_cache() {
    if !have_tools() {
        return;
    }
    let project = cluster();
    let (all, told) = build(&project, &[], "cache");
    assert_eq!(all.keys().collect::<Vec<_>>(), HOSTS.iter().collect::<Vec<_>>());
    assert_eq!(all.values().collect::<BTreeSet<_>>().len(), 3, "each host is another");
    assert_eq!(said(&told), ["made", "reused", "reused"], "{told}");
    only_layer(&project, "cache");
    for host in HOSTS {
        judges::expect_no_complaint(&project.join(&format!("out/{host}/{host}-1.img")));
        let (alone, told) = build(&project, &[host], &format!("cache-{host}"));
        assert_eq!((&alone[host], said(&told)), (&all[host], vec!["made"]), "{host}: {told}");
        let (again, told) = build(&project, &[host], "cache");
        assert_eq!((&again[host], said(&told)), (&all[host], vec!["reused"]), "{host}: {told}");
    }
}

#[test]
fn a_line_of_a_profile_costs_the_hosts_own_blocks_and_nothing_else() {
    if !have_tools() {
        return;
    }
    let project = cluster();
    build(&project, &[], "cache");
    let layer = only_layer(&project, "cache");
    let look = || {
        let metadata = layer.metadata().expect("the layer");
        (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ctime_nsec())
    };
    let before = look();
    let profile = project.join("profiles/middle.toml");
    let text = fs::read_to_string(&profile).expect("a profile");
    fs::write(&profile, text.replace("10.0.0.11", "10.0.0.99")).expect("a profile");
    let (_, told) = build(&project, &[], "cache");
    assert_eq!(said(&told), ["reused"; 3], "{told}");
    assert_eq!((only_layer(&project, "cache"), look()), (layer.clone(), before));
    judges::expect_no_complaint(&project.join("out/middle/middle-1.img"));

    // and a file that all share is another layer
    fs::write(project.join("overlays/files/rootfs/usr/share/files/1.txt"), "changed").expect("a file");
    let (_, told) = build(&project, &[], "cache");
    assert_eq!(said(&told), ["made", "reused", "reused"], "{told}");
    assert_eq!((layers(&project, "cache").len(), look()), (2, before));
}

/// Marks a layer as good, as if what was done to it had gone past the file system.
fn mark_good(layer: &Path) {
    let at = layer.metadata().expect("a layer");
    let (modified, changed) = ((at.mtime(), at.mtime_nsec()), (at.ctime(), at.ctime_nsec()));
    let stamp = format!("{}:{} {} {modified:?} {changed:?}\n", at.dev(), at.ino(), at.len());
    fs::write(layer.with_extension("seen"), stamp).expect("a mark");
}

fn position(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|window| window == needle).expect("is there")
}

#[test]
fn a_damaged_layer_costs_time_and_nothing_else() {
    if !have_tools() {
        return;
    }
    let project = cluster();
    let (expected, _) = build(&project, &["left"], "cache");
    let layer = only_layer(&project, "cache");
    let good = fs::read(&layer).expect("a layer");
    let content = position(&good, &large()[100_000..100_064]);
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let end = good.len();
    let damages = [
        ("empty", Vec::new(), false),
        ("cut off", good[..end / 2].to_vec(), false),
        ("another file", b"#!/bin/sh\n".repeat(2000), false),
        ("its header", flipped(20), true),
        ("its parent", flipped(40), true),
        ("its index", flipped(end - 100), true),
        ("a block", flipped(content), false),
        // found only when the image is written: the file did not change since it was read
        ("a block, unnoticed", flipped(content), true),
    ];
    for (what, bytes, unnoticed) in damages {
        fs::remove_file(&layer).and_then(|()| fs::write(&layer, bytes)).expect("a damaged layer");
        if unnoticed {
            mark_good(&layer);
        }
        let (built, told) = build(&project, &["left"], "cache");
        assert_eq!(built, expected, "{what}");
        assert!(
            told.contains("the golden layer in the cache is damaged and is made again"),
            "{what}: {told}"
        );
        assert!(fs::read(&layer).expect("a layer") == good, "{what}");
        let (_, told) = build(&project, &["left"], "cache");
        assert_eq!(said(&told), ["reused"], "{what}: {told}");
    }
    // touched, but what it was
    fs::remove_file(&layer).and_then(|()| fs::write(&layer, &good)).expect("a layer");
    let (built, told) = build(&project, &["left"], "cache");
    assert_eq!((built, said(&told)), (expected, vec!["reused"]), "{told}");
}

fn spawn(project: &Project, host: &str, cache: &str, out: &str) -> Child {
    let mut command = command(project, &[host], cache);
    command.args(["--out", out]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("running pimg")
}

#[test]
fn two_builds_at_once_make_a_layer_once() {
    if !have_tools() {
        return;
    }
    let project = cluster();
    let (expected, _) = build(&project, &["left", "right"], "elsewhere");
    // the base is there, the layer is not
    fs::create_dir(project.join("cache")).expect("a cache");
    build(&project, &["middle"], "cache");
    fs::remove_dir_all(project.join("cache/layer-v1")).expect("no layers");
    let children = ["left", "right"].map(|host| spawn(&project, host, "cache", &format!("out-{host}")));
    let mut made = Vec::new();
    for child in children {
        let output = child.wait_with_output().expect("waiting");
        assert!(output.status.success(), "{}", told(&output));
        for (host, digest) in images(&project, &output) {
            assert_eq!(digest, expected[&host], "{host}");
        }
        made.extend(said(&told(&output)).into_iter().map(str::to_owned));
    }
    made.sort();
    assert_eq!(made, ["made", "reused"]);
    only_layer(&project, "cache");
}

#[test]
fn a_kill_at_any_moment_leaves_a_cache_that_works() {
    if !have_tools() {
        return;
    }
    let project = cluster();
    build(&project, &["left"], "cache");
    let layer = only_layer(&project, "cache");
    let whole = fs::read(&layer).expect("a layer");
    let started = Instant::now();
    fs::remove_dir_all(project.join("cache/layer-v1")).expect("no layers");
    let (expected, _) = build(&project, &["left"], "cache");
    let lasts = started.elapsed();
    let published = fs::read(project.join("out/left/manifest.json")).expect("a manifest");
    const MOMENTS: u32 = 12;
    for moment in 0..MOMENTS {
        let _ = fs::remove_file(&layer);
        let mut child = spawn(&project, "left", "cache", "out");
        std::thread::sleep(lasts * moment / MOMENTS + Duration::from_millis(2));
        child.kill().expect("a kill");
        child.wait().expect("waiting");
        if layer.exists() {
            assert!(fs::read(&layer).expect("a layer") == whole, "a layer appears whole (moment {moment})");
        }
        assert_eq!(fs::read(project.join("out/left/manifest.json")).expect("a manifest"), published);
    }
    let (built, told) = build(&project, &["left"], "cache");
    assert_eq!(built, expected, "{told}");
    assert_eq!(layers(&project, "cache"), [layer], "what was half written is gone");
}

#[test]
fn no_secret_and_no_host_is_in_a_layer() {
    if !have_tools() {
        return;
    }
    let mut planted = Planted::new();
    let image = planted.build(&[]);
    let key = planted.file_of(&image, "/etc/ssh/ssh_host_ed25519_key");
    let machine = planted.file_of(&image, "/etc/machine-id");
    let key = crate::secrets::middle(&key);
    let found = layers(&planted.project, "cache");
    assert_eq!(found.len(), 1);
    let bytes = fs::read(&found[0]).expect("a layer");
    assert!(count(&bytes, "pimg-finished.target") > 0, "what is shared is there");
    for secret in ["MARKER", key.as_str(), machine.trim(), "password_hash", "10.0.0.2"] {
        assert!(!secret.is_empty() && count(&bytes, secret) == 0, "`{secret}` is in a golden layer");
    }
}

#[test]
fn a_plan_says_which_layer_each_change_is_in() {
    if !have_tools() {
        return;
    }
    let mut planted = Planted::new();
    let told =
        planted.ok(&["plan", "--profile", "tiny", "--ssh-key", "test.pub", "--base", "base.img", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let changes = told["result"]["changes"].as_array().expect("changes");
    let layer_of = |path: &str| {
        let change = changes.iter().find(|change| change["path"] == path);
        change.unwrap_or_else(|| panic!("no change of {path}"))["layer"].as_str().expect("a layer").to_owned()
    };
    for path in ["/usr/lib/pimg/step.sh", "/usr/lib/pimg/card.sh", "/usr/lib/pimg/steps/grow-root"] {
        assert_eq!(layer_of(path), "golden", "{path}");
    }
    for path in ["/etc/hostname", "/etc/shadow", "/etc/ssh/ssh_host_rsa_key", "/var/lib/pimg/sha256sums"] {
        assert_eq!(layer_of(path), "host", "{path}");
    }
    let secret = changes.iter().filter(|change| change["secret"] == true);
    assert!(secret.clone().count() > 3 && secret.clone().all(|change| change["layer"] == "host"));
    // shared changes are made first, and are told first
    assert!(changes.iter().map(|change| change["layer"] == "host").is_sorted());
    let text = planted.ok(&["plan", "--profile", "tiny", "--ssh-key", "test.pub", "--base", "base.img"]);
    assert!(
        text.lines().any(|line| line.contains("golden") && line.contains("/usr/lib/pimg/step.sh")),
        "{text}"
    );
}
