//! The last snapshot of each repository, by the files that were signed: they are verified again whenever they are
//! used.

use super::release::Signed;
use crate::cache::{Bucket, Cache, Memo};
use crate::digest::Sha256Digest;
use crate::error::Result;
use crate::http::Validator;

/// What was noted under `key`, if the cache still has all of it.
pub(super) fn recall(cache: &Cache, key: Sha256Digest) -> Result<Option<(Signed, Option<Validator>)>> {
    let memo = cache.recall(Memo::Snapshot, key);
    let Some((digests, validator)) = memo.as_deref().and_then(parse_memo) else {
        return Ok(None);
    };
    let mut files = Vec::new();
    for digest in digests {
        match cache.get(Bucket::Blob, digest)? {
            Some(path) => files.push(fs_err::read(path)?),
            None => return Ok(None),
        }
    }
    let signature = (files.len() > 1).then(|| files.pop()).flatten();
    Ok(files.pop().map(|file| match signature {
        Some(signature) => (Signed::Detached { release: file, signature }, None),
        None => (Signed::Inline(file), validator),
    }))
}

pub(super) fn remember(
    cache: &Cache,
    keys: &[Sha256Digest],
    signed: &Signed,
    validator: Option<&Validator>,
) -> Result<()> {
    let files: Vec<&[u8]> = match signed {
        Signed::Inline(file) => vec![file],
        Signed::Detached { release, signature } => vec![release, signature],
    };
    let mut digests = Vec::new();
    for file in files {
        let digest = Sha256Digest::of(file);
        if cache.get(Bucket::Blob, digest)?.is_none() {
            cache.insert(Bucket::Blob, digest, file)?;
        }
        digests.push(digest.to_string());
    }
    let validator = validator.map(ToString::to_string).unwrap_or_default();
    let memo = format!("{}\n{validator}\n", digests.join(" "));
    keys.iter().try_for_each(|key| cache.remember(Memo::Snapshot, *key, &memo))
}

/// One line of digests, of the file with the signed text and of its signature, and one with a validator or none.
fn parse_memo(text: &str) -> Option<(Vec<Sha256Digest>, Option<Validator>)> {
    let (digests, validator) = text.strip_suffix('\n')?.split_once('\n')?;
    let digests = digests.split(' ').map(|digest| digest.parse().ok()).collect::<Option<Vec<_>>>()?;
    Some((digests, validator.parse().ok()))
}
