//! Steps 4 to 6: the base image, from wherever it is to a file that may be trusted.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use pimg_disk::block::BlockRead;
use pimg_disk::{Named, ext4};
use pimg_fetch::digest::Sha256Digest;
use pimg_fetch::{
    BaseFetcher, Cache, Client, Limits, Patience, Pins, Source, Vault, VerifiedBase, base_from_vault,
};

use crate::command::Context;
use crate::command::watch::WatchReporter;
use crate::failure::Failure;
use crate::host::cache::CacheDir;
use crate::host::device::FileDevice;
use crate::host::error::HostError;
use crate::host::files;
use crate::image::base::{BaseError, BaseImage};
use crate::image::digests::{self, Digests};
use crate::image::emit::Carried;
use crate::image::manifest::BaseEntry;
use crate::image::sweep::sweep;
use crate::lock::lockfile::{LockedBase, Lockfile};
use crate::packages::{Options, Update};
use crate::profile::host::BaseSpec;

/// Longest list of digests that is read back, in bytes.
const LONGEST_LIST: u64 = 256 << 20;

/// A base whose file systems and packaged files are in order.
pub struct CheckedBase {
    /// The image.
    pub image: BaseImage,
    /// Digests of its packaged files.
    pub digests: Digests,
    /// Digest of the file as published.
    pub sha256: Sha256Digest,
    /// Digest of the raw image.
    pub raw_sha256: Sha256Digest,
    /// Its published file, for as long as it is there.
    published: Option<PathBuf>,
    /// What a `.img.xz` can take over from it, once that was asked for.
    carried: OnceLock<Option<Carried>>,
    /// Where it came from; of a path only the file's name, so that two machines write the same manifest.
    pub source: String,
}

impl CheckedBase {
    /// The blocks of its published file that a `.img.xz` can carry over. A file that is gone, or another one by now,
    /// has none: the image is the same, and its file takes longer and has other bytes.
    pub(super) fn carried(&self) -> Option<&Carried> {
        let open = |path: &PathBuf| Carried::open(path, self.sha256, self.raw_sha256).ok().flatten();
        self.carried.get_or_init(|| self.published.as_ref().and_then(open)).as_ref()
    }
}

impl From<&CheckedBase> for BaseEntry {
    fn from(base: &CheckedBase) -> Self {
        Self {
            source: base.source.clone(),
            sha256: base.sha256.to_string(),
            raw_sha256: base.raw_sha256.to_string(),
        }
    }
}

/// What a lock has to say about a base.
#[derive(Clone, Copy)]
pub(super) struct BaseLock<'a> {
    /// The lock.
    pub(super) lock: &'a Lockfile,
    /// How much of it may change.
    pub(super) update: &'a Update,
}

/// Gets the base of a host, compares it with the lock, and checks it once per digest.
///
/// # Errors
/// It cannot be had, is not the pinned one, or is corrupt or unsupported.
pub(super) fn get_base(
    spec: &BaseSpec,
    lock: Option<BaseLock<'_>>,
    options: &Options,
    context: &Context<'_>,
) -> Result<CheckedBase, Failure> {
    let directory = context.environment.cache_dir().ok_or(HostError::NoCacheDir)?;
    let cache_dir = CacheDir::open(&directory)?;
    let source = match Source::parse(&spec.source)? {
        Source::File(path) => Source::File(context.project.join(path)),
        web @ Source::Web(_) => web,
    };
    let name = name_of(&source);
    let locked = lock.and_then(|lock| lock.lock.base_for(&name));
    let keeps = lock.is_some_and(|lock| *lock.update != Update::Base);
    let pinned = locked.filter(|_| keeps);
    let verified = fetch(spec, &source, pinned, options, cache_dir.path(), context)?;
    if let Some(lock) = lock.filter(|lock| *lock.update == Update::Locked) {
        let (sha256, raw) = (verified.published_digest().to_string(), verified.raw_digest().to_string());
        lock.lock.require_base(&name)?.compare(Some(&sha256), Some(&raw))?;
    }
    let device = FileDevice::open(verified.path())?;
    let device: Arc<dyn BlockRead> = Arc::new(Named::new(device, *verified.raw_digest().as_bytes()));
    let image = BaseImage::open(device)?;
    let digests = check_once(&image, verified.raw_digest(), cache_dir.path(), context)?;
    let published = if let Source::File(path) = &source { Some(path.clone()) } else { None };
    Ok(CheckedBase {
        published,
        carried: OnceLock::new(),
        image,
        digests,
        sha256: verified.published_digest(),
        raw_sha256: verified.raw_digest(),
        source: name,
    })
}

fn fetch(
    spec: &BaseSpec,
    source: &Source,
    locked: Option<&LockedBase>,
    options: &Options,
    cache_dir: &Path,
    context: &Context<'_>,
) -> Result<VerifiedBase, Failure> {
    let cache = Cache::open(cache_dir)?;
    let client = match (source, options.offline) {
        (Source::Web(_), false) => Some(Client::new(Patience::default())?),
        _ => None,
    };
    let watch = WatchReporter::new(context.reporter);
    let pin = |digest: Option<&String>| digest.and_then(|digest| digest.parse().ok());
    // a file that is there speaks for itself, and may be another one than yesterday
    let locked = locked.filter(|_| !matches!(source, Source::File(path) if path.exists()));
    // the profile's own pins are what a person wrote; the lock's fill in where there are none
    let pins = match (&spec.sha256, &spec.raw_sha256) {
        (None, None) => Pins {
            published: pin(locked.map(|locked| &locked.sha256)),
            raw: pin(locked.map(|locked| &locked.raw_sha256)),
        },
        (published, raw) => Pins { published: pin(published.as_ref()), raw: pin(raw.as_ref()) },
    };
    if let (Some(vault), Some(raw)) = (&options.vault, pins.raw) {
        base_from_vault(&cache, &Vault::open(vault)?, raw, &watch)?;
    }
    let fetcher =
        BaseFetcher { cache: &cache, client: client.as_ref(), limits: Limits::default(), watch: &watch };
    Ok(fetcher.fetch(source, pins)?)
}

/// Of a path only the file's name.
fn name_of(source: &Source) -> String {
    match source {
        Source::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        Source::Web(url) => url.to_string(),
    }
}

/// Checks the file systems and sweeps the packaged files, or finds in the cache that it was done.
fn check_once(
    image: &BaseImage,
    raw: Sha256Digest,
    cache_dir: &Path,
    context: &Context<'_>,
) -> Result<Digests, Failure> {
    // the name carries the version of what is checked: a stricter check is a new name
    let known = cache_dir.join("sweep-v1").join(raw.to_string());
    if let Some(text) = files::read_optional(&known, LONGEST_LIST)?
        && let Some(digests) = String::from_utf8(text).ok().and_then(|text| digests::parse(&text))
    {
        files::touch(&known)?;
        return Ok(digests);
    }
    let task = context.reporter.begin("checking the base", None);
    image.root().require_editable().map_err(|source| image.root_error(source))?;
    let summary = ext4::check(image.root(), &mut |_, _| {}).map_err(|source| image.root_error(source))?;
    context.reporter.finish(task, &format!("{} inodes, {} groups", summary.used_inodes, summary.groups));
    context.check_interrupt()?;
    let swept = sweep(image, context.reporter)?;
    if !swept.missing.is_empty() {
        let (count, first) = (swept.missing.len(), &swept.missing[0]);
        context.reporter.notice(&format!("{count} packaged files are not in the base, `{first}` first"));
    }
    let mut digests = swept.digests;
    digests.extend(boot_digests(image)?);
    files::write_atomic(&known, digests::to_text(&digests).as_bytes())?;
    Ok(digests)
}

/// Digests of the files at the top of the boot partition: the firmware, the kernels, the initramfs.
fn boot_digests(image: &BaseImage) -> Result<Digests, Failure> {
    let wrap = |source| BaseError::Boot { number: image.boot_partition().number, source };
    let mut volume = image.boot();
    let mut digests = Digests::new();
    for entry in volume.list("/").map_err(wrap)? {
        if !entry.metadata.is_dir {
            let bytes = volume.read(&entry.name, entry.metadata.len).map_err(wrap)?;
            digests.insert(format!("/boot/firmware/{}", entry.name), Sha256Digest::of(&bytes).to_string());
        }
    }
    Ok(digests)
}
