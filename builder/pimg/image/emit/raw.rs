//! `.img`: the image itself, sparse where it is empty.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::thread;

use pimg_disk::block::BlockRead;
use pimg_fetch::digest::Sha256Digest;
use sha2::{Digest as _, Sha256};

use super::digester::{Digester, Feed};
use super::spans::{self, Content};
use super::{EmitError, Emitted, Watch};

/// Bytes that are read and written at once.
const PIECE: u64 = 1 << 20;

/// Data goes to the file, holes stay holes; the digest sees both.
pub(super) fn emit(image: &dyn BlockRead, mut file: File, watch: &Watch<'_>) -> Result<Emitted, EmitError> {
    file.set_len(image.len()).map_err(EmitError::Write)?;
    let pieces = spans::look(image, spans::even(image.len(), PIECE), "", None).map_err(EmitError::Read)?;
    let digest = thread::scope(|scope| {
        let digester = Digester::start(scope, image, Sha256::new());
        for piece in &pieces {
            watch.check()?;
            let length = piece.range.end - piece.range.start;
            let feed = if piece.content == Content::Hole {
                Feed::Zeroes(length)
            } else {
                let mut bytes = vec![0; piece.len()];
                image.read_at(piece.range.start, &mut bytes).map_err(EmitError::Read)?;
                file.seek(SeekFrom::Start(piece.range.start)).map_err(EmitError::Write)?;
                file.write_all(&bytes).map_err(EmitError::Write)?;
                Feed::Bytes(Arc::new(bytes))
            };
            if !digester.feed(feed) {
                break; // its reason follows
            }
            watch.advance(length);
        }
        digester.finish()
    })?;
    let sha256 = Sha256Digest::from_bytes(digest.digest);
    Ok(Emitted {
        size: image.len(),
        sha256,
        raw_size: image.len(),
        raw_sha256: sha256,
        frames: super::FrameCount::default(),
    })
}
