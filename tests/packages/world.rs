//! A project with one node, a base that takes packages from an archive on the loopback address, and nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::archive::{Package, Repository, Signed};
use crate::signing::Key;
use crate::site::{Site, digest};
use crate::support;
use crate::tiny_base::TinyBase;
use crate::tls::SecureSite;

/// The archive's key, whose certificate is in the base.
pub(crate) fn archive_key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::new("archive"))
}

/// A key that nobody has asked for.
pub(crate) fn other_key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::new("other"))
}

/// What stands in the base's sources. Nothing answers there: every test says where the archive is.
pub(crate) const ARCHIVE: &str = "http://archive.example.invalid/debian";

/// The kernel of the base. Its headers are a package that is not installed.
pub(crate) const KERNEL: &str = "6.18.34+rpt-rpi-v8";

/// The base of every test, made once.
fn base() -> &'static Path {
    static BASE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, image) = BASE.get_or_init(|| {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let base =
            TinyBase::new().archive(ARCHIVE, &archive_key().public).with("var/lib/dpkg/status", STATUS);
        let base = base.with(&format!("usr/lib/modules/{KERNEL}/modules.dep"), "");
        let image = base.make(dir.path(), "base.img");
        (dir, image)
    });
    image
}

/// What is installed in the base.
const STATUS: &str = "\
Package: hello
Status: install ok installed
Priority: optional
Architecture: arm64
Maintainer: test <test@example.invalid>
Version: 1.0-1
Description: says hello

Package: libbase1
Status: install ok installed
Priority: required
Essential: yes
Architecture: arm64
Maintainer: test <test@example.invalid>
Version: 1.0-1
Description: what everything needs
";

/// What is installed in the base, for a test that makes one of its own.
pub(crate) fn base_status() -> &'static str {
    STATUS
}

/// Whether the tools that make and judge all this are there.
pub(crate) fn have_tools() -> bool {
    let tools = ["gpg", "gpgconf", "dpkg-deb", "mke2fs", "mkfs.vfat", "mcopy", "sfdisk"];
    tools.iter().all(|tool| support::have(tool))
}

/// What pimg did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Demands success and returns what was printed.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// A project and the site that it takes packages from.
pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) site: Site,
    /// A server whose certificate pimg is to trust.
    pub(crate) secure: Option<SecureSite>,
}

/// The packages of the archive as it is at first.
pub(crate) fn archive() -> Repository {
    Repository::new("debian", "trixie")
        .with(Package::new("tool", "1.0-1").with("Depends", "libtool1 (>= 1.0), libbase1"))
        .with(Package::new("libtool1", "1.2-1"))
        .with(Package::new("helper", "1.0-1").with("Recommends", "spare"))
        .with(Package::of("spare", "1.0-1", "all"))
        .with(Package::new("hello", "1.1-1"))
}

impl World {
    /// A node that asks for `tool`, and a sound archive.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let world = Self { dir, site: Site::new(), secure: None };
        let copy = world.join("base.img");
        let (from, to) = (base().to_str().expect("UTF-8"), copy.to_str().expect("UTF-8"));
        support::run("cp", &["--sparse=always", from, to]);
        world.write("overlays/.keep", "");
        world.write("home/.ssh/id_ed25519.pub", KEY);
        // what a first build says about its seed is no part of any test here
        world.write("secrets/node.seed", "ab".repeat(32) + "\n");
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(world.join("secrets/node.seed"), private).expect("an own file");
        world.node("install = [\"tool\"]");
        archive().publish(&world.site, Signed::Inline(archive_key()));
        world
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The node with this as its `[packages]`.
    pub(crate) fn node(&self, packages: &str) {
        self.write("profiles/node.toml", format!("{NODE}\n[packages]\n{packages}\n"));
    }

    /// The node with one overlay `extra` of this text, and this as its `[packages]`.
    pub(crate) fn node_with_overlay(&self, overlay: &str, packages: &str) {
        self.write("overlays/extra/overlay.toml", overlay);
        let node = format!("overlays = [\"extra\"]\n{NODE}\n[packages]\n{packages}\n");
        self.write("profiles/node.toml", node);
    }

    /// pimg in this project with the archive's mirror, and with nothing of the caller's environment.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        let mirror = format!("debian={}", self.site.url("debian"));
        self.run_bare(&[arguments, &["--mirror", &mirror]].concat())
    }

    /// pimg in this project with these arguments alone.
    pub(crate) fn run_bare(&self, arguments: &[&str]) -> Outcome {
        self.run_plain(&[arguments, &["--progress", "none"]].concat())
    }

    /// The same, with progress as the arguments say.
    pub(crate) fn run_plain(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pimg"));
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.join("home")).env("PIMG_CACHE", self.join("cache"));
        if let Some(secure) = &self.secure {
            command.env("SSL_CERT_FILE", secure.certificate());
        }
        for name in ["PATH", "LLVM_PROFILE_FILE", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let output = command.output().expect("running pimg");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Outcome { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// `pimg lock`
    pub(crate) fn lock(&self, more: &[&str]) -> Outcome {
        self.run(&[&["lock", "--profile", "node"], more].concat())
    }

    /// `pimg build`, as a raw image.
    pub(crate) fn build(&self, more: &[&str]) -> Outcome {
        self.run(&[&["build", "--profile", "node", "--format", "raw"], more].concat())
    }

    /// Runs pimg, demands that it left everything as it was, and returns exit code and stderr as one text without
    /// what differs from run to run.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let before = self.results();
        let outcome = self.run(arguments);
        assert_eq!(self.results(), before, "a refusal changes neither the lock nor `out/`");
        self.expect_sound_cache();
        assert_eq!(outcome.stdout, "", "a refusal has no result");
        self.describe(&outcome)
    }

    /// [`World::refused`] for `pimg lock`.
    pub(crate) fn lock_refused(&self, more: &[&str]) -> String {
        self.refused(&[&["lock", "--profile", "node"], more].concat())
    }

    /// [`World::refused`] for `pimg build`.
    pub(crate) fn build_refused(&self, more: &[&str]) -> String {
        self.refused(&[&["build", "--profile", "node", "--format", "raw"], more].concat())
    }

    /// Exit code and stderr, without what differs from run to run.
    pub(crate) fn describe(&self, outcome: &Outcome) -> String {
        let mut text = String::new();
        let _ = match outcome.code {
            Some(code) => writeln!(text, "exit code {code}"),
            None => writeln!(text, "killed"),
        };
        text + &self.plain(&outcome.stderr)
    }

    /// A text without addresses, digests and fingerprints.
    pub(crate) fn plain(&self, text: &str) -> String {
        let text = text.replace(&self.dir.path().display().to_string(), "[PROJECT]");
        let text = text.replace(&self.site.host(), "[SITE]");
        let secure = self.secure.as_ref().map(|secure| secure.url(""));
        let text = secure.map_or_else(|| text.clone(), |secure| text.replace(&secure, "[SECURE]/"));
        let text = text.replace(&archive_key().fingerprint, "[ARCHIVE KEY]");
        let text = text.replace(&other_key().fingerprint, "[OTHER KEY]");
        without_sizes(&without_digests(&without_dates(&text)))
    }

    /// The lock and everything in `out/`, by digest.
    fn results(&self) -> BTreeMap<PathBuf, String> {
        let mut found = files_below(&self.join("out"));
        found.extend(
            fs::read(self.join("pimg.lock")).ok().map(|lock| (PathBuf::from("pimg.lock"), digest(&lock))),
        );
        found
    }

    /// Demands that every kept file is what its name says, and that nothing half-done lies about.
    pub(crate) fn expect_sound_cache(&self) {
        for (path, found) in files_below(&self.join("cache/blob-v1")) {
            // notes about a file have its name and an extension
            if path.extension().is_none() {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                assert_eq!(name, found, "`{}` holds something else", path.display());
            }
        }
    }

    /// The image of the node.
    pub(crate) fn image(&self) -> PathBuf {
        let found = files_below(&self.join("out/node")).into_keys();
        let mut images = found.filter(|path| path.extension().is_some_and(|extension| extension == "img"));
        images.next().expect("an image in out/node")
    }

    /// Name and version of every package that the lock has, sorted.
    pub(crate) fn locked_packages(&self) -> Vec<String> {
        let lock: toml::Table = self.read("pimg.lock").parse().expect("a lock in TOML");
        let sets = lock.get("set").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        let packages = sets.iter().filter_map(|set| set.get("package")?.as_array()).flatten();
        let text =
            |package: &toml::Value, key| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let mut named: Vec<_> = packages
            .map(|package| {
                let (name, version) = (text(package, "name"), text(package, "version"));
                format!("{} {}", name.unwrap_or_default(), version.unwrap_or_default())
            })
            .collect();
        named.sort();
        named
    }
}

/// Every file below a directory, with its digest.
fn files_below(directory: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let Ok(entries) = fs::read_dir(directory) else { return found };
    for entry in entries.map(|entry| entry.expect("a directory entry")) {
        if entry.file_type().expect("a file type").is_dir() {
            found.extend(files_below(&entry.path()));
        } else {
            found.insert(entry.path(), digest(&fs::read(entry.path()).expect("a file")));
        }
    }
    found
}

/// Runs of 64 and 40 hex digits become words.
fn without_digests(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, run) = rest.split_at(at);
        let length = run.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(run.len());
        let (run, after) = run.split_at(length);
        plain.push_str(before);
        plain.push_str(match length {
            64 => "[SHA256]",
            40 => "[FINGERPRINT]",
            _ => run,
        });
        rest = after;
    }
    plain + rest
}

/// How long a compressed file is depends on the compressor.
fn without_sizes(text: &str) -> String {
    let units = ["bytes", "KiB", "bytes,", "bytes)", "KiB)"];
    let lines = text.lines().map(|line| {
        let mut words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        for at in 1..words.len() {
            let number = words[at - 1].trim_start_matches('(');
            if number.starts_with(|c: char| c.is_ascii_digit()) && units.contains(&words[at].as_str()) {
                let bracket = words[at - 1].len() - number.len();
                words[at - 1] = "(".repeat(bracket) + "[SIZE]";
            }
            if at > 1 && words[at - 2] == "size" && words[at - 1] == "=" {
                "[SIZE],".clone_into(&mut words[at]);
            }
        }
        words.join(" ") + "\n"
    });
    lines.collect()
}

/// `2026-11-22T17:22:49Z` becomes a word.
fn without_dates(text: &str) -> String {
    let shape = "dddd-dd-ddTdd:dd:ddZ";
    let fits = |at: &str| {
        at.len() >= shape.len()
            && at.bytes().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
                b'd' => byte.is_ascii_digit(),
                other => byte == other,
            })
    };
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if fits(rest) {
            plain.push_str("[DATE]");
            rest = &rest[shape.len()..];
        } else {
            plain.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    plain
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test\n";

const NODE: &str = r#"
hostname = "node"

[base]
source = "base.img"

[image]
free = "16MiB"

[user]
name = "op"

[network]
address = "10.0.0.2/24"
gateway = "10.0.0.1"
dns = ["10.0.0.1"]
"#;
