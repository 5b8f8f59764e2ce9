//! Writes that wait in memory.
//!
//! `rust-fs-ext4` writes block by block, and the same inode table, bitmap and directory block once for every file: eight
//! writes a small file. Here each block waits until there are many, and neighbours reach the device as one long write.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::ops::Range;

use crate::block::BlockWrite;

/// Bytes of a page, the unit of what waits: the block of nearly every ext4.
const PAGE: u64 = 4096;

/// Pages that wait at most: 16 MiB.
const MOST_PAGES: usize = 4096;

/// The longest write that is put together, in bytes.
const LONGEST_RUN: usize = 1 << 20;

/// Pages that are to be written, by their number on the device. One at the end of a device may be shorter than [`PAGE`].
#[derive(Default)]
pub(super) struct Pending {
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Pending {
    /// Takes bytes that are to be written at `offset`.
    ///
    /// # Errors
    /// Whatever the device reports, of this write or of those that waited, which are forgotten then: nobody goes on after a
    /// failed write.
    pub(super) fn write(&mut self, device: &dyn BlockWrite, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        for part in parts(offset, bytes.len()) {
            let (now, later) = rest.split_at_checked(part.len()).ok_or_else(outside)?;
            rest = later;
            let page = match self.pages.entry(part.number) {
                Entry::Occupied(page) => page.into_mut(),
                Entry::Vacant(page) => page.insert(load(device, &part)?),
            };
            page.get_mut(part.inside).ok_or_else(outside)?.copy_from_slice(now);
        }
        if self.pages.len() >= MOST_PAGES { self.settle(device) } else { Ok(()) }
    }

    /// Writes many bytes at once, past what waits.
    ///
    /// # Errors
    /// Whatever the device reports.
    pub(super) fn write_through(
        &mut self,
        device: &dyn BlockWrite,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        device.write_at(offset, bytes)?;
        let mut rest = bytes;
        for part in parts(offset, bytes.len()) {
            let (now, later) = rest.split_at_checked(part.len()).ok_or_else(outside)?;
            rest = later;
            if now.len() as u64 == PAGE {
                self.pages.remove(&part.number);
            } else if let Some(page) = self.pages.get_mut(&part.number) {
                page.get_mut(part.inside).ok_or_else(outside)?.copy_from_slice(now);
            }
        }
        Ok(())
    }

    /// Reads what the device will hold once everything was written.
    ///
    /// # Errors
    /// Whatever the device reports.
    pub(super) fn read(&self, device: &dyn BlockWrite, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let parts = parts(offset, buf.len());
        if let Some(page) = self.pages.get(&(offset / PAGE))
            && let Some(bytes) = page.get(within(offset, buf.len()))
        {
            buf.copy_from_slice(bytes); // all of it waits: the usual case
            return Ok(());
        }
        device.read_at(offset, buf)?;
        let mut rest = buf;
        for part in parts {
            let (now, later) = rest.split_at_mut_checked(part.len()).ok_or_else(outside)?;
            rest = later;
            if let Some(page) = self.pages.get(&part.number) {
                now.copy_from_slice(page.get(part.inside).ok_or_else(outside)?);
            }
        }
        Ok(())
    }

    /// Gives the device everything that waits, in ascending order.
    ///
    /// # Errors
    /// Whatever the device reports; what waited is forgotten then.
    pub(super) fn settle(&mut self, device: &dyn BlockWrite) -> io::Result<()> {
        let (mut start, mut run) = (0_u64, Vec::new());
        for (number, page) in std::mem::take(&mut self.pages) {
            let offset = number.saturating_mul(PAGE);
            if offset != start.saturating_add(run.len() as u64) || run.len() >= LONGEST_RUN {
                write_run(device, start, &mut run)?;
                start = offset;
            }
            run.extend_from_slice(&page);
        }
        write_run(device, start, &mut run)
    }
}

fn write_run(device: &dyn BlockWrite, start: u64, run: &mut Vec<u8>) -> io::Result<()> {
    let written = if run.is_empty() { Ok(()) } else { device.write_at(start, run) };
    run.clear();
    written
}

/// A part of a page.
struct Part {
    number: u64,
    /// Its bytes in the page.
    inside: Range<usize>,
}

impl Part {
    fn len(&self) -> usize {
        self.inside.len()
    }
}

/// The parts of pages that `length` bytes at `offset` are in.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = Part> {
    let end = offset.saturating_add(length as u64);
    (offset / PAGE..end.div_ceil(PAGE)).map(move |number| {
        let start = number.saturating_mul(PAGE).max(offset);
        let stop = number.saturating_add(1).saturating_mul(PAGE).min(end);
        Part { number, inside: within(start, usize::try_from(stop.saturating_sub(start)).unwrap_or(0)) }
    })
}

/// Where `length` bytes at `offset` of the device are in their page.
fn within(offset: u64, length: usize) -> Range<usize> {
    let start = usize::try_from(offset % PAGE).unwrap_or(0);
    start..start.saturating_add(length)
}

/// The page of `part`, read from the device unless all of it is about to be replaced.
fn load(device: &dyn BlockWrite, part: &Part) -> io::Result<Vec<u8>> {
    let start = part.number.saturating_mul(PAGE);
    let length = device.len().saturating_sub(start).min(PAGE);
    let mut page = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    if part.len() < page.len() {
        device.read_at(start, &mut page)?;
    }
    Ok(page)
}

fn outside() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "outside of the file system")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::block::BlockRead;

    /// Offset and length of each write.
    type Writes = Vec<(u64, usize)>;

    /// A device of 5000 pages and a half, and what was written to it.
    struct Counting(Mutex<(Vec<u8>, Writes)>);

    impl Counting {
        fn new() -> Self {
            Self(Mutex::new(((0..5000 * 4096 + 2048_u32).map(|at| (at / 512) as u8).collect(), Vec::new())))
        }

        fn content(&self) -> Vec<u8> {
            self.0.lock().unwrap().0.clone()
        }

        fn writes(&self) -> Writes {
            self.0.lock().unwrap().1.clone()
        }
    }

    impl BlockRead for Counting {
        fn len(&self) -> u64 {
            5000 * PAGE + 2048
        }

        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            let at = usize::try_from(offset).unwrap();
            buf.copy_from_slice(&self.0.lock().unwrap().0[at..at + buf.len()]);
            Ok(())
        }
    }

    impl BlockWrite for Counting {
        fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
            let (at, mut state) = (usize::try_from(offset).unwrap(), self.0.lock().unwrap());
            state.0[at..at + buf.len()].copy_from_slice(buf);
            state.1.push((offset, buf.len()));
            Ok(())
        }
    }

    #[test]
    fn a_block_that_is_written_often_reaches_the_device_once_with_its_neighbours() {
        let (device, mut pending) = (Counting::new(), Pending::default());
        for round in 0..10 {
            pending.write(&device, 8192, &[round; 4096]).unwrap();
            pending.write(&device, 4096, &[round; 4096]).unwrap();
        }
        pending.write(&device, 1 << 20, &[1; 4096]).unwrap();
        assert_eq!(device.writes(), []);
        pending.settle(&device).unwrap();
        pending.settle(&device).unwrap();
        assert_eq!(device.writes(), [(4096, 8192), (1 << 20, 4096)]);
        assert_eq!(device.content()[4096..12_288], [9; 8192]);
    }

    #[test]
    fn what_waits_does_not_grow_without_end() {
        let (device, mut pending) = (Counting::new(), Pending::default());
        for page in 0..MOST_PAGES as u64 {
            pending.write(&device, page * PAGE, &[7; 4096]).unwrap();
        }
        assert_eq!(device.writes().len(), 16, "runs of 1 MiB");
        assert!(pending.pages.is_empty());
    }

    #[test]
    fn reads_and_writes_of_any_shape_are_those_of_a_plain_device() {
        let (device, plain, mut pending) = (Counting::new(), Counting::new(), Pending::default());
        // a step that is prime to all lengths meets every kind of overlap
        let places = (0..4000_u64).map(|step| (step * 7919 % 400) * 512);
        for (round, offset) in places.enumerate() {
            let length = [512, 1024, 4096, 12_288, 300][round % 5];
            let bytes = vec![(round % 251) as u8; length];
            plain.write_at(offset, &bytes).unwrap();
            if round % 7 == 0 {
                pending.write_through(&device, offset, &bytes).unwrap();
            } else {
                pending.write(&device, offset, &bytes).unwrap();
            }
            let (from, mut got, mut expected) = (offset.saturating_sub(1000), vec![0; 9000], vec![0; 9000]);
            pending.read(&device, from, &mut got).unwrap();
            plain.read_at(from, &mut expected).unwrap();
            assert_eq!(got, expected, "round {round}");
        }
        // the last page is half a page
        plain.write_at(5000 * PAGE + 1024, &[3; 1024]).unwrap();
        pending.write(&device, 5000 * PAGE + 1024, &[3; 1024]).unwrap();
        pending.settle(&device).unwrap();
        assert!(device.content() == plain.content());
    }
}
