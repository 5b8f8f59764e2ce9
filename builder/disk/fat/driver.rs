//! What the crate `hadris-fat` needs from us: a device, a clock, and its errors in our words.

use std::cell::Cell;
use std::io;

use hadris_fat::sync::FatFs;
use hadris_fs::{Clock, DateTime, MountOptions, NoClock};
use hadris_io::{ErrorKind, ErrorType};
use hadris_storage::sync::BlockDevice;
use hadris_storage::{BlockIndex, BlockSize};

use super::error::Error;
use crate::block::{BlockRead, BlockWrite};

/// An error of the crate.
pub(super) type DriverError = hadris_io::Error<io::Error>;

/// The file system driver.
pub(super) type Driver<'d> = FatFs<Sectors<'d>>;

const SECTOR: u32 = 512;

/// The device below, in sectors of 512 bytes.
pub(super) enum Sectors<'d> {
    /// A device that must not change.
    Read(Box<dyn BlockRead + 'd>),
    /// A device to edit.
    Write(Box<dyn BlockWrite + 'd>),
}

impl Sectors<'_> {
    pub(super) fn reader(&self) -> &dyn BlockRead {
        match self {
            Self::Read(device) => device,
            Self::Write(device) => device,
        }
    }
}

impl ErrorType for Sectors<'_> {
    type Error = io::Error;
}

impl BlockDevice for Sectors<'_> {
    fn block_size(&self) -> BlockSize {
        const SIZE: BlockSize = BlockSize::new(SECTOR).expect("512 is not zero");
        SIZE
    }

    fn block_count(&self) -> u64 {
        self.reader().len() / u64::from(SECTOR)
    }

    fn writable(&self) -> bool {
        matches!(self, Self::Write(_))
    }

    fn read_blocks(&mut self, first: BlockIndex, buf: &mut [u8]) -> Result<(), DriverError> {
        let offset = first.get().saturating_mul(u64::from(SECTOR));
        self.reader().read_at(offset, buf).map_err(|error| DriverError::device(error, "cannot read"))
    }

    fn write_blocks(&mut self, first: BlockIndex, buf: &[u8]) -> Result<(), DriverError> {
        let Self::Write(device) = self else { return Err(ErrorKind::ReadOnly.into()) };
        let offset = first.get().saturating_mul(u64::from(SECTOR));
        device.write_at(offset, buf).map_err(|error| DriverError::device(error, "cannot write"))
    }

    fn flush(&mut self) -> Result<(), DriverError> {
        Ok(())
    }
}

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
}

/// The time of the call that is under way.
///
/// The driver takes a `&'static dyn Clock`, but the time is the caller's and may differ from call to call. It
/// asks on the calling thread only, so every call leaves its time there first.
struct CallClock;

impl Clock for CallClock {
    fn now(&self) -> DateTime {
        DateTime::from_unix_seconds(NOW.get()).unwrap_or(NoClock::TIME)
    }
}

/// Sets what the driver takes for now, in seconds since 1970.
pub(super) fn set_time(seconds: i64) {
    NOW.set(seconds);
}

/// Mounts a volume that was checked.
pub(super) fn mount(device: Sectors<'_>) -> Result<Driver<'_>, Error> {
    let mut options = MountOptions::new().with_clock(&CallClock);
    if !device.writable() {
        options = options.read_only();
    }
    FatFs::mount(device, options).map_err(|error| translate(error.into_error(), "/"))
}

/// An error of the driver about `path`.
pub(super) fn translate(error: DriverError, path: &str) -> Error {
    let conflict = |problem| Error::Conflict { path: path.to_owned(), problem };
    match error.kind() {
        ErrorKind::NotFound => Error::NotFound { path: path.to_owned() },
        ErrorKind::AlreadyExists => conflict("exists already"),
        ErrorKind::NotADirectory => conflict("is not a directory"),
        ErrorKind::IsADirectory => conflict("is a directory"),
        ErrorKind::DirectoryNotEmpty => conflict("is not empty"),
        ErrorKind::NoSpace => Error::NoSpace(format!("cannot write `{path}`")),
        ErrorKind::InvalidInput | ErrorKind::NameTooLong => Error::InvalidValue(format!("the name `{path}`")),
        ErrorKind::FileTooLarge => Error::InvalidValue(format!("so long a file as `{path}`")),
        ErrorKind::Corrupt | ErrorKind::NotRecognized => {
            Error::Corrupt(format!("cannot use `{path}`: {error}"))
        }
        ErrorKind::Unsupported => Error::Unsupported(format!("cannot use `{path}`: {error}")),
        ErrorKind::ReadOnly => Error::Io(io::ErrorKind::ReadOnlyFilesystem.into()),
        kind => {
            let device = error.into_device_error();
            Error::Io(device.unwrap_or_else(|| io::Error::other(format!("cannot use `{path}`: {kind}"))))
        }
    }
}
