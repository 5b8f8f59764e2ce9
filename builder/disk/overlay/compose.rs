//! Reading through an index of replaced blocks to the base below: what overlays and layers share.

use std::io;
use std::ops::Range;

use sha2::{Digest as _, Sha256};

use super::store::{BLOCK_SIZE, Block};
use crate::block::{BlockRead, Origin};

/// [`BLOCK_SIZE`] as an offset.
pub(super) const BLOCK: u64 = BLOCK_SIZE as u64;

/// Blocks behind the first that one data range may grow by, so that one call stays cheap.
const MERGE_LIMIT: usize = 4096;

/// What stands in for a block of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaced {
    /// Only zeroes.
    Zero,
    /// The block kept at this place.
    Slot(u32),
}

/// Which blocks are replaced.
pub(super) trait Replacements {
    /// The first replaced block at or behind block `from`.
    fn next(&self, from: u64) -> Option<(u64, Replaced)>;

    /// Reads what is kept for block `number` at `slot`.
    fn load(&self, number: u64, slot: u32, block: &mut Block) -> io::Result<()>;
}

/// The name of a range of which some blocks may be replaced: that of the base where none is, else one made of the
/// base's name and of the replaced blocks, so that it costs what was changed and not what is there.
pub(super) fn origin(
    base: &dyn BlockRead,
    replacements: &impl Replacements,
    range: Range<u64>,
) -> io::Result<Option<Origin>> {
    let Some(below) = base.origin(range.clone())? else { return Ok(None) };
    let end = range.end.div_ceil(BLOCK);
    let mut number = range.start / BLOCK;
    let mut name: Option<Sha256> = None;
    let mut block = [0; BLOCK_SIZE];
    while let Some((found, replaced)) = replacements.next(number).filter(|(found, _)| *found < end) {
        let name = name.get_or_insert_with(|| Sha256::new_with_prefix(below));
        name.update(found.to_le_bytes());
        match replaced {
            Replaced::Zero => name.update([0]),
            Replaced::Slot(slot) => {
                replacements.load(found, slot, &mut block)?;
                name.update([1]);
                name.update(block);
            }
        }
        number = found + 1;
    }
    Ok(Some(name.map_or(below, |name| name.finalize().into())))
}

/// Reads from a base that may be shorter than what is laid over it: zeroes follow.
pub(super) fn read_base(base: &dyn BlockRead, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    let inside = usize::try_from(base.len().saturating_sub(offset)).unwrap_or(usize::MAX).min(buf.len());
    let (head, tail) = buf.split_at_mut(inside);
    tail.fill(0);
    if head.is_empty() { Ok(()) } else { base.read_at(offset, head) }
}

/// Fills `buf` from `offset` on. The caller has checked that the range is inside the device.
pub(super) fn read_through(
    base: &dyn BlockRead,
    replacements: &impl Replacements,
    mut offset: u64,
    mut buf: &mut [u8],
) -> io::Result<()> {
    let mut block = [0; BLOCK_SIZE];
    while !buf.is_empty() {
        let next = replacements.next(offset / BLOCK);
        let starts = next.map_or(u64::MAX, |(number, _)| number.saturating_mul(BLOCK));
        let (length, replaced) = match next {
            Some((number, replaced)) if starts <= offset => {
                (starts.saturating_add(BLOCK) - offset, Some((number, replaced)))
            }
            _ => (starts - offset, None),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(buf.len());
        let (piece, rest) = buf.split_at_mut(length);
        match replaced {
            None => read_base(base, offset, piece)?,
            Some((_, Replaced::Zero)) => piece.fill(0),
            Some((number, Replaced::Slot(slot))) => {
                replacements.load(number, slot, &mut block)?;
                let within = usize::try_from(offset % BLOCK).map_err(io::Error::other)?;
                let source = block.iter().skip(within);
                piece.iter_mut().zip(source).for_each(|(to, from)| *to = *from);
            }
        }
        offset += length as u64;
        buf = rest;
    }
    Ok(())
}

/// The data ranges of the base, remembered so that each is asked for once.
struct BaseData<'a> {
    base: &'a dyn BlockRead,
    known: Option<Range<u64>>,
    ended: bool,
}

impl BaseData<'_> {
    /// The first data range that ends behind `offset`, cut at `offset`.
    fn from(&mut self, offset: u64) -> io::Result<Option<Range<u64>>> {
        if self.known.as_ref().is_none_or(|known| known.end <= offset) && !self.ended {
            let len = self.base.len();
            let found = if offset < len { self.base.next_data(offset)? } else { None };
            self.known = found.map(|range| range.start..range.end.min(len)).filter(|range| !range.is_empty());
            self.ended = self.known.is_none();
        }
        let known = self.known.clone().filter(|known| known.end > offset);
        Ok(known.map(|known| known.start.max(offset)..known.end))
    }
}

/// [`BlockRead::next_data`] of a device of `len` bytes.
pub(super) fn next_data(
    base: &dyn BlockRead,
    replacements: &impl Replacements,
    len: u64,
    offset: u64,
) -> io::Result<Option<Range<u64>>> {
    let mut base = BaseData { base, known: None, ended: false };
    let mut at = offset;
    let mut found: Option<Range<u64>> = None;
    let mut steps = 0;
    while at < len && steps < MERGE_LIMIT {
        let below = base.from(at)?;
        let next = replacements.next(at / BLOCK);
        let starts = next.map_or(len, |(number, _)| number.saturating_mul(BLOCK)).max(at);
        let piece = match (below, next) {
            // the base shows through up to the next replaced block
            (Some(below), _) if below.start < starts => below.start..below.end.min(starts),
            (_, Some((number, replaced))) => {
                let ends = number.saturating_add(1).saturating_mul(BLOCK);
                if replaced == Replaced::Zero {
                    if found.is_some() {
                        break;
                    }
                    at = ends;
                    continue;
                }
                starts..ends
            }
            _ => break,
        };
        found = match found {
            None => Some(piece),
            Some(range) if range.end == piece.start => Some(range.start..piece.end),
            separate => return Ok(separate.map(|range| range.start..range.end.min(len))),
        };
        at = found.as_ref().map_or(at, |range| range.end);
        steps += 1;
    }
    Ok(found.map(|range| range.start..range.end.min(len)))
}
