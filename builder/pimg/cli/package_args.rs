//! Options about where packages come from, which several commands take.

use std::path::PathBuf;

use crate::packages::Fingerprint;
use clap::Args;

use crate::packages::Options;
use crate::profile::host::Mirror;
use crate::profile::mirrors::parse_argument;

/// Heading of these options.
const HEADING: &str = "Where packages come from";

/// Where packages come from.
#[derive(Args, Debug)]
pub struct PackageArgs {
    /// Use what is in the cache and never the network
    #[arg(long, help_heading = HEADING)]
    pub offline: bool,

    /// Take the source or download NAME from URL; its key or digest stays the pinned one
    #[arg(long = "mirror", value_name = "NAME=URL", value_parser = parse_argument, help_heading = HEADING)]
    pub mirrors: Vec<(String, Mirror)>,

    /// Trust the keyring FILE for the source NAME, in place of its own key
    #[arg(long = "keyring", value_name = "NAME=FILE", value_parser = keyring, help_heading = HEADING)]
    pub keyrings: Vec<(String, PathBuf)>,

    /// Accept the key of the source NAME, seen for the first time
    #[arg(long = "accept-key", value_name = "NAME=FINGERPRINT", value_parser = accepted, help_heading = HEADING)]
    pub accepted: Vec<(String, Fingerprint)>,
}

impl PackageArgs {
    /// As the commands take them.
    pub(super) fn options(self, vault: Option<PathBuf>) -> Options {
        Options {
            mirrors: self.mirrors.into_iter().collect(),
            keyrings: self.keyrings.into_iter().collect(),
            accepted: self.accepted.into_iter().collect(),
            vault,
            offline: self.offline,
        }
    }
}

/// Where packages come from, for a command that makes images of what the lock names.
#[derive(Args, Debug)]
pub struct LockedArgs {
    /// Fail unless pimg.lock is there and fits: base, packages and downloads
    #[arg(long, help_heading = HEADING)]
    pub locked: bool,

    /// Take what the lock names from DIR, which `pimg fetch --vault` made
    #[arg(long, value_name = "DIR", help_heading = HEADING)]
    pub vault: Option<PathBuf>,

    /// Where packages come from.
    #[command(flatten)]
    pub packages: PackageArgs,
}

impl LockedArgs {
    /// As the commands take them.
    pub(super) fn options(self) -> Options {
        self.packages.options(self.vault)
    }
}

fn pair(text: &str) -> Result<(String, &str), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value)),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

pub(super) fn keyring(text: &str) -> Result<(String, PathBuf), String> {
    pair(text).map(|(name, file)| (name, PathBuf::from(file)))
}

fn accepted(text: &str) -> Result<(String, Fingerprint), String> {
    let (name, fingerprint) = pair(text)?;
    Ok((name, fingerprint.parse()?))
}

#[cfg(test)]
mod tests {
    use super::{accepted, keyring, parse_argument};

    #[test]
    fn names_and_values_are_told_apart() {
        let (name, mirror) = parse_argument("a=https://x/?b=c").expect("a pair");
        assert_eq!((name.as_str(), mirror.url.as_str()), ("a", "https://x/?b=c"));
        for text in ["a=x", "=https://x", "https://x"] {
            assert!(parse_argument(text).is_err(), "{text}");
        }
        assert_eq!(keyring("a=k.gpg").expect("a pair").0, "a");
        assert!(accepted("a=1234").is_err());
        assert!(accepted(&format!("a={}", "AB".repeat(20))).is_ok());
    }
}
