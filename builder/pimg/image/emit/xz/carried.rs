//! Blocks of the base's own `.xz`, carried over byte for byte.
//!
//! A block says all that is needed to decode it, so one that no edit touched stands in any stream whose blocks have
//! the same check. The file is opened where the person keeps it, or where the cache keeps what was downloaded.
//! Which blocks are carried over follows from the file's own bytes, whose digest is in the lock and in the manifest.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use pimg_disk::block::{BlockRead, Origin};
use pimg_fetch::digest::{HashingReader, Sha256Digest};
use sha2::{Digest as _, Sha256};

use super::block::{Check, unpadded_size};
use super::stream::{ENDS, read_footer, read_header, read_index};
use crate::image::frames::FrameKey;

/// Longest header of a block in bytes (section 3.1.1).
const LONGEST_HEADER: usize = 1024;

/// Largest block that is carried over, in bytes on either side: some are in memory at a time.
const LARGEST: u64 = 32 << 20;

/// A published `.xz` whose blocks can be carried over.
#[derive(Debug)]
pub struct Carried {
    file: File,
    published: Sha256Digest,
    raw: Origin,
    check: Check,
    blocks: Vec<Block>,
}

/// One of its blocks.
#[derive(Debug)]
pub(super) struct Block {
    /// Its bytes in the raw image.
    pub(super) range: Range<u64>,
    /// Where it is in the file.
    offset: u64,
    length: usize,
}

impl Carried {
    /// Opens the file whose digest is `published` and whose raw image has the digest `raw`.
    ///
    /// `None` where it is not one stream of blocks that say their lengths.
    ///
    /// # Errors
    /// The file cannot be read, or is another one by now.
    pub fn open(path: &Path, published: Sha256Digest, raw: Sha256Digest) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        // nobody decodes what is carried over, so the whole file has to be what was verified
        let mut reader = HashingReader::new(&file);
        let mut buffer = vec![0; 1 << 20];
        while reader.read(&mut buffer)? > 0 {}
        if reader.finish().0 != published {
            return Err(io::Error::other("it is another file by now"));
        }
        let found = blocks_of(&file)?;
        Ok(found.map(|(check, blocks)| Self { file, published, raw: *raw.as_bytes(), check, blocks }))
    }

    pub(in crate::image::emit) fn check(&self) -> Check {
        self.check
    }

    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Whether the image has in this range what the base has.
    pub(super) fn covers(&self, image: &dyn BlockRead, range: &Range<u64>) -> bool {
        image.origin(range.clone()).is_ok_and(|origin| origin == Some(self.raw))
    }

    /// The number of the block of this range.
    fn find(&self, range: &Range<u64>) -> Option<&Block> {
        let at = self.blocks.binary_search_by_key(&range.start, |block| block.range.start).ok()?;
        self.blocks.get(at).filter(|block| block.range == *range)
    }

    /// The name of the block of this range, where there is one and the image did not change it.
    pub(in crate::image::emit) fn name(&self, range: &Range<u64>, origin: &Origin) -> Option<FrameKey> {
        self.find(range).filter(|_| *origin == self.raw)?;
        let name =
            Sha256::new_with_prefix(b"xz block carried over\0").chain_update(self.published.as_bytes());
        Some(name.chain_update(range.start.to_le_bytes()).finalize().into())
    }

    /// The bytes of the block of this range.
    ///
    /// # Errors
    /// The file cannot be read, or there is no such block.
    pub(in crate::image::emit) fn read(&self, range: &Range<u64>) -> io::Result<Vec<u8>> {
        let block = self.find(range).ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = vec![0; block.length];
        self.file.read_exact_at(&mut bytes, block.offset)?;
        Ok(bytes)
    }
}

/// Check and blocks of a file that is one stream without padding.
fn blocks_of(file: &File) -> io::Result<Option<(Check, Vec<Block>)>> {
    let length = file.metadata()?.len();
    let mut ends = [0; ENDS];
    let Some(footer_at) = length.checked_sub(ENDS as u64).filter(|at| *at >= ENDS as u64) else {
        return Ok(None);
    };
    file.read_exact_at(&mut ends, 0)?;
    let Some(check) = read_header(&ends) else { return Ok(None) };
    file.read_exact_at(&mut ends, footer_at)?;
    let index_len = read_footer(&ends, check);
    let index_at = index_len.and_then(|length| footer_at.checked_sub(length)).filter(|at| *at >= ENDS as u64);
    let Some(index_at) = index_at else { return Ok(None) };
    let mut index = vec![0; usize::try_from(footer_at - index_at).map_err(io::Error::other)?];
    file.read_exact_at(&mut index, index_at)?;
    let Some(records) = read_index(&index) else { return Ok(None) };
    let (mut blocks, mut offset, mut raw) = (Vec::new(), ENDS as u64, 0_u64);
    for (unpadded, raw_len) in records {
        let padded = unpadded.next_multiple_of(4);
        let Some(end) = offset.checked_add(padded).filter(|end| *end <= index_at) else { return Ok(None) };
        let Some(raw_end) = raw.checked_add(raw_len) else { return Ok(None) };
        let length = usize::try_from(padded).map_err(io::Error::other)?;
        let mut header = vec![0; length.min(LONGEST_HEADER)];
        file.read_exact_at(&mut header, offset)?;
        if unpadded_size(&header, check) == Some(unpadded) && padded.max(raw_len) <= LARGEST {
            blocks.push(Block { range: raw..raw_end, offset, length });
        }
        (offset, raw) = (end, raw_end);
    }
    Ok((offset == index_at).then_some((check, blocks)))
}
