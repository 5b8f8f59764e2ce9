//! Reading through an index of replaced blocks to the base below: what overlays and layers share.

use std::io;
use std::ops::Range;

use sha2::{Digest as _, Sha256};

use super::store::BLOCK_SIZE;
use crate::block::{BlockRead, Origin};

/// [`BLOCK_SIZE`] as an offset.
pub(super) const BLOCK: u64 = BLOCK_SIZE as u64;

/// Runs of blocks behind the first that one data range may grow by, so that one call stays cheap.
const MERGE_LIMIT: usize = 4096;

/// What stands in for a block of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaced {
    /// Only zeroes.
    Zero,
    /// The block kept at this place.
    Slot(u32),
}

impl Replaced {
    /// What stands in for the block `count` behind this one in the same run.
    pub(super) fn behind(self, count: u64) -> Self {
        match self {
            Self::Zero => Self::Zero,
            // a run never leaves the slots that there are
            Self::Slot(slot) => Self::Slot(slot.saturating_add(u32::try_from(count).unwrap_or(u32::MAX))),
        }
    }
}

/// Neighbouring blocks that are replaced alike: all by zeroes, or by slots one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Number of the first block.
    pub(super) start: u64,
    /// How many there are; at least one.
    pub(super) count: u64,
    /// What stands in for the first.
    pub(super) replaced: Replaced,
}

impl Run {
    /// The number behind the last block.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.count)
    }

    /// What is left of it from block `from` on, at most `most` blocks of that.
    pub(super) fn cut(self, from: u64, most: u64) -> Self {
        let skipped = from.saturating_sub(self.start);
        let count = self.count.saturating_sub(skipped).min(most);
        Self { start: self.start + skipped, count, replaced: self.replaced.behind(skipped) }
    }
}

/// Blocks that are read at once for a name.
const NAMED_AT_ONCE: u64 = 64;

/// Which blocks are replaced.
pub(super) trait Replacements {
    /// The first replaced blocks at or behind block `from`, at most `most` of them, which is not zero. Less than
    /// what belongs together may come at once.
    fn next(&self, from: u64, most: u64) -> Option<Run>;

    /// Reads what is kept in whole blocks from block `number` on, in slots from `slot` on.
    fn load(&self, number: u64, slot: u32, blocks: &mut [u8]) -> io::Result<()>;
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
    let mut from = range.start / BLOCK;
    let mut name: Option<Sha256> = None;
    let mut buffer = Vec::new();
    while let Some(run) = replacements.next(from, NAMED_AT_ONCE).filter(|run| run.start < end) {
        let run = run.cut(run.start, end - run.start);
        from = run.end();
        let name = name.get_or_insert_with(|| Sha256::new_with_prefix(below));
        let Replaced::Slot(slot) = run.replaced else {
            (run.start..from).for_each(|number| name.update((number << 1 | 1).to_le_bytes()));
            continue;
        };
        buffer.resize(usize::try_from(run.count * BLOCK).map_err(io::Error::other)?, 0);
        replacements.load(run.start, slot, &mut buffer)?;
        // block by block, as one content may come in other runs
        for (number, block) in (run.start..from).zip(buffer.chunks_exact(BLOCK_SIZE)) {
            name.update((number << 1).to_le_bytes());
            name.update(block);
        }
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
    while !buf.is_empty() {
        let wanted = (offset % BLOCK + buf.len() as u64).div_ceil(BLOCK);
        let next = replacements.next(offset / BLOCK, wanted);
        let starts = next.map_or(u64::MAX, |run| run.start.saturating_mul(BLOCK));
        let (length, run) = match next {
            Some(run) if starts <= offset => (run.end().saturating_mul(BLOCK) - offset, Some(run)),
            _ => (starts - offset, None),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(buf.len());
        let (piece, rest) = buf.split_at_mut(length);
        match run {
            None => read_base(base, offset, piece)?,
            Some(Run { replaced: Replaced::Zero, .. }) => piece.fill(0),
            Some(Run { start, replaced: Replaced::Slot(slot), .. }) => {
                read_run(replacements, start, slot, offset % BLOCK, piece)?;
            }
        }
        offset += length as u64;
        buf = rest;
    }
    Ok(())
}

/// Fills `piece` from byte `within` of block `number` on. Whole blocks go where they are wanted without a detour.
fn read_run(
    replacements: &impl Replacements,
    mut number: u64,
    mut slot: u32,
    within: u64,
    mut piece: &mut [u8],
) -> io::Result<()> {
    let mut within = usize::try_from(within).map_err(io::Error::other)?;
    while !piece.is_empty() {
        let whole = if within == 0 { piece.len() / BLOCK_SIZE } else { 0 };
        let (part, rest) = if whole > 0 {
            let (blocks, rest) = piece.split_at_mut(whole * BLOCK_SIZE);
            replacements.load(number, slot, blocks)?;
            (whole, rest)
        } else {
            let mut block = [0; BLOCK_SIZE];
            replacements.load(number, slot, &mut block)?;
            let (part, rest) = piece.split_at_mut(piece.len().min(BLOCK_SIZE - within));
            part.iter_mut().zip(block.iter().skip(within)).for_each(|(to, from)| *to = *from);
            (1, rest)
        };
        number += part as u64;
        slot = slot.saturating_add(u32::try_from(part).unwrap_or(u32::MAX));
        within = 0;
        piece = rest;
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
        let next = replacements.next(at / BLOCK, u64::MAX);
        let starts = next.map_or(len, |run| run.start.saturating_mul(BLOCK)).max(at);
        let piece = match (below, next) {
            // the base shows through up to the next replaced block
            (Some(below), _) if below.start < starts => below.start..below.end.min(starts),
            (_, Some(run)) => {
                let ends = run.end().saturating_mul(BLOCK);
                if run.replaced == Replaced::Zero {
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
