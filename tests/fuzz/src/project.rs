//! What an operator writes: profiles, overlays, templates, the lock, secrets; and archives that overlays unpack.

use std::fs;
use std::sync::OnceLock;

use pimg::lock::Lockfile;
use pimg::overlay::{Download, Place};
use pimg::plan::change::{Action, Content, Ownership};
use pimg::plan::path::GuestPath;
use pimg::profile::Profiles;
use pimg::profile::host::HostSpec;
use tempfile::TempDir;

const NODE: &str = include_str!("node.toml");

/// A project with one node that builds, and one overlay.
fn project() -> &'static (TempDir, HostSpec) {
    static PROJECT: OnceLock<(TempDir, HostSpec)> = OnceLock::new();
    PROJECT.get_or_init(|| {
        let directory = TempDir::new().expect("a temporary directory");
        for part in ["profiles", "overlays/one/rootfs/etc"] {
            fs::create_dir_all(directory.path().join(part)).expect("a directory");
        }
        fs::write(directory.path().join("profiles/node.toml"), NODE).expect("a profile");
        let profiles = Profiles::open(directory.path()).expect("a project");
        let host = profiles.load(&["node"]).expect("a node").remove(0);
        (directory, host)
    })
}

pub fn profile(input: &[u8]) {
    let (directory, _) = project();
    fs::write(directory.path().join("profiles/fuzzed.toml"), input).expect("a profile");
    let profiles = Profiles::open(directory.path()).expect("a project");
    let _ = profiles.buildable().map_err(|error| error.to_string());
    match profiles.load(&["fuzzed"]) {
        Ok(hosts) => drop(format!("{hosts:?}")),
        Err(error) => drop(error.report().to_string()),
    }
    let text = String::from_utf8_lossy(input);
    let _ = pimg::profile::mirrors::parse_argument(&text);
}

pub fn overlay(input: &[u8]) {
    render("overlay.toml", input);
}

pub fn template(input: &[u8]) {
    let (directory, _) = project();
    let _ = fs::remove_file(directory.path().join("overlays/one/overlay.toml"));
    render("rootfs/etc/fuzzed.j2", input);
}

fn render(file: &str, input: &[u8]) {
    let (directory, host) = project();
    let overlays = directory.path().join("overlays");
    fs::write(overlays.join("one").join(file), input).expect("a file of an overlay");
    match pimg::overlay::render(&overlays, host) {
        Ok(rendered) => drop(format!("{:?}", rendered.units)),
        Err(error) => drop(error.report().to_string()),
    }
}

pub fn lock(input: &[u8]) {
    let Ok(lock) = Lockfile::parse(&String::from_utf8_lossy(input)) else { return };
    let text = lock.to_text();
    let again = Lockfile::parse(&text).expect("what is written can be read");
    assert_eq!(again.to_text(), text, "a lock is written the same again");
}

pub fn user_config(input: &[u8]) {
    let _ = pimg::profile::user_config::parse("config.toml", &String::from_utf8_lossy(input));
}

pub fn secrets(input: &[u8]) {
    let _ = pimg::host::stored::Stored::parse(input).map_err(|error| error.to_string());
}

pub fn download_archive(input: &[u8]) {
    let directory = GuestPath::new("/usr/share/fuzzed").expect("a path");
    for strip in [0, 1] {
        let ownership = Ownership::root(0o755);
        let download = Download {
            overlay: "one".to_owned(),
            name: "fuzzed".to_owned(),
            url: "https://example.org/fuzzed.tar.gz".to_owned(),
            sha256: None,
            place: Place::Unpack { directory: directory.clone(), strip, ownership },
            description: None,
        };
        let Ok(changes) = pimg::overlay::unpack(&download, input) else { continue };
        for change in changes {
            assert!(change.path.as_str().starts_with("/usr/share/fuzzed"), "{}", change.path);
            if let Action::PutFile { content: Content::Bytes(bytes), .. } = &change.action {
                assert!(bytes.len() <= 256 << 20);
            }
        }
    }
}
