//! A build is a function of its inputs: what the machine is like changes nothing.
//!
//! One build on a plain machine, one on a machine that is another in every way at once; every file that they leave is
//! compared. Only if one differs is each of the ways tried alone, so that the message names the one that is to blame.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::mount::sha256_of;
use crate::support::{copy_tree, have, run};
use crate::tiny_base::TinyBase;
use crate::{have_tools, project, told};

/// In what machines differ.
const WAYS: [&str; 10] = [
    "umask",
    "time zone",
    "locale",
    "environment of another user",
    "user id",
    "project directory",
    "order of creation, modes and times of the sources",
    "number of cores",
    "number of jobs",
    "a full cache",
];

/// What is built, and how it is written.
const BUILDS: [(&str, &str); 4] = [("tiny", "raw"), ("tiny", "zst"), ("tiny", "xz"), ("k8sctl-pi5l", "zst")];

/// Whoever has no rights: `nobody` on every Linux.
const NOBODY: u32 = 65534;

/// A machine with a project on it.
struct Machine {
    root: TempDir,
    project: PathBuf,
    ways: Vec<&'static str>,
}

impl Machine {
    /// A machine with a copy of `sources`, other in these ways.
    fn new(sources: &Path, ways: &[&'static str]) -> Self {
        let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let is_elsewhere = ways.contains(&"project directory");
        let name = if is_elsewhere { "far away/in a directory with ünusual characters" } else { "project" };
        let machine = Self { project: root.path().join(name), root, ways: ways.to_vec() };
        copy_tree(sources, &machine.project);
        for private in below(&machine.project.join("secrets")) {
            fs::set_permissions(private, fs::Permissions::from_mode(0o600)).expect("a mode");
        }
        if machine.is("order of creation, modes and times of the sources") {
            machine.disturb();
        }
        for directory in ["cache", "home", "runtime"] {
            fs::create_dir(machine.root.path().join(directory)).expect("a directory");
        }
        if machine.is("user id") {
            run("chown", &["-R", &NOBODY.to_string(), machine.root.path().to_str().expect("UTF-8")]);
        }
        machine
    }

    fn is(&self, way: &str) -> bool {
        self.ways.contains(&way)
    }

    /// The same sources as a checkout under another umask has them, written in another order and at another time.
    fn disturb(&self) {
        for part in ["profiles", "overlays"] {
            for path in below(&self.project.join(part)).into_iter().rev().filter(|path| !path.is_symlink()) {
                let mode = fs::metadata(&path).expect("metadata").permissions().mode() & 0o700;
                if path.is_file() {
                    let content = fs::read(&path).expect("a file");
                    fs::remove_file(&path).expect("removing");
                    fs::write(&path, content).expect("writing");
                    let file = fs::File::options().write(true).open(&path).expect("a file");
                    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400)).expect("a time");
                }
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
            }
        }
    }

    /// Builds with a new lock, and digests every file that is in `out/` then.
    fn build(&self, profile: &str, format: &str) -> BTreeMap<String, String> {
        fs::remove_file(self.project.join("pimg.lock")).ok();
        if self.is("a full cache") {
            self.pimg(profile, format);
            fs::remove_dir_all(self.project.join("out")).expect("making room");
        } else {
            fs::remove_dir_all(self.root.path().join("cache")).ok();
        }
        self.pimg(profile, format);
        let out = self.project.join("out");
        // the list beside it has links to files of this machine
        let files = below(&out.join(profile)).into_iter().filter(|path| path.is_file());
        let digests = files
            .map(|path| {
                let name = path.strip_prefix(&out).expect("below it").display();
                (format!("{format}: {name}"), sha256_of(&path))
            })
            .collect();
        fs::remove_dir_all(out).expect("making room");
        digests
    }

    fn pimg(&self, profile: &str, format: &str) {
        let umask = if self.is("umask") { "077" } else { "022" };
        let mut command = Command::new("sh");
        command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]);
        if self.is("number of cores") {
            command.args(["taskset", "-c", "0"]);
        }
        if self.is("user id") {
            let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
            command.args(["setpriv", &user, &group, "--clear-groups"]);
        }
        let at = |name: &str| self.project.join(name).to_str().expect("UTF-8").to_owned();
        let (base, key) = (at("base.img.xz"), at("test.pub"));
        command.arg(env!("CARGO_BIN_EXE_pimg"));
        command.args(["build", "--profile", profile, "--format", format, "--base", &base, "--ssh-key", &key]);
        if self.is("number of jobs") {
            command.args(["--jobs", "1"]);
        }
        let root = self.root.path();
        command
            .current_dir(&self.project)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &self.project).env("PIMG_CACHE", root.join("cache"));
        if self.is("time zone") {
            command.env("TZ", "Pacific/Kiritimati");
        }
        if self.is("locale") {
            command.env("LANG", "de_DE.UTF-8").env("LC_ALL", "tr_TR.UTF-8");
        }
        if self.is("environment of another user") {
            command.env("HOME", root.join("home")).env("USER", "somebody").env("LOGNAME", "somebody");
            command.env("HOSTNAME", "elsewhere").env("TMPDIR", root.join("runtime"));
        }
        let output = command.output().expect("running pimg");
        assert!(output.status.success(), "{:?}: {}", self.ways, told(&output));
    }
}

/// Everything below a directory, files and directories.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(path).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.is_symlink() {
                pending.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The sources of all machines: two hosts, a compressed base, and the seeds.
fn sources() -> TempDir {
    let (template, sources) = (project(), tempfile::tempdir().expect("a temporary directory"));
    for part in ["profiles", "overlays"] {
        copy_tree(&template.join(part), &sources.path().join(part));
    }
    let at = |name: &str| sources.path().join(name);
    fs::copy(template.join("test.pub"), at("test.pub")).expect("a key");
    fs::create_dir(at("secrets")).expect("a directory");
    for (cluster, digits) in [("tiny", "ab"), ("k8sctl", "cd")] {
        fs::write(at(&format!("secrets/{cluster}.seed")), digits.repeat(32) + "\n").expect("a seed");
    }
    let base = TinyBase::new().make(sources.path(), "base.img");
    // several blocks, so that a `.img.xz` takes some of them over
    run("xz", &["-1", "--block-size=1MiB", base.to_str().expect("UTF-8")]);
    sources
}

/// The ways that can be tried here.
fn ways() -> Vec<&'static str> {
    // only root may become somebody else
    let others_may_run = || {
        let arguments =
            [&format!("--reuid={NOBODY}"), "--clear-groups", env!("CARGO_BIN_EXE_pimg"), "--version"];
        Command::new("setpriv").args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let can = |way: &&str| match *way {
        "user id" => others_may_run(),
        "number of cores" => cfg!(target_os = "linux") && have("taskset"),
        _ => true,
    };
    WAYS.into_iter().filter(can).collect()
}

/// The files that are not the same, by name.
fn different(plain: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = plain.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| plain.get(*name) != other.get(*name)).cloned().collect()
}

#[test]
fn the_machine_leaves_no_trace_in_what_is_built() {
    if !have_tools() || !have("xz") {
        return;
    }
    let sources = sources();
    let ways = ways();
    let (plain, other) = (Machine::new(sources.path(), &[]), Machine::new(sources.path(), &ways));
    let mut guilty = Vec::new();
    for (profile, format) in BUILDS {
        let expected = plain.build(profile, format);
        // image, digest, block map, manifest, bill of materials, provenance, digests of all
        assert_eq!(expected.len(), 7, "{expected:?}");
        let found = different(&expected, &other.build(profile, format));
        if found.is_empty() {
            continue;
        }
        for way in &ways {
            let alone = different(&expected, &Machine::new(sources.path(), &[way]).build(profile, format));
            if !alone.is_empty() {
                guilty.push(format!("{profile}: {way} changes {}", alone.join(", ")));
            }
        }
        guilty.push(format!("{profile}: all ways together change {}", found.join(", ")));
    }
    assert!(guilty.is_empty(), "{}", guilty.join("\n"));
}
