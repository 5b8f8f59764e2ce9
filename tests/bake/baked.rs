//! Real packages of Debian baked over the real base: compared with apt's own work, and with a second bake.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pimg::bake::manifest::LayerManifest;
use pimg::bake::normal::VARYING;
use pimg::bake::run::{BakeJob, bake};
use pimg::guest::packages::{LocalPackage, PackageSet};
use pimg::guest::per_host;
use pimg::progress::Silent;

use crate::debian::downloaded;
use crate::layer::{Layer, Tree};
use crate::oracle;
use crate::support::{self, Project};
use crate::user::{command_as_user, expect_passed, is_user};

/// A capability, set-user-ID and a spool of its own, services and users, compiled modules, a certificate of the host's own, a shell
/// with alternatives.
const NAMES: [&str; 6] = ["at", "iputils-arping", "postfix", "python3-click", "ssl-cert", "zsh"];
const EPOCH: i64 = 1_764_806_400;

fn set(install: Vec<LocalPackage>) -> PackageSet {
    PackageSet {
        install,
        remove: vec!["nano".to_owned()],
        hold: vec!["linux-image-arm64".to_owned()],
        manual: NAMES.map(str::to_owned).to_vec(),
        preseeds: Vec::new(),
        keep: false,
    }
}

/// Bakes in `work`, into `into`.
fn baked(base: &Path, install: Vec<LocalPackage>, work: &Path, into: &Path) -> LayerManifest {
    fs::create_dir_all(into).expect("a directory");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let packages = set(install);
    let job = BakeJob {
        base,
        base_raw_sha256: &"0".repeat(64),
        packages: &packages,
        files: &[],
        key: &"1".repeat(64),
        epoch: EPOCH,
        work,
        program: Path::new(env!("CARGO_BIN_EXE_pimg")),
        path: &path,
    };
    bake(&job, into, &Silent).unwrap_or_else(|error| {
        let log = fs::read_to_string(work.join("bake.log")).unwrap_or_default();
        panic!("{error}\n{log}")
    })
}

#[test]
fn a_bake_is_what_apt_makes_and_the_same_every_time() {
    if is_user() {
        return bake_as_user();
    }
    let Some(base) = support::base_image("default") else { return };
    if !(support::have("dpkg-deb") && support::have("qemu-aarch64-static")) {
        return;
    }
    let project = Project::new();
    let status = project.pimg_ok(&["inspect", base.to_str().expect("UTF-8"), "/var/lib/dpkg/status"]).stdout;
    let Some(install) = downloaded(&NAMES, &status, &project.join("apt")) else { return };
    let (work, into) = (project.join("work"), project.join("layer"));
    fs::create_dir(project.join("oracle")).expect("a directory");
    let (manifest, installed) = std::thread::scope(|scope| {
        let by_apt = scope.spawn(|| oracle::installed(&base, &NAMES, &install, &project.join("oracle")));
        (baked(&base, install.clone(), &work, &into), by_apt.join().expect("apt's own work"))
    });
    assert_eq!(fs::read_dir(&work).expect("a directory").count(), 0, "nothing is left in {}", work.display());
    let layer = Layer::open(&into);
    assert_eq!((manifest.entries, &manifest), (layer.entries.len() as u64, &layer.manifest));
    expect_nothing_of_the_host(&layer, project.path());
    if let Some((before, after)) = installed {
        expect_the_same(&layer.over(&before), &after);
    }
    let Some(second) = killed_and_baked_by_a_user(&project, &base, &install) else { return };
    let other = Layer::open(&second);
    for ((path, what), (other_path, other_what)) in layer.entries.iter().zip(&other.entries) {
        assert_eq!((path, what), (other_path, other_what), "two bakes differ");
    }
    assert_eq!(layer.manifest, other.manifest);
}

/// Ways in which two installations differ that no bake can help, or is not to help.
fn is_meant_to_differ(path: &str) -> bool {
    let is_listed = VARYING.iter().any(|(pattern, _)| per_host::is_meant(pattern, path));
    // the boot partition, which the oracle does not mount; days of accounts; times of compiled modules' sources
    let is_own = per_host::rule_for(&format!("/{path}")).is_some();
    is_listed || is_own || path.starts_with("boot/firmware/") || path.starts_with("etc/shadow")
}

fn expect_the_same(baked: &Tree, installed: &Tree) {
    let paths: BTreeSet<_> = baked.keys().chain(installed.keys()).collect();
    let mut wrong = Vec::new();
    for path in paths.into_iter().filter(|path| !is_meant_to_differ(path)) {
        let (one, other) = (baked.get(path), installed.get(path));
        let is_of_snakeoil = other.is_some_and(|what| what.ends_with("ssl-cert-snakeoil.pem"));
        if one != other && !is_of_snakeoil {
            wrong.push(format!("{path}\n  baked     {one:?}\n  installed {other:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} paths differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn expect_nothing_of_the_host(layer: &Layer, project: &Path) {
    let paths: BTreeSet<_> = layer.entries.iter().map(|(path, _)| path.as_str()).collect();
    // a deletion stands where the name would that it deletes
    let meant = |path: &String| path.replace(".wh..wh..opq", "").replace(".wh.", "");
    assert!(layer.entries.iter().map(|(path, _)| meant(path)).is_sorted(), "sorted by the bytes of the path");
    for path in ["usr/bin/zsh", "etc/passwd", "var/lib/dpkg/status", "bin/.wh.nano", "usr/bin/.wh.nano"] {
        let is_there = paths.contains(path);
        assert_eq!(is_there, path != "bin/.wh.nano", "{path}");
    }
    for path in &paths {
        let is_own = ["etc/ssh/ssh_host", "etc/machine-id", "etc/mailname", "etc/ssl/private/ssl-cert"];
        let is_left =
            ["policy-rc.d", "qemu-aarch64", "run/pimg", "zz-pimg-bake", "pimg-embedded", "update-initramfs"];
        assert!(!is_own.iter().chain(&is_left).any(|part| path.contains(part)), "{path}");
    }
    assert!(layer.times.values().all(|time| i64::try_from(*time).is_ok_and(|time| time <= EPOCH)), "a time");
    let needle = project.to_str().expect("UTF-8").as_bytes();
    assert!(!layer.tar.windows(needle.len()).any(|window| window == needle), "a path of this machine");
    let caps: Vec<_> =
        layer.entries.iter().filter(|(_, what)| what.contains("security.capability=")).collect();
    assert!(
        caps.iter().any(|(path, what)| path == "usr/bin/arping" && what.contains("=01000002")),
        "{caps:?}"
    );
}

/// A user without a network bakes, is killed on the way, and bakes again in the same place.
fn killed_and_baked_by_a_user(project: &Project, base: &Path, install: &[LocalPackage]) -> Option<PathBuf> {
    let home = project.join("home");
    fs::create_dir(&home).expect("a home");
    // what a user may read
    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o755)).expect("an own directory");
    for package in install {
        fs::copy(&package.file, home.join(package.file.file_name().expect("a name"))).expect("a copy");
    }
    let copy = home.join("base.img");
    support::run("cp", &["--sparse=always", base.to_str()?, copy.to_str()?]);
    let name = "baked::a_bake_is_what_apt_makes_and_the_same_every_time";
    let start = || {
        let mut command = command_as_user(name, "pimg-tester:700000:65536\n", &home)?;
        Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("unshare runs"))
    };
    let mut first = start()?;
    let log = home.join("work/bake.log");
    // in the middle of dpkg's work, or in the middle of what comes before it
    while !fs::read_to_string(&log).is_ok_and(|text| text.contains("Unpacking zsh")) {
        assert!(first.try_wait().expect("a child").is_none(), "it ended before it was killed");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    first.kill().expect("it runs");
    first.wait().expect("it ended");
    assert!(!home.join("layer/layer.json").exists(), "nothing half-done is there");
    let output = start()?.wait_with_output().expect("a child");
    expect_passed(&output);
    Some(home.join("layer"))
}

fn bake_as_user() {
    let home = PathBuf::from(std::env::var_os("HOME").expect("a home"));
    let mut files: Vec<_> =
        fs::read_dir(&home).expect("a home").map(|entry| entry.expect("one").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "deb"));
    files.sort();
    let install = files.into_iter().map(crate::debian::local_package).collect();
    baked(&home.join("base.img"), install, &home.join("work"), &home.join("layer"));
}

#[test]
fn a_package_that_does_not_install_leaves_its_log_and_nothing_else() {
    let Some(base) = support::base_image("default") else { return };
    if !(support::have("dpkg-deb") && support::have("qemu-aarch64-static")) {
        return;
    }
    let project = Project::new();
    let tree = project.join("package/DEBIAN");
    fs::create_dir_all(&tree).expect("a directory");
    let control = "Package: broken\nVersion: 1\nArchitecture: all\nMaintainer: test <test@example.invalid>\nDescription: fails\n";
    fs::write(tree.join("control"), control).expect("a file");
    let script = tree.join("postinst");
    fs::write(&script, "#!/bin/sh\necho the disk is made of cheese\nexit 3\n").expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("an own file");
    let file = project.join("broken.deb");
    let (from, to) = (project.join("package"), file.clone());
    support::run(
        "dpkg-deb",
        &["--root-owner-group", "-b", from.to_str().expect("UTF-8"), to.to_str().expect("UTF-8")],
    );
    let packages = PackageSet { install: vec![crate::debian::local_package(file)], ..PackageSet::default() };
    let (work, into) = (project.join("work"), project.join("layer"));
    fs::create_dir(&into).expect("a directory");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let job = BakeJob {
        base: &base,
        base_raw_sha256: "",
        packages: &packages,
        files: &[],
        key: "",
        epoch: EPOCH,
        work: &work,
        program: Path::new(env!("CARGO_BIN_EXE_pimg")),
        path: &path,
    };
    let error = bake(&job, &into, &Silent).expect_err("its script fails");
    let text = error.to_string();
    assert!(text.starts_with("installing packages failed\n") && text.contains("made of cheese"), "{text}");
    let left: Vec<_> =
        fs::read_dir(&work).expect("a directory").map(|entry| entry.expect("one").file_name()).collect();
    assert_eq!(left, ["bake.log"]);
    assert_eq!(fs::read_dir(&into).expect("a directory").count(), 0);
}
