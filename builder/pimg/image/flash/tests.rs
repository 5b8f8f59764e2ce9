use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use pimg_disk::block::{BlockRead, BlockWrite, MemoryDevice};

use super::{FlashError, HEAD, PIECE, Target, flash};
use crate::failure::{Class, Fault};
use crate::image::block_map::BlockMap;
use crate::progress::{Reporter, Silent, TaskId};

const LEN: u64 = 3 * PIECE + 8192 + 512;

/// An image of one partition that nobody knows, so that all of it is mapped.
fn image() -> MemoryDevice {
    let device = MemoryDevice::new(vec![0; usize::try_from(LEN).expect("small")]);
    device.write_at(510, &[0x55, 0xaa]).expect("fits");
    for (at, byte) in [(HEAD, 1), (PIECE + 5, 2), (2 * PIECE, 3), (LEN - 1, 4)] {
        device.write_at(at, &[byte]).expect("fits");
    }
    device
}

/// What a card does wrong.
#[derive(Clone, Copy)]
enum Flaw {
    None,
    /// It takes no write that begins here.
    Refuses(u64),
    /// This flush fails, counted from 1.
    DiesAtFlush(usize),
    /// It gives back another byte here.
    Forgets(u64),
}

/// A card full of 0xff.
struct Fake {
    device: MemoryDevice,
    fault: Flaw,
    is_file: bool,
    /// Offset of every write, and `u64::MAX` for every flush.
    writes: Mutex<Vec<u64>>,
}

impl Fake {
    fn new(len: u64, fault: Flaw) -> Self {
        let device = MemoryDevice::new(vec![0xff; usize::try_from(len).expect("small")]);
        Self { device, fault, is_file: false, writes: Mutex::default() }
    }

    fn has_table(&self) -> bool {
        let mut signature = [0; 2];
        self.device.read_at(510, &mut signature).expect("inside");
        signature == [0x55, 0xaa]
    }
}

impl Target for Fake {
    fn name(&self) -> String {
        "fake".to_owned()
    }
    fn size(&self) -> Option<u64> {
        (!self.is_file).then(|| self.device.len())
    }
    fn make_hole(&self, len: u64) -> io::Result<()> {
        assert_eq!(len, self.device.len());
        self.device.write_at(0, &vec![0; usize::try_from(len).expect("small")])
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if matches!(self.fault, Flaw::Refuses(from) if offset == from) {
            return Err(io::Error::other("input/output error"));
        }
        self.writes.lock().expect("no panic").push(offset);
        self.device.write_at(offset, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        let mut writes = self.writes.lock().expect("no panic");
        writes.push(u64::MAX);
        let flushes = writes.iter().filter(|offset| **offset == u64::MAX).count();
        match self.fault {
            Flaw::DiesAtFlush(flush) if flush == flushes => Err(io::Error::other("input/output error")),
            _ => Ok(()),
        }
    }
    fn read_back(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.device.read_at(offset, bytes)?;
        if let Flaw::Forgets(at) = self.fault
            && let Some(byte) = at.checked_sub(offset).and_then(|at| bytes.get_mut(usize::try_from(at).ok()?))
        {
            *byte ^= 1;
        }
        Ok(())
    }
}

fn run(targets: &[&Fake], reporter: &dyn Reporter) -> Vec<Result<(), FlashError>> {
    let image = image();
    let map = BlockMap::of(&image).expect("a table");
    let targets: Vec<&dyn Target> = targets.iter().map(|target| *target as &dyn Target).collect();
    flash(&image, &map, &targets, true, reporter)
}

#[test]
fn the_card_is_the_image_and_its_end_is_blank() {
    let card = Fake::new(LEN.next_multiple_of(4096) + (5 << 20), Flaw::None);
    let verdicts = run(&[&card], &Silent);
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
    let bytes = card.device.to_vec();
    let (start, rest) = bytes.split_at(usize::try_from(LEN).expect("small"));
    assert!(start == image().to_vec());
    let (between, tail) = rest.split_at(rest.len() - (1 << 20));
    assert!(between.iter().all(|byte| *byte == 0xff) && tail.iter().all(|byte| *byte == 0));
}

#[test]
fn the_partition_table_is_written_last_and_after_a_flush() {
    let card = Fake::new(LEN.next_multiple_of(4096), Flaw::None);
    run(&[&card], &Silent);
    let writes = card.writes.lock().expect("no panic").clone();
    let flush = u64::MAX;
    assert_eq!(writes[0], 0, "blanked first");
    assert_eq!(&writes[writes.len() - 3..], [flush, 0, flush], "{writes:?}");
    assert_eq!(writes.iter().filter(|offset| **offset == 0).count(), 2, "{writes:?}");
}

#[test]
fn a_file_gets_no_zeroes() {
    let card = Fake { is_file: true, ..Fake::new(LEN, Flaw::None) };
    let verdicts = run(&[&card], &Silent);
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
    assert!(card.device.to_vec() == image().to_vec());
    let writes = card.writes.lock().expect("no panic").iter().filter(|offset| **offset != u64::MAX).count();
    assert_eq!(writes, 5, "four cells with something in them, and the start");
}

#[test]
fn one_bad_card_does_not_stop_the_others() {
    let len = LEN.next_multiple_of(4096);
    let good = [Fake::new(len, Flaw::None), Fake::new(len, Flaw::None)];
    let dying = Fake::new(len, Flaw::Refuses(2 * PIECE));
    let forgetful = Fake::new(len, Flaw::Forgets(PIECE + 77));
    let verdicts = run(&[&good[0], &dying, &forgetful, &good[1]], &Silent);
    assert!(verdicts[0].is_ok() && verdicts[3].is_ok(), "{verdicts:?}");
    assert!(good.iter().all(|card| card.device.to_vec().starts_with(&image().to_vec())));
    assert!(matches!(&verdicts[1], Err(FlashError::Write { offset, .. }) if *offset == 2 * PIECE));
    let Err(differs) = &verdicts[2] else { panic!("{verdicts:?}") };
    assert!(matches!(differs, FlashError::Differs { range, .. } if *range == (PIECE..2 * PIECE)));
    assert!(differs.hints()[0].starts_with("the card is bad"));
    assert!(!dying.has_table() && !forgetful.has_table(), "neither can boot");
}

#[test]
fn a_start_that_is_not_as_written_is_taken_away_again() {
    let card = Fake::new(LEN.next_multiple_of(4096), Flaw::Forgets(446));
    let verdicts = run(&[&card], &Silent);
    assert!(matches!(&verdicts[0], Err(FlashError::Differs { range, .. }) if *range == (0..HEAD)));
    assert!(!card.has_table());
}

#[test]
fn a_card_that_dies_at_the_very_end_has_no_partition_table() {
    // the flush behind the start of the disk is the third: after blanking, after all else, and this one
    let card = Fake::new(LEN.next_multiple_of(4096), Flaw::DiesAtFlush(3));
    let verdicts = run(&[&card], &Silent);
    assert!(matches!(&verdicts[0], Err(FlashError::Sync { .. })), "{verdicts:?}");
    assert!(!card.has_table());
}

/// Interrupts once this many bytes are done.
struct Impatient {
    after: u64,
    done: AtomicU64,
    tasks: AtomicUsize,
}

impl Reporter for Impatient {
    fn begin(&self, _task: &str, _total: Option<u64>) -> TaskId {
        self.tasks.fetch_add(1, Ordering::Relaxed);
        TaskId(0)
    }
    fn advance(&self, _task: TaskId, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }
    fn finish(&self, _task: TaskId, _outcome: &str) {}
    fn notice(&self, _text: &str) {}
    fn interrupted(&self) -> bool {
        self.done.load(Ordering::Relaxed) >= self.after
    }
}

#[test]
fn an_interrupted_card_has_no_partition_table() {
    // before the first piece, and while it is read back
    for (after, tasks) in [(0, 1), (LEN, 2)] {
        let card = Fake::new(LEN.next_multiple_of(4096), Flaw::None);
        let reporter = Impatient { after, done: AtomicU64::new(0), tasks: AtomicUsize::new(0) };
        let verdicts = run(&[&card], &reporter);
        let Err(error) = &verdicts[0] else { panic!("{verdicts:?}") };
        assert_eq!(error.class(), Class::Interrupted);
        assert!(error.to_string().contains("not complete"));
        assert!(!card.has_table(), "after {after} bytes");
        assert!(reporter.tasks.load(Ordering::Relaxed) <= tasks);
    }
}

#[test]
fn an_image_that_cannot_be_read_leaves_no_partition_table() {
    struct Torn(MemoryDevice);
    impl BlockRead for Torn {
        fn len(&self) -> u64 {
            self.0.len()
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            if offset >= 2 * PIECE {
                Err(io::ErrorKind::InvalidData.into())
            } else {
                self.0.read_at(offset, buf)
            }
        }
    }
    let whole = image();
    let map = BlockMap::of(&whole).expect("a table");
    let card = Fake::new(LEN.next_multiple_of(4096), Flaw::None);
    let verdicts = flash(&Torn(whole), &map, &[&card], true, &Silent);
    assert!(matches!(&verdicts[0], Err(FlashError::Image(_))), "{verdicts:?}");
    assert!(!card.has_table());
}
