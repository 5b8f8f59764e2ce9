//! `.img.xz`

use std::fs;
use std::io::Write as _;
use std::sync::Arc;

use liblzma::stream::{Check, MtStreamBuilder};
use pimg_disk::Named;
use pimg_disk::block::{BlockRead as _, BlockWrite as _, MemoryDevice};
use pimg_fetch::digest::Sha256Digest;

use super::support::{base, content, host, host_over, judge, write, write_over};
use crate::image::emit::Carried;
use crate::image::format::ImageFormat;

/// Bytes in which no compressor finds anything.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// The rows of `xz --list --robot -vv` that begin with `kind`, cut at tabs.
fn listed(bytes: &[u8], kind: &str) -> Option<Vec<Vec<String>>> {
    let mut file = tempfile::Builder::new().suffix(".xz").tempfile().expect("a file");
    file.write_all(bytes).expect("a file");
    let path = file.path().to_str().expect("text");
    let list = judge("xz", &["--list", "--robot", "-vv", path], &[])?;
    let rows = String::from_utf8(list).expect("text");
    let rows = rows.lines().map(|row| row.split('\t').map(str::to_owned).collect::<Vec<_>>());
    Some(rows.filter(|row| row[0] == kind).collect())
}

#[test]
fn other_programs_read_the_image() {
    let image = host("node-a");
    image.write_at(38 << 20, &noise(3_000_000)).expect("fits");
    let (bytes, _) = write(&image, ImageFormat::Xz, None, 2);
    assert!(liblzma::decode_all(bytes.as_slice()).expect("xz") == content(&image));
    for (program, arguments) in [("xz", &["-dc", "-T2"][..]), ("bsdcat", &[])] {
        if let Some(decoded) = judge(program, arguments, &bytes) {
            assert!(decoded == content(&image), "{program}");
        }
    }
    if let Some(blocks) = listed(&bytes, "block") {
        let raw: u64 = blocks.iter().map(|row| row[7].parse::<u64>().expect("a number")).sum();
        assert_eq!(raw, image.len());
        // a reader with several threads needs both lengths in the headers
        assert!(blocks.iter().all(|row| row[12] == "cu"), "{:?}", blocks[0]);
    }
}

#[test]
fn what_is_compressed_already_is_stored() {
    let bytes = noise(8 << 20);
    let (written, _) = write(&MemoryDevice::new(bytes.clone()), ImageFormat::Xz, None, 2);
    // three bytes in 64 KiB, and what stands around the blocks
    assert!(written.len() < bytes.len() + bytes.len() / 10_000, "{} bytes", written.len());
}

fn published(check: Check) -> Vec<u8> {
    let encoder = MtStreamBuilder::new().threads(1).block_size(3 << 20).preset(0).check(check).encoder();
    let mut writer = liblzma::write::XzEncoder::new_stream(Vec::new(), encoder.expect("an encoder"));
    writer.write_all(&content(base().as_ref())).expect("memory");
    writer.finish().expect("memory")
}

#[test]
fn blocks_of_the_base_that_nothing_touched_are_carried_over() {
    let raw = Sha256Digest::of(&content(base().as_ref()));
    for check in [Check::None, Check::Crc32, Check::Crc64, Check::Sha256] {
        let published = published(check);
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), &published).expect("a file");
        let carried = Carried::open(file.path(), Sha256Digest::of(&published), raw).expect("readable");
        let carried = carried.expect("its blocks say their lengths");
        let image = host("node-a");
        let (bytes, emitted) = write_over(&image, Some(&carried), None);
        assert!(liblzma::decode_all(bytes.as_slice()).expect("xz") == content(&image), "{check:?}");
        // 13 blocks of 3 MiB: three were touched, the last is shorter, some are holes
        assert!(emitted.frames.cached >= 4, "{emitted:?}");
        let old: Vec<u8> = published[published.len() / 3..published.len() / 3 + 10_000].to_vec();
        assert!(bytes.windows(old.len()).any(|window| window == old), "{check:?}");
        if let Some(decoded) = judge("xz", &["-dc"], &bytes) {
            assert!(decoded == content(&image), "{check:?}");
        }
    }
}

#[test]
fn a_base_that_is_another_file_by_now_is_refused() {
    let raw = Sha256Digest::of(&content(base().as_ref()));
    let published = published(Check::Crc64);
    let digest = Sha256Digest::of(&published);
    let file = tempfile::NamedTempFile::new().expect("a file");
    for at in [0, 7, 30, published.len() / 2, published.len() - 20, published.len() - 5] {
        let mut changed = published.clone();
        changed[at] ^= 4;
        fs::write(file.path(), changed).expect("a file");
        assert!(Carried::open(file.path(), digest, raw).is_err(), "byte {at}");
    }
    for length in [0, 5, 12, 24, published.len() - 1] {
        fs::write(file.path(), &published[..length]).expect("a file");
        assert!(Carried::open(file.path(), digest, raw).is_err(), "{length} bytes");
    }
}

#[test]
fn a_base_that_is_no_single_stream_of_blocks_has_nothing_to_carry_over() {
    let raw = Sha256Digest::of(&content(base().as_ref()));
    let published = published(Check::Crc64);
    let file = tempfile::NamedTempFile::new().expect("a file");
    let doubled = [&published[..], &published].concat();
    for other in [&b""[..], b"text", &published[..100], &doubled[..]] {
        fs::write(file.path(), other).expect("a file");
        let carried = Carried::open(file.path(), Sha256Digest::of(other), raw).expect("readable");
        assert!(carried.is_none(), "{} bytes", other.len());
    }
}

#[test]
fn what_a_file_system_calls_a_hole_decides_nothing() {
    let bytes = content(base().as_ref());
    let raw = Sha256Digest::of(&bytes);
    let without_holes = Arc::new(Named::new(MemoryDevice::new(bytes), *raw.as_bytes()));
    assert_eq!(without_holes.next_data(0).expect("memory"), Some(0..without_holes.len()));
    let published = published(Check::Crc64);
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), &published).expect("a file");
    let carried = Carried::open(file.path(), Sha256Digest::of(&published), raw).expect("readable");
    for carried in [None, carried.as_ref()] {
        let (one, _) = write_over(&host("node-a"), carried, None);
        let (other, _) = write_over(&host_over(without_holes.clone(), "node-a"), carried, None);
        assert!(one == other, "carried over: {}", carried.is_some());
    }
}
