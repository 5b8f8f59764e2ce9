//! Layers made by hand.

use std::fmt::Write as _;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

/// A layer as it lies in the cache.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) key: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
}

impl Layer {
    /// A layer that is in order: a directory, a whiteout, files, one of them of `size` bytes that do not compress.
    pub(crate) fn new(seed: u8, size: usize) -> Self {
        let noise = noise(seed, size);
        Self::of(
            seed,
            &[("etc/", b""), ("etc/.wh.motd", b""), ("etc/hello.conf", b"hello\n"), ("usr/noise", &noise)],
        )
    }

    /// A layer of these paths as they are written, directories ending in a slash.
    pub(crate) fn of(seed: u8, entries: &[(&str, &[u8])]) -> Self {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in entries {
            let mut header = Header::new_ustar();
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(if path.ends_with('/') {
                EntryType::Directory
            } else {
                EntryType::Regular
            });
            header.set_mode(0o755);
            header.set_size(content.len() as u64);
            header.set_cksum();
            archive.append(&header, *content).expect("memory");
        }
        let plain = archive.into_inner().expect("memory");
        let bytes = zstd::encode_all(plain.as_slice(), 3).expect("memory");
        let key = sha256(&[seed]);
        let manifest = json!({
            "schema": 1,
            "key": key,
            "base_raw_sha256": sha256(b"base"),
            "recipe": 1,
            "epoch": 1_764_806_400,
            "layer_sha256": sha256(&bytes),
            "layer_size": bytes.len(),
            "tar_sha256": sha256(&plain),
            "tar_size": plain.len(),
            "content_size": entries.iter().map(|(_, content)| content.len()).sum::<usize>(),
            "entries": entries.len(),
            "packages": [{"name": "hello", "version": "2.10-3", "architecture": "arm64", "sha256": sha256(b"deb")}],
            "kernels": ["6.12.117+deb13-arm64"],
            "emulator": "qemu-aarch64 10.0.2",
            "builder": "0.1.0",
        });
        Self { key, bytes, manifest: serde_json::to_vec_pretty(&manifest).expect("plain values") }
    }

    /// Its tag where nobody gives it another.
    pub(crate) fn tag(&self) -> String {
        format!("bake-{}", self.key)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes that no compressor makes smaller, the same for the same seed.
fn noise(seed: u8, size: usize) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}
