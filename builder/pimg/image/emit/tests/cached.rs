//! The frame cache changes how long it takes, and nothing else.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use pimg_disk::block::{BlockWrite, MemoryDevice};

use super::support::{base, content, host, write};
use crate::image::format::ImageFormat;
use crate::image::frames::FrameCache;

fn packs(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache.join("frames-v1")).expect("a directory");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn open(cache: &Path) -> FrameCache {
    FrameCache::open(cache).expect("a directory")
}

#[test]
fn bytes_do_not_depend_on_cores_or_cache() {
    for format in [ImageFormat::Zst, ImageFormat::Xz] {
        let cache = tempfile::tempdir().expect("a directory");
        let frames = open(cache.path());
        let (plain, emitted) = write(&host("node-a"), format, None, 1);
        assert_eq!(emitted.frames.cached, 0);
        for workers in [1, 2, 5] {
            assert!(write(&host("node-a"), format, None, workers).0 == plain, "{workers} workers");
        }
        write(&host("node-b"), format, Some(&frames), 3);
        let (second, emitted) = write(&host("node-a"), format, Some(&frames), 2);
        assert!(second == plain && emitted.frames.cached > 0 && emitted.frames.made > 0, "{emitted:?}");
        let (third, emitted) = write(&host("node-a"), format, Some(&frames), 2);
        assert!(third == plain && emitted.frames.made == 0, "{emitted:?}");
    }
}

#[test]
fn hosts_share_the_frames_of_what_neither_changed() {
    let cache = tempfile::tempdir().expect("a directory");
    let frames = open(cache.path());
    let (_, first) = write(&host("node-a"), ImageFormat::Zst, Some(&frames), 2);
    let (_, second) = write(&host("node-b"), ImageFormat::Zst, Some(&frames), 2);
    // three pieces have blocks of the host's own
    assert_eq!((first.frames.cached, second.frames.made), (0, 3));
    assert_eq!(packs(cache.path()).len(), 2);
}

#[test]
fn a_device_that_nobody_named_is_never_taken_from_the_cache() {
    let cache = tempfile::tempdir().expect("a directory");
    let frames = open(cache.path());
    let (expected, _) = write(base().as_ref(), ImageFormat::Zst, Some(&frames), 2);
    let device = MemoryDevice::new(content(base().as_ref()));
    let (bytes, emitted) = write(&device, ImageFormat::Zst, Some(&frames), 2);
    assert!(bytes == expected && emitted.frames.cached == 0);
}

#[test]
fn what_changed_since_is_made_anew() {
    let cache = tempfile::tempdir().expect("a directory");
    let frames = open(cache.path());
    let image = host("node-a");
    write(&image, ImageFormat::Zst, Some(&frames), 2);
    image.write_at(30 << 20, b"one line").expect("fits");
    let (_, emitted) = write(&image, ImageFormat::Zst, Some(&frames), 2);
    assert_eq!(emitted.frames.made, 1);
}

#[test]
fn damage_is_noticed_and_mended() {
    let cache = tempfile::tempdir().expect("a directory");
    let (expected, first) = write(&host("node-a"), ImageFormat::Zst, Some(&open(cache.path())), 2);
    let pack = packs(cache.path()).remove(0);
    let whole = fs::read(&pack).expect("a pack");
    // every part: head, frames of both ends, the index, the end; and a pack that was cut off, or never reached the disk
    let flips = [0, 12, 20, whole.len() / 2, whole.len() - 60, whole.len() - 2];
    let flipped = flips.iter().map(|at| {
        let mut bytes = whole.clone();
        bytes[*at] ^= 1;
        bytes
    });
    let cut = [0, 10, whole.len() / 2].into_iter().map(|length| whole[..length].to_vec());
    for damaged in flipped.chain(cut).chain([vec![0; whole.len()]]) {
        for path in packs(cache.path()) {
            fs::remove_file(path).expect("a file");
        }
        fs::write(&pack, damaged).expect("a pack");
        let (bytes, emitted) = write(&host("node-a"), ImageFormat::Zst, Some(&open(cache.path())), 2);
        assert!(bytes == expected && emitted.frames.made > 0, "{emitted:?}");
        let (bytes, emitted) = write(&host("node-a"), ImageFormat::Zst, Some(&open(cache.path())), 2);
        assert!(bytes == expected && emitted.frames.cached + emitted.frames.made == first.frames.made);
    }
}

#[test]
fn builds_at_the_same_time_share_a_cache() {
    let cache = tempfile::tempdir().expect("a directory");
    let expected = write(&host("node-a"), ImageFormat::Zst, None, 2).0;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            // each its own, as processes have
            scope.spawn(|| {
                let frames = open(cache.path());
                for _ in 0..3 {
                    assert!(write(&host("node-a"), ImageFormat::Zst, Some(&frames), 1).0 == expected);
                }
            });
        }
    });
    let (_, emitted) = write(&host("node-a"), ImageFormat::Zst, Some(&open(cache.path())), 1);
    assert_eq!(emitted.frames.made, 0);
}

#[test]
fn what_a_killed_build_left_goes_and_a_living_one_keeps_its_own() {
    let cache = tempfile::tempdir().expect("a directory");
    open(cache.path());
    let left = cache.path().join("frames-v1/.tmp-killed");
    let living = cache.path().join("frames-v1/.tmp-living");
    fs::write(&left, "half").expect("a file");
    let held = File::create(&living).expect("a file");
    held.try_lock().expect("nobody has it");
    open(cache.path());
    assert!(!left.exists() && living.exists());
}

#[test]
fn a_cache_that_cannot_be_written_costs_time_only() {
    let cache = tempfile::tempdir().expect("a directory");
    let frames = open(cache.path());
    fs::remove_dir(cache.path().join("frames-v1")).expect("it is empty");
    let (bytes, _) = write(&host("node-a"), ImageFormat::Zst, Some(&frames), 2);
    assert!(bytes == write(&host("node-a"), ImageFormat::Zst, None, 2).0);
}

#[test]
fn the_packs_used_longest_ago_go_first() {
    let cache = tempfile::tempdir().expect("a directory");
    let frames = open(cache.path()).with_limit(9_000_000);
    let pack_of = |name: &str| {
        let before = packs(cache.path());
        write(&host(name), ImageFormat::Zst, Some(&frames), 2);
        packs(cache.path()).into_iter().find(|path| !before.contains(path)).expect("a new pack")
    };
    let (first, second) = (pack_of("node-a"), pack_of("node-b"));
    let old = std::time::SystemTime::UNIX_EPOCH;
    File::open(&first).and_then(|file| file.set_modified(old)).expect("a time");
    let third = pack_of("node-c");
    assert!(first.exists(), "node-c used it");
    File::open(&second).and_then(|file| file.set_modified(old)).expect("a time");
    let frames = frames.with_limit(1);
    write(&host("node-d"), ImageFormat::Zst, Some(&frames), 2);
    assert!(!second.exists() && packs(cache.path()).len() == 1, "{third:?}");
}
