//! The checker against `e2fsck -fn`: what that one complains of must be found, and nothing else.

mod ext4_reading;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;

use ext4_reading::{FEATURE_SETS, Image, Noise, adorn, populate};
use pimg_disk::ext4::{Error, Reader, Summary, check, free_space};

fn verdict(image: &Image) -> Result<Summary, Error> {
    check(&Reader::open(image.device())?, &mut |_, _| {})
}

#[test]
fn clean_images_pass() {
    for (name, options) in FEATURE_SETS {
        let Some(image) = Image::make(options, 24, populate) else { return };
        adorn(&image);
        assert_eq!(image.complaint(), None, "{name}");
        let summary = verdict(&image).unwrap_or_else(|error| panic!("{name}: {error}"));
        let report = ext4_reading::must("dumpe2fs", &["-h", image.text()]);
        let field = |name: &str| {
            let line = report.lines().find(|line| line.starts_with(name)).expect("a line of dumpe2fs");
            line.rsplit(' ').next().expect("a value").parse::<u64>().expect("a number")
        };
        assert_eq!(summary.free_blocks, field("Free blocks:"), "{name}");
        assert_eq!(u64::from(summary.used_inodes), field("Inode count:") - field("Free inodes:"), "{name}");
        assert_eq!(summary.directories, 13, "{name}");
    }
}

#[test]
fn garbage_in_free_space_is_noticed_by_nobody() {
    for (name, options) in FEATURE_SETS {
        let Some(image) = Image::make(options, 24, populate) else { return };
        adorn(&image);
        let reader = Reader::open(image.device()).expect("a good image");
        let free = free_space(&reader).unwrap_or_else(|error| panic!("{name}: {error}"));
        let bytes: u64 = free.iter().map(|range| range.end - range.start).sum();
        let superblock = reader.superblock();
        assert_eq!(bytes, superblock.byte_of_block(superblock.s_free_blocks_count), "{name}");
        assert!(free.is_sorted_by(|a, b| a.end < b.start), "{name}: {free:?}");
        let content = |reader: &Reader<'_>| {
            let mut files = BTreeMap::new();
            let walked = reader.walk(|path, inode| {
                if inode.kind()? == pimg_disk::ext4::Kind::Regular {
                    files.insert(path.to_vec(), reader.read_all(inode.ino, 64 << 20)?);
                }
                Ok::<(), Error>(())
            });
            walked.map(|()| files).unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let before = content(&reader);
        let file = fs::OpenOptions::new().write(true).open(&image.path).expect("the image opens");
        for range in free {
            let garbage = vec![0xff; usize::try_from(range.end - range.start).expect("small")];
            file.write_all_at(&garbage, range.start).expect("garbage");
        }
        assert_eq!(image.complaint(), None, "{name}");
        assert!(content(&Reader::open(image.device()).expect("a good image")) == before, "{name}");
    }
}

#[test]
fn what_is_free_is_not_said_before_the_journal_was_replayed() {
    let Some(image) = Image::make(FEATURE_SETS[0].1, 24, populate) else { return };
    image.debugfs("feature needs_recovery");
    let found = free_space(&Reader::open(image.device()).expect("readable"));
    assert!(matches!(found, Err(Error::Unsupported(_))), "{found:?}");
}

#[test]
fn breakage_is_found_where_e2fsck_finds_it() {
    let table = [
        ("sif /etc/empty links_count 3", "counts 3 names, but has 1"),
        ("sif /etc/empty blocks 64", "counts 64 sectors, but has 8"),
        ("sif /usr/bin/sudo size 100", "ends before the last block"),
        ("sif /etc/empty mode 0", "mode 0o0 is no kind of file"),
        ("sif /etc/empty dtime 1700000000", "is in use but has a time of deletion"),
        ("sif /dev/null size 1", "is no regular file, but has a length"),
        ("sif /home/pi/fast size 20", "target of the symbolic link has another length"),
        ("sif /home/pi size 8192", "size 8192 is not that of the directory (blocks end at 1)"),
        ("sif /etc/empty file_acl 3000", "extended attributes in block 3000"),
        ("clri /etc/empty", "entry `empty` names inode"),
        ("unlink /etc/empty", "is in use but has no name"),
        ("ln /etc/empty /etc/second", "counts 1 names, but has 2"),
        ("ln /home/pi /etc/second", "entry `pi` is a second name of a directory"),
        ("sif <7> block[DIND] 0", "resize inode: has no double-indirect block"),
        ("freeb 2000", "block 2000 is free in the block bitmap, but is not"),
        ("setb 6000", "block 6000 is used in the block bitmap, but is not"),
        ("freei /etc/empty", "is free in the inode bitmap, but is not"),
        ("seti <5000>", "inode 5000 is used in the inode bitmap, but is not"),
        ("set_bg 0 free_blocks_count 7\nset_bg 0 checksum calc", "group 0: counts 7 free blocks"),
        ("set_bg 0 free_inodes_count 7\nset_bg 0 checksum calc", "group 0: counts 7 free inodes"),
        ("set_bg 0 used_dirs_count 7\nset_bg 0 checksum calc", "group 0: counts 7 directories"),
        ("ssv free_blocks_count 77", "77 free blocks, but the groups have"),
        ("ssv free_inodes_count 77", "77 free inodes, but the groups have"),
        ("ssv state 0", "it was not unmounted"),
        ("ssv state 3", "the kernel recorded errors"),
        ("ssv last_orphan 20", "deleted while in use"),
        ("feature needs_recovery", "the journal holds changes that were never written back"),
        ("ssv blocks_count 6100", "group 0: counts"),
    ];
    let (_, options) = FEATURE_SETS[0];
    let Some(image) = Image::make(options, 24, populate) else { return };
    adorn(&image);
    let good = image.bytes();
    let mut missed = Vec::new();
    for (requests, expected) in table {
        image.debugfs(requests);
        let said = verdict(&image).map_or_else(|error| error.to_string(), |summary| format!("{summary:?}"));
        if !said.contains(expected) {
            missed.push(format!("{requests}: {said}\n{:?}", image.complaint()));
        }
        // `e2fsck` puts totals and state right without a word; to us they say that somebody was not done
        let silent = ["ssv free_", "ssv state", "ssv last_orphan", "feature"];
        let silent = silent.iter().any(|request| requests.starts_with(request));
        assert!(silent || image.complaint().is_some(), "{requests} breaks nothing");
        fs::write(&image.path, &good).expect("the good image");
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Blocks that hold metadata, with a word for what they hold.
fn metadata_blocks(image: &Image) -> Vec<(u64, &'static str)> {
    let reader = Reader::open(image.device()).expect("a good image");
    let superblock = reader.superblock();
    let mut blocks = vec![(u64::from(superblock.s_first_data_block), "superblock")];
    blocks.push((u64::from(superblock.s_first_data_block) + 1, "descriptors"));
    for desc in reader.groups() {
        blocks.push((desc.bg_block_bitmap, "block bitmap"));
        blocks.push((desc.bg_inode_bitmap, "inode bitmap"));
    }
    let table = reader.groups()[0].bg_inode_table;
    blocks.extend((0..20).map(|block| (table + block, "inode table")));
    let mut walked = BTreeMap::new();
    reader
        .walk(|_, inode| {
            if inode.kind()? == pimg_disk::ext4::Kind::Directory {
                let file = reader.file(inode.ino)?;
                for extent in file.extents() {
                    walked.extend((extent.start..).zip((0..extent.length).map(|_| "directory")));
                }
            }
            if inode.i_file_acl != 0 {
                walked.insert(inode.i_file_acl, "attributes");
            }
            Ok::<(), Error>(())
        })
        .expect("a good image");
    blocks.extend(walked);
    blocks
}

/// What came of flipping bits: how many flips the check finds, how many neither it nor `e2fsck` does, and what
/// only `e2fsck` does.
#[derive(Default)]
struct Tally {
    found: usize,
    harmless: usize,
    missed: Vec<String>,
}

/// Flips one bit at a time, `count` times, in the metadata of `image`.
fn flip_bits(image: &Image, seed: u64, count: usize) -> Tally {
    let good = image.bytes();
    let block_size = Reader::open(image.device()).expect("a good image").superblock().block_len();
    let blocks = metadata_blocks(image);
    let file = fs::OpenOptions::new().write(true).open(&image.path).expect("the image opens");
    let mut noise = Noise::new(seed);
    let mut tally = Tally::default();
    for _ in 0..count {
        let (block, what) = blocks[usize::try_from(noise.below(blocks.len() as u64)).expect("an index")];
        let start = usize::try_from(block).expect("a small image") * block_size;
        // most of a block is padding: stay near something that is not zero
        let filled: Vec<usize> = (start..start + block_size).filter(|at| good[*at] != 0).collect();
        let near = filled.get(usize::try_from(noise.below(filled.len() as u64)).expect("an index"));
        let at = near.copied().unwrap_or(start) + usize::try_from(noise.below(3)).expect("small");
        let (at, bit) = (at.min(start + block_size - 1), noise.below(8));
        file.write_all_at(&[good[at] ^ 1 << bit], at as u64).expect("a broken byte");
        match verdict(image) {
            Err(_) => tally.found += 1,
            Ok(_) => match image.complaint() {
                Some(text) => tally.missed.push(format!("{what}, byte {at}, bit {bit}:\n{text}")),
                None => tally.harmless += 1,
            },
        }
        file.write_all_at(&good[at..=at], at as u64).expect("the good byte");
    }
    tally
}

#[test]
fn every_flipped_bit_of_checksummed_metadata_is_found() {
    for (name, options) in [FEATURE_SETS[0], FEATURE_SETS[1], FEATURE_SETS[4]] {
        let Some(image) = Image::make(options, 24, populate) else { return };
        adorn(&image);
        let tally = flip_bits(&image, 42, 250);
        let missed = tally.missed.join("\n");
        assert!(missed.is_empty(), "{name}: {} found, {} missed\n{missed}", tally.found, tally.missed.len());
        // harmless are only bits in what no file uses: tables of empty groups, a bitmap behind its checksum
        assert!(tally.found > 120, "{name}: {} found, {} harmless", tally.found, tally.harmless);
    }
}

#[test]
fn without_checksums_any_flipped_bit_ends_in_a_verdict() {
    for (name, options) in [FEATURE_SETS[2], FEATURE_SETS[3], FEATURE_SETS[6]] {
        let Some(image) = Image::make(options, 24, populate) else { return };
        adorn(&image);
        let tally = flip_bits(&image, 43, 150);
        // what is left to find are values that only `e2fsck` has an opinion on, such as flags of an inode
        let found = tally.found * 100 / (tally.found + tally.missed.len());
        eprintln!("{name}: {found} % {} {} {}", tally.found, tally.harmless, tally.missed.len());
        assert!(found >= 98, "{name}: {found} %\n{}", tally.missed.join("\n"));
    }
}
