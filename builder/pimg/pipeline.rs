//! `pimg build` as a list of steps:
//!
//!  1. read what was asked
//!  2. load profiles and what they extend
//!  3. check them and expand them to hosts
//!  4. get the base image, and compare it with the lock
//!  5. check the base: file systems, packaged files
//!  6. render overlays
//!  7. resolve packages, or take them from the lock
//!  8. get packages and downloads
//!  9. bake: find or make the layer of packages, and open base and layer as one base
//! 10. plan: overlays, packages and the rules of the guest
//! 11. find or make the golden layer, and lay a working image over it
//! 12. apply the plan
//! 13. check the result: file systems, every change read back
//! 14. write it out and publish it
//!
//! The table in `builder/README.md` has the same steps in the same order; a test compares them. Steps 1 to 3 are
//! `cli` and `command::hosts`, the others are calls here, and what each means is in its room.

mod bake;
mod base;
mod faults;
mod identity;
mod jobs;
mod kept_layers;
mod known_secrets;
pub mod layers;
mod prepare;
mod publish;
mod render;
mod seal;
mod secrets;
mod signing;

use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, OnceLock};

pub use bake::{BakedSet, bake_hosts, find_baked, layer_keys};
pub use base::{Baked, CheckedBase};
pub(crate) use identity::made_seed;
pub use identity::{Identities, Identity};
pub use known_secrets::{KnownSecrets, known_secrets};
pub use prepare::{Preparation, Prepared, PreparedHost, prepare, resolve};
pub use render::{PlannedHost, plan_host};
pub use seal::{digest_file, seal};
pub use secrets::HostSecrets;
pub use signing::{PROJECT_KEY, SigningError, Unsigned, open_key, password, project_key, signer};

use kept_layers::KeptLayers;
use publish::{Finished, Output, publish};

use pimg_disk::Named;
use pimg_disk::block::BlockRead;
use pimg_fetch::digest::Sha256Digest;

use crate::command::Context;
use crate::command::outcome::BuiltImage;
use crate::command::request::Ingredients;
use crate::failure::{Class, Failure};
use crate::guest::seed;
use crate::host::env;
use crate::host::git;
use crate::host::secrets::Resolver;
use crate::host::staging::Staging;
use crate::image::apply::apply;
use crate::image::check::check;
use crate::image::format::ImageFormat;
use crate::image::frames::FrameCache;
use crate::image::golden::GoldenInputs;
use crate::image::store::FileStore;
use crate::image::working::WorkingImage;
use crate::lock::lockfile::Lockfile;
use crate::packages::{Network, Update};
use crate::profile::host::HostSpec;

/// What is in the images of a build.
#[derive(Clone, Copy, Debug)]
pub struct Recipe<'a> {
    /// The hosts, in this order.
    pub hosts: &'a [HostSpec],
    /// What they are made from, beside their profiles.
    pub ingredients: &'a Ingredients,
    /// How many hosts are built at the same time; `None` is what suits the machine.
    pub jobs: Option<NonZero<usize>>,
    /// Where everything that follows from a base is made again, in place of what the cache has of it: results of checks,
    /// golden layers, frames.
    pub afresh: Option<&'a Path>,
}

/// Builds all hosts, steps 4 to 14, into files below `out`.
///
/// # Errors
/// The first step that fails; `out` is as it was for the host that failed and all behind it.
pub fn build(
    recipe: &Recipe<'_>,
    out: &Path,
    format: ImageFormat,
    context: &Context<'_>,
) -> Result<Vec<BuiltImage>, Failure> {
    let key = signer(context)?;
    let (key, unsigned) = key.map_or_else(|why| (None, Some(why)), |key| (Some(key), None));
    let source = OnceLock::new();
    let staging = Staging::new(out)?;
    let built =
        finish_hosts(recipe, Some(format), staging.path(), context, &|finished, image, shared, context| {
            // asked for when the lock is written, which is a part of what was built from
            let source = source.get_or_init(|| git::commit(&context.project)).as_ref();
            let output = Output { staging: &staging, format, shared, key: key.as_ref(), source };
            // 14
            publish(finished, image, &output, context)
        })?;
    if let Some(why @ Unsigned::Hindered(_)) = unsigned {
        context.reporter.notice(&format!("not signed: {why}"));
    }
    Ok(built)
}

/// Gives the finished image of the one host of `recipe` to `take` instead of writing it to a file, steps 4 to 13. Work
/// files lie in `work`, and the image lives as long as the call.
///
/// # Errors
/// The first step that fails, and whatever `take` reports.
pub fn with_finished_image<R: Send>(
    recipe: &Recipe<'_>,
    work: &Path,
    context: &Context<'_>,
    take: impl Fn(&dyn BlockRead) -> Result<R, Failure> + Sync,
) -> Result<R, Failure> {
    let taken = finish_hosts(recipe, None, work, context, &|_, image, _, _| take(image))?;
    taken.into_iter().next().ok_or_else(|| Failure::new(Class::Internal, "no host became an image"))
}

/// Takes a finished image, ready to be written.
type Take<'t, R> =
    dyn Fn(&Finished<'_>, &dyn BlockRead, &Shared<'_>, &Context<'_>) -> Result<R, Failure> + Sync + 't;

/// Steps 4 to 13 for all hosts, some at the same time, for images of this format.
fn finish_hosts<R: Send>(
    recipe: &Recipe<'_>,
    format: Option<ImageFormat>,
    work: &Path,
    context: &Context<'_>,
    take: &Take<'_, R>,
) -> Result<Vec<R>, Failure> {
    // before anything that takes long: a missing secret is the operator's to mend
    let secrets = secrets_of(recipe, context)?;
    context.environment.source_date_epoch()?;
    let network = Network::open(&recipe.ingredients.packages, context)?.afresh(recipe.afresh);
    // 4, 5, 6, 7
    let update = if recipe.ingredients.locked { Update::Locked } else { Update::Keep };
    let preparation = Preparation { hosts: recipe.hosts, update, options: &recipe.ingredients.packages };
    let mut prepared = prepare(&preparation, &network, context)?;
    if prepared.written {
        context.reporter.notice("wrote `pimg.lock`: keep it in git, and the same packages are built again");
    }
    // 8
    prepared.fetch(&network)?;
    if format == Some(ImageFormat::Xz) {
        // before anything that takes long: it may be missing
        prepared.hosts.iter().try_for_each(|host| host.base.carried(&network).map(drop))?;
    }
    let identities = Identities::load(recipe.hosts, context)?;
    // a lock that may not change is named as it is, with what it has for others
    let named = prepared.before.as_ref().filter(|_| recipe.ingredients.locked).unwrap_or(&prepared.lock);
    let lock_sha256 = Sha256Digest::of(named.to_text().as_bytes()).to_string();
    let layers = KeptLayers::open(network.derived_dir())?;
    // 9
    prepared.bake(&layers, &network, context)?;
    let frames = if network.is_afresh() { None } else { open_frames(network.cache_dir(), context) };
    let shared = Shared { recipe, lock: &prepared.lock, lock_sha256, identities, network, layers, frames };
    let hosts: Vec<_> = prepared.hosts.iter().zip(&secrets).collect();
    let jobs = jobs::count(recipe.jobs, hosts.len());
    let name = |(host, _): &(&PreparedHost<'_>, _)| host.host.hostname.to_string();
    jobs::run(&hosts, jobs, context, name, |(host, secrets), context| {
        let done = shared.finish_host(host, secrets.as_ref(), work, context, take);
        done.map_err(|failure| failure.context(format!("cannot build host `{}`", host.host.hostname)))
    })
}

/// The secrets of each host; none where the images are to be published.
fn secrets_of(recipe: &Recipe<'_>, context: &Context<'_>) -> Result<Vec<Option<HostSecrets>>, Failure> {
    let resolver = Resolver::new(&context.project, context.environment);
    let of_host = |host| {
        (!recipe.ingredients.release).then(|| HostSecrets::resolve(host, &resolver, context)).transpose()
    };
    recipe.hosts.iter().map(of_host).collect()
}

/// The cache of compressed frames; what is wrong with it costs time only.
fn open_frames(cache: &Path, context: &Context<'_>) -> Option<FrameCache> {
    FrameCache::open(cache)
        .inspect_err(|error| context.reporter.notice(&format!("cannot use the cache of frames: {error}")))
        .ok()
}

/// What the hosts of a build share.
struct Shared<'a> {
    recipe: &'a Recipe<'a>,
    lock: &'a Lockfile,
    lock_sha256: String,
    identities: Identities,
    network: Network<'a>,
    layers: KeptLayers,
    frames: Option<FrameCache>,
}

impl Shared<'_> {
    fn finish_host<R>(
        &self,
        prepared: &PreparedHost<'_>,
        secrets: Option<&HostSecrets>,
        work: &Path,
        context: &Context<'_>,
        take: &Take<'_, R>,
    ) -> Result<R, Failure> {
        let started = env::now();
        // 10
        let obtained = prepared.obtain(self.lock, &self.network)?;
        let planned = plan_host(prepared, &obtained, &self.identities, secrets, context)?;
        context.check_interrupt()?;
        let (host, base) = (prepared.host, prepared.base.as_ref());
        let (length, golden) = (planned.image_length, planned.changes.golden());
        let golden = GoldenInputs::new(&base.image, base.digest(), length, planned.epoch, golden);
        let disk_id = seed::disk_id(&self.identities.of(host)?.seed, &host.hostname);
        let finished = Finished { host, base, planned: &planned, disk_id, started };
        match self.finish(&finished, &golden, work, context, take) {
            // a cache may lose bytes like any other file; that must not cost a build
            Err(_) if self.layers.forget_damaged(&golden, context)? => {
                self.finish(&finished, &golden, work, context, take)
            }
            // what lies below was opened for all hosts
            Err(failure) if self.layers.forget_if_damaged(base.digest())? => {
                Err(failure.hint("the baked base in the cache was damaged and is gone: try again"))
            }
            done => done,
        }
    }

    fn finish<R>(
        &self,
        finished: &Finished<'_>,
        golden: &GoldenInputs<'_>,
        work: &Path,
        context: &Context<'_>,
        take: &Take<'_, R>,
    ) -> Result<R, Failure> {
        let Finished { base, planned, disk_id, .. } = finished;
        // 11
        let layer = Named::new(self.layers.get(golden, context)?, *golden.key().as_bytes());
        let store = FileStore::in_directory(work).map_err(work_file(work))?;
        let image = WorkingImage::over(Arc::new(layer), &base.image, *disk_id, store)?;
        // 12
        apply(&image, planned.changes.host(), planned.epoch, context.reporter)?;
        // 13
        check(&image, &planned.changes, context.reporter)?;
        take(finished, image.device().as_ref(), self, context)
    }
}

fn work_file(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let message = format!("cannot make work files in `{}`", path.display());
    move |source| Failure::caused_by(Class::Host, message, source)
}
