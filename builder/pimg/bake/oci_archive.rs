//! The OCI image layout of a layer in one tar: written in one way, read with nothing believed.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use pimg_fetch::artefact::{
    Descriptor, INDEX_FILE, LAYOUT_FILE, LAYOUT_TEXT, MANIFEST as MANIFEST_TYPE, blob_path, index,
};
use pimg_fetch::digest::Sha256Digest;
use tar::{EntryType, Header};

use super::artefact::{ARTEFACT_TYPE, LONGEST, Papers, Parts, tag};
use super::refusal::Refusal;
use super::vet::VetError;
use crate::image::baked::pax;

/// Directories of a layout.
const DIRECTORIES: [&str; 4] = ["", ".", "blobs", "blobs/sha256"];

/// Most files of an archive: other programs may put several artefacts into one layout, and we read the one that is named.
const MOST_FILES: usize = 10_000;

/// Writes the archive of a layer to `out`; `layer` reads `layer.tar.zst`.
///
/// # Errors
/// Reading or writing fails.
pub fn write(papers: &Papers, layer: impl Read, out: impl Write) -> Result<(), VetError> {
    let manifest = papers.to_manifest()?;
    let mut named = Descriptor::of(MANIFEST_TYPE, &manifest)
        .annotated("org.opencontainers.image.ref.name", &tag(&papers.layer.key));
    named.artifact_type = Some(ARTEFACT_TYPE.to_owned());
    let mut archive = tar::Builder::new(out);
    let mut add = |name: &str, kind: EntryType, size: u64, content: &mut dyn Read| {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(u64::try_from(papers.layer.epoch).unwrap_or_default());
        header.set_size(size);
        archive.append_data(&mut header, name, content).map_err(VetError::Read)
    };
    let mut small = vec![
        (LAYOUT_FILE.to_owned(), LAYOUT_TEXT.to_vec()),
        (INDEX_FILE.to_owned(), index(named)),
        (blob_path(Sha256Digest::of(&manifest)), manifest),
    ];
    small.extend(papers.small_blobs().map(|(_, bytes)| (blob_path(Sha256Digest::of(bytes)), bytes.to_vec())));
    for name in ["blobs/", "blobs/sha256/"] {
        add(name, EntryType::Directory, 0, &mut io::empty())?;
    }
    for (name, bytes) in &small {
        add(name, EntryType::Regular, bytes.len() as u64, &mut bytes.as_slice())?;
    }
    let blob = papers.layer_blob()?;
    let sha256 = blob.sha256().map_err(|error| Refusal::new(error.to_string()))?;
    add(&blob_path(sha256), EntryType::Regular, blob.size, &mut layer.take(blob.size))?;
    archive.into_inner().and_then(|mut out| out.flush()).map_err(VetError::Read)
}

/// An archive of a layout, opened. No path of it is ever used on this machine: names are looked up, nothing is unpacked.
#[derive(Debug)]
pub struct LayoutArchive<R> {
    file: R,
    places: BTreeMap<String, (u64, u64)>,
}

impl<R: Read + Seek> LayoutArchive<R> {
    /// Reads where everything is.
    ///
    /// # Errors
    /// It is no tar, or has something in it that belongs to no layout.
    pub fn open(mut file: R) -> Result<Self, VetError> {
        let mut places = BTreeMap::new();
        let length = file.seek(SeekFrom::End(0)).map_err(VetError::Read)?;
        file.rewind().map_err(VetError::Read)?;
        let mut archive = tar::Archive::new(file);
        let broken = |error: io::Error| Refusal::new(format!("it is no tar archive: {error}"));
        let mut named = None;
        for entry in archive.entries_with_seek().map_err(broken)?.raw(true) {
            let mut entry = entry.map_err(broken)?;
            let kind = entry.header().entry_type();
            if matches!(kind, EntryType::XHeader | EntryType::XGlobalHeader) {
                let path = extended_path(&mut entry)?;
                named = path.filter(|_| kind == EntryType::XHeader);
                continue;
            }
            let path = named.take().unwrap_or_else(|| entry.path_bytes().into_owned());
            let name = String::from_utf8_lossy(path.strip_prefix(b"./").unwrap_or(&path)).into_owned();
            if kind.is_dir() && DIRECTORIES.contains(&name.trim_end_matches('/')) {
                continue;
            }
            let shown = name.escape_default();
            if kind != EntryType::Regular || !is_of_layout(&name) {
                return Err(Refusal::new(format!(
                    "it holds `{shown}`, which is no part of an OCI image layout"
                ))
                .into());
            }
            let (offset, size) = (entry.raw_file_position(), entry.size());
            if offset.checked_add(size).is_none_or(|end| end > length) {
                return Err(Refusal::new(format!("it ends in the middle of `{shown}`")).into());
            }
            if places.len() == MOST_FILES {
                return Err(Refusal::new(format!("it holds more than {MOST_FILES} files")).into());
            }
            if places.insert(name.clone(), (offset, size)).is_some() {
                return Err(Refusal::new(format!("it holds `{shown}` twice")).into());
            }
        }
        Ok(Self { file: archive.into_inner(), places })
    }

    /// Reads all but the layer, and what the manifest says of the layer.
    ///
    /// # Errors
    /// Something is missing or not what its digest says, or is of another artefact.
    pub fn papers(&mut self) -> Result<(Papers, Parts), VetError> {
        let layout = self.small(LAYOUT_FILE, LONGEST)?;
        let version: serde_json::Value = serde_json::from_slice(&layout).unwrap_or_default();
        if version["imageLayoutVersion"] != "1.0.0" {
            return Err(Refusal::new(format!("`{LAYOUT_FILE}` is not of version 1.0.0")).into());
        }
        let text = self.small(INDEX_FILE, LONGEST)?;
        let named =
            Descriptor::of_index(INDEX_FILE, &text).map_err(|error| Refusal::new(error.to_string()))?;
        let parts = Parts::of(&self.blob("manifest", &named)?)?;
        let config = self.blob("`layer.json`", &parts.config)?;
        let statement = self.blob("provenance", &parts.statement)?;
        let envelope =
            parts.envelope.as_ref().map(|blob| self.blob("signed provenance", blob)).transpose()?;
        let papers = Papers::new(config, Some(statement), envelope)?;
        parts.require_same_layer(&papers)?;
        Ok((papers, parts))
    }

    /// Reads `layer.tar.zst` as it is there: whether it is right, its reader finds out.
    ///
    /// # Errors
    /// It is missing, or the file cannot be read.
    pub fn layer(&mut self, parts: &Parts) -> Result<impl Read + '_, VetError> {
        let (offset, size) = self.place(&name_of(&parts.layer)?)?;
        self.file.seek(SeekFrom::Start(offset)).map_err(VetError::Read)?;
        Ok((&mut self.file).take(size))
    }

    fn blob(&mut self, what: &str, blob: &Descriptor) -> Result<Vec<u8>, VetError> {
        let bytes = self.small(&name_of(blob)?, LONGEST)?;
        let refused = |error: pimg_fetch::Error| VetError::from(Refusal::new(error.to_string()));
        blob.require(&format!("its {what}"), &bytes).map_err(refused)?;
        Ok(bytes)
    }

    fn small(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, VetError> {
        let (offset, size) = self.place(name)?;
        if size > limit {
            return Err(Refusal::new(format!("`{name}` has {size} bytes, at most {limit} are read")).into());
        }
        self.file.seek(SeekFrom::Start(offset)).map_err(VetError::Read)?;
        let mut bytes = Vec::new();
        (&mut self.file).take(size).read_to_end(&mut bytes).map_err(VetError::Read)?;
        Ok(bytes)
    }

    fn place(&self, name: &str) -> Result<(u64, u64), VetError> {
        let found = self.places.get(name).copied();
        found.ok_or_else(|| Refusal::new(format!("it holds no `{name}`")).into())
    }
}

fn name_of(blob: &Descriptor) -> Result<String, Refusal> {
    Ok(blob_path(blob.sha256().map_err(|error| Refusal::new(error.to_string()))?))
}

/// The path that an extended header gives to what follows. What else it says, such as times, is of no use here; a length of
/// its own, as sparse files have one, is no way to write a layout.
fn extended_path(entry: &mut tar::Entry<'_, impl Read>) -> Result<Option<Vec<u8>>, VetError> {
    if entry.size() > pax::LONGEST {
        return Err(Refusal::new(format!("it has an extended header of {} bytes", entry.size())).into());
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(VetError::Read)?;
    let mut path = None;
    for field in pax::fields(&bytes) {
        match field.map_err(|unreadable| Refusal::new(format!("it has {unreadable}")))? {
            ("path", value) => path = Some(value.to_vec()),
            (key, _) if key == "size" || key.starts_with("GNU.sparse.") => {
                return Err(Refusal::new(format!("it has an extended header with `{key}`")).into());
            }
            _ => {}
        }
    }
    Ok(path)
}

fn is_of_layout(name: &str) -> bool {
    let blob =
        name.strip_prefix("blobs/sha256/").is_some_and(|digest| digest.parse::<Sha256Digest>().is_ok());
    blob || name == LAYOUT_FILE || name == INDEX_FILE
}

#[cfg(test)]
mod tests;
