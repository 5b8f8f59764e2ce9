//! What the tests of this room share: a base in the shape of Raspberry Pi OS, a host, and judges.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::base_files::{BaseFiles, BaseReadError, EntryKind};
use super::inputs::Inputs;
use super::keys::Keyring;
use super::prime_notes::NoNotes;
use crate::plan::change::{Action, Change, Content, Partition};
use crate::plan::path::GuestPath;
use crate::profile::host::{
    BackplaneSpec, BaseSpec, BootSpec, ClusterNode, ClusterSpec, HostSpec, ImageSpec, LocaleSpec,
    NetworkSpec, PveSource, PveSpec, Sudo, UserSpec, ZfsSpec, ZfsWipe,
};
use crate::profile::types::{Hostname, Ipv4Interface, Ipv4Network, UserName};
use crate::secret::Secret;

/// A base image in memory: what is at which path, directories being implied by what is in them.
#[derive(Clone, Default)]
pub(super) struct MapBase(BTreeMap<(Partition, String), Entry>);

#[derive(Clone)]
enum Entry {
    File(Vec<u8>),
    Symlink(String),
    Directory,
}

impl MapBase {
    pub(super) fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.0.insert((Partition::Root, path.to_owned()), Entry::File(content.into()));
        self
    }

    pub(super) fn boot(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.0.insert((Partition::Boot, path.to_owned()), Entry::File(content.into()));
        self
    }

    pub(super) fn symlink(mut self, path: &str, target: &str) -> Self {
        self.0.insert((Partition::Root, path.to_owned()), Entry::Symlink(target.to_owned()));
        self
    }

    pub(super) fn directory(mut self, path: &str) -> Self {
        self.0.insert((Partition::Root, path.to_owned()), Entry::Directory);
        self
    }

    pub(super) fn without(mut self, path: &str) -> Self {
        self.0.retain(|(_, at), _| at != path);
        self
    }

    fn names(&self, partition: Partition, path: &str) -> Vec<String> {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        let below = self.0.keys().filter(|(at, _)| *at == partition);
        let mut names: Vec<_> = below
            .filter_map(|(_, at)| at.strip_prefix(&prefix))
            .filter_map(|rest| rest.split('/').next().map(str::to_owned))
            .collect();
        names.dedup();
        names
    }
}

impl BaseFiles for MapBase {
    fn read(&self, partition: Partition, path: &GuestPath) -> Result<Option<Vec<u8>>, BaseReadError> {
        match self.0.get(&(partition, path.as_str().to_owned())) {
            Some(Entry::File(content)) => Ok(Some(content.clone())),
            Some(Entry::Symlink(target)) if target.starts_with('/') => {
                self.read(partition, &GuestPath::new(target.as_str()).expect("a path"))
            }
            _ => Ok(None),
        }
    }

    fn list(&self, partition: Partition, path: &GuestPath) -> Result<Option<Vec<String>>, BaseReadError> {
        let names = self.names(partition, path.as_str());
        let there = self.0.contains_key(&(partition, path.as_str().to_owned()));
        Ok((there || !names.is_empty()).then_some(names))
    }

    fn kind(&self, partition: Partition, path: &GuestPath) -> Result<Option<EntryKind>, BaseReadError> {
        Ok(match self.0.get(&(partition, path.as_str().to_owned())) {
            Some(Entry::File(_)) => Some(EntryKind::File),
            Some(Entry::Symlink(target)) => Some(EntryKind::Symlink(target.clone())),
            Some(Entry::Directory) => Some(EntryKind::Directory),
            None => (!self.names(partition, path.as_str()).is_empty()).then_some(EntryKind::Directory),
        })
    }
}

pub(super) fn host() -> HostSpec {
    let node = |name: &str, octet| ClusterNode {
        hostname: Hostname::new(name).expect("valid"),
        address: [10, 10, 80, octet].into(),
        backplane: Some([10, 10, 99, octet].into()),
    };
    HostSpec {
        profile: "k8sctl-pi5l".to_owned(),
        hostname: Hostname::new("k8sctl-pi5l").expect("valid"),
        domain: Some("lab.example".to_owned()),
        base: BaseSpec { source: String::new(), sha256: None, raw_sha256: None },
        image: ImageSpec { size: None, free: 0, version: "1".to_owned() },
        user: UserSpec {
            name: UserName::new("andrew").expect("valid"),
            full_name: "Andrew".to_owned(),
            ssh_keys: vec!["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA andrew@laptop".to_owned()],
            password_hash: None,
            shell: "/usr/bin/zsh".to_owned(),
            sudo: Sudo::NoPassword,
        },
        locale: LocaleSpec {
            default: "en_AU.UTF-8".to_owned(),
            generate: vec!["en_AU.UTF-8".to_owned()],
            timezone: "Australia/Sydney".to_owned(),
            keyboard_layout: "us".to_owned(),
            keyboard_model: "pc105".to_owned(),
            keyboard_variant: String::new(),
        },
        network: NetworkSpec {
            interface: "end0".to_owned(),
            address: Ipv4Interface::new("10.10.80.50/24").expect("valid"),
            gateway: [10, 10, 80, 1].into(),
            dns: vec!["10.10.80.1".parse().expect("valid"), "2001:db8::53".parse().expect("valid")],
            bridge: "vmbr0".to_owned(),
            vlan_aware: true,
            vlan_ids: "2-4094".to_owned(),
            backplane: Some(BackplaneSpec {
                network: Ipv4Network::new("10.10.99.0/24").expect("valid"),
                address: Ipv4Interface::new("10.10.99.50/24").expect("valid"),
                interface: None,
                mac: None,
            }),
        },
        boot: BootSpec { config: vec!["dtparam=sd_cqe=0".to_owned()], cmdline: vec!["panic=10".to_owned()] },
        cluster: Some(ClusterSpec {
            name: "k8sctl".to_owned(),
            nodes: vec![node("k8sctl-pi5l", 50), node("k8sctl-pi5r", 51)],
        }),
        zfs: ZfsSpec { pool: "data".to_owned(), disks: Vec::new(), wipe: ZfsWipe::Never, arc_max: 1 << 30 },
        pve: PveSpec { source: PveSource::Pxvirt },
        acme: None,
        tailscale: None,
        rpi_connect: None,
        talos: None,
        packages: crate::profile::host::PackagesSpec::default(),
        bake: false,
        layers: None,
        mirrors: std::collections::BTreeMap::new(),
        overlays: Vec::new(),
        vars: BTreeMap::new(),
    }
}

pub(super) fn seed() -> &'static Secret {
    static SEED: OnceLock<Secret> = OnceLock::new();
    SEED.get_or_init(|| Secret::new(vec![7; 32]))
}

pub(super) fn keyring() -> &'static Keyring {
    static KEYS: OnceLock<Keyring> = OnceLock::new();
    KEYS.get_or_init(|| Keyring::derive(seed(), [&host()], &NoNotes).expect("keys"))
}

/// Midnight of 2025-12-05 UTC: day 20427.
pub(super) const EPOCH: u64 = 20_427 * 86_400;

pub(super) fn inputs<'a>(host: &'a HostSpec, base: &'a MapBase) -> Inputs<'a> {
    let keys = keyring();
    Inputs {
        host,
        base,
        seed: seed(),
        keys,
        password_hash: None,
        secrets: &[],
        release: false,
        epoch: EPOCH,
        base_disk_id: Some(0x8a67_6486),
    }
}

/// The change at a path, which there is exactly once.
pub(super) fn at<'a>(changes: &'a [Change], path: &str) -> &'a Change {
    let found: Vec<_> = changes.iter().filter(|change| change.path.as_str() == path).collect();
    assert_eq!(found.len(), 1, "changes of {path}");
    found[0]
}

/// Whether nothing is said of a path.
pub(super) fn untouched(changes: &[Change], path: &str) -> bool {
    changes.iter().all(|change| change.path.as_str() != path)
}

/// Text and mode of the file that is put at a path.
pub(super) fn put(changes: &[Change], path: &str) -> (String, u16) {
    match &at(changes, path).action {
        Action::PutFile { content: Content::Bytes(bytes), ownership } => {
            (String::from_utf8(bytes.to_vec()).expect("text"), ownership.mode)
        }
        Action::PutFile { content: Content::Secret(secret), ownership } => {
            (String::from_utf8(secret.expose().to_vec()).expect("text"), ownership.mode)
        }
        other => panic!("{path}: {other:?}"),
    }
}

/// The text of the symbolic link that is put at a path.
pub(super) fn link<'a>(changes: &'a [Change], path: &str) -> &'a str {
    match &at(changes, path).action {
        Action::Symlink { target } => target,
        other => panic!("{path}: {other:?}"),
    }
}

/// Whether a path is removed.
pub(super) fn removed(changes: &[Change], path: &str) -> bool {
    matches!(at(changes, path).action, Action::Remove)
}

pub(super) fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Says that a test is skipped for want of something; where `CI` is set, that fails it.
#[expect(clippy::disallowed_methods, reason = "tests ask whether they must not skip")]
pub(super) fn skip(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} is not here");
    eprintln!("skipped: {what} is not here");
}

/// What a tool prints when it is given a path as its last argument; nothing where the tool is not here.
#[expect(clippy::disallowed_methods, reason = "tests ask other programs what they make of ours")]
pub(super) fn judge(command: &[&str], path: &Path) -> Option<String> {
    let (tool, arguments) = command.split_first().expect("a command");
    match std::process::Command::new(tool).args(arguments).arg(path).output() {
        Ok(output) if output.status.success() => Some(
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        ),
        Ok(output) => panic!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => {
            skip(&format!("`{tool}`"));
            None
        }
    }
}
