//! What a build leaves: what was asked for, what was there before, and nothing else.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::judges::expect_no_complaint;
use crate::mount::sha256_of;
use crate::planned::expect_as_planned;
use crate::support::{self, Project, have};

const HOSTS: [&str; 3] = ["k8sctl-pi5l", "k8sctl-pi5r", "k8sctl-pi5x"];

#[test]
fn every_host_on_every_kind_of_base_pleases_the_judges_and_the_kernel() {
    if !["e2fsck", "fsck.fat", "sfdisk", "getfattr"].iter().all(|judge| have(judge)) {
        return;
    }
    for variant in ["pios", "default"] {
        let Some(base) = support::base_image(variant) else { return };
        let project = Project::without_packages();
        let raw_base = project.decoded_base(&base);
        for host in HOSTS {
            let image = project.build_raw(host, &base);
            expect_no_complaint(&image);
            expect_as_planned(&raw_base, &image, host);
            fs::remove_file(image).expect("making room");
        }
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let Some(base) = support::base_image("pios") else { return };
    let (first, second) = (Project::without_packages(), Project::without_packages());
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
        let project = Project::without_packages();
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
