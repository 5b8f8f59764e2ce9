use proptest::prelude::*;

use super::*;

#[test]
fn every_format_gives_the_same_sparse_read_only_image() {
    let image = image();
    let (half, rest) = image.split_at(image.len() / 2);
    let padded_streams = [xz(half), vec![0; 8], xz(rest), vec![0; 4]].concat();
    let cases = [
        ("raw.bin", image.clone()),
        ("multi-block.xz", xz(&image)),
        ("two-streams-with-padding.xz", padded_streams),
        ("one.zst", zstd(&image)),
        ("two-frames.zst", [zstd(half), zstd(rest)].concat()),
        ("one.gz", gzip(&image)),
        ("two-members.gz", [gzip(half), gzip(rest)].concat()),
        ("base.zip", zip(&[("README.txt", b"read me"), ("sub/base.IMG", &image)])),
        ("escaping.zip", zip(&[("../../escaped.img", &image)])),
        ("a-name-that-lies.xz", gzip(&image)),
    ];
    for (name, bytes) in cases {
        let home = Home::new();
        let source = home.file(name, &bytes);
        let base = home.fetch(&source, Pins::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(fs_err::read(base.path()).expect("readable") == image, "{name}");
        assert_eq!(base.raw_digest(), Sha256Digest::of(&image), "{name}");
        assert_eq!(base.published_digest(), Sha256Digest::of(&bytes), "{name}");
        assert_eq!((base.raw_len(), base.source()), (image.len() as u64, &source), "{name}");
        let metadata = fs_err::metadata(base.path()).expect("there");
        assert!(metadata.blocks() * 512 < metadata.len() / 2, "{name}: {} blocks", metadata.blocks());
        assert!(metadata.permissions().readonly(), "{name}");
        // the image and its mark; above them the buckets; above those the source: nothing escaped
        assert_eq!(
            [home.names("raw-v1").len(), home.names(".").len(), home.names("..").len()],
            [2, 5, 2],
            "{name}"
        );
    }
}

#[test]
fn what_is_no_image_says_what_it_is() {
    let image = image();
    let mut sector = vec![0; 512];
    sector[257..262].copy_from_slice(b"ustar");
    let cases = [
        ("empty", Vec::new(), "it is empty"),
        ("page", b" <!DOCTYPE html><title>Sign in</title>".to_vec(), "it is an HTML page"),
        ("short", vec![1; 100], "it is shorter than one sector"),
        ("zeroes", vec![0; 4096], "it has no partition table and no known compression"),
        ("bzip2", b"BZh91AY&SY".to_vec(), "it is bzip2 data, which is not supported"),
        ("tar", xz(&sector), "it is a tar archive"),
        ("empty inside", gzip(b""), "it is empty"),
        ("no member", zip(&[("a.txt", b"text")]), "the zip archive holds no `.img` file"),
        ("empty zip", zip(&[]), "it is an empty zip archive"),
        ("two", zip(&[("a.img", &image), ("b.img", &image)]), "the zip archive holds several images"),
    ];
    for (name, bytes, expected) in cases {
        let home = Home::new();
        let error = home.fetch(&home.file(name, &bytes), Pins::default()).expect_err(name);
        assert_eq!(error.class(), Class::Corrupt, "{name}: {error}");
        assert!(error.to_string().ends_with(expected), "{name}: {error}");
        home.assert_no_image(name);
    }
    let home = Home::new();
    let directory = Source::File(home.root.path().to_path_buf());
    assert!(matches!(home.fetch(&directory, Pins::default()), Err(Error::NotAnImage { .. })));
    let missing = Source::File(home.root.path().join("missing.img"));
    let error = home.fetch(&missing, Pins::default()).expect_err("no such file");
    assert_eq!(error.class(), Class::Host);
    assert!(error.to_string().contains("missing.img"), "{error}");
}

#[test]
fn truncated_data_is_told_from_damaged_data() {
    let home = Home::new();
    let image = image();
    let whole = [
        (Format::Xz, xz(&image)),
        (Format::Zstd, zstd(&image)),
        (Format::Gzip, gzip(&image)),
        (Format::Zip, zip(&[("base.img", &image)])),
    ];
    for (format, bytes) in whole {
        for length in [40, bytes.len() / 3, bytes.len() - 5] {
            let source = home.file("base", &bytes[..length]);
            match home.fetch(&source, Pins::default()) {
                Err(Error::Truncated { format: found, .. }) if found == format => {}
                // an archive whose directory alone is damaged still has its member, checked by CRC
                Ok(_) if format == Format::Zip && length == bytes.len() - 5 => {}
                other => panic!("{format}, {length} of {} bytes: {other:?}", bytes.len()),
            }
        }
        if format != Format::Zip {
            let source = home.file("base", &[&bytes[..], b"garbage behind the end"].concat());
            let error = home.fetch(&source, Pins::default()).expect_err("garbage");
            assert!(matches!(error, Error::Decode { .. }), "{format}: {error}");
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let home = Home::new();
    let mut bomb = vec![0; 17 << 20];
    bomb[510..512].copy_from_slice(&[0x55, 0xaa]);
    for bytes in [xz(&bomb), zstd(&bomb), gzip(&bomb), zip(&[("a.img", &bomb)])] {
        let error = home.fetch(&home.file("bomb", &bytes), Pins::default()).expect_err("too large");
        assert!(matches!(error, Error::TooLarge { limit: 0x100_0000, .. }), "{error}");
        home.assert_no_image("bomb");
    }
}

#[test]
fn a_dictionary_beyond_all_reason_is_refused() {
    let mut options = liblzma::stream::LzmaOptions::new_preset(0).expect("a preset");
    options.dict_size(256 << 20);
    let mut filters = liblzma::stream::Filters::new();
    filters.lzma2(&options);
    let check = liblzma::stream::Check::Crc32;
    let stream = liblzma::stream::Stream::new_stream_encoder(&filters, check).expect("an encoder");
    let mut greedy = Vec::new();
    let mut encoder = liblzma::read::XzEncoder::new_stream(&[0; 512][..], stream);
    encoder.read_to_end(&mut greedy).expect("memory");
    let home = Home::new();
    let error = home.fetch(&home.file("greedy.xz", &greedy), Pins::default()).expect_err("too much memory");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert_eq!(cause, "its dictionary needs more than 192 MiB of memory");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn garbage_is_an_error_and_nothing_stays(
        magic in prop::sample::select(vec![&b"\xfd7zXZ\0"[..], b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08\0", b"PK\x03\x04"]),
        garbage in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let home = Home::new();
        let source = home.file("garbage", &[magic, &garbage].concat());
        prop_assert!(home.fetch(&source, Pins::default()).is_err());
        prop_assert!(home.names("raw-v1").is_empty());
    }

    #[test]
    fn a_flipped_bit_never_passes_unnoticed(
        format in 0..4_usize,
        position in any::<prop::sample::Index>(),
        bit in 0..8,
    ) {
        let mut disk = vec![0; 8192];
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk[600..605].copy_from_slice(b"hello");
        let mut bytes = [xz(&disk), zstd(&disk), gzip(&disk), zip(&[("a.img", &disk)])][format].clone();
        let index = position.index(bytes.len());
        bytes[index] ^= 1_u8 << bit;
        let home = Home::new();
        if let Ok(base) = home.fetch(&home.file("flipped", &bytes), raw(Sha256Digest::of(&disk))) {
            prop_assert!(fs_err::read(base.path()).expect("readable") == disk);
        }
    }
}
