//! `manifest.json`: what is in an image and where each part comes from. It never holds a secret.

use pimg_fetch::digest::Sha256Digest;
use serde::{Deserialize, Serialize};

use super::digests::sha256_of;
use super::emit::Emitted;
use super::format::ImageFormat;
use crate::plan::change::{Action, Change, Content, Ownership, Partition};
use crate::profile::host::{BaseSpec, HostSpec};

/// Version of the manifest's shape. A field may be added; one that goes or changes its meaning raises this.
pub const SCHEMA: u32 = 1;

/// Longest manifest that is read, in bytes.
pub const LONGEST: u64 = 256 << 20;

/// The whole manifest.
#[derive(Debug, Serialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of pimg that built the image.
    pub pimg: &'static str,
    /// Name of the profile.
    pub profile: String,
    /// Host name.
    pub hostname: String,
    /// Version of the image.
    pub version: String,
    /// The base image.
    pub base: BaseEntry,
    /// Packages that were installed into the base when it was built, where they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerEntry>,
    /// Digest of `pimg.lock`, where the project has one.
    pub lock_sha256: Option<String>,
    /// How it was built.
    pub build: BuildEntry,
    /// The image itself.
    pub image: ImageEntry,
    /// Every change made to the base, in the order in which it was made.
    pub changes: Vec<ChangeEntry>,
}

impl Manifest {
    /// The text of `manifest.json`.
    pub fn to_json(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("texts and numbers are always JSON");
        text.push(b'\n');
        text
    }
}

/// The base image.
#[derive(Debug, Serialize)]
pub struct BaseEntry {
    /// File name or URL it was taken from.
    pub source: String,
    /// Digest of the file as it is published.
    pub sha256: String,
    /// Digest of the raw image inside.
    pub raw_sha256: String,
}

/// A layer of installed packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerEntry {
    /// What it was made from and for.
    pub key: String,
    /// Digest of the file of the layer.
    pub sha256: String,
    /// How many packages it has.
    pub packages: usize,
}

/// What, beside base, lock and overlays, decides the bytes of an image, or names it. `pimg verify --rebuild` reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildEntry {
    /// How the image is written: `zst`, `xz` or `raw`.
    pub format: ImageFormat,
    /// Whether every secret was left out.
    pub release: bool,
    /// The time of everything that was written, in seconds since 1970.
    pub source_date_epoch: u64,
    /// Digest of the profile's values, with what it extends: without the base, keys and secrets.
    pub profile_sha256: String,
    /// Digest of the public keys that may log in.
    pub ssh_keys_sha256: String,
}

impl BuildEntry {
    /// Describes a build of `host` at this time, in seconds since 1970.
    pub fn new(host: &HostSpec, format: ImageFormat, release: bool, epoch: u64) -> Self {
        let keys = host.user.ssh_keys.join("\n");
        let mut values = host.clone();
        values.user.ssh_keys.clear();
        // the base has digests of its own, and its place is this machine's business
        values.base = BaseSpec { source: String::new(), sha256: None, raw_sha256: None };
        let values = serde_json::to_vec(&values).expect("values of TOML are always JSON");
        Self {
            format,
            release,
            source_date_epoch: epoch,
            profile_sha256: Sha256Digest::of(&values).to_string(),
            ssh_keys_sha256: Sha256Digest::of(keys.as_bytes()).to_string(),
        }
    }
}

/// The image itself.
#[derive(Debug, Serialize)]
pub struct ImageEntry {
    /// File name.
    pub file: String,
    /// Length of the file in bytes.
    pub size: u64,
    /// Digest of the file.
    pub sha256: String,
    /// Length of the raw image in bytes.
    pub raw_size: u64,
    /// Digest of the raw image.
    pub raw_sha256: String,
    /// Disk signature of the partition table, 8 hexadecimal digits.
    pub disk_id: String,
}

impl ImageEntry {
    /// Describes what was emitted.
    pub fn new(file: String, emitted: &Emitted, disk_id: u32) -> Self {
        Self {
            file,
            size: emitted.size,
            sha256: emitted.sha256.to_string(),
            raw_size: emitted.raw_size,
            raw_sha256: emitted.raw_sha256.to_string(),
            disk_id: format!("{disk_id:08x}"),
        }
    }
}

/// One change.
#[derive(Debug, Serialize)]
pub struct ChangeEntry {
    /// The partition.
    pub partition: Partition,
    /// The path on that partition.
    pub path: String,
    /// `file`, `directory`, `symlink`, `remove` or `ownership`.
    pub action: &'static str,
    /// Where the change comes from.
    pub origin: String,
    /// Permission bits, four octal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// User id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Group id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Length in bytes of a file that is no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Digest of a file that is no secret. The digest of a secret would let anybody test a guess.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Text of a symbolic link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether the content is a secret.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

impl ChangeEntry {
    /// Describes a change.
    pub fn new(change: &Change) -> Self {
        let mut entry = Self {
            partition: change.partition,
            path: change.path.to_string(),
            action: "remove",
            origin: change.origin.to_string(),
            mode: None,
            uid: None,
            gid: None,
            size: None,
            sha256: None,
            target: None,
            secret: false,
        };
        match &change.action {
            Action::PutFile { content, ownership } => {
                entry.action = "file";
                entry.own(change.partition, *ownership);
                entry.describe(content);
            }
            Action::MakeDir { ownership } => {
                entry.action = "directory";
                entry.own(change.partition, *ownership);
            }
            Action::Symlink { target } => {
                entry.action = "symlink";
                entry.target = Some(target.clone());
            }
            Action::Remove => {}
            Action::SetOwnership { ownership } => {
                entry.action = "ownership";
                entry.own(change.partition, *ownership);
            }
        }
        entry
    }

    /// FAT keeps neither owners nor modes.
    fn own(&mut self, partition: Partition, ownership: Ownership) {
        if partition == Partition::Root {
            self.mode = Some(format!("{:04o}", ownership.mode));
            self.uid = Some(ownership.uid);
            self.gid = Some(ownership.gid);
        }
    }

    fn describe(&mut self, content: &Content) {
        self.secret = matches!(content, Content::Secret(_));
        if !self.secret {
            self.size = Some(content.len());
            self.sha256 = Some(sha256_of(content));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ChangeEntry;
    use crate::plan::change::{Action, Change, Content, Origin, Ownership};
    use crate::plan::path::GuestPath;
    use crate::secret::Secret;

    #[test]
    fn a_secret_leaves_neither_bytes_nor_length_nor_digest() {
        let content = Content::Secret(Secret::new(b"hunter2".to_vec()));
        let action = Action::PutFile { content, ownership: Ownership::root(0o600) };
        let path = GuestPath::new("/etc/key").expect("a valid path");
        let change = Change::root(path, action, Origin::Rule { rule: "a test" });
        let entry = serde_json::to_string(&ChangeEntry::new(&change)).expect("JSON");
        assert_eq!(
            entry,
            r#"{"partition":"root","path":"/etc/key","action":"file","origin":"rule \"a test\"","mode":"0600","uid":0,"gid":0,"secret":true}"#
        );
    }
}
