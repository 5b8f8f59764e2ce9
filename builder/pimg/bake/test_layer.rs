//! Small layers for tests of this room, made by hand.

use pimg_fetch::digest::Sha256Digest;
use tar::{EntryType, Header};

use super::manifest::{BakedPackage, LayerManifest};

/// What `layer.json` of these bytes says.
pub(super) fn manifest_of(plain: &[u8], compressed: &[u8], entries: u64) -> LayerManifest {
    LayerManifest {
        schema: 1,
        key: "ab".repeat(32),
        base_raw_sha256: "cd".repeat(32),
        recipe: 1,
        epoch: 1_764_806_400,
        layer_sha256: Sha256Digest::of(compressed).to_string(),
        layer_size: compressed.len() as u64,
        tar_sha256: Sha256Digest::of(plain).to_string(),
        tar_size: plain.len() as u64,
        content_size: 6,
        entries,
        packages: vec![BakedPackage {
            name: "hello".to_owned(),
            version: "2.10-3".to_owned(),
            architecture: "arm64".to_owned(),
            sha256: "ef".repeat(32),
        }],
        kernels: Vec::new(),
        emulator: "native".to_owned(),
        builder: "0.1.0".to_owned(),
    }
}

/// A layer of entries, each a path, a kind and what it links to or holds. Paths are written as they are.
pub(super) fn layer_of(entries: &[(&str, EntryType, &str)]) -> (Vec<u8>, LayerManifest) {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, kind, text) in entries {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(8).and_then(|()| header.set_device_minor(1)).expect("ustar");
        }
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        if is_link {
            header.set_link_name_literal(text).expect("is short");
        }
        let content = if is_link { "" } else { text };
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, content.as_bytes()).expect("memory");
    }
    let plain = archive.into_inner().expect("memory");
    let compressed = zstd::encode_all(plain.as_slice(), 3).expect("memory");
    let manifest = manifest_of(&plain, &compressed, entries.len() as u64);
    (compressed, manifest)
}

/// A layer that is in order, with one of everything.
pub(super) fn good() -> (Vec<u8>, LayerManifest) {
    layer_of(&[
        ("etc/", EntryType::Directory, ""),
        ("etc/.wh.motd", EntryType::Regular, ""),
        ("etc/hello.conf", EntryType::Regular, "hello\n"),
        ("usr/bin/hello", EntryType::Regular, "#!/bin/sh\n"),
        ("usr/bin/hi", EntryType::Link, "usr/bin/hello"),
        ("usr/bin/up", EntryType::Symlink, "../../etc"),
    ])
}
