//! One host, fully known: what every later room works from.
//!
//! A [`HostSpec`] holds checked values only. Overlay templates see it as their context, so the field names
//! are a contract with every template; secrets are references here and are left out of the context.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::Serialize;

use super::types::{Hostname, Ipv4Interface, Ipv4Network, MacAddress, UserName};

/// One node.
#[derive(Clone, Debug, Serialize)]
pub struct HostSpec {
    /// Name of the profile it was made from (the file's name without `.toml`).
    pub profile: String,
    /// Short host name.
    pub hostname: Hostname,
    /// DNS domain, where one is known; `hostname.domain` is the node's full name.
    pub domain: Option<String>,
    /// Where the base image comes from.
    pub base: BaseSpec,
    /// What the finished image looks like.
    pub image: ImageSpec,
    /// The person who may log in.
    pub user: UserSpec,
    /// Language, time zone, keyboard.
    pub locale: LocaleSpec,
    /// Addresses.
    pub network: NetworkSpec,
    /// Firmware settings.
    pub boot: BootSpec,
    /// The cluster that the node belongs to.
    pub cluster: Option<ClusterSpec>,
    /// ZFS pool.
    pub zfs: ZfsSpec,
    /// Proxmox VE.
    pub pve: PveSpec,
    /// TLS certificate by DNS-01.
    pub acme: Option<AcmeSpec>,
    /// Tailscale.
    pub tailscale: Option<TailscaleSpec>,
    /// Raspberry Pi Connect, where the node signs in by itself.
    pub rpi_connect: Option<RpiConnectSpec>,
    /// The Kubernetes control-plane VM.
    pub talos: Option<TalosSpec>,
    /// Debian packages that the profile itself asks for; overlays ask for more.
    pub packages: PackagesSpec,
    /// Whether packages are installed when the image is built. No template sees it: what an overlay brings does not depend
    /// on who installs.
    #[serde(skip)]
    pub bake: bool,
    /// Where baked layers are, for whoever does not say it otherwise.
    #[serde(skip)]
    pub layers: Option<String>,
    /// Where sources and downloads are taken from instead, by their names.
    #[serde(skip)]
    pub mirrors: BTreeMap<String, Mirror>,
    /// Overlays, in the order in which they apply.
    pub overlays: Vec<String>,
    /// Values that the profile gives to overlay variables: overlay name → variable → value.
    pub vars: BTreeMap<String, BTreeMap<String, toml::Value>>,
}

impl HostSpec {
    /// Name of the secret seed: a cluster's members know each other by keys of one, a host on its own has its own.
    pub fn seed_name(&self) -> &str {
        self.cluster.as_ref().map_or(self.hostname.as_str(), |cluster| &cluster.name)
    }
}

/// Debian packages, as a profile asks for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PackagesSpec {
    /// To be installed: `name`, `name=version` or `name/suite`.
    pub install: Vec<String>,
    /// To be removed.
    pub remove: Vec<String>,
    /// Never to be upgraded; shell patterns.
    pub hold: Vec<String>,
    /// What becomes of the base's own packages.
    pub upgrade: Upgrade,
    /// Whether recommended packages come too.
    pub recommends: bool,
    /// Whether the repository in the image stays on the node after everything is installed.
    pub keep: bool,
}

/// What becomes of the packages that the base image has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Upgrade {
    /// They stay as they are, unless something asks for a newer one.
    #[default]
    None,
    /// They are upgraded to the versions in the lock.
    Locked,
}

/// Another place for a source or a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Its address: `https:`, `http:` or `file:`.
    pub url: String,
    /// Its own keyring on this machine, where it does not carry the original's signatures.
    pub keyring: Option<PathBuf>,
}

/// Where the base image comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BaseSpec {
    /// `https:` or `file:` URL, or a path.
    pub source: String,
    /// SHA-256 of the file as it is published (compressed), lower-case hexadecimal, where it is pinned.
    pub sha256: Option<String>,
    /// SHA-256 of the raw image inside, lower-case hexadecimal, where it is pinned.
    pub raw_sha256: Option<String>,
}

/// What the finished image looks like.
#[derive(Clone, Debug, Serialize)]
pub struct ImageSpec {
    /// Size of the whole image in bytes, where the profile fixes it.
    pub size: Option<u64>,
    /// Free space to leave on the root file system, in bytes, where `size` does not decide.
    pub free: u64,
    /// Version in the file name.
    pub version: String,
}

/// The person who may log in.
#[derive(Clone, Debug, Serialize)]
pub struct UserSpec {
    /// Login name.
    pub name: UserName,
    /// GECOS full name; may be empty.
    pub full_name: String,
    /// `authorized_keys` lines.
    pub ssh_keys: Vec<String>,
    /// Where the password hash (`crypt(5)`) comes from.
    #[serde(skip)]
    pub password_hash: Option<SecretReference>,
    /// Login shell.
    pub shell: String,
    /// Whether `sudo` asks for the password.
    pub sudo: Sudo,
}

/// How the user becomes root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sudo {
    /// `sudo` asks for the user's password.
    Password,
    /// `sudo` asks for nothing.
    NoPassword,
}

/// Language, time zone, keyboard.
#[derive(Clone, Debug, Serialize)]
pub struct LocaleSpec {
    /// `LANG`, such as `en_AU.UTF-8`.
    pub default: String,
    /// All locales to generate, `default` among them, sorted.
    pub generate: Vec<String>,
    /// Name in the time zone database, such as `Australia/Sydney`.
    pub timezone: String,
    /// `XKBLAYOUT`.
    pub keyboard_layout: String,
    /// `XKBMODEL`.
    pub keyboard_model: String,
    /// `XKBVARIANT`; may be empty.
    pub keyboard_variant: String,
}

/// Addresses.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkSpec {
    /// The onboard interface by its predictable name.
    pub interface: String,
    /// The node's address with its prefix length.
    pub address: Ipv4Interface,
    /// Default router.
    pub gateway: Ipv4Addr,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// The bridge that carries the address once ifupdown2 has taken over.
    pub bridge: String,
    /// Whether the bridge filters VLANs.
    pub vlan_aware: bool,
    /// VLAN ids on a VLAN-aware bridge, as ifupdown2 writes them.
    pub vlan_ids: String,
    /// The cluster's own network.
    pub backplane: Option<BackplaneSpec>,
}

/// The cluster's own network.
#[derive(Clone, Debug, Serialize)]
pub struct BackplaneSpec {
    /// The network.
    pub network: Ipv4Network,
    /// The node's address there: the network with the last octet of the node's own address.
    pub address: Ipv4Interface,
    /// The interface, where the profile names one; else it is found on the node.
    pub interface: Option<String>,
    /// The interface's MAC address, where the profile names one.
    pub mac: Option<MacAddress>,
}

/// Firmware settings.
#[derive(Clone, Debug, Serialize)]
pub struct BootSpec {
    /// Further lines of config.txt, under a fresh `[all]`.
    pub config: Vec<String>,
    /// Further words of the kernel command line.
    pub cmdline: Vec<String>,
}

/// The cluster that a node belongs to.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterSpec {
    /// Its name, at most 15 characters.
    pub name: String,
    /// All members, this one among them; the first creates the cluster.
    pub nodes: Vec<ClusterNode>,
}

/// One member of a cluster.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterNode {
    /// Short host name.
    pub hostname: Hostname,
    /// Address on the ordinary network.
    pub address: Ipv4Addr,
    /// Address on the backplane.
    pub backplane: Option<Ipv4Addr>,
}

/// ZFS pool.
#[derive(Clone, Debug, Serialize)]
pub struct ZfsSpec {
    /// Pool name.
    pub pool: String,
    /// Both halves of the mirror.
    pub disks: Vec<String>,
    /// Whether disks that are not blank may be wiped.
    pub wipe: ZfsWipe,
    /// Limit of the ARC in bytes.
    pub arc_max: u64,
}

/// Whether disks that are not blank may be wiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ZfsWipe {
    /// Only blank disks are used.
    #[serde(rename = "never")]
    Never,
    /// Whatever is on them goes.
    #[serde(rename = "yes-destroy-data")]
    YesDestroyData,
}

/// Proxmox VE.
#[derive(Clone, Debug, Serialize)]
pub struct PveSpec {
    /// Whose packages.
    pub source: PveSource,
}

/// Whose Proxmox VE packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PveSource {
    /// The PXVirt port.
    Pxvirt,
    /// Proxmox's own arm64 packages.
    Proxmox,
}

/// TLS certificate by DNS-01.
#[derive(Clone, Debug, Serialize)]
pub struct AcmeSpec {
    /// The certificate is for `hostname.domain_suffix`.
    pub domain_suffix: String,
    /// Account address.
    pub email: String,
    /// acme.sh plug-in, such as `dns_cf`.
    pub dns_provider: String,
    /// Environment of the plug-in.
    #[serde(skip)]
    pub env: BTreeMap<String, SecretReference>,
}

/// Tailscale.
#[derive(Clone, Debug, Serialize)]
pub struct TailscaleSpec {
    /// Key for joining without a browser.
    #[serde(skip)]
    pub auth_key: SecretReference,
}

/// Raspberry Pi Connect.
#[derive(Clone, Debug, Serialize)]
pub struct RpiConnectSpec {
    /// Key for signing in without a browser. It works once.
    #[serde(skip)]
    pub auth_key: SecretReference,
}

/// The Kubernetes control-plane VM.
#[derive(Clone, Debug, Serialize)]
pub struct TalosSpec {
    /// URL of the ISO.
    pub iso: String,
    /// SHA-256 of the ISO, lower-case hexadecimal.
    pub sha256: Option<String>,
    /// Virtual CPUs.
    pub cores: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// Disk in bytes.
    pub disk: u64,
    /// Machine configuration.
    #[serde(skip)]
    pub machine_config: Option<SecretReference>,
}

/// Where a secret value comes from. Never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretReference {
    /// What it is taken from.
    pub source: SecretSource,
    /// Where the profile says so: file, line and column.
    pub place: String,
}

/// What a secret value is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of the build.
    Env(String),
    /// A file of the host; a relative path is relative to the project's directory.
    File(PathBuf),
    /// What a command of the host prints, less the last line break.
    Command(Vec<String>),
    /// A name in the project's encrypted `secrets.age`.
    Stored(String),
}
