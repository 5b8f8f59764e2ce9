//! Where machines under test have their disks and sockets, and what is kept of them.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::HostError;
use super::files;

/// Directories for machines. What is not to be kept goes with this value.
#[derive(Debug)]
pub struct Scratch {
    kept: Option<PathBuf>,
    work: TempDir,
    sockets: TempDir,
}

impl Scratch {
    /// Makes them: large files below `cache`, or below `keep` if they are to outlive the test.
    ///
    /// # Errors
    /// A directory cannot be made.
    pub fn new(cache: &Path, keep: Option<&Path>) -> Result<Self, HostError> {
        let temporary = |builder: &mut tempfile::Builder<'_, '_>, dir: &Path| {
            builder.tempdir_in(dir).map_err(HostError::file("create a directory in", dir))
        };
        let kept = keep.map(std::path::absolute).transpose();
        let kept = kept.map_err(HostError::file("find", keep.unwrap_or(cache)))?;
        let cache = std::path::absolute(cache).map_err(HostError::file("find", cache))?;
        let work = temporary(tempfile::Builder::new().prefix(".pimg-test-"), &cache)?;
        // the path of a socket has to be short (unix(7)), which that of a cache need not be
        let sockets = temporary(tempfile::Builder::new().prefix("pimg-"), &std::env::temp_dir())?;
        Ok(Self { kept, work, sockets })
    }

    /// The directory for sockets.
    pub fn sockets(&self) -> &Path {
        self.sockets.path()
    }

    /// The directory of a machine for this test only.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn work(&self, machine: &str) -> Result<PathBuf, HostError> {
        made(self.work.path().join(machine))
    }

    /// The directory for a machine's disks.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn disks(&self, machine: &str) -> Result<PathBuf, HostError> {
        made(self.kept.as_deref().unwrap_or(self.work.path()).join(machine))
    }
}

fn made(path: PathBuf) -> Result<PathBuf, HostError> {
    std::fs::create_dir_all(&path).map_err(HostError::file("create", &path))?;
    Ok(path)
}

/// Makes `card` a copy of an image on a card of at least `size` bytes, in place of what was there.
///
/// # Errors
/// Whatever the system reports.
pub fn write_card(image: &Path, card: &Path, size: u64) -> Result<(), HostError> {
    match std::fs::remove_file(card) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(HostError::file("remove", card)(error));
        }
        _ => {}
    }
    files::copy_sparse(image, card)?;
    let length = files::length(card)?;
    if length < size {
        resize(card, size)?;
    }
    Ok(())
}

/// Makes a disk of `size` bytes that holds nothing, unless it is there already.
///
/// # Errors
/// Whatever the system reports.
pub fn blank_disk(disk: &Path, size: u64) -> Result<(), HostError> {
    if disk.exists() {
        return Ok(());
    }
    files::create_new(disk)?;
    resize(disk, size)
}

fn resize(path: &Path, size: u64) -> Result<(), HostError> {
    let file = OpenOptions::new().write(true).open(path).map_err(HostError::file("open", path))?;
    file.set_len(size).map_err(HostError::file("resize", path))
}

/// Copies a file, making the directory that it goes to. Nothing happens where there is no such file.
///
/// # Errors
/// Whatever the system reports.
pub fn keep_file(from: &Path, to: &Path) -> Result<(), HostError> {
    if let Some(dir) = to.parent() {
        made(dir.to_owned())?;
    }
    match std::fs::copy(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied.map(|_| ()).map_err(HostError::file("write", to)),
    }
}

/// Unpacks the regular files of a tar archive from a machine into `dir`, in place of what was there.
///
/// # Errors
/// The archive is broken, or whatever the system reports. What came before the break is there.
pub fn unpack(archive: &[u8], dir: &Path) -> Result<(), HostError> {
    if dir.exists() {
        files::remove_tree(dir)?;
    }
    made(dir.to_owned())?;
    let unpack = || {
        for entry in tar::Archive::new(archive).entries()? {
            let mut entry = entry?;
            if entry.header().entry_type().is_file() {
                // leaves out what would land elsewhere
                entry.unpack_in(dir)?;
            }
        }
        Ok(())
    };
    unpack().map_err(HostError::file("unpack into", dir))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Scratch, blank_disk, unpack, write_card};

    #[test]
    fn disks_are_kept_where_that_was_asked_for() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let keep = dir.path().join("keep");
        for (keep, stays) in [(Some(keep.as_path()), true), (None, false)] {
            let scratch = Scratch::new(dir.path(), keep)?;
            let (disks, work) = (scratch.disks("node-a")?, scratch.work("node-a")?);
            assert!(disks.is_dir() && work.is_dir() && scratch.sockets().is_dir());
            assert!(scratch.sockets().as_os_str().len() < 80);
            drop(scratch);
            assert_eq!((disks.exists(), work.exists()), (stays, false));
        }
        Ok(())
    }

    #[test]
    fn a_card_is_larger_than_its_image_and_a_disk_stays_what_it_is() -> Result<(), Box<dyn std::error::Error>>
    {
        let dir = tempfile::tempdir()?;
        let at = |name: &str| dir.path().join(name);
        fs::write(at("image"), "image")?;
        for size in [8192, 3] {
            write_card(&at("image"), &at("card"), size)?;
            assert_eq!(fs::metadata(at("card"))?.len(), size.max(5));
            assert!(fs::read(at("card"))?.starts_with(b"image"));
        }
        blank_disk(&at("disk"), 100)?;
        fs::write(at("disk"), "pool")?;
        blank_disk(&at("disk"), 100)?;
        assert_eq!(fs::read(at("disk"))?, b"pool");
        Ok(())
    }

    #[test]
    fn only_plain_files_come_out_of_a_machine() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o600);
        archive.append_data(&mut header, "log/zpool.log", &b"log\n"[..])?;
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, "out", "/etc")?;
        let into = dir.path().join("report");
        unpack(&archive.into_inner()?, &into)?;
        assert_eq!(fs::read(into.join("log/zpool.log"))?, b"log\n");
        assert!(into.join("out").symlink_metadata().is_err());
        assert!(unpack(b"no archive at all, and longer than nothing", &into).is_err());
        Ok(())
    }
}
