//! What the changes of one host are made out from, and how the rules write them down.

use super::base_files::{BaseFiles, EntryKind};
use super::error::Error;
use super::keys::{HostKeys, Keyring};
use super::secrets::SecretFile;
use crate::plan::change::{Action, Change, Content, Origin, Ownership, Partition};
use crate::plan::path::GuestPath;
use crate::profile::host::HostSpec;
use crate::profile::types::Hostname;
use crate::secret::Secret;

/// Everything that the changes of one host depend on.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The host.
    pub host: &'a HostSpec,
    /// The base image, as yet unchanged.
    pub base: &'a dyn BaseFiles,
    /// The cluster's secret seed.
    pub seed: &'a Secret,
    /// Keys of the host and of every other member of its cluster.
    pub keys: &'a Keyring,
    /// The user's password hash (`crypt(5)`), where there is one.
    pub password_hash: Option<&'a Secret>,
    /// Secrets that go into files of their own.
    pub secrets: &'a [SecretFile],
    /// Whether everything secret is left out, to be brought by `pimg seed`.
    pub release: bool,
    /// The build's time in seconds since 1970-01-01 UTC: the clock that the node starts with.
    pub epoch: u64,
    /// Disk signature in the base's MBR; `None` where the base has no MBR signature to replace.
    pub base_disk_id: Option<u32>,
}

impl<'a> Inputs<'a> {
    /// The keys of a member of the host's cluster.
    pub(super) fn keys_of(&self, host: &Hostname) -> Result<&'a HostKeys, Error> {
        self.keys.get(host).ok_or_else(|| Error::Key {
            what: "keys",
            host: host.to_string(),
            why: "the keyring was made without it".to_owned(),
        })
    }

    /// Content of a file of the root file system.
    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.base.read(Partition::Root, &GuestPath::new(path)?)?)
    }

    /// Content of a file that every Raspberry Pi OS has.
    pub(super) fn read_required(&self, partition: Partition, path: &str) -> Result<Vec<u8>, Error> {
        let content = self.base.read(partition, &GuestPath::new(path)?)?;
        content.ok_or_else(|| Error::Missing { path: path.to_owned() })
    }

    /// As [`Self::read_required`], as text.
    pub(super) fn read_text(&self, partition: Partition, path: &str) -> Result<String, Error> {
        text(path, self.read_required(partition, path)?)
    }

    /// What stands at a path of the root file system.
    pub(super) fn kind(&self, path: &str) -> Result<Option<EntryKind>, Error> {
        Ok(self.base.kind(Partition::Root, &GuestPath::new(path)?)?)
    }

    /// Names in a directory of the root file system; none where there is no such directory.
    pub(super) fn list(&self, path: &str) -> Result<Vec<String>, Error> {
        Ok(self.base.list(Partition::Root, &GuestPath::new(path)?)?.unwrap_or_default())
    }

    /// The origin that names a key of the host's profile.
    pub(super) fn key(&self, key: &'static str) -> Origin {
        Origin::Profile { profile: self.host.profile.clone(), key }
    }
}

/// Bytes of the base as text.
pub(super) fn text(path: &str, bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        Error::Malformed { path: path.to_owned(), line, why: "is not UTF-8 text".to_owned() }
    })
}

/// Changes in the order in which the rules made them.
#[derive(Default)]
pub(super) struct Changes(pub(super) Vec<Change>);

impl Changes {
    /// A file owned by root.
    pub(super) fn file(
        &mut self,
        path: &str,
        mode: u16,
        content: impl Into<Vec<u8>>,
        origin: Origin,
    ) -> Result<(), Error> {
        self.owned_file(path, Ownership::root(mode), Content::bytes(content), origin)
    }

    /// A file.
    pub(super) fn owned_file(
        &mut self,
        path: &str,
        ownership: Ownership,
        content: Content,
        origin: Origin,
    ) -> Result<(), Error> {
        self.root(path, Action::PutFile { content, ownership }, origin)
    }

    /// A directory.
    pub(super) fn directory(
        &mut self,
        path: &str,
        ownership: Ownership,
        origin: Origin,
    ) -> Result<(), Error> {
        self.root(path, Action::MakeDir { ownership }, origin)
    }

    /// A symbolic link.
    pub(super) fn symlink(&mut self, path: &str, target: &str, origin: Origin) -> Result<(), Error> {
        self.root(path, Action::Symlink { target: target.to_owned() }, origin)
    }

    /// Something that must not be there.
    pub(super) fn remove(&mut self, path: &str, origin: Origin) -> Result<(), Error> {
        self.root(path, Action::Remove, origin)
    }

    /// A file on the boot partition.
    pub(super) fn boot_file(
        &mut self,
        path: &str,
        content: impl Into<Vec<u8>>,
        origin: Origin,
    ) -> Result<(), Error> {
        let action = Action::PutFile { content: Content::bytes(content), ownership: Ownership::root(0o755) };
        self.0.push(Change::boot(GuestPath::new(path)?, action, origin));
        Ok(())
    }

    fn root(&mut self, path: &str, action: Action, origin: Origin) -> Result<(), Error> {
        self.0.push(Change::root(GuestPath::new(path)?, action, origin));
        Ok(())
    }
}
