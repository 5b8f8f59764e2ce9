//! Compressed image formats: told apart by their first bytes, decoded as a stream in bounded memory.
//!
//! | format | magic | notes |
//! |---|---|---|
//! | raw  | `55 aa` at 510 | a partition table in the first sector |
//! | xz   | `fd 37 7a 58 5a 00` | xz-file-format 1.2.1; blocks decoded by all cores |
//! | zstd | `28 b5 2f fd`, `50..5f 2a 4d 18` | RFC 8878; several frames, skippable ones too |
//! | gzip | `1f 8b` | RFC 1952; several members |
//! | zip  | `50 4b 03 04` | APPNOTE 4.3; one `.img` member, sizes in the local header |

use std::fmt;
use std::io::{self, BufRead, Read};

use liblzma::stream::{Action, MtStreamBuilder, Status, Stream};

/// Bytes that [`Format::detect`] wants to see: one sector.
pub(crate) const MAGIC_LEN: usize = 512;

/// Upper bound of what one xz decoder may take even with a single thread: dictionary sizes come from the file.
const XZ_MEMORY_LIMIT: u64 = 192 << 20;

/// A form in which a base image is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The disk's bytes as they are.
    Raw,
    /// `.xz`.
    Xz,
    /// `.zst`.
    Zstd,
    /// `.gz`.
    Gzip,
    /// `.zip` with one image in it.
    Zip,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Zip => "zip",
        })
    }
}

impl Format {
    /// Tells the format from the first bytes, whatever the file is called.
    ///
    /// # Errors
    /// What the bytes look like instead.
    pub(crate) fn detect(head: &[u8]) -> Result<Self, &'static str> {
        match head {
            [] => Err("it is empty"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Ok(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [b'P', b'K', 3, 4, ..] => Ok(Self::Zip),
            _ => has_partition_table(head).map(|()| Self::Raw),
        }
    }
}

/// Whether the first sector carries a partition table; GPT disks have a protective MBR there (UEFI 2.10, 5.2.3).
///
/// # Errors
/// What the sector looks like instead.
pub(crate) fn has_partition_table(sector: &[u8]) -> Result<(), &'static str> {
    if sector.get(510..512) == Some(&[0x55, 0xaa]) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(sector.get(..64).unwrap_or(sector)).trim_start().to_ascii_lowercase();
    Err(match sector {
        [b'B', b'Z', b'h', ..] => "it is bzip2 data, which is not supported",
        [b'7', b'z', 0xbc, 0xaf, ..] => "it is a 7-Zip archive, which is not supported",
        [b'P', b'K', 5, 6, ..] => "it is an empty zip archive",
        _ if sector.get(257..262) == Some(b"ustar") => "it is a tar archive",
        _ if text.starts_with("<!doctype html") || text.starts_with("<html") => "it is an HTML page",
        _ if sector.len() < MAGIC_LEN => "it is shorter than one sector",
        _ => "it has no partition table and no known compression",
    })
}

/// Memory and threads of a decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DecodeLimits {
    /// Threads for formats that can use several.
    pub(crate) threads: u32,
    /// Bytes beyond which no further thread is started.
    pub(crate) memory: u64,
}

/// Why decoding stopped.
#[derive(Debug)]
pub(crate) enum DecodeError {
    /// The container holds no image, or several.
    NotAnImage(String),
    /// The data is damaged or ends early (`UnexpectedEof`), or the input failed.
    Data(io::Error),
}

impl From<io::Error> for DecodeError {
    fn from(error: io::Error) -> Self {
        Self::Data(error)
    }
}

/// Decodes `input` and hands the raw bytes to `pump`, which must read them to their end.
///
/// # Errors
/// The first failure of decoder, input or `pump`.
pub(crate) fn decode<E: From<DecodeError>>(
    format: Format,
    mut input: impl BufRead,
    limits: DecodeLimits,
    mut pump: impl FnMut(&mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    match format {
        Format::Raw => pump(&mut input),
        Format::Xz => pump(&mut XzReader::new(input, limits).map_err(DecodeError::Data)?),
        Format::Gzip => pump(&mut flate2::bufread::MultiGzDecoder::new(input)),
        Format::Zstd => pump(&mut zstd::Decoder::with_buffer(input).map_err(DecodeError::Data)?),
        Format::Zip => decode_zip(&mut input, pump),
    }
}

/// Walks a zip archive front to back. Member names are looked at and never used as paths.
fn decode_zip<E: From<DecodeError>>(
    input: &mut impl BufRead,
    mut pump: impl FnMut(&mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let mut found = false;
    while let Some(mut member) = next_member(input)? {
        if !member.name_raw().to_ascii_lowercase().ends_with(b".img") {
            continue; // skipped when dropped
        }
        if std::mem::replace(&mut found, true) {
            return Err(DecodeError::NotAnImage("the zip archive holds several images".to_owned()).into());
        }
        pump(&mut member)?;
    }
    if !found {
        return Err(DecodeError::NotAnImage("the zip archive holds no `.img` file".to_owned()).into());
    }
    // the central directory: not needed, but part of the published bytes
    io::copy(input, &mut io::sink()).map_err(DecodeError::Data)?;
    Ok(())
}

fn next_member<R: Read>(input: &mut R) -> Result<Option<zip::read::ZipFile<'_, R>>, DecodeError> {
    zip::read::read_zipfile_from_stream(input).map_err(|error| match error {
        zip::result::ZipError::Io(error) => DecodeError::Data(error),
        other => DecodeError::Data(io::Error::new(io::ErrorKind::InvalidData, other)),
    })
}

/// Decodes one or several xz streams, with padding between and behind them, by all cores.
struct XzReader<R> {
    input: R,
    limits: DecodeLimits,
    stream: Stream,
    state: XzState,
}

#[derive(PartialEq, Eq)]
enum XzState {
    InStream,
    BetweenStreams { padding: u64 },
    AtEnd,
}

impl<R: BufRead> XzReader<R> {
    fn new(input: R, limits: DecodeLimits) -> io::Result<Self> {
        Ok(Self { input, limits, stream: Self::decoder(limits)?, state: XzState::InStream })
    }

    fn decoder(limits: DecodeLimits) -> io::Result<Stream> {
        let mut builder = MtStreamBuilder::new();
        builder.threads(limits.threads).memlimit_threading(limits.memory).memlimit_stop(XZ_MEMORY_LIMIT);
        Ok(builder.decoder()?)
    }

    /// Skips stream padding (xz-file-format 2.2: zero bytes, a multiple of four) and opens the next stream.
    fn next_stream(&mut self, mut padding: u64) -> io::Result<()> {
        let input = self.input.fill_buf()?;
        let zeros = input.iter().take_while(|byte| **byte == 0).count();
        let behind = input.get(zeros).copied();
        padding += zeros as u64;
        let at_end = input.is_empty();
        self.input.consume(zeros);
        self.state = XzState::BetweenStreams { padding };
        match behind {
            None if !at_end => Ok(()),
            None | Some(0xfd) if !padding.is_multiple_of(4) => {
                Err(garbage("stream padding is no multiple of four"))
            }
            None => {
                self.state = XzState::AtEnd;
                Ok(())
            }
            Some(0xfd) => {
                self.stream = Self::decoder(self.limits)?;
                self.state = XzState::InStream;
                Ok(())
            }
            Some(_) => Err(garbage("garbage behind the end of the xz stream")),
        }
    }

    fn read_stream(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let input = self.input.fill_buf()?;
        let at_end = input.is_empty();
        let (in_before, out_before) = (self.stream.total_in(), self.stream.total_out());
        let action = if at_end { Action::Finish } else { Action::Run };
        let status = self.stream.process(input, buf, action);
        let consumed = self.stream.total_in() - in_before;
        let produced = self.stream.total_out() - out_before;
        self.input.consume(usize::try_from(consumed).unwrap_or(0));
        match status.map_err(xz_error)? {
            Status::StreamEnd => self.state = XzState::BetweenStreams { padding: 0 },
            _ if at_end && produced == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Status::MemNeeded if produced == 0 => return Err(garbage("the decoder makes no progress")),
            _ => {}
        }
        Ok(usize::try_from(produced).unwrap_or(0))
    }
}

impl<R: BufRead> Read for XzReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state {
                XzState::AtEnd => return Ok(0),
                XzState::BetweenStreams { padding } => self.next_stream(padding)?,
                XzState::InStream => match self.read_stream(buf)? {
                    0 => {}
                    count => return Ok(count),
                },
            }
        }
    }
}

fn garbage(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn xz_error(error: liblzma::stream::Error) -> io::Error {
    match error {
        liblzma::stream::Error::MemLimit => {
            let reason = format!("its dictionary needs more than {} MiB of memory", XZ_MEMORY_LIMIT >> 20);
            io::Error::new(io::ErrorKind::InvalidData, reason)
        }
        other => other.into(),
    }
}
