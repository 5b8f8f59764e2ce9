//! A directory that is to be the root of a system for a while. What is put there stays there, whatever links lead where:
//! every path is looked up below the directory, by the kernel.
//!
//! It lies in the cache, and goes with its value. One whose process was killed is removed by the next.
#![cfg(target_os = "linux")]

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::error::HostError;
use super::files::remove_tree;
use super::unfinished::{PREFIX, claim, hold_left_behind};

/// Modes that packages give: nothing of set-user-ID, which one user among themselves has no use for.
const MODE: u32 = 0o777;

/// The directory.
#[derive(Debug)]
pub struct RootTree {
    path: PathBuf,
    root: File,
}

impl RootTree {
    /// An empty one in `directory`, which is made where it is missing.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn new(directory: &Path) -> Result<Self, HostError> {
        std::fs::create_dir_all(directory).map_err(HostError::file("create", directory))?;
        remove_left_behind(directory)?;
        loop {
            let made = tempfile::Builder::new().prefix(&format!("{PREFIX}root-")).tempdir_in(directory);
            let path = made.map_err(HostError::file("create a directory in", directory))?.keep();
            std::fs::set_permissions(&path, Permissions::from_mode(0o755))
                .map_err(HostError::file("set the mode of", &path))?;
            let root = File::open(&path).map_err(HostError::file("open", &path))?;
            if claim(&root, &path) {
                return Ok(Self { path, root });
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory, and those above it, unless they are there; a link to a directory counts as one.
    ///
    /// # Errors
    /// Something else is there, or whatever the system reports.
    pub fn directory(&self, path: &str) -> Result<(), HostError> {
        self.open(path).map(drop)
    }

    /// Puts a file there that was last changed `mtime` seconds after 1970, in place of one that is there: make looks at
    /// such times.
    ///
    /// # Errors
    /// A directory is there, or whatever the system reports.
    pub fn file(&self, path: &str, mode: u32, mtime: u64, content: &[u8]) -> Result<(), HostError> {
        self.put(path, |parent, name| {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(mode & MODE | 0o600))?;
            let mut file = File::from(file);
            // a time that the system cannot have comes from a damaged package
            let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(mtime));
            let time = time.unwrap_or(SystemTime::UNIX_EPOCH);
            let written = file.write_all(content).and_then(|()| file.set_modified(time));
            written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        })
    }

    /// Puts a symbolic link there, in place of a file that is there.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn symlink(&self, path: &str, text: &str) -> Result<(), HostError> {
        self.put(path, |parent, name| rustix::fs::symlinkat(text, parent, name))
    }

    /// Gives the file at `target` another name.
    ///
    /// # Errors
    /// As [`Self::file`], and where there is no such file.
    pub fn hard_link(&self, path: &str, target: &str) -> Result<(), HostError> {
        let (above, old) = split(target);
        let from = self.open(above)?;
        self.put(path, |parent, name| rustix::fs::linkat(&from, old, parent, name, AtFlags::empty()))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It is not there, or whatever the system reports.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, HostError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat2(&self.root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT);
        let read = file.map_err(std::io::Error::from).and_then(|file| {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut File::from(file), &mut bytes).map(|_| bytes)
        });
        read.map_err(HostError::file("read", &self.path.join(path)))
    }

    fn put(&self, path: &str, make: impl Fn(&File, &str) -> rustix::io::Result<()>) -> Result<(), HostError> {
        let (above, name) = split(path);
        let parent = self.open(above)?;
        let made = match make(&parent, name) {
            Err(Errno::EXIST) => {
                rustix::fs::unlinkat(&parent, name, AtFlags::empty()).and_then(|()| make(&parent, name))
            }
            other => other,
        };
        made.map_err(|error| HostError::file("write", &self.path.join(path))(error.into()))
    }

    /// Opens a directory, and makes what is missing of it.
    fn open(&self, path: &str) -> Result<File, HostError> {
        let open = |path: &str| {
            let path = if path.is_empty() { "." } else { path };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::openat2(&self.root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT).map(File::from)
        };
        let opened = match open(path) {
            Err(Errno::NOENT) if !path.is_empty() => {
                let (above, name) = split(path);
                match rustix::fs::mkdirat(self.open(above)?, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => open(path),
                    Err(error) => Err(error),
                }
            }
            other => other,
        };
        opened.map_err(|error| HostError::file("open the directory", &self.path.join(path))(error.into()))
    }
}

impl Drop for RootTree {
    fn drop(&mut self) {
        // the next one removes what is left
        let _ = remove_tree(&self.path);
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Removes the trees of processes that are gone.
fn remove_left_behind(directory: &Path) -> Result<(), HostError> {
    for entry in std::fs::read_dir(directory).map_err(HostError::file("list", directory))? {
        let entry = entry.map_err(HostError::file("list", directory))?;
        let is_tree = entry.file_name().to_string_lossy().starts_with(&format!("{PREFIX}root-"));
        if is_tree && hold_left_behind(&entry.path()).is_some() {
            let _ = remove_tree(&entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::RootTree;

    #[test]
    fn no_link_leads_out_of_it() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let outside = dir.path().join("outside");
        fs::create_dir(&outside)?;
        let tree = RootTree::new(&dir.path().join("cache"))?;
        tree.symlink("absolute", outside.to_str().ok_or("UTF-8")?)?;
        tree.symlink("relative", "../../../../../outside")?;
        tree.directory("outside")?;
        // a link to nowhere below the root is no directory
        assert!(tree.file("absolute/x", 0o644, 1, b"x").is_err());
        tree.file("relative/x", 0o644, 1, b"x")?;
        assert_eq!(fs::read_dir(&outside)?.count(), 0);
        assert_eq!(tree.read("outside/x")?, b"x");
        Ok(())
    }

    #[test]
    fn later_files_win_and_directories_stay_what_they_are() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let tree = RootTree::new(dir.path())?;
        tree.directory("usr/bin")?;
        tree.symlink("bin", "usr/bin")?;
        tree.directory("bin")?;
        tree.file("bin/tool", 0o4755, 1, b"old")?;
        tree.file("usr/bin/tool", 0o755, 1, b"new")?;
        tree.hard_link("usr/bin/other", "bin/tool")?;
        assert_eq!(tree.read("bin/other")?, b"new");
        assert!(tree.path().join("bin").is_symlink());
        assert!(tree.file("usr/bin", 0o644, 1, b"x").is_err(), "a directory is no file");
        let path = tree.path().to_path_buf();
        let other = RootTree::new(dir.path())?;
        assert!(path.exists(), "one in use stays");
        drop((tree, other));
        assert_eq!(fs::read_dir(dir.path())?.count(), 0);
        fs::create_dir(dir.path().join(".tmp-root-dead"))?;
        let tree = RootTree::new(dir.path())?;
        assert_eq!(fs::read_dir(dir.path())?.count(), 1, "what was left behind is gone");
        drop(tree);
        Ok(())
    }
}
