//! The digests of all files of a directory, and the signature over them.

use std::collections::BTreeMap;
use std::path::Path;

use pimg_disk::block::BlockRead;
use pimg_fetch::digest::Sha256Digest;
use pimg_fetch::minisign::SecretKey;
use sha2::{Digest as _, Sha256};

use crate::command::Context;
use crate::failure::{Class, Failure};
use crate::host::{FileDevice, files};
use crate::image::sums::{self, Sum};

/// Bytes of a file that are digested at once.
const PIECE: usize = 1 << 20;

/// Writes `SHA256SUMS` over all files of `directory`, and `SHA256SUMS.minisig` where there is a key. `known` spares
/// reading what was digested before; `comment` is what the signer says about the whole.
///
/// # Errors
/// A file cannot be read or written.
pub fn seal(
    directory: &Path,
    known: &BTreeMap<String, Sha256Digest>,
    key: Option<&SecretKey>,
    comment: &str,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let mut found = Vec::new();
    for name in files::list_files(directory)? {
        if name == sums::FILE || name == sums::SIGNATURE {
            continue;
        }
        let sha256 = match known.get(&name) {
            Some(sha256) => *sha256,
            None => digest_file(&directory.join(&name), context)?,
        };
        found.push(Sum { name, sha256 });
    }
    let text = sums::render(&found);
    files::write_atomic(&directory.join(sums::FILE), text.as_bytes())?;
    if let Some(key) = key {
        let signature = key.sign(text.as_bytes(), comment);
        files::write_atomic(&directory.join(sums::SIGNATURE), signature.to_text().as_bytes())?;
    }
    Ok(())
}

/// The digest of a file.
///
/// # Errors
/// It cannot be read, or the person asked to stop.
pub fn digest_file(path: &Path, context: &Context<'_>) -> Result<Sha256Digest, Failure> {
    let device = FileDevice::open(path)?;
    let task = context.reporter.begin("digesting the file", Some(device.len()));
    let mut sha256 = Sha256::new();
    let mut buffer = vec![0; PIECE];
    let mut offset = 0;
    while offset < device.len() {
        context.check_interrupt()?;
        let length = usize::try_from(device.len() - offset).map_or(PIECE, |rest| rest.min(PIECE));
        device.read_at(offset, &mut buffer[..length]).map_err(|error| {
            Failure::caused_by(Class::Host, format!("cannot read `{}`", path.display()), error)
        })?;
        sha256.update(&buffer[..length]);
        offset += length as u64;
        context.reporter.advance(task, length as u64);
    }
    context.reporter.finish(task, "");
    Ok(Sha256Digest::from_bytes(sha256.finalize().into()))
}
