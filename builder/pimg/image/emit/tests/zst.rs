//! `.img.zst`

use super::support::{content, host, judge, write};
use crate::image::format::ImageFormat;

#[test]
fn other_programs_read_the_image() {
    let image = host("node-a");
    let (bytes, _) = write(&image, ImageFormat::Zst, None, 2);
    assert!(zstd::decode_all(bytes.as_slice()).expect("zstd") == content(&image));
    if let Some(decoded) = judge("zstd", &["-dc"], &bytes) {
        assert!(decoded == content(&image));
    }
    // libarchive as rpi-imager uses it: any filter, and what is no archive is one file
    if let Some(decoded) = judge("bsdcat", &[], &bytes) {
        assert!(decoded == content(&image));
    }
}

/// A reader of the seekable format that knows nothing of how the table was made.
fn seek_table(file: &[u8]) -> Vec<(u32, u32)> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    let end = file.len();
    assert_eq!(word(end - 4), 0x8F92_EAB1);
    let descriptor = file[end - 5];
    assert_eq!(descriptor & 0b0111_1100, 0, "reserved bits");
    let entry = if descriptor & 0x80 == 0 { 8 } else { 12 };
    let frames = word(end - 9) as usize;
    let start = end - 9 - frames * entry;
    assert_eq!(word(start - 8), 0x184D_2A5E);
    assert_eq!(word(start - 4) as usize, end - start);
    (0..frames).map(|at| (word(start + at * entry), word(start + at * entry + 4))).collect()
}

#[test]
fn the_seek_table_finds_any_part() {
    let image = host("node-a");
    let (bytes, _) = write(&image, ImageFormat::Zst, None, 2);
    let raw = content(&image);
    let (mut at, mut raw_at) = (0, 0);
    for (compressed, length) in seek_table(&bytes) {
        let (compressed, length) = (compressed as usize, length as usize);
        let frame = zstd::bulk::decompress(&bytes[at..at + compressed], length).expect("a whole frame");
        assert!(frame == raw[raw_at..raw_at + length], "the frame at {at}");
        (at, raw_at) = (at + compressed, raw_at + length);
    }
    assert_eq!(raw_at, raw.len());
    assert_eq!(u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")), 0x184D_2A5E);
}
