//! Where bakes work: directories beside the layers, each locked by whoever works there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::host::error::HostError;
use crate::host::files::list_directories;
use crate::host::tools;
use crate::host::unfinished::{PREFIX, claim, hold_left_behind};

/// Where a bake puts what becomes a layer, in its work directory.
const RESULT: &str = "layer";

/// How long removing a tree may take.
const REMOVAL: Duration = Duration::from_secs(600);

/// Where a bake works. It goes with this value, whoever the files in it belong to.
#[derive(Debug)]
pub struct BakeWork {
    path: PathBuf,
    is_kept: bool,
    _lock: File,
}

impl BakeWork {
    /// A new one in the directory of layers.
    pub(super) fn new(bucket: &Path) -> Result<Self, HostError> {
        loop {
            let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(bucket);
            let path = made.map_err(HostError::file("create a directory in", bucket))?.keep();
            let lock = File::open(&path).map_err(HostError::file("open", &path))?;
            if claim(&lock, &path) {
                let work = Self { path, is_kept: false, _lock: lock };
                let result = work.result();
                std::fs::create_dir(&result).map_err(HostError::file("create", &result))?;
                return Ok(work);
            }
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The empty directory in it for what is to become a layer.
    pub fn result(&self) -> PathBuf {
        self.path.join(RESULT)
    }

    /// Leaves the directory to be looked at, until the next one that opens the layers removes it.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for BakeWork {
    fn drop(&mut self) {
        if !self.is_kept {
            // what cannot be removed now is removed by the next one
            let _ = remove(&self.path);
        }
    }
}

/// Removes the work of bakes that nobody holds any more; nothing where there is no such directory.
///
/// # Errors
/// The directory cannot be listed. What cannot be removed is left to the next one.
pub(in crate::host) fn remove_left_behind(bucket: &Path) -> Result<(), HostError> {
    for path in list_directories(bucket)?.iter().filter(|path| is_work(path)) {
        // held until it is gone, so that nobody takes it for his own
        if let Some(_lock) = hold_left_behind(path) {
            let _ = remove(path);
        }
    }
    Ok(())
}

pub(super) fn is_work(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

/// Removes a tree. A bake that a user ran leaves files of the ids that `/etc/subuid` gives that user, and directories that
/// even the owner cannot enter (overlayfs' work directory): root of a user namespace that has the same ids removes them.
pub(super) fn remove(path: &Path) -> Result<(), HostError> {
    let Err(first) = std::fs::remove_dir_all(path) else { return Ok(()) };
    let words =
        ["unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", "--one-file-system", "--"];
    let mut command: Vec<String> = words.map(str::to_owned).to_vec();
    command.push(path.to_string_lossy().into_owned());
    let removed = tools::run(&command, Path::new("/"), REMOVAL);
    if removed.is_ok() && !path.exists() { Ok(()) } else { Err(HostError::file("remove", path)(first)) }
}
