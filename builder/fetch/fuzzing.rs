//! The one door for fuzz targets into what this package keeps to itself. No part of its interface.

use std::io::{self, Read};

use crate::decode::{DecodeError, DecodeLimits, MAGIC_LEN, decode};
use crate::{Format, Result, Source};

/// Tells the format of a published image and decodes it, to its end or to `most` raw bytes: how many came out.
///
/// # Errors
/// What is wrong with it, as text.
pub fn decoded(bytes: &[u8], most: u64) -> std::result::Result<u64, String> {
    let format = Format::detect(bytes.get(..MAGIC_LEN).unwrap_or(bytes))?;
    let limits = DecodeLimits { threads: 1, memory: 32 << 20 };
    let mut raw = 0;
    let pump = |input: &mut dyn Read| -> std::result::Result<(), DecodeError> {
        raw += io::copy(&mut input.take(most), &mut io::sink())?;
        Ok(())
    };
    decode(format, bytes, limits, pump).map_err(|error| format!("{error:?}"))?;
    Ok(raw)
}

/// Reads the note beside a partial download.
pub fn partial_note(text: &str) -> Option<u64> {
    crate::partial::parse_note(text).map(|(length, _)| length)
}

/// Reads where something is fetched from.
///
/// # Errors
/// It is neither a path nor an address.
pub fn source(text: &str) -> Result<String> {
    Source::parse(text).map(|source| source.to_string())
}
