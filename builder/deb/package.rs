//! A binary package (`deb(5)`): an `ar` archive of `debian-binary`, `control.tar` and `data.tar`.
//!
//! Packages come from elsewhere: everything that is decompressed has a limit, no path leads out of the package, and
//! links are told, never followed.

mod ar;
mod error;
mod files;
mod member;
mod uncompressed;
mod write;

pub use error::{Error, Problem};
pub use files::{File, Files, Kind};
use member::Member;
pub use write::NewPackage;

/// Result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Most bytes of a file that is read as a whole. Control files are a few KiB; dpkg has no limit.
const FILE_LIMIT: u64 = 64 << 20;
/// Most bytes of a decompressed `control.tar`.
const CONTROL_LIMIT: u64 = 256 << 20;
/// Most bytes of a decompressed `data.tar`. The largest packages of Debian take about 4 GiB.
const DATA_LIMIT: u64 = 16 << 30;

/// An opened package. Nothing of it is decompressed before it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Package<'a> {
    control: Member<'a>,
    data: Member<'a>,
}

impl<'a> Package<'a> {
    /// Finds the parts of a package.
    ///
    /// # Errors
    /// What dpkg would not take for a package, or a compression other than none, gzip, xz and zstd.
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        Self::open_head(bytes, u64::try_from(bytes.len()).unwrap_or(u64::MAX))
    }

    /// Finds the parts of a package of `length` bytes of which only the first are at hand: `control.tar` is near the
    /// start. What is not at hand reads as cut off.
    ///
    /// # Errors
    /// As [`Self::open`], and where the parts do not even begin in what is at hand.
    pub fn open_head(head: &'a [u8], length: u64) -> Result<Self> {
        let mut members = ar::Members::new(head, length)?;
        match members.next().transpose()? {
            Some(("debian-binary", b"2.0\n")) => {}
            // `deb(5)`: a new minor version only adds lines
            Some(("debian-binary", format)) if format.starts_with(b"2.") => {}
            Some(("debian-binary", format)) => {
                let got = String::from_utf8_lossy(format).trim_ascii().to_owned();
                return Err(Error::new("debian-binary", Problem::Format { got }));
            }
            _ => return Err(Error::new("debian-binary", Problem::Missing)),
        }
        let mut part = |name: &'static str| {
            for member in members.by_ref() {
                let (found, bytes) = member?;
                // `deb(5)`: members whose names start with `_` are for others
                match found.strip_prefix(name) {
                    Some(extension) => return Member::new(name, extension, bytes),
                    None if found.starts_with('_') => {}
                    None => return Err(Error::new(name, Problem::Unexpected { got: found.to_owned() })),
                }
            }
            Err(Error::new(name, Problem::Missing))
        };
        Ok(Self { control: part("control.tar")?, data: part("data.tar")? })
    }

    /// The text of `control`: the stanza of this package, without what only a repository knows.
    ///
    /// # Errors
    /// `control.tar` is damaged, or has none.
    pub fn control_text(&self) -> Result<String> {
        let bytes = self.read_control("control")?;
        let bytes =
            bytes.ok_or_else(|| Error::new("control.tar", Problem::NoFile { path: "control".to_owned() }))?;
        let not_text = |_| Error::new("control.tar", Problem::NotUtf8 { path: "control".to_owned() });
        String::from_utf8(bytes).map_err(not_text)
    }

    /// A file of `control.tar`, such as `conffiles`; `None` where it has none of this name.
    ///
    /// # Errors
    /// `control.tar` is damaged up to there, or the file is too large.
    pub fn read_control(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Files::new(self.control, CONTROL_LIMIT)?.read(name, FILE_LIMIT)
    }

    /// The content of one regular file, by its path without a slash at the start, such as `usr/src/zfs-2.3.9/META`;
    /// `None` where there is no such file or where it is something else, such as a link.
    ///
    /// # Errors
    /// `data.tar` is damaged up to there, or the file is too large.
    pub fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.files()?.read(path, FILE_LIMIT)
    }

    /// All that is in `data.tar`, in its order.
    ///
    /// # Errors
    /// Its compression does not start as it should. Further damage is found on the way.
    pub fn files(&self) -> Result<Files<'a>> {
        Files::new(self.data, DATA_LIMIT)
    }
}

#[cfg(test)]
mod tests;
