//! Step 14: image, digest, manifest, bill of materials, provenance and signature go to a directory that takes its place in `out` as a whole.

use std::collections::BTreeMap;
use std::thread;
use std::time::SystemTime;

use pimg_disk::block::BlockRead;
use pimg_fetch::digest::Sha256Digest;
use pimg_fetch::minisign::SecretKey;

use super::Shared;
use super::base::CheckedBase;
use super::render::PlannedHost;
use super::seal::seal;
use crate::command::Context;
use crate::command::outcome::BuiltImage;
use crate::failure::{Class, Failure};
use crate::guest::base_files::BaseFiles;
use crate::host::git::SourceCommit;
use crate::host::{Staging, files};
use crate::image::block_map::BlockMap;
use crate::image::bmap;
use crate::image::emit::Emitter;
use crate::image::format::ImageFormat;
use crate::image::frames::FrameCache;
use crate::image::manifest::{BaseEntry, BuildEntry, ChangeEntry, ImageEntry, LayerEntry, Manifest, SCHEMA};
use crate::image::provenance::{self, ProvenanceInputs};
use crate::image::range_digests::RangeDigests;
use crate::image::sbom::{SbomInputs, sbom};
use crate::image::sums;
use crate::lock::LockedModule;
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;
use crate::profile::host::HostSpec;

/// A host whose image is ready to be written out.
pub(super) struct Finished<'a> {
    pub(super) host: &'a HostSpec,
    pub(super) base: &'a CheckedBase,
    pub(super) planned: &'a PlannedHost,
    pub(super) disk_id: u32,
    pub(super) started: SystemTime,
}

/// Where it goes, and how.
pub(super) struct Output<'a> {
    pub(super) staging: &'a Staging,
    pub(super) format: ImageFormat,
    pub(super) shared: &'a Shared<'a>,
    /// Signs what is written.
    pub(super) key: Option<&'a SecretKey>,
    /// Where the project is.
    pub(super) source: Option<&'a SourceCommit>,
}

/// Writes everything that belongs to the host, and puts it into `out`.
pub(super) fn publish(
    finished: &Finished<'_>,
    image: &dyn BlockRead,
    output: &Output<'_>,
    context: &Context<'_>,
) -> Result<BuiltImage, Failure> {
    let Finished { host, base, planned, disk_id, started } = finished;
    let Output { staging, format, shared, key, .. } = output;
    let directory = staging.directory(host.hostname.as_str())?;
    let stem = format!("{}-{}", host.hostname, host.image.version);
    let name = format!("{stem}.{}", format.extension());
    let path = directory.join(&name);
    let file = files::create_new(&path)?;
    let carried = if *format == ImageFormat::Xz { base.carried(&shared.network)? } else { None };
    let emitter = Emitter::new(context.reporter).with_frames(shared.frames.as_ref()).with_base(carried);
    // of the image and not of the file: the same map for every format, found by `bmaptool` for each
    let bmap_name = format!("{stem}.img.bmap");
    let (emitted, bmap) = thread::scope(|scope| {
        let bmap = scope.spawn(|| bmap(image, shared.frames.as_ref(), context));
        let emitted = emitter.emit(image, *format, file, &path);
        (emitted, bmap.join())
    });
    let emitted = emitted?;
    let bmap = bmap.map_err(|_| Failure::new(Class::Internal, "the block map was not made"))??;
    files::write_atomic(&directory.join(&bmap_name), bmap.as_bytes())?;
    let sum = format!("{}  {name}\n", emitted.sha256);
    files::write_atomic(&directory.join(format!("{name}.sha256")), sum.as_bytes())?;
    let manifest = Manifest {
        schema: SCHEMA,
        pimg: env!("CARGO_PKG_VERSION"),
        profile: host.profile.clone(),
        hostname: host.hostname.to_string(),
        version: host.image.version.clone(),
        base: BaseEntry::from(*base),
        layer: base.baked.as_ref().map(LayerEntry::from),
        lock_sha256: Some(shared.lock_sha256.clone()),
        build: BuildEntry::new(host, *format, shared.recipe.ingredients.release, epoch(planned)),
        image: ImageEntry::new(name.clone(), &emitted, *disk_id),
        changes: planned.changes.iter().map(ChangeEntry::new).collect(),
    };
    let bill = bill(finished, &manifest, shared)?;
    files::write_atomic(&directory.join("sbom.spdx.json"), &bill)?;
    let json = manifest.to_json();
    files::write_atomic(&directory.join("manifest.json"), &json)?;
    let statement = statement(&manifest, [&json, &bill], &format!("{stem}.img"), output);
    files::write_atomic(&directory.join(provenance::FILE), &statement)?;
    if let Some(key) = key {
        let signature = key.sign_envelope(provenance::PAYLOAD_TYPE, &statement);
        let envelope = provenance::envelope(&statement, &key.public().id().to_string(), &signature);
        files::write_atomic(&directory.join(provenance::ENVELOPE), envelope.as_bytes())?;
    }
    let known = BTreeMap::from([(name.clone(), emitted.sha256)]);
    seal(&directory, &known, *key, &format!("file:{} image:{name}", sums::FILE), context)?;
    context.check_interrupt()?;
    let outdated = [sums::SIGNATURE, provenance::ENVELOPE];
    let published = staging.publish(host.hostname.as_str(), &outdated)?;
    Ok(BuiltImage {
        host: host.hostname.to_string(),
        image: published.join(&name),
        sha256_file: published.join(format!("{name}.sha256")),
        bmap: published.join(bmap_name),
        manifest: published.join("manifest.json"),
        sbom: published.join("sbom.spdx.json"),
        provenance: published.join(provenance::FILE),
        sums: published.join(sums::FILE),
        signature: key.map(|_| published.join(sums::SIGNATURE)),
        key_id: key.map(|key| key.public().id().to_string()),
        sha256: emitted.sha256.to_string(),
        size: emitted.size,
        raw_size: emitted.raw_size,
        changes: planned.changes.len(),
        base_sha256: base.raw_sha256.to_string(),
        needs_seed: shared.recipe.ingredients.release,
        elapsed: started.elapsed().unwrap_or_default(),
    })
}

/// What the image was made from.
fn statement(manifest: &Manifest, written: [&[u8]; 2], raw_file: &str, output: &Output<'_>) -> Vec<u8> {
    let [json, bill] = written.map(|bytes| Sha256Digest::of(bytes).to_string());
    provenance::statement(&ProvenanceInputs {
        file: &manifest.image.file,
        sha256: &manifest.image.sha256,
        raw_file,
        raw_sha256: &manifest.image.raw_sha256,
        profile: &manifest.profile,
        format: &output.format.to_string(),
        release: manifest.build.release,
        base: &manifest.base,
        layer: manifest.layer.as_ref(),
        lock_sha256: &output.shared.lock_sha256,
        source: output.source.map(|source| (source.id.as_str(), source.dirty)),
        byproducts: [("manifest.json", &json), ("sbom.spdx.json", &bill)],
    })
}

/// Which blocks of the image must be written to a card, beside the compression of them.
fn bmap(image: &dyn BlockRead, cache: Option<&FrameCache>, context: &Context<'_>) -> Result<String, Failure> {
    let map = BlockMap::of(image)?;
    let mut digests = RangeDigests::open(image, cache);
    let digest = |range| match context.reporter.interrupted() {
        true => Err(std::io::ErrorKind::Interrupted.into()),
        false => digests.of(range),
    };
    let text = bmap::render(&map, digest)
        .map_err(|error| Failure::caused_by(Class::Host, "cannot read the working image", error))?;
    if let Err(problem) = digests.close() {
        context.reporter.notice(&format!("cannot keep digests in the cache: {problem}"));
    }
    Ok(text)
}

/// The build's time in seconds since 1970; none is before that.
fn epoch(planned: &PlannedHost) -> u64 {
    u64::try_from(planned.epoch).unwrap_or(0)
}

/// The bill of materials: the base's packages, those of the lock, and downloads.
fn bill(finished: &Finished<'_>, manifest: &Manifest, shared: &Shared<'_>) -> Result<Vec<u8>, Failure> {
    let Finished { host, base, planned, .. } = finished;
    let path = GuestPath::new("/var/lib/dpkg/status")
        .map_err(|error| Failure::caused_by(Class::Internal, "a path of ours", error))?;
    let status = base.image.read(Partition::Root, &path)?.unwrap_or_default();
    let modules: Vec<LockedModule> = shared.lock.modules_for(&host.profile).cloned().collect();
    let inputs = SbomInputs {
        file: &manifest.image.file,
        hostname: &manifest.hostname,
        version: &manifest.version,
        sha256: &manifest.image.sha256,
        base: &manifest.base,
        status: &status,
        // packages of a baked base are installed, and nothing is left for the first boot
        set: shared.lock.set_for(&host.profile).filter(|_| base.baked.is_none()),
        modules: &modules,
        repositories: &shared.lock.repository,
        downloads: &planned.downloads,
        epoch: epoch(planned),
    };
    sbom(&inputs).map_err(|error| Failure::caused_by(Class::Base, "cannot list what is installed", error))
}
