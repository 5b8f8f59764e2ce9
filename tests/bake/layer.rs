//! A layer as it lies in its directory, read without pimg.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use pimg::bake::manifest::{LAYER, LayerManifest, MANIFEST};
use pimg_fetch::digest::Sha256Digest;
use tar::EntryType;

/// What is at a path, in words that two trees can be compared by: kind, mode, owners, content or target, attributes.
pub(crate) type Tree = BTreeMap<String, String>;

/// An opened layer.
pub(crate) struct Layer {
    pub(crate) manifest: LayerManifest,
    /// Paths in their order, with what they are; whiteouts among them.
    pub(crate) entries: Vec<(String, String)>,
    /// Times by path.
    pub(crate) times: BTreeMap<String, u64>,
    /// The decompressed archive.
    pub(crate) tar: Vec<u8>,
}

impl Layer {
    pub(crate) fn open(directory: &Path) -> Self {
        let text = std::fs::read(directory.join(MANIFEST)).expect("a manifest");
        let manifest: LayerManifest = serde_json::from_slice(&text).expect("a manifest");
        let packed = std::fs::read(directory.join(LAYER)).expect("a layer");
        assert_eq!(Sha256Digest::of(&packed).to_string(), manifest.layer_sha256);
        assert_eq!(packed.len() as u64, manifest.layer_size);
        let tar = zstd::decode_all(&packed[..]).expect("zstd");
        assert_eq!(Sha256Digest::of(&tar).to_string(), manifest.tar_sha256);
        assert_eq!(tar.len() as u64, manifest.tar_size);
        let (mut entries, mut times, mut files) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for entry in tar::Archive::new(&tar[..]).entries().expect("an archive") {
            let mut entry = entry.expect("an entry");
            let path = String::from_utf8(entry.path_bytes().into_owned()).expect("UTF-8");
            times.insert(path.clone(), entry.header().mtime().expect("a time"));
            assert!(
                entry.header().username().expect("text").unwrap_or_default().is_empty(),
                "{path}: a name"
            );
            let text = described(&mut entry, &files);
            files.insert(path.clone(), text.clone());
            entries.push((path, text));
        }
        Self { manifest, entries, times, tar }
    }

    /// The tree `below` with this layer over it.
    pub(crate) fn over(&self, below: &Tree) -> Tree {
        let mut tree = below.clone();
        let remove = |tree: &mut Tree, path: &str| {
            tree.retain(|known, _| known != path && !known.starts_with(&format!("{path}/")));
        };
        for (path, text) in &self.entries {
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
            if name == ".wh..wh..opq" {
                tree.retain(|known, _| !known.starts_with(&format!("{directory}/")));
            } else if let Some(gone) = name.strip_prefix(".wh.") {
                remove(&mut tree, format!("{directory}/{gone}").trim_start_matches('/'));
            } else {
                if !text.starts_with("d ") {
                    remove(&mut tree, path);
                }
                tree.insert(path.clone(), text.clone());
            }
        }
        tree
    }
}

fn described(entry: &mut tar::Entry<'_, &[u8]>, files: &BTreeMap<String, String>) -> String {
    let header = entry.header().clone();
    let kind = match header.entry_type() {
        EntryType::Directory => 'd',
        EntryType::Symlink => 'l',
        EntryType::Regular => '-',
        EntryType::Link => {
            let first = entry.link_name_bytes().expect("a target").into_owned();
            let first = String::from_utf8(first).expect("UTF-8");
            return files
                .get(&first)
                .unwrap_or_else(|| panic!("a link to `{first}`, which is not there"))
                .clone();
        }
        other => panic!("{other:?} in a layer"),
    };
    let mut attributes = Vec::new();
    if let Some(extensions) = entry.pax_extensions().expect("records") {
        for extension in extensions {
            let extension = extension.expect("a record");
            if let Some(name) = extension.key().expect("a key").strip_prefix("SCHILY.xattr.") {
                let value: String =
                    extension.value_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                attributes.push(format!(" {name}={value}"));
            }
        }
    }
    let content = match kind {
        'l' => String::from_utf8(entry.link_name_bytes().expect("a target").into_owned()).expect("UTF-8"),
        '-' => {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("content");
            Sha256Digest::of(&bytes).to_string()
        }
        _ => String::new(),
    };
    let (mode, uid, gid) =
        (header.mode().expect("a mode"), header.uid().expect("one"), header.gid().expect("one"));
    let mode = if kind == 'l' { 0o777 } else { mode };
    format!("{kind} {mode:04o} {uid}:{gid} {content}{}", attributes.concat())
}
