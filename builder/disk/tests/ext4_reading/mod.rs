//! What the tests of the ext4 reader share: images from `mke2fs` and `debugfs`, a device over a file, a mount.

#![allow(dead_code, reason = "every test binary uses a part of this")]
#![allow(unreachable_pub, reason = "shared between test binaries, exported from none")]

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use pimg_disk::block::BlockRead;
use tempfile::TempDir;

/// The kinds of file systems that every test goes through, as options of `mke2fs`.
pub const FEATURE_SETS: [(&str, &[&str]); 8] = [
    ("pi-os", &["-b4096", "-O^64bit,^huge_file,metadata_csum,metadata_csum_seed,orphan_file"]),
    ("debian", &["-b4096", "-O64bit,huge_file,metadata_csum,metadata_csum_seed,orphan_file"]),
    ("no-csum", &["-b4096", "-O^metadata_csum,^64bit"]),
    ("uninit-bg", &["-b1024", "-O^metadata_csum,uninit_bg,64bit"]),
    ("small-groups", &["-b1024", "-g1024", "-N4096", "-O^flex_bg,metadata_csum,^64bit"]),
    ("two-kib", &["-b2048", "-I128", "-O^resize_inode,metadata_csum"]),
    ("block-maps", &["-b1024", "-O^extent,^64bit,^flex_bg,^metadata_csum,^huge_file"]),
    ("all-backups", &["-b1024", "-g2048", "-O^sparse_super,^resize_inode,metadata_csum,^flex_bg"]),
];

/// Notes that a judge is missing, which is an error where `CI` is set.
pub fn skip(what: &str) {
    #[expect(clippy::disallowed_methods, reason = "the one switch of all judges")]
    let must_run = std::env::var_os("CI").is_some();
    assert!(!must_run, "{what} is needed where CI is set");
    #[expect(clippy::print_stderr, reason = "a skipped test must say so")]
    {
        eprintln!("skipped: {what} is missing");
    }
}

/// Runs a tool of somebody else; `None` where it is not installed.
pub fn tool(name: &str, arguments: &[&str]) -> Option<Output> {
    #[expect(clippy::disallowed_methods, reason = "judges are other people's programs")]
    let mut command = std::process::Command::new(name);
    command.env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin").args(arguments);
    match command.env("LC_ALL", "C").output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        output => Some(output.expect("a tool starts")),
    }
}

/// Runs a tool that must succeed.
pub fn must(name: &str, arguments: &[&str]) -> String {
    let output = tool(name, arguments).unwrap_or_else(|| panic!("{name} is there"));
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{name} {arguments:?}: {text}");
    text
}

/// An image file in a directory of its own.
pub struct Image {
    pub directory: TempDir,
    pub path: PathBuf,
}

impl Image {
    /// An ext4 of `mib` MiB with the files of `populate`, or `None` without `mke2fs`.
    pub fn make(options: &[&str], mib: u64, populate: impl FnOnce(&Path)) -> Option<Self> {
        let directory = TempDir::new().expect("a directory");
        let tree = directory.path().join("tree");
        fs::create_dir(&tree).expect("a tree");
        populate(&tree);
        let image = Self { path: directory.path().join("image"), directory };
        File::create(&image.path).expect("an image").set_len(mib << 20).expect("its size");
        let mut arguments =
            vec!["-q", "-F", "-text4", "-Lrootfs", "-U", "11111111-2222-3333-4444-555555555555"];
        arguments.extend(["-E", "hash_seed=66666666-7777-8888-9999-000000000000,root_owner=0:0"]);
        arguments.extend(options);
        arguments.extend(["-d", tree.to_str().expect("UTF-8"), image.text()]);
        let Some(output) = tool("mke2fs", &arguments) else {
            skip("mke2fs");
            return None;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(image)
    }

    /// The path as text.
    pub fn text(&self) -> &str {
        self.path.to_str().expect("UTF-8")
    }

    /// The image as a device.
    pub fn device(&self) -> FileDevice {
        FileDevice::new(&self.path)
    }

    /// All bytes.
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).expect("the image reads")
    }

    /// Has `debugfs` do these requests, one a line.
    pub fn debugfs(&self, requests: &str) -> String {
        let script = self.directory.path().join("requests");
        fs::write(&script, requests).expect("a script");
        must("debugfs", &["-w", "-f", script.to_str().expect("UTF-8"), self.text()])
    }

    /// Whether `e2fsck -fn` has something to say, and what.
    pub fn complaint(&self) -> Option<String> {
        let output = tool("e2fsck", &["-fn", self.text()]).expect("e2fsck comes with mke2fs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code() != Some(0)).then_some(text)
    }
}

/// A device over a file.
#[derive(Debug)]
pub struct FileDevice {
    file: File,
    len: u64,
}

impl FileDevice {
    /// Opens `path` for reading.
    pub fn new(path: &Path) -> Self {
        let file = File::open(path).expect("the image opens");
        let len = file.metadata().expect("its size").len();
        Self { file, len }
    }
}

impl BlockRead for FileDevice {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }
}

/// A mounted image, unmounted when dropped. Root only.
pub struct Mount(pub PathBuf);

impl Mount {
    /// Mounts `image`; `None` where this user must not.
    pub fn new(image: &Image, options: &str) -> Option<Self> {
        let point = image.directory.path().join("mount");
        fs::create_dir_all(&point).expect("a mount point");
        let options = format!("loop,{options}");
        let arguments = ["-t", "ext4", "-o", &options, image.text(), point.to_str().expect("UTF-8")];
        let Some(output) = tool("mount", &arguments) else {
            skip("mount");
            return None;
        };
        if output.status.success() {
            return Some(Self(point));
        }
        // without root there is no mount; with it, a refusal is a finding
        assert_ne!(must("id", &["-u"]).trim(), "0", "{}", String::from_utf8_lossy(&output.stderr));
        skip("a loop mount");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        must("umount", &[self.0.to_str().expect("UTF-8")]);
    }
}

/// Numbers that look random and are the same in every run.
pub struct Noise(u64);

impl Noise {
    /// A sequence of its own for every seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit.max(1)
    }

    /// That many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.below(256)).expect("a byte")).collect()
    }
}

/// A small tree: links, a large directory, files of several blocks, a deep path.
pub fn populate(root: &Path) {
    let mut noise = Noise::new(1);
    for directory in ["etc", "usr/bin", "info", "dev", "home/pi", "d/e/e/p"] {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    let write = |path: &str, bytes: &[u8]| fs::write(root.join(path), bytes).expect("a file");
    write("etc/hostname", b"raspberrypi\n");
    write("etc/empty", b"");
    write("usr/bin/sudo", &noise.bytes(70_000));
    write("usr/bin/large", &noise.bytes(1_500_000));
    (0..400).for_each(|number| write(&format!("info/package-with-a-long-name-{number}.list"), &[7; 30]));
    let link =
        |target: &str, path: &str| std::os::unix::fs::symlink(target, root.join(path)).expect("a link");
    link("usr/bin", "bin");
    link("/usr/bin/sudo", "home/pi/absolute");
    link("../../etc/./hostname", "home/pi/relative");
    link(&"l".repeat(59), "home/pi/fast");
    link(&"l".repeat(60), "home/pi/slow");
    link("loop-b", "home/pi/loop-a");
    link("loop-a", "home/pi/loop-b");
    fs::hard_link(root.join("etc/hostname"), root.join("etc/hostname.link")).expect("a second name");
}

/// What `mke2fs -d` cannot take from a directory without root: devices, owners, times, attributes.
pub fn adorn(image: &Image) {
    let value = image.directory.path().join("value");
    fs::write(&value, [7; 400]).expect("a value");
    let capability = image.directory.path().join("capability");
    fs::write(&capability, b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0").expect("a value");
    image.debugfs(&format!(
        "cd /dev\nmknod null c 1 3\nmknod sda b 8 0\nmknod pipe p\ncd /\n\
         sif /usr/bin/sudo mode 0104755\nsif /usr/bin/sudo uid 1000\nsif /usr/bin/sudo uid_high 1\n\
         sif /usr/bin/sudo gid 4\nsif /etc/hostname mtime @0x80000001\n\
         ea_set -f {} /usr/bin/sudo security.capability\n\
         ea_set /etc/hostname user.note hello\nea_set -f {} /etc/empty user.long\n",
        capability.to_str().expect("UTF-8"),
        value.to_str().expect("UTF-8")
    ));
}
