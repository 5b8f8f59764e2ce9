//! From the finished device to the file that people flash.

mod chunks;

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::num::NonZero;
use std::path::Path;
use std::thread;

use liblzma::stream::{Check, Filters, LzmaOptions, MtStreamBuilder};
use pimg_disk::block::BlockRead;
use pimg_fetch::digest::{HashingReader, HashingWriter, Sha256Digest};

use self::chunks::ChunkEncoder;
use super::format::ImageFormat;
use crate::progress::{Reporter, TaskId};

/// Raw bytes per zstd frame. Frames of 4 MiB cost 0.3 % at level 3 against one frame for all.
const ZSTD_CHUNK: usize = 4 << 20;
const ZSTD_LEVEL: i32 = 3;

/// Bytes of a raw image that are written at once.
const RAW_CHUNK: usize = 1 << 20;

/// Raw bytes per xz block: independent blocks are what lets a reader use all its cores.
const XZ_BLOCK: u64 = 16 << 20;
/// Dictionary bytes of an xz block. A worker needs about twelve times as much memory.
const XZ_DICTIONARY: u32 = 4 << 20;
/// Each xz worker takes about 80 MiB, and a build is to stay under 300 MiB.
const XZ_WORKERS: usize = 3;

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

/// Writes `image` into the empty file `file`, known as `path` in messages.
///
/// # Errors
/// Reading, compressing, writing, or an interruption; what was written so far is of no use then.
pub fn emit(
    image: &dyn BlockRead,
    format: ImageFormat,
    file: File,
    path: &Path,
    reporter: &dyn Reporter,
) -> Result<Emitted, EmitError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let task = reporter.begin(&format!("writing {name}"), Some(image.len()));
    let watch = Watch { reporter, task };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let emitted = match format {
        ImageFormat::Raw => emit_raw(image, file, &watch)?,
        ImageFormat::Zst => {
            let mut out = HashingWriter::new(BufWriter::new(file));
            let raw = chunks::compress(image, ZSTD_CHUNK, cores, ZstdFrames::new, &mut out, &watch)?;
            out.flush().map_err(EmitError::Write)?;
            let (_, sha256, size) = out.finish();
            Emitted { size, sha256, raw_size: image.len(), raw_sha256: Sha256Digest::from_bytes(raw) }
        }
        ImageFormat::Xz => emit_xz(image, file, cores.min(XZ_WORKERS), &watch)?,
    };
    reporter.finish(task, &format!("sha256 {}", emitted.sha256));
    Ok(emitted)
}

/// A zstd frame per chunk, with its content size and checksum in it.
struct ZstdFrames(zstd::bulk::Compressor<'static>);

impl ZstdFrames {
    fn new() -> io::Result<Self> {
        let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        compressor.include_checksum(true)?;
        Ok(Self(compressor))
    }
}

impl ChunkEncoder for ZstdFrames {
    fn encode(&mut self, chunk: &[u8]) -> io::Result<Vec<u8>> {
        self.0.compress(chunk)
    }
}

fn emit_xz(
    image: &dyn BlockRead,
    file: File,
    workers: usize,
    watch: &Watch<'_>,
) -> Result<Emitted, EmitError> {
    let mut options = LzmaOptions::new_preset(6).map_err(io::Error::from)?;
    options.dict_size(XZ_DICTIONARY);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let stream = MtStreamBuilder::new()
        .threads(u32::try_from(workers).unwrap_or(1))
        .block_size(XZ_BLOCK)
        .check(Check::Crc64)
        .filters(filters)
        .encoder()
        .map_err(io::Error::from)?;
    let out = HashingWriter::new(BufWriter::new(file));
    let mut encoder = liblzma::write::XzEncoder::new_stream(out, stream);
    let mut reader = HashingReader::new(DeviceReader { image, offset: 0 });
    let mut buffer = vec![0; 1 << 20];
    loop {
        watch.check()?;
        let read = reader.read(&mut buffer).map_err(EmitError::Read)?;
        if read == 0 {
            break;
        }
        encoder.write_all(&buffer[..read])?;
        watch.advance(read as u64);
    }
    let mut out = encoder.finish()?;
    out.flush().map_err(EmitError::Write)?;
    let (_, sha256, size) = out.finish();
    let (raw_sha256, raw_size) = reader.finish();
    Ok(Emitted { size, sha256, raw_size, raw_sha256 })
}

/// Data goes to the file, holes stay holes; the digest sees both.
fn emit_raw(image: &dyn BlockRead, mut file: File, watch: &Watch<'_>) -> Result<Emitted, EmitError> {
    file.set_len(image.len()).map_err(EmitError::Write)?;
    let mut offset = 0;
    let mut place = |chunk: Option<&[u8]>, length: usize| {
        if let Some(bytes) = chunk {
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(bytes)?;
        }
        offset += length as u64;
        Ok(())
    };
    let raw = chunks::copy(image, RAW_CHUNK, &mut place, watch)?;
    let sha256 = Sha256Digest::from_bytes(raw);
    Ok(Emitted { size: image.len(), sha256, raw_size: image.len(), raw_sha256: sha256 })
}

/// A device as a stream of bytes from its start.
struct DeviceReader<'a> {
    image: &'a dyn BlockRead,
    offset: u64,
}

impl Read for DeviceReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let rest = self.image.len() - self.offset;
        let length = usize::try_from(rest).map_or(buf.len(), |rest| rest.min(buf.len()));
        self.image.read_at(self.offset, &mut buf[..length])?;
        self.offset += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pimg_disk::block::{BlockRead, BlockWrite, MemoryDevice};

    use super::super::format::ImageFormat;
    use super::{Watch, XZ_BLOCK, ZSTD_CHUNK, ZstdFrames, chunks, emit, emit_xz};
    use crate::progress::{Reporter, Silent};

    /// A bit more than two xz blocks: text, a hole, noise that repeats after a while.
    fn image() -> MemoryDevice {
        let length = 2 * XZ_BLOCK + 12_345;
        let device = MemoryDevice::new(vec![0; usize::try_from(length).expect("small")]);
        let noise: Vec<u8> = (0..3_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        device.write_at(1000, &noise).expect("fits");
        device.write_at(length - 3_000_000, &noise).expect("fits");
        device
    }

    #[test]
    fn bytes_do_not_depend_on_the_number_of_cores() {
        let image = image();
        let watch = Watch { reporter: &Silent, task: Silent.begin("", None) };
        let zstd = |workers| {
            let mut out = Vec::new();
            let digest = chunks::compress(&image, ZSTD_CHUNK, workers, ZstdFrames::new, &mut out, &watch);
            (out, digest.expect("compresses"))
        };
        assert_eq!(zstd(1), zstd(5));
        let xz = |workers| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            let emitted =
                emit_xz(&image, file.reopen().expect("a file"), workers, &watch).expect("compresses");
            (fs::read(file.path()).expect("a file"), emitted)
        };
        assert_eq!(xz(1), xz(3));
    }

    #[test]
    fn every_format_holds_the_same_image() {
        let image = image();
        let mut decoded = Vec::new();
        for format in [ImageFormat::Raw, ImageFormat::Zst, ImageFormat::Xz] {
            let file = tempfile::NamedTempFile::new().expect("a file");
            let out = file.reopen().expect("a file");
            let emitted = emit(&image, format, out, file.path(), &Silent).expect("writes");
            let bytes = fs::read(file.path()).expect("a file");
            assert_eq!((emitted.size, emitted.raw_size), (bytes.len() as u64, image.len()));
            decoded.push(match format {
                ImageFormat::Raw => bytes,
                ImageFormat::Zst => zstd::decode_all(bytes.as_slice()).expect("zstd"),
                ImageFormat::Xz => liblzma::decode_all(bytes.as_slice()).expect("xz"),
            });
        }
        assert!(decoded.iter().all(|bytes| *bytes == image.to_vec()));
    }
}
