//! What the whole-program tests share: a throw-away project, the base image, and the judges.
#![expect(clippy::disallowed_methods, reason = "tests run pimg and other people's programs")]
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether a missing judge is a failure: yes in CI, no on a laptop.
fn judges_are_required() -> bool {
    std::env::var_os("CI").is_some()
}

/// Says why a test cannot judge here; in CI that is a failure.
#[expect(clippy::print_stderr, reason = "a person should know what was not looked at")]
pub(crate) fn skip(why: &str) {
    assert!(!judges_are_required(), "{why}, and in CI nothing is skipped");
    eprintln!("skipped: {why}");
}

/// Whether a program is on the path; where it is not, the test is to return.
pub(crate) fn have(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let found = places.any(|place| place.join(program).is_file());
    if !found {
        skip(&format!("`{program}` is not installed"));
    }
    found
}

/// The base image that `scripts/test` has made: `pios` or `default`.
pub(crate) fn base_image(variant: &str) -> Option<PathBuf> {
    let variable = format!("PIMG_TEST_BASE_{}", variant.to_uppercase());
    let found = std::env::var_os(&variable).map(PathBuf::from).filter(|path| path.is_file());
    if found.is_none() {
        skip(&format!("{variable} names no base image: `scripts/make-base --variant {variant}` makes one"));
    }
    found
}

/// What a script has made for the tests, as `scripts/test` says in `PIMG_TEST_<NAME>`.
pub(crate) fn made_for_tests(name: &str, script: &str) -> Option<PathBuf> {
    let variable = format!("PIMG_TEST_{name}");
    let found = std::env::var_os(&variable).map(PathBuf::from).filter(|path| path.exists());
    if found.is_none() {
        skip(&format!("{variable} names nothing: `{script}` makes it"));
    }
    found
}

/// A project directory of its own: the repository's profiles and overlays, an own seed, cache and output.
pub(crate) struct Project {
    dir: TempDir,
}

impl Project {
    /// A copy of the repository's profiles and overlays.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let project = Self { dir };
        for part in ["profiles", "overlays"] {
            copy_tree(&repository().join(part), &project.path().join(part));
        }
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test\n";
        fs::write(project.path().join("test.pub"), key).expect("writing a test key");
        project
    }

    /// The same without packages and downloads, for tests about images: what is installed later is no part of them, and
    /// the network stays out of it.
    pub(crate) fn without_packages() -> Self {
        let project = Self::new();
        let overlays = fs::read_dir(project.join("overlays")).expect("a directory");
        let manifests = overlays.map(|entry| entry.expect("an entry").path().join("overlay.toml"));
        let files = manifests.chain([project.join("profiles/k8sctl.toml")]);
        // an overlay of files alone has no manifest
        for file in files.filter(|file| file.exists()) {
            let text = fs::read_to_string(&file).expect("a file of the repository");
            fs::write(file, without_tables(&text, &["packages", "download"])).expect("writing a file");
        }
        project
    }

    /// The project directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path below the project directory.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// `pimg` with these arguments, in this project, with nothing of the caller's environment that counts.
    pub(crate) fn pimg(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pimg"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command.env("PIMG_CACHE", shared_cache()).env("HOME", self.path()).env("NO_COLOR", "1");
        command.env_remove("SOURCE_DATE_EPOCH");
        command
    }

    /// Runs `pimg` and demands success.
    pub(crate) fn pimg_ok(&self, arguments: &[&str]) -> Output {
        let output = self.pimg(arguments).output().expect("running pimg");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "pimg {arguments:?} failed:\n{told}");
        output
    }

    /// Builds a profile on a base as a raw image and returns its path.
    pub(crate) fn build_raw(&self, profile: &str, base: &Path) -> PathBuf {
        let base = base.to_str().expect("a path in UTF-8");
        let arguments =
            ["build", "--profile", profile, "--base", base, "--format", "raw", "--ssh-key", "test.pub"];
        let output = self.pimg_ok(&arguments);
        let printed = String::from_utf8(output.stdout).expect("paths in UTF-8");
        let image = printed.lines().find(|line| line.ends_with(".img")).expect("the image's path on stdout");
        self.join(image)
    }
}

impl Project {
    /// The base as a raw image: decoded by the stock decoder, once for all tests.
    pub(crate) fn decoded_base(&self, base: &Path) -> PathBuf {
        if base.extension().is_some_and(|extension| extension == "img") {
            return base.to_owned();
        }
        // the base maker keeps each base in a directory that is named by what it was made from
        let key = base.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let name = base.file_stem().expect("a file name").to_string_lossy();
        let decoded = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{key}-{name}"));
        if !decoded.is_file() {
            let partial = self.join("decoding.img");
            let pipeline = format!(
                "xz -dc '{}' | cp --sparse=always /dev/stdin '{}'",
                base.display(),
                partial.display()
            );
            run("bash", &["-o", "pipefail", "-c", &pipeline]);
            fs::rename(partial, &decoded).expect("keeping the decoded base");
        }
        decoded
    }
}

/// A TOML text without these tables, those below them, and arrays of them.
pub(crate) fn without_tables(text: &str, names: &[&str]) -> String {
    let mut left_out = false;
    let kept = text.split_inclusive('\n').filter(|line| {
        if line.starts_with('[') {
            let header = line.trim_start_matches('[').split([']', '.']).next().unwrap_or_default();
            left_out = names.contains(&header);
        }
        !left_out
    });
    kept.collect()
}

/// One cache for all tests of a run: the base is decoded once.
pub(crate) fn shared_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// Runs another program and demands success.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?} failed:\n{out}{err}");
    out.into_owned()
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("making a directory");
    for entry in fs::read_dir(from).expect("reading a directory") {
        let entry = entry.expect("reading a directory entry");
        let target = to.join(entry.file_name());
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() {
            copy_tree(&entry.path(), &target);
        } else if kind.is_symlink() {
            let text = fs::read_link(entry.path()).expect("a link's text");
            std::os::unix::fs::symlink(text, target).expect("copying a link");
        } else {
            fs::copy(entry.path(), target).expect("copying a file");
        }
    }
}
