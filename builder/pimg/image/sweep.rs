//! Every packaged file of a base against dpkg's own list of what it was when it was packaged.
//!
//! A flipped block in a program is found here and named with its package, before it becomes a node that fails in
//! a way nobody can explain. The sweep reads the whole base, so its result is kept by the base's digest.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use md5::{Digest as _, Md5};
use pimg_deb::diversions::Diversions;
use pimg_deb::md5sums;
use pimg_deb::status::{self, Package};
use pimg_disk::ext4::{self, Kind};
use sha2::Sha256;

use super::base::{BaseImage, is_of_the_disk};
use super::digests::Digests;
use crate::failure::{Class, Fault};
use crate::guest::base_files::{BaseFiles, BaseReadError};
use crate::host::env;
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;
use crate::progress::Reporter;

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// A file whose bytes are not those that its package brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The file.
    pub path: String,
    /// The package that brought it.
    pub package: String,
    /// MD5 by dpkg's list.
    pub expected: String,
    /// MD5 of what is there.
    pub got: String,
}

/// Why a base does not pass.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// dpkg's data cannot be read.
    #[error(transparent)]
    Base(#[from] BaseReadError),
    /// dpkg's data cannot be understood.
    #[error("`{path}` of the base image is damaged")]
    Database {
        /// The file of dpkg.
        path: String,
        /// What is wrong with it.
        #[source]
        source: pimg_deb::Error,
    },
    /// The file system is damaged where a file is.
    #[error("cannot read `{path}` of package `{package}` in the base image")]
    Unreadable {
        /// The file.
        path: String,
        /// The package that brought it.
        package: String,
        /// What the file system said.
        #[source]
        source: ext4::Error,
    },
    /// The directories of the base are damaged.
    #[error("cannot walk the base image")]
    Tree(#[source] ext4::Error),
    /// Files are not what their packages brought.
    #[error("the base image is corrupt: {}", headline(.0))]
    Corrupt(Vec<Mismatch>),
    /// The person asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// How many damaged files are named.
const NAMED: usize = 8;

fn headline(found: &[Mismatch]) -> String {
    match found.len() {
        1 => "1 packaged file is not what dpkg installed".to_owned(),
        count => format!("{count} packaged files are not what dpkg installed"),
    }
}

fn describe(found: &[Mismatch]) -> String {
    let named = found.iter().take(NAMED).map(|mismatch| {
        let Mismatch { path, package, expected, got } = mismatch;
        format!("  `{path}` of package `{package}`: expected md5 {expected}, got {got}\n")
    });
    let more = match found.len().checked_sub(NAMED + 1) {
        Some(_) => format!("  and {} more\n", found.len() - NAMED),
        None => String::new(),
    };
    named.collect::<String>() + &more
}

impl Fault for SweepError {
    fn class(&self) -> Class {
        match self {
            Self::Interrupted => Class::Interrupted,
            Self::Base(error) => error.class(),
            Self::Tree(ext4::Error::Io(error)) | Self::Unreadable { source: ext4::Error::Io(error), .. }
                if is_of_the_disk(error) =>
            {
                Class::Host
            }
            _ => Class::Base,
        }
    }

    fn hints(&self) -> Vec<String> {
        if matches!(self, Self::Interrupted) {
            return Vec::new();
        }
        vec!["get the image again and compare its digest with the publisher's".to_owned()]
    }

    fn details(&self) -> Option<String> {
        match self {
            Self::Corrupt(found) => Some(describe(found)),
            _ => None,
        }
    }
}

/// What a sweep found in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// SHA-256 of every packaged file by its path, and of the files on the boot partition.
    pub digests: Digests,
    /// Packaged files that are not there, sorted; an image may have been slimmed on purpose.
    pub missing: Vec<String>,
}

/// A file to look at.
struct Expected {
    package: String,
    md5: String,
}

/// Reads every packaged file of the base.
///
/// # Errors
/// Everything that is not what its package brought.
pub fn sweep(base: &BaseImage, reporter: &dyn Reporter) -> Result<Sweep, SweepError> {
    let expected = expected_files(base)?;
    let files = regular_files(base).map_err(SweepError::Tree)?;
    let task = reporter.begin("comparing packaged files", Some(base.root().superblock().used_bytes()));
    let mut swept = Sweep::default();
    let mut mismatches = Vec::new();
    let paths: Vec<&str> = expected.keys().map(String::as_str).collect();
    let all = digests_of_all(base, &paths, &files, &|length| {
        reporter.advance(task, length);
        !reporter.interrupted()
    });
    if reporter.interrupted() {
        return Err(SweepError::Interrupted);
    }
    for ((path, expected), found) in expected.iter().zip(all) {
        let found = found.map_err(|source| SweepError::Unreadable {
            path: path.clone(),
            package: expected.package.clone(),
            source,
        })?;
        let Some(found) = found else {
            swept.missing.push(path.clone());
            continue;
        };
        if found.md5 == expected.md5 {
            swept.digests.insert(path.clone(), found.sha256);
        } else {
            let (package, expected) = (expected.package.clone(), expected.md5.clone());
            mismatches.push(Mismatch { path: path.clone(), package, expected, got: found.md5 });
        }
    }
    reporter.finish(task, &format!("{} files as packaged", swept.digests.len()));
    if mismatches.is_empty() { Ok(swept) } else { Err(SweepError::Corrupt(mismatches)) }
}

/// All files that dpkg has digests of, by path. Configuration files may differ and are in none of its lists.
fn expected_files(base: &BaseImage) -> Result<BTreeMap<String, Expected>, SweepError> {
    let damaged = |path: &str| {
        let path = path.to_owned();
        move |source| SweepError::Database { path, source }
    };
    let packages =
        status::packages(&read(base, "/var/lib/dpkg/status")?).map_err(damaged("/var/lib/dpkg/status"))?;
    let diversions = Diversions::parse(&read(base, "/var/lib/dpkg/diversions")?)
        .map_err(damaged("/var/lib/dpkg/diversions"))?;
    let mut expected = BTreeMap::new();
    for package in packages.iter().filter(|package| package.is_installed()) {
        let list = format!("/var/lib/dpkg/info/{}.md5sums", package.info_stem());
        for entry in md5sums::parse(&read(base, &list)?).map_err(damaged(&list))? {
            let path = format!("/{}", String::from_utf8_lossy(entry.path));
            if is_conffile(package, &path) {
                continue;
            }
            let path = diversions.location(&package.name, &path).to_owned();
            expected.insert(path, Expected { package: package.name.clone(), md5: entry.md5.to_string() });
        }
    }
    Ok(expected)
}

fn is_conffile(package: &Package, path: &str) -> bool {
    package.conffiles.iter().any(|conffile| conffile.path == path)
}

/// A file of dpkg; one that is not there is empty, as dpkg takes it.
fn read(base: &BaseImage, path: &str) -> Result<Vec<u8>, SweepError> {
    let Ok(path) = GuestPath::new(path) else { return Ok(Vec::new()) };
    Ok(base.read(Partition::Root, &path)?.unwrap_or_default())
}

struct FileDigests {
    length: u64,
    md5: String,
    sha256: String,
}

/// The inodes of all regular files by path: one walk costs less than a lookup for every file.
fn regular_files(base: &BaseImage) -> Result<HashMap<Vec<u8>, u32>, ext4::Error> {
    let mut files = HashMap::new();
    base.root().walk(|path, inode| {
        if inode.kind()? == Kind::Regular {
            files.insert(path.to_vec(), inode.ino);
        }
        Ok::<_, ext4::Error>(())
    })?;
    Ok(files)
}

/// The inode of a packaged file. Where a parent is a link (`/lib`), or the file became one, it is followed as dpkg
/// does.
fn inode_of(base: &BaseImage, path: &str, files: &HashMap<Vec<u8>, u32>) -> Result<Option<u32>, ext4::Error> {
    if let Some(ino) = files.get(path.as_bytes()) {
        return Ok(Some(*ino));
    }
    match base.root().lookup(path.as_bytes(), true) {
        Ok(inode) if inode.kind()? == Kind::Regular => Ok(Some(inode.ino)),
        Ok(_) | Err(ext4::Error::NotFound { .. } | ext4::Error::Conflict { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is in every file, in the order of `paths`, by all cores. `goes_on` hears the length of each in bytes, and says
/// whether to go on; what was not looked at by then is not there.
fn digests_of_all(
    base: &BaseImage,
    paths: &[&str],
    files: &HashMap<Vec<u8>, u32>,
    goes_on: &(dyn Fn(u64) -> bool + Sync),
) -> Vec<Result<Option<FileDigests>, ext4::Error>> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(paths.len())));
    let look = || {
        while let Some((at, path)) = take(paths, &next) {
            let digests = digests_of(base, path, files);
            let length = digests.iter().flatten().map(|found| found.length).sum();
            found.lock().unwrap_or_else(PoisonError::into_inner).push((at, digests));
            if !goes_on(length) {
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..env::cores() {
            scope.spawn(look);
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_unstable_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, digests)| digests).collect()
}

/// The next path that nobody has taken.
fn take<'a>(paths: &[&'a str], next: &AtomicUsize) -> Option<(usize, &'a str)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, *paths.get(at)?))
}

fn digests_of(
    base: &BaseImage,
    path: &str,
    files: &HashMap<Vec<u8>, u32>,
) -> Result<Option<FileDigests>, ext4::Error> {
    let Some(ino) = inode_of(base, path, files)? else { return Ok(None) };
    let file = base.root().file(ino)?;
    let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
    let mut buffer = vec![0; PIECE.min(usize::try_from(file.len()).unwrap_or(PIECE))];
    let mut offset = 0;
    while offset < file.len() {
        let length = file.read_at(offset, &mut buffer)?;
        md5.update(&buffer[..length]);
        sha256.update(&buffer[..length]);
        offset += length as u64;
    }
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(Some(FileDigests {
        length: file.len(),
        md5: hexadecimal(&md5.finalize()),
        sha256: hexadecimal(&sha256.finalize()),
    }))
}
