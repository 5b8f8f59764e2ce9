//! Files of the host go into an image: whole, in bounded memory, and about as fast as the host copies them.
#![expect(clippy::disallowed_methods, reason = "tests ask e2fsck and debugfs what became of the image")]

#[path = "../image/judges.rs"]
mod judges;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tiny_base.rs"]
mod tiny_base;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use pimg::host::FileDevice;
use pimg::image::apply::apply;
use pimg::image::base::BaseImage;
use pimg::image::emit::Emitter;
use pimg::image::format::ImageFormat;
use pimg::image::store::FileStore;
use pimg::image::working::WorkingImage;
use pimg::plan::change::{Action, Change, Content, Origin, Ownership};
use pimg::plan::path::GuestPath;
use pimg::progress::Silent;
use pimg_fetch::digest::Sha256Digest;
use support::run;
use tiny_base::TinyBase;

const EPOCH: i64 = 1_764_806_400;
const POOL: &str = "/var/lib/pimg/repo/pool";

/// Bytes that nothing compresses, the same in every run.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // xorshift64, Marsaglia 2003
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The files of the directory that `scripts/bench-embed` names, or a few of lengths around the editor's own pieces.
fn files(work: &Path) -> Vec<PathBuf> {
    if let Some(dir) = std::env::var_os("PIMG_BENCH_EMBED") {
        let entries = fs::read_dir(dir).expect("the files to embed");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        return files;
    }
    let lengths = [0, 1, 4095, 4096, 4097, 300_001, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, 25 << 20];
    let write = |(seed, len): (u64, usize)| {
        let path = work.join(format!("f{seed}.deb"));
        fs::write(&path, noise(seed, len)).expect("writing a file to embed");
        path
    };
    (1..).zip(lengths).map(write).collect()
}

fn change(file: &Path) -> Change {
    let bytes = fs::read(file).expect("a file to embed");
    let content = Content::HostFile {
        path: file.to_owned(),
        len: bytes.len() as u64,
        sha256: Sha256Digest::of(&bytes).to_string(),
    };
    let name = file.file_name().expect("a name").to_string_lossy();
    let path = GuestPath::new(format!("{POOL}/{name}")).expect("a path");
    Change::root(
        path,
        Action::PutFile { content, ownership: Ownership::root(0o644) },
        Origin::Rule { rule: "test" },
    )
}

fn working_image(work: &Path, length: u64) -> WorkingImage {
    let base = TinyBase::new()
        .ext4(&["-b", "4096", "-O", "^64bit,^huge_file", "-L", "rootfs"])
        .make(work, "base.img");
    let base = BaseImage::open(Arc::new(FileDevice::open(&base).expect("the base"))).expect("a base");
    let store = FileStore::in_directory(work).expect("a store");
    WorkingImage::new(&base, length, 0x1234_5678, store).expect("a working image")
}

/// Memory that this process has held at most, in KiB (`proc_pid_status(5)`); nothing where there is no such file.
fn peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
}

#[test]
fn files_of_the_host_land_whole() {
    if !["mke2fs", "mkfs.vfat", "sfdisk", "mcopy", "e2fsck", "fsck.fat", "debugfs"]
        .iter()
        .all(|tool| support::have(tool))
    {
        return;
    }
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let changes: Vec<_> = files(dir.path()).iter().map(|file| change(file)).collect();
    let image = working_image(dir.path(), 2 << 30);
    let before = peak_kib();
    let started = Instant::now();
    apply(&image, &changes, EPOCH, &Silent).expect("applying the plan");
    println!("apply: {:.3} s", started.elapsed().as_secs_f64());
    if let (Some(before), Some(after)) = (before, peak_kib()) {
        println!("memory: {} MiB", after.saturating_sub(before) >> 10);
    }
    let path = dir.path().join("image.img");
    let file = File::create_new(&path).expect("a file");
    Emitter::new(&Silent)
        .emit(image.device().as_ref(), ImageFormat::Raw, file, &path)
        .expect("writing the image");
    judges::expect_no_complaint(&path);
    expect_whole(dir.path(), &path, &changes);
}

/// Every file read back by another implementation of ext4.
fn expect_whole(work: &Path, image: &Path, changes: &[Change]) {
    let (_, root) = judges::partitions(image);
    let device = format!("{}?offset={}", image.display(), root.start);
    let out = work.join("read-back");
    for change in changes {
        let Action::PutFile { content: Content::HostFile { len, sha256, .. }, .. } = &change.action else {
            continue;
        };
        run("debugfs", &["-R", &format!("dump {} {}", change.path, out.display()), &device]);
        let bytes = fs::read(&out).expect("what debugfs read");
        assert_eq!(
            (bytes.len() as u64, &Sha256Digest::of(&bytes).to_string()),
            (*len, sha256),
            "{}",
            change.path
        );
    }
}

#[test]
fn a_file_that_changed_since_it_was_planned_is_refused() {
    if !["mke2fs", "mkfs.vfat", "sfdisk", "mcopy"].iter().all(|tool| support::have(tool)) {
        return;
    }
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let file = dir.path().join("a.deb");
    let bytes = noise(7, 9 << 20);
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        bytes
    };
    let last = bytes.len() - 1;
    for now in [flipped(0), flipped(last), bytes[..last].to_vec(), [&bytes[..], b"x"].concat()] {
        fs::write(&file, &bytes).expect("the file as planned");
        let planned = change(&file);
        fs::write(&file, now).expect("the file as it is now");
        let image = working_image(dir.path(), 200 << 20);
        let error = apply(&image, &[planned], EPOCH, &Silent).expect_err("another file");
        let told = format!(
            "{error}: {}",
            std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()
        );
        assert!(told.contains("changed while") || told.contains("expected 9437184 bytes"), "{told}");
    }
}
