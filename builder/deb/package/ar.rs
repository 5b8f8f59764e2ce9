//! Members of an `ar` archive, as dpkg writes them: no long names, no symbol table.

use super::{Error, Problem, Result};

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;

/// The members in their order: names and contents.
#[derive(Debug)]
pub(super) struct Members<'a> {
    bytes: &'a [u8],
    /// Of the whole archive: what is behind `bytes` is not at hand.
    length: u64,
    offset: usize,
}

impl<'a> Members<'a> {
    /// The members of an archive of `length` bytes that starts with `bytes`. Of a member at their end the content is cut
    /// off there.
    pub(super) fn new(bytes: &'a [u8], length: u64) -> Result<Self> {
        match bytes.starts_with(MAGIC) {
            true => Ok(Self { bytes, length, offset: MAGIC.len() }),
            false => Err(Error::new("package", Problem::NoArchive)),
        }
    }

    fn member(&mut self) -> Result<(&'a str, &'a [u8])> {
        let offset = self.offset;
        let no_member = || Error::new("package", Problem::NoMember { offset });
        let start = offset.checked_add(HEADER).ok_or_else(no_member)?;
        let header = self.bytes.get(offset..start).ok_or_else(no_member)?;
        // name 0..16, time, owner, group, mode, size 48..58, and a mark
        if header.get(58..) != Some(b"`\n") {
            return Err(no_member());
        }
        let text =
            |from: usize, to: usize| header.get(from..to).and_then(|field| std::str::from_utf8(field).ok());
        let name = text(0, 16).map(str::trim_ascii_end).ok_or_else(no_member)?;
        let size =
            text(48, 58).and_then(|size| size.trim_ascii_end().parse::<u64>().ok()).ok_or_else(no_member)?;
        let truncated = || {
            let expected = u64::try_from(start).unwrap_or(u64::MAX).saturating_add(size);
            Error::new("package", Problem::Truncated { got: self.bytes.len(), expected })
        };
        let size = usize::try_from(size).map_err(|_| truncated())?;
        let end = start.checked_add(size).ok_or_else(truncated)?;
        if u64::try_from(end).map_or(true, |end| end > self.length) {
            return Err(truncated());
        }
        let content = self.bytes.get(start..end.min(self.bytes.len())).ok_or_else(truncated)?;
        // members start at even offsets
        self.offset = end.saturating_add(end & 1);
        Ok((name.strip_suffix('/').unwrap_or(name), content))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<(&'a str, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.offset >= self.bytes.len() {
            return None;
        }
        let member = self.member();
        if member.is_err() {
            self.offset = self.bytes.len();
        }
        Some(member)
    }
}
