use std::time::Duration;

use super::*;
use crate::watch::Silent;

fn cache() -> (tempfile::TempDir, Cache) {
    let root = tempfile::tempdir().expect("temporary directory");
    let cache = Cache::open(root.path()).expect("a new cache");
    (root, cache)
}

fn names(cache: &Cache, bucket: &str) -> Vec<String> {
    let entries = fs_err::read_dir(cache.root.join(bucket)).expect("the bucket");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn content_comes_back_by_its_digest_only() {
    let (_root, cache) = cache();
    let digest = Sha256Digest::of(b"content");
    assert_eq!(cache.get(Bucket::Blob, digest).expect("readable"), None);
    let path = cache.insert(Bucket::Blob, digest, &b"content"[..]).expect("inserted");
    assert_eq!(fs_err::read(&path).expect("readable"), b"content");
    assert_eq!(cache.get(Bucket::Blob, digest).expect("readable"), Some(path.clone()));
    assert_eq!(cache.get(Bucket::Raw, digest).expect("readable"), None);
    assert!(fs_err::metadata(path).expect("there").permissions().readonly());

    let error = cache.insert(Bucket::Raw, digest, &b"other"[..]).expect_err("another digest");
    assert!(matches!(error, Error::DigestMismatch { expected, .. } if expected == digest));
    assert!(names(&cache, "raw-v1").is_empty());
}

#[test]
fn content_that_was_changed_is_forgotten() {
    let (_root, cache) = cache();
    let digest = Sha256Digest::of(b"content");
    let path = cache.insert(Bucket::Blob, digest, &b"content"[..]).expect("inserted");
    // touched, but the same: digested again and kept
    replace(&path, b"content").expect("writable");
    assert_eq!(cache.get(Bucket::Blob, digest).expect("readable"), Some(path.clone()));
    replace(&path, b"CONTENT").expect("writable");
    assert_eq!(cache.get(Bucket::Blob, digest).expect("readable"), None);
    assert!(!path.exists());
}

#[test]
fn content_is_digested_again_on_demand() {
    let (_root, cache) = cache();
    let digest = Sha256Digest::of(b"content");
    let path = cache.insert(Bucket::Blob, digest, &b"content"[..]).expect("inserted");
    assert_eq!(cache.get_digested(Bucket::Blob, digest).expect("readable"), Some(path.clone()));
    // bytes that rotted on the disk: nothing but its digest tells
    replace(&path, b"CONTENT").expect("writable");
    let stamp = Stamp::of(&path).expect("readable").expect("there");
    replace(&seen_path(&path), stamp.to_string().as_bytes()).expect("writable");
    assert_eq!(cache.get(Bucket::Blob, digest).expect("readable"), Some(path.clone()));
    assert_eq!(cache.get_digested(Bucket::Blob, digest).expect("readable"), None);
    assert!(!path.exists());
}

#[test]
fn cleaning_takes_what_was_not_used_for_long() {
    let (_root, cache) = cache();
    let [old, new] = [&b"old"[..], b"new"].map(|content| {
        let digest = Sha256Digest::of(content);
        (digest, cache.insert(Bucket::Blob, digest, content).expect("inserted"))
    });
    let epoch = SystemTime::UNIX_EPOCH;
    let age = |path: &Path| {
        let file = File::open(seen_path(path)).expect("the mark");
        file.file().set_modified(epoch + Duration::from_secs(1000)).expect("its owner may");
    };
    age(&old.1);
    age(&new.1);
    cache.get(Bucket::Blob, new.0).expect("readable").expect("there"); // used again
    cache.lock(new.0, &Silent).expect("nobody holds it");
    let removed = cache.clean(epoch + Duration::from_secs(2000)).expect("cleaned");
    assert_eq!(removed.files, 2, "the file and its mark");
    assert_eq!(cache.get(Bucket::Blob, old.0).expect("readable"), None);
    assert!(cache.get(Bucket::Blob, new.0).expect("readable").is_some());
    let usage = cache.usage().expect("readable");
    assert_eq!(usage[1].0, "blob-v1");
    assert_eq!(usage[1].1.files, 2);
}

#[test]
fn a_lock_is_held_by_one_at_a_time_and_waiting_can_be_interrupted() {
    struct Impatient;
    impl Watch for Impatient {
        fn begin(&self, task: &str, _total: Option<u64>) {
            assert_eq!(task, "waiting for another pimg");
        }
        fn advance(&self, _bytes: u64) {}
        fn finish(&self, _outcome: &str) {}
        fn interrupted(&self) -> bool {
            true
        }
    }
    let (_root, cache) = cache();
    let key = Sha256Digest::of(b"key");
    let held = cache.lock(key, &Silent).expect("free");
    assert!(matches!(cache.lock(key, &Impatient), Err(Error::Interrupted)));
    cache.lock(Sha256Digest::of(b"other"), &Silent).expect("another key");
    drop(held);
    cache.lock(key, &Impatient).expect("free again");
}
