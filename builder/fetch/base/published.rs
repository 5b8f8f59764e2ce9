//! Which bytes a source publishes, as far as that can be known without asking it.

use std::io;
use std::path::Path;

use fs_err::File;

use super::BaseFetcher;
use crate::cache::Memo;
use crate::copy::copy_digested;
use crate::digest::Sha256Digest;
use crate::error::Result;
use crate::source::Source;
use crate::stamp::Stamp;

impl BaseFetcher<'_> {
    /// What this source publishes, if that is known and holds the raw image `raw`. Another source may have the same
    /// image in other bytes: what the cache saw there says nothing about this one.
    pub(super) fn published_by(&self, source: &Source, raw: Sha256Digest) -> Option<Sha256Digest> {
        let published = match source {
            Source::Web(url) => {
                let key = Sha256Digest::of(url.as_str().as_bytes());
                self.cache.recall(Memo::UrlSeen, key)?.lines().next()?.parse().ok()?
            }
            // the file can be asked itself, and is asked only once
            Source::File(path) if path.exists() => return None,
            Source::File(_) => self.recall(Memo::PublishedOfRaw, raw)?,
        };
        (self.recall(Memo::RawOfPublished, published) == Some(raw)).then_some(published)
    }

    /// Whether the file at `path` is the published one with this digest. A file that was read before is recognised.
    ///
    /// # Errors
    /// `Interrupted`, and failures of the file system; a file that is not there is none.
    pub fn is_published(&self, path: &Path, published: Sha256Digest) -> Result<bool> {
        let Some(stamp) = Stamp::of(path)? else { return Ok(false) };
        let key = Sha256Digest::of(stamp.to_string().as_bytes());
        if let Some(known) = self.recall(Memo::FileSeen, key) {
            return Ok(known == published);
        }
        let file = File::open(path)?;
        let (got, _) = copy_digested(&file, io::sink(), path, self.limits.published, self.watch)?;
        if Stamp::of(path)? == Some(stamp) {
            self.cache.remember(Memo::FileSeen, key, &got.to_string())?;
        }
        Ok(got == published)
    }
}
