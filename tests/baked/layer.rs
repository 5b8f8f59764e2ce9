//! Layers written by hand, and what becomes of them over a base.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pimg::host::device::FileDevice;
use pimg::image::baked::{BakedError, BakedInputs, LayerFile};
use pimg::image::base::BaseImage;
use pimg::image::store::FileStore;
use pimg::progress::Silent;
use pimg_disk::block::BlockRead;
use pimg_fetch::digest::Sha256Digest;
use tar::{Builder, EntryType, Header};

/// The time of the layer, in seconds since 1970: that of the tiny base.
pub(crate) const EPOCH: i64 = 1_764_806_400;

/// An entry that is to be written.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) path: String,
    pub(crate) kind: EntryType,
    pub(crate) content: Vec<u8>,
    pub(crate) link: String,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) mtime: u64,
    pub(crate) xattrs: Vec<(&'static str, Vec<u8>)>,
    pub(crate) device: Option<(u32, u32)>,
}

impl Item {
    fn new(path: &str, kind: EntryType, mode: u32) -> Self {
        Self {
            path: path.to_owned(),
            kind,
            content: Vec::new(),
            link: String::new(),
            mode,
            owner: (0, 0),
            mtime: 1_700_000_000,
            xattrs: Vec::new(),
            device: None,
        }
    }

    pub(crate) fn file(path: &str, content: impl Into<Vec<u8>>) -> Self {
        Self { content: content.into(), ..Self::new(path, EntryType::Regular, 0o644) }
    }

    pub(crate) fn dir(path: &str) -> Self {
        Self::new(path, EntryType::Directory, 0o755)
    }

    pub(crate) fn symlink(path: &str, to: &str) -> Self {
        Self { link: to.to_owned(), ..Self::new(path, EntryType::Symlink, 0o777) }
    }

    pub(crate) fn hard_link(path: &str, to: &str) -> Self {
        Self { link: to.to_owned(), ..Self::new(path, EntryType::Link, 0o644) }
    }

    pub(crate) fn fifo(path: &str) -> Self {
        Self::new(path, EntryType::Fifo, 0o620)
    }

    pub(crate) fn character(path: &str, major: u32, minor: u32) -> Self {
        Self { device: Some((major, minor)), ..Self::new(path, EntryType::Char, 0o666) }
    }

    pub(crate) fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    pub(crate) fn owner(self, uid: u64, gid: u64) -> Self {
        Self { owner: (uid, gid), ..self }
    }

    pub(crate) fn xattr(mut self, name: &'static str, value: &[u8]) -> Self {
        self.xattrs.push((name, value.to_vec()));
        self
    }
}

/// The archive of some entries, not compressed.
pub(crate) fn archive_of(items: &[Item]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for item in items {
        let mut header = Header::new_ustar();
        let mut records: Vec<(String, Vec<u8>)> = Vec::new();
        // what leads out, and what is long, has its name in a record
        let is_odd = item.path.starts_with(['.', '/']) || item.path.contains("..") || item.kind.is_dir();
        if is_odd || header.set_path(&item.path).is_err() {
            records.push(("path".to_owned(), item.path.clone().into_bytes()));
        }
        if !item.link.is_empty() && header.set_link_name_literal(&item.link).is_err() {
            records.push(("linkpath".to_owned(), item.link.clone().into_bytes()));
        }
        header.set_entry_type(item.kind);
        header.set_size(item.content.len() as u64);
        header.set_mode(item.mode);
        for (name, id) in [("uid", item.owner.0), ("gid", item.owner.1)] {
            if id > 0o777_7777 {
                records.push((name.to_owned(), id.to_string().into_bytes()));
            }
        }
        header.set_uid(item.owner.0.min(0o777_7777));
        header.set_gid(item.owner.1.min(0o777_7777));
        header.set_mtime(item.mtime);
        if let Some((major, minor)) = item.device {
            header.set_device_major(major).and_then(|()| header.set_device_minor(minor)).expect("a number");
        }
        header.set_cksum();
        records
            .extend(item.xattrs.iter().map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.clone())));
        let records = records.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        builder.append_pax_extensions(records).expect("writing to memory");
        builder.append(&header, item.content.as_slice()).expect("writing to memory");
    }
    builder.into_inner().expect("writing to memory")
}

/// Writes the layer of some entries below `directory`.
pub(crate) fn write(directory: &Path, items: &[Item]) -> LayerFile {
    let content = items.iter().map(|item| (item.content.len() as u64).next_multiple_of(4096)).sum();
    write_archive(directory, &archive_of(items), items.len() as u64, content)
}

/// Writes a layer of this archive, compressed as two frames.
pub(crate) fn write_archive(directory: &Path, tar: &[u8], entries: u64, content_size: u64) -> LayerFile {
    let path = directory.join("layer.tar.zst");
    let (first, second) = tar.split_at(tar.len() / 2);
    let frames = [first, second].map(|part| zstd::encode_all(part, 3).expect("compressing"));
    let bytes = frames.concat();
    fs::write(&path, &bytes).expect("a layer");
    LayerFile {
        path,
        sha256: Sha256Digest::of(&bytes),
        size: bytes.len() as u64,
        tar_sha256: Sha256Digest::of(tar),
        tar_size: tar.len() as u64,
        content_size,
        entries,
        epoch: EPOCH,
    }
}

pub(crate) fn open(base: &Path) -> BaseImage {
    let device: Arc<dyn BlockRead> = Arc::new(FileDevice::open(base).expect("a base"));
    BaseImage::open(device).expect("a base")
}

/// Lays a layer over a base, and writes what that makes to a raw image.
pub(crate) fn bake(base: &Path, layer: &LayerFile, work: &Path) -> Result<PathBuf, BakedError> {
    let base = open(base);
    let inputs = BakedInputs::new(&base, Sha256Digest::of(b"a base"), layer)?;
    let blocks = work.join("blocks");
    let mut out = File::create(&blocks).expect("a file");
    let store = FileStore::in_directory(work).expect("a work directory");
    inputs.make(store, &mut out, &Silent)?;
    let device: Arc<dyn BlockRead> = Arc::new(FileDevice::open(&blocks).expect("blocks"));
    let layer = inputs.open(device).expect("a layer that was just made");
    let image = work.join("baked.img");
    let mut out = File::create(&image).expect("an image");
    let mut piece = vec![0; 1 << 20];
    let mut at = 0;
    while at < layer.len() {
        let length = usize::try_from(layer.len() - at).map_or(piece.len(), |rest| rest.min(piece.len()));
        layer.read_at(at, &mut piece[..length]).expect("reading a layer");
        out.write_all(&piece[..length]).expect("writing an image");
        at += length as u64;
    }
    Ok(image)
}
