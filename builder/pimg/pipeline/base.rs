//! Steps 4 to 6: the base image, from wherever it is to a file that may be trusted.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use pimg_disk::block::BlockRead;
use pimg_disk::{Named, ext4};
use pimg_fetch::digest::Sha256Digest;
use pimg_fetch::{
    BaseFetcher, Bucket, Client, Limits, Patience, Pins, Source, Vault, VerifiedBase, Wanted, base_from_vault,
};

use crate::bake::manifest::LayerManifest;
use crate::command::Context;
use crate::command::watch::WatchReporter;
use crate::failure::{Class, Failure};
use crate::host::device::FileDevice;
use crate::host::files;
use crate::image::base::{BaseError, BaseImage};
use crate::image::digests::{self, Digests};
use crate::image::emit::Carried;
use crate::image::manifest::{BaseEntry, LayerEntry};
use crate::image::sweep::sweep;
use crate::lock::lockfile::{LockedBase, Lockfile};
use crate::packages::{Network, Update};
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
    /// The raw image: a file of the cache, or where its owner keeps it.
    pub(super) raw: PathBuf,
    /// Where it came from; of a path only the file's name, so that two machines write the same manifest.
    pub source: String,
    /// The same for whoever has to go there.
    origin: Source,
    /// What a `.img.xz` takes over from its published file, once that was asked for.
    carried: OnceLock<Option<Carried>>,
    /// What was baked into it.
    pub baked: Option<Baked>,
}

/// What makes a baked base of a base.
pub struct Baked {
    /// The base without it.
    pub plain: Arc<CheckedBase>,
    /// What is known of the layer.
    pub layer: LayerManifest,
    /// Digest that names its blocks over the base.
    pub blocks: Sha256Digest,
}

impl CheckedBase {
    /// This base with a layer over it, opened as `image`.
    pub(super) fn with_layer(plain: &Arc<Self>, image: BaseImage, digests: Digests, baked: Baked) -> Self {
        Self {
            image,
            digests,
            sha256: plain.sha256,
            raw_sha256: plain.raw_sha256,
            raw: plain.raw.clone(),
            source: plain.source.clone(),
            origin: plain.origin.clone(),
            carried: OnceLock::new(),
            baked: Some(baked),
        }
    }

    /// A name of all bytes of the image: the digest of the base as it is, or of the base and what was baked into it.
    pub fn digest(&self) -> Sha256Digest {
        self.baked.as_ref().map_or(self.raw_sha256, |baked| baked.blocks)
    }

    /// The base without what was baked into it.
    pub fn plain(&self) -> &Self {
        self.baked.as_ref().map_or(self, |baked| &baked.plain)
    }

    /// What a `.img.xz` takes over from the base's published file: which bytes an image has follows from the base, and not
    /// from whether that file happened to be at hand. So where it is gone it is fetched again.
    ///
    /// # Errors
    /// It cannot be had, or is another one.
    pub(super) fn carried(&self, network: &Network<'_>) -> Result<Option<&Carried>, Failure> {
        // blocks that a layer left alone are those of the base
        if let Some(baked) = &self.baked {
            return baked.plain.carried(network);
        }
        if self.carried.get().is_none() {
            let _ = self.carried.set(self.open_carried(network)?);
        }
        Ok(self.carried.get().and_then(Option::as_ref))
    }

    fn open_carried(&self, network: &Network<'_>) -> Result<Option<Carried>, Failure> {
        let published = self.published(network).map_err(|failure| {
            let what = format!(
                "cannot find the published file of the base `{}`, of which a `.img.xz` takes over blocks",
                self.source
            );
            let failure = match &self.origin {
                Source::File(_) => failure.hint(format!("put `{}` back where it was", self.source)),
                Source::Web(_) => failure,
            };
            failure.context(what).hint("or choose `--format zst`: it needs the raw image alone")
        })?;
        let Some(path) = published else { return Ok(None) };
        Carried::open(&path, self.sha256, self.raw_sha256).map_err(|error| {
            Failure::caused_by(Class::Host, format!("cannot use `{}`", path.display()), error)
        })
    }

    /// Whether its published file is somewhere else than on this machine.
    pub(super) fn is_on_a_server(&self) -> bool {
        matches!(self.origin, Source::Web(_))
    }

    /// The file as it was published: where its owner keeps it, else from the cache, the vault or the network. There is
    /// none of a base that was published as a raw image.
    ///
    /// # Errors
    /// It cannot be had, or is another one.
    pub(super) fn published(&self, network: &Network<'_>) -> Result<Option<PathBuf>, Failure> {
        if self.sha256 == self.raw_sha256 {
            return Ok(None);
        }
        if let Source::File(path) = &self.origin {
            let watch = WatchReporter::new(network.reporter());
            let fetcher = BaseFetcher {
                cache: network.cache(),
                client: None,
                limits: Limits::default(),
                watch: &watch,
            };
            if fetcher.is_published(path, self.sha256)? {
                return Ok(Some(path.clone()));
            }
        }
        let location = match &self.origin {
            Source::File(path) => path.display().to_string(),
            Source::Web(url) => url.to_string(),
        };
        let name = self.origin.to_string();
        let wanted = Wanted { name, locations: vec![location], sha256: self.sha256, size: None };
        network.get_one(wanted).map(Some)
    }
}

impl From<&CheckedBase> for BaseEntry {
    fn from(base: &CheckedBase) -> Self {
        Self {
            // a URL without credentials and query: the manifest is published
            source: match &base.origin {
                Source::File(_) => base.source.clone(),
                web @ Source::Web(_) => web.to_string(),
            },
            sha256: base.sha256.to_string(),
            raw_sha256: base.raw_sha256.to_string(),
        }
    }
}

impl From<&Baked> for LayerEntry {
    fn from(baked: &Baked) -> Self {
        let LayerManifest { key, layer_sha256, packages, .. } = &baked.layer;
        Self { key: key.clone(), sha256: layer_sha256.clone(), packages: packages.len() }
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
    network: &Network<'_>,
    context: &Context<'_>,
) -> Result<CheckedBase, Failure> {
    let source = match Source::parse(&spec.source)? {
        Source::File(path) => Source::File(context.project.join(path)),
        web @ Source::Web(_) => web,
    };
    let name = name_of(&source);
    let locked = lock.and_then(|lock| lock.lock.base_for(&name));
    let keeps = lock.is_some_and(|lock| *lock.update != Update::Base);
    let pinned = locked.filter(|_| keeps);
    let mut verified = fetch(spec, &source, pinned, network, context)?;
    if network.is_afresh() && network.cache().get_digested(Bucket::Raw, verified.raw_digest())?.is_none() {
        context.reporter.notice("the base in the cache is damaged and is decoded again");
        verified = fetch(spec, &source, pinned, network, context)?;
    }
    if let Some(lock) = lock.filter(|lock| *lock.update == Update::Locked) {
        let (sha256, raw) = (verified.published_digest().to_string(), verified.raw_digest().to_string());
        lock.lock.require_base(&name)?.compare(Some(&sha256), Some(&raw))?;
    }
    let device = FileDevice::open(verified.path())?;
    let device: Arc<dyn BlockRead> = Arc::new(Named::new(device, *verified.raw_digest().as_bytes()));
    let image = BaseImage::open(device)?;
    let digests = check_once(&image, verified.raw_digest(), network.derived_dir(), context)?;
    Ok(CheckedBase {
        origin: source,
        carried: OnceLock::new(),
        baked: None,
        image,
        digests,
        sha256: verified.published_digest(),
        raw_sha256: verified.raw_digest(),
        raw: verified.path().to_path_buf(),
        source: name,
    })
}

fn fetch(
    spec: &BaseSpec,
    source: &Source,
    locked: Option<&LockedBase>,
    network: &Network<'_>,
    context: &Context<'_>,
) -> Result<VerifiedBase, Failure> {
    let (cache, options) = (network.cache(), network.options());
    let client = match (source, options.offline) {
        (Source::Web(_), false) => Some(Client::new(Patience::default())?),
        _ => None,
    };
    let watch = WatchReporter::new(context.reporter);
    // a file that is there speaks for itself, and may be another one than yesterday
    let locked = locked.filter(|_| !matches!(source, Source::File(path) if path.exists()));
    let pins = pins(spec, locked);
    if let (Some(vault), Some(raw)) = (&options.vault, pins.raw) {
        base_from_vault(cache, &Vault::open(vault)?, raw, &watch)?;
    }
    let fetcher = BaseFetcher { cache, client: client.as_ref(), limits: Limits::default(), watch: &watch };
    Ok(fetcher.fetch(source, pins)?)
}

/// The profile's own pins are what a person wrote; a lock that agrees with them fills in the one that is missing.
fn pins(spec: &BaseSpec, locked: Option<&LockedBase>) -> Pins {
    let pin = |digest: Option<&String>| digest.and_then(|digest| digest.parse().ok());
    let agrees = |written: &Option<String>, locked: &String| written.as_ref().is_none_or(|one| one == locked);
    let locked = locked.filter(|locked| {
        agrees(&spec.sha256, &locked.sha256) && agrees(&spec.raw_sha256, &locked.raw_sha256)
    });
    Pins {
        published: pin(spec.sha256.as_ref().or(locked.map(|locked| &locked.sha256))),
        raw: pin(spec.raw_sha256.as_ref().or(locked.map(|locked| &locked.raw_sha256))),
    }
}

/// Of a path only the file's name.
fn name_of(source: &Source) -> String {
    match source {
        Source::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        Source::Web(url) => url.to_string(),
    }
}

/// Checks the file systems and sweeps the packaged files, or finds in the cache that it was done for what has this name.
pub(super) fn check_once(
    image: &BaseImage,
    raw: Sha256Digest,
    derived_dir: &Path,
    context: &Context<'_>,
) -> Result<Digests, Failure> {
    // the name carries the version of what is checked: a stricter check is a new name
    let known = derived_dir.join("sweep-v1").join(raw.to_string());
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
