//! Step 9: packages are installed into the base, once for all hosts that need the same. The layer comes from the cache, or
//! is made, and base and layer are opened as the base of everything behind this step: rules that read `/etc/passwd` or
//! enable units see what packages brought.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pimg_disk::Named;
use pimg_disk::block::BlockRead;
use pimg_disk::overlay::{self, Layer};
use pimg_fetch::digest::Sha256Digest;

use super::base::{Baked, CheckedBase, check_once};
use super::kept_layers::{Ingredients, KeptLayers};
use super::layers;
use super::prepare::{Prepared, PreparedHost};
use crate::bake::artefact::layer_file;
use crate::bake::error::BakeError;
use crate::bake::manifest::{LAYER, LayerManifest, MANIFEST, SCHEMA};
use crate::bake::recipe::{BakeInputs, seen_by_packages};
use crate::bake::run::{BakeJob, bake};
use crate::command::Context;
use crate::failure::{Class, Failure};
use crate::guest::packages::PackageSet;
use crate::host::bakes::Bakes;
use crate::host::{env, files};
use crate::image::baked::{BakedError, BakedInputs};
use crate::image::base::BaseImage;
use crate::image::store::FileStore;
use crate::lock::lockfile::Lockfile;
use crate::packages::Network;
use crate::plan::change::Change;

/// Longest manifest of a layer that is read, in bytes: thousands of packages.
const LONGEST_MANIFEST: u64 = 8 << 20;

/// A layer, and whose packages are in it.
#[derive(Clone, Debug)]
pub struct BakedSet {
    /// What is known of it.
    pub layer: LayerManifest,
    /// Names of the hosts.
    pub hosts: Vec<String>,
    /// Its directory in the cache.
    pub directory: PathBuf,
    /// Whether it was made in this run.
    pub is_new: bool,
}

/// Makes the layers of all hosts, whatever their profiles say, and nothing of them but the base that they make.
///
/// # Errors
/// A package cannot be had, or does not install.
pub fn bake_hosts(
    prepared: &mut Prepared<'_>,
    network: &Network<'_>,
    context: &Context<'_>,
) -> Result<Vec<BakedSet>, Failure> {
    let layers = KeptLayers::open(network.derived_dir())?;
    prepared.bake_some(&layers, network, context, |_| true)
}

/// Opens the baked bases of hosts whose layers are in the cache, and makes none: keys of those that are not there, by host.
///
/// # Errors
/// A package cannot be had, or what is in the cache cannot be used.
pub fn find_baked(
    prepared: &mut Prepared<'_>,
    network: &Network<'_>,
    context: &Context<'_>,
) -> Result<Vec<(String, String)>, Failure> {
    let layers = KeptLayers::open(network.derived_dir())?;
    let bakes = Bakes::open(network.derived_dir())?;
    let mut missing = Vec::new();
    for host in prepared.hosts.iter_mut().filter(|host| host.host.bake) {
        let Some(wanted) = Wanted::of(host, &prepared.lock, network)? else { continue };
        let plain = Arc::clone(&host.base);
        match cached(&wanted, &plain, &bakes, context)? {
            Some((layer, directory)) => {
                let base = Opening { layers: &layers, network, context };
                host.base = Arc::new(base.open(&plain, layer, &directory).map_err(|(failure, _)| failure)?);
            }
            None => missing.push((host.host.hostname.to_string(), wanted.key)),
        }
    }
    Ok(missing)
}

/// The keys of the layers that hosts want, each once, whatever their profiles say, and where the profile of the first such host
/// says that layers are. Nothing is made.
///
/// # Errors
/// A package cannot be had.
pub fn layer_keys(
    prepared: &Prepared<'_>,
    network: &Network<'_>,
) -> Result<Vec<(String, Option<String>)>, Failure> {
    let mut keys: Vec<(String, Option<String>)> = Vec::new();
    for host in &prepared.hosts {
        if let Some(wanted) = Wanted::of(host, &prepared.lock, network)?
            && keys.iter().all(|(key, _)| *key != wanted.key)
        {
            keys.push((wanted.key, wanted.layers));
        }
    }
    Ok(keys)
}

impl Prepared<'_> {
    /// Gives each host that is to be baked its baked base.
    ///
    /// # Errors
    /// As [`bake_hosts`].
    pub(super) fn bake(
        &mut self,
        layers: &KeptLayers,
        network: &Network<'_>,
        context: &Context<'_>,
    ) -> Result<(), Failure> {
        self.bake_some(layers, network, context, |host| host.host.bake).map(drop)
    }

    fn bake_some(
        &mut self,
        layers: &KeptLayers,
        network: &Network<'_>,
        context: &Context<'_>,
        is_wanted: impl Fn(&PreparedHost<'_>) -> bool,
    ) -> Result<Vec<BakedSet>, Failure> {
        let mut sets: Vec<(BakedSet, Arc<CheckedBase>)> = Vec::new();
        for host in self.hosts.iter_mut().filter(|host| is_wanted(host)) {
            context.check_interrupt()?;
            let name = host.host.hostname.to_string();
            let baked = bake_host(host, &self.lock, &mut sets, layers, network, context);
            baked.map_err(|failure| failure.context(format!("cannot bake host `{name}`")))?;
        }
        Ok(sets.into_iter().map(|(set, _)| set).collect())
    }
}

/// Finds or makes the layer of one host, unless it is among `sets`.
fn bake_host(
    host: &mut PreparedHost<'_>,
    lock: &Lockfile,
    sets: &mut Vec<(BakedSet, Arc<CheckedBase>)>,
    layers: &KeptLayers,
    network: &Network<'_>,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let Some(wanted) = Wanted::of(host, lock, network)? else { return Ok(()) };
    let name = host.host.hostname.to_string();
    if let Some((set, base)) = sets.iter_mut().find(|(set, _)| set.layer.key == wanted.key) {
        set.hosts.push(name);
        host.base = Arc::clone(base);
        return Ok(());
    }
    let opening = Opening { layers, network, context };
    let (base, directory, is_new) = opening.find_or_make(&wanted, &host.base)?;
    let layer = base.baked.as_ref().map(|baked| baked.layer.clone());
    let layer = layer.ok_or_else(|| Failure::new(Class::Internal, "a baked base without a layer"))?;
    host.base = Arc::new(base);
    sets.push((BakedSet { layer, hosts: vec![name], directory, is_new }, Arc::clone(&host.base)));
    Ok(())
}

/// What a host wants to have baked.
struct Wanted {
    key: String,
    packages: PackageSet,
    files: Vec<Change>,
    /// Where the profile says that layers are.
    layers: Option<String>,
}

impl Wanted {
    /// Nothing where a host asks nothing of packages.
    fn of(host: &PreparedHost<'_>, lock: &Lockfile, network: &Network<'_>) -> Result<Option<Self>, Failure> {
        let mut obtained = host.obtain(lock, network)?;
        let is_own = |answer: &String| obtained.own_answers.contains(answer);
        let preseeds = obtained.packages.preseeds.iter().filter(|answer| !is_own(answer)).cloned().collect();
        obtained.packages.preseeds = preseeds;
        let packages = obtained.packages;
        if packages.install.is_empty() && packages.remove.is_empty() {
            return Ok(None);
        }
        let files = seen_by_packages(host.rendered.changes.iter().chain(&obtained.changes));
        let inputs = BakeInputs {
            base_raw_sha256: &host.base.raw_sha256.to_string(),
            packages: &packages.install,
            remove: &packages.remove,
            hold: &packages.hold,
            manual: &packages.manual,
            answers: &packages.preseeds,
            files: &files,
        };
        Ok(Some(Self { key: inputs.key(), packages, files, layers: host.host.layers.clone() }))
    }
}

/// The layer as the cache has it: what is known of it, and its directory. One that does not say what it should is removed.
fn cached(
    wanted: &Wanted,
    base: &CheckedBase,
    bakes: &Bakes,
    context: &Context<'_>,
) -> Result<Option<(LayerManifest, PathBuf)>, Failure> {
    let Some(directory) = bakes.get(&wanted.key)? else { return Ok(None) };
    let text = files::read_optional(&directory.join(MANIFEST), LONGEST_MANIFEST)?.unwrap_or_default();
    match understood(&text, &wanted.key, base) {
        Ok(layer) => Ok(Some((layer, directory))),
        Err(why) => {
            bakes.forget(&wanted.key)?;
            say_damaged(&why, context);
            Ok(None)
        }
    }
}

fn say_damaged(why: &str, context: &Context<'_>) {
    context.reporter.notice(&format!("the baked layer in the cache cannot be used and is made again: {why}"));
}

/// A manifest that is about this layer of this base, or what is wrong with it.
fn understood(text: &[u8], key: &str, base: &CheckedBase) -> Result<LayerManifest, String> {
    let layer: LayerManifest =
        serde_json::from_slice(text).map_err(|error| format!("`{MANIFEST}` cannot be read: {error}"))?;
    let raw = base.raw_sha256.to_string();
    for (what, expected, got) in [
        ("schema", &SCHEMA.to_string(), &layer.schema.to_string()),
        ("key", &key.to_owned(), &layer.key),
        ("base_raw_sha256", &raw, &layer.base_raw_sha256),
    ] {
        if expected != got {
            return Err(format!("`{what}` in `{MANIFEST}`: expected {expected}, got {got}"));
        }
    }
    Ok(layer)
}

/// What opening a baked base needs.
struct Opening<'a> {
    layers: &'a KeptLayers,
    network: &'a Network<'a>,
    context: &'a Context<'a>,
}

impl Opening<'_> {
    /// The baked base, the directory of its layer, and whether that was made now. A layer that the cache has damaged is
    /// made once more.
    fn find_or_make(
        &self,
        wanted: &Wanted,
        plain: &Arc<CheckedBase>,
    ) -> Result<(CheckedBase, PathBuf, bool), Failure> {
        let bakes = Bakes::open(self.network.derived_dir())?;
        let stop = || self.context.reporter.interrupted();
        // held until its blocks are there: what is being read is not to be thrown away
        let Some(_lock) = bakes.lock(&wanted.key, &stop)? else { return Err(Failure::interrupted()) };
        if let Some((layer, directory)) = cached(wanted, plain, &bakes, self.context)? {
            match self.open(plain, layer, &directory) {
                Ok(base) => return Ok((base, directory, false)),
                Err((failure, false)) => return Err(failure),
                Err((failure, true)) => {
                    bakes.forget(&wanted.key)?;
                    say_damaged(&failure.messages().join(": "), self.context);
                }
            }
        }
        let is_elsewhere = !self.network.options().offline && !self.network.is_afresh();
        if is_elsewhere
            && let Some(place) = layers::source(wanted.layers.as_deref(), self.context)?
            && layers::obtain(&wanted.key, &place, &bakes, self.network.cache(), self.context)?
            && let Some((layer, directory)) = cached(wanted, plain, &bakes, self.context)?
        {
            let base = self.open(plain, layer, &directory).map_err(|(failure, _)| failure)?;
            return Ok((base, directory, false));
        }
        let (layer, directory) = self.make(wanted, plain, &bakes)?;
        let base = self.open(plain, layer, &directory).map_err(|(failure, _)| failure)?;
        Ok((base, directory, true))
    }

    fn make(
        &self,
        wanted: &Wanted,
        plain: &CheckedBase,
        bakes: &Bakes,
    ) -> Result<(LayerManifest, PathBuf), Failure> {
        let context = self.context;
        let program = env::program().map_err(|error| {
            Failure::caused_by(Class::Host, "cannot find the program of pimg itself", error)
        })?;
        let work = bakes.work()?;
        let job = BakeJob {
            base: &plain.raw,
            base_raw_sha256: &plain.raw_sha256.to_string(),
            packages: &wanted.packages,
            files: &wanted.files,
            key: &wanted.key,
            // of the base and not of the build, for it is no part of the key
            epoch: i64::from(plain.image.root().superblock().s_wtime),
            work: work.path(),
            program: &program,
            path: context.environment.variable("PATH").unwrap_or_default(),
        };
        match bake(&job, &work.result(), context.reporter) {
            Ok(_) => {}
            Err(error @ BakeError::Inside { .. }) => {
                // the log lies there
                work.keep();
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        }
        let text = files::read_optional(&work.result().join(MANIFEST), LONGEST_MANIFEST)?.unwrap_or_default();
        let layer = understood(&text, &wanted.key, plain).map_err(|why| {
            Failure::new(Class::Internal, format!("a bake left a layer that cannot be used: {why}"))
        })?;
        let directory = bakes.publish(&wanted.key, &work)?;
        Ok((layer, directory))
    }

    /// Opens a layer over its base. With a failure comes whether the file of the layer is damaged.
    fn open(
        &self,
        plain: &Arc<CheckedBase>,
        layer: LayerManifest,
        directory: &Path,
    ) -> Result<CheckedBase, (Failure, bool)> {
        let sound = |failure: Failure| (failure, false);
        let file = layer_file(&layer, directory.join(LAYER));
        let file = file.map_err(|why| (Failure::new(Class::Trust, why.to_string()), true))?;
        let inputs = BakedInputs::new(&plain.image, plain.raw_sha256, &file)
            .map_err(|error| sound(Failure::from(error)))?;
        let blocks = Blocks { inputs, is_damaged: AtomicBool::new(false) };
        let opened = self.layers.get(&blocks, self.context);
        let opened = opened.map_err(|failure| (failure, blocks.is_damaged.load(Ordering::Relaxed)))?;
        let device: Arc<dyn BlockRead> = Arc::new(Named::new(opened, *inputs.key().as_bytes()));
        let checked = || -> Result<CheckedBase, Failure> {
            let image = BaseImage::open(device)?;
            let digests = check_once(&image, inputs.key(), self.network.derived_dir(), self.context)?;
            let baked = Baked { plain: Arc::clone(plain), layer: layer.clone(), blocks: inputs.key() };
            Ok(CheckedBase::with_layer(plain, image, digests, baked))
        };
        checked().map_err(|failure| {
            sound(failure.context(format!("the base with the baked layer {} is not in order", layer.key)))
        })
    }
}

/// The blocks of a baked layer as something that the cache keeps.
struct Blocks<'a> {
    inputs: BakedInputs<'a>,
    /// Whether the file of the layer was found to be another than its manifest tells of.
    is_damaged: AtomicBool,
}

impl Ingredients for Blocks<'_> {
    fn key(&self) -> Sha256Digest {
        self.inputs.key()
    }

    fn what(&self) -> &'static str {
        "baked base"
    }

    fn count(&self) -> String {
        format!("{} entries", self.inputs.entries())
    }

    fn make(&self, store: FileStore, out: &mut dyn Write, context: &Context<'_>) -> Result<(), Failure> {
        self.inputs.make(store, out, context.reporter).map_err(|error| {
            let is_damaged = matches!(error, BakedError::Read { .. } | BakedError::Differs { .. });
            self.is_damaged.store(is_damaged, Ordering::Relaxed);
            error.into()
        })
    }

    fn open(&self, device: Arc<dyn BlockRead>) -> Result<Layer, overlay::Error> {
        self.inputs.open(device)
    }
}
