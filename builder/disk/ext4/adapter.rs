//! The seam between our devices and `rust-fs-ext4`: no type of that crate leaves the rooms that use this one.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fs_ext4::block_io::BlockDevice;
use fs_ext4::runtime::Runtime;

use crate::block::BlockWrite;
use crate::ext4::Error;
use crate::ext4::pending::Pending;

/// A write of so many bytes is long enough by itself.
const LONG: usize = 64 << 10;

/// Our device as the crate wants it. What was written waits in memory, see [`Pending`], and is on the device after
/// [`Adapter::settle`], which the session calls when it ends.
///
/// `flush` does nothing: the crate flushes several times an operation to survive a power cut, and a build that
/// is cut off throws its device away. That alone makes small files about fifteen times faster.
pub(super) struct Adapter {
    device: Arc<dyn BlockWrite>,
    pending: Mutex<Pending>,
}

impl Adapter {
    pub(super) fn new(device: Arc<dyn BlockWrite>) -> Self {
        Self { device, pending: Mutex::default() }
    }

    /// Gives the device all that was written.
    pub(super) fn settle(&self) -> io::Result<()> {
        self.pending().settle(self.device.as_ref())
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlockDevice for Adapter {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> fs_ext4::Result<()> {
        Ok(self.pending().read(self.device.as_ref(), offset, buf)?)
    }

    fn size_bytes(&self) -> u64 {
        self.device.len()
    }

    fn write_at(&self, offset: u64, buf: &[u8]) -> fs_ext4::Result<()> {
        let (mut pending, device) = (self.pending(), self.device.as_ref());
        let written = if buf.len() >= LONG {
            pending.write_through(device, offset, buf)
        } else {
            pending.write(device, offset, buf)
        };
        Ok(written?)
    }

    fn is_writable(&self) -> bool {
        true
    }
}

/// A clock that stands still and inode generations that count: equal edits give equal bytes.
pub(super) struct FixedRuntime {
    clock: i64,
    generation: AtomicU32,
}

impl FixedRuntime {
    /// `clock` in seconds since 1970. It also seeds the generations, so that a second session on the same file
    /// system does not repeat those of the first.
    pub(super) fn new(clock: i64) -> Self {
        // two's complement: any clock is a fine seed
        let [a, b, c, d, ..] = clock.to_le_bytes();
        Self { clock, generation: AtomicU32::new(u32::from_le_bytes([a, b, c, d])) }
    }
}

impl Runtime for FixedRuntime {
    fn now_unix_seconds(&self) -> i64 {
        self.clock
    }

    fn next_inode_generation(&self) -> u32 {
        self.generation.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }
}

/// The crate's error about `path`, as one of ours.
pub(super) fn translate(error: fs_ext4::Error, path: &[u8]) -> Error {
    use fs_ext4::Error as E;
    let conflict = |problem| Error::Conflict { path: display(path), problem };
    match error {
        E::Io(error) => Error::Io(error),
        E::NotFound => Error::NotFound { path: display(path) },
        E::NotADirectory => conflict("is not a directory"),
        E::IsADirectory => conflict("is a directory"),
        E::AlreadyExists => conflict("exists already"),
        E::DirectoryNotEmpty => conflict("is not empty"),
        E::NameTooLong => Error::InvalidValue(format!("a name of over 255 bytes in `{}`", display(path))),
        E::TooManyLinks => Error::InvalidValue(format!("over 65000 links to `{}`", display(path))),
        error if is_out_of_space(&error) => Error::NoSpace(format!("`{}`", display(path))),
        E::InvalidArgument(problem) if problem.contains("legacy") => Error::Unsupported(problem.to_owned()),
        E::InvalidArgument(problem) => Error::InvalidValue(format!("`{}`: {problem}", display(path))),
        E::UnsupportedIncompat(_) | E::UnsupportedRoCompat(_) | E::Unsupported(_) => {
            Error::Unsupported(error.to_string())
        }
        error => Error::Corrupt(format!("`{}`: {error}", display(path))),
    }
}

/// Whether blocks or inodes are used up.
///
/// The crate has an error for that, yet two of its allocators report it as corruption instead.
pub(super) fn is_out_of_space(error: &fs_ext4::Error) -> bool {
    match error {
        fs_ext4::Error::NoSpaceLeftOnDevice => true,
        fs_ext4::Error::Corrupt(what) => {
            what.contains("no group has a free inode") || what.contains("contiguous free run")
        }
        _ => false,
    }
}

/// A path for a message.
pub(super) fn display(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_system_is_not_called_corrupt() {
        for full in [
            fs_ext4::Error::NoSpaceLeftOnDevice,
            fs_ext4::Error::Corrupt("no group has a free inode"),
            fs_ext4::Error::Corrupt("no group has a contiguous free run of this size"),
        ] {
            assert!(matches!(translate(full, b"/x"), Error::NoSpace(_)));
        }
        assert!(matches!(translate(fs_ext4::Error::Corrupt("else"), b"/x"), Error::Corrupt(_)));
    }

    #[test]
    fn generations_depend_on_the_clock_alone() {
        let draw = |clock| {
            let runtime = FixedRuntime::new(clock);
            [runtime.next_inode_generation(), runtime.next_inode_generation()]
        };
        assert_eq!(draw(1_700_000_000), draw(1_700_000_000));
        assert_ne!(draw(1_700_000_000), draw(1_700_000_001));
        assert_ne!(draw(-1)[0], draw(-1)[1]);
    }
}
