//! Steps 4 to 8: everything that the hosts of a build share, and everything that needs the network.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use pimg_fetch::{Vault, Wanted, base_to_vault};

use super::base::{BaseLock, CheckedBase, get_base};
use crate::command::Context;
use crate::command::watch::WatchReporter;
use crate::failure::{Class, Failure};
use crate::host::files;
use crate::lock::LockError;
use crate::lock::lockfile::{LockedBase, Lockfile};
use crate::overlay::{self, Rendered};
use crate::packages::{self, Network, Obtained, Options, Settling, Update, Wishes};
use crate::profile::host::{BaseSpec, HostSpec};

/// Longest lock that is read, in bytes.
const LONGEST_LOCK: u64 = 64 << 20;

/// The lock's name in the project.
const LOCK: &str = "pimg.lock";

/// What is asked for, before anything was looked up.
pub struct Preparation<'a> {
    /// The hosts.
    pub hosts: &'a [HostSpec],
    /// How much of the lock may change.
    pub update: Update,
    /// Where packages come from.
    pub options: &'a Options,
}

/// Hosts whose base images, overlays and packages are known.
pub struct Prepared<'a> {
    /// The hosts, in the order in which they were asked for.
    pub hosts: Vec<PreparedHost<'a>>,
    /// A lock that fits them.
    pub lock: Lockfile,
    /// The lock as it was.
    pub before: Option<Lockfile>,
    /// Whether it says something else than before.
    pub changed: bool,
    /// Whether it was written anew.
    pub written: bool,
}

/// One of them.
pub struct PreparedHost<'a> {
    /// The host.
    pub host: &'a HostSpec,
    /// Its base image.
    pub base: Arc<CheckedBase>,
    /// What its overlays want.
    pub rendered: Rendered,
    /// What it asks of packages.
    pub wishes: Wishes,
}

impl PreparedHost<'_> {
    /// Its packages and downloads, on this machine.
    ///
    /// # Errors
    /// Something cannot be had, or cannot be taken apart.
    pub fn obtain(&self, lock: &Lockfile, network: &Network<'_>) -> Result<Obtained, Failure> {
        let obtained = packages::obtain(self.host, &self.wishes, lock, &self.base.plain().image, network)?;
        // what they take is taken already
        Ok(if self.base.baked.is_some() { Obtained { growth: 0, ..obtained } } else { obtained })
    }
}

/// Prepares the hosts, and writes the lock if it had to change.
///
/// # Errors
/// The first step that fails; the lock is then as it was.
pub fn prepare<'a>(
    preparation: &Preparation<'a>,
    network: &Network<'_>,
    context: &Context<'_>,
) -> Result<Prepared<'a>, Failure> {
    let mut prepared = resolve(preparation, network, context)?;
    if prepared.changed && preparation.update != Update::Locked {
        prepared.write_lock(context)?;
    }
    Ok(prepared)
}

/// Prepares the hosts, and leaves the lock as it is.
///
/// # Errors
/// The first step that fails.
pub fn resolve<'a>(
    preparation: &Preparation<'a>,
    network: &Network<'_>,
    context: &Context<'_>,
) -> Result<Prepared<'a>, Failure> {
    let before = read_lock(context)?;
    if preparation.update == Update::Locked && before.is_none() {
        return Err(LockError::Missing.into());
    }
    let mut bases: Vec<(BaseSpec, Arc<CheckedBase>)> = Vec::new();
    let mut hosts = Vec::new();
    for host in preparation.hosts {
        let prepared = prepare_host(host, preparation, before.as_ref(), &mut bases, network, context);
        hosts.push(
            prepared
                .map_err(|failure| failure.context(format!("cannot prepare host `{}`", host.hostname)))?,
        );
    }
    say_unknown_names(preparation.options, &hosts, context);
    // 7
    let settling: Vec<Settling<'_>> = hosts.iter().map(settling).collect();
    let settled = packages::settle(&settling, before.as_ref(), &preparation.update, network)?;
    Ok(Prepared { hosts, lock: settled.lock, before, changed: settled.changed, written: false })
}

fn prepare_host<'a>(
    host: &'a HostSpec,
    preparation: &Preparation<'_>,
    before: Option<&Lockfile>,
    bases: &mut Vec<(BaseSpec, Arc<CheckedBase>)>,
    network: &Network<'_>,
    context: &Context<'_>,
) -> Result<PreparedHost<'a>, Failure> {
    // 4, 5: for every host but the first of a base it is known
    let known = bases.iter().find(|(spec, _)| *spec == host.base).map(|(_, base)| Arc::clone(base));
    let base = match known {
        Some(base) => base,
        None => {
            let lock = before.map(|lock| BaseLock { lock, update: &preparation.update });
            let base = Arc::new(get_base(&host.base, lock, network, context)?);
            bases.push((host.base.clone(), Arc::clone(&base)));
            base
        }
    };
    // 6
    let rendered = overlay::render(&context.project.join("overlays"), host)?;
    let wishes = Wishes::of(host, &rendered, &base.image)?;
    Ok(PreparedHost { host, base, rendered, wishes })
}

impl Prepared<'_> {
    /// Writes the lock.
    ///
    /// # Errors
    /// It cannot be written; the old one is as it was.
    pub fn write_lock(&mut self, context: &Context<'_>) -> Result<(), Failure> {
        let text = self.lock.to_text();
        // a lock that the next run refuses must not take the place of a good one
        Lockfile::parse(&text)
            .map_err(|error| Failure::caused_by(Class::Internal, "the new lock cannot be read", error))?;
        files::write_atomic(&context.in_project(LOCK), text.as_bytes())?;
        self.written = true;
        Ok(())
    }

    /// Gets every file that the lock names for these hosts.
    ///
    /// # Errors
    /// One cannot be had, or is another one.
    pub fn fetch(&self, network: &Network<'_>) -> Result<Vec<Wanted>, Failure> {
        let hosts: Vec<(&HostSpec, &Wishes)> = self.hosts.iter().map(|one| (one.host, &one.wishes)).collect();
        packages::fetch_all(&hosts, &self.lock, network)
    }

    /// Gets the published files of bases that lie on a server, since `.img.xz` take over blocks of them.
    ///
    /// # Errors
    /// One cannot be had, or is another one. Without a network, what is not there is only told.
    pub fn fetch_published(&self, network: &Network<'_>, context: &Context<'_>) -> Result<(), Failure> {
        for host in self.hosts.iter().filter(|host| host.base.is_on_a_server()) {
            match host.base.published(network) {
                Err(failure) if network.options().offline && failure.class() == Class::Network => {
                    context.reporter.notice(&without_published(&host.base.source));
                }
                published => drop(published?),
            }
        }
        Ok(())
    }

    /// Copies everything that the lock names for these hosts to a vault: files, base images, the lock itself.
    ///
    /// # Errors
    /// The vault cannot be written.
    pub fn fill_vault(
        &self,
        directory: &Path,
        files_of_lock: &[Wanted],
        network: &Network<'_>,
        context: &Context<'_>,
    ) -> Result<(), Failure> {
        let vault = Vault::create(directory)?;
        let watch = WatchReporter::new(context.reporter);
        for (wanted, path) in files_of_lock.iter().zip(network.get("packages", files_of_lock)?) {
            vault.insert(&path, wanted.sha256)?;
        }
        for host in &self.hosts {
            base_to_vault(network.cache(), &vault, host.base.raw_sha256, &watch)?;
            match host.base.published(network) {
                Ok(Some(path)) => drop(vault.insert(&path, host.base.sha256)?),
                Ok(None) => {}
                // the raw image is there: all but one kind of image can be made
                Err(failure) if matches!(failure.class(), Class::Network | Class::Host) => {
                    context.reporter.notice(&without_published(&host.base.source));
                }
                Err(failure) => return Err(failure),
            }
        }
        files::write_atomic(&directory.join(LOCK), self.lock.to_text().as_bytes())?;
        Ok(())
    }
}

fn without_published(base: &str) -> String {
    format!("the file `{base}` as it was published cannot be had: no `.img.xz` can be made of this base")
}

/// A name on the command line that nothing has is a slip of the pen; or meant for another profile, so it is no error.
fn say_unknown_names(options: &Options, hosts: &[PreparedHost<'_>], context: &Context<'_>) {
    let sources = hosts.iter().flat_map(|host| host.wishes.sources.iter().map(|source| &source.name));
    let downloads = hosts.iter().flat_map(|host| host.wishes.downloads.iter().map(|download| &download.name));
    let known: BTreeSet<&String> = sources.chain(downloads).collect();
    let mirrors = options.mirrors.keys().map(|name| ("--mirror", name));
    let keyrings = options.keyrings.keys().map(|name| ("--keyring", name));
    let accepted = options.accepted.keys().map(|name| ("--accept-key", name));
    for (option, name) in mirrors.chain(keyrings).chain(accepted) {
        if !known.contains(name) {
            let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
            let known = known.join("`, `");
            let text = format!("`{option} {name}=…` changes nothing: the names here are `{known}`");
            context.reporter.notice(&text);
        }
    }
}

fn settling<'p>(prepared: &'p PreparedHost<'_>) -> Settling<'p> {
    let PreparedHost { host, base, wishes, .. } = prepared;
    let locked_base = LockedBase {
        url: base.source.clone(),
        sha256: base.sha256.to_string(),
        raw_sha256: base.raw_sha256.to_string(),
    };
    Settling { host, wishes: wishes.clone(), base: &base.image, locked_base }
}

fn read_lock(context: &Context<'_>) -> Result<Option<Lockfile>, Failure> {
    let Some(text) = files::read_optional(&context.in_project(LOCK), LONGEST_LOCK)? else { return Ok(None) };
    let text = String::from_utf8(text)
        .map_err(|error| Failure::caused_by(Class::Lock, "`pimg.lock` is not UTF-8 text", error))?;
    Ok(Some(Lockfile::parse(&text)?))
}
