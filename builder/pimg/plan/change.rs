//! One change to an image, and where it comes from.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::path::GuestPath;
use crate::secret::Secret;

/// The partition that a change goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Partition {
    /// The FAT partition, mounted at `/boot/firmware` on the node.
    Boot,
    /// The ext4 root file system.
    Root,
}

/// Owner, group and permission bits of an entry on the root file system. The boot partition knows none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ownership {
    /// User id on the node.
    pub uid: u32,
    /// Group id on the node.
    pub gid: u32,
    /// Permission bits with set-id and sticky bits, at most `0o7777`.
    pub mode: u16,
}

impl Ownership {
    /// Owned by root, with these permission bits.
    pub const fn root(mode: u16) -> Self {
        Self { uid: 0, gid: 0, mode }
    }
}

/// What a file is to hold.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes that anybody may see.
    Bytes(Arc<[u8]>),
    /// Bytes that no log, manifest or plan may show.
    Secret(Secret),
    /// A file of the host, read when it is written into the image.
    HostFile {
        /// Where it is on the host.
        path: PathBuf,
        /// Its length in bytes when it was planned.
        len: u64,
        /// Its SHA-256 when it was planned, in lower-case hexadecimal.
        sha256: String,
    },
}

impl Content {
    /// Its length in bytes. Not for showing where the content is a secret.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Secret(secret) => secret.expose().len() as u64,
            Self::HostFile { len, .. } => *len,
        }
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Public bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(bytes.into().into())
    }
}

/// What happens to a path.
#[derive(Clone, Debug)]
pub enum Action {
    /// A regular file with this content takes the place of whatever non-directory is there.
    /// Parents that are missing are made, owned by root with mode 0755.
    PutFile {
        /// What it holds.
        content: Content,
        /// Owner and mode.
        ownership: Ownership,
    },
    /// A directory is there with this owner and mode; its entries stay.
    MakeDir {
        /// Owner and mode.
        ownership: Ownership,
    },
    /// A symbolic link takes the place of whatever non-directory is there.
    Symlink {
        /// Its text, written as it is.
        target: String,
    },
    /// The path is gone afterwards, a directory with all that is in it. A path that is not there is left so.
    Remove,
    /// Owner and mode of an entry that is there are set, nothing else.
    SetOwnership {
        /// Owner and mode.
        ownership: Ownership,
    },
}

/// Where a change comes from: what `pimg plan` and collision errors name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A key of a profile.
    Profile {
        /// The profile's name.
        profile: String,
        /// Dotted key, such as `network.address`.
        key: &'static str,
    },
    /// A file of an overlay.
    Overlay {
        /// The overlay's name.
        overlay: String,
        /// Path below the overlay's directory, such as `rootfs/etc/motd` or `overlay.toml`.
        file: String,
    },
    /// A rule of ours about Raspberry Pi OS.
    Rule {
        /// Short name of the rule, such as `cloud-init off`.
        rule: &'static str,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile { profile, key } => write!(out, "profile `{profile}`, key `{key}`"),
            Self::Overlay { overlay, file } => write!(out, "overlays/{overlay}/{file}"),
            Self::Rule { rule } => write!(out, "rule \"{rule}\""),
        }
    }
}

/// Whether what a change holds can depend on the host. Whoever makes the change knows from what it makes it; nothing
/// is found out by comparing hosts, so that a host built alone is built alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// It may: a value of the profile, a template, a secret.
    #[default]
    Host,
    /// It cannot: a file as an overlay has it, a package, a script of pimg.
    Shared,
}

/// One change to an image.
#[derive(Clone, Debug)]
pub struct Change {
    /// The partition it goes to.
    pub partition: Partition,
    /// The path on that partition.
    pub path: GuestPath,
    /// What happens there.
    pub action: Action,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether it can depend on the host.
    pub scope: Scope,
}

impl Change {
    /// A change on the root file system, of this host until somebody says otherwise.
    pub fn root(path: GuestPath, action: Action, origin: Origin) -> Self {
        Self { partition: Partition::Root, path, action, origin, scope: Scope::Host }
    }

    /// A change on the boot partition, of this host until somebody says otherwise.
    pub fn boot(path: GuestPath, action: Action, origin: Origin) -> Self {
        Self { partition: Partition::Boot, path, action, origin, scope: Scope::Host }
    }

    /// The same change, which cannot depend on the host.
    #[must_use]
    pub fn shared(self) -> Self {
        Self { scope: Scope::Shared, ..self }
    }
}
