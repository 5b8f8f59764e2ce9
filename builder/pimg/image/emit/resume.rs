//! Where the digests of an output can begin: behind the last piece that an earlier emission had in common with it.

use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256};

use super::spans::Span;
use crate::image::frames::{FrameKey, Frames};

/// Spans between two places whose state is kept: 64 MiB of a `.img.zst`.
const INTERVAL: usize = 16;

/// The states of both digests behind some span.
pub(super) struct Resume {
    /// Spans that are done.
    pub(super) spans: usize,
    /// State of the raw image's digest.
    pub(super) raw: Sha256,
    /// State of the output's digest.
    pub(super) file: Sha256,
    /// Bytes of the output so far.
    pub(super) file_len: u64,
}

impl Resume {
    fn from_start() -> Self {
        Self { spans: 0, raw: Sha256::new(), file: Sha256::new(), file_len: 0 }
    }

    /// The last place of which the cache knows the states, and whose pieces have the names of `prefixes`.
    pub(super) fn find(prefixes: &[FrameKey], spans: &[Span], frames: &mut Frames) -> Self {
        let marks = (1..=prefixes.len()).rev().filter(|done| is_mark(*done, spans));
        for done in marks {
            let found = prefixes.get(done - 1).and_then(|name| frames.read(&key(name)));
            if let Some(resume) = found.and_then(|bytes| decode(done, &bytes)) {
                return resume;
            }
        }
        Self::from_start()
    }
}

/// Whether the state behind the first `done` spans is kept.
pub(super) fn is_mark(done: usize, spans: &[Span]) -> bool {
    done > 0 && (done.is_multiple_of(INTERVAL) || done == spans.len())
}

/// What the states behind a prefix are called in the frame cache.
pub(super) fn key(prefix: &FrameKey) -> FrameKey {
    Sha256::new_with_prefix(b"states\0").chain_update(prefix).finalize().into()
}

/// Both states and the length of the output so far, as bytes.
pub(super) fn encode(raw: &[u8], file: &[u8], file_len: u64) -> Vec<u8> {
    [raw, file, &file_len.to_le_bytes()].concat()
}

fn decode(spans: usize, bytes: &[u8]) -> Option<Resume> {
    let (states, file_len) = bytes.split_last_chunk()?;
    let (raw, file) = states.split_at_checked(states.len() / 2)?;
    let state = |bytes: &[u8]| {
        let bytes: &SerializedState<Sha256> = bytes.try_into().ok()?;
        Sha256::deserialize(bytes).ok()
    };
    Some(Resume { spans, raw: state(raw)?, file: state(file)?, file_len: u64::from_le_bytes(*file_len) })
}
