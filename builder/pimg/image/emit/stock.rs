//! What one emission takes from the frame cache and adds to it. Nothing that is wrong with the cache stops it.

use std::io;
use std::sync::MutexGuard;

use super::resume::{self, Resume};
use super::spans::{self, Span};
use crate::image::frames::{FrameCache, FrameKey, Frames, NewPack};

/// Missing frames that make an emission wait for another one of this process that makes frames too.
const MANY: usize = 16;

/// The frames that can be had.
pub(super) struct Stock<'a> {
    cache: Option<&'a FrameCache>,
    frames: Frames,
    pack: Option<NewPack>,
    /// Names of the image's beginnings, see [`spans::prefixes`].
    prefixes: Vec<FrameKey>,
    problem: Option<io::Error>,
    /// Hosts of one build share most frames: the first that needs them makes them, the others wait and find them.
    _filling: Option<MutexGuard<'a, ()>>,
}

impl<'a> Stock<'a> {
    /// Looks for the frames of `spans`.
    pub(super) fn open(cache: Option<&'a FrameCache>, codec: &str, spans: &[Span]) -> Self {
        let mut stock = Self {
            cache,
            frames: Frames::default(),
            pack: None,
            prefixes: Vec::new(),
            problem: None,
            _filling: None,
        };
        let Some(cache) = cache else { return stock };
        stock.prefixes = spans::prefixes(codec, spans);
        stock.frames = cache.look();
        let is_missing = |span: &&Span| span.key().is_some_and(|key| stock.frames.length(key).is_none());
        if spans.iter().filter(is_missing).count() >= MANY {
            stock._filling = Some(cache.fill());
            stock.frames = cache.look();
        }
        match cache.new_pack() {
            Ok(pack) => stock.pack = Some(pack),
            Err(error) => stock.problem = Some(error),
        }
        stock
    }

    /// Where the digests can begin.
    pub(super) fn resume(&mut self, spans: &[Span]) -> Resume {
        Resume::find(&self.prefixes, spans, &mut self.frames)
    }

    /// A frame that is there and whole.
    pub(super) fn take(&mut self, key: &FrameKey) -> Option<Vec<u8>> {
        self.frames.read(key)
    }

    /// Keeps a frame that was made.
    pub(super) fn add(&mut self, key: FrameKey, frame: &[u8]) {
        if let Some(Err(error)) = self.pack.as_mut().map(|pack| pack.add(key, frame)) {
            self.pack = None;
            self.problem = Some(error);
        }
    }

    /// Keeps the states of both digests behind the first `done` spans.
    pub(super) fn add_states(&mut self, done: usize, states: &[u8]) {
        if let Some(prefix) = done.checked_sub(1).and_then(|last| self.prefixes.get(last)) {
            self.add(resume::key(prefix), states);
        }
    }

    /// Publishes what was added. Returns what was wrong with the cache.
    pub(super) fn close(self) -> Option<io::Error> {
        let cache = self.cache?;
        cache.used(&self.frames);
        let kept = self.pack.map_or(Ok(()), |pack| cache.keep(pack));
        self.problem.or(kept.err())
    }
}
