//! Stages that run at the same time, joined by bounded channels of shared buffers.
//!
//! A buffer is read by every stage behind a [`Fanout`] and goes back to its [`BufferRing`] when the last one
//! let go, so memory is bounded by the depth of the channels whatever the length of the stream.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::digest::Sha256Digest;
use crate::error::{Error, Result};
use crate::watch::Watch;

/// Buffers that wait between two stages.
const DEPTH: usize = 6;

/// Alignment and smallest length of a hole: the block size of ext4, XFS, Btrfs and APFS.
const HOLE: usize = 4096;

/// How often a waiting stage asks whether to stop.
const TICK: Duration = Duration::from_millis(50);

/// Filled bytes, shared by the stages that read them.
pub(crate) type Chunk = Arc<Vec<u8>>;

/// Buffers of one size, used again when nobody reads them any more.
#[derive(Debug)]
pub(crate) struct BufferRing {
    slots: Vec<Chunk>,
    next: usize,
    size: usize,
}

impl BufferRing {
    /// Buffers of `size` bytes each.
    pub(crate) fn new(size: usize) -> Self {
        // one more than the stages behind can hold: two being filled or read, the rest waiting
        Self { slots: vec![Chunk::default(); DEPTH + 3], next: 0, size }
    }

    /// Reads until the buffer is full or the input ends; `None` at the end of the input.
    pub(crate) fn fill(&mut self, input: &mut (impl Read + ?Sized)) -> io::Result<Option<Chunk>> {
        self.next = (self.next + 1) % self.slots.len();
        let Some(slot) = self.slots.get_mut(self.next) else {
            return Ok(None);
        };
        if Arc::get_mut(slot).is_none() {
            *slot = Chunk::default(); // the slowest stage still reads the old one
        }
        let Some(buffer) = Arc::get_mut(slot) else {
            return Ok(None);
        };
        buffer.resize(self.size, 0);
        let length = read_full(input, buffer)?;
        buffer.truncate(length);
        Ok((length > 0).then(|| Arc::clone(slot)))
    }
}

/// Reads until `buf` is full or the input ends, and returns how many bytes that were.
pub(crate) fn read_full(input: &mut (impl Read + ?Sized), buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The sending end of a stage.
pub(crate) type Sink = SyncSender<Chunk>;

/// A channel between two stages.
pub(crate) fn channel() -> (Sink, Receiver<Chunk>) {
    sync_channel(DEPTH)
}

/// Sends every chunk to several stages.
#[derive(Debug)]
pub(crate) struct Fanout(pub(crate) Vec<Sink>);

impl Fanout {
    /// Whether all stages took the chunk; a stage that ended has its own reason.
    pub(crate) fn send(&self, chunk: &Chunk) -> bool {
        self.0.iter().all(|sink| sink.send(Arc::clone(chunk)).is_ok())
    }
}

/// Reads what another stage sends.
#[derive(Debug)]
pub(crate) struct ChunkReader<'a, W: Watch + ?Sized> {
    chunks: Receiver<Chunk>,
    current: Chunk,
    position: usize,
    watch: &'a W,
}

impl<'a, W: Watch + ?Sized> ChunkReader<'a, W> {
    /// Reads the chunks one after another; ends with an error when `watch` says so.
    pub(crate) fn new(chunks: Receiver<Chunk>, watch: &'a W) -> Self {
        Self { chunks, current: Chunk::default(), position: 0, watch }
    }

    /// Lets the sender come to its end.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        while !self.fill_buf()?.is_empty() {
            self.position = self.current.len();
        }
        Ok(())
    }
}

impl<W: Watch + ?Sized> Read for ChunkReader<'_, W> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buf)?;
        self.consume(count);
        Ok(count)
    }
}

impl<W: Watch + ?Sized> BufRead for ChunkReader<'_, W> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.position >= self.current.len() {
            if self.watch.interrupted() {
                return Err(io::Error::other(Error::Interrupted));
            }
            match self.chunks.recv_timeout(TICK) {
                Ok(chunk) => (self.current, self.position) = (chunk, 0),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(&[]),
            }
        }
        Ok(self.current.get(self.position..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.position = self.position.saturating_add(count).min(self.current.len());
    }
}

/// Digests all chunks; returns the digest and the length in bytes.
pub(crate) fn digest_stage(chunks: Receiver<Chunk>) -> (Sha256Digest, u64) {
    let mut hasher = Sha256::new();
    let mut length = 0_u64;
    for chunk in chunks {
        hasher.update(chunk.as_slice());
        length += chunk.len() as u64;
    }
    (Sha256Digest::from_bytes(hasher.finalize().into()), length)
}

/// Writes all chunks one after another, leaving holes where they hold only zeroes; returns the length in bytes.
pub(crate) fn sparse_write_stage(chunks: Receiver<Chunk>, file: &File, path: &Path) -> Result<u64> {
    let mut offset = 0_u64;
    for chunk in chunks {
        write_sparse(file, offset, &chunk).map_err(|error| Error::writing(path, error))?;
        offset += chunk.len() as u64;
    }
    file.set_len(offset).map_err(|error| Error::writing(path, error))?;
    Ok(offset)
}

/// Writes the runs of blocks that are not all zero.
fn write_sparse(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    static ZEROES: [u8; HOLE] = [0; HOLE];
    let is_hole = |block: &[u8]| ZEROES.get(..block.len()) == Some(block);
    let mut run: Option<usize> = None;
    for (index, block) in bytes.chunks(HOLE).enumerate() {
        let at = index * HOLE;
        if !is_hole(block) {
            run.get_or_insert(at);
        } else if let Some(start) = run.take() {
            file.write_all_at(bytes.get(start..at).unwrap_or_default(), offset + start as u64)?;
        }
    }
    match run {
        Some(start) => file.write_all_at(bytes.get(start..).unwrap_or_default(), offset + start as u64),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::thread;

    use super::*;
    use crate::watch::Silent;

    fn send_all(bytes: &[u8], size: usize, sinks: Vec<Sink>) {
        let (mut ring, fanout, mut input) = (BufferRing::new(size), Fanout(sinks), bytes);
        while let Some(chunk) = ring.fill(&mut input).expect("memory") {
            fanout.send(&chunk);
        }
    }

    #[test]
    fn every_stage_sees_every_byte_in_order() {
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let ((to_digest, digested), (to_reader, chunks)) = (channel(), channel());
        thread::scope(|scope| {
            scope.spawn(|| send_all(&bytes, 1000, vec![to_digest, to_reader]));
            let digest = scope.spawn(|| digest_stage(digested));
            let mut read = Vec::new();
            ChunkReader::new(chunks, &Silent).read_to_end(&mut read).expect("channel");
            assert_eq!(read, bytes);
            assert_eq!(digest.join().expect("no panic"), (Sha256Digest::of(&bytes), 400_000));
        });
    }

    #[test]
    fn runs_of_zeroes_become_holes() {
        let mut bytes = vec![0_u8; 8 << 20];
        bytes[5_000_000] = 7;
        bytes[HOLE - 1] = 9;
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        let (sink, chunks) = channel();
        let written = thread::scope(|scope| {
            scope.spawn(|| send_all(&bytes, 1 << 20, vec![sink]));
            sparse_write_stage(chunks, file.as_file(), file.path())
        });
        assert_eq!(written.expect("space"), bytes.len() as u64);
        assert!(fs_err::read(file.path()).expect("readable") == bytes, "the bytes come back");
        let blocks = file.as_file().metadata().expect("metadata").blocks();
        assert!(blocks * 512 < 1 << 20, "{blocks} blocks of 512 bytes for two dirty blocks");
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let full = Path::new("/dev/full");
        let Ok(file) = fs_err::OpenOptions::new().write(true).open(full) else {
            return; // only Linux has it
        };
        let (sink, chunks) = channel();
        sink.send(Arc::new(vec![1; 10])).expect("room for one");
        drop(sink);
        let error = sparse_write_stage(chunks, file.file(), full).expect_err("always full");
        assert!(matches!(error, Error::NoSpace { path } if path == full));
    }
}
