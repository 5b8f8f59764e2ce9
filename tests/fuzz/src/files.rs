//! Parsers that open a file themselves: keys, seeds, and what the cache holds.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pimg_fetch::Sha256Digest;
use tempfile::TempDir;

/// A private file with these bytes.
fn file(input: &[u8], name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| TempDir::new().expect("a temporary directory"));
    let path = directory.path().join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(&path, input).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    path
}

pub fn ssh_key(input: &[u8]) {
    if let Ok(keys) = pimg::host::ssh_keys::read(&file(input, "key.pub")) {
        assert!(keys.iter().all(|key| !key.contains('\n')), "a key is one line");
    }
}

pub fn age_identity(input: &[u8]) {
    let _ = pimg::host::identity::load(&file(input, "identity.txt"));
}

pub fn secret_seed(input: &[u8]) {
    let seed = file(input, "secrets/cluster.seed");
    let project = seed.parent().and_then(Path::parent).expect("a project");
    let _ = pimg::host::seed::load_existing(project, "cluster");
}

pub fn carried_xz(input: &[u8]) {
    let digest = Sha256Digest::of(input);
    let _ = pimg::image::emit::Carried::open(&file(input, "base.xz"), digest, digest);
}

pub fn frame_pack(input: &[u8]) {
    if let Ok((_, bytes)) = pimg::fuzzing::pack_index(input) {
        assert!(bytes <= input.len() as u64, "frames end with their pack");
    }
}
