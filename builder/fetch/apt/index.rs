//! Package indexes: which ones a repository has, in which forms, and how they get into the cache.

use std::io::{self, Write as _};
use std::path::PathBuf;

use tempfile::NamedTempFile;

use super::Repository;
use super::refusal::{Hop, Refusal};
use super::release::Verified;
use super::transfer::{Outcome, Transfer};
use crate::cache::{Bucket, Memo};
use crate::decode::{DecodeError, DecodeLimits, Format, decode};
use crate::digest::{HashingWriter, Sha256Digest};
use crate::error::{Error, Result};

/// Bytes of an index whose length nobody signed, because only its compressed form is listed.
const MAX_UNPACKED: u64 = 1 << 30;

/// Bytes unpacked at once.
const CHUNK: usize = 256 << 10;

/// The forms, the preferred one first.
const FORMS: [(&str, Format); 4] =
    [(".xz", Format::Xz), (".gz", Format::Gzip), (".zst", Format::Zstd), ("", Format::Raw)];

/// One file as the `Release` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    /// As it stands in the `Release`.
    path: String,
    format: Format,
    pub(super) size: u64,
    digest: Sha256Digest,
}

/// An index that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Empty in a flat repository.
    pub(super) component: String,
    /// Empty in a flat repository.
    pub(super) architecture: String,
    /// Never empty, the preferred one first.
    pub(super) forms: Vec<Form>,
}

impl Wanted {
    /// The form without compression, which need not be there to be downloaded.
    fn unpacked(&self) -> Option<&Form> {
        self.forms.iter().find(|form| form.format == Format::Raw)
    }

    fn path(&self) -> &str {
        let path = self.forms.first().map_or("Packages", |form| form.path.as_str());
        FORMS.iter().find_map(|(suffix, _)| path.strip_suffix(suffix)).unwrap_or(path)
    }
}

/// The indexes that `repository` asks for.
///
/// # Errors
/// `NotOffered`, and `Refused` for a malformed digest.
pub(super) fn wanted(repository: &Repository, verified: &Verified) -> Result<Vec<Wanted>> {
    let release = &verified.release;
    let find = |component: &str, architecture: &str, path: &str| {
        let forms = forms(repository, verified, path)?;
        let (component, architecture) = (component.to_owned(), architecture.to_owned());
        Ok::<_, Error>((!forms.is_empty()).then_some(Wanted { component, architecture, forms }))
    };
    if repository.is_flat() {
        let found = find("", "", "Packages")?;
        return match found {
            Some(wanted) => Ok(vec![wanted]),
            None => {
                Err(not_offered(repository, "index", "Packages", release.files.keys().cloned().collect()))
            }
        };
    }
    let mut indexes = Vec::new();
    let mut components = repository.components.clone();
    components.sort();
    components.dedup();
    for component in &components {
        let path = |architecture: &str| format!("{component}/binary-{architecture}/Packages");
        for architecture in &repository.architectures {
            match find(component, architecture, &path(architecture))? {
                Some(wanted) => indexes.push(wanted),
                None => return Err(missing(repository, verified, component, architecture)),
            }
        }
        let all = verified.has_index_of_all && !repository.architectures.iter().any(|one| one == "all");
        let foreign = repository.foreign.iter().map(String::as_str);
        for architecture in foreign.chain(all.then_some("all")) {
            indexes.extend(find(component, architecture, &path(architecture))?);
        }
    }
    indexes.sort_by(|a, b| (&a.component, &a.architecture).cmp(&(&b.component, &b.architecture)));
    indexes.dedup();
    Ok(indexes)
}

fn forms(repository: &Repository, verified: &Verified, path: &str) -> Result<Vec<Form>> {
    let files = &verified.release.files;
    let mut forms = Vec::new();
    for (suffix, format) in FORMS {
        let plain = format!("{path}{suffix}");
        let dotted = format!("./{plain}");
        let listed = [plain, dotted].into_iter().find_map(|path| files.get(&path).map(|file| (path, file)));
        let Some((path, (size, digest))) = listed else {
            continue;
        };
        let digest = digest.parse().map_err(|error: crate::digest::ParseDigestError| {
            repository.refused(Hop::Index(path.clone()), Refusal::Malformed(error.to_string()))
        })?;
        forms.push(Form { path, format, size: *size, digest });
    }
    Ok(forms)
}

/// Says what there is instead, by what is really listed.
fn missing(repository: &Repository, verified: &Verified, component: &str, architecture: &str) -> Error {
    let paths = verified.release.files.keys().map(|path| path.strip_prefix("./").unwrap_or(path));
    let listed: Vec<(&str, &str)> = paths
        .filter_map(|path| {
            let (component, rest) = path.split_once("/binary-")?;
            let (architecture, name) = rest.split_once('/')?;
            name.starts_with("Packages").then_some((component, architecture))
        })
        .collect();
    let unique = |mut names: Vec<String>| {
        names.sort();
        names.dedup();
        names
    };
    let of_component = listed.iter().filter(|(one, _)| *one == component).map(|(_, one)| (*one).to_owned());
    let architectures = unique(of_component.collect());
    if architectures.is_empty() {
        let components = unique(listed.iter().map(|(one, _)| (*one).to_owned()).collect());
        return not_offered(repository, "component", component, components);
    }
    not_offered(repository, "architecture", architecture, architectures)
}

fn not_offered(repository: &Repository, what: &'static str, wanted: &str, offered: Vec<String>) -> Error {
    Error::NotOffered { repository: repository.name.clone(), what, wanted: wanted.to_owned(), offered }
}

impl Transfer<'_> {
    /// The decompressed index if the cache has it.
    pub(super) fn index_in_cache(&self, wanted: &Wanted) -> Result<Option<PathBuf>> {
        if let Some(unpacked) = wanted.unpacked() {
            if unpacked.size == 0 {
                return self.cache.insert(Bucket::Blob, unpacked.digest, io::empty()).map(Some);
            }
            return self.cache.get(Bucket::Blob, unpacked.digest);
        }
        for form in &wanted.forms {
            let noted = self.cache.recall(Memo::UnpackedOfIndex, form.digest);
            if let Some(digest) = noted.and_then(|text| text.parse().ok()) {
                return self.cache.get(Bucket::Blob, digest);
            }
        }
        Ok(None)
    }

    /// Fetches an index, in the first form that is there, and returns it decompressed in the cache.
    pub(super) fn index(&self, wanted: &Wanted, by_hash: bool) -> Result<PathBuf> {
        if let Some(path) = self.index_in_cache(wanted)? {
            return Ok(path);
        }
        let mut missing = None;
        for form in &wanted.forms {
            match self.packed(form, by_hash)? {
                Outcome::Found(packed) => return self.keep(wanted, form, &packed),
                Outcome::Missing(error) => missing = missing.or(Some(error)),
            }
        }
        let path = self.repository.name.clone();
        Err(missing.unwrap_or_else(|| not_offered(self.repository, "index", &path, Vec::new())))
    }

    /// The bytes as served, which are what the `Release` says.
    fn packed(&self, form: &Form, by_hash: bool) -> Result<Outcome<Vec<u8>>> {
        let refused = |refusal| self.repository.refused(Hop::Index(form.path.clone()), refusal);
        let mut paths = vec![form.path.clone()];
        if by_hash {
            let directory =
                form.path.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("{directory}/"));
            paths.insert(0, format!("{directory}by-hash/SHA256/{}", form.digest));
        }
        let mut missing = None;
        for path in &paths {
            let packed = match self.large(path, form.size) {
                Err(Error::TooLarge { limit, .. }) => return Err(refused(Refusal::TooLarge { limit })),
                Ok(Outcome::Missing(error)) => {
                    missing = Some(error);
                    continue;
                }
                Ok(Outcome::Found(packed)) => packed,
                Err(error) => return Err(error),
            };
            let got = packed.len() as u64;
            if got != form.size {
                return Err(refused(Refusal::WrongSize { expected: form.size, got }));
            }
            let got = Sha256Digest::of(&packed);
            if got != form.digest {
                return Err(refused(Refusal::WrongDigest { expected: form.digest, got }));
            }
            return Ok(Outcome::Found(packed));
        }
        missing
            .map(Outcome::Missing)
            .ok_or_else(|| not_offered(self.repository, "index", &form.path, Vec::new()))
    }

    /// Decompresses into the cache.
    fn keep(&self, wanted: &Wanted, form: &Form, packed: &[u8]) -> Result<PathBuf> {
        let unpacked = wanted.unpacked();
        let hop = || Hop::UnpackedIndex(wanted.path().to_owned());
        let refused = |refusal| self.repository.refused(hop(), refusal);
        let limit = unpacked.map_or(MAX_UNPACKED, |unpacked| unpacked.size);
        let (file, got, length) = self.unpack(form, packed, limit).map_err(|halt| match halt {
            Halt::Error(error) => error,
            Halt::TooLarge => refused(Refusal::TooLarge { limit }),
            Halt::Decode(reason) => refused(Refusal::Undecodable { format: form.format, reason }),
        })?;
        if let Some(&Form { size, digest, .. }) = unpacked {
            if length != size {
                return Err(refused(Refusal::WrongSize { expected: size, got: length }));
            }
            if got != digest {
                return Err(refused(Refusal::WrongDigest { expected: digest, got }));
            }
        }
        let path = self.cache.publish(Bucket::Blob, got, file)?;
        if unpacked.is_none() {
            self.cache.remember(Memo::UnpackedOfIndex, form.digest, &got.to_string())?;
        }
        Ok(path)
    }

    fn unpack(
        &self,
        form: &Form,
        packed: &[u8],
        limit: u64,
    ) -> Result<(NamedTempFile, Sha256Digest, u64), Halt> {
        // the indexes of a snapshot are unpacked at the same time, so each by one thread
        let limits = DecodeLimits { threads: 1, memory: 0 };
        let file = self.cache.unfinished(Bucket::Blob).map_err(Halt::Error)?;
        let mut writer = HashingWriter::new(file.as_file());
        let mut length = 0_u64;
        decode(form.format, packed, limits, |reader| {
            let mut buffer = vec![0; CHUNK];
            loop {
                if self.watch.interrupted() {
                    return Err(Halt::Error(Error::Interrupted));
                }
                let count = match reader.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(Halt::from(DecodeError::Data(error))),
                    Ok(count) => count,
                };
                let chunk = buffer.get(..count).unwrap_or_default();
                length = length.saturating_add(chunk.len() as u64);
                if length > limit {
                    return Err(Halt::TooLarge);
                }
                if chunk.is_empty() {
                    return Ok(());
                }
                let written = writer.write_all(chunk);
                written.map_err(|error| Halt::Error(Error::writing(file.path(), error)))?;
            }
        })?;
        let (_, digest, length) = writer.finish();
        Ok((file, digest, length))
    }
}

/// Why unpacking stopped.
enum Halt {
    Error(Error),
    TooLarge,
    Decode(String),
}

impl From<DecodeError> for Halt {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::NotAnImage(reason) => Self::Decode(reason),
            DecodeError::Data(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Decode("it ends early".to_owned())
            }
            DecodeError::Data(error) => Self::Decode(error.to_string()),
        }
    }
}
