//! What every download of this room needs, in one place: cache, connections, vault, redirections.

use std::path::{Path, PathBuf};

use pimg_fetch::digest::Sha256Digest;
use pimg_fetch::{ArchiveFetcher, Batch, Cache, Client, Patience, Vault, Wanted, Watch};

use super::fetching::FetchingError;
use super::options::Options;
use crate::command::Context;
use crate::command::watch::WatchReporter;
use crate::failure::{Class, Failure};
use crate::host::cache::CacheDir;
use crate::host::env;
use crate::profile::host::Mirror;
use crate::progress::Reporter;

/// Cache, connections, vault and redirections.
pub struct Network<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) options: &'a Options,
    /// Keeps others from removing the cache meanwhile.
    in_use: CacheDir,
    /// Where what follows from the base is kept, if not in the cache.
    derived: Option<PathBuf>,
    cache: Cache,
    client: Option<Client>,
    vault: Option<Vault>,
}

impl<'a> Network<'a> {
    /// Opens the cache, and the vault where one is named.
    ///
    /// # Errors
    /// They cannot be opened.
    pub fn open(options: &'a Options, context: &'a Context<'a>) -> Result<Self, Failure> {
        let directory = context.environment.cache_dir().ok_or(crate::host::HostError::NoCacheDir)?;
        let vault = options.vault.as_deref().map(Vault::open).transpose()?;
        let client = if options.offline { None } else { Some(Client::new(Patience::default())?) };
        let in_use = CacheDir::open(&directory)?;
        Ok(Self { context, options, in_use, derived: None, cache: Cache::open(&directory)?, client, vault })
    }

    /// Keeps what follows from a base in this directory instead of the cache, and believes nothing of the cache that was
    /// not digested in this run: for a build that is to show what the inputs make.
    #[must_use]
    pub fn afresh(self, directory: Option<&Path>) -> Self {
        Self { derived: directory.map(Path::to_path_buf), ..self }
    }

    /// Whether that was asked for.
    pub fn is_afresh(&self) -> bool {
        self.derived.is_some()
    }

    /// Where what follows from a base is kept: results of checks, layers, frames.
    pub fn derived_dir(&self) -> &Path {
        self.derived.as_deref().unwrap_or(self.in_use.path())
    }

    /// What the command line says.
    pub fn options(&self) -> &Options {
        self.options
    }

    /// Who is told of progress.
    pub fn reporter(&self) -> &dyn Reporter {
        self.context.reporter
    }

    /// Where the cache is, in use as long as this value.
    pub fn cache_dir(&self) -> &Path {
        self.in_use.path()
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Gets files whose digests are known, many at a time. `name` says what they are together.
    ///
    /// # Errors
    /// One cannot be had, or is another one.
    pub fn get(&self, name: &str, wanted: &[Wanted]) -> Result<Vec<PathBuf>, Failure> {
        let whole = WatchReporter::new(self.context.reporter);
        let watches = || Box::new(WatchReporter::of_part(self.context.reporter)) as Box<dyn Watch + '_>;
        Ok(self.batch(name, &whole, &watches).fetch(wanted).map_err(FetchingError::from)?)
    }

    /// Gets one file whose digest is known.
    ///
    /// # Errors
    /// It cannot be had, or is another one.
    pub fn get_one(&self, wanted: Wanted) -> Result<PathBuf, Failure> {
        let name = wanted.name.clone();
        let mut paths = self.get(&name, &[wanted])?;
        paths
            .pop()
            .ok_or_else(|| Failure::new(Class::Internal, format!("`{name}` was asked for and not given")))
    }

    /// Gets a file of which nothing is known yet: its digest and its length in bytes.
    ///
    /// # Errors
    /// It cannot be had, or only in a way that anybody on the way could have changed.
    pub fn first_sight(&self, url: &str) -> Result<(Sha256Digest, u64, PathBuf), Failure> {
        let whole = WatchReporter::new(self.context.reporter);
        let watches = || Box::new(WatchReporter::of_part(self.context.reporter)) as Box<dyn Watch + '_>;
        Ok(self.batch(url, &whole, &watches).first_sight(url).map_err(FetchingError::from)?)
    }

    fn batch<'w>(
        &'w self,
        name: &'w str,
        watch: &'w dyn Watch,
        watches: &'w (dyn Fn() -> Box<dyn Watch + 'w> + Sync),
    ) -> Batch<'w> {
        let (client, vault) = (self.client.as_ref(), self.vault.as_ref());
        Batch {
            name,
            cache: &self.cache,
            client,
            vault,
            watch,
            watches,
            parallel: pimg_fetch::batch::PARALLEL,
        }
    }

    /// Reads signed repositories.
    pub fn archives<'w>(&'w self, watch: &'w dyn Watch) -> ArchiveFetcher<'w> {
        ArchiveFetcher { cache: &self.cache, client: self.client.as_ref(), now: env::unix_seconds(), watch }
    }

    /// The keyring that somebody named for a source in place of its own key.
    pub(super) fn named_keyring(&self, source: &str, mirror: Option<&Mirror>) -> Option<PathBuf> {
        if let Some(path) = self.options.keyrings.get(source) {
            return Some(path.clone());
        }
        let path = mirror?.keyring.as_ref()?;
        let home = self.context.environment.home();
        Some(self.context.project.join(env::expand_home(path, home.as_deref())))
    }

    /// Where a source or a download is taken from instead, if somebody said so: the command line, else the profile.
    pub fn mirror<'m>(
        &'m self,
        name: &str,
        profile: &'m std::collections::BTreeMap<String, Mirror>,
    ) -> Option<&'m Mirror> {
        self.options.mirrors.get(name).or_else(|| profile.get(name))
    }
}
