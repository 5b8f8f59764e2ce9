//! LZMA2: pieces that can be compressed are, the others are stored.
//!
//! An LZMA2 stream is a row of chunks behind control bytes (`doc/lzma-file-format.txt` has LZMA; LZMA2 is told by
//! liblzma's `lzma2_encoder.c`): `0x01` and `0x02` are up to 64 KiB as they are, the former after forgetting all before
//! it; `0x80` and above are compressed; `0x00` is the end. Streams that begin by forgetting can stand one behind
//! the other, so each run of a piece is made on its own.

use std::io;

use liblzma::stream::{Action, Filters, LzmaOptions, Status, Stream};

/// The number of the LZMA2 filter (section 5.3.1).
pub(super) const FILTER_ID: u8 = 0x21;

/// Dictionary bytes; no more than a block can use.
const DICTIONARY: u32 = 4 << 20;

/// [`DICTIONARY`] as a block header has it: `2 << (byte / 2 + 11)` for even bytes (section 5.3.1).
pub(super) const DICTIONARY_BYTE: u8 = 20;

/// liblzma's preset. In blocks of 4 MiB of a base, 6 takes 2.8 times the time of 3 for files a tenth shorter; what is
/// carried over from the base is most of the file, and as its publisher made it.
const PRESET: u32 = 3;

/// What the bytes of a stream depend on.
pub(super) const SETTINGS: &str = "preset 3, dictionary 4 MiB, stored by zstd 1";

/// Bytes that are tried at once.
const TRIAL: usize = 128 << 10;

/// Longest stored chunk in bytes.
const STORED: usize = 64 << 10;

const FORGET_AND_STORE: u8 = 0x01;
const STORE: u8 = 0x02;
const END: u8 = 0x00;

pub(super) struct Lzma2 {
    trial: zstd::bulk::Compressor<'static>,
    scratch: Vec<u8>,
}

impl Lzma2 {
    pub(super) fn new() -> io::Result<Self> {
        let scratch = vec![0; zstd::zstd_safe::compress_bound(TRIAL)];
        Ok(Self { trial: zstd::bulk::Compressor::new(1)?, scratch })
    }

    /// The stream of a piece.
    pub(super) fn encode(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(piece.len() / 2);
        let mut rest = piece;
        while !rest.is_empty() {
            let (length, is_stored) = self.run(rest)?;
            let (run, behind) = rest.split_at(length);
            if is_stored {
                store(run, &mut out)
            } else {
                compress(run, &mut out)?
            }
            rest = behind;
        }
        out.push(END);
        Ok(out)
    }

    /// The length of the run at the front, and whether storing it costs nothing.
    fn run(&mut self, bytes: &[u8]) -> io::Result<(usize, bool)> {
        let mut first = None;
        let mut length = 0;
        for part in bytes.chunks(TRIAL) {
            let is_stored = self.is_dense(part)?;
            if *first.get_or_insert(is_stored) != is_stored {
                break;
            }
            length += part.len();
        }
        Ok((length, first.unwrap_or(false)))
    }

    /// Whether a quick compressor finds less than one part in 64 to save.
    fn is_dense(&mut self, part: &[u8]) -> io::Result<bool> {
        let length = self.trial.compress_to_buffer(part, self.scratch.as_mut_slice())?;
        Ok(length + part.len() / 64 > part.len())
    }
}

/// Appends the chunks of a compressed run.
fn compress(run: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut options = LzmaOptions::new_preset(PRESET)?;
    options.dict_size(DICTIONARY);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let mut stream = Stream::new_raw_encoder(&filters)?;
    let mut rest = run;
    loop {
        out.reserve(rest.len() / 4 + STORED);
        let before = stream.total_in();
        let status = stream.process_vec(rest, out, Action::Finish)?;
        let taken = usize::try_from(stream.total_in() - before).map_err(io::Error::other)?;
        rest = rest.get(taken..).unwrap_or_default();
        if status == Status::StreamEnd {
            break;
        }
    }
    // its end is not the end of the block
    if out.pop() == Some(END) { Ok(()) } else { Err(io::Error::other("an LZMA2 stream without an end")) }
}

/// Appends the chunks of a stored run.
fn store(run: &[u8], out: &mut Vec<u8>) {
    let mut control = FORGET_AND_STORE;
    for chunk in run.chunks(STORED) {
        // at most 64 KiB, less one
        let [.., high, low] = (chunk.len() - 1).to_be_bytes();
        out.extend_from_slice(&[control, high, low]);
        out.extend_from_slice(chunk);
        control = STORE;
    }
}
