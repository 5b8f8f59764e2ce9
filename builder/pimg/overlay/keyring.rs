//! Keyrings of apt sources: found in the overlay, compared with their pin, or reported as not there yet.

use std::path::Path;

use crate::plan::path::GuestPath;
use crate::profile::problem::Problem;

use super::apt::Keyring;
use super::apt_rules::KeyringRule;
use super::files::{read_plain_file, sha256};

/// What became of a keyring.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) keyring: Keyring,
    /// The file, where the overlay has it.
    pub(crate) bytes: Option<Vec<u8>>,
    /// Why the source has to stay off.
    pub(crate) disabled: Option<String>,
    /// What a person should do about it.
    pub(crate) notice: Option<String>,
}

/// Looks for the keyring of source `name` in the overlay's directory.
pub(crate) fn find(
    overlay: &str,
    directory: &Path,
    name: &str,
    rule: &KeyringRule,
    problems: &mut Vec<Problem>,
) -> Found {
    let keyring = Keyring {
        path: rule.path.clone(),
        file: None,
        url: rule.url.clone(),
        fingerprints: rule.fingerprints.clone(),
        sha256: rule.sha256.as_ref().map(|sha256| sha256.value.clone()),
    };
    let mut found = Found { keyring, bytes: None, disabled: None, notice: None };
    let Some(file) = &rule.file else {
        // with neither a file nor an address the keyring is one of the base image
        if let Some(url) = &rule.url {
            found.disabled = Some("its key is not known yet".to_owned());
            found.notice =
                Some(format!("apt source `{name}` is switched off until the lock pins its key, from {url}"));
        }
        return found;
    };
    let shown = format!("overlays/{overlay}/{}", file.value);
    let bytes = match read_plain_file(directory, &file.value) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            let from = rule.url.as_ref().map(|url| format!(", from {url}")).unwrap_or_default();
            found.disabled = Some(format!("its key `{shown}` is not there yet"));
            found.notice =
                Some(format!("apt source `{name}` is switched off until its key is at `{shown}`{from}"));
            return found;
        }
        Err(error) => {
            problems.push(Problem::at(&file.place, format!("cannot be read: {error}")));
            return found;
        }
    };
    let got = sha256(&bytes);
    if let Some(fault) = keyring_fault(&rule.path, &bytes) {
        problems.push(Problem::at(&file.place, fault));
    }
    match &rule.sha256 {
        Some(expected) if expected.value != got => {
            problems.push(Problem::at(&expected.place, format!("does not match `{shown}`, which has {got}")));
        }
        None if rule.fingerprints.is_empty() => {
            let notice =
                format!("the key `{shown}` is not pinned: add `sha256 = \"{got}\"` to its `keyring`");
            found.notice = Some(notice);
        }
        _ => {}
    }
    found.keyring.file = Some(directory.join(&file.value));
    found.bytes = Some(bytes);
    found
}

/// What is wrong with a keyring file, by its first bytes alone.
fn keyring_fault(path: &GuestPath, bytes: &[u8]) -> Option<&'static str> {
    let armored = bytes.starts_with(b"-----BEGIN PGP");
    if bytes.starts_with(b"-----BEGIN PGP PRIVATE") {
        return Some("is a PRIVATE key");
    }
    match (path.as_str().ends_with(".asc"), armored) {
        (true, false) => Some("is not armored, but its name on the node ends in `.asc`"),
        (false, true) => Some("is armored, but its name on the node does not end in `.asc`"),
        // every OpenPGP packet starts with bit 7 set (RFC 9580 section 4.2)
        (false, false) if bytes.first().is_none_or(|first| first & 0x80 == 0) => {
            Some("is not an OpenPGP keyring")
        }
        _ => None,
    }
}

/// The path by whose extension apt reads these bytes right: `.asc` where they are armored, else `.gpg` or `.pgp`.
pub(crate) fn fitting_path(path: &GuestPath, bytes: &[u8]) -> GuestPath {
    let armored = bytes.starts_with(b"-----BEGIN PGP");
    let (stem, extension) = path.as_str().rsplit_once('.').unwrap_or((path.as_str(), ""));
    let fitting = match (armored, extension) {
        (true, _) => format!("{stem}.asc"),
        (false, "asc") => format!("{stem}.gpg"),
        _ => return path.clone(),
    };
    GuestPath::new(fitting).unwrap_or_else(|_| path.clone())
}
