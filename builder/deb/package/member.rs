//! A part of a package and how it is decompressed.

use std::io::{self, Read};

use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

use super::{Error, Problem, Result};

/// Most memory that xz may take: its largest preset needs 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

#[derive(Debug, Clone, Copy)]
enum Compression {
    None,
    Gzip,
    Xz,
    Zstd,
}

/// `control.tar` or `data.tar`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) name: &'static str,
    compression: Compression,
    bytes: &'a [u8],
}

impl<'a> Member<'a> {
    pub(super) fn new(name: &'static str, extension: &str, bytes: &'a [u8]) -> Result<Self> {
        let compression = match extension {
            "" => Compression::None,
            ".gz" => Compression::Gzip,
            ".xz" => Compression::Xz,
            ".zst" => Compression::Zstd,
            other => return Err(Error::new(name, Problem::Compression { extension: other.to_owned() })),
        };
        Ok(Self { name, compression, bytes })
    }

    /// Decompresses it on the way.
    pub(super) fn reader(self) -> Result<Box<dyn Read + 'a>> {
        let damaged = |error| Error::new(self.name, Problem::Damaged(error));
        Ok(match self.compression {
            Compression::None => Box::new(self.bytes),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(self.bytes)),
            Compression::Xz => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED);
                let stream = stream.map_err(|error| damaged(io::Error::other(error)))?;
                Box::new(XzDecoder::new_stream(self.bytes, stream))
            }
            // takes windows up to 128 MiB
            Compression::Zstd => Box::new(zstd::Decoder::with_buffer(self.bytes).map_err(damaged)?),
        })
    }
}
