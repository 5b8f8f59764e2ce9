//! From an image to cards: one reader, a writer for each card, and each card read back before it can boot.
//!
//! The start of the disk, with the partition table, is blanked first and written last, when all else has been read back
//! and found right. So a card that was pulled out, that lies about what it holds, or whose writing was interrupted has
//! no partitions and does not boot, instead of booting half a system. rpi-imager does the same, for the same reason.

mod lane;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use pimg_disk::block::BlockRead;
use sha2::{Digest, Sha256};

use super::block_map::BlockMap;
use crate::failure::{Class, Fault};
use crate::host::card::{AlignedBuffer, OpenCard};
use crate::progress::Reporter;
use lane::Lane;

/// Bytes of the disk that are written last: the first partition of an image begins behind it.
pub const HEAD: u64 = 1 << 20;

/// Bytes that are read, written, digested and read back at once, and whose multiples no piece crosses: an erase block of
/// an SD card, as the cards themselves give it, is 4 MiB or a part of that.
const PIECE: u64 = 4 << 20;

/// Pieces that wait for a card that is slower than the image is read.
const QUEUE: usize = 2;

/// Bytes at the end of a disk where file systems, RAID and GUID partition tables keep a second copy of what they are.
const TAIL: u64 = 1 << 20;

/// What a card must be able to do.
pub trait Target: Sync {
    /// What a person calls it.
    fn name(&self) -> String;
    /// Length in bytes; `None` for a file, which becomes as long as the image and reads as zeroes where nothing is
    /// written.
    fn size(&self) -> Option<u64>;
    /// Makes a file one hole of `len` bytes.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn make_hole(&self, len: u64) -> io::Result<()>;
    /// Writes `bytes` at `offset`.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Waits until everything written is on the card.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn sync(&self) -> io::Result<()>;
    /// Reads what the card holds, not what some cache remembers.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn read_back(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
}

impl Target for OpenCard {
    fn name(&self) -> String {
        self.path().display().to_string()
    }
    fn size(&self) -> Option<u64> {
        self.size()
    }
    fn make_hole(&self, len: u64) -> io::Result<()> {
        self.make_hole(len)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_at(offset, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.sync()
    }
    fn read_back(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.read_back(offset, bytes)
    }
}

/// Why a card does not hold the image.
#[derive(Debug, thiserror::Error)]
pub enum FlashError {
    /// The image cannot be read.
    #[error("cannot read the image")]
    Image(#[source] Arc<io::Error>),
    /// The card does not take what is written.
    #[error("cannot write to `{card}` at byte {offset}")]
    Write {
        /// The card.
        card: String,
        /// Where the piece begins.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// What was written did not get to the card.
    #[error("cannot flush `{card}`")]
    Sync {
        /// The card.
        card: String,
        /// What the system said.
        source: io::Error,
    },
    /// The card cannot be read.
    #[error("cannot read back `{card}` at byte {offset}")]
    Read {
        /// The card.
        card: String,
        /// Where the piece begins.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The card gives back other bytes than were written.
    #[error("`{card}` gives back other bytes than were written, first in bytes {} to {}", .range.start, .range.end - 1)]
    Differs {
        /// The card.
        card: String,
        /// The first piece that differs.
        range: Range<u64>,
    },
    /// The operator asked to stop.
    #[error("`{card}` is not complete: interrupted")]
    Interrupted {
        /// The card.
        card: String,
    },
}

impl Fault for FlashError {
    fn class(&self) -> Class {
        if matches!(self, Self::Interrupted { .. }) { Class::Interrupted } else { Class::Host }
    }

    fn hints(&self) -> Vec<String> {
        let bad = "the card is bad, or is less than it says it is: try another one, then another reader";
        let hint = match self {
            Self::Image(_) => return Vec::new(),
            Self::Differs { .. } => bad,
            Self::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space where the file is to be"
            }
            Self::Interrupted { .. } => "flash it again",
            Self::Write { .. } | Self::Sync { .. } | Self::Read { .. } => {
                "see whether it is still plugged in, and what the kernel says: `dmesg | tail`"
            }
        };
        vec![hint.to_owned()]
    }
}

/// A piece of the image on its way to all cards. `None` stands for zeroes.
struct Piece {
    range: Range<u64>,
    bytes: Option<AlignedBuffer>,
}

/// What a piece must be when it is read back.
#[derive(Clone)]
struct Sum {
    range: Range<u64>,
    sha256: [u8; 32],
}

/// What is said to a card.
enum Message {
    Piece(Arc<Piece>),
    /// All but the start of the disk was sent.
    End(Arc<End>),
    /// The image cannot be read any further.
    Broken(Arc<io::Error>),
}

/// What completes a card.
struct End {
    head: Vec<Arc<Piece>>,
    head_sums: Vec<Sum>,
    sums: Vec<Sum>,
}

/// Writes the mapped bytes of `image` to all cards at once, reading it once, and reads them back unless `verify` is
/// off. A card that fails does not stop the others: the verdicts are in the order of the cards.
pub fn flash(
    image: &dyn BlockRead,
    map: &BlockMap,
    targets: &[&dyn Target],
    verify: bool,
    reporter: &dyn Reporter,
) -> Vec<Result<(), FlashError>> {
    thread::scope(|scope| {
        let (mut senders, mut threads) = (Vec::new(), Vec::new());
        for &target in targets {
            let (to_card, messages) = sync_channel(QUEUE);
            let lane = Lane { target, map, verify, reporter };
            senders.push(Some(to_card));
            threads.push(scope.spawn(move || lane.run(&messages)));
        }
        let end = send_pieces(image, map, &mut senders, reporter);
        match end {
            Ok(Some(end)) => send(&mut senders, || Message::End(Arc::clone(&end))),
            Ok(None) => {}
            Err(error) => send(&mut senders, || Message::Broken(Arc::clone(&error))),
        }
        drop(senders);
        threads
            .into_iter()
            .zip(targets)
            .map(|(thread, target)| {
                let panicked = || io::Error::other("a writer stopped");
                let stopped = |_| Err(FlashError::Sync { card: target.name(), source: panicked() });
                thread.join().unwrap_or_else(stopped)
            })
            .collect()
    })
}

/// Sends all but the start of the disk; `None` where no card is left, or the operator wants no more.
fn send_pieces(
    image: &dyn BlockRead,
    map: &BlockMap,
    senders: &mut [Option<SyncSender<Message>>],
    reporter: &dyn Reporter,
) -> Result<Option<Arc<End>>, Arc<io::Error>> {
    let (mut head, mut head_sums, mut sums) = (Vec::new(), Vec::new(), Vec::new());
    for range in map.pieces(PIECE) {
        if reporter.interrupted() || senders.iter().all(Option::is_none) {
            return Ok(None);
        }
        let (before, behind) = (range.start..range.end.min(HEAD), range.start.max(HEAD)..range.end);
        if !before.is_empty() {
            let (piece, sum) = read_piece(image, before)?;
            head.push(Arc::new(piece));
            head_sums.push(sum);
        }
        if !behind.is_empty() {
            let (piece, sum) = read_piece(image, behind)?;
            let piece = Arc::new(piece);
            sums.push(sum);
            send(senders, || Message::Piece(Arc::clone(&piece)));
        }
    }
    Ok(Some(Arc::new(End { head, head_sums, sums })))
}

fn read_piece(image: &dyn BlockRead, range: Range<u64>) -> io::Result<(Piece, Sum)> {
    let len = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut buffer = AlignedBuffer::zeroed(len);
    let has_data = image.next_data(range.start)?.is_some_and(|data| data.start < range.end);
    if has_data {
        image.read_at(range.start, buffer.as_mut_slice())?;
    }
    let sha256 = Sha256::digest(buffer.as_slice()).into();
    let bytes = has_data.then_some(buffer);
    Ok((Piece { range: range.clone(), bytes }, Sum { range, sha256 }))
}

/// Tells all cards that are still there. One that is gone has failed, and says so itself.
fn send(senders: &mut [Option<SyncSender<Message>>], message: impl Fn() -> Message) {
    for sender in senders {
        if sender.as_ref().is_some_and(|sender| sender.send(message()).is_err()) {
            *sender = None;
        }
    }
}
