//! The image cut into pieces, and what is known of each before it is read.

use std::io;
use std::ops::Range;

use pimg_disk::block::BlockRead;
use sha2::{Digest as _, Sha256};

use super::xz::Carried;
use crate::image::frames::{FrameKey, key_of_range};

/// A piece of the image that becomes one frame of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// Its bytes in the image.
    pub(super) range: Range<u64>,
    /// What is in them.
    pub(super) content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Only zeroes.
    Hole,
    /// Bytes whose frame has this name in the frame cache.
    Named(FrameKey),
    /// A block of the base's own file, of this name.
    Carried(FrameKey),
    /// Bytes that have to be read.
    Unknown,
}

impl Span {
    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        // spans are cut from lengths that fit memory
        usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX)
    }

    /// The name of its frame in the frame cache.
    pub(super) fn key(&self) -> Option<&FrameKey> {
        if let Content::Named(key) = &self.content { Some(key) } else { None }
    }
}

/// Pieces of `length` bytes that cover `total` bytes; the last may be shorter.
pub(super) fn even(total: u64, length: u64) -> Vec<Range<u64>> {
    (0..total.div_ceil(length)).map(|at| at * length..((at + 1) * length).min(total)).collect()
}

/// Says of each range what is known of it. `codec` names everything but its bytes that a frame depends on.
///
/// # Errors
/// The image cannot be read.
pub(super) fn look(
    image: &dyn BlockRead,
    ranges: Vec<Range<u64>>,
    codec: &str,
    carried: Option<&Carried>,
) -> io::Result<Vec<Span>> {
    let mut data: Option<Range<u64>> = None;
    let mut ended = false;
    let mut spans = Vec::with_capacity(ranges.len());
    for range in ranges {
        if !ended && data.as_ref().is_none_or(|data| data.end <= range.start) {
            data = image.next_data(range.start)?;
            ended = data.is_none();
        }
        let is_hole = data.as_ref().is_none_or(|data| data.start >= range.end);
        let origin = if is_hole && carried.is_none() { None } else { image.origin(range.clone())? };
        let name = origin.and_then(|origin| carried.and_then(|carried| carried.name(&range, &origin)));
        let content = match (name, origin) {
            // before the hole: whether a file system has one there must not decide which bytes are written
            (Some(key), _) => Content::Carried(key),
            _ if is_hole => Content::Hole,
            (None, None) => Content::Unknown,
            (None, Some(origin)) => Content::Named(key_of_range(codec, &origin, &range)),
        };
        spans.push(Span { range, content });
    }
    Ok(spans)
}

/// Names of everything up to and with each span; it ends where a span has no name.
pub(super) fn prefixes(codec: &str, spans: &[Span]) -> Vec<FrameKey> {
    let mut name: FrameKey = Sha256::new_with_prefix(codec).chain_update(b"\0prefix").finalize().into();
    let mut names = Vec::with_capacity(spans.len());
    for span in spans {
        let next = Sha256::new_with_prefix(name).chain_update(span.range.end.to_le_bytes());
        name = match &span.content {
            Content::Hole => next.chain_update([0]).finalize().into(),
            Content::Named(key) | Content::Carried(key) => {
                next.chain_update([1]).chain_update(key).finalize().into()
            }
            Content::Unknown => break,
        };
        names.push(name);
    }
    names
}
