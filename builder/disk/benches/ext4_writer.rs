//! The ext4 editor beside a kernel mount that does the same: many small files, and one large one.
//!
//! Both begin with a fresh file system in a file and end when it is clean in the host's page cache: here
//! [`Editor::finish`], there `umount`. The mount needs root and is left out where there is none.

#[path = "../tests/ext4_support/mod.rs"]
mod ext4_support;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use ext4_support::CLOCK;
use ext4_support::image::{FEATURE_SETS, Image, noise};
use ext4_support::kernel::Mount;
use ext4_support::op::plain;
use pimg_disk::ext4::Editor;

const MIB: u64 = 1 << 20;

/// What is written in one go.
#[derive(Clone, Copy)]
struct Work {
    dirs: usize,
    files_in_each: usize,
    small: usize,
    large: u64,
    /// Bytes of the file system that is to hold it.
    room: u64,
}

impl Work {
    /// `cargo bench`, or the same small enough for a test run: criterion tells them apart by this argument, too.
    fn pick(full: Self, tiny: Self) -> Self {
        if std::env::args().any(|argument| argument == "--bench") { full } else { tiny }
    }

    fn small_files() -> Self {
        let full = Self { dirs: 200, files_in_each: 100, small: 2000, large: 0, room: 512 * MIB };
        Self::pick(full, Self { dirs: 2, files_in_each: 5, room: 64 * MIB, ..full })
    }

    fn large_file() -> Self {
        let full = Self { dirs: 0, files_in_each: 0, small: 0, large: 500_000_000, room: 1024 * MIB };
        Self::pick(full, Self { large: 5_000_000, room: 64 * MIB, ..full })
    }

    fn bytes(self) -> u64 {
        (self.dirs * self.files_in_each * self.small) as u64 + self.large
    }

    /// Paths of the directories, and of the small files.
    fn paths(self) -> (Vec<String>, Vec<String>) {
        let dirs: Vec<_> = (0..self.dirs).map(|dir| format!("/d{dir:03}")).collect();
        let files =
            dirs.iter().flat_map(|dir| (0..self.files_in_each).map(move |file| format!("{dir}/f{file:03}")));
        let files = files.collect();
        (dirs, files)
    }
}

/// Bytes without end that hold no zeroes to skip, in no time: the source is not what is measured.
struct Endless<'a> {
    block: &'a [u8],
    at: usize,
}

impl Read for Endless<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let rest = &self.block[self.at..];
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        self.at = (self.at + len) % self.block.len();
        Ok(len)
    }
}

fn with_editor(image: &Image, work: Work, block: &[u8]) {
    let (dirs, files) = work.paths();
    let mut editor = Editor::open(image.device(), CLOCK).expect("a fresh file system");
    for dir in &dirs {
        editor.mkdir(dir, &plain(0o755)).expect("a directory");
    }
    for file in &files {
        let content = &mut &block[..work.small];
        editor.create_file(file, &plain(0o644), content, work.small as u64).expect("a small file");
    }
    if work.large > 0 {
        let content = &mut Endless { block, at: 0 };
        editor.create_file("/large", &plain(0o644), content, work.large).expect("a large file");
    }
    editor.finish().expect("finishes");
}

fn with_kernel(image: &Image, work: Work, block: &[u8]) {
    let (dirs, files) = work.paths();
    let mount = Mount::new(image, "noatime").expect("root mounts");
    let at = |path: &str| mount.path().join(path.trim_start_matches('/'));
    for dir in &dirs {
        fs::create_dir(at(dir)).expect("a directory");
    }
    for file in &files {
        fs::write(at(file), &block[..work.small]).expect("a small file");
    }
    if work.large > 0 {
        write_large(&at("/large"), work.large, block);
    }
    mount.unmount();
}

fn write_large(path: &Path, len: u64, block: &[u8]) {
    let mut file = File::create(path).expect("a large file");
    let mut left = len;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        file.write_all(&block[..part]).expect("room");
        left -= part as u64;
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn compare(criterion: &mut Criterion, name: &str, work: Work) {
    let Some(fresh) = Image::make_empty(FEATURE_SETS[0].1, work.room) else { return };
    let block = noise(7, 1 << 20);
    let judged = fresh.copy();
    with_editor(&judged, work, &block);
    judged.judge(name);
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Bytes(work.bytes()));
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(20));
    let mut way = |way: &str, write: fn(&Image, Work, &[u8])| {
        group.bench_function(way, |bencher| {
            // the image is returned, so that removing it is not measured
            let once = |image: Image| {
                write(&image, work, &block);
                image
            };
            bencher.iter_batched(|| fresh.copy(), once, BatchSize::PerIteration);
        });
    };
    way("pimg", with_editor);
    if is_root() {
        way("kernel", with_kernel);
    }
    group.finish();
}

fn ext4_writer(criterion: &mut Criterion) {
    compare(criterion, "20,000 small files in 200 directories", Work::small_files());
    compare(criterion, "one file of 500 MB", Work::large_file());
}

criterion_group!(benches, ext4_writer);
criterion_main!(benches);
