//! Bases in the shape of Raspberry Pi OS, made in a second: a few files, every structure that a build looks at.
//!
//! No root is needed. Files belong to whoever runs the tests; builds ask for no owner of the base's files.
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::support;

/// The time of every tiny base, in seconds since 1970: 2025-12-04.
const TIME: &str = "1764806400";
/// The boot partition starts here, in MiB.
const BOOT_START: u64 = 4;
/// Disk signature.
const DISK_ID: &str = "8a676486";

/// What stands at a path of a tree.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A directory of mode 0755.
    Dir,
    /// A regular file with these permission bits.
    File(Vec<u8>, u32),
    /// A symbolic link with this text.
    Link(String),
}

/// A base to be made.
#[derive(Clone, Debug)]
pub(crate) struct TinyBase {
    /// Options of `mke2fs`: features, block size, inode size.
    pub(crate) ext4: Vec<&'static str>,
    /// Options of `mkfs.vfat`.
    pub(crate) fat: Vec<&'static str>,
    /// Length of the boot partition in MiB.
    pub(crate) boot_mib: u64,
    /// Length of the root partition in MiB.
    pub(crate) root_mib: u64,
    /// `dos` or `gpt`.
    pub(crate) table: &'static str,
    /// Whether a third partition stands behind the root.
    pub(crate) has_third: bool,
    /// Files on the root file system, by path without the leading `/`.
    pub(crate) root: BTreeMap<String, Node>,
    /// Files at the top of the boot partition.
    pub(crate) boot: BTreeMap<String, Vec<u8>>,
    /// What bash does to the volumes `$boot` and `$root` before they get into the image.
    pub(crate) script: &'static str,
}

impl TinyBase {
    /// As pi-gen makes it: an older set of features, labels `bootfs` and `rootfs`.
    pub(crate) fn new() -> Self {
        Self {
            ext4: vec!["-O", "^64bit,^huge_file,^orphan_file", "-L", "rootfs"],
            fat: vec!["-s", "1", "-n", "bootfs"],
            boot_mib: 36,
            root_mib: 32,
            table: "dos",
            has_third: false,
            root: root_tree(),
            boot: boot_files(),
            script: "",
        }
    }

    /// A file of the root file system with other text.
    pub(crate) fn with(mut self, path: &str, text: &str) -> Self {
        self.root.insert(path.to_owned(), Node::File(text.into(), 0o644));
        self
    }

    /// The archive that the base takes packages from, and the certificates that sign for it.
    pub(crate) fn archive(mut self, uri: &str, keyring: &[u8]) -> Self {
        let path = "usr/share/keyrings/debian-archive-keyring.pgp";
        self.root.insert(path.to_owned(), Node::File(keyring.into(), 0o644));
        let source =
            format!("Types: deb\nURIs: {uri}\nSuites: trixie\nComponents: main\nSigned-By: /{path}\n");
        self.with("etc/apt/sources.list.d/debian.sources", &source)
    }

    /// A symbolic link on the root file system.
    pub(crate) fn with_link(mut self, path: &str, target: &str) -> Self {
        self.root.insert(path.to_owned(), Node::Link(target.to_owned()));
        self
    }

    /// The root file system without a path and all below it.
    pub(crate) fn without(mut self, path: &str) -> Self {
        let below = format!("{path}/");
        self.root.retain(|name, _| name != path && !name.starts_with(&below));
        self
    }

    /// The boot partition without a file.
    pub(crate) fn without_boot(mut self, name: &str) -> Self {
        self.boot.remove(name);
        self
    }

    /// Other options of `mke2fs`.
    pub(crate) fn ext4(mut self, options: &[&'static str]) -> Self {
        self.ext4 = options.to_vec();
        self
    }

    /// Makes the image `name` in `directory`.
    pub(crate) fn make(&self, directory: &Path, name: &str) -> PathBuf {
        let work = tempfile::tempdir_in(directory).expect("a work directory");
        let image = directory.join(name);
        let (boot_at, root_at) = (BOOT_START, BOOT_START + self.boot_mib);
        let third = if self.has_third { 8 } else { 0 };
        // a GUID table has a copy of itself at the end
        let length = root_at + self.root_mib + third + u64::from(self.table == "gpt");
        sparse(&image, length << 20);
        self.write_table(&image);
        let boot = work.path().join("boot");
        sparse(&boot, self.boot_mib << 20);
        self.make_boot(&boot, work.path());
        let root = work.path().join("root");
        sparse(&root, self.root_mib << 20);
        self.make_root(&root, work.path());
        let volumes = format!("set -euo pipefail\nboot='{}' root='{}'\n", text(&boot), text(&root));
        support::run("bash", &["-c", &(volumes + self.script)]);
        splice(&boot, &image, boot_at);
        splice(&root, &image, root_at);
        image
    }

    fn write_table(&self, image: &Path) {
        let mut script = format!("label: {}\n", self.table);
        if self.table == "dos" {
            let _ = writeln!(script, "label-id: 0x{DISK_ID}");
        }
        let (boot_type, linux) = if self.table == "dos" {
            ("c", "83")
        } else {
            ("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "0FC63DAF-8483-4772-8E79-3D69D8477DE4")
        };
        let root = BOOT_START + self.boot_mib;
        let _ = writeln!(script, "start={BOOT_START}MiB, size={}MiB, type={boot_type}", self.boot_mib);
        let _ = writeln!(script, "start={root}MiB, size={}MiB, type={linux}", self.root_mib);
        if self.has_third {
            let _ = writeln!(script, "start={}MiB, size=8MiB, type={linux}", root + self.root_mib);
        }
        feed("sfdisk", &["--quiet", text(image)], &script);
    }

    fn make_boot(&self, volume: &Path, work: &Path) {
        let options = ["-F", "32", "-i", "8a676486", "--invariant"];
        support::run("mkfs.vfat", &[&options[..], &self.fat, &[text(volume)]].concat());
        for (name, content) in &self.boot {
            let file = work.join("to-boot");
            fs::write(&file, content).expect("a boot file");
            support::run("mcopy", &["-i", text(volume), text(&file), &format!("::{name}")]);
        }
    }

    fn make_root(&self, volume: &Path, work: &Path) {
        let tree = work.join("tree");
        fs::create_dir(&tree).expect("a tree");
        for (path, node) in &self.root {
            let target = tree.join(path);
            fs::create_dir_all(target.parent().expect("a parent")).expect("a parent directory");
            match node {
                Node::Dir => fs::create_dir_all(&target).expect("a directory"),
                Node::Link(to) => symlink(to, &target).expect("a link"),
                Node::File(content, mode) => {
                    fs::write(&target, content).expect("a file");
                    fs::set_permissions(&target, fs::Permissions::from_mode(*mode)).expect("a mode");
                }
            }
        }
        let tree = text(&tree);
        let fixed = ["-q", "-F", "-t", "ext4", "-U", "5d5a7b1e-6f9c-4f0a-9b1e-0123456789ab", "-d", tree];
        let seed = ["-E", "root_owner=0:0,hash_seed=5d5a7b1e-6f9c-4f0a-9b1e-0123456789ab"];
        let mut command = Command::new("mke2fs");
        command.args(fixed).args(seed).args(&self.ext4).arg(volume).env("E2FSPROGS_FAKE_TIME", TIME);
        let output = command.stdin(Stdio::null()).output().expect("running mke2fs");
        assert!(output.status.success(), "mke2fs: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn sparse(path: &Path, length: u64) {
    fs::File::create(path).and_then(|file| file.set_len(length)).expect("a sparse file");
}

fn splice(from: &Path, into: &Path, at_mib: u64) {
    let (from, into) = (format!("if={}", text(from)), format!("of={}", text(into)));
    let place = format!("seek={at_mib}");
    support::run("dd", &[&from, &into, "bs=1M", &place, "conv=notrunc,sparse", "status=none"]);
}

/// Runs a program on an input.
pub(crate) fn feed(program: &str, arguments: &[&str], input: &str) {
    let mut command = Command::new(program);
    let child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    let mut pipe = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut pipe, input.as_bytes()).expect("writing to a pipe");
    drop(pipe);
    assert!(child.wait().expect("waiting").success(), "{program} {arguments:?} failed");
}

fn boot_files() -> BTreeMap<String, Vec<u8>> {
    let cmdline = format!(
        "console=serial0,115200 console=tty1 root=PARTUUID={DISK_ID}-02 rootfstype=ext4 fsck.repair=yes \
         rootwait resize\n"
    );
    let config = "dtparam=audio=on\nauto_initramfs=1\n\n[cm5]\ndtoverlay=dwc2\n\n[all]\n";
    let files: [(&str, Vec<u8>); 5] = [
        ("cmdline.txt", cmdline.into()),
        ("config.txt", config.into()),
        ("kernel8.img", pattern(70_000)),
        ("initramfs8", initramfs()),
        ("initramfs_2712", initramfs()),
    ];
    files.into_iter().map(|(name, content)| (name.to_owned(), content)).collect()
}

/// Bytes that compress badly and say where they are from.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from((index * 31 + index / 251) % 256).unwrap_or_default()).collect()
}

/// An uncompressed archive of one empty file: `newc` of cpio(5), padded as the kernel wants it.
pub(crate) fn initramfs() -> Vec<u8> {
    let entry = |name: &str, mode: u32| {
        let fields = [1, mode, 0, 0, 1, 0, 0, 0, 0, 0, 0, u32::try_from(name.len() + 1).unwrap_or(0), 0];
        let mut header = "070701".to_owned();
        fields.iter().for_each(|field| {
            let _ = write!(header, "{field:08X}");
        });
        let mut bytes = [header.as_bytes(), name.as_bytes(), b"\0"].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let mut archive = [entry("init", 0o100_755), entry("TRAILER!!!", 0)].concat();
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

fn root_tree() -> BTreeMap<String, Node> {
    let mut tree: BTreeMap<String, Node> = BTreeMap::new();
    for (path, content) in TEXTS {
        tree.insert((*path).to_owned(), Node::File(content.replace("DISKID", DISK_ID).into(), 0o644));
    }
    for (path, target) in LINKS {
        tree.insert((*path).to_owned(), Node::Link((*target).to_owned()));
    }
    for path in ["boot/firmware", "home/pi", "proc", "root", "var/lib/dbus", "etc/ssh", "etc/systemd/network"]
    {
        tree.insert(path.to_owned(), Node::Dir);
    }
    for (name, install) in UNITS {
        let file = format!("[Unit]\nDescription={name}\n\n[Service]\nExecStart=/usr/bin/{name}\n\n{install}");
        tree.insert(format!("usr/lib/systemd/system/{name}"), Node::File(file.into(), 0o644));
    }
    for path in ["etc/shadow", "etc/gshadow"] {
        if let Some(Node::File(_, mode)) = tree.get_mut(path) {
            *mode = 0o640;
        }
    }
    tree.insert("usr/bin/hello".to_owned(), Node::File(pattern(9000), 0o4755));
    let sums = format!("{}  usr/bin/hello\n", md5(&pattern(9000)));
    tree.insert("var/lib/dpkg/info/hello.md5sums".to_owned(), Node::File(sums.into(), 0o644));
    tree
}

fn md5(bytes: &[u8]) -> String {
    use md5::Digest as _;
    md5::Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

const WANTED: &str = "[Install]\nWantedBy=multi-user.target\n";
const UNITS: [(&str, &str); 8] = [
    ("ssh.service", "[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n"),
    ("NetworkManager.service", WANTED),
    ("rpi-resize.service", "[Install]\nWantedBy=local-fs.target\n"),
    ("userconfig.service", WANTED),
    ("fstrim.service", ""),
    ("fstrim.timer", "[Install]\nWantedBy=timers.target\n"),
    ("getty@.service", "[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n"),
    ("apt-daily.timer", "[Install]\nWantedBy=timers.target\n"),
];

const LINKS: [(&str, &str); 9] = [
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("sbin", "usr/sbin"),
    ("etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
    ("etc/systemd/network/99-default.link", "/dev/null"),
    (
        "etc/systemd/system/multi-user.target.wants/NetworkManager.service",
        "/usr/lib/systemd/system/NetworkManager.service",
    ),
    (
        "etc/systemd/system/local-fs.target.wants/rpi-resize.service",
        "/usr/lib/systemd/system/rpi-resize.service",
    ),
    ("etc/systemd/system/timers.target.wants/fstrim.timer", "/usr/lib/systemd/system/fstrim.timer"),
    ("etc/systemd/system/timers.target.wants/apt-daily.timer", "/usr/lib/systemd/system/apt-daily.timer"),
];

const TEXTS: [(&str, &str); 25] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nsystemd-timesync:x:991:991::/:/usr/sbin/nologin\npi:x:1000:1000:,,,:/home/pi:/bin/bash\n",
    ),
    ("etc/shadow", "root:*:20000:0:99999:7:::\nsystemd-timesync:!*:20000::::::\npi:!:20000:0:99999:7:::\n"),
    ("etc/group", "root:x:0:\nsudo:x:27:pi\nshadow:x:42:\nsystemd-timesync:x:991:\npi:x:1000:\n"),
    ("etc/gshadow", "root:*::\nsudo:*::pi\nshadow:*::\nsystemd-timesync:!*::\npi:!::\n"),
    ("etc/subuid", "pi:100000:65536\n"),
    ("etc/subgid", "pi:100000:65536\n"),
    (
        "etc/fstab",
        "proc /proc proc defaults 0 0\nPARTUUID=DISKID-01 /boot/firmware vfat defaults 0 2\nPARTUUID=DISKID-02 / ext4 defaults,noatime 0 1\n",
    ),
    ("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 raspberrypi\n"),
    ("etc/hostname", "raspberrypi\n"),
    ("etc/machine-id", "uninitialized\n"),
    ("etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nVERSION_CODENAME=trixie\n"),
    ("etc/locale.gen", "# en_AU.UTF-8 UTF-8\n# en_GB.UTF-8 UTF-8\n# en_US.UTF-8 UTF-8\n"),
    ("etc/default/keyboard", "XKBMODEL=\"pc105\"\nXKBLAYOUT=\"gb\"\n"),
    ("etc/cloud/cloud.cfg", "users:\n- default\n"),
    ("etc/cloud/templates/hosts.debian.tmpl", "127.0.1.1 {{fqdn}} {{hostname}}\n"),
    ("etc/initramfs-tools/initramfs.conf", "MODULES=dep\nBUSYBOX=auto\n"),
    ("etc/initramfs-tools/update-initramfs.conf", "update_initramfs=yes\nbackup_initramfs=no\n"),
    ("etc/skel/.bashrc", "alias ll='ls -l'\n"),
    ("etc/profile.d/Z99-cloud-locale-test.sh", "true\n"),
    ("etc/sudoers.d/010_pi-nopasswd", "pi ALL=(ALL) NOPASSWD: ALL\n"),
    (
        "etc/apt/sources.list.d/debian.sources",
        "Types: deb\nURIs: http://deb.example.org/debian\nSuites: trixie\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.pgp\n",
    ),
    (
        "usr/lib/systemd/network/99-default.link",
        "[Match]\nOriginalName=*\n\n[Link]\nNamePolicy=keep kernel database onboard slot path\n",
    ),
    ("usr/share/zoneinfo/Australia/Sydney", "TZif2"),
    ("usr/share/zoneinfo/Etc/UTC", "TZif2"),
    (
        "var/lib/dpkg/status",
        "Package: hello\nStatus: install ok installed\nPriority: optional\nArchitecture: arm64\nMaintainer: A. Person <a@example.org>\nVersion: 1.0-1\nDescription: says hello\n",
    ),
];
