//! SHA-256 digests: the one name that content has in locks, in the cache and in manifests.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest (FIPS 180-4), printed as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest that was computed elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Digest({self})")
    }
}

/// A text that is no SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDigestError {
    /// The text has another length than 64 characters.
    #[error("a SHA-256 digest has 64 hexadecimal digits, got {got}")]
    Length {
        /// Characters found.
        got: usize,
    },
    /// A character is no hexadecimal digit.
    #[error("`{got}` is not a hexadecimal digit (position {position})")]
    Digit {
        /// The character found.
        got: char,
        /// Its position, counted in characters from 1.
        position: usize,
    },
}

impl FromStr for Sha256Digest {
    type Err = ParseDigestError;

    /// Reads 64 hexadecimal digits, upper or lower case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let got = text.chars().count();
        if got != 64 {
            return Err(ParseDigestError::Length { got });
        }
        let mut bytes = [0_u8; 32];
        for (index, character) in text.chars().enumerate() {
            let digit = character.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let digit = digit.ok_or(ParseDigestError::Digit { got: character, position: index + 1 })?;
            if let Some(byte) = bytes.get_mut(index / 2) {
                *byte = (*byte << 4) | digit;
            }
        }
        Ok(Self(bytes))
    }
}

/// Passes bytes on to be read and digests what went through.
#[derive(Debug)]
pub struct HashingReader<R> {
    inner: R,
    hasher: Sha256,
    length: u64,
}

impl<R: Read> HashingReader<R> {
    /// Digests what is read from `inner` from here on.
    pub fn new(inner: R) -> Self {
        Self { inner, hasher: Sha256::new(), length: 0 }
    }

    /// The digest and the number of bytes read.
    pub fn finish(self) -> (Sha256Digest, u64) {
        (Sha256Digest(self.hasher.finalize().into()), self.length)
    }

    /// As [`Self::finish`], and gives back what was read from.
    pub fn into_parts(self) -> (R, Sha256Digest, u64) {
        (self.inner, Sha256Digest(self.hasher.finalize().into()), self.length)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.hasher.update(buf.get(..count).unwrap_or_default());
        self.length += count as u64;
        Ok(count)
    }
}

/// Passes bytes on to be written and digests what went through.
#[derive(Debug)]
pub struct HashingWriter<W> {
    inner: W,
    hasher: Sha256,
    length: u64,
}

impl<W: Write> HashingWriter<W> {
    /// Digests what is written to `inner` from here on.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), length: 0 }
    }

    /// The writer, the digest and the number of bytes written.
    pub fn finish(self) -> (W, Sha256Digest, u64) {
        (self.inner, Sha256Digest(self.hasher.finalize().into()), self.length)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buf)?;
        self.hasher.update(buf.get(..count).unwrap_or_default());
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // the one-block message of FIPS 180-4's examples
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_digest_prints_as_it_was_written() {
        let digest: Sha256Digest = ABC.to_uppercase().parse().expect("64 digits");
        assert_eq!(digest.to_string(), ABC);
        assert_eq!(digest, Sha256Digest::of(b"abc"));
    }

    #[test]
    fn what_is_no_digest_says_why() {
        let short = "abc".parse::<Sha256Digest>().expect_err("too short");
        assert_eq!(short.to_string(), "a SHA-256 digest has 64 hexadecimal digits, got 3");
        let odd = ABC.replace('7', "x").parse::<Sha256Digest>().expect_err("not hexadecimal");
        assert_eq!(odd, ParseDigestError::Digit { got: 'x', position: 3 });
        // 64 characters, but more bytes
        assert!("é".repeat(64).parse::<Sha256Digest>().is_err());
    }

    #[test]
    fn reader_and_writer_see_every_byte() {
        let mut reader = HashingReader::new(&b"abc"[..]);
        let mut writer = HashingWriter::new(Vec::new());
        io::copy(&mut reader, &mut writer).expect("memory");
        assert_eq!(reader.finish(), (Sha256Digest::of(b"abc"), 3));
        assert_eq!(writer.finish(), (b"abc".to_vec(), Sha256Digest::of(b"abc"), 3));
    }
}
