//! The image as a sequence of chunks, compressed by all cores and put back in order.
//!
//! Every chunk becomes bytes of its own, independent of its neighbours and of the number of cores, so the
//! output depends on the image alone. Holes are known from the block map and cost nothing to read.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope};

use pimg_disk::block::BlockRead;
use sha2::{Digest, Sha256};

use super::{EmitError, Watch};

/// A piece of the image, at most one chunk long.
#[derive(Clone)]
enum Chunk {
    /// Only zeroes, this many bytes.
    Hole(usize),
    /// Bytes as they are.
    Data(Arc<Vec<u8>>),
}

/// Takes the bytes of a chunk, or `None` for a hole, and its length.
pub(super) type Place<'a> = dyn FnMut(Option<&[u8]>, usize) -> io::Result<()> + 'a;

/// Turns one chunk into bytes that stand on their own in the output.
pub(super) trait ChunkEncoder: Send {
    /// Encodes a whole chunk.
    fn encode(&mut self, chunk: &[u8]) -> io::Result<Vec<u8>>;
}

/// Compresses `image` chunk by chunk into `out` and returns the digest of the raw image.
///
/// `encoder` is called once per worker. At most two chunks per worker are in memory.
pub(super) fn compress<E: ChunkEncoder>(
    image: &dyn BlockRead,
    chunk_len: usize,
    workers: usize,
    encoder: impl Fn() -> io::Result<E>,
    out: &mut dyn Write,
    watch: &Watch<'_>,
) -> Result<[u8; 32], EmitError> {
    thread::scope(|scope| {
        let (to_digest, digest) = digest_thread(scope);
        let lanes = (0..workers.max(1))
            .map(|_| Ok(Lane::start(scope, encoder()?, chunk_len)))
            .collect::<Result<Vec<_>, EmitError>>()?;
        let chunks = image.len().div_ceil(chunk_len as u64);
        let in_flight = (lanes.len() as u64) * 2;
        for turn in 0..chunks + in_flight {
            watch.check()?;
            if let Some(done) = turn.checked_sub(in_flight) {
                let lane = &lanes[lane_of(done, lanes.len())];
                out.write_all(&lane.results.recv().map_err(|_| EmitError::worker())??)
                    .map_err(EmitError::Write)?;
                watch.advance(length_at(image.len(), done, chunk_len) as u64);
            }
            if turn < chunks {
                let chunk = read_chunk(image, turn * chunk_len as u64, chunk_len)?;
                to_digest.send(chunk.clone()).map_err(|_| EmitError::worker())?;
                lanes[lane_of(turn, lanes.len())].work.send(chunk).map_err(|_| EmitError::worker())?;
            }
        }
        drop(to_digest);
        digest.join().map_err(|_| EmitError::worker())
    })
}

/// Passes `image` on chunk by chunk and returns its digest.
pub(super) fn copy(
    image: &dyn BlockRead,
    chunk_len: usize,
    place: &mut Place<'_>,
    watch: &Watch<'_>,
) -> Result<[u8; 32], EmitError> {
    thread::scope(|scope| {
        let (to_digest, digest) = digest_thread(scope);
        for chunk in 0..image.len().div_ceil(chunk_len as u64) {
            watch.check()?;
            let chunk = read_chunk(image, chunk * chunk_len as u64, chunk_len)?;
            to_digest.send(chunk.clone()).map_err(|_| EmitError::worker())?;
            let length = match &chunk {
                Chunk::Hole(length) => place(None, *length).map(|()| *length),
                Chunk::Data(bytes) => place(Some(bytes), bytes.len()).map(|()| bytes.len()),
            };
            watch.advance(length.map_err(EmitError::Write)? as u64);
        }
        drop(to_digest);
        digest.join().map_err(|_| EmitError::worker())
    })
}

fn lane_of(chunk: u64, lanes: usize) -> usize {
    usize::try_from(chunk % lanes as u64).unwrap_or(0)
}

fn length_at(image_len: u64, chunk: u64, chunk_len: usize) -> usize {
    let rest = image_len - chunk * chunk_len as u64;
    usize::try_from(rest).map_or(chunk_len, |rest| rest.min(chunk_len))
}

fn read_chunk(image: &dyn BlockRead, offset: u64, chunk_len: usize) -> Result<Chunk, EmitError> {
    let length = length_at(image.len(), offset / chunk_len as u64, chunk_len);
    let end = offset + length as u64;
    let data = image.next_data(offset).map_err(EmitError::Read)?;
    if data.is_none_or(|range| range.start >= end) {
        return Ok(Chunk::Hole(length));
    }
    let mut bytes = vec![0; length];
    image.read_at(offset, &mut bytes).map_err(EmitError::Read)?;
    Ok(Chunk::Data(Arc::new(bytes)))
}

/// One worker: chunks go in on one side and come out, encoded and in order, on the other.
struct Lane {
    work: SyncSender<Chunk>,
    results: Receiver<io::Result<Vec<u8>>>,
}

impl Lane {
    fn start<'scope, E: ChunkEncoder + 'scope>(
        scope: &'scope Scope<'scope, '_>,
        mut encoder: E,
        chunk_len: usize,
    ) -> Self {
        let (work, incoming) = sync_channel::<Chunk>(2);
        let (outgoing, results) = sync_channel(2);
        scope.spawn(move || {
            let zeroes = vec![0; chunk_len];
            // most of a grown image is holes of one whole chunk: encoded once
            let mut hole: Option<Vec<u8>> = None;
            for chunk in incoming {
                let encoded = match chunk {
                    Chunk::Data(bytes) => encoder.encode(&bytes),
                    Chunk::Hole(length) if length < chunk_len => encoder.encode(&zeroes[..length]),
                    Chunk::Hole(_) => match &hole {
                        Some(encoded) => Ok(encoded.clone()),
                        None => encoder.encode(&zeroes).inspect(|encoded| hole = Some(encoded.clone())),
                    },
                };
                if outgoing.send(encoded).is_err() {
                    return; // the build has stopped
                }
            }
        });
        Self { work, results }
    }
}

/// Digests the raw image beside the workers: SHA-256 has no parts that could run at once.
fn digest_thread<'scope>(
    scope: &'scope Scope<'scope, '_>,
) -> (SyncSender<Chunk>, thread::ScopedJoinHandle<'scope, [u8; 32]>) {
    let (to_digest, chunks) = sync_channel::<Chunk>(2);
    let handle = scope.spawn(move || {
        let zeroes = [0; 64 * 1024];
        let mut digest = Sha256::new();
        for chunk in chunks {
            match chunk {
                Chunk::Data(bytes) => digest.update(bytes.as_slice()),
                Chunk::Hole(mut rest) => {
                    while rest > 0 {
                        let part = rest.min(zeroes.len());
                        digest.update(&zeroes[..part]);
                        rest -= part;
                    }
                }
            }
        }
        digest.finalize().into()
    });
    (to_digest, handle)
}
