//! Digests of ranges of an image, as a `.bmap` wants them. Those of unchanged ranges come from the frame cache.

use std::io;
use std::ops::Range;

use pimg_disk::block::BlockRead;
use pimg_fetch::digest::Sha256Digest;

use super::frames::{FrameCache, FrameKey, Frames, key_of_range};

/// What they are called in the frame cache.
const KIND: &str = "sha256 of a range";

/// Digests of one image.
pub struct RangeDigests<'a> {
    image: &'a dyn BlockRead,
    cache: Option<&'a FrameCache>,
    known: Frames,
    made: Vec<(FrameKey, Sha256Digest)>,
}

impl<'a> RangeDigests<'a> {
    /// Digests of `image`; `cache` has those of ranges that another image had, too.
    pub fn open(image: &'a dyn BlockRead, cache: Option<&'a FrameCache>) -> Self {
        let known = cache.map(FrameCache::look).unwrap_or_default();
        Self { image, cache, known, made: Vec::new() }
    }

    /// SHA-256 of a range in bytes, which has to fit memory.
    ///
    /// # Errors
    /// Whatever the image reports.
    pub fn of(&mut self, range: Range<u64>) -> io::Result<Sha256Digest> {
        let origin = if self.cache.is_some() { self.image.origin(range.clone())? } else { None };
        let key = origin.map(|origin| key_of_range(KIND, &origin, &range));
        if let Some(kept) = key.and_then(|key| self.known.read(&key)).and_then(|bytes| bytes.try_into().ok())
        {
            return Ok(Sha256Digest::from_bytes(kept));
        }
        let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
        self.image.read_at(range.start, &mut bytes)?;
        let digest = Sha256Digest::of(&bytes);
        self.made.extend(key.map(|key| (key, digest)));
        Ok(digest)
    }

    /// Keeps what was made, for the next image.
    ///
    /// # Errors
    /// The cache cannot be written: nothing is kept, and no digest is wrong for it.
    pub fn close(self) -> io::Result<()> {
        let Some(cache) = self.cache else { return Ok(()) };
        cache.used(&self.known);
        let mut pack = cache.new_pack()?;
        for (key, digest) in &self.made {
            pack.add(*key, digest.as_bytes())?;
        }
        cache.keep(pack)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::ops::Range;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use pimg_disk::Named;
    use pimg_disk::block::{BlockRead, MemoryDevice};
    use pimg_fetch::digest::Sha256Digest;

    use super::RangeDigests;
    use crate::image::frames::FrameCache;

    /// Counts how often it is read.
    struct Counted(MemoryDevice, AtomicUsize);

    impl BlockRead for &Counted {
        fn len(&self) -> u64 {
            self.0.len()
        }

        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.read_at(offset, buf)
        }
    }

    fn counted() -> Counted {
        Counted(MemoryDevice::new((0..16_384_u32).map(|at| (at / 7) as u8).collect()), AtomicUsize::new(0))
    }

    fn digest(image: &dyn BlockRead, cache: &FrameCache, range: Range<u64>) -> Sha256Digest {
        let mut digests = RangeDigests::open(image, Some(cache));
        let digest = digests.of(range).expect("memory");
        digests.close().expect("a cache");
        digest
    }

    #[test]
    fn what_is_named_is_read_once_for_all_images_and_is_right() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = FrameCache::open(directory.path()).expect("a cache");
        let (device, expected) = (counted(), Sha256Digest::of(&bytes(4096..8192)));
        for _ in 0..3 {
            assert_eq!(digest(&Named::new(&device, [1; 32]), &cache, 4096..8192), expected);
        }
        assert_eq!(device.1.load(Ordering::Relaxed), 1);
        // another range, and another device that happens to be read at the same place
        assert_eq!(
            digest(&Named::new(&device, [1; 32]), &cache, 4096..8191),
            Sha256Digest::of(&bytes(4096..8191))
        );
        digest(&Named::new(&device, [2; 32]), &cache, 4096..8192);
        assert_eq!(device.1.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn what_nobody_named_is_read_each_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = FrameCache::open(directory.path()).expect("a cache");
        let device = counted();
        digest(&&device, &cache, 0..4096);
        digest(&&device, &cache, 0..4096);
        assert_eq!(device.1.load(Ordering::Relaxed), 2);
    }

    fn bytes(range: Range<u64>) -> Vec<u8> {
        range.map(|at| (at / 7) as u8).collect()
    }
}
