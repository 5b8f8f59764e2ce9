//! The Debian package, before dpkg and lintian.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{have, repository, run};
use crate::{VERSION, directory, extras, ok, script, stripped, told};

/// The package of the program under test.
fn package(directory: &Path) -> Option<PathBuf> {
    if !["cargo-deb", "dpkg-deb", "dpkg-shlibdeps", "strip"].iter().all(|tool| have(tool)) {
        return None;
    }
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command = script("package");
    command
        .arg("deb")
        .arg(stripped(directory))
        .arg(target)
        .arg(extras(directory))
        .arg(directory.join("files"));
    // the best compression takes half a minute, and what is in the package is the same
    ok(command.arg("--fast"));
    let mut found = fs::read_dir(directory.join("files")).expect("a directory");
    Some(found.next().expect("a package").expect("an entry").path())
}

/// `path` below the repository, whether as a file that git knows or not, with its mode.
fn files_below(path: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(path).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

#[test]
fn the_package_installs_runs_and_goes_without_a_trace() {
    let dir = directory();
    let Some(package) = package(dir.path()) else { return };
    let deb = package.to_str().expect("UTF-8");
    assert!(deb.contains(&format!("pimg_{VERSION}-1_")), "{deb}");
    let field = |name: &str| run("dpkg-deb", &["--field", deb, name]).trim().to_owned();
    assert_eq!((field("Package"), field("Section")), ("pimg".to_owned(), "admin".to_owned()));
    assert!(field("Depends").contains("libc6 (>= "), "{}", field("Depends"));
    assert!(
        field("Depends").contains("ca-certificates"),
        "a static program needs no library, and these all the same"
    );

    // a tree of its own, in which dpkg knows no other package
    let tree = dir.path().join("tree");
    for directory in ["var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        fs::create_dir_all(tree.join(directory)).expect("a directory");
    }
    fs::write(tree.join("var/lib/dpkg/status"), "").expect("a file");
    let dpkg = |arguments: &[&str]| {
        let root = format!("--root={}", tree.display());
        let fixed =
            ["--map-root-user", "dpkg", &root, "--force-depends", "--force-bad-path", "--log=/dev/null"];
        let output = Command::new("unshare").args(fixed).args(arguments).output().expect("running dpkg");
        assert!(output.status.success(), "dpkg {arguments:?}: {}", told(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    dpkg(&["--install", deb]);
    let version = run(tree.join("usr/bin/pimg").to_str().expect("UTF-8"), &["--version"]);
    assert_eq!(version.trim(), format!("pimg {VERSION}"));
    for path in [
        "usr/share/man/man1/pimg.1.gz",
        "usr/share/man/man1/pimg-secrets-init.1.gz",
        "usr/share/bash-completion/completions/pimg",
        "usr/share/zsh/vendor-completions/_pimg",
        "usr/share/fish/vendor_completions.d/pimg.fish",
        "usr/share/doc/pimg/copyright",
    ] {
        assert!(tree.join(path).is_file(), "no {path}");
    }
    has_the_example_project(&tree.join("usr/share/pimg"));
    dpkg(&["--purge", "pimg"]);
    let left = fs::read_dir(&tree).expect("the tree").map(|entry| entry.expect("an entry").file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["var"], "dpkg's own files are all that stays");
}

/// Overlays and profiles are those of the repository, and what may be executed there may be here: a node gets the mode.
fn has_the_example_project(share: &Path) {
    let mut files = Vec::new();
    for part in ["overlays", "profiles"] {
        files_below(&share.join(part), &mut files);
    }
    let mut executable = 0;
    for file in &files {
        let ours = repository().join(file.strip_prefix(share).expect("below it"));
        let may = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o100 != 0;
        assert_eq!(may(file), may(&ours), "{}", file.display());
        assert!(fs::read(file).expect("a file") == fs::read(&ours).expect("a file"), "{}", file.display());
        executable += usize::from(may(file));
    }
    assert!(files.len() > 50 && executable > 3, "{} files, {executable} executable", files.len());
}

#[test]
fn lintian_has_no_complaint() {
    let dir = directory();
    let Some(package) = package(dir.path()) else { return };
    if !have("lintian") {
        return;
    }
    // pimg is no package of Debian's own, and closes no bug of it
    let arguments =
        ["--allow-root", "--fail-on=error,warning", "--suppress-tags=initial-upload-closes-no-bugs"];
    let output = Command::new("lintian").args(arguments).arg(&package).output().expect("running lintian");
    assert!(output.status.success(), "{}", told(&output));
}
