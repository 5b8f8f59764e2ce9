//! One editing session: opening, calling the crate, changing inodes, and leaving a clean file system.
//!
//! The crate is told to write without its journal: it would copy every block of every file into the log first,
//! which doubles the writes and leaves the log full of other people's bytes. A log only helps after a power
//! cut, and an interrupted build throws its device away. So the log stays exactly as it was found: empty of
//! anything to replay.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fs_ext4::Filesystem;

use crate::block::BlockWrite;
use crate::ext4::adapter::{Adapter, FixedRuntime, display, is_out_of_space, translate};
use crate::ext4::features::ro_compat;
use crate::ext4::raw_inode::{RawInode, TYPE_MASK, TimeField};
use crate::ext4::{Error, Reader, Superblock, Timestamp};

/// What an inode is, in its mode.
pub(super) const DIRECTORY: u16 = 0o040_000;
pub(super) const REGULAR: u16 = 0o100_000;
pub(super) const SYMLINK: u16 = 0o120_000;

/// A file system being edited in place.
///
/// Paths are absolute bytes. Symbolic links among the parents of a path are followed inside the file system and
/// never leave it; the last name of a path is never followed, so a link there is itself what is changed,
/// replaced or removed.
///
/// Every time that is not given is the session's clock, and inode generations are counted, so that equal edits
/// of equal bytes give equal bytes. A directory whose entries changed gets the clock as its modification time
/// in [`Editor::finish`]; [`Editor::set_times`] on it, after the last change inside, keeps another one.
///
/// # Panics of the crate below
/// A panic of `rust-fs-ext4` is caught and becomes [`Error::Corrupt`], after which the session refuses
/// everything. The panic hook of the process runs all the same and usually prints to standard error.
pub struct Editor {
    fs: Filesystem,
    device: Arc<Adapter>,
    /// As it was when the session began: geometry and checksum seed never change.
    pub(super) superblock: Superblock,
    pub(super) now: Timestamp,
    /// Directories whose entries changed and whose times are still to be set.
    touched: BTreeSet<u32>,
    /// Whether blocks or inodes were freed that the crate's view of full groups does not know of.
    freed: bool,
    broken: bool,
}

impl Editor {
    /// Opens the file system that fills `device` from its first byte.
    ///
    /// `clock` in seconds since 1970 is the time of everything that happens in this session.
    ///
    /// # Errors
    /// Before the first write: [`Error::Unsupported`] for a feature that cannot be edited safely,
    /// [`Error::Corrupt`] for a superblock that contradicts itself or a file system that was not unmounted
    /// cleanly, [`Error::InvalidValue`] for a clock no inode can hold.
    pub fn open(device: Arc<dyn BlockWrite>, clock: i64) -> Result<Self, Error> {
        let now = Timestamp::at(clock);
        let reader = Reader::open(&device)?;
        reader.require_editable()?;
        let superblock = reader.superblock().clone();
        check_time(&superblock, now)?;
        drop(reader);
        let runtime = Arc::new(FixedRuntime::new(clock));
        let device = Arc::new(Adapter::new(device));
        let mut fs = guarded(|| Filesystem::mount_with_runtime(device.clone(), runtime))
            .ok_or_else(panicked)?
            .map_err(|error| translate(error, b"/"))?;
        fs.journal = None;
        device.settle()?;
        Ok(Self { fs, device, superblock, now, touched: BTreeSet::new(), freed: false, broken: false })
    }

    /// Sets the times of changed directories and marks the file system cleanly unmounted.
    ///
    /// Mount counts, the time and place of the last mount, and the log stay as they were found.
    ///
    /// # Errors
    /// Whatever the device reports, and [`Error::Corrupt`] where an earlier operation found it so.
    pub fn finish(mut self) -> Result<(), Error> {
        let now = self.now;
        for directory in std::mem::take(&mut self.touched) {
            self.edit_inode(b"/", directory, |inode| {
                inode.set_time(TimeField::Changed, now)?;
                inode.set_time(TimeField::Modified, now)
            })?;
        }
        if self.broken {
            return Err(broken());
        }
        let fs = self.fs;
        guarded(|| fs.finish()).ok_or_else(panicked)?.map_err(|error| translate(error, b"/"))?;
        Ok(self.device.settle()?)
    }

    /// Runs one operation of the crate on behalf of `path`.
    ///
    /// The crate plans with the free counts it read when it opened the file system. So where it finds no space
    /// although something was freed since, it is made to read them again and asked once more; none of its
    /// operations writes anything before it has all the space it needs.
    pub(super) fn call<T>(
        &mut self,
        path: &[u8],
        operation: impl Fn(&Filesystem) -> fs_ext4::Result<T>,
    ) -> Result<T, Error> {
        let mut result = self.call_once(&operation)?;
        if self.freed && matches!(&result, Err(error) if is_out_of_space(error)) {
            self.freed = false;
            let fs = &mut self.fs;
            let refreshed = guarded(|| fs.fresh_read());
            self.broken = refreshed.is_none();
            refreshed.ok_or_else(panicked)?.map_err(|error| translate(error, path))?;
            result = self.call_once(&operation)?;
        }
        result.map_err(|error| translate(error, path))
    }

    fn call_once<T>(
        &mut self,
        operation: &impl Fn(&Filesystem) -> fs_ext4::Result<T>,
    ) -> Result<fs_ext4::Result<T>, Error> {
        if self.broken {
            return Err(broken());
        }
        let fs = &self.fs;
        let result = guarded(|| operation(fs));
        // after a panic or a failed write the device may hold half of an operation
        self.broken = matches!(result, None | Some(Err(fs_ext4::Error::Io(_))));
        result.ok_or_else(panicked)
    }

    /// Reads inode `number` with its checksum, lets `edit` change it, and writes it back.
    pub(super) fn edit_inode(
        &mut self,
        path: &[u8],
        number: u32,
        edit: impl FnOnce(&mut RawInode) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (_, raw) = self.call(path, |fs| fs.read_inode_verified(number))?;
        let mut inode = RawInode(raw);
        edit(&mut inode)?;
        inode.stamp(&self.superblock, number);
        self.call(path, |fs| fs.write_inode_raw(number, &inode.0))
    }

    /// Refuses a time that the inodes of this file system have no room for.
    pub(super) fn check_time(&self, time: Timestamp) -> Result<(), Error> {
        check_time(&self.superblock, time)
    }

    /// Refuses a length that the file system does not announce; the crate would write it all the same.
    pub(super) fn check_length(&self, path: &[u8], len: u64) -> Result<(), Error> {
        let large = self.superblock.features.has_ro_compat(ro_compat::LARGE_FILE);
        if large || len < 1 << 31 {
            return Ok(());
        }
        Err(Error::Unsupported(format!("no `large_file`, yet `{}` has {len} bytes", display(path))))
    }

    /// What is in directory `parent` under `name`.
    pub(super) fn lookup(&mut self, path: &[u8], parent: u32, name: &[u8]) -> Result<Option<Found>, Error> {
        let number = match self.call(path, |fs| fs.lookup_at(parent, name)) {
            Err(Error::NotFound { .. }) => return Ok(None),
            found => found?,
        };
        let inode = self.call(path, |fs| fs.stat_ino(number))?;
        let kind = inode.mode & TYPE_MASK;
        Ok(Some(Found { number, kind, links: inode.links_count, size: inode.size }))
    }

    /// Remembers that entries of `directory` changed.
    pub(super) fn touch(&mut self, directory: u32) {
        self.touched.insert(directory);
    }

    /// Forgets `directory`, because it is gone or its times were set.
    pub(super) fn untouch(&mut self, directory: u32) {
        self.touched.remove(&directory);
    }

    /// Remembers that blocks or inodes came free.
    pub(super) fn note_freed(&mut self) {
        self.freed = true;
    }
}

/// An existing entry of a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) number: u32,
    /// The type bits of the mode.
    pub(super) kind: u16,
    pub(super) links: u16,
    /// In bytes.
    pub(super) size: u64,
}

impl Found {
    pub(super) fn is_directory(&self) -> bool {
        self.kind == DIRECTORY
    }
}

/// A conflict about `path`.
pub(super) fn conflict(path: &[u8], problem: &'static str) -> Error {
    Error::Conflict { path: display(path), problem }
}

fn check_time(superblock: &Superblock, time: Timestamp) -> Result<(), Error> {
    time.check()?;
    if superblock.s_inode_size > 128 || time.seconds <= i64::from(i32::MAX) {
        return Ok(());
    }
    Err(Error::InvalidValue(format!("the second {} in inodes of 128 bytes", time.seconds)))
}

/// `None` where the crate panicked.
fn guarded<T>(operation: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(operation)).ok()
}

fn broken() -> Error {
    Error::Corrupt("an earlier operation stopped halfway".to_owned())
}

fn panicked() -> Error {
    Error::Corrupt("the ext4 editor met something it does not understand and stopped".to_owned())
}
