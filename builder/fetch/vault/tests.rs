use std::os::unix::fs::MetadataExt;

use super::*;
use crate::base::BaseFetcher;
use crate::error::Class;
use crate::ingest::Limits;
use crate::source::{Pins, Source};

struct Home {
    root: tempfile::TempDir,
    cache: Cache,
    vault: Vault,
}

impl Home {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("temporary directory");
        let cache = Cache::open(&root.path().join("cache")).expect("a new cache");
        let vault = Vault::create(&root.path().join("vault")).expect("a new vault");
        Self { root, cache, vault }
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.root.path().join("source");
        fs_err::write(&path, bytes).expect("writable");
        path
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(directory).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A disk of 8 MiB: a partition table, and one byte far behind it.
fn image() -> Vec<u8> {
    let mut disk = vec![0_u8; 8 << 20];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk[5_000_000] = 7;
    disk
}

#[test]
fn files_go_in_and_come_out_by_digest() {
    let home = Home::new();
    let digest = Sha256Digest::of(b"content");
    assert_eq!(home.vault.get(digest).expect("readable"), None);
    let path = home.vault.insert(&home.file(b"content"), digest).expect("inserted");
    assert_eq!(path, home.root.path().join("vault/sha256").join(digest.to_string()));
    assert_eq!(fs_err::metadata(&path).expect("there").mode() & 0o444, 0o444, "others may read it");
    let copied = Vault::open(home.vault.path()).expect("a vault");
    assert_eq!(copied.get(digest).expect("intact"), Some(path));

    let error = home.vault.insert(&home.file(b"other"), Sha256Digest::of(b"x")).expect_err("another digest");
    assert!(matches!(error, Error::DigestMismatch { .. }));
    assert_eq!(names(&home.root.path().join("vault/sha256")), [digest.to_string()]);
    assert_eq!(names(home.vault.path()), ["README.txt", "raw", "sha256"]);
}

#[test]
fn a_damaged_file_is_named_and_mended_by_the_next_copy() {
    let home = Home::new();
    let digest = Sha256Digest::of(b"content");
    let path = home.vault.insert(&home.file(b"content"), digest).expect("inserted");
    fs_err::write(&path, b"CONTENT").expect("writable");
    let error = home.vault.get(digest).expect_err("damaged");
    assert_eq!(error.class(), Class::Trust);
    let expected = format!("`{}` in the vault has another digest: expected sha256 {digest}", path.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
    home.vault.insert(&home.file(b"content"), digest).expect("mended");
    assert_eq!(home.vault.get(digest).expect("intact"), Some(path));
}

#[test]
fn what_is_no_vault_is_left_alone() {
    let home = Home::new();
    home.file(b"a letter");
    let created = Vault::create(home.root.path()).expect_err("it holds other files");
    let opened = Vault::open(&home.root.path().join("nowhere")).expect_err("there is nothing");
    for error in [created, opened] {
        assert!(matches!(error, Error::NotAVault { .. }), "{error}");
        assert_eq!(error.class(), Class::Usage);
    }
    Vault::create(home.vault.path()).expect("a vault may be opened again");
}

#[test]
fn a_base_goes_in_and_builds_without_its_publisher() {
    let home = Home::new();
    let raw = Sha256Digest::of(&image());
    home.cache.insert(Bucket::Raw, raw, image().as_slice()).expect("inserted");
    let stored = base_to_vault(&home.cache, &home.vault, raw, &Silent).expect("stored");
    assert_eq!(stored, home.root.path().join(format!("vault/raw/{raw}.zst")));
    assert!(fs_err::metadata(&stored).expect("there").len() < 10_000, "zeroes cost nothing");

    let later = Home::new();
    let path = base_from_vault(&later.cache, &home.vault, raw, &Silent).expect("intact").expect("there");
    assert!(fs_err::read(&path).expect("readable") == image());
    let blocks = fs_err::metadata(&path).expect("there").blocks();
    assert!(blocks * 512 < 1 << 20, "{blocks} blocks of 512 bytes for two dirty blocks");

    let published = Sha256Digest::of(b"as it was published");
    let source = Source::parse("https://gone.example.org/base.img.xz").expect("a URL");
    let fetch = |pins| {
        let limits = Limits::default();
        BaseFetcher { cache: &later.cache, client: None, limits, watch: &Silent }.fetch(&source, pins)
    };
    let base = fetch(Pins { published: Some(published), raw: Some(raw) }).expect("both are pinned");
    assert_eq!((base.path(), base.raw_digest(), base.raw_len()), (path.as_path(), raw, 8 << 20));
    let error = fetch(Pins { published: Some(published), raw: None }).expect_err("nobody vouches for it");
    assert!(matches!(error, Error::Offline { .. }), "{error}");
    assert_eq!(base_from_vault(&later.cache, &home.vault, published, &Silent).expect("readable"), None);
}

#[test]
fn a_damaged_base_is_refused_and_mended() {
    let home = Home::new();
    let raw = Sha256Digest::of(&image());
    home.cache.insert(Bucket::Raw, raw, image().as_slice()).expect("inserted");
    let stored = base_to_vault(&home.cache, &home.vault, raw, &Silent).expect("stored");
    let intact = fs_err::read(&stored).expect("readable");
    let mut flipped = intact.clone();
    flipped[intact.len() / 2] ^= 1;
    let other = zstd::encode_all([image(), vec![1; 512]].concat().as_slice(), 1).expect("memory");
    for damaged in [flipped, intact[..intact.len() - 3].to_vec(), b"something else".to_vec(), other] {
        fs_err::write(&stored, &damaged).expect("writable");
        let later = Home::new();
        let error = base_from_vault(&later.cache, &home.vault, raw, &Silent).expect_err("damaged");
        assert_eq!(error.class(), Class::Trust, "{error}");
        assert!(error.to_string().contains(&stored.display().to_string()), "{error}");
        assert_eq!(names(&later.root.path().join("cache/raw-v1")), Vec::<String>::new());
    }
    base_to_vault(&home.cache, &home.vault, raw, &Silent).expect("mended");
    assert!(fs_err::read(&stored).expect("readable") == intact);
}
