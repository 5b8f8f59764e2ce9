use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::decode::Format;
use crate::test_server::{End, Reply, Server, impatient_client};
use crate::watch::Silent;

mod formats;
mod web;

/// A cache in a directory of its own.
struct Home {
    root: tempfile::TempDir,
    cache: Cache,
    client: Client,
}

impl Home {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("temporary directory");
        let cache = Cache::open(&root.path().join("cache")).expect("a new cache");
        Self { root, cache, client: impatient_client() }
    }

    fn fetch(&self, source: &Source, pins: Pins) -> Result<VerifiedBase> {
        self.fetch_watched(source, pins, &Silent)
    }

    fn fetch_watched(&self, source: &Source, pins: Pins, watch: &dyn Watch) -> Result<VerifiedBase> {
        self.fetcher(watch).fetch(source, pins)
    }

    fn fetcher<'a>(&'a self, watch: &'a dyn Watch) -> BaseFetcher<'a> {
        let limits = Limits { raw: 16 << 20, ..Limits::default() };
        BaseFetcher { cache: &self.cache, client: Some(&self.client), limits, watch }
    }

    /// Writes a file and names it as a source.
    fn file(&self, name: &str, bytes: &[u8]) -> Source {
        let path = self.root.path().join(name);
        fs_err::write(&path, bytes).expect("writable");
        Source::File(path)
    }

    /// Names of what is in a bucket.
    fn names(&self, bucket: &str) -> Vec<String> {
        let entries = fs_err::read_dir(self.root.path().join("cache").join(bucket)).expect("the bucket");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    /// Nothing that is half-written, and no image.
    fn assert_no_image(&self, case: &str) {
        assert_eq!(self.names("raw-v1"), Vec::<String>::new(), "{case}");
    }
}

/// A disk of 3 MiB: a partition table, noise, much empty space, and text at its end.
fn image() -> Vec<u8> {
    let mut disk = vec![0_u8; 3 << 20];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    let mut state = 1_u32;
    for byte in &mut disk[4096..800_000] {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_le_bytes()[3];
    }
    let end = disk.len() - 11;
    disk[end..].copy_from_slice(b"end of disk");
    disk
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut builder = liblzma::stream::MtStreamBuilder::new();
    builder.threads(1).block_size(1 << 20).preset(1).check(liblzma::stream::Check::Crc64);
    let mut encoder =
        liblzma::write::XzEncoder::new_stream(Vec::new(), builder.encoder().expect("an encoder"));
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("a member");
        writer.write_all(bytes).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}

/// Counts what it is told, and interrupts after a number of bytes.
#[derive(Default)]
struct Counting {
    tasks: Mutex<Vec<String>>,
    bytes: AtomicU64,
    stop_after: Option<u64>,
}

impl Watch for Counting {
    fn begin(&self, task: &str, _total: Option<u64>) {
        self.tasks.lock().expect("no panic").push(task.to_owned());
    }
    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }
    fn finish(&self, _outcome: &str) {}
    fn interrupted(&self) -> bool {
        self.stop_after.is_some_and(|limit| self.bytes.load(Ordering::SeqCst) >= limit)
    }
}

fn published(digest: Sha256Digest) -> Pins {
    Pins { published: Some(digest), raw: None }
}

fn raw(digest: Sha256Digest) -> Pins {
    Pins { published: None, raw: Some(digest) }
}

#[test]
fn a_second_build_neither_reads_nor_decodes() {
    let home = Home::new();
    let source = home.file("base.img.xz", &xz(&image()));
    let first = home.fetch(&source, Pins::default()).expect("an image");
    let watch = Counting::default();
    assert_eq!(home.fetch_watched(&source, Pins::default(), &watch).expect("cached"), first);
    assert_eq!(*watch.tasks.lock().expect("no panic"), Vec::<String>::new());

    // another file of that name is another image
    let mut changed = image();
    changed[5000] ^= 1;
    let source = home.file("base.img.xz", &xz(&changed));
    assert_ne!(home.fetch(&source, Pins::default()).expect("an image").raw_digest(), first.raw_digest());
}

#[test]
fn a_pin_that_does_not_match_is_refused_whether_cached_or_not() {
    let (home, other) = (Home::new(), Sha256Digest::of(b"other"));
    let compressed = xz(&image());
    let source = home.file("base.img.xz", &compressed);
    let refused = |pins: Pins, got: Sha256Digest| match home.fetch(&source, pins) {
        Err(error @ Error::DigestMismatch { .. }) => {
            assert_eq!(error.class(), Class::Trust);
            assert!(matches!(error, Error::DigestMismatch { expected, got: found, .. }
                if expected == other && found == got));
        }
        unexpected => panic!("{unexpected:?}"),
    };
    let (published_digest, raw_digest) = (Sha256Digest::of(&compressed), Sha256Digest::of(&image()));
    refused(published(other), published_digest);
    refused(raw(other), raw_digest);
    home.assert_no_image("refused");
    let both = Pins { published: Some(published_digest), raw: Some(raw_digest) };
    let base = home.fetch(&source, both).expect("the pinned one");
    assert_eq!((base.published_digest(), base.raw_digest()), (published_digest, raw_digest));
    refused(published(other), published_digest);
    refused(raw(other), raw_digest);
    refused(Pins { published: Some(published_digest), raw: Some(other) }, raw_digest);
    assert!(base.path().exists(), "what is pinned stays");

    // with a pin the cache answers even when the file is gone
    let gone = Source::File(home.root.path().join("gone.img"));
    assert_eq!(home.fetch(&gone, raw(raw_digest)).expect("cached").path(), base.path());
}

#[test]
fn a_damaged_download_is_a_wrong_digest_rather_than_a_bad_xz() {
    let home = Home::new();
    let mut compressed = xz(&image());
    let pin = published(Sha256Digest::of(&compressed));
    compressed[300_000] ^= 0x10;
    let source = home.file("base.img.xz", &compressed);
    assert!(matches!(home.fetch(&source, pin), Err(Error::DigestMismatch { .. })));
    assert!(matches!(home.fetch(&source, Pins::default()), Err(Error::Decode { .. })));
    home.assert_no_image("damaged");
}

#[test]
fn a_cached_image_that_was_changed_is_made_anew() {
    let home = Home::new();
    let source = home.file("base.img", &image());
    let base = home.fetch(&source, Pins::default()).expect("an image");
    fs_err::remove_file(base.path()).expect("its owner may");
    fs_err::write(base.path(), b"something else").expect("its owner may");
    let again = home.fetch(&source, raw(base.raw_digest())).expect("made anew");
    assert!(fs_err::read(again.path()).expect("readable") == image());
}

#[test]
fn an_interrupted_run_leaves_a_cache_that_works() {
    let home = Home::new();
    let compressed = xz(&image());
    let source = home.file("base.img.xz", &compressed);
    for stop_after in [0, 1, 300_000, compressed.len() as u64] {
        let watch = Counting { stop_after: Some(stop_after), ..Counting::default() };
        match home.fetch_watched(&source, Pins::default(), &watch) {
            Err(Error::Interrupted) => home.assert_no_image("interrupted"),
            Ok(_) if stop_after == compressed.len() as u64 => {} // nothing was left to interrupt
            other => panic!("{other:?}"),
        }
    }
    let base = home.fetch(&source, Pins::default()).expect("an image");
    assert!(fs_err::read(base.path()).expect("readable") == image());
}
