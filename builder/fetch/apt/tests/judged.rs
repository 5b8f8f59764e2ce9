//! apt as the judge: what it takes we take, and what it refuses we refuse.
#![expect(clippy::disallowed_methods, reason = "the judge is a program")]

use std::fs;
use std::process::Command;

use super::archive::{ARM64, Archive, write};
use super::*;
use crate::test_gpg::{have, now};

/// Whether `apt-get update` takes the repository, with a root of its own.
fn apt_accepts(archive: &Archive, repository: &Repository) -> bool {
    let root = archive.gpg.path("apt");
    let _ = fs::remove_dir_all(&root);
    for directory in ["state/lists/partial", "cache/archives/partial", "etc"] {
        fs::create_dir_all(root.join(directory)).expect("made");
    }
    let keyring = root.join("etc/keyring.gpg");
    let keys: Vec<&Fingerprint> =
        repository.keyring.certificates().iter().map(|certificate| certificate.fingerprint()).collect();
    write(&keyring, &archive.gpg.export(&keys));
    let (uri, suite, components) = (&repository.uris[0], &repository.suite, repository.components.join(" "));
    let line = format!("deb [signed-by={}] {uri} {suite} {components}\n", keyring.display());
    write(&root.join("etc/sources.list"), line.as_bytes());
    let at = |option: &str, path: &str| format!("-o{option}={}", root.join(path).display());
    let mut apt = Command::new("apt-get");
    apt.args([at("Dir::State", "state"), at("Dir::Cache", "cache"), at("Dir::Etc", "etc")]);
    apt.args(["-oDir::State::status=/dev/null", "-oAPT::Architecture=arm64", "-oAPT::Architectures=arm64"]);
    apt.args(["-oAPT::Sandbox::User=", "-oAcquire::Languages=none", "-oAPT::Update::Error-Mode=any"]);
    apt.args([
        "-oAcquire::Retries=0",
        "-oAcquire::Check-Date=true",
        "-oAcquire::Check-Valid-Until=true",
        "update",
    ]);
    let output = apt.env("LC_ALL", "C").output().expect("apt-get runs");
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    // some refusals are errors in what it says and none in how it ends; another suite is a warning to it
    let complains =
        ["\nE: ", "Conflicting distribution", "not valid yet"].iter().any(|sign| told.contains(sign));
    output.status.success() && !complains
}

#[test]
fn apt_takes_and_refuses_the_same() {
    if !have(&["apt-get"]) {
        return;
    }
    let Some(archive) = Archive::new() else { return };
    let repository = archive.repository(None);
    let release = archive.release();
    let packages = format!("{ARM64}.xz");
    let good = fs::read(archive.file(&packages)).expect("there");
    let date = |seconds| format!("Date: {}\n", super::refused::date(seconds));
    let redated = |seconds| {
        let others: String = release
            .lines()
            .filter(|line| !line.starts_with("Date:"))
            .map(|line| format!("{line}\n"))
            .collect();
        format!("{}{others}", date(seconds))
    };
    let valid_until = |seconds| format!("Valid-Until: {}\n{release}", super::refused::date(seconds));
    let stranger = Repository {
        keyring: Arc::new(archive.gpg.keyring(&[&archive.gpg.good_key("Other")])),
        fingerprints: Vec::new(),
        ..repository.clone()
    };
    let check = |what: &str, repository: &Repository, expected: bool| {
        // what was indexed before must not help
        let root = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(root.path()).expect("a cache");
        let ours = ArchiveFetcher { cache: &cache, ..archive.fetcher(None) }.snapshot(repository);
        let accepted = ours.is_ok();
        assert_eq!(accepted, expected, "{what}: {:?}", ours.map_err(|error| error.to_string()).err());
        assert_eq!(apt_accepts(&archive, repository), expected, "apt on {what}");
    };
    for (what, text, expected) in [
        ("a good release", release.clone(), true),
        ("a release of an hour ago", redated(now() - 3600), true),
        ("a release of tomorrow", redated(now() + 86_400), false),
        ("a release that is still valid", valid_until(now() + 3600), true),
        ("a release that is stale", valid_until(now() - 3600), false),
        ("a release of another suite", release.replace("stable", "unstable").replace("trixie", "sid"), false),
        (
            "a release without digests",
            release.replace("SHA256:", "Other:").replace("SHA512:", "Another:"),
            false,
        ),
    ] {
        archive.publish(&text);
        check(what, &repository, expected);
    }
    archive.publish(&release);
    check("another key", &stranger, false);
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let armhf = fs::read(archive.file("main/binary-armhf/Packages.xz")).expect("there");
    for other in ["", ".gz", ".zst"] {
        fs::remove_file(archive.file(&format!("{ARM64}{other}"))).expect("there");
    }
    for (what, content, expected) in
        [("the index", &good, true), ("a flipped byte", &flipped, false), ("another index", &armhf, false)]
    {
        write(&archive.file(&packages), content);
        check(what, &repository, expected);
    }
    write(&archive.file(&packages), &good);
    archive.publish_detached(&release, &release);
    check("a detached signature", &repository, true);
    archive.publish_detached(&release, &release.replace("stable", "testing"));
    check("the signature of another release", &repository, false);
    fs::remove_file(archive.file("Release.gpg")).expect("there");
    check("no signature", &repository, false);
}
