//! A large file from a place: what is missing of it, as often as it takes.

use std::path::Path;

use futures_util::StreamExt as _;

use super::descriptor::Descriptor;
use super::error::{Pieces, Problem};
use super::place::Place;
use crate::cache::Cache;
use crate::digest::HashingReader;
use crate::error::{Error, Result};
use crate::http::Validator;
use crate::partial::Partial;
use crate::watch::Watch;

impl Place {
    /// Downloads a blob of a tag to `to`, a new file in the file system of the cache. What came before a failure is kept
    /// there, and the next download goes on with it.
    ///
    /// # Errors
    /// `Place`, `SizeMismatch`, `DigestMismatch`, `Interrupted`, failures of the file system.
    pub fn download(
        &self,
        tag: &str,
        blob: &Descriptor,
        cache: &Cache,
        to: &Path,
        watch: &dyn Watch,
    ) -> Result<()> {
        let what = format!("`{}` of `{}`", blob.digest, self.shown);
        let expected = blob.sha256()?;
        let _lock = cache.lock(expected, watch)?;
        let mut partial = Partial::open(cache, expected)?;
        // named by its content, so that a beginning is a beginning wherever it came from
        let validator = Validator::ETag(format!("\"{}\"", blob.digest));
        if partial.validator() != Some(&validator) || partial.length() > blob.size {
            partial.restart(Some(validator))?;
        }
        watch.begin("downloading", Some(blob.size));
        watch.advance(partial.length());
        let got = self.runtime.run(watch, self.complete(tag, blob, &mut partial, watch));
        watch.finish("");
        partial.checkpoint()?;
        got?;
        if partial.length() != blob.size {
            let (expected, got) = (blob.size, partial.length());
            partial.discard()?;
            return Err(Error::SizeMismatch { what, expected, got, whole: got < expected });
        }
        let mut reader = HashingReader::new(partial.reader()?);
        std::io::copy(&mut reader, &mut std::io::sink())?;
        let got = reader.finish().0;
        if got != expected {
            partial.discard()?;
            return Err(Error::DigestMismatch { what, expected, got });
        }
        partial.move_to(to)
    }

    /// Gets what is missing of a file, until it has its length or the place gives up.
    async fn complete(
        &self,
        tag: &str,
        blob: &Descriptor,
        partial: &mut Partial,
        watch: &dyn Watch,
    ) -> Result<()> {
        let (mut failures, mut before) = (0, partial.length());
        while partial.length() < blob.size {
            let problem = match self.read(tag, blob, partial.length()).await {
                Ok((pieces, is_rest)) => {
                    let known = if is_rest { 0 } else { partial.length() };
                    receive(pieces, known, blob.size, partial, watch).await?
                }
                // it has no more than what came: too short, says its length
                Err(Problem::Status { code: 416, .. }) => return Ok(()),
                Err(problem) => Some(problem),
            };
            let Some(problem) = problem else { return Ok(()) };
            if partial.length() > before {
                (failures, before) = (0, partial.length());
            }
            if failures == self.patience.retries || !problem.is_passing() {
                return Err(self.failed(&format!("pull `{tag}` from"), problem));
            }
            tokio::time::sleep(self.pause(failures)).await;
            failures += 1;
        }
        Ok(())
    }
}

/// Appends what comes, without the first `known` bytes, which are there: why no more came, if there should be more.
async fn receive(
    mut pieces: Pieces,
    mut known: u64,
    size: u64,
    partial: &mut Partial,
    watch: &dyn Watch,
) -> Result<Option<Problem>> {
    while partial.length() <= size {
        match pieces.next().await {
            None if partial.length() < size => {
                let got = partial.length();
                return Ok(Some(Problem::Unreachable(
                    format!("it ended after {got} of {size} bytes").into(),
                )));
            }
            Some(Err(problem)) if partial.length() < size => return Ok(Some(problem)),
            // all is there: its digest decides
            None | Some(Err(_)) => return Ok(None),
            Some(Ok(piece)) => {
                let dropped = known.min(piece.len() as u64);
                known -= dropped;
                let piece = piece.slice(usize::try_from(dropped).unwrap_or(usize::MAX)..);
                partial.append(&piece)?;
                watch.advance(piece.len() as u64);
            }
        }
    }
    Ok(None) // too long, as its length will say
}
