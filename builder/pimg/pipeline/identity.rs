//! Who the hosts are: seeds and keys, from the operator's machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::command::Context;
use crate::failure::{Class, Failure};
use crate::guest::{Keyring, Notes};
use crate::host::files;
use crate::host::seed::{Seed, load_existing, load_or_create};
use crate::profile::host::HostSpec;
use crate::secret::Secret;

/// Longest note that is read, in bytes.
const LONGEST_NOTE: u64 = 1024;

/// Seeds and keys of all hosts of a build.
pub struct Identities {
    by_seed: BTreeMap<String, Identity>,
}

/// What the hosts of one cluster share.
pub struct Identity {
    /// The secret seed.
    pub seed: Secret,
    /// Keys of all members.
    pub keys: Keyring,
}

impl Identities {
    /// Reads the seeds of these hosts, makes the missing ones, and derives all keys.
    ///
    /// # Errors
    /// A seed cannot be read or made.
    pub fn load(hosts: &[HostSpec], context: &Context<'_>) -> Result<Self, Failure> {
        let mut groups: BTreeMap<String, Vec<&HostSpec>> = BTreeMap::new();
        for host in hosts {
            groups.entry(host.seed_name().to_owned()).or_default().push(host);
        }
        let notes = CachedNotes { directory: context.environment.cache_dir() };
        let mut by_seed = BTreeMap::new();
        for (name, hosts) in groups {
            let Seed { secret: seed, path, created } = load_or_create(&context.project, &name)?;
            if created {
                context.reporter.notice(&made_seed(&path));
            }
            let keys = Keyring::derive(&seed, hosts, &notes)?;
            by_seed.insert(name, Identity { seed, keys });
        }
        Ok(Self { by_seed })
    }

    /// What this host shares with its cluster.
    ///
    /// # Errors
    /// The identities were loaded without it.
    pub fn of(&self, host: &HostSpec) -> Result<&Identity, Failure> {
        let missing = || Failure::new(Class::Internal, format!("no seed was loaded for `{}`", host.hostname));
        self.by_seed.get(host.seed_name()).ok_or_else(missing)
    }
}

/// What the hosts of a seed share, from the seed that is there: none is made.
///
/// # Errors
/// There is none, or it cannot be read.
pub(super) fn existing(name: &str, hosts: &[&HostSpec], context: &Context<'_>) -> Result<Identity, Failure> {
    let Seed { secret: seed, .. } = load_existing(&context.project, name)?;
    let notes = CachedNotes { directory: context.environment.cache_dir() };
    let keys = Keyring::derive(&seed, hosts.iter().copied(), &notes)?;
    Ok(Identity { seed, keys })
}

/// Notes in the cache. One that cannot be read or written is done without.
struct CachedNotes {
    directory: Option<PathBuf>,
}

impl CachedNotes {
    fn path(&self, name: &str) -> Option<PathBuf> {
        // only a cache that is there already: whoever removes one between two commands finds it gone
        let memos = self.directory.as_ref()?.join("memo-v1");
        memos.is_dir().then(|| memos.join(format!("primes-{name}")))
    }
}

impl Notes for CachedNotes {
    fn recall(&self, name: &str) -> Option<String> {
        let path = self.path(name)?;
        let text = files::read_optional(&path, LONGEST_NOTE).ok()??;
        files::touch(&path).ok()?;
        String::from_utf8(text).ok()
    }

    fn keep(&self, name: &str, text: &str) {
        if let Some(path) = self.path(name) {
            let _ = files::write_atomic(&path, text.as_bytes());
        }
    }
}

/// What to say of a seed that is new.
pub(crate) fn made_seed(path: &Path) -> String {
    let path = path.display();
    format!("made `{path}`: ssh host keys and machine ids derive from it. Keep a copy, and keep it secret")
}
