//! SHA-256 beside the workers.
//!
//! The digest of the whole cannot be put together from digests of its parts: each block of 64 bytes goes into the
//! state that all blocks before it made, so it is one long chain on one core, and nothing of one host's chain is of
//! use to another host, whose disk signature is in sector 0. What can be done is done: it runs beside compression, it
//! reads unchanged pieces itself, so that nobody waits for them, holes are fed from one buffer of zeroes, and
//! the state at some places is kept ([`crate::image::frames`]), so that the same host built again begins behind the
//! last piece that is as it was.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use pimg_disk::block::BlockRead;
use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest as _, Sha256};

use super::EmitError;

/// Bytes that are read or made up at once: they stay in the core's own cache.
const PIECE: usize = 256 << 10;

/// Feeds that wait. A digester that is behind holds up the line, and with it the workers.
const DEPTH: usize = 4;

pub(super) enum Feed {
    Bytes(Arc<Vec<u8>>),
    Zeroes(u64),
    /// Bytes of the image that nobody else reads.
    Image(Range<u64>),
    /// The state is wanted here.
    Mark,
}

/// What a digester found.
pub(super) struct Digested {
    pub(super) digest: [u8; 32],
    /// The states at the marks.
    pub(super) states: Vec<Vec<u8>>,
}

/// A thread that digests what it is fed.
pub(super) struct Digester<'scope> {
    feeds: SyncSender<Feed>,
    thread: ScopedJoinHandle<'scope, io::Result<Digested>>,
}

impl<'scope> Digester<'scope> {
    /// Begins with `state`.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        image: &'env dyn BlockRead,
        state: Sha256,
    ) -> Self {
        let (feeds, fed) = sync_channel(DEPTH);
        let thread = scope.spawn(move || run(image, state, &fed));
        Self { feeds, thread }
    }

    /// `false` where the thread has stopped: [`Self::finish`] has the reason.
    pub(super) fn feed(&self, feed: Feed) -> bool {
        self.feeds.send(feed).is_ok()
    }

    pub(super) fn finish(self) -> Result<Digested, EmitError> {
        drop(self.feeds);
        self.thread.join().map_err(|_| EmitError::worker())?.map_err(EmitError::Read)
    }
}

fn run(image: &dyn BlockRead, mut state: Sha256, fed: &Receiver<Feed>) -> io::Result<Digested> {
    let zeroes = vec![0; PIECE];
    let mut buffer = vec![0; PIECE];
    let mut states = Vec::new();
    for feed in fed {
        match feed {
            Feed::Bytes(bytes) => state.update(bytes.as_slice()),
            Feed::Zeroes(length) => {
                for piece in super::spans::even(length, PIECE as u64) {
                    state.update(zeroes.get(..length_of(&piece)).unwrap_or_default());
                }
            }
            Feed::Image(range) => {
                for piece in super::spans::even(range.end - range.start, PIECE as u64) {
                    let part = buffer.get_mut(..length_of(&piece)).unwrap_or_default();
                    image.read_at(range.start + piece.start, part)?;
                    state.update(part);
                }
            }
            Feed::Mark => states.push(state.serialize().to_vec()),
        }
    }
    Ok(Digested { digest: state.finalize().into(), states })
}

fn length_of(piece: &Range<u64>) -> usize {
    usize::try_from(piece.end - piece.start).unwrap_or(usize::MAX)
}
