//! `pimg build` as a list of steps:
//!
//!  1. read what was asked
//!  2. load profiles and what they extend
//!  3. check them and expand them to hosts
//!  4. compare with the lock
//!  5. get the base image
//!  6. check the base: file systems, packaged files
//!  7. render overlays and the rules of the guest
//!  8. plan
//!  9. lay a working image over the base and grow it
//! 10. apply the plan
//! 11. check the result: file systems, every change read back
//! 12. write it out and publish it
//!
//! The table in `builder/README.md` has the same steps in the same order; a test compares them. Steps 1 to 3 are
//! `cli` and `command::hosts`, the others are calls here, and what each means is in its room.

mod base;
mod faults;
mod identity;
mod render;

use std::path::Path;

pub use base::{CheckedBase, get_base};
pub use identity::{Identities, Identity};
pub use render::{PlannedHost, plan_host};

use pimg_disk::block::BlockRead;

use crate::command::Context;
use crate::command::outcome::BuiltImage;
use crate::failure::{Class, Failure};
use crate::guest::seed;
use crate::host::staging::Staging;
use crate::host::{env, files};
use crate::image::apply::apply;
use crate::image::check::check;
use crate::image::emit::emit;
use crate::image::format::ImageFormat;
use crate::image::manifest::{BaseEntry, ChangeEntry, ImageEntry, Manifest, SCHEMA};
use crate::image::store::FileStore;
use crate::image::working::WorkingImage;
use crate::lock::lockfile::Lockfile;
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
    /// Whether the network stays unused.
    pub offline: bool,
    /// What everything must equal, under `--locked`.
    pub lock: Option<&'a Lockfile>,
    /// Digest of the lock, where the project has one.
    pub lock_sha256: Option<String>,
}

/// Builds all hosts, steps 4 to 12.
///
/// # Errors
/// The first step that fails; `out` is as it was for the host that failed and all behind it.
pub fn build(plan: &BuildPlan<'_>, context: &Context<'_>) -> Result<Vec<BuiltImage>, Failure> {
    let identities = Identities::load(plan.hosts, context)?;
    let staging = Staging::new(plan.out)?;
    let mut built = Vec::new();
    for host in plan.hosts {
        let started = env::now();
        let image = build_host(host, plan, &identities, &staging, context);
        let mut image =
            image.map_err(|failure| failure.context(format!("cannot build host `{}`", host.hostname)))?;
        image.elapsed = started.elapsed().unwrap_or_default();
        built.push(image);
    }
    Ok(built)
}

fn build_host(
    host: &HostSpec,
    plan: &BuildPlan<'_>,
    identities: &Identities,
    staging: &Staging,
    context: &Context<'_>,
) -> Result<BuiltImage, Failure> {
    // 4, 5, 6: for every host but the first the cache answers
    let base = get_base(&host.base, plan.lock, plan.offline, context)?;
    // 7, 8
    let planned = plan_host(host, &base, identities, context)?;
    context.check_interrupt()?;
    // 9
    let store = FileStore::in_directory(staging.path()).map_err(work_file(staging.path()))?;
    let disk_id = seed::disk_id(&identities.of(host)?.seed, &host.hostname);
    let image = WorkingImage::new(&base.image, planned.image_length, disk_id, store)?;
    // 10
    apply(&image, &planned.changes, planned.epoch, context.reporter)?;
    // 11
    check(&image, &planned.changes, context.reporter)?;
    // 12
    let finished = Finished { host, base: &base, planned: &planned, disk_id };
    publish(&finished, image.device().as_ref(), plan, staging, context)
}

/// A host whose image is ready to be written out.
struct Finished<'a> {
    host: &'a HostSpec,
    base: &'a CheckedBase,
    planned: &'a PlannedHost,
    disk_id: u32,
}

/// Step 12: image, digest and manifest go to a directory that takes its place in `out` as a whole.
fn publish(
    finished: &Finished<'_>,
    image: &dyn BlockRead,
    plan: &BuildPlan<'_>,
    staging: &Staging,
    context: &Context<'_>,
) -> Result<BuiltImage, Failure> {
    let Finished { host, base, planned, disk_id } = finished;
    let directory = staging.directory(host.hostname.as_str())?;
    let name = format!("{}-{}.{}", host.hostname, host.image.version, plan.format.extension());
    let path = directory.join(&name);
    let file = files::create_new(&path)?;
    let emitted = emit(image, plan.format, file, &path, context.reporter)?;
    let sum = format!("{}  {name}\n", emitted.sha256);
    files::write_atomic(&directory.join(format!("{name}.sha256")), sum.as_bytes())?;
    let manifest = Manifest {
        schema: SCHEMA,
        pimg: env!("CARGO_PKG_VERSION"),
        profile: host.profile.clone(),
        hostname: host.hostname.to_string(),
        version: host.image.version.clone(),
        base: BaseEntry::from(*base),
        lock_sha256: plan.lock_sha256.clone(),
        image: ImageEntry::new(name.clone(), &emitted, *disk_id),
        changes: planned.changes.iter().map(ChangeEntry::new).collect(),
    };
    files::write_atomic(&directory.join("manifest.json"), &manifest.to_json())?;
    context.check_interrupt()?;
    let published = staging.publish(host.hostname.as_str())?;
    Ok(BuiltImage {
        host: host.hostname.to_string(),
        image: published.join(&name),
        sha256_file: published.join(format!("{name}.sha256")),
        manifest: published.join("manifest.json"),
        sha256: emitted.sha256.to_string(),
        size: emitted.size,
        raw_size: emitted.raw_size,
        changes: planned.changes.len(),
        base_sha256: base.raw_sha256.to_string(),
        elapsed: std::time::Duration::ZERO,
    })
}

fn work_file(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let message = format!("cannot make work files in `{}`", path.display());
    move |source| Failure::caused_by(Class::Host, message, source)
}
