//! The `.bmap` file beside an image: what `bmaptool copy` writes to a card, and how it knows that it read it right.
//!
//! Format: bmap 2.0 as of bmap-tools 3.6, `BmapCreate.py` and `BmapCopy.py`. `bmaptool` finds the file by the name of
//! the image, from whose end it drops one extension after the other: `x.img.bmap` is found for `x.img`, `x.img.zst` and
//! `x.img.xz`, and the map is the same for all three.

use std::fmt::Write;
use std::io;
use std::ops::Range;

use pimg_fetch::digest::Sha256Digest;

use super::block_map::{BLOCK, BlockMap};

/// Bytes of the image that one digest covers at most, and whose multiples no range crosses: damage is found before much
/// was written, and a part of the image that did not change has the digest that it had.
pub const RANGE: u64 = 4 << 20;

/// Stands for the file's own digest while that is made.
const ZEROES: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The text of the `.bmap` file. `digest` gives the digest of a range of the image, of at most [`RANGE`] bytes.
///
/// # Errors
/// Whatever `digest` reports.
pub fn render(
    map: &BlockMap,
    mut digest: impl FnMut(Range<u64>) -> io::Result<Sha256Digest>,
) -> io::Result<String> {
    let mut ranges = String::new();
    for range in map.pieces(RANGE) {
        let (first, last) = (range.start / BLOCK, (range.end - 1) / BLOCK);
        let blocks = if first == last { first.to_string() } else { format!("{first}-{last}") };
        let sum = digest(range)?;
        let _ = writeln!(ranges, "        <Range chksum=\"{sum}\"> {blocks} </Range>");
    }
    let text = format!(
        "<?xml version=\"1.0\" ?>\n\
         <!-- The blocks of the image that must be written. All others hold zeroes and belong to nothing: a card may\n     \
         keep there what it has. -->\n\
         <bmap version=\"2.0\">\n    \
         <ImageSize> {} </ImageSize>\n    \
         <BlockSize> {BLOCK} </BlockSize>\n    \
         <BlocksCount> {} </BlocksCount>\n    \
         <MappedBlocksCount> {} </MappedBlocksCount>\n    \
         <ChecksumType> sha256 </ChecksumType>\n    \
         <!-- The digest of this file, made while it stood here as 64 zeroes. -->\n    \
         <BmapFileChecksum> {ZEROES} </BmapFileChecksum>\n    \
         <BlockMap>\n{ranges}    </BlockMap>\n\
         </bmap>\n",
        map.image_len(),
        map.image_len().div_ceil(BLOCK),
        map.mapped().iter().map(|range| (range.end - range.start).div_ceil(BLOCK)).sum::<u64>(),
    );
    let own = Sha256Digest::of(text.as_bytes()).to_string();
    Ok(text.replacen(ZEROES, &own, 1))
}

#[cfg(test)]
mod tests {
    use pimg_disk::block::{BlockWrite, MemoryDevice};

    use super::{BlockMap, ZEROES, render};
    use crate::image::range_digests::RangeDigests;

    #[test]
    fn the_shape_of_a_map() {
        let image = MemoryDevice::new(vec![0; (5 << 20) + 512]);
        image.write_at(510, &[0x55, 0xaa]).expect("fits");
        let map = BlockMap::of(&image).expect("an empty table");
        let text = render(&map, |range| RangeDigests::open(&image, None).of(range)).expect("memory");
        assert!(text.contains("<ImageSize> 5243392 </ImageSize>"), "{text}");
        assert!(text.contains("<BlocksCount> 1281 </BlocksCount>"), "{text}");
        assert!(text.contains("<MappedBlocksCount> 1281 </MappedBlocksCount>"), "{text}");
        assert!(text.contains("\"> 0-1023 </Range>") && text.contains("\"> 1024-1280 </Range>"), "{text}");
        assert!(!text.contains(ZEROES), "{text}");
    }
}
