//! What is in a tar archive of a package (`tar(5)`, ustar and GNU; dpkg, `lib/dpkg/tarfn.c`).

use std::fmt;
use std::io::Read;

use tar::{EntryType, Header};

use super::member::Member;
use super::{Error, Problem, Result};

const BLOCK: u64 = 512;
/// Most bytes of a path; Linux takes 4096.
const PATH_LIMIT: u64 = 16 << 10;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name of a file before it.
    HardLink,
    /// A device of characters.
    CharacterDevice,
    /// A device of blocks.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path without a slash or dot at the start; empty for the root directory.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Its permissions, with set-user-ID, set-group-ID and sticky bit.
    pub mode: u32,
    /// Its owner.
    pub uid: u64,
    /// Its group.
    pub gid: u64,
    /// When it was last changed, in seconds since 1970.
    pub mtime: u64,
    /// Bytes of its content.
    pub size: u64,
    /// Where a symbolic link points to, or, as a path like this one, what a hard link is another name of.
    pub link: Option<String>,
}

/// The entries in their order. After an error there are no more.
pub struct Files<'a> {
    part: &'static str,
    reader: Box<dyn Read + 'a>,
    /// Bytes of the archive that may still be read.
    allowance: u64,
    limit: u64,
    /// Bytes of the content of the last entry that are not read yet, with what fills its last block.
    unread: u64,
    is_over: bool,
}

impl fmt::Debug for Files<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("part", &self.part).finish_non_exhaustive()
    }
}

impl<'a> Files<'a> {
    pub(super) fn new(member: Member<'a>, limit: u64) -> Result<Self> {
        let reader = member.reader()?;
        Ok(Self { part: member.name, reader, allowance: limit, limit, unread: 0, is_over: false })
    }

    /// Goes on to a regular file and reads it.
    pub(super) fn read(mut self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        while let Some(file) = self.next().transpose()? {
            if file.path == path {
                return match file.kind {
                    Kind::File => self.content(file.size, limit).map(Some),
                    _ => Ok(None),
                };
            }
        }
        Ok(None)
    }

    /// The content of the entry that was told last, a regular file; once, and before the next one is asked for.
    ///
    /// # Errors
    /// The archive is damaged, or the file is larger than `limit` bytes.
    pub fn read_content(&mut self, file: &File, limit: u64) -> Result<Vec<u8>> {
        self.content(file.size, limit)
    }

    fn error(&self, problem: Problem) -> Error {
        Error::new(self.part, problem)
    }

    /// Fills the buffer as far as the archive goes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let wanted = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        self.allowance = self
            .allowance
            .checked_sub(wanted)
            .ok_or_else(|| self.error(Problem::TooLarge { limit: self.limit }))?;
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) => break,
                Ok(read) => filled = filled.saturating_add(read),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(Problem::Damaged(error))),
            }
        }
        Ok(filled)
    }

    /// Reads the content of the last entry, of this size.
    fn content(&mut self, size: u64, limit: u64) -> Result<Vec<u8>> {
        if size > limit {
            return Err(self.error(Problem::TooLarge { limit }));
        }
        let mut content = Vec::new();
        let mut buffer = [0; 8192];
        while self.unread > 0 {
            self.chunk(&mut buffer, |bytes| content.extend_from_slice(bytes))?;
        }
        content.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(content)
    }

    /// Reads on in the content of the last entry.
    fn chunk(&mut self, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> Result<()> {
        let wanted = usize::try_from(self.unread).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..wanted) else { return Ok(()) };
        if self.fill(buffer)? != wanted {
            return Err(self.error(Problem::ShortTar));
        }
        self.unread = self.unread.saturating_sub(u64::try_from(wanted).unwrap_or(u64::MAX));
        take(buffer);
        Ok(())
    }

    /// The next header that is one, after what is left of the entry before it; `None` at the end.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut buffer = [0; 8192];
        while self.unread > 0 {
            self.chunk(&mut buffer, |_| {})?;
        }
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        match self.fill(block)? {
            0 => return Ok(None),
            512 => {}
            _ => return Err(self.error(Problem::ShortTar)),
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        // the checksum is that of the header with spaces in its own place
        let sum = (0..).zip(block.iter()).map(|(place, byte)| match place {
            148..156 => u32::from(b' '),
            _ => u32::from(*byte),
        });
        let sum: u32 = sum.sum();
        if header.cksum().ok() != Some(sum) {
            return Err(self.error(Problem::BadEntry { field: "checksum" }));
        }
        let bad_size = |files: &Self| files.error(Problem::BadEntry { field: "size" });
        let size = header.entry_size().map_err(|_| bad_size(self))?;
        self.unread = size.checked_next_multiple_of(BLOCK).ok_or_else(|| bad_size(self))?;
        Ok(Some(header))
    }

    fn file(&mut self) -> Result<Option<File>> {
        let (mut long_path, mut long_link) = (None, None);
        loop {
            let Some(header) = self.header()? else {
                return match (long_path, long_link) {
                    (None, None) => Ok(None),
                    _ => Err(self.error(Problem::ShortTar)),
                };
            };
            let size = header.entry_size().unwrap_or_default();
            let long = match header.entry_type() {
                EntryType::GNULongName => &mut long_path,
                EntryType::GNULongLink => &mut long_link,
                _ => {
                    let path = long_path.unwrap_or_else(|| header.path_bytes().into_owned());
                    let link = long_link.or_else(|| Some(header.link_name_bytes()?.into_owned()));
                    return self.entry(&header, path, link.unwrap_or_default(), size).map(Some);
                }
            };
            let mut text = self.content(size, PATH_LIMIT)?;
            text.truncate(text.iter().position(|byte| *byte == 0).unwrap_or(text.len()));
            *long = Some(text);
        }
    }

    fn entry(&self, header: &Header, path: Vec<u8>, link: Vec<u8>, size: u64) -> Result<File> {
        let has_slash = path.ends_with(b"/");
        let path = self.path(path)?;
        let kind = match header.entry_type() {
            // before ustar there was no kind for directories
            EntryType::Regular if has_slash => Kind::Directory,
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink,
            EntryType::Link => Kind::HardLink,
            EntryType::Char => Kind::CharacterDevice,
            EntryType::Block => Kind::BlockDevice,
            EntryType::Fifo => Kind::Fifo,
            other => {
                let kind = char::from(other.as_byte());
                return Err(self.error(Problem::BadKind { path, kind }));
            }
        };
        let link = match kind {
            Kind::Symlink => Some(self.text(link)?),
            Kind::HardLink => Some(self.path(link)?),
            _ => None,
        };
        if kind != Kind::File && size != 0 {
            // dpkg would take the content for the next entry
            return Err(self.error(Problem::BadEntry { field: "size" }));
        }
        let bad = |field| move |_| self.error(Problem::BadEntry { field });
        Ok(File {
            path,
            kind,
            mode: header.mode().map_err(bad("mode"))? & 0o7777,
            uid: header.uid().map_err(bad("owner"))?,
            gid: header.gid().map_err(bad("group"))?,
            mtime: header.mtime().unwrap_or_default(),
            size,
            link,
        })
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String> {
        String::from_utf8(bytes).map_err(|error| {
            let path = String::from_utf8_lossy(error.as_bytes()).into_owned();
            self.error(Problem::NotUtf8 { path })
        })
    }

    /// A path without what does not matter. dpkg unpacks below the root whatever it starts with.
    fn path(&self, bytes: Vec<u8>) -> Result<String> {
        let path = self.text(bytes)?;
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") || path.contains('\0') {
            return Err(self.error(Problem::BadPath { path }));
        }
        Ok(parts.join("/"))
    }
}

impl Iterator for Files<'_> {
    type Item = Result<File>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let file = self.file().transpose();
        self.is_over = !matches!(file, Some(Ok(_)));
        file
    }
}
