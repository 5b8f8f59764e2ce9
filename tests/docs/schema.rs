//! The published schemas, judged by taplo, the engine of editors' TOML plug-ins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Project, repository, skip};

/// taplo, where `scripts/setup` has put it.
fn taplo() -> Option<PathBuf> {
    let taplo = repository().join("target/judges/taplo/bin/taplo");
    if !taplo.is_file() {
        skip("`target/judges/taplo` is missing: `scripts/setup docs` makes it");
        return None;
    }
    Some(taplo)
}

/// What taplo says about files whose first line names their schema; `Err` with its words where it refuses one.
fn lint(taplo: &Path, directory: &Path, files: &[PathBuf]) -> Result<(), String> {
    let output =
        Command::new(taplo).arg("lint").args(files).current_dir(directory).output().expect("taplo runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(told) }
}

/// Profiles and settings of overlays of the repository, relative to it.
fn files() -> Vec<PathBuf> {
    let list = |directory: &str| {
        let entries = fs::read_dir(repository().join(directory)).expect("a directory");
        entries
            .map(|entry| Path::new(directory).join(entry.expect("an entry").file_name()))
            .collect::<Vec<_>>()
    };
    let profiles =
        list("profiles").into_iter().filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let overlays = list("overlays").into_iter().map(|directory| directory.join("overlay.toml"));
    profiles.chain(overlays.filter(|path| repository().join(path).is_file())).collect()
}

#[test]
fn every_profile_and_overlay_names_its_schema() {
    for file in files() {
        let text = fs::read_to_string(repository().join(&file)).expect("a file");
        let schema = text.lines().next().and_then(|line| line.strip_prefix("#:schema "));
        let schema = schema.unwrap_or_else(|| panic!("{} does not begin with `#:schema`", file.display()));
        let schema = repository().join(&file).with_file_name(schema);
        assert!(schema.is_file(), "{}: there is no {}", file.display(), schema.display());
    }
}

#[test]
fn taplo_accepts_every_profile_and_overlay() {
    let Some(taplo) = taplo() else { return };
    lint(&taplo, repository(), &files()).unwrap_or_else(|told| panic!("{told}"));
}

#[test]
fn taplo_refuses_what_pimg_refuses() {
    let Some(taplo) = taplo() else { return };
    let project = Project::new();
    crate::support::copy_tree(&repository().join("docs/reference"), &project.join("docs/reference"));
    let profile =
        |text: &str| ("profiles/a.toml", format!("#:schema ../docs/reference/profile.schema.json\n{text}\n"));
    let overlay = |text: &str| {
        ("overlays/a/overlay.toml", format!("#:schema ../../docs/reference/overlay.schema.json\n{text}\n"))
    };
    fs::create_dir(project.join("overlays/a")).expect("a directory");
    for (file, text) in [
        profile("hostnam = 'a'"),
        profile("[network]\naddres = '10.0.0.1/24'"),
        profile("[zfs]\nwipe = 'yes'"),
        profile("[image]\nsize = '16GB'"),
        profile("[tailscale]\nauth_key = 'tskey-auth-x'"),
        profile("[locale.keyboard]\nlayot = 'us'"),
        overlay("[[step]]\ndescription = 'has no name'"),
        overlay("[variables.x]\ntype = 'strng'"),
        overlay("[[apt.source]]\nname = 'x'\nuris = 'base'\nsuites = 'trixie'\ncomponent = 'main'"),
    ] {
        fs::write(project.join(file), &text).expect("writing a file");
        let told = lint(&taplo, project.path(), &[file.into()]);
        assert!(told.is_err(), "taplo takes:\n{text}");
    }
    let (file, text) = profile("[network]\naddress = '10.0.0.1/24'\n[image]\nfree = 4096");
    fs::write(project.join(file), text).expect("writing a file");
    lint(&taplo, project.path(), &[file.into()]).expect("is right");
}
