//! Published bytes in, digested raw image out: feed → digest and decode → digest and sparse write, all at once.

use std::io::{self, Read};
use std::num::NonZero;
use std::sync::mpsc::Receiver;
use std::thread::{self, ScopedJoinHandle};

use tempfile::NamedTempFile;

use crate::cache::{Bucket, Cache};
use crate::decode::{DecodeError, DecodeLimits, Format, MAGIC_LEN, decode, has_partition_table};
use crate::digest::Sha256Digest;
use crate::error::{Error, Result};
use crate::pipeline::{
    BufferRing, Chunk, ChunkReader, Fanout, channel, digest_stage, read_full, sparse_write_stage,
};
use crate::source::Pins;
use crate::watch::Watch;

/// Length of the buffers of published bytes.
pub(crate) const CHUNK: usize = 256 << 10;

/// Length of the buffers of raw bytes.
const RAW_CHUNK: usize = 1 << 20;

/// How large things may become.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest published file, in bytes.
    pub published: u64,
    /// Longest raw image, in bytes.
    pub raw: u64,
    /// Memory in bytes that parallel decoding may take; with less, fewer blocks are decoded at a time.
    pub decode_memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { published: 32 << 30, raw: 64 << 30, decode_memory: 144 << 20 }
    }
}

/// A decoded image that is not in the cache yet.
#[derive(Debug)]
pub(crate) struct Ingested {
    pub(crate) published: Sha256Digest,
    pub(crate) raw: Sha256Digest,
    pub(crate) file: NamedTempFile,
}

/// Takes in what `feed` sends. `feed` returns early, without an error, when its sink returns `false`.
///
/// A pinned digest that does not match is reported rather than the decoding failure it may have caused.
pub(crate) fn ingest(
    cache: &Cache,
    origin: &str,
    pins: Pins,
    limits: Limits,
    watch: &dyn Watch,
    feed: impl FnOnce(&mut dyn FnMut(&Chunk) -> bool) -> Result<()> + Send,
) -> Result<Ingested> {
    let file = cache.unfinished(Bucket::Raw)?;
    let (to_digest, digested) = channel();
    let (to_decoder, chunks) = channel();
    let (to_raw_digest, raw_digested) = channel();
    let (to_writer, written) = channel();
    let stages = thread::scope(|scope| {
        let fed = scope.spawn(move || {
            let fanout = Fanout(vec![to_digest, to_decoder]);
            feed(&mut |chunk| fanout.send(chunk))
        });
        let published = scope.spawn(|| digest_stage(digested));
        let raw = scope.spawn(|| digest_stage(raw_digested));
        let writer = scope.spawn(|| sparse_write_stage(written, file.as_file(), file.path()));
        let raw_stages = Fanout(vec![to_raw_digest, to_writer]);
        let decoded = decode_stage(chunks, raw_stages, origin, pins, limits, watch);
        Stages {
            fed: join(fed),
            published: join(published).0,
            decoded,
            written: join(writer),
            raw: join(raw).0,
        }
    });
    let (published, raw) = stages.judge(origin, pins, watch)?;
    Ok(Ingested { published, raw, file })
}

/// What became of each stage.
struct Stages {
    fed: Result<()>,
    published: Sha256Digest,
    decoded: Result<(), Stop>,
    written: Result<u64>,
    raw: Sha256Digest,
}

impl Stages {
    /// The first cause among the failures: stages behind a failed one fail too.
    fn judge(self, origin: &str, pins: Pins, watch: &dyn Watch) -> Result<(Sha256Digest, Sha256Digest)> {
        self.fed?;
        if self.decoded.is_err() && watch.interrupted() {
            return Err(Error::Interrupted);
        }
        self.written?;
        let saw_all = !matches!(self.decoded, Err(Stop::Unread(_)));
        if saw_all {
            require(origin.to_owned(), pins.published, self.published)?;
        }
        match self.decoded {
            Err(Stop::Read(error) | Stop::Unread(error)) => return Err(error),
            Ok(()) => {}
        }
        require(format!("the raw image in {origin}"), pins.raw, self.raw)?;
        Ok((self.published, self.raw))
    }
}

/// Sends a file from where it stands to its end, or until `sink` has enough.
///
/// # Errors
/// `Interrupted`, and failures of the file system.
pub(crate) fn send_file(
    mut file: impl Read,
    watch: &dyn Watch,
    sink: &mut dyn FnMut(&Chunk) -> bool,
) -> Result<()> {
    let mut ring = BufferRing::new(CHUNK);
    while let Some(chunk) = ring.fill(&mut file)? {
        if watch.interrupted() {
            return Err(Error::Interrupted);
        }
        if !sink(&chunk) {
            break;
        }
        watch.advance(chunk.len() as u64);
    }
    Ok(())
}

/// Compares a digest with its pin.
///
/// # Errors
/// `DigestMismatch`.
pub(crate) fn require(what: String, pin: Option<Sha256Digest>, got: Sha256Digest) -> Result<()> {
    match pin {
        Some(expected) if expected != got => Err(Error::DigestMismatch { what, expected, got }),
        _ => Ok(()),
    }
}

/// Why decoding ended early.
enum Stop {
    /// After all published bytes were read.
    Read(Error),
    /// Before.
    Unread(Error),
}

fn decode_stage(
    chunks: Receiver<Chunk>,
    raw_stages: Fanout,
    origin: &str,
    pins: Pins,
    limits: Limits,
    watch: &dyn Watch,
) -> Result<(), Stop> {
    let mut input = ChunkReader::new(chunks, watch);
    let mut raw = RawStage { origin, stages: raw_stages, limit: limits.raw, length: 0, writing: true };
    let error = match decode_image(&mut input, &mut raw, limits) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    if pins.published.is_some() && raw.writing && input.drain().is_ok() {
        return Err(Stop::Read(error));
    }
    Err(Stop::Unread(error))
}

fn decode_image(
    input: &mut ChunkReader<'_, dyn Watch + '_>,
    raw: &mut RawStage<'_>,
    limits: Limits,
) -> Result<()> {
    let mut head = vec![0; MAGIC_LEN];
    let length = read_full(input, &mut head)?;
    head.truncate(length);
    let origin = raw.origin;
    let format = Format::detect(&head).map_err(|found| not_an_image(origin, found))?;
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let decode_limits =
        DecodeLimits { threads: u32::try_from(threads).unwrap_or(u32::MAX), memory: limits.decode_memory };
    let input = io::Cursor::new(head).chain(input);
    let decoded = decode(format, input, decode_limits, |reader| raw.pump(reader));
    decoded.map_err(|halt| match halt {
        Halt::Error(error) => error,
        Halt::Decode(error) => decoding_error(error, origin, format, raw.length),
    })
}

fn not_an_image(origin: &str, found: &str) -> Error {
    Error::NotAnImage { origin: origin.to_owned(), found: found.to_owned() }
}

fn decoding_error(error: DecodeError, origin: &str, format: Format, got: u64) -> Error {
    let origin = origin.to_owned();
    match error {
        DecodeError::NotAnImage(found) => Error::NotAnImage { origin, found },
        DecodeError::Data(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Error::Truncated { origin, format, got }
        }
        DecodeError::Data(error) => Error::Decode { origin, format, got, source: error.into() },
    }
}

/// Why raw bytes stopped flowing.
enum Halt {
    Decode(DecodeError),
    Error(Error),
}

impl From<DecodeError> for Halt {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

/// Takes decoded bytes and shares them out.
struct RawStage<'a> {
    origin: &'a str,
    stages: Fanout,
    limit: u64,
    length: u64,
    /// Whether the stages behind still take bytes.
    writing: bool,
}

impl RawStage<'_> {
    fn pump(&mut self, reader: &mut dyn Read) -> Result<(), Halt> {
        let mut ring = BufferRing::new(RAW_CHUNK);
        loop {
            let chunk = ring.fill(reader).map_err(|error| Halt::Decode(DecodeError::Data(error)))?;
            if self.length == 0 {
                let sector = chunk.as_ref().map_or(&[][..], |chunk| chunk.get(..MAGIC_LEN).unwrap_or(chunk));
                let table = if sector.is_empty() { Err("it is empty") } else { has_partition_table(sector) };
                table.map_err(|found| Halt::Error(not_an_image(self.origin, found)))?;
            }
            let Some(chunk) = chunk else {
                return Ok(());
            };
            self.length += chunk.len() as u64;
            if self.length > self.limit {
                let (origin, limit) = (self.origin.to_owned(), self.limit);
                return Err(Halt::Error(Error::TooLarge { origin, what: "the raw image", limit }));
            }
            if !self.stages.send(&chunk) {
                self.writing = false; // the writer tells why
                return Err(Halt::Decode(DecodeError::Data(io::ErrorKind::BrokenPipe.into())));
            }
        }
    }
}

fn join<T>(stage: ScopedJoinHandle<'_, T>) -> T {
    stage.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
