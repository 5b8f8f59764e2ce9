//! One card: blanked at both ends, written, flushed, read back, and made bootable at the very end.

use std::io;
use std::ops::Range;
use std::sync::mpsc::Receiver;

use sha2::{Digest, Sha256};

use super::{End, FlashError, HEAD, Message, PIECE, Piece, Sum, TAIL, Target};
use crate::host::card::AlignedBuffer;
use crate::image::block_map::BlockMap;
use crate::progress::{Reporter, TaskId};

/// Bytes of a file that are one hole where they are zeroes.
const CELL: usize = 64 << 10;

/// The way to one card.
pub(super) struct Lane<'a> {
    pub(super) target: &'a dyn Target,
    pub(super) map: &'a BlockMap,
    pub(super) verify: bool,
    pub(super) reporter: &'a dyn Reporter,
}

impl Lane<'_> {
    /// Does what the messages say, and everything behind the last one.
    pub(super) fn run(&self, messages: &Receiver<Message>) -> Result<(), FlashError> {
        let total = self.map.mapped_len();
        let task = self.reporter.begin(&format!("writing {}", self.target.name()), Some(total));
        let written = self.write(messages, task);
        self.reporter.finish(task, if written.is_ok() { "" } else { "failed" });
        let end = written?;
        if !self.verify {
            return self.complete(&end, &|_| Ok(()));
        }
        let task = self.reporter.begin(&format!("verifying {}", self.target.name()), Some(total));
        let check = |sums: &[Sum]| self.read_back(sums, task);
        let verified = check(&end.sums).and_then(|()| self.complete(&end, &check));
        self.reporter.finish(task, if verified.is_ok() { "as written" } else { "failed" });
        verified
    }

    /// All but the start of the disk.
    fn write(&self, messages: &Receiver<Message>, task: TaskId) -> Result<std::sync::Arc<End>, FlashError> {
        self.blank()?;
        // a sender that goes away without a last word was told to stop
        while let Ok(message) = messages.recv() {
            match message {
                Message::Piece(piece) => self.put(&piece, Some(task))?,
                Message::Broken(error) => return Err(FlashError::Image(error)),
                Message::End(end) => {
                    self.sync()?;
                    return Ok(end);
                }
            }
        }
        Err(self.interrupted())
    }

    /// Takes away what the card was before: its partition table at the start, and at the end of a disk that is longer
    /// than the image the copy of a GUID partition table, or the label of a pool or RAID that this disk was once in.
    fn blank(&self) -> Result<(), FlashError> {
        let len = self.map.image_len();
        let Some(size) = self.target.size() else {
            return self.target.make_hole(len).map_err(|source| self.write_error(0, source));
        };
        let head = 0..HEAD.min(size);
        let tail = size.saturating_sub(TAIL).max(len) / 4096 * 4096..size;
        for range in [head, tail].into_iter().filter(|range| range.start < range.end) {
            self.put(&Piece { range, bytes: None }, None)?;
        }
        self.sync()
    }

    /// The start of the disk, which makes it one.
    fn complete(
        &self,
        end: &End,
        check: &dyn Fn(&[Sum]) -> Result<(), FlashError>,
    ) -> Result<(), FlashError> {
        let completed = end.head.iter().try_for_each(|piece| self.put(piece, None));
        let completed = completed.and_then(|()| self.sync()).and_then(|()| check(&end.head_sums));
        if completed.is_err() {
            // what is not the image must not look like it; a card that failed may fail in this too
            let _ = self.blank_head();
        }
        completed
    }

    fn blank_head(&self) -> Result<(), FlashError> {
        let size = self.target.size().unwrap_or(self.map.image_len());
        let bytes = Some(AlignedBuffer::zeroed(usize::try_from(HEAD.min(size)).unwrap_or(0)));
        self.put(&Piece { range: 0..HEAD.min(size), bytes }, None)?;
        self.sync()
    }

    fn put(&self, piece: &Piece, task: Option<TaskId>) -> Result<(), FlashError> {
        let Range { start, end } = piece.range;
        let len = usize::try_from(end - start).unwrap_or(usize::MAX);
        let written = match (&piece.bytes, self.target.size()) {
            (None, None) => Ok(()),
            (None, Some(_)) => self.target.write_at(start, AlignedBuffer::zeroed(len).as_slice()),
            (Some(bytes), None) if task.is_some() => self.write_sparse(start, bytes.as_slice()),
            (Some(bytes), _) => self.target.write_at(start, bytes.as_slice()),
        };
        written.map_err(|source| self.write_error(start, source))?;
        if let Some(task) = task {
            self.reporter.advance(task, end - start);
        }
        Ok(())
    }

    /// A file reads as zeroes where nothing was written.
    fn write_sparse(&self, start: u64, bytes: &[u8]) -> io::Result<()> {
        let mut offset = start;
        for cell in bytes.chunks(CELL) {
            if cell.iter().any(|byte| *byte != 0) {
                self.target.write_at(offset, cell)?;
            }
            offset += cell.len() as u64;
        }
        Ok(())
    }

    /// Compares the card with what was written to it.
    fn read_back(&self, sums: &[Sum], task: TaskId) -> Result<(), FlashError> {
        let mut buffer = AlignedBuffer::zeroed(usize::try_from(PIECE).unwrap_or(0));
        for sum in sums {
            if self.reporter.interrupted() {
                return Err(self.interrupted());
            }
            let len = usize::try_from(sum.range.end - sum.range.start).unwrap_or(usize::MAX);
            let bytes = &mut buffer.as_mut_slice()[..len];
            self.target.read_back(sum.range.start, bytes).map_err(|source| FlashError::Read {
                card: self.target.name(),
                offset: sum.range.start,
                source,
            })?;
            if <[u8; 32]>::from(Sha256::digest(&*bytes)) != sum.sha256 {
                return Err(FlashError::Differs { card: self.target.name(), range: sum.range.clone() });
            }
            self.reporter.advance(task, len as u64);
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), FlashError> {
        self.target.sync().map_err(|source| FlashError::Sync { card: self.target.name(), source })
    }

    fn write_error(&self, offset: u64, source: io::Error) -> FlashError {
        FlashError::Write { card: self.target.name(), offset, source }
    }

    fn interrupted(&self) -> FlashError {
        FlashError::Interrupted { card: self.target.name() }
    }
}
