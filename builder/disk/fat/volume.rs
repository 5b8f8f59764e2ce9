//! Editing a FAT32 volume.
//!
//! Paths are relative to the root directory, parts separated by `/`. Names are found whatever their case, as
//! FAT does, and keep the case they were created with; a name that fits 8.3 gets no long name. Times are Unix
//! seconds; FAT stores two-second steps of local time from 1980 to 2107, which are UTC here, and times before
//! or behind become the first or last.
//!
//! After every call the volume is consistent: FSInfo counts right and the volume is marked clean.

use std::fmt;

use hadris_fat::VolumeLabel;
use hadris_fs::{Attributes, DateTime, DirCursor, FileType, Name, NodeId, OpenMode, RenameMode, SetAttr};
use hadris_io::ErrorKind;

use super::check::{Summary, check};
use super::driver::{Driver, DriverError, Sectors, mount, set_time, translate};
use super::error::Error;
use crate::block::{BlockRead, BlockWrite};

/// What is known of a file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Length in bytes; 0 for a directory.
    pub len: u64,
    /// When it was written, in Unix seconds; even, since FAT counts in steps of two. `None` where it is not
    /// set.
    pub modified: Option<i64>,
    /// Whether it has the attribute "read only".
    pub read_only: bool,
}

/// One name of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, as it was created.
    pub name: String,
    /// What it is.
    pub metadata: Metadata,
}

/// A checked FAT32 volume.
pub struct Volume<'d> {
    driver: Driver<'d>,
    summary: Summary,
}

impl fmt::Debug for Volume<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume").field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// The names of a path; none for the root directory.
fn parts(path: &str) -> Result<Vec<&str>, Error> {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(Error::InvalidValue(format!("the path `{path}`: it must not have `.` and `..`")));
    }
    Ok(parts)
}

/// The path of the directory and the name in it.
fn split(path: &str) -> Result<(Vec<&str>, &str), Error> {
    let mut parts = parts(path)?;
    match parts.pop() {
        Some(name) => Ok((parts, name)),
        None => Err(Error::Conflict { path: path.to_owned(), problem: "is the root directory" }),
    }
}

fn metadata(found: &hadris_fs::Metadata) -> Metadata {
    Metadata {
        is_dir: found.file_type() == FileType::Dir,
        len: found.len(),
        modified: found.modified().map(|time| time.unix_seconds()),
        read_only: found.attributes().contains(Attributes::READ_ONLY),
    }
}

impl<'d> Volume<'d> {
    /// Opens the volume on `device` for editing. Nothing is written before the first call that changes it.
    ///
    /// # Errors
    /// Those of [`check`].
    pub fn open(device: impl BlockWrite + 'd) -> Result<Self, Error> {
        Self::mount(Sectors::Write(Box::new(device)))
    }

    /// Opens the volume on `device` for reading only.
    ///
    /// # Errors
    /// Those of [`check`].
    pub fn open_read_only(device: impl BlockRead + 'd) -> Result<Self, Error> {
        Self::mount(Sectors::Read(Box::new(device)))
    }

    fn mount(device: Sectors<'d>) -> Result<Self, Error> {
        let summary = check(device.reader())?;
        Ok(Self { driver: mount(device)?, summary })
    }

    /// What the volume held when it was opened.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Bytes that are free for content now.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn free_bytes(&mut self) -> Result<u64, Error> {
        Ok(self.driver.statfs().map_err(|error| translate(error, "/"))?.free_bytes())
    }

    /// The volume label.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn label(&mut self) -> Result<Option<String>, Error> {
        let mut text = [0; 64];
        let label = self.driver.label(&mut text).map_err(|error| translate(error, "/"))?;
        Ok(label.map(|label| label.trim_end().to_owned()))
    }

    /// Sets the volume label: up to 11 ASCII characters, stored in upper case.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for what is no label, [`Error::NoSpace`] where the root directory is full.
    pub fn set_label(&mut self, label: &str, time: i64) -> Result<(), Error> {
        let checked = VolumeLabel::new(label);
        let checked = checked.map_err(|_| Error::InvalidValue(format!("the volume label `{label}`")))?;
        set_time(time);
        let done = self.driver.set_label(Some(checked));
        self.settle(done.map_err(|error| translate(error, "/")))
    }

    /// The names in the directory `path`, in the order they are stored in.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::Conflict`] where it is no directory.
    pub fn list(&mut self, path: &str) -> Result<Vec<Entry>, Error> {
        self.with_node(path, |driver, node| {
            let mut entries = Vec::new();
            let mut cursor = DirCursor::START;
            while let Some(entry) = driver.readdir(node, cursor)? {
                let name = String::from_utf8_lossy(entry.name().as_bytes()).into_owned();
                entries.push(Entry { name, metadata: metadata(entry.metadata()) });
                cursor = entry.next_cursor();
            }
            Ok(entries)
        })
    }

    /// What `path` is, or `None` where it does not exist.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::InvalidValue`] for what is no path.
    pub fn metadata(&mut self, path: &str) -> Result<Option<Metadata>, Error> {
        match self.with_node(path, |driver, node| driver.stat(node)) {
            Ok(found) => Ok(Some(metadata(&found))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The content of the file `path`, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::TooLong`], and [`Error::Conflict`] where it is a directory.
    pub fn read(&mut self, path: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let read = self.with_node(path, |driver, node| {
            let len = driver.stat(node)?.len();
            let Some(size) = usize::try_from(len).ok().filter(|_| len <= limit) else { return Ok(Err(len)) };
            let mut content = vec![0; size];
            let read = driver.read(node, 0, &mut content)?;
            content.truncate(read);
            // asked for an empty file too, since it refuses a directory
            Ok(Ok(content))
        })?;
        read.map_err(|len| Error::TooLong { path: path.to_owned(), len, limit })
    }

    /// Makes `content` the content of the file `path`, which is created where it does not exist; its directory
    /// must. A file that exists keeps its name, its creation time and as many of its clusters as it needs.
    ///
    /// # Errors
    /// [`Error::NoSpace`] where it does not fit: a file that was there is as it was. [`Error::NotFound`] where the
    /// directory is missing, [`Error::Conflict`] where `path` is a directory, [`Error::InvalidValue`] for a
    /// name or length that FAT cannot hold.
    pub fn write(&mut self, path: &str, content: &[u8], time: i64) -> Result<(), Error> {
        set_time(time);
        let old = self.metadata(path)?;
        if old.as_ref().is_some_and(|old| old.is_dir) {
            return Err(Error::Conflict { path: path.to_owned(), problem: "is a directory" });
        }
        let len = content.len() as u64;
        if u32::try_from(len).is_err() {
            return Err(Error::InvalidValue(format!("so long a file as `{path}`: {len} bytes")));
        }
        let cluster = u64::from(self.summary.cluster_size);
        let kept = old.map_or(0, |old| old.len.next_multiple_of(cluster));
        let room = self.free_bytes()?.saturating_add(kept);
        if len.next_multiple_of(cluster) > room {
            return Err(Error::NoSpace(format!("`{path}` needs {len} bytes, but there is room for {room}")));
        }
        let (directory, name) = split(path)?;
        let directory = self.find(&directory, path)?;
        let done = put_file(&mut self.driver, directory, Name::new(name), content, time);
        self.driver.forget(directory, 1);
        self.settle(done.map_err(|error| translate(error, path)))
    }

    /// Makes the directory `path` and those above it, where they do not exist.
    ///
    /// # Errors
    /// [`Error::Conflict`] where one of them is a file, [`Error::NoSpace`], [`Error::InvalidValue`] for a name
    /// that FAT cannot hold.
    pub fn create_dir_all(&mut self, path: &str, time: i64) -> Result<(), Error> {
        set_time(time);
        let mut node = self.driver.root();
        let mut done = Ok(());
        for name in parts(path)? {
            let name = Name::new(name);
            let next = match self.driver.lookup(node, name) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.driver.mkdir(node, name, &SetAttr::new())
                }
                found => found,
            };
            self.driver.forget(node, 1);
            match next {
                Ok(next) => node = next,
                Err(error) => {
                    done = Err(translate(error, path));
                    break;
                }
            }
        }
        if done.is_ok() {
            let found = self.driver.stat(node);
            self.driver.forget(node, 1);
            done = match found {
                Ok(found) if found.file_type() == FileType::Dir => Ok(()),
                Ok(_) => Err(Error::Conflict { path: path.to_owned(), problem: "is not a directory" }),
                Err(error) => Err(translate(error, path)),
            };
        }
        self.settle(done)
    }

    /// Removes the file `path`.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::Conflict`] where it is a directory.
    pub fn remove_file(&mut self, path: &str) -> Result<(), Error> {
        self.in_directory(path, |driver, directory, name| driver.unlink(directory, name))
    }

    /// Removes the file or directory `path` and all in it.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::Conflict`] for the root directory.
    pub fn remove_tree(&mut self, path: &str) -> Result<(), Error> {
        split(path)?;
        let found = self.metadata(path)?.ok_or_else(|| Error::NotFound { path: path.to_owned() })?;
        if !found.is_dir {
            return self.remove_file(path);
        }
        let mut directories = vec![path.to_owned()];
        let mut next = 0;
        while let Some(directory) = directories.get(next).cloned() {
            next += 1;
            for entry in self.list(&directory)? {
                let child = format!("{directory}/{}", entry.name);
                if entry.metadata.is_dir {
                    directories.push(child);
                } else {
                    self.remove_file(&child)?;
                }
            }
        }
        for directory in directories.iter().rev() {
            self.in_directory(directory, |driver, parent, name| driver.rmdir(parent, name))?;
        }
        Ok(())
    }

    /// Moves `from` to `to`, whose directory must exist. A file at `to` is replaced by a file.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] where `to` is a directory with entries or one of both is a
    /// directory, [`Error::InvalidValue`] for a name that FAT cannot hold and for a directory moved into
    /// itself.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        let (from_directory, from_name) = split(from)?;
        let (to_directory, to_name) = split(to)?;
        let from_directory = self.find(&from_directory, from)?;
        let to_directory = match self.find(&to_directory, to) {
            Ok(found) => found,
            Err(error) => {
                self.driver.forget(from_directory, 1);
                return Err(error);
            }
        };
        let (from_name, to_name) = (Name::new(from_name), Name::new(to_name));
        let pinned = self.driver.lookup(from_directory, from_name).map(|node| self.driver.forget(node, 1));
        let done = match pinned {
            Ok(()) => {
                let moved =
                    self.driver.rename(from_directory, from_name, to_directory, to_name, RenameMode::Replace);
                moved.map_err(|error| translate(error, to))
            }
            Err(error) => Err(translate(error, from)),
        };
        self.driver.forget(from_directory, 1);
        self.driver.forget(to_directory, 1);
        self.settle(done)
    }

    /// Looks names up from the root directory on. The result is pinned and must be forgotten once.
    fn find(&mut self, names: &[&str], path: &str) -> Result<NodeId, Error> {
        let mut node = self.driver.root();
        for name in names {
            let next = self.driver.lookup(node, Name::new(name));
            self.driver.forget(node, 1);
            node = next.map_err(|error| translate(error, path))?;
        }
        Ok(node)
    }

    fn with_node<T>(
        &mut self,
        path: &str,
        act: impl FnOnce(&mut Driver<'d>, NodeId) -> Result<T, DriverError>,
    ) -> Result<T, Error> {
        let node = self.find(&parts(path)?, path)?;
        let done = act(&mut self.driver, node);
        self.driver.forget(node, 1);
        done.map_err(|error| translate(error, path))
    }

    /// Changes a name in the directory of `path`.
    fn in_directory(
        &mut self,
        path: &str,
        act: impl FnOnce(&mut Driver<'d>, NodeId, &Name) -> Result<(), DriverError>,
    ) -> Result<(), Error> {
        let (directory, name) = split(path)?;
        let directory = self.find(&directory, path)?;
        let done = act(&mut self.driver, directory, Name::new(name));
        self.driver.forget(directory, 1);
        self.settle(done.map_err(|error| translate(error, path)))
    }

    /// Ends a call: what it left half done is undone, FSInfo is written and the volume marked clean.
    fn settle<T>(&mut self, done: Result<T, Error>) -> Result<T, Error> {
        let synced = self.driver.sync().map_err(|error| translate(error, "/"));
        let done = done?;
        synced.map(|()| done)
    }
}

/// Creates or replaces a file.
fn put_file(
    driver: &mut Driver<'_>,
    directory: NodeId,
    name: &Name,
    content: &[u8],
    time: i64,
) -> Result<(), DriverError> {
    let (node, created) = match driver.lookup(directory, name) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            (driver.create(directory, name, &SetAttr::new())?, true)
        }
        found => (found?, false),
    };
    let done = put_content(driver, node, content, time);
    driver.forget(node, 1);
    if done.is_err() && created {
        driver.unlink(directory, name)?;
    }
    done
}

fn put_content(driver: &mut Driver<'_>, node: NodeId, content: &[u8], time: i64) -> Result<(), DriverError> {
    driver.open(node, OpenMode::Write)?;
    let written = driver.write(node, 0, content).and_then(|_| driver.truncate(node, content.len() as u64));
    let closed = driver.close(node);
    written.and(closed)?;
    // an empty file that stays empty is not written to, but its time changes too
    let modified = DateTime::from_unix_seconds(time).unwrap_or(hadris_fs::NoClock::TIME);
    driver.setattr(node, &SetAttr::new().with_modified(modified))
}
