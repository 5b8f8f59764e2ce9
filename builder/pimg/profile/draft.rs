//! Profiles that pimg writes for a person to go on with: a shared one, and one a node, with comments.

use std::collections::BTreeMap;

use super::keys::PROFILE;

/// Dotted key → value in TOML.
pub type Settings = BTreeMap<&'static str, String>;

/// A set of profiles that is to be written.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Name of the profile that the nodes share.
    pub name: String,
    /// What it is, a line each.
    pub about: Vec<String>,
    /// Features, in the order in which they apply.
    pub overlays: Vec<&'static str>,
    /// What the nodes share.
    pub settings: Settings,
    /// The nodes.
    pub nodes: Vec<DraftNode>,
}

/// A node of a [`Draft`].
#[derive(Clone, Debug)]
pub struct DraftNode {
    /// Its host name, and the name of its profile.
    pub name: String,
    /// What is its own.
    pub settings: Settings,
}

/// A table, its keys, and what stands behind a key. The second text is the value of a key that is not set: it is shown as
/// a comment. An empty one is not shown.
type Section = (&'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

/// Every table in the order in which it is written. `profiles/README.md` has every key there is.
const SECTIONS: [Section; 11] = [
    (
        "user",
        "Who logs in, over ssh and in Proxmox VE. Root is locked.",
        &[
            ("user.name", "", ""),
            (
                "user.ssh_keys",
                "[\"ssh-ed25519 AAAA… you@laptop\"]",
                "without any: ~/.ssh/*.pub of whoever builds",
            ),
            (
                "user.password_hash",
                "{ secret = \"password_hash\" }",
                "for the console and Proxmox VE's web page; `mkpasswd -m yescrypt` makes it",
            ),
        ],
    ),
    (
        "locale",
        "",
        &[
            ("locale.default", "\"en_AU.UTF-8\"", ""),
            ("locale.generate", "", ""),
            ("locale.timezone", "\"Australia/Sydney\"", "Etc/UTC, if left out"),
            ("locale.keyboard", "{ layout = \"us\" }", ""),
        ],
    ),
    (
        "network",
        "",
        &[
            ("network.address", "", ""),
            ("network.interface", "\"end0\"", "the onboard port"),
            ("network.gateway", "", ""),
            ("network.dns", "[\"10.10.80.1\"]", "the gateway, if left out"),
            ("network.domain", "\"k8s.example.org\"", ""),
            ("network.backplane", "\"10.10.99.0/24\"", "a second port, for cluster traffic only"),
            ("network.backplane_interface", "", ""),
        ],
    ),
    (
        "cluster",
        "The first node creates the cluster, once all others have answered that they are in none.",
        &[("cluster.name", "", ""), ("cluster.nodes", "", "")],
    ),
    (
        "zfs",
        "",
        &[
            ("zfs.pool", "", ""),
            ("zfs.disks", "", "a mirror"),
            ("zfs.wipe", "", "disks that are not blank are left alone, and the node says so"),
            ("zfs.arc_max", "\"1GiB\"", ""),
        ],
    ),
    (
        "pve",
        "",
        &[("pve.source", "", "or `proxmox`, Proxmox's own arm64 packages; `pxvirt`, the PXVirt port")],
    ),
    (
        "talos",
        "The Kubernetes control plane's VM, one a node.",
        &[
            ("talos.iso", "", ""),
            ("talos.cores", "", ""),
            ("talos.memory", "", ""),
            ("talos.disk", "", ""),
            (
                "talos.machine_config",
                "{ file = \"secrets/controlplane.yaml\" }",
                "else the VM waits for `talosctl apply-config`",
            ),
        ],
    ),
    (
        "packages",
        "The base's own packages come to the versions in pimg.lock, except for what starts the node.",
        &[("packages.upgrade", "", ""), ("packages.hold", "", "")],
    ),
    (
        "acme",
        "A certificate from Let's Encrypt for Proxmox VE's web page. Needs the overlay `tls`.",
        &[
            ("acme.domain_suffix", "\"k8s.example.org\"", ""),
            ("acme.email", "\"you@example.org\"", ""),
            ("acme.dns_provider", "\"dns_cf\"", ""),
            ("acme.env", "{ CF_Token = { secret = \"cf_token\" } }", ""),
        ],
    ),
    (
        "tailscale",
        "A key that may be used once per node. Needs the overlay `tailscale`.",
        &[("tailscale.auth_key", "{ secret = \"tailscale_auth_key\" }", "")],
    ),
    (
        "rpi_connect",
        "Signs in by itself. Needs the overlay `rpi-connect`.",
        &[("rpi_connect.auth_key", "{ secret = \"rpi_connect_auth_key\" }", "")],
    ),
];

impl Draft {
    /// The files, by their names below `profiles/`.
    pub fn files(&self) -> Vec<(String, String)> {
        let mut files = vec![(format!("{}.toml", self.name), self.shared())];
        files.extend(self.nodes.iter().map(|node| (format!("{}.toml", node.name), self.node(node))));
        // an editor knows every key by it
        files.into_iter().map(|(name, text)| (name, format!("{}{text}", PROFILE.directive("../")))).collect()
    }

    fn shared(&self) -> String {
        let mut text: String = self.about.iter().map(|line| format!("# {line}\n")).collect();
        text += "extends = \"raspios\" # names the base image\n\n";
        text += "# Features, in the order in which they apply: directories of `overlays/`.\noverlays = [\n";
        for overlay in &self.overlays {
            text += &format!("  \"{overlay}\",\n");
        }
        text += "]\n";
        for (table, about, keys) in SECTIONS {
            let is_used = self.is_used(keys);
            text.push('\n');
            if !about.is_empty() {
                text += &format!("# {about}\n");
            }
            text += &format!("{}[{table}]\n", if is_used { "" } else { "# " });
            for (key, example, note) in keys {
                let short = key.rsplit('.').next().unwrap_or_default();
                let note = if note.is_empty() { String::new() } else { format!(" # {note}") };
                match self.settings.get(key) {
                    Some(value) => text += &format!("{short} = {value}{note}\n"),
                    None if !example.is_empty() && !self.is_of_nodes(key) => {
                        text += &format!("# {short} = {example}{note}\n")
                    }
                    None => {}
                }
            }
            // a table whose keys the nodes have, or which has nothing to show, is none of this file's
            if text.ends_with(&format!("[{table}]\n")) {
                let whole = text.rfind("\n\n").unwrap_or(text.len());
                text.truncate(whole + 1);
            }
        }
        text
    }

    fn is_used(&self, keys: &[(&'static str, &str, &str)]) -> bool {
        keys.iter().any(|(key, _, _)| self.settings.contains_key(key))
    }

    fn is_of_nodes(&self, key: &str) -> bool {
        self.nodes.iter().any(|node| node.settings.contains_key(key))
    }

    fn node(&self, node: &DraftNode) -> String {
        let mut text = format!("extends = {}\nhostname = {}\n", quoted(&self.name), quoted(&node.name));
        for (table, _, keys) in SECTIONS {
            let own: Vec<_> =
                keys.iter().filter_map(|(key, _, _)| Some((key, node.settings.get(key)?))).collect();
            if own.is_empty() {
                continue;
            }
            text += &format!("\n[{table}]\n");
            for (key, value) in own {
                text += &format!("{} = {value}\n", key.rsplit('.').next().unwrap_or_default());
            }
        }
        text
    }
}

/// Text as a TOML value.
pub fn text(value: &str) -> String {
    quoted(value)
}

fn quoted(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}

/// Texts as a TOML value.
pub fn list<S: AsRef<str>>(values: &[S]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| quoted(value.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

/// A reference to a secret that `pimg secrets edit` keeps.
pub fn stored(name: &str) -> String {
    format!("{{ secret = {} }}", quoted(name))
}
