//! A project whose node wants a module of "ZFS", and a small archive with the sources of that.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::archive::{Package, Repository, Signed};
use crate::debian;
use crate::signing::Key;
use crate::site::Site;
use crate::support::{self, Project};

/// The version of what stands in for ZFS.
pub(crate) const VERSION: &str = "2.4.4-1";

/// The project and the archive.
pub(crate) struct World {
    pub(crate) project: Project,
    base: PathBuf,
    /// Lives as long as the project: packages are downloaded from it.
    _site: Site,
    /// Tests share a cache, and take modules out of it: one after the other.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

/// Sources that compile in seconds, with this `META`.
fn source(meta: &str) -> Package {
    let file = |path: &str| {
        let path = support::repository().join("tests/module/source").join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let place = |path: &str| format!("usr/src/zfs-2.4.4/{path}");
    let names = ["configure", "Makefile", "module/Kbuild", "module/spl.c", "module/zfs.c"];
    let package = names.iter().fold(Package::of("zfs-dkms", VERSION, "all"), |package, name| {
        package.file(&place(name), &file(name))
    });
    package
        .file(&place("META"), meta)
        .file("usr/share/doc/zfs-dkms/copyright", "Copyright 2026 nobody in particular\n\nLicense: MIT\n")
}

/// `META` of sources that build on these kernels.
pub(crate) fn meta(maximum: &str) -> String {
    format!("Meta: 1\nName: zfs\nVersion: 2.4.4\nLinux-Maximum: {maximum}\nLinux-Minimum: 4.18\n")
}

const OVERLAY: &str = r#"
[[apt.source]]
name = "small"
uris = "http://small.example.invalid/debian"
suites = "trixie"
components = ["main"]
[apt.source.keyring]
file = "keys/small.gpg"
fingerprint = "FINGERPRINT"
[[apt.pin]]
name = "small"
packages = ["zfs-dkms", "zfsutils-linux"]
pin = "release o=small"
priority = 1001
[packages]
install = ["zfsutils-linux"]
modules = ["zfs"]
"#;

const PROFILE: &str = r#"
hostname = "node"
overlays = ["small"]
[base]
source = "base.img"
[user]
name = "op"
[network]
address = "10.0.0.2/24"
gateway = "10.0.0.1"
dns = ["10.0.0.1"]
"#;

impl World {
    /// A project whose sources know kernels up to `maximum`. `None` where what it takes is not here.
    pub(crate) fn new(maximum: &str) -> Option<Self> {
        let base = support::base_image("default")?;
        let tools = ["gpg", "gpgconf", "dpkg-deb", "unshare", "modinfo", "lintian"];
        if !tools.iter().all(|tool| support::have(tool)) || !debian::archive_answers() {
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let site = Site::new();
        let key = Key::new("small");
        Repository::new("small", "trixie")
            .with(source(&meta(maximum)))
            .with(Package::new("zfsutils-linux", VERSION))
            .publish(&site, Signed::Inline(&key));
        let world = Self { project: Project::new(), base, _site: site, _turn: turn };
        world.write("overlays/small/overlay.toml", OVERLAY.replace("FINGERPRINT", &key.fingerprint));
        world.write("overlays/small/keys/small.gpg", &key.public);
        let mirrors = format!("\n[mirrors]\nsmall = \"{}\"\n", world._site.url("small"));
        world.write("profiles/node.toml", PROFILE.to_owned() + &mirrors);
        world.write("secrets/node.seed", "ab".repeat(32) + "\n");
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(world.project.join("secrets/node.seed"), private).expect("an own file");
        Some(world)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.project.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    }

    /// pimg with these arguments and this project's base. Downloads are shared with other tests, results are not.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let base = self.base.to_str().expect("UTF-8");
        let arguments = [arguments, &["--base", base, "--progress", "none"]].concat();
        self.project.pimg(&arguments).output().expect("running pimg")
    }

    /// The same, which has to work: what it printed.
    pub(crate) fn run_ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "pimg {arguments:?} failed:\n{told}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    pub(crate) fn lock(&self) -> toml::Table {
        let text = fs::read_to_string(self.project.join("pimg.lock")).expect("a lock");
        text.parse().expect("TOML")
    }
}

/// A file as another program shows it.
pub(crate) fn shown(program: &str, arguments: &[&str], file: &Path) -> String {
    let arguments = [arguments, &[file.to_str().expect("UTF-8")]].concat();
    support::run(program, &arguments)
}
