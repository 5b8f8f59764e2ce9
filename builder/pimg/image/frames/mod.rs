//! The frame cache: compressed pieces of images, known by what they hold.
//!
//! ```text
//! CACHE/frames-v1/<index digest>.pack    frames that one emission made; see `pack`
//! CACHE/frames-v1/.tmp-…                 a pack in the making, locked by who writes it
//! ```
//! A few large packs rather than a file a frame: an emission adds one file, and looking up a thousand frames
//! reads a few indexes. Two builds at once each write their own pack; one that was killed leaves a file that
//! nobody has locked, and the next build removes it. Whatever is wrong with the cache costs time only: a frame
//! that does not fit its checksum is made anew, and its pack goes.

mod pack;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use pimg_fetch::digest::Sha256Digest;
use tempfile::NamedTempFile;

use self::pack::Entry;
pub(crate) use self::pack::read_index;
pub use self::pack::{FrameKey, key_of_range};
use crate::host::{HostError, env, unfinished};

/// Its directory in the cache; the version is that of the format of packs.
const BUCKET: &str = "frames-v1";
const PACK: &str = "pack";

/// Bytes that all packs may take. A host with 300 MiB of packages takes 600 MiB, and each change of it little more.
const LIMIT: u64 = 8 << 30;

/// Packs that are kept: each costs one read at the start of an emission. A host takes two, of frames and of digests.
const MOST_PACKS: usize = 512;

/// The packs of a cache directory.
#[derive(Debug)]
pub struct FrameCache {
    directory: PathBuf,
    limit: u64,
    filling: Mutex<()>,
}

impl FrameCache {
    /// The frames in the cache directory `cache`. Removes what killed builds left.
    ///
    /// # Errors
    /// The directory cannot be made or listed.
    pub fn open(cache: &Path) -> Result<Self, HostError> {
        let directory = cache.join(BUCKET);
        fs::create_dir_all(&directory).map_err(HostError::file("create", &directory))?;
        unfinished::remove_left_behind(&directory)?;
        Ok(Self { directory, limit: LIMIT, filling: Mutex::default() })
    }

    /// The same, for at most this many bytes of packs.
    #[must_use]
    pub fn with_limit(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// Held by who makes many frames, so that hosts of one build do not make the same ones at the same time.
    pub(super) fn fill(&self) -> MutexGuard<'_, ()> {
        self.filling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is there now. Packs that cannot be read are left out, and damaged ones removed.
    pub(super) fn look(&self) -> Frames {
        let mut frames = Frames::default();
        for (path, _, length) in self.packs() {
            let Ok(file) = File::open(&path) else { continue };
            match pack::read_index(&file, length) {
                Ok(entries) => frames.add(path, file, entries),
                Err(_) => drop(fs::remove_file(&path)),
            }
        }
        frames
    }

    /// A pack in the making.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub(super) fn new_pack(&self) -> io::Result<NewPack> {
        let file = unfinished::create(&self.directory).map_err(io::Error::other)?;
        let mut file = BufWriter::new(file);
        file.write_all(&pack::head())?;
        Ok(NewPack { file, entries: Vec::new(), end: pack::HEAD })
    }

    /// Gives a pack its name, where it holds anything, and removes the packs that were not used for longest
    /// while all take more than the limit.
    ///
    /// # Errors
    /// Whatever the system reports; the pack is gone then.
    pub(super) fn keep(&self, pack: NewPack) -> io::Result<()> {
        if pack.entries.is_empty() {
            return Ok(());
        }
        let tail = pack::tail(&pack.entries);
        let mut file = pack.file;
        file.write_all(&tail)?;
        let file = file.into_inner()?;
        // the same frames have the same name
        file.persist(self.directory.join(format!("{}.{PACK}", Sha256Digest::of(&tail))))?;
        self.sweep();
        Ok(())
    }

    /// Marks packs as used and removes damaged ones.
    pub(super) fn used(&self, frames: &Frames) {
        for pack in &frames.packs {
            if pack.is_damaged {
                let _ = fs::remove_file(&pack.path);
            } else if pack.is_used {
                let _ = pack.file.set_modified(env::now());
            }
        }
    }

    fn sweep(&self) {
        let mut packs = self.packs();
        packs.sort_by_key(|(_, used, _)| std::cmp::Reverse(*used));
        let mut total = 0;
        for (at, (path, _, length)) in packs.into_iter().enumerate() {
            total += length;
            if at >= MOST_PACKS || (at > 0 && total > self.limit) {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Path, time of last use and length in bytes of every pack.
    fn packs(&self) -> Vec<(PathBuf, SystemTime, u64)> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let packs = entries.filter_map(|entry| {
            let (path, metadata) = (entry.path(), entry.metadata().ok()?);
            let is_pack = path.extension().is_some_and(|extension| extension == PACK);
            is_pack.then_some((path, metadata.modified().ok()?, metadata.len()))
        });
        packs.collect()
    }
}

/// An open pack. It stays readable when another build removes its name.
#[derive(Debug)]
struct Pack {
    path: PathBuf,
    file: File,
    is_used: bool,
    is_damaged: bool,
}

/// The frames that were there when somebody looked.
#[derive(Debug, Default)]
pub(super) struct Frames {
    packs: Vec<Pack>,
    known: HashMap<FrameKey, (usize, Entry)>,
}

impl Frames {
    fn add(&mut self, path: PathBuf, file: File, entries: Vec<Entry>) {
        let number = self.packs.len();
        self.known.extend(entries.into_iter().map(|entry| (entry.key, (number, entry))));
        self.packs.push(Pack { path, file, is_used: false, is_damaged: false });
    }

    /// The length in bytes of a frame, where it is there.
    pub(super) fn length(&self, key: &FrameKey) -> Option<u64> {
        self.known.get(key).map(|(_, entry)| u64::from(entry.length))
    }

    /// The bytes of a frame; `None` where it is not there or not what it was.
    ///
    /// It is read rather than copied from file to file: its bytes are needed for the digest of the output and
    /// for their own checksum, and what is in memory already is written as fast as the kernel copies it.
    pub(super) fn read(&mut self, key: &FrameKey) -> Option<Vec<u8>> {
        let (number, entry) = *self.known.get(key)?;
        let pack = self.packs.get_mut(number)?;
        let length = usize::try_from(entry.length).ok()?;
        let mut bytes = Vec::with_capacity(length);
        let begun = pack.file.seek(SeekFrom::Start(entry.offset));
        let read = begun.and_then(|_| (&pack.file).take(u64::from(entry.length)).read_to_end(&mut bytes));
        if read.ok() != Some(length) || crc32c::crc32c(&bytes) != entry.checksum {
            pack.is_damaged = true;
            self.known.remove(key);
            return None;
        }
        pack.is_used = true;
        Some(bytes)
    }
}

/// A pack that nobody sees yet; it vanishes unless it is kept.
#[derive(Debug)]
pub(super) struct NewPack {
    file: BufWriter<NamedTempFile>,
    entries: Vec<Entry>,
    end: u64,
}

impl NewPack {
    /// Adds a frame.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub(super) fn add(&mut self, key: FrameKey, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.file.write_all(bytes)?;
        self.entries.push(Entry { key, offset: self.end, length, checksum: crc32c::crc32c(bytes) });
        self.end += u64::from(length);
        Ok(())
    }
}
