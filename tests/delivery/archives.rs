//! Archives of a release, and what finds them: cargo-binstall, Homebrew, `scripts/install`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{copy_tree, have, repository, run};
use crate::{TARGETS, VERSION, directory, extras, in_repository, ok, read, script, told};

/// Archives of all targets with a stand-in for the program; the names that it was given.
fn archives(directory: &Path) -> Vec<String> {
    let program = directory.join("program");
    fs::write(&program, "#!/bin/sh\necho pimg\n").expect("a program");
    let extras = extras(directory);
    let mut names = Vec::new();
    for target in TARGETS {
        let mut command = script("package");
        command.arg("archive").arg(&program).arg(target).arg(&extras).arg(directory.join("files"));
        let path = ok(&mut command);
        names.push(path.trim().rsplit('/').next().unwrap_or_default().to_owned());
    }
    names
}

#[test]
fn an_archive_holds_all_that_a_person_needs_and_is_the_same_every_time() {
    let (first, second) = (directory(), directory());
    let names = archives(first.path());
    assert_eq!(names, archives(second.path()));
    for name in &names {
        let bytes = |dir: &Path| fs::read(dir.join("files").join(name)).expect("an archive");
        assert!(bytes(first.path()) == bytes(second.path()), "{name} differs");
    }
    let name = &names[3];
    let archive = first.path().join("files").join(name);
    let listing = run("tar", &["-tvzf", archive.to_str().expect("UTF-8")]);
    let root = name.trim_end_matches(".tar.gz");
    for path in [
        "pimg",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "README.md",
        "man/pimg.1",
        "man/pimg-build.1",
        "man/pimg-secrets-init.1",
        "completions/pimg",
        "completions/_pimg",
        "completions/pimg.fish",
        "overlays/zfs/overlay.toml",
        "profiles/k8sctl.toml",
    ] {
        assert!(listing.lines().any(|line| line.ends_with(&format!(" {root}/{path}"))), "no {path}");
    }
    assert!(listing.lines().all(|line| line.contains(" 0/0 ")), "an owner from this machine");
    assert!(listing.lines().any(|line| line.starts_with("-rwxr-xr-x") && line.ends_with("/pimg")));
}

#[test]
fn a_page_that_a_manual_page_names_is_there() {
    let dir = directory();
    let man = extras(dir.path()).join("man");
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(&man).expect("a directory") {
        let text = read(entry.expect("an entry").path()).replace("\\-", "-");
        for name in text.lines().filter_map(|line| line.strip_suffix("(1)")) {
            assert!(man.join(format!("{name}.1")).is_file(), "{name}");
            seen.insert(name.to_owned());
        }
    }
    assert!(seen.len() > 15, "{seen:?}");
}

#[test]
fn completions_please_their_shells() {
    let dir = directory();
    let completions = extras(dir.path()).join("completions");
    run("bash", &["-n", completions.join("pimg").to_str().expect("UTF-8")]);
    let zsh = read(completions.join("_pimg"));
    assert!(zsh.starts_with("#compdef pimg"));
}

/// The value of a key of a table in Cargo.toml.
fn metadata(table: &str, key: &str) -> String {
    let manifest: toml::Value = toml::from_str(&in_repository("Cargo.toml")).expect("TOML");
    let package = &manifest["package"]["metadata"][table][key];
    package.as_str().unwrap_or_else(|| panic!("no {table}.{key}")).to_owned()
}

#[test]
fn cargo_binstall_looks_for_the_archives_that_are_made() {
    let repository = env!("CARGO_PKG_REPOSITORY");
    let dir = directory();
    for (target, made) in TARGETS.iter().zip(archives(dir.path())) {
        let fill = |text: String| {
            let values = [
                ("{ repo }", repository),
                ("{ version }", VERSION),
                ("{ name }", "pimg"),
                ("{ bin }", "pimg"),
                ("{ target }", target),
                // those of `pkg-fmt = "tgz"` and of systems that are not Windows
                ("{ archive-suffix }", ".tar.gz"),
                ("{ binary-ext }", ""),
            ];
            values.iter().fold(text, |text, (from, to)| text.replace(from, to))
        };
        let url = fill(metadata("binstall", "pkg-url"));
        assert_eq!(url, format!("{repository}/releases/download/v{VERSION}/{made}"));
        let path = fill(metadata("binstall", "bin-dir"));
        let listing = run("tar", &["-tzf", dir.path().join("files").join(&made).to_str().expect("UTF-8")]);
        assert!(listing.lines().any(|line| line == path), "{path} is not in {made}");
    }
    assert_eq!(metadata("binstall", "pkg-fmt"), "tgz");
}

#[test]
fn the_homebrew_formula_has_each_archive_with_its_digest() {
    let dir = directory();
    let names = archives(dir.path());
    let files = dir.path().join("files");
    ok(script("package").arg("formula").arg(&files));
    let formula = files.join("pimg.rb");
    let text = read(&formula);
    assert!(!text.contains('@'), "{text}");
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    for name in &names {
        let url = format!("url \"{}/releases/download/v{VERSION}/{name}\"", env!("CARGO_PKG_REPOSITORY"));
        let at = lines.iter().position(|line| *line == url).unwrap_or_else(|| panic!("no {url}"));
        let digest = run("sha256sum", &[files.join(name).to_str().expect("UTF-8")]);
        let digest = digest.split(' ').next().unwrap_or_default();
        assert_eq!(lines.get(at + 1), Some(&format!("sha256 \"{digest}\"").as_str()), "{name}");
    }
    assert_eq!(text.matches("url \"").count(), TARGETS.len());
    // what the formula installs is in the archives
    let listing = run("tar", &["-tzf", files.join(&names[0]).to_str().expect("UTF-8")]);
    for part in [
        "pimg",
        "man",
        "completions/pimg",
        "completions/_pimg",
        "completions/pimg.fish",
        "overlays",
        "profiles",
    ] {
        assert!(text.contains(&format!("\"{part}")), "{part}");
        let path = format!("{}/{part}", names[0].trim_end_matches(".tar.gz"));
        assert!(listing.lines().any(|line| line.trim_end_matches('/') == path), "{path}");
    }
    if have("ruby") {
        run("ruby", &["-wc", formula.to_str().expect("UTF-8")]);
    }
    // an archive that is missing is no formula
    fs::remove_file(files.join(&names[2])).expect("an archive");
    let output = script("package").arg("formula").arg(&files).output().expect("running a script");
    assert!(
        !output.status.success() && told(&output).contains("no archive of x86_64-apple-darwin"),
        "{}",
        told(&output)
    );
}

#[test]
fn digests_are_signed_by_a_key_that_minisign_knows() {
    if !have("minisign") {
        return;
    }
    let dir = directory();
    let (key, public) = (dir.path().join("key"), dir.path().join("key.pub"));
    let (key, public) = (key.to_str().expect("UTF-8"), public.to_str().expect("UTF-8"));
    run("minisign", &["-G", "-W", "-s", key, "-p", public]);
    let files = dir.path().join("files");
    fs::create_dir(&files).expect("a directory");
    fs::write(files.join("pimg-1.tar.gz"), "an archive").expect("a file");
    ok(script("package").arg("sums").arg(&files).env("PIMG_RELEASE_KEY", read(key)));
    let sums = files.join("SHA256SUMS");
    run("minisign", &["-V", "-p", public, "-m", sums.to_str().expect("UTF-8")]);
    let check = Command::new("sha256sum")
        .args(["-c", "SHA256SUMS"])
        .current_dir(&files)
        .output()
        .expect("running it");
    assert!(check.status.success());
    fs::write(&sums, "other sums").expect("a file");
    let output = Command::new("minisign")
        .args(["-V", "-p", public, "-m"])
        .arg(&sums)
        .output()
        .expect("running minisign");
    assert!(!output.status.success());
}

#[test]
fn what_cargo_install_needs_is_in_the_package() {
    let output = Command::new(env!("CARGO"))
        .args(["package", "--list", "--package", "pimg", "--allow-dirty", "--offline", "--locked"])
        .current_dir(repository())
        .output()
        .expect("running cargo");
    assert!(output.status.success(), "{}", told(&output));
    let listed: BTreeSet<String> =
        String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect();
    for name in
        ["Cargo.lock", "README.md", "LICENSE-MIT", "builder/pimg/main.rs", "overlays/zfs/overlay.toml"]
    {
        assert!(listed.contains(name), "{name}");
    }
    // files that are compiled in, by every `include_str!` and `include_bytes!`
    let mut seen = 0;
    for name in listed.iter().filter(|name| name.starts_with("builder/pimg/") && name.ends_with(".rs")) {
        let text = in_repository(name);
        for macro_name in ["include_str!(\"", "include_bytes!(\""] {
            for (at, _) in text.match_indices(macro_name) {
                let path = text[at + macro_name.len()..].split('"').next().unwrap_or_default();
                let file = repository().join(name).parent().expect("a parent").join(path);
                let file = file.canonicalize().unwrap_or_else(|error| panic!("{name}: {path}: {error}"));
                let inside = file.strip_prefix(repository().canonicalize().expect("a path")).expect("inside");
                assert!(listed.contains(&inside.display().to_string()), "{name} compiles {path} in");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen} files are compiled in");
    assert!(!listed.iter().any(|name| name.starts_with("tests/") || name.starts_with("out/")));
}

#[test]
fn the_example_project_of_an_archive_is_in_order() {
    let dir = directory();
    let names = archives(dir.path());
    let archive = dir.path().join("files").join(&names[0]);
    let project = dir.path().join("unpacked");
    fs::create_dir(&project).expect("a directory");
    run(
        "tar",
        &[
            "-xzf",
            archive.to_str().expect("UTF-8"),
            "-C",
            project.to_str().expect("UTF-8"),
            "--strip-components=1",
        ],
    );
    let copy = dir.path().join("copy");
    copy_tree(&project, &copy);
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test\n";
    fs::write(copy.join("key.pub"), key).expect("a key");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pimg"));
    let told = ok(command.args(["check", "--ssh-key", "key.pub"]).current_dir(&copy).env("HOME", &copy));
    assert!(told.contains("k8sctl-pi5l") && told.contains("demo-zfs"), "{told}");
}
