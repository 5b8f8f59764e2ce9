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
//!  9. plan: overlays, packages and the rules of the guest
//! 10. lay a working image over the base and grow it
//! 11. apply the plan
//! 12. check the result: file systems, every change read back
//! 13. write it out and publish it
//!
//! The table in `builder/README.md` has the same steps in the same order; a test compares them. Steps 1 to 3 are
//! `cli` and `command::hosts`, the others are calls here, and what each means is in its room.

mod base;
mod faults;
mod identity;
mod jobs;
mod prepare;
mod publish;
mod render;
mod secrets;

use std::num::NonZero;
use std::path::Path;

pub use base::CheckedBase;
pub(crate) use identity::made_seed;
pub use identity::{Identities, Identity};
pub use prepare::{Preparation, Prepared, PreparedHost, prepare};
pub use render::{PlannedHost, plan_host};
pub use secrets::HostSecrets;

use publish::{Finished, publish};

use pimg_fetch::digest::Sha256Digest;

use crate::command::Context;
use crate::command::outcome::BuiltImage;
use crate::failure::{Class, Failure};
use crate::guest::seed;
use crate::host::env;
use crate::host::secrets::Resolver;
use crate::host::staging::Staging;
use crate::image::apply::apply;
use crate::image::check::check;
use crate::image::format::ImageFormat;
use crate::image::frames::FrameCache;
use crate::image::store::FileStore;
use crate::image::working::WorkingImage;
use crate::lock::lockfile::Lockfile;
use crate::packages::{Network, Options, Update};
use crate::profile::host::HostSpec;

/// What a build is to make beside its hosts.
#[derive(Debug)]
pub struct BuildPlan<'a> {
    /// The hosts, in this order.
    pub hosts: &'a [HostSpec],
    /// Where the images go.
    pub out: &'a Path,
    /// How they are written.
    pub format: ImageFormat,
    /// Whether everything must equal what the lock says.
    pub locked: bool,
    /// Whether everything secret is left out.
    pub release: bool,
    /// Where packages come from.
    pub options: &'a Options,
    /// How many hosts are built at the same time; `None` is what suits the machine.
    pub jobs: Option<NonZero<usize>>,
}

/// Builds all hosts, steps 4 to 13.
///
/// # Errors
/// The first step that fails; `out` is as it was for the host that failed and all behind it.
pub fn build(plan: &BuildPlan<'_>, context: &Context<'_>) -> Result<Vec<BuiltImage>, Failure> {
    let staging = Staging::new(plan.out)?;
    // before anything that takes long: a missing secret is the operator's to mend
    let secrets = secrets_of(plan, context)?;
    let network = Network::open(plan.options, context)?;
    // 4, 5, 6, 7
    let update = if plan.locked { Update::Locked } else { Update::Keep };
    let preparation = Preparation { hosts: plan.hosts, update, options: plan.options };
    let prepared = prepare(&preparation, &network, context)?;
    if prepared.written {
        context.reporter.notice("wrote `pimg.lock`: keep it in git, and the same packages are built again");
    }
    // 8
    prepared.fetch(&network)?;
    let identities = Identities::load(plan.hosts, context)?;
    let lock_sha256 = Sha256Digest::of(prepared.lock.to_text().as_bytes()).to_string();
    let frames = open_frames(context);
    let shared = Shared { plan, lock: &prepared.lock, lock_sha256, identities, staging, network, frames };
    let hosts: Vec<_> = prepared.hosts.iter().zip(&secrets).collect();
    let jobs = jobs::count(plan.jobs, hosts.len());
    let name = |(host, _): &(&PreparedHost<'_>, _)| host.host.hostname.to_string();
    jobs::run(&hosts, jobs, context, name, |(host, secrets), context| {
        let started = env::now();
        let image = shared.build_host(host, secrets.as_ref(), context);
        let mut image = image
            .map_err(|failure| failure.context(format!("cannot build host `{}`", host.host.hostname)))?;
        image.elapsed = started.elapsed().unwrap_or_default();
        Ok(image)
    })
}

/// The secrets of each host; none where the images are to be published.
fn secrets_of(plan: &BuildPlan<'_>, context: &Context<'_>) -> Result<Vec<Option<HostSecrets>>, Failure> {
    let resolver = Resolver::new(&context.project, context.environment);
    let of_host = |host| (!plan.release).then(|| HostSecrets::resolve(host, &resolver, context)).transpose();
    plan.hosts.iter().map(of_host).collect()
}

/// The cache of compressed frames; what is wrong with it costs time only.
fn open_frames(context: &Context<'_>) -> Option<FrameCache> {
    let opened = FrameCache::open(&context.environment.cache_dir()?);
    opened
        .inspect_err(|error| context.reporter.notice(&format!("cannot use the cache of frames: {error}")))
        .ok()
}

/// What the hosts of a build share.
struct Shared<'a> {
    plan: &'a BuildPlan<'a>,
    lock: &'a Lockfile,
    lock_sha256: String,
    identities: Identities,
    staging: Staging,
    network: Network<'a>,
    frames: Option<FrameCache>,
}

impl Shared<'_> {
    fn build_host(
        &self,
        prepared: &PreparedHost<'_>,
        secrets: Option<&HostSecrets>,
        context: &Context<'_>,
    ) -> Result<BuiltImage, Failure> {
        let (host, base) = (prepared.host, prepared.base.as_ref());
        // 9
        let obtained = prepared.obtain(self.lock, &self.network)?;
        let planned = plan_host(prepared, &obtained, &self.identities, secrets, context)?;
        context.check_interrupt()?;
        // 10
        let work = self.staging.path();
        let store = FileStore::in_directory(work).map_err(work_file(work))?;
        let disk_id = seed::disk_id(&self.identities.of(host)?.seed, &host.hostname);
        let image = WorkingImage::new(&base.image, planned.image_length, disk_id, store)?;
        // 11
        apply(&image, &planned.changes, planned.epoch, context.reporter)?;
        // 12
        check(&image, &planned.changes, context.reporter)?;
        // 13
        let finished = Finished { host, base, planned: &planned, disk_id };
        publish(&finished, image.device().as_ref(), self, context)
    }
}

fn work_file(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let message = format!("cannot make work files in `{}`", path.display());
    move |source| Failure::caused_by(Class::Host, message, source)
}
