//! Which blocks of an image must be written to a card, and which may keep what the card holds.
//!
//! A card is not blank: it holds what was on it before. In a sparse image a hole stands for two very different
//! things, and a map of holes alone (`bmaptool create`, which asks the host's file system) takes both for the second:
//!
//! - zeroes that something will read: an inode table that no inode uses yet, the unused end of a FAT, a file's block of
//!   zeroes, the journal. Old bytes there would be taken for inodes, clusters, content; and a journal of the same
//!   deterministic image, flashed before, has valid transactions with the right UUID and the next sequence number.
//! - space that belongs to nothing, and that is written before it is ever read.
//!
//! So a block is left out only where the image has zeroes *and* the file system around it says that the block is free.
//! All else is mapped: the space between partitions, where old boot code or partition tables may lie, and the whole of
//! a partition whose file system is unknown, damaged, or has a journal to be replayed. That is right on any card, and
//! costs the inode tables and the journal: about 2 % of an image's size.
//!
//! The map depends on the bytes of the image alone, not on where the host's file system happens to know holes, so
//! that the `.bmap` file of an image is the same wherever it is built.

use std::io;
use std::ops::Range;

use pimg_disk::Slice;
use pimg_disk::block::BlockRead;
use pimg_disk::ext4::{self, Reader};
use pimg_disk::fat;
use pimg_disk::table::{self, PartitionTable};

/// Bytes of a block, the unit of the map: a page, which every card and every `O_DIRECT` write is content with.
pub const BLOCK: u64 = 4096;

/// Bytes of free space that are looked at in one piece.
const PIECE: u64 = 1 << 20;

/// The blocks of an image that must be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockMap {
    len: u64,
    mapped: Vec<Range<u64>>,
}

impl BlockMap {
    /// The map of `image`.
    ///
    /// # Errors
    /// The image cannot be read, or has no partition table.
    pub fn of(image: &dyn BlockRead) -> Result<Self, table::Error> {
        let table = PartitionTable::read(image)?;
        let mut free = Vec::new();
        for partition in &table.partitions {
            let Ok(slice) = Slice::new(image, "partition", partition.start, partition.length) else {
                continue; // the table was checked; what is outside of the image has no blocks
            };
            let inside = free_space(&slice).into_iter();
            free.extend(inside.map(|range| range.start + partition.start..range.end + partition.start));
        }
        free.sort_by_key(|range| range.start);
        let mut map = Self { len: image.len(), mapped: Vec::new() };
        let mut at = 0;
        for range in free {
            for empty in empty_blocks(image, range)? {
                map.push(at..empty.start);
                at = empty.end;
            }
        }
        map.push(at..image.len());
        Ok(map)
    }

    fn push(&mut self, range: Range<u64>) {
        match self.mapped.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => self.mapped.push(range),
        }
    }

    /// Length of the image in bytes.
    pub fn image_len(&self) -> u64 {
        self.len
    }

    /// The mapped bytes, in order and apart from each other. Every range begins and ends at a multiple of [`BLOCK`],
    /// but for the end of the image.
    pub fn mapped(&self) -> &[Range<u64>] {
        &self.mapped
    }

    /// How many bytes are mapped.
    pub fn mapped_len(&self) -> u64 {
        self.mapped.iter().map(|range| range.end - range.start).sum()
    }

    /// The mapped bytes in pieces that cross no multiple of `length`.
    pub fn pieces(&self, length: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        self.mapped.iter().flat_map(move |range| {
            let mut at = range.start;
            std::iter::from_fn(move || {
                let piece = at..range.end.min((at / length + 1) * length);
                at = piece.end;
                (!piece.is_empty()).then_some(piece)
            })
        })
    }
}

/// The free bytes of the file system in `partition`; none where they are not known for certain.
fn free_space(partition: &dyn BlockRead) -> Vec<Range<u64>> {
    if let Ok(free) = fat::free_space(partition) {
        return free;
    }
    Reader::open(partition).and_then(|reader| ext4::free_space(&reader)).unwrap_or_default()
}

/// The whole blocks in `range` that hold zeroes only; neighbours are one range.
fn empty_blocks(image: &dyn BlockRead, range: Range<u64>) -> io::Result<Vec<Range<u64>>> {
    let (start, end) = (range.start.next_multiple_of(BLOCK), range.end / BLOCK * BLOCK);
    let mut empty: Vec<Range<u64>> = Vec::new();
    let mut push = |range: Range<u64>| match empty.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => empty.push(range),
    };
    let mut at = start;
    while at < end {
        let data = image.next_data(at)?.unwrap_or(end..end);
        let data_start = (data.start / BLOCK * BLOCK).clamp(at, end);
        if data_start > at {
            push(at..data_start);
        }
        let data_end = data.end.next_multiple_of(BLOCK).min(end);
        at = data_start;
        while at < data_end {
            let piece_end = data_end.min(at + PIECE);
            let mut bytes = vec![0; usize::try_from(piece_end - at).map_err(io::Error::other)?];
            image.read_at(at, &mut bytes)?;
            for (start, block) in (at..).step_by(BLOCK as usize).zip(bytes.chunks(BLOCK as usize)) {
                if block.iter().all(|byte| *byte == 0) {
                    push(start..start + BLOCK);
                }
            }
            at = piece_end;
        }
    }
    Ok(empty)
}

#[cfg(test)]
mod tests {
    use pimg_disk::block::{BlockWrite, MemoryDevice};

    use super::{BLOCK, BlockMap};

    /// A master boot record with one partition of this type.
    fn disk(mib: usize, start_sector: u32, sectors: u32) -> MemoryDevice {
        let mut bytes = vec![0; mib << 20];
        let mut entry = [0; 16];
        entry[4] = 0x83;
        entry[8..12].copy_from_slice(&start_sector.to_le_bytes());
        entry[12..].copy_from_slice(&sectors.to_le_bytes());
        bytes[446..462].copy_from_slice(&entry);
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        MemoryDevice::new(bytes)
    }

    #[test]
    fn a_file_system_that_nobody_knows_is_written_as_a_whole() {
        let image = disk(8, 2048, 8192);
        let map = BlockMap::of(&image).expect("a table");
        assert_eq!(map.mapped(), std::slice::from_ref(&(0..8 << 20)));
        assert_eq!((map.image_len(), map.mapped_len()), (8 << 20, 8 << 20));
        assert!(BlockMap::of(&MemoryDevice::new(vec![0; 1 << 20])).is_err(), "no table");
    }

    #[test]
    fn pieces_cross_no_border_and_lose_nothing() {
        let map = BlockMap { len: 40_960, mapped: vec![4096..8192, 12_288..40_960] };
        let pieces: Vec<_> = map.pieces(16_384).collect();
        assert_eq!(pieces, [4096..8192, 12_288..16_384, 16_384..32_768, 32_768..40_960]);
    }

    #[test]
    fn only_whole_blocks_of_zeroes_are_empty() {
        let image = disk(1, 2048, 8);
        image.write_at(5 * BLOCK + 7, &[1]).expect("fits");
        let empty = super::empty_blocks(&image, BLOCK + 1..8 * BLOCK - 1).expect("readable");
        assert_eq!(empty, [2 * BLOCK..5 * BLOCK, 6 * BLOCK..7 * BLOCK]);
    }
}
