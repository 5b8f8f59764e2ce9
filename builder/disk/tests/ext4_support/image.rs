//! Images: making, opening, judging.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use pimg_disk::block::{BlockRead, BlockWrite};
use pimg_disk::ext4::{Reader, check};
use tempfile::TempDir;

/// Features of the four kinds of file systems that every test goes through.
pub const FEATURE_SETS: [(&str, &[&str]); 4] = [
    ("pi-os", &["-b4096", "-O^64bit,^huge_file,metadata_csum,metadata_csum_seed,orphan_file"]),
    ("debian", &["-b4096", "-O64bit,huge_file,metadata_csum,metadata_csum_seed,orphan_file"]),
    ("unchecked", &["-b4096", "-O^metadata_csum,^64bit"]),
    ("small-groups", &["-b1024", "-N8192", "-O^flex_bg,metadata_csum,^64bit"]),
];

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
    let output = tool(name, arguments).expect("the tool is there");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{name} {arguments:?}: {text}");
    text
}

/// An image file in a directory of its own.
pub struct Image {
    pub directory: TempDir,
    pub path: PathBuf,
}

impl Image {
    /// An ext4 of `size` bytes with the tree of [`populate`]; its large directory has a hash tree.
    pub fn make(features: &[&str], size: u64) -> Option<Self> {
        let image = Self::empty(size);
        let tree = image.directory.path().join("tree");
        populate(&tree);
        image.format(features, &["-d", tree.to_str().expect("UTF-8")])?;
        must("e2fsck", &["-fyD", image.text()]);
        assert!(image.debugfs("stat /var/lib/dpkg/info").contains("Flags: 0x81000"), "no hash tree was made");
        image.judge("fresh");
        Some(image)
    }

    /// An ext4 of `size` bytes with nothing in it.
    pub fn make_empty(features: &[&str], size: u64) -> Option<Self> {
        let image = Self::empty(size);
        image.format(features, &[])?;
        Some(image)
    }

    fn format(&self, features: &[&str], more: &[&str]) -> Option<()> {
        let mut arguments = vec!["-q", "-F", "-text4", "-Lrootfs"];
        arguments.extend(["-U", "11111111-2222-3333-4444-555555555555"]);
        arguments.extend(["-E", "hash_seed=66666666-7777-8888-9999-000000000000,root_owner=0:0"]);
        arguments.extend(features);
        arguments.extend(more);
        arguments.push(self.text());
        let Some(output) = tool("mke2fs", &arguments) else {
            super::skip("mke2fs");
            return None;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(())
    }

    /// An image that another process made.
    pub fn at(path: PathBuf) -> Self {
        Self { directory: TempDir::new().expect("a directory"), path }
    }

    fn empty(size: u64) -> Self {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("image");
        File::create(&path).expect("an image").set_len(size).expect("its size");
        Self { directory, path }
    }

    /// A copy to work on.
    pub fn copy(&self) -> Self {
        let copy = Self::empty(0);
        must("cp", &["--sparse=always", self.text(), copy.text()]);
        copy
    }

    /// Makes the image these bytes, with holes for zeroes.
    pub fn store(&self, bytes: &[u8]) {
        let file = File::create(&self.path).expect("the image is emptied");
        file.set_len(bytes.len() as u64).expect("its size");
        for (offset, chunk) in (0..).step_by(16_384).zip(bytes.chunks(16_384)) {
            if chunk.iter().any(|byte| *byte != 0) {
                file.write_all_at(chunk, offset).expect("the image is written");
            }
        }
    }

    pub fn text(&self) -> &str {
        self.path.to_str().expect("UTF-8")
    }

    /// The image as a device, as long as the file is now.
    pub fn device(&self) -> Arc<FileDevice> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path).expect("the image opens");
        let len = file.metadata().expect("its size").len();
        Arc::new(FileDevice { file, len, data: len })
    }

    /// The image as a device that was made longer and knows that the rest is a hole.
    pub fn extended(&self, len: u64) -> Arc<FileDevice> {
        let data = self.device().len;
        self.extend(len);
        let file = OpenOptions::new().read(true).write(true).open(&self.path).expect("the image opens");
        Arc::new(FileDevice { file, len: len.max(data), data })
    }

    /// Makes the file longer, with a hole.
    pub fn extend(&self, len: u64) {
        OpenOptions::new().write(true).open(&self.path).expect("opens").set_len(len).expect("is made longer");
    }

    /// `e2fsck -fn` must be content without a word of complaint, and so must our own checker.
    pub fn judge(&self, when: &str) {
        let output = tool("e2fsck", &["-fn", self.text()]).expect("e2fsck comes with mke2fs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "after {when}:\n{text}");
        for line in text.lines().filter(|line| !line.starts_with("Pass ") && !line.is_empty()) {
            assert!(line.contains(" files (") && line.contains(" blocks"), "after {when}: {line}");
        }
        let reader = Reader::open(self.device()).expect("our reader opens what e2fsck accepts");
        check(&reader, &mut |_, _| {}).unwrap_or_else(|error| panic!("our check after {when}: {error}"));
    }

    /// What `debugfs` says to one request.
    pub fn debugfs(&self, request: &str) -> String {
        let output = tool("debugfs", &["-R", request, self.text()]).expect("debugfs comes with mke2fs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The bytes of a file through `debugfs`.
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).expect("the image reads")
    }
}

/// A device over a file.
pub struct FileDevice {
    file: File,
    len: u64,
    /// Where the hole begins that the device had when it was opened.
    data: u64,
}

impl BlockRead for FileDevice {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<std::ops::Range<u64>>> {
        Ok((offset < self.data).then_some(offset..self.data))
    }
}

impl BlockWrite for FileDevice {
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        if offset.checked_add(buf.len() as u64).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.file.write_all_at(buf, offset)
    }
}

/// Bytes that no compressor and no hole detection likes, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A small Debian-like tree: merged `/usr`, links, a large directory, a file of some MiB, a deep path.
fn populate(root: &Path) {
    for directory in ["etc/default", "usr/bin", "usr/lib", "var/lib/dpkg/info", "dev", "home/pi", "boot"] {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    let write = |path: &str, bytes: &[u8]| fs::write(root.join(path), bytes).expect("a file");
    write("etc/hostname", b"raspberrypi\n");
    write("etc/default/locale", b"LANG=C.UTF-8\n");
    write("etc/empty", b"");
    write("usr/bin/sudo", &noise(1, 70_000));
    write("usr/lib/large", &noise(2, 5 << 20));
    for number in 0..1500 {
        write(&format!("var/lib/dpkg/info/package-with-a-long-name-{number}.list"), &noise(number, 30));
    }
    fs::create_dir_all(root.join(["d"; 40].join("/"))).expect("a deep path");
    let link =
        |target: &str, path: &str| std::os::unix::fs::symlink(target, root.join(path)).expect("a link");
    link("usr/bin", "bin");
    link("usr/lib", "lib");
    link("/var/lib", "home/pi/state");
    link(&"long/".repeat(40), "home/pi/slow");
    link("loop-b", "home/pi/loop-a");
    link("loop-a", "home/pi/loop-b");
    fs::hard_link(root.join("etc/hostname"), root.join("etc/hostname.link")).expect("a second name");
}
