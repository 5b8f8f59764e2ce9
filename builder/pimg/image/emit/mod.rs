//! From the finished device to the file that people flash.
//!
//! | room | what it knows |
//! | --- | --- |
//! | `spans` | the image cut into pieces, and what names each without reading it |
//! | `line` | pieces become frames in order, by all cores or from the cache |
//! | `workers` | who makes frames |
//! | `digester` | SHA-256 beside them |
//! | `stock` | what comes from the frame cache and goes to it |
//! | `resume` | where digests can begin |
//! | `zst`, `seek_table` | `.img.zst` |
//! | `xz` | `.img.xz` |
//! | `raw` | `.img` |

mod digester;
mod line;
mod raw;
mod resume;
pub(super) mod seek_table;
mod spans;
mod stock;
#[cfg(test)]
mod tests;
mod workers;
mod xz;
mod zst;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;

use pimg_disk::block::BlockRead;
use pimg_fetch::digest::Sha256Digest;

use self::line::Job;
use self::stock::Stock;
pub use self::xz::Carried;
use super::format::ImageFormat;
use super::frames::FrameCache;
use crate::host::env;
use crate::progress::{Reporter, TaskId};

/// Workers of one emission. Each has up to two pieces on their way, some of which wait for a digest as well, and a build is to stay under 300 MiB.
const MOST_WORKERS: usize = 6;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// Length of the published file in bytes.
    pub size: u64,
    /// Digest of the published file.
    pub sha256: Sha256Digest,
    /// Length of the raw image in bytes.
    pub raw_size: u64,
    /// Digest of the raw image.
    pub raw_sha256: Sha256Digest,
    /// Where its frames came from.
    pub frames: FrameCount,
}

/// Where frames came from; holes do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCount {
    /// From the cache.
    pub cached: usize,
    /// Compressed anew.
    pub made: usize,
}

/// Why an image could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// The working image cannot be read.
    #[error("cannot read the working image")]
    Read(#[source] io::Error),
    /// The output cannot be written.
    #[error("cannot write the image")]
    Write(#[source] io::Error),
    /// A compressor gave up.
    #[error("cannot compress the image")]
    Compress(#[from] io::Error),
    /// The person asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl EmitError {
    fn worker() -> Self {
        Self::Compress(io::Error::other("a compression worker stopped"))
    }
}

/// Turns a piece of the image into a frame: bytes that stand on their own in the output.
trait FrameEncoder: Send {
    fn encode(&mut self, piece: &[u8]) -> io::Result<Vec<u8>>;
}

/// A format that consists of frames.
trait Container {
    /// Names everything beside its piece that a frame depends on.
    fn codec(&self) -> String;
    /// A new encoder; all of them make the same frames.
    fn encoder(&self) -> io::Result<Box<dyn FrameEncoder>>;
    /// What comes before the first frame.
    fn head(&self) -> Vec<u8>;
    /// Told of every frame in the order of the output.
    fn note(&mut self, frame: &[u8], raw_len: usize) -> io::Result<()>;
    /// What comes behind the last frame.
    fn tail(&self) -> io::Result<Vec<u8>>;
}

/// Progress and interruption of one emission.
struct Watch<'a> {
    reporter: &'a dyn Reporter,
    task: TaskId,
}

impl Watch<'_> {
    fn check(&self) -> Result<(), EmitError> {
        if self.reporter.interrupted() { Err(EmitError::Interrupted) } else { Ok(()) }
    }

    fn advance(&self, bytes: u64) {
        self.reporter.advance(self.task, bytes);
    }
}

/// An image, and how it is cut.
struct Source<'a> {
    image: &'a dyn BlockRead,
    ranges: Vec<Range<u64>>,
    carried: Option<&'a Carried>,
}

/// Writes images.
pub struct Emitter<'a> {
    frames: Option<&'a FrameCache>,
    carried: Option<&'a Carried>,
    workers: usize,
    reporter: &'a dyn Reporter,
}

impl<'a> Emitter<'a> {
    /// Without a cache, with a worker for each core.
    pub fn new(reporter: &'a dyn Reporter) -> Self {
        Self { frames: None, carried: None, workers: env::cores().min(MOST_WORKERS), reporter }
    }

    /// Takes frames from this cache, and adds to it.
    #[must_use]
    pub fn with_frames(self, frames: Option<&'a FrameCache>) -> Self {
        Self { frames, ..self }
    }

    /// Carries over blocks of the base's own `.xz` into a `.img.xz`.
    #[must_use]
    pub fn with_base(self, carried: Option<&'a Carried>) -> Self {
        Self { carried, ..self }
    }

    /// Writes `image` into the empty file `file`, known as `path` in messages.
    ///
    /// The bytes depend on the image alone: not on the number of cores, nor on the cache.
    ///
    /// # Errors
    /// Reading, compressing, writing, or an interruption; what was written so far is of no use then.
    pub fn emit(
        &self,
        image: &dyn BlockRead,
        format: ImageFormat,
        file: File,
        path: &Path,
    ) -> Result<Emitted, EmitError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let task = self.reporter.begin(&format!("writing {name}"), Some(image.len()));
        let watch = Watch { reporter: self.reporter, task };
        let emitted = self.emit_as(format, image, file, &watch).map_err(|error| match error {
            EmitError::Write(error) => {
                let place = format!("{error} (in `{}`)", path.display());
                EmitError::Write(io::Error::new(error.kind(), place))
            }
            other => other,
        })?;
        let FrameCount { cached, made } = emitted.frames;
        let hits = match (self.frames, cached + made) {
            (Some(_), 1..) => format!(", {cached} of {} frames from the cache", cached + made),
            _ => String::new(),
        };
        self.reporter.finish(task, &format!("sha256 {}{hits}", emitted.sha256));
        Ok(emitted)
    }

    fn emit_as(
        &self,
        format: ImageFormat,
        image: &dyn BlockRead,
        file: File,
        watch: &Watch<'_>,
    ) -> Result<Emitted, EmitError> {
        match format {
            ImageFormat::Raw => raw::emit(image, file, watch),
            ImageFormat::Zst => {
                let ranges = spans::even(image.len(), zst::FRAME);
                let source = Source { image, ranges, carried: None };
                self.emit_frames(source, &mut zst::Zst::default(), self.workers, file, watch)
            }
            ImageFormat::Xz => {
                let carried = self.carried;
                let ranges = xz::ranges(image, carried).map_err(EmitError::Read)?;
                let (container, workers) = (&mut xz::Xz::new(carried), self.workers.min(xz::MOST_WORKERS));
                self.emit_frames(Source { image, ranges, carried }, container, workers, file, watch)
            }
        }
    }

    fn emit_frames(
        &self,
        source: Source<'_>,
        container: &mut dyn Container,
        workers: usize,
        file: File,
        watch: &Watch<'_>,
    ) -> Result<Emitted, EmitError> {
        let Source { image, ranges, carried } = source;
        let codec = container.codec();
        let spans = spans::look(image, ranges, &codec, carried).map_err(EmitError::Read)?;
        let mut stock = Stock::open(self.frames, &codec, &spans);
        let mut out = BufWriter::new(file);
        let job = Job { image, spans: &spans, carried, workers, watch };
        let written = line::run(&job, container, &mut stock, &mut out)?;
        out.flush().map_err(EmitError::Write)?;
        if let Some(problem) = stock.close() {
            self.reporter.notice(&format!("cannot keep compressed frames in the cache: {problem}"));
        }
        Ok(Emitted {
            size: written.size,
            sha256: Sha256Digest::from_bytes(written.sha256),
            raw_size: image.len(),
            raw_sha256: Sha256Digest::from_bytes(written.raw_sha256),
            frames: FrameCount { cached: written.cached, made: written.made },
        })
    }
}
