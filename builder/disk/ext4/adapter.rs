//! The seam between our devices and `rust-fs-ext4`: no type of that crate leaves the rooms that use this one.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fs_ext4::block_io::BlockDevice;
use fs_ext4::runtime::Runtime;

use crate::block::BlockWrite;
use crate::ext4::Error;

/// The longest write that is put together out of shorter ones, in bytes.
const LONGEST_RUN: usize = 1 << 20;
/// A write of so many bytes is long enough by itself.
const LONG: usize = 64 << 10;

/// Our device as the crate wants it.
///
/// The crate writes block by block, in ascending order: adjacent writes are put together here, as a device works on
/// a long one far more cheaply than on its blocks. What is waiting reaches the device with [`Adapter::settle`], which
/// the session calls behind every operation.
///
/// `flush` does nothing: the crate flushes several times an operation to survive a power cut, and a build that
/// is cut off throws its device away. That alone makes small files about fifteen times faster.
pub(super) struct Adapter {
    device: Arc<dyn BlockWrite>,
    waiting: Mutex<Run>,
}

/// Bytes that follow one another and are still to be written.
#[derive(Default)]
struct Run {
    offset: u64,
    bytes: Vec<u8>,
}

impl Run {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }

    /// Writes what is waiting. It is forgotten even where that fails: nobody goes on after a failed write.
    fn settle(&mut self, device: &dyn BlockWrite) -> io::Result<()> {
        let written = if self.bytes.is_empty() { Ok(()) } else { device.write_at(self.offset, &self.bytes) };
        self.bytes.clear();
        written
    }
}

impl Adapter {
    pub(super) fn new(device: Arc<dyn BlockWrite>) -> Self {
        Self { device, waiting: Mutex::default() }
    }

    /// Gives the device all that was written.
    pub(super) fn settle(&self) -> io::Result<()> {
        self.waiting().settle(self.device.as_ref())
    }

    fn waiting(&self) -> MutexGuard<'_, Run> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlockDevice for Adapter {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> fs_ext4::Result<()> {
        let mut waiting = self.waiting();
        if offset < waiting.end() && waiting.offset < offset.saturating_add(buf.len() as u64) {
            waiting.settle(self.device.as_ref())?;
        }
        Ok(self.device.read_at(offset, buf)?)
    }

    fn size_bytes(&self) -> u64 {
        self.device.len()
    }

    fn write_at(&self, offset: u64, buf: &[u8]) -> fs_ext4::Result<()> {
        let mut waiting = self.waiting();
        if offset != waiting.end() || waiting.bytes.len().saturating_add(buf.len()) > LONGEST_RUN {
            waiting.settle(self.device.as_ref())?;
            waiting.offset = offset;
        }
        if buf.len() >= LONG {
            waiting.settle(self.device.as_ref())?;
            return Ok(self.device.write_at(offset, buf)?);
        }
        waiting.bytes.extend_from_slice(buf);
        Ok(())
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
    fn adjacent_writes_reach_the_device_as_one() {
        use crate::block::BlockRead;
        /// Offset and length of each write.
        type Writes = Vec<(u64, usize)>;
        struct Counting(Mutex<(Vec<u8>, Writes)>);
        impl BlockRead for Counting {
            fn len(&self) -> u64 {
                4 << 20
            }
            fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
                let state = self.0.lock().unwrap();
                let at = usize::try_from(offset).unwrap();
                buf.copy_from_slice(&state.0[at..at + buf.len()]);
                Ok(())
            }
        }
        impl BlockWrite for Counting {
            fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
                let mut state = self.0.lock().unwrap();
                let at = usize::try_from(offset).unwrap();
                state.0[at..at + buf.len()].copy_from_slice(buf);
                state.1.push((offset, buf.len()));
                Ok(())
            }
        }
        let device = Arc::new(Counting(Mutex::new((vec![0; 4 << 20], Vec::new()))));
        let adapter = Adapter::new(device.clone());
        let writes = || device.0.lock().unwrap().1.clone();
        let mut byte = [0];
        adapter.write_at(4096, &[1; 4096]).unwrap();
        adapter.write_at(8192, &[2; 4096]).unwrap();
        adapter.read_at(0, &mut byte).unwrap();
        assert_eq!(writes(), [], "nothing that waits was read");
        adapter.read_at(8192, &mut byte).unwrap();
        assert_eq!((byte, writes()), ([2], vec![(4096, 8192)]), "what was read was written first");
        adapter.write_at(8192, &[3; 4096]).unwrap();
        adapter.write_at(4096, &[4; 4096]).unwrap();
        assert_eq!(writes().len(), 2, "the order of writes stays");
        for block in 0..300 {
            adapter.write_at((1 << 20) + block * 4096, &[5; 4096]).unwrap();
        }
        adapter.settle().unwrap();
        adapter.settle().unwrap();
        let expected = [(4096, 8192), (8192, 4096), (4096, 4096), (1 << 20, 1 << 20), (2 << 20, 44 * 4096)];
        assert_eq!(writes(), expected);
        adapter.write_at(4096, &[6; 4096]).unwrap();
        adapter.write_at(8192, &[7; LONG]).unwrap();
        assert_eq!(writes()[5..], [(4096, 4096), (8192, LONG)], "a long write is not copied");
        adapter.read_at(8192, &mut byte).unwrap();
        assert_eq!(byte, [7]);
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
