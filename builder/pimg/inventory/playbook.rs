//! The variables of the playbook (abradner/pi-cluster), of its inventory and of its plays, and what each is in a profile.

use std::net::Ipv4Addr;

use super::value::Value;
use crate::profile::draft::{list, text};
use crate::profile::types::{InvalidValue, Ipv4Interface, Ipv4Network, UserName};
use crate::profile::values::{self, Checked};

/// Makes a profile's value out of a variable's.
pub(super) type Rule = fn(&str) -> Checked<String>;

/// What a variable is in a profile.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// This key.
    Key(&'static str, Rule),
    /// This key, whose value is a secret.
    Secret(&'static str),
    /// `acme.env`: several secrets by their names.
    SecretTable(&'static str),
    /// Nothing, for this reason.
    Nothing(&'static str),
    /// Nothing, and what it holds is a secret.
    NoSecret(&'static str),
}

use Meaning::{Key, NoSecret, Nothing, Secret, SecretTable};

/// The group whose hosts the playbook sets up.
pub(super) const NODES: &str = "pve_nodes";

const ANSIBLE: &str = "how Ansible logs in: pimg needs no login to make an image";
const FROM_ADDRESS: &str = "follows from `network.backplane` and the node's address";
const NO_API: &str = "the node makes the VM itself, without Proxmox's API";
const STORAGE: &str = "the storages have the playbook's own names";

/// Every variable. Of two for one key the earlier wins.
pub(super) const VARIABLES: &[(&str, Meaning)] = &[
    ("pve_bridge_ip", Key("network.address", interface_address)),
    ("ansible_host", Key("network.address", address)),
    ("ansible_ssh_host", Key("network.address", address)),
    ("pve_gateway", Key("network.gateway", gateway)),
    ("pve_interface", Key("network.interface", checked_interface)),
    ("pve_backplane_cidr", Key("network.backplane", network)),
    ("pve_backplane_interface", Key("network.backplane_interface", checked_interface)),
    ("pve_backplane_ip", Nothing(FROM_ADDRESS)),
    ("user_name", Key("user.name", user)),
    ("ansible_user", Key("user.name", user)),
    ("ansible_ssh_user", Key("user.name", user)),
    ("locale", Key("locale.default", |value| values::locale(value).map(|locale| text(&locale)))),
    ("cluster_name", Key("cluster.name", |value| values::cluster_name(value).map(|name| text(&name)))),
    ("zfs_pool_name", Key("zfs.pool", |value| values::pool(value).map(|pool| text(&pool)))),
    ("zfs_nvme_drives", Key("zfs.disks", disks)),
    (
        "acme_domain_suffix",
        Key("acme.domain_suffix", |value| values::domain(value).map(|domain| text(&domain))),
    ),
    ("acme_email", Key("acme.email", |value| values::email(value).map(|email| text(&email)))),
    (
        "acme_dns_provider",
        Key("acme.dns_provider", |value| values::dns_provider(value).map(|name| text(&name))),
    ),
    ("acme_env", SecretTable("acme.env")),
    ("tailscale_auth_key", Secret("tailscale.auth_key")),
    ("talos_iso_url", Key("talos.iso", |value| values::https(value).map(|url| text(&url)))),
    ("vm_cores", Key("talos.cores", cores)),
    ("vm_memory", Key("talos.memory", |value| size(value, "MiB"))),
    ("vm_disk_size", Key("talos.disk", |value| size(value, "GiB"))),
    ("talos_iso_filename", Nothing("the file's name on the node is pimg's own")),
    ("iso_storage_pool", Nothing(STORAGE)),
    ("vm_storage_pool", Nothing(STORAGE)),
    ("vm_bridge", Nothing("the VM is on `network.bridge`, vmbr0")),
    ("needs_net_reboot", Nothing("interfaces have their names from the first start")),
    ("proxmox_host", Nothing(NO_API)),
    ("proxmox_api_user", Nothing(NO_API)),
    (
        "proxmox_host_root_password",
        NoSecret("root has no password on any node: nodes join by keys of the cluster"),
    ),
    (
        "use_temp_root_password",
        Nothing("root has no password on any node: nodes join by keys of the cluster"),
    ),
    ("ansible_password", NoSecret(ANSIBLE)),
    ("ansible_ssh_pass", NoSecret(ANSIBLE)),
    ("ansible_ssh_password", NoSecret(ANSIBLE)),
    ("ansible_become_pass", NoSecret(ANSIBLE)),
    ("ansible_become_password", NoSecret(ANSIBLE)),
    ("ansible_sudo_pass", NoSecret(ANSIBLE)),
    ("ansible_port", Nothing(ANSIBLE)),
    ("ansible_ssh_port", Nothing(ANSIBLE)),
    ("ansible_connection", Nothing(ANSIBLE)),
    (
        "ansible_ssh_private_key_file",
        Nothing("its `.pub` file goes into `user.ssh_keys`, unless it is in ~/.ssh"),
    ),
    (
        "ansible_private_key_file",
        Nothing("its `.pub` file goes into `user.ssh_keys`, unless it is in ~/.ssh"),
    ),
];

/// What a variable is; `None` where the playbook has none of this name.
pub(super) fn meaning(name: &str) -> Option<Meaning> {
    let found = VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning);
    // the many settings of Ansible itself: how it connects, which Python it runs
    found.or_else(|| name.starts_with("ansible_").then_some(Nothing(ANSIBLE)))
}

/// The playbook gives each address the prefix length 24.
fn address(value: &str) -> Checked<String> {
    let address: Ipv4Addr = value.parse().map_err(|_| {
        InvalidValue("is not an IPv4 address: the node's own, such as `10.10.80.50`".to_owned())
    })?;
    Ok(text(&format!("{address}/24")))
}

fn interface_address(value: &str) -> Checked<String> {
    Ipv4Interface::new(value).map(|address| text(&address.to_string()))
}

fn gateway(value: &str) -> Checked<String> {
    let address: Ipv4Addr = value.parse().map_err(|_| InvalidValue("is not an IPv4 address".to_owned()))?;
    Ok(text(&address.to_string()))
}

fn network(value: &str) -> Checked<String> {
    Ipv4Network::new(value).map(|network| text(&network.to_string()))
}

fn checked_interface(value: &str) -> Checked<String> {
    values::interface(value).map(|name| text(&name))
}

fn user(value: &str) -> Checked<String> {
    if value == "root" {
        return values::wrong("root is locked on every node: name the person who logs in");
    }
    UserName::new(value).map(|name| text(name.as_str()))
}

fn disks(value: &str) -> Checked<String> {
    let disks: Vec<String> = value.split_whitespace().map(values::disk).collect::<Checked<_>>()?;
    Ok(list(&disks))
}

fn cores(value: &str) -> Checked<String> {
    let cores: u32 = value.parse().map_err(|_| InvalidValue("is not a number of cores".to_owned()))?;
    Ok(cores.to_string())
}

/// The playbook's sizes are plain numbers.
fn size(value: &str, unit: &str) -> Checked<String> {
    let number: u32 = value
        .trim_end_matches(['G', 'M'])
        .parse()
        .map_err(|_| InvalidValue(format!("is not a number of {unit}")))?;
    let sized = if unit == "MiB" && number.is_multiple_of(1024) {
        format!("{}GiB", number / 1024)
    } else {
        format!("{number}{unit}")
    };
    Ok(text(&sized))
}

/// The variable of this machine's environment that a template takes: `{{ lookup('env', 'NAME') }}`.
pub(super) fn environment_variable(template: &str) -> Option<&str> {
    let inner = template.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let arguments = inner.strip_prefix("lookup")?.trim_start().strip_prefix('(')?.strip_suffix(')')?;
    let (kind, name) = arguments.split_once(',')?;
    let kind = kind.trim().trim_matches(['\'', '"']);
    let name = name.trim().trim_matches(['\'', '"']);
    (kind == "env" && !name.is_empty() && values::is_variable_name(name)).then_some(name)
}

/// Whether Ansible would fill something in when it runs.
pub(super) fn is_template(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.contains("{{") || text.contains("{%"),
        Value::List(list) => list.iter().any(is_template),
        Value::Table(table) => table.iter().any(|(_, value)| is_template(value)),
        _ => false,
    }
}
