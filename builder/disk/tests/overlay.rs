//! Overlays and layers against plain memory.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use pimg_disk::Named;
use pimg_disk::block::{BlockRead, BlockWrite, MemoryDevice};
use pimg_disk::overlay::{BLOCK_SIZE, Digest, Error, Layer, MemoryStore, Overlay};
use proptest::prelude::*;

const PARENT: Digest = [7; 32];

/// A device that knows its holes, in pieces of 1000 bytes so that they never fit blocks.
struct Sparse(MemoryDevice);

impl BlockRead for Sparse {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buf)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let bytes = self.0.to_vec();
        let offset = usize::try_from(offset).expect("64 bit");
        let found = (offset..bytes.len()).find(|at| bytes[*at] != 0);
        Ok(found.map(|start| start as u64..((start / 1000 + 1) * 1000).min(bytes.len()) as u64))
    }
}

fn overlay(base: &[u8], len: u64) -> Overlay {
    let base = Arc::new(Sparse(MemoryDevice::new(base.to_vec())));
    Overlay::new(base, len, MemoryStore::new()).expect("not shorter than its base")
}

fn content(device: &dyn BlockRead) -> Vec<u8> {
    let mut bytes = vec![0xaa; usize::try_from(device.len()).expect("64 bit")];
    device.read_at(0, &mut bytes).expect("inside the device");
    bytes
}

fn layer_of(overlay: &Overlay) -> Vec<u8> {
    let mut bytes = Vec::new();
    overlay.write_layer(PARENT, &mut bytes).expect("memory does not fail");
    bytes
}

fn open(layer: Vec<u8>, base: &[u8]) -> Result<Layer, Error> {
    let base = Arc::new(Sparse(MemoryDevice::new(base.to_vec())));
    Layer::open(Arc::new(MemoryDevice::new(layer)), base, PARENT)
}

/// What `next_data` leaves out must be zeroes, and it must come to an end.
fn holes_are_zero(device: &dyn BlockRead) {
    let bytes = content(device);
    let mut at = 0;
    while let Some(range) = device.next_data(at).expect("memory does not fail") {
        assert!(
            range.start >= at && range.start < range.end && range.end <= device.len(),
            "{range:?} from {at}"
        );
        let hole = usize::try_from(at).expect("64 bit")..usize::try_from(range.start).expect("64 bit");
        assert!(bytes[hole].iter().all(|byte| *byte == 0), "data before {range:?}");
        at = range.end;
    }
    assert!(bytes[usize::try_from(at).expect("64 bit")..].iter().all(|byte| *byte == 0), "data behind {at}");
}

#[derive(Debug, Clone)]
struct Write {
    offset: usize,
    length: usize,
    byte: u8,
}

const BASE: usize = 10 * BLOCK_SIZE + 100;
const LEN: usize = 16 * BLOCK_SIZE + 7;

fn write() -> impl Strategy<Value = Write> {
    let length = prop_oneof![1..200_usize, Just(BLOCK_SIZE), Just(2 * BLOCK_SIZE), 1..5 * BLOCK_SIZE];
    let offset = prop_oneof![0..LEN, (0..LEN / BLOCK_SIZE).prop_map(|block| block * BLOCK_SIZE)];
    (offset, length, prop_oneof![Just(0), Just(1), any::<u8>()]).prop_map(|(offset, length, byte)| Write {
        offset,
        length: length.min(LEN - offset),
        byte,
    })
}

/// A base with data, holes, and blocks of one value that a write can restore.
fn base() -> Vec<u8> {
    let mut base = vec![0; BASE];
    base[100..300].fill(9);
    base[BLOCK_SIZE..3 * BLOCK_SIZE].fill(1);
    base[5 * BLOCK_SIZE + 17..6 * BLOCK_SIZE + 40].fill(3);
    base[10 * BLOCK_SIZE..].fill(4);
    base
}

fn run(overlay: &Overlay, plain: &mut [u8], writes: &[Write]) {
    for write in writes {
        let bytes = vec![write.byte; write.length];
        overlay.write_at(write.offset as u64, &bytes).expect("inside the device");
        plain[write.offset..][..write.length].copy_from_slice(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn is_a_device_like_any_other(
        first in prop::collection::vec(write(), 0..20),
        second in prop::collection::vec(write(), 0..20),
        window in (0..LEN, 0..LEN),
    ) {
        let base = base();
        let mut plain = base.clone();
        plain.resize(LEN, 0);
        let below = overlay(&base, LEN as u64);
        run(&below, &mut plain, &first);
        prop_assert!(content(&below) == plain);
        holes_are_zero(&below);
        let start = window.0.min(window.1);
        let mut part = vec![0; window.0.max(window.1) - start];
        below.read_at(start as u64, &mut part).expect("inside the device");
        prop_assert!(part == plain[start..start + part.len()]);

        // exactly what differs from the base is dirty
        let mut padded = base.clone();
        padded.resize(LEN, 0);
        let differing: Vec<u64> = (0..)
            .zip(plain.chunks(BLOCK_SIZE).zip(padded.chunks(BLOCK_SIZE)))
            .filter_map(|(number, (new, old))| (new != old).then_some(number))
            .collect();
        prop_assert_eq!(&below.dirty_blocks().collect::<Vec<_>>(), &differing);

        let windows = (0..LEN / 100).map(|at| at as u64 * 100..at as u64 * 100 + 100);
        let dirty = |range: &Range<u64>| range.clone().any(|at| differing.contains(&(at / BLOCK_SIZE as u64)));
        prop_assert!(windows.clone().all(|range| below.is_dirty(range.clone()) == dirty(&range)));
        prop_assert!(!below.is_dirty(5..5));

        // and as a layer it is the base of the next overlay
        let layer = open(layer_of(&below), &base).expect("a sound layer");
        layer.verify().expect("a sound layer");
        prop_assert!(content(&layer) == plain);
        prop_assert_eq!(&layer.dirty_blocks().collect::<Vec<_>>(), &differing);
        layer.read_at(start as u64, &mut part).expect("inside the device");
        prop_assert!(part == plain[start..start + part.len()]);
        holes_are_zero(&layer);
        let above = Overlay::new(Arc::new(layer), LEN as u64 + 5000, MemoryStore::new()).expect("longer");
        plain.resize(LEN + 5000, 0);
        run(&above, &mut plain, &second);
        prop_assert!(content(&above) == plain);
        holes_are_zero(&above);
    }

    #[test]
    fn the_order_of_writes_leaves_no_trace(
        writes in prop::collection::vec(write(), 1..12),
        detour in prop::collection::vec(write(), 0..12),
    ) {
        let base = base();
        let mut plain = base.clone();
        plain.resize(LEN, 0);
        let straight = overlay(&base, LEN as u64);
        run(&straight, &mut plain, &writes);
        let winding = overlay(&base, LEN as u64);
        run(&winding, &mut vec![0; LEN], &detour);
        // the same content, written from the end on in pieces that fit no block
        for (number, piece) in plain.chunks(777).enumerate().rev() {
            winding.write_at(number as u64 * 777, piece).expect("inside the device");
        }
        prop_assert!(layer_of(&straight) == layer_of(&winding));
    }
}

#[test]
fn keeps_no_more_than_needed() {
    struct Counted(Arc<MemoryStore>);
    impl pimg_disk::overlay::BlockStore for Counted {
        fn append(&self, blocks: &[pimg_disk::overlay::Block]) -> io::Result<u32> {
            self.0.append(blocks)
        }
        fn read_slots(&self, first: u32, blocks: &mut [pimg_disk::overlay::Block]) -> io::Result<()> {
            self.0.read_slots(first, blocks)
        }
        fn write_slot(&self, slot: u32, block: &pimg_disk::overlay::Block) -> io::Result<()> {
            self.0.write_slot(slot, block)
        }
    }
    let store = Arc::new(MemoryStore::new());
    let base = Arc::new(MemoryDevice::new(vec![5; 8 * BLOCK_SIZE]));
    let overlay = Overlay::new(base, 8 * BLOCK_SIZE as u64, Counted(store.clone())).expect("as long");
    overlay.write_at(0, &[5; 8 * BLOCK_SIZE]).expect("inside");
    assert_eq!((overlay.dirty_count(), store.slots()), (0, 0), "equal content was kept");
    overlay.write_at(0, &[0; 8 * BLOCK_SIZE]).expect("inside");
    assert_eq!((overlay.dirty_count(), store.slots()), (8, 0), "zeroes were kept");
    assert_eq!(overlay.next_data(0).expect("memory"), None);
    overlay.write_at(0, &[6; BLOCK_SIZE]).expect("inside");
    overlay.write_at(0, &[5; BLOCK_SIZE]).expect("inside");
    overlay.write_at(3 * BLOCK_SIZE as u64, &[7; BLOCK_SIZE]).expect("inside");
    assert_eq!((overlay.dirty_count(), store.slots()), (7, 1), "a slot that was given up is used again");
}

#[test]
fn a_zeroed_block_is_a_hole() {
    let base = Arc::new(MemoryDevice::new(vec![5; 8 * BLOCK_SIZE]));
    let overlay = Overlay::new(base, 9 * BLOCK_SIZE as u64, MemoryStore::new()).expect("longer");
    let block = BLOCK_SIZE as u64;
    overlay.write_at(2 * block, &[6; BLOCK_SIZE]).expect("inside");
    overlay.write_at(4 * block, &[0; BLOCK_SIZE]).expect("inside");
    assert_eq!(overlay.next_data(7).expect("memory"), Some(7..4 * block));
    assert_eq!(overlay.next_data(4 * block).expect("memory"), Some(5 * block..8 * block));
    assert_eq!(overlay.next_data(8 * block).expect("memory"), None);
}

#[test]
fn refuses_what_is_not_there() {
    let overlay = overlay(&base(), LEN as u64);
    let end = LEN as u64;
    assert_eq!(overlay.write_at(end - 1, &[1; 2]).expect_err("behind").kind(), io::ErrorKind::InvalidInput);
    assert_eq!(overlay.read_at(end, &mut [1]).expect_err("behind").kind(), io::ErrorKind::UnexpectedEof);
    assert!(overlay.write_at(u64::MAX, &[1; 2]).is_err());
    assert_eq!(overlay.dirty_count(), 0);
    let base = Arc::new(MemoryDevice::new(vec![0; 10]));
    assert!(Overlay::new(base, 9, MemoryStore::new()).is_err());
}

/// A layer of a stored block, a zeroed one and the last, partial one.
fn small_layer() -> Vec<u8> {
    let overlay = overlay(&base(), LEN as u64);
    overlay.write_at(5, &[8; 10]).expect("inside");
    overlay.write_at(BLOCK_SIZE as u64, &[0; BLOCK_SIZE]).expect("inside");
    overlay.write_at(LEN as u64 - 3, &[8; 3]).expect("inside");
    layer_of(&overlay)
}

#[test]
fn a_cut_off_layer_is_refused() {
    let layer = small_layer();
    assert_eq!(layer.len(), 3 * BLOCK_SIZE + 3 * 12 + 12);
    for length in (0..layer.len()).rev().step_by(3) {
        let refused = open(layer[..length].to_vec(), &base());
        assert!(matches!(refused, Err(Error::Corrupt(_))), "{length} bytes: {refused:?}");
    }
    // a block is missing, but header and index are as they were
    let shorter = [&layer[..BLOCK_SIZE], &layer[2 * BLOCK_SIZE..]].concat();
    let error = open(shorter, &base()).expect_err("a block is missing").to_string();
    assert_eq!(error, "corrupt layer: expected 12336 bytes, got 8240");
    let longer = [layer.as_slice(), &[0]].concat();
    assert!(matches!(open(longer, &base()), Err(Error::Corrupt(_))));
}

#[test]
fn a_changed_layer_is_refused() {
    let layer = small_layer();
    let base = base();
    for at in 0..layer.len() {
        let mut changed = layer.clone();
        changed[at] ^= 1 << (at % 8);
        match open(changed, &base) {
            Err(Error::Unsupported(_)) => assert!((8..16).contains(&at), "byte {at}"),
            Err(Error::Corrupt(_)) => assert!(!(8..16).contains(&at), "byte {at}"),
            Err(error) => panic!("byte {at}: {error}"),
            Ok(opened) => {
                assert!((BLOCK_SIZE..3 * BLOCK_SIZE).contains(&at), "byte {at} was changed unnoticed");
                assert!(matches!(opened.verify(), Err(Error::Corrupt(_))), "byte {at}");
                let error = opened.read_at(0, &mut [0; LEN]).expect_err("a changed block");
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                assert!(opened.is_damaged());
            }
        }
    }
}

#[test]
fn another_base_is_refused() {
    let device = Arc::new(MemoryDevice::new(small_layer()));
    let base = Arc::new(MemoryDevice::new(base()));
    let error = Layer::open(device.clone(), base, [8; 32]).expect_err("another parent");
    assert_eq!(
        error.to_string(),
        format!(
            "the layer belongs to another base: expected parent `{}`, got `{}`",
            "08".repeat(32),
            "07".repeat(32)
        )
    );
    let shorter = Arc::new(MemoryDevice::new(vec![0; 10]));
    assert!(matches!(Layer::open(device, shorter, PARENT), Err(Error::Corrupt(_))));
}

#[test]
fn threads_see_whole_writes() {
    let overlay = overlay(&vec![0; 64 * BLOCK_SIZE], 64 * BLOCK_SIZE as u64);
    std::thread::scope(|scope| {
        for value in 1..=4_u8 {
            let overlay = &overlay;
            scope.spawn(move || {
                for _ in 0..50 {
                    overlay.write_at(1000, &[value; 3 * BLOCK_SIZE]).expect("inside");
                    let mut seen = [0; 3 * BLOCK_SIZE];
                    overlay.read_at(1000, &mut seen).expect("inside");
                    assert!(seen.iter().all(|byte| *byte == seen[0]), "a torn write was seen");
                }
            });
        }
    });
}

fn named(content: &[u8]) -> Arc<dyn BlockRead> {
    Arc::new(Named::new(MemoryDevice::new(content.to_vec()), [9; 32]))
}

#[test]
fn a_range_is_named_by_what_was_changed_in_it_alone() {
    let over = |bytes: &[(u64, &[u8])]| {
        let overlay = Overlay::new(named(&[1; 40_000]), 60_000, MemoryStore::new()).expect("longer");
        for (offset, bytes) in bytes {
            overlay.write_at(*offset, bytes).expect("inside");
        }
        overlay
    };
    let name = |overlay: &Overlay, range: Range<u64>| overlay.origin(range).expect("memory").expect("a name");
    let (plain, one, same) = (over(&[]), over(&[(5000, b"x")]), over(&[(30_000, b"y"), (5000, b"x")]));
    assert_eq!(name(&plain, 0..8192), [9; 32]);
    assert_eq!(name(&plain, 32_768..60_000), [9; 32], "zeroes behind the base have the base's name too");
    assert_ne!(name(&one, 0..8192), [9; 32]);
    assert_eq!(name(&one, 0..8192), name(&same, 0..8192), "what lies outside does not matter");
    assert_eq!(name(&one, 8192..60_000), [9; 32]);
    assert_ne!(name(&one, 0..8192), name(&over(&[(5000, b"z")]), 0..8192));
    assert_ne!(name(&one, 0..8192), name(&over(&[(5001, b"x")]), 0..8192));
    let zeroes = over(&[(4096, &[0; 4096])]);
    assert_ne!(name(&zeroes, 0..8192), [9; 32]);
    assert_eq!(overlay(&[1; 40_000], 40_000).origin(0..4096).expect("memory"), None, "nobody named its base");
}

#[test]
fn a_layer_is_named_by_what_it_was_made_from_where_it_changed_something() {
    let below = [3; 40_000];
    let edited = Overlay::new(named(&below), 40_000, MemoryStore::new()).expect("as long");
    edited.write_at(20_000, b"golden").expect("inside");
    let (bytes, digest) = (layer_of(&edited), [7; 32]);
    let layer = Layer::open(Arc::new(MemoryDevice::new(bytes)), named(&below), PARENT).expect("a layer");
    assert_eq!(layer.origin(16_384..24_576).expect("memory"), None);
    let layer = Named::new(layer, digest);
    assert_eq!(layer.origin(0..16_384).expect("memory"), Some([9; 32]));
    assert_eq!(layer.origin(16_384..24_576).expect("memory"), Some(digest));
    let host = Overlay::new(Arc::new(layer), 40_000, MemoryStore::new()).expect("as long");
    host.write_at(0, b"host").expect("inside");
    assert_eq!(host.origin(16_384..24_576).expect("memory"), Some(digest));
    assert!(
        !matches!(host.origin(0..4096).expect("memory"), Some(name) if name == digest || name == [9; 32])
    );
}
