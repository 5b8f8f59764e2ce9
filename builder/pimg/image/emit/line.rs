//! The assembly line: pieces of the image become frames of the output, in order, by all cores.
//!
//! A hole is encoded once. A piece whose frame is in the cache is not read here, only its frame is. All other
//! pieces are read and given to the workers. A frame depends on its piece alone, never on its neighbours,
//! the number of workers or the cache, so the output depends on the image alone.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::sync::Arc;
use std::thread;

use pimg_disk::block::BlockRead;

use super::digester::{Digester, Feed};
use super::resume::{self, Resume};
use super::spans::{Content, Span};
use super::stock::Stock;
use super::workers::{Promise, Workers};
use super::xz::Carried;
use super::{Container, EmitError, FrameEncoder, Watch};

/// What is to be written, and by how many.
pub(super) struct Job<'a> {
    pub(super) image: &'a dyn BlockRead,
    pub(super) spans: &'a [Span],
    /// Where blocks are carried over from.
    pub(super) carried: Option<&'a Carried>,
    pub(super) workers: usize,
    pub(super) watch: &'a Watch<'a>,
}

/// What was written.
pub(super) struct Written {
    pub(super) size: u64,
    pub(super) sha256: [u8; 32],
    pub(super) raw_sha256: [u8; 32],
    /// Frames that came from the cache.
    pub(super) cached: usize,
    /// Frames that had to be made.
    pub(super) made: usize,
}

/// A frame that is on its way.
enum Waiting {
    Ready(Arc<Vec<u8>>),
    Promised(Promise),
}

/// Writes the whole output. At most two pieces per worker and one are on their way, beside those that wait for a digest.
pub(super) fn run(
    job: &Job<'_>,
    container: &mut dyn Container,
    stock: &mut Stock<'_>,
    out: &mut dyn Write,
) -> Result<Written, EmitError> {
    let resume = stock.resume(job.spans);
    let hole_encoder = container.encoder()?;
    let encoders = (0..job.workers.max(1)).map(|_| container.encoder()).collect::<io::Result<Vec<_>>>()?;
    thread::scope(|scope| {
        let raw = Digester::start(scope, job.image, resume.raw.clone());
        let file = Digester::start(scope, job.image, resume.file.clone());
        let workers = Workers::start(scope, encoders);
        let mut line = Line {
            job,
            container,
            stock,
            out,
            resume,
            raw,
            file,
            workers,
            waiting: VecDeque::new(),
            hole_encoder,
            holes: HashMap::new(),
            written: 0,
            lengths_at_marks: Vec::new(),
            counts: (0, 0),
        };
        match line.work() {
            Ok(()) => line.finish(),
            // a digester that stopped has the better reason
            Err(error) => Err(line.raw.finish().and(line.file.finish()).err().unwrap_or(error)),
        }
    })
}

struct Line<'a, 's, 'scope> {
    job: &'a Job<'a>,
    container: &'a mut dyn Container,
    stock: &'a mut Stock<'s>,
    out: &'a mut dyn Write,
    resume: Resume,
    raw: Digester<'scope>,
    file: Digester<'scope>,
    workers: Workers,
    waiting: VecDeque<Waiting>,
    hole_encoder: Box<dyn FrameEncoder>,
    /// Frames of holes by their length.
    holes: HashMap<usize, Arc<Vec<u8>>>,
    /// Bytes of the output so far.
    written: u64,
    lengths_at_marks: Vec<(usize, u64)>,
    /// Frames from the cache, and made.
    counts: (usize, usize),
}

impl Line<'_, '_, '_> {
    fn work(&mut self) -> Result<(), EmitError> {
        let head = Arc::new(self.container.head());
        self.put(&head, self.resume.spans == 0)?;
        let in_flight = self.workers.in_flight();
        let spans = self.job.spans;
        for at in 0..spans.len() + in_flight {
            self.job.watch.check()?;
            if let Some((done, span)) =
                at.checked_sub(in_flight).and_then(|done| Some((done, spans.get(done)?)))
            {
                self.complete(done, span)?;
            }
            if let Some(span) = spans.get(at) {
                let waiting = self.dispatch(at, span)?;
                self.waiting.push_back(waiting);
            }
        }
        let tail = Arc::new(self.container.tail()?);
        // part of the file, but behind the last mark
        self.put(&tail, true)
    }

    /// Gets a frame, or gives its piece to who makes it.
    fn dispatch(&mut self, at: usize, span: &Span) -> Result<Waiting, EmitError> {
        let is_digested = at < self.resume.spans;
        let waiting = match &span.content {
            Content::Hole => {
                self.feed_raw(is_digested, || Feed::Zeroes(span.range.end - span.range.start))?;
                Waiting::Ready(self.hole(span.len())?)
            }
            Content::Named(key) if let Some(frame) = self.stock.take(key) => {
                self.counts.0 += 1;
                self.feed_raw(is_digested, || Feed::Image(span.range.clone()))?;
                Waiting::Ready(Arc::new(frame))
            }
            Content::Carried(_) => {
                let carried = self.job.carried.ok_or_else(EmitError::worker)?;
                let frame = carried.read(&span.range).map_err(EmitError::Read)?;
                self.counts.0 += 1;
                self.feed_raw(is_digested, || Feed::Image(span.range.clone()))?;
                Waiting::Ready(Arc::new(frame))
            }
            Content::Named(_) | Content::Unknown => {
                self.counts.1 += 1;
                let mut bytes = vec![0; span.len()];
                self.job.image.read_at(span.range.start, &mut bytes).map_err(EmitError::Read)?;
                let bytes = Arc::new(bytes);
                self.feed_raw(is_digested, || Feed::Bytes(Arc::clone(&bytes)))?;
                Waiting::Promised(self.workers.give(bytes)?)
            }
        };
        if !is_digested && resume::is_mark(at + 1, self.job.spans) && !self.raw.feed(Feed::Mark) {
            return Err(EmitError::worker());
        }
        Ok(waiting)
    }

    fn feed_raw(&self, is_digested: bool, feed: impl FnOnce() -> Feed) -> Result<(), EmitError> {
        if is_digested || self.raw.feed(feed()) { Ok(()) } else { Err(EmitError::worker()) }
    }

    /// Puts the oldest frame that is on its way into the output.
    fn complete(&mut self, done: usize, span: &Span) -> Result<(), EmitError> {
        let frame = match self.waiting.pop_front().ok_or_else(EmitError::worker)? {
            Waiting::Ready(frame) => frame,
            Waiting::Promised(frame) => {
                let frame = frame.wait()?;
                if let Some(key) = span.key() {
                    self.stock.add(*key, &frame);
                }
                Arc::new(frame)
            }
        };
        self.container.note(&frame, span.len())?;
        let is_digested = done < self.resume.spans;
        self.put(&frame, !is_digested)?;
        if done + 1 == self.resume.spans && self.written != self.resume.file_len {
            return Err(EmitError::Compress(io::Error::other(
                "cached frames have another length than they had: `pimg clean --cache` removes them",
            )));
        }
        if !is_digested && resume::is_mark(done + 1, self.job.spans) {
            if !self.file.feed(Feed::Mark) {
                return Err(EmitError::worker());
            }
            self.lengths_at_marks.push((done + 1, self.written));
        }
        self.job.watch.advance(span.range.end - span.range.start);
        Ok(())
    }

    fn put(&mut self, bytes: &Arc<Vec<u8>>, digest: bool) -> Result<(), EmitError> {
        self.out.write_all(bytes).map_err(EmitError::Write)?;
        self.written += bytes.len() as u64;
        if digest && !self.file.feed(Feed::Bytes(Arc::clone(bytes))) {
            return Err(EmitError::worker());
        }
        Ok(())
    }

    fn hole(&mut self, length: usize) -> Result<Arc<Vec<u8>>, EmitError> {
        if let Some(frame) = self.holes.get(&length) {
            return Ok(Arc::clone(frame));
        }
        let frame = Arc::new(self.hole_encoder.encode(&vec![0; length])?);
        self.holes.insert(length, Arc::clone(&frame));
        Ok(frame)
    }

    fn finish(self) -> Result<Written, EmitError> {
        let (raw, file) = (self.raw.finish()?, self.file.finish()?);
        for ((done, length), (raw, file)) in
            self.lengths_at_marks.iter().zip(raw.states.iter().zip(&file.states))
        {
            self.stock.add_states(*done, &resume::encode(raw, file, *length));
        }
        let (cached, made) = self.counts;
        Ok(Written { size: self.written, sha256: file.digest, raw_sha256: raw.digest, cached, made })
    }
}
