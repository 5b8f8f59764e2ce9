//! `layer.tar.zst`: an OCI image layer (image-spec, `layer.md`), sorted, without names of owners.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use pimg_fetch::digest::HashingWriter;
use tar::{Builder, EntryType, Header};

use super::attributes::Attribute;
use super::run::Packed;

/// Where more costs much time and little is saved.
const LEVEL: i32 = 9;
/// Prefix of what stands for a name that is gone.
const WHITEOUT: &[u8] = b".wh.";
/// What stands for all names of a directory that the layers below have.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Bytes of a block of the file system, for the size that files take in it.
const BLOCK: u64 = 4096;
/// The largest owner that a header of ustar holds.
const LARGEST: u64 = 0o7_777_777;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A directory, which hides what the layers below have in it where `is_opaque`.
    Directory {
        /// Whether it does.
        is_opaque: bool,
    },
    /// A file with these bytes.
    Bytes(Vec<u8>),
    /// A file whose bytes, so many, are in the tree.
    File(u64),
    /// Another name of a file at a path before it.
    HardLink(Vec<u8>),
    /// A symbolic link with this text.
    Symlink(Vec<u8>),
    /// The path is gone.
    Gone,
}

/// An entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Without a slash at the start.
    pub(super) path: Vec<u8>,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds since 1970.
    pub(super) mtime: i64,
    pub(super) attributes: Vec<Attribute>,
    pub(super) content: Content,
}

/// Writes `entries`, sorted by their path, as a layer to `to`; the bytes of files are read below `tree`.
///
/// # Errors
/// Whatever the system reports.
pub(super) fn write(entries: &[Entry], tree: &Path, to: &Path) -> io::Result<Packed> {
    let mut encoder = zstd::Encoder::new(HashingWriter::new(File::create(to)?), LEVEL)?;
    encoder.include_checksum(true)?;
    // one worker at least: with none the same bytes come out otherwise
    encoder.multithread(u32::try_from(crate::host::env::cores()).unwrap_or(1).max(1))?;
    let mut builder = Builder::new(HashingWriter::new(encoder));
    let mut packed = Packed::default();
    for entry in entries {
        append(&mut builder, entry, tree)?;
        packed.entries += 1 + u64::from(matches!(entry.content, Content::Directory { is_opaque: true }));
        packed.content_size += match &entry.content {
            Content::Bytes(bytes) => (bytes.len() as u64).next_multiple_of(BLOCK),
            Content::File(size) => size.next_multiple_of(BLOCK),
            Content::Directory { .. } => BLOCK,
            Content::HardLink(_) | Content::Symlink(_) | Content::Gone => 0,
        };
    }
    let (encoder, tar_sha256, tar_size) = builder.into_inner()?.finish();
    let (file, layer_sha256, layer_size) = encoder.finish()?.finish();
    file.sync_all()?;
    let (layer_sha256, tar_sha256) = (layer_sha256.to_string(), tar_sha256.to_string());
    Ok(Packed { layer_sha256, layer_size, tar_sha256, tar_size, ..packed })
}

fn append<W: Write>(builder: &mut Builder<W>, entry: &Entry, tree: &Path) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    match &entry.content {
        Content::Directory { is_opaque } => {
            one(builder, entry, &entry.path, (EntryType::Directory, 0), io::empty())?;
            let marker = Entry { mode: 0o644, attributes: Vec::new(), ..entry.clone() };
            match is_opaque {
                true => {
                    let path = [&entry.path, &b"/"[..], OPAQUE].concat();
                    one(builder, &marker, &path, (EntryType::Regular, 0), io::empty())
                }
                false => Ok(()),
            }
        }
        Content::Bytes(bytes) => {
            one(builder, entry, &entry.path, (EntryType::Regular, bytes.len() as u64), &bytes[..])
        }
        Content::File(size) => {
            let file = File::open(tree.join(std::ffi::OsStr::from_bytes(&entry.path)))?;
            one(builder, entry, &entry.path, (EntryType::Regular, *size), file.take(*size))
        }
        Content::HardLink(_) => one(builder, entry, &entry.path, (EntryType::Link, 0), io::empty()),
        Content::Symlink(_) => one(builder, entry, &entry.path, (EntryType::Symlink, 0), io::empty()),
        Content::Gone => {
            let at = entry.path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
            let (directory, name) = entry.path.split_at(at);
            let path = [directory, WHITEOUT, name].concat();
            one(builder, entry, &path, (EntryType::Regular, 0), io::empty())
        }
    }
}

/// Writes one header with the records that it needs, and what follows it.
fn one<W: Write>(
    builder: &mut Builder<W>,
    entry: &Entry,
    path: &[u8],
    (kind, size): (EntryType, u64),
    content: impl Read,
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(entry.mode & 0o7777);
    header.set_mtime(u64::try_from(entry.mtime).unwrap_or_default());
    let mut records: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, number) in [("uid", entry.uid), ("gid", entry.gid)] {
        if u64::from(number) > LARGEST {
            records.push((name.to_owned(), number.to_string().into_bytes()));
        }
    }
    header.set_uid(u64::from(entry.uid).min(LARGEST));
    header.set_gid(u64::from(entry.gid).min(LARGEST));
    if !fits(&mut header, path, Field::Name) {
        records.push(("path".to_owned(), path.to_vec()));
    }
    if let Content::HardLink(target) | Content::Symlink(target) = &entry.content
        && !fits(&mut header, target, Field::Link)
    {
        records.push(("linkpath".to_owned(), target.clone()));
    }
    for (name, value) in &entry.attributes {
        records.push((format!("SCHILY.xattr.{}", String::from_utf8_lossy(name)), value.clone()));
    }
    builder.append_pax_extensions(records.iter().map(|(name, value)| (name.as_str(), value.as_slice())))?;
    header.set_cksum();
    builder.append(&header, content)
}

enum Field {
    Name,
    Link,
}

/// Writes a path into its field of 100 bytes; as much as fits where it is longer.
fn fits(header: &mut Header, path: &[u8], field: Field) -> bool {
    let Some(ustar) = header.as_ustar_mut() else { return false };
    let place = match field {
        Field::Name => &mut ustar.name,
        Field::Link => &mut ustar.linkname,
    };
    for (to, from) in place.iter_mut().zip(path) {
        *to = *from;
    }
    path.len() <= place.len()
}
