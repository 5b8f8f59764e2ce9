//! Steps 6 and 10: overlays and rules become one list of changes, and the size of the image.

use pimg_deb::sources::{self, SignedBy, Source};
use pimg_fetch::keyring::{Fingerprint, Keyring};

use super::base::CheckedBase;
use super::faults::Collisions;
use super::identity::Identities;
use super::prepare::PreparedHost;
use super::secrets::HostSecrets;
use crate::command::Context;
use crate::failure::{Class, Failure};
use crate::guest::base_files::{BaseFiles, EntryKind};
use crate::guest::overlaid::Overlaid;
use crate::guest::{self, Inputs, units};
use crate::host::files;
use crate::image::size::{BaseSizes, image_length};
use crate::image::{copies, digests};
use crate::lock::lockfile::LockedDownload;
use crate::overlay::{Rendered, UnitRequest};
use crate::packages::{self, Obtained};
use crate::plan::change::{Action, Change, Partition};
use crate::plan::layers::Layered;
use crate::plan::merge::merge;
use crate::plan::path::GuestPath;
use crate::plan::resolve::follow_parents;

/// Longest keyring, in bytes.
const LONGEST_KEYRING: u64 = 1 << 20;

/// Everything that a host's image will be.
pub struct PlannedHost {
    /// All changes, by the layer that they go to.
    pub changes: Layered,
    /// Length of the image in bytes.
    pub image_length: u64,
    /// The files that came into it beside packages, as the lock names them.
    pub downloads: Vec<LockedDownload>,
    /// The build's time in seconds since 1970: of everything written, and the node's first clock.
    pub epoch: i64,
}

/// Plans a host; without `secrets`, an image that can be published.
///
/// # Errors
/// The overlays, the rules or their sum are not in order.
pub fn plan_host(
    prepared: &PreparedHost<'_>,
    obtained: &Obtained,
    identities: &Identities,
    secrets: Option<&HostSecrets>,
    context: &Context<'_>,
) -> Result<PlannedHost, Failure> {
    let PreparedHost { host, base, rendered, .. } = prepared;
    let base = base.as_ref();
    let mut rendered = rendered.clone();
    rendered.supply_keyrings(&obtained.keyrings);
    let epoch = build_time(base, context)?;
    rendered.notices.iter().for_each(|notice| context.reporter.notice(notice));
    check_keyrings(&rendered)?;
    let identity = identities.of(host)?;
    // the rules see what the overlays bring: `/etc/skel` of an overlay reaches the user's home
    let with_overlays = Overlaid::new(&base.image, &rendered.changes);
    let inputs = Inputs {
        host,
        base: &with_overlays,
        seed: &identity.seed,
        keys: &identity.keys,
        password_hash: secrets.and_then(|secrets| secrets.password_hash.as_ref()),
        secrets: secrets.map_or(&[], |secrets| &secrets.files),
        release: secrets.is_none(),
        epoch,
        base_disk_id: base_disk_id(base),
    };
    let mut changes = guest::changes(&inputs)?;
    changes.extend(rendered.changes.iter().cloned());
    changes.extend(debian_sources(&rendered, base)?);
    changes.extend(obtained.changes.iter().cloned());
    changes.extend(package_changes(base, obtained, epoch)?);
    let steps = match obtained.packages.is_empty() {
        true => guest::steps::without(rendered.steps.clone(), guest::packages::STEP),
        false => rendered.steps.clone(),
    };
    changes.extend(guest::steps::changes(&steps)?);
    let unit_changes = unit_changes(&rendered, &Overlaid::new(&base.image, &changes))?;
    changes.extend(unit_changes);
    let mut changes = merged(changes, base)?;
    changes.extend(copies::changes(&changes, |path| base.image.read(Partition::Root, path))?);
    changes.push(digests::list(&base.digests, &changes, is_volatile));
    packages::hostname_resolves(host, &obtained.packages, &changes)?;
    let image_length = image_length(sizes(base), &changes, obtained.growth, &host.image)?;
    let epoch =
        i64::try_from(epoch).map_err(|_| Failure::new(Class::Usage, "the build's time is out of range"))?;
    let changes = Layered::of(changes);
    Ok(PlannedHost { changes, image_length, downloads: obtained.downloads.clone(), epoch })
}

/// A repository for the first boot, or, where its packages are in the base already, what is left for it to do.
fn package_changes(base: &CheckedBase, obtained: &Obtained, epoch: u64) -> Result<Vec<Change>, Failure> {
    let Some(baked) = &base.baked else {
        return Ok(guest::packages::changes(&obtained.packages, epoch)?);
    };
    Ok(guest::baked::changes(&guest::baked::Baked {
        key: &baked.layer.key,
        set: &obtained.packages,
        own_answers: &obtained.own_answers,
        base: &baked.plain.image,
        baked: &base.image,
    })?)
}

/// The time of everything that a build writes: `SOURCE_DATE_EPOCH`, else when the base was last written.
fn build_time(base: &CheckedBase, context: &Context<'_>) -> Result<u64, Failure> {
    let base = u64::from(base.image.root().superblock().s_wtime);
    Ok(context.environment.source_date_epoch()?.unwrap_or(base))
}

fn base_disk_id(base: &CheckedBase) -> Option<u32> {
    let table = base.image.table();
    u32::from_str_radix(&table.disk_id, 16).ok()
}

fn sizes(base: &CheckedBase) -> BaseSizes {
    let root = base.image.root_partition();
    BaseSizes {
        root_start: root.start,
        root_used: base.image.root().superblock().used_bytes(),
        image_len: base.image.device().len(),
    }
}

/// Puts all changes in order, with the links among their parents followed.
fn merged(changes: Vec<Change>, base: &CheckedBase) -> Result<Vec<Change>, Failure> {
    let link_at = |path: &GuestPath| match base.image.kind(Partition::Root, path)? {
        Some(EntryKind::Symlink(target)) => Ok(Some(target)),
        _ => Ok::<_, guest::base_files::BaseReadError>(None),
    };
    let resolved = changes.into_iter().map(|mut change| {
        if change.partition == Partition::Root {
            change.path = follow_parents(&change.path, link_at).map_err(|error| {
                Failure::caused_by(Class::Profile, "a path of the plan leads nowhere", error)
            })?;
        }
        Ok(change)
    });
    let resolved: Vec<Change> = resolved.collect::<Result<_, Failure>>()?;
    Ok(merge(resolved, |_, _| false).map_err(Collisions)?)
}

/// The files of sources that use the base's own Debian mirror.
fn debian_sources(rendered: &Rendered, base: &CheckedBase) -> Result<Vec<Change>, Failure> {
    let stanzas = base_sources(base)?;
    // the stanza of Debian's own archive, known by its keyring, whatever its mirror is called
    let debian = stanzas.iter().find_map(|stanza| match &stanza.signed_by {
        Some(SignedBy::Keys(keys)) => {
            let keyring = keys.iter().find(|key| key.contains("debian-archive-keyring"))?;
            Some((stanza.uris.clone(), keyring.clone()))
        }
        _ => None,
    });
    let (uris, signed_by) = debian.unzip();
    let uris = uris.unwrap_or_default();
    Ok(rendered.base_source_changes(&uris, signed_by.as_deref()))
}

fn base_sources(base: &CheckedBase) -> Result<Vec<Source>, Failure> {
    let path = GuestPath::new("/etc/apt/sources.list.d/debian.sources")
        .map_err(|error| Failure::caused_by(Class::Internal, "a path of ours", error))?;
    let Some(bytes) = base.image.read(Partition::Root, &path)? else { return Ok(Vec::new()) };
    sources::parse_sources(&bytes).map_err(|error| {
        Failure::caused_by(Class::Base, format!("`{path}` of the base image is damaged"), error)
    })
}

/// Symbolic links as `systemctl` makes them, for what the overlays ask.
fn unit_changes(rendered: &Rendered, image: &dyn BaseFiles) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    for request in &rendered.units.enable {
        for link in units::enable(image, &request.unit).map_err(blame(request))? {
            changes.push(link_change(link, request));
        }
    }
    for request in &rendered.units.disable {
        for path in units::disable(image, &request.unit).map_err(blame(request))? {
            changes.push(Change::root(path, Action::Remove, request.origin.clone()));
        }
    }
    for request in &rendered.units.mask {
        let link = units::mask(&request.unit).map_err(blame(request))?;
        changes.push(link_change(link, request));
    }
    Ok(changes)
}

fn link_change(link: units::Link, request: &UnitRequest) -> Change {
    Change::root(link.path, Action::Symlink { target: link.target }, request.origin.clone())
}

fn blame(request: &UnitRequest) -> impl FnOnce(guest::Error) -> Failure {
    let origin = request.origin.to_string();
    move |error| Failure::from(error).context(format!("{origin} asks for something that cannot be"))
}

/// Every keyring that an overlay brings holds the certificates that are pinned.
fn check_keyrings(rendered: &Rendered) -> Result<(), Failure> {
    for source in &rendered.apt.sources {
        let Some(keyring) = &source.keyring else { continue };
        let (Some(file), false) = (&keyring.file, keyring.fingerprints.is_empty()) else { continue };
        let Some(bytes) = files::read_optional(file, LONGEST_KEYRING)? else { continue };
        let found = Keyring::parse(&file.display().to_string(), &bytes)?;
        for fingerprint in &keyring.fingerprints {
            let fingerprint = fingerprint.parse::<Fingerprint>().map_err(|why| {
                Failure::new(Class::Profile, format!("`{fingerprint}` is no fingerprint: {why}"))
            })?;
            found.require(&fingerprint)?;
        }
    }
    Ok(())
}

/// What a node rewrites by itself cannot be in a list that it checks.
fn is_volatile(path: &str) -> bool {
    const REWRITTEN: [&str; 9] = [
        "/etc/group",
        "/etc/gshadow",
        "/etc/passwd",
        "/etc/subgid",
        "/etc/subuid",
        "/etc/default/locale",
        "/var/lib/systemd/timesync/clock",
        "/boot/firmware/cmdline.txt",
        "/boot/firmware/config.txt",
    ];
    REWRITTEN.contains(&path)
}
