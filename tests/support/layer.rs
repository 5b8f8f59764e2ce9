//! Baked layers made by hand, and the files that hand them out: not by pimg, which has to read them.
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::fmt::Write as _;

use serde_json::{Value, json};
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
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(content.len() as u64);
            header.set_cksum();
            archive.append(&header, *content).expect("memory");
        }
        Self::of_tar(seed, &archive.into_inner().expect("memory"), entries.len())
    }

    /// A layer with this archive in it, whatever that is.
    pub(crate) fn of_tar(seed: u8, plain: &[u8], entries: usize) -> Self {
        let bytes = zstd::encode_all(plain, 3).expect("memory");
        let key = sha256(&[seed]);
        let manifest = json!({
            "schema": 1,
            "key": key,
            "base_raw_sha256": sha256(b"base"),
            "recipe": 1,
            "epoch": 1_764_806_400,
            "layer_sha256": sha256(&bytes),
            "layer_size": bytes.len(),
            "tar_sha256": sha256(plain),
            "tar_size": plain.len(),
            "content_size": 0,
            "entries": entries,
            "packages": [{"name": "hello", "version": "2.10-3", "architecture": "arm64", "sha256": sha256(b"deb")}],
            "kernels": ["6.12.117+deb13-arm64"],
            "emulator": "qemu-aarch64 10.0.2",
            "builder": "0.1.0",
        });
        Self { key, bytes, manifest: serde_json::to_vec_pretty(&manifest).expect("plain values") }
    }

    /// The same with another `layer.json`.
    pub(crate) fn saying(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut manifest = serde_json::from_slice(&self.manifest).expect("JSON");
        change(&mut manifest);
        self.manifest = serde_json::to_vec_pretty(&manifest).expect("plain values");
        self
    }

    /// The same with another `layer.tar.zst`, and a `layer.json` that has its digest.
    pub(crate) fn holding(mut self, bytes: Vec<u8>) -> Self {
        self.bytes = bytes;
        let (sha256, size) = (sha256(&self.bytes), self.bytes.len());
        self.saying(|manifest| {
            manifest["layer_sha256"] = sha256.into();
            manifest["layer_size"] = size.into();
        })
    }

    /// Files of an OCI image layout with this layer: names and contents, blobs from the leaves up.
    pub(crate) fn layout(&self) -> Vec<(String, Vec<u8>)> {
        self.layout_with(|_| {})
    }

    /// The same with something else in the manifest of the artefact.
    pub(crate) fn layout_with(&self, change: impl FnOnce(&mut Value)) -> Vec<(String, Vec<u8>)> {
        let named = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": format!("sha256:{}", sha256(bytes)), "size": bytes.len()});
        let subject = |name: &str, bytes: &[u8]| json!({"name": name, "digest": {"sha256": sha256(bytes)}});
        let statement = text(&json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [subject("layer.tar.zst", &self.bytes), subject("layer.json", &self.manifest)],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {},
        }));
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "application/vnd.pimg.bake.v1",
            "config": named("application/vnd.pimg.bake.config.v1+json", &self.manifest),
            "layers": [
                named("application/vnd.oci.image.layer.v1.tar+zstd", &self.bytes),
                named("application/vnd.in-toto+json", &statement),
            ],
        });
        change(&mut manifest);
        let manifest = text(&manifest);
        let index = json!({
            "schemaVersion": 2,
            "manifests": [named("application/vnd.oci.image.manifest.v1+json", &manifest)],
        });
        let blob = |bytes: Vec<u8>| (format!("blobs/sha256/{}", sha256(&bytes)), bytes);
        vec![
            blob(self.bytes.clone()),
            blob(self.manifest.clone()),
            blob(statement),
            blob(manifest),
            ("index.json".to_owned(), text(&index)),
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ]
    }

    /// The file that hands the layer out.
    pub(crate) fn archive(&self) -> Vec<u8> {
        archive(&self.layout())
    }

    /// Its tag where nobody gives it another.
    pub(crate) fn tag(&self) -> String {
        format!("bake-{}", self.key)
    }
}

fn text(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain values")
}

/// Files in a tar.
pub(crate) fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content.as_slice()).expect("memory");
    }
    archive.into_inner().expect("memory")
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
