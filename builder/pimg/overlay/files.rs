//! Reads files of an overlay, no larger than what they are for.

use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Files up to this size are held in memory, larger ones are named by path and digest. Also the largest
/// template, `overlay.toml` and keyring. In bytes.
pub(crate) const IN_MEMORY: u64 = 1 << 20;

/// The bytes of a file below `directory` that no symbolic link leads to; `None` where there is none.
pub(crate) fn read_plain_file(directory: &Path, relative: &str) -> io::Result<Option<Vec<u8>>> {
    let mut path = directory.to_owned();
    let mut found = None;
    for part in relative.split('/') {
        path.push(part);
        match fs_err::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => {
                return Err(io::Error::other("a symbolic link leads there"));
            }
            Ok(metadata) => found = Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    match found {
        Some(metadata) if metadata.is_file() && metadata.len() <= IN_MEMORY => fs_err::read(&path).map(Some),
        _ => Err(io::Error::other("not a regular file of at most 1 MiB")),
    }
}

pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let found = fs_err::symlink_metadata(path)?;
    if !found.is_file() || found.len() > IN_MEMORY {
        return Err(io::Error::other("not a regular file of at most 1 MiB"));
    }
    let text = String::from_utf8(fs_err::read(path)?);
    text.map_err(|error| io::Error::other(format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to())))
}

pub(crate) fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = fs_err::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    let mut length = 0u64;
    loop {
        let count = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        length = length.saturating_add(bytes.len() as u64);
    }
    Ok((length, hex(&hash.finalize())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
