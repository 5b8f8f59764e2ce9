//! ssh: the node's own keys, whom it knows, and how it lets in.
//!
//! Keys of all members are known to all members when they are built, so a node joins its cluster without a password
//! and a node that is flashed again is not taken for a stranger. Proxmox VE wants root's key as `id_rsa`, and an RSA
//! host key (`pvecm add --use_ssh`).

use super::error::Error;
use super::inputs::{Changes, Inputs};
use super::keys::{HostKeys, KeyPair};
use super::units;
use crate::plan::change::{Change, Content, Origin, Ownership};
use crate::profile::host::{ClusterNode, HostSpec};

/// The changes of this file.
///
/// # Errors
/// The keyring lacks a member, the base lacks `ssh.service`, or cannot be read.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let mut changes = Changes::default();
    let host = inputs.host;
    let keys = inputs.keys_of(&host.hostname)?;
    host_keys(inputs, keys, &mut changes)?;
    let root = || Origin::Rule { rule: "root's key from the cluster's seed" };
    changes.directory("/root/.ssh", Ownership::root(0o700), root())?;
    key_files(inputs, "/root/.ssh/id_rsa", &keys.root, root(), &mut changes)?;
    if let Some(cluster) = &host.cluster {
        let mut authorized = String::new();
        let mut known = String::new();
        for node in &cluster.nodes {
            let keys = inputs.keys_of(&node.hostname)?;
            authorized += &authorized_line(node, &keys.root);
            known += &known_lines(host, node, keys);
        }
        changes.file("/root/.ssh/authorized_keys", 0o600, authorized, inputs.key("cluster.nodes"))?;
        changes.file("/etc/ssh/ssh_known_hosts", 0o644, known, inputs.key("cluster.nodes"))?;
    }
    server(inputs, &mut changes)?;
    Ok(changes.0)
}

/// Host keys of the base's build, if any, go: they are the same in every copy of it.
fn host_keys(inputs: &Inputs<'_>, keys: &HostKeys, changes: &mut Changes) -> Result<(), Error> {
    let origin = || Origin::Rule { rule: "ssh host keys from the cluster's seed" };
    let ours = [("ed25519", &keys.ed25519), ("rsa", &keys.rsa)];
    let name = |kind: &str| format!("ssh_host_{kind}_key");
    for found in inputs.list("/etc/ssh")? {
        let stem = found.trim_end_matches(".pub");
        if stem.starts_with("ssh_host_") && !ours.iter().any(|(kind, _)| name(kind) == stem) {
            changes.remove(&format!("/etc/ssh/{found}"), origin())?;
        }
    }
    for (kind, pair) in ours {
        key_files(inputs, &format!("/etc/ssh/{}", name(kind)), pair, origin(), changes)?;
    }
    for unit in ["regenerate_ssh_host_keys.service", "sshd-keygen.service"] {
        for path in units::disable(inputs.base, unit)? {
            changes.remove(path.as_str(), origin())?;
        }
    }
    Ok(())
}

fn key_files(
    inputs: &Inputs<'_>,
    path: &str,
    pair: &KeyPair,
    origin: Origin,
    changes: &mut Changes,
) -> Result<(), Error> {
    if !inputs.release {
        let private = Content::Secret(pair.private.clone());
        changes.owned_file(path, Ownership::root(0o600), private, origin.clone())?;
    } else if inputs.kind(path)?.is_some() {
        // the base's own, which sshd would take for the node's
        changes.remove(path, origin.clone())?;
    }
    changes.file(&format!("{path}.pub"), 0o644, pair.public_file(), origin)
}

/// A member's root may come from that member's addresses only (`sshd(8)`, "AUTHORIZED_KEYS FILE FORMAT").
fn authorized_line(node: &ClusterNode, root: &KeyPair) -> String {
    let addresses: Vec<_> =
        std::iter::once(node.address).chain(node.backplane).map(|a| a.to_string()).collect();
    format!("from=\"{}\" {}", addresses.join(","), root.public_file())
}

/// A member under all its names (`sshd(8)`, "SSH_KNOWN_HOSTS FILE FORMAT").
fn known_lines(host: &HostSpec, node: &ClusterNode, keys: &HostKeys) -> String {
    let full = host.domain.iter().map(|domain| format!("{}.{domain}", node.hostname));
    let addresses = std::iter::once(node.address).chain(node.backplane).map(|address| address.to_string());
    let names: Vec<_> = std::iter::once(node.hostname.to_string()).chain(full).chain(addresses).collect();
    let names = names.join(",");
    format!("{names} {}\n{names} {}\n", keys.ed25519.public, keys.rsa.public)
}

fn server(inputs: &Inputs<'_>, changes: &mut Changes) -> Result<(), Error> {
    let settings = server_settings(!inputs.host.user.ssh_keys.is_empty());
    changes.file("/etc/ssh/sshd_config.d/10-pimg.conf", 0o644, settings, inputs.key("user.ssh_keys"))?;
    let origin = || Origin::Rule { rule: "sshd on" };
    // userconf's, which shows a banner and lets nobody in until the first user has a name
    for leftover in ["/etc/ssh/sshd_config.d/rename_user.conf", "/etc/ssh/sshd_not_to_be_run"] {
        if inputs.kind(leftover)?.is_some() {
            changes.remove(leftover, origin())?;
        }
    }
    // the socket would take the port from the service
    for unit in ["ssh.socket", "sshswitch.service"] {
        for path in units::disable(inputs.base, unit)? {
            changes.remove(path.as_str(), origin())?;
        }
    }
    // of the base, not of the profile: nobody asked for a unit by name
    if !units::exists(inputs.base, "ssh.service")? {
        return Err(Error::Missing { path: "/usr/lib/systemd/system/ssh.service".to_owned() });
    }
    for link in units::enable(inputs.base, "ssh.service")? {
        changes.symlink(link.path.as_str(), &link.target, origin())?;
    }
    Ok(())
}

/// sshd takes the first value of a setting, and Debian reads this directory before all else. Where the person has
/// no key, the password is the only way in. Naming the host keys keeps sshd from one that was made on the node.
fn server_settings(has_key: bool) -> String {
    let password = if has_key { "no" } else { "yes" };
    format!(
        "PasswordAuthentication {password}\n\
         KbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\n\
         HostKey /etc/ssh/ssh_host_ed25519_key\n\
         HostKey /etc/ssh/ssh_host_rsa_key\n"
    )
}

#[cfg(test)]
mod tests {
    use super::{changes, server_settings};
    use crate::guest::test_support::{
        MapBase, host, inputs, judge, link, put, removed, temporary, untouched,
    };

    fn base() -> MapBase {
        let wants = "/etc/systemd/system/ssh.service.wants/sshd-keygen.service";
        MapBase::default()
            .file(
                "/usr/lib/systemd/system/ssh.service",
                "[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n",
            )
            .file("/usr/lib/systemd/system/ssh.socket", "[Install]\nWantedBy=sockets.target\n")
            .symlink(wants, "/usr/lib/systemd/system/sshd-keygen.service")
            .symlink(
                "/etc/systemd/system/sockets.target.wants/ssh.socket",
                "/usr/lib/systemd/system/ssh.socket",
            )
            .file("/etc/ssh/ssh_host_ecdsa_key.pub", "")
            .file("/etc/ssh/ssh_host_rsa_key", "")
            .file("/etc/ssh/sshd_config.d/rename_user.conf", "")
    }

    #[test]
    fn every_member_knows_every_member() {
        let (host, base) = (host(), base());
        let found = changes(&inputs(&host, &base)).expect("changes");
        let (known, mode) = put(&found, "/etc/ssh/ssh_known_hosts");
        assert_eq!((known.lines().count(), mode), (4, 0o644));
        assert!(
            known.contains("k8sctl-pi5r,k8sctl-pi5r.lab.example,10.10.80.51,10.10.99.51 ssh-rsa AAAA"),
            "{known}"
        );
        let (authorized, mode) = put(&found, "/root/.ssh/authorized_keys");
        assert_eq!((authorized.lines().count(), mode), (2, 0o600));
        assert!(authorized.contains("from=\"10.10.80.51,10.10.99.51\" ssh-rsa AAAA"), "{authorized}");
        assert!(authorized.trim_end().ends_with(" root@k8sctl-pi5r"), "{authorized}");
        let directory = temporary();
        for (text, names) in [(known, 4), (authorized, 2)] {
            let path = directory.path().join("keys");
            fs_err::write(&path, text).expect("write");
            let Some(listed) = judge(&["ssh-keygen", "-l", "-f"], &path) else { return };
            assert_eq!(listed.lines().count(), names, "{listed}");
        }
    }

    #[test]
    fn the_node_has_its_own_keys_and_no_others() {
        let (host, base) = (host(), base());
        let found = changes(&inputs(&host, &base)).expect("changes");
        for path in ["/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_rsa_key", "/root/.ssh/id_rsa"] {
            let (private, mode) = put(&found, path);
            assert!(private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
            assert_eq!((mode, put(&found, &format!("{path}.pub")).1), (0o600, 0o644));
        }
        assert!(removed(&found, "/etc/ssh/ssh_host_ecdsa_key.pub"));
        assert!(removed(&found, "/etc/systemd/system/ssh.service.wants/sshd-keygen.service"));
        assert!(!format!("{found:?}").contains("OPENSSH PRIVATE KEY"), "secrets do not print");
    }

    #[test]
    fn a_published_image_has_public_halves_only() {
        let (host, base) = (host(), base());
        let mut inputs = inputs(&host, &base);
        inputs.release = true;
        let found = changes(&inputs).expect("changes");
        for path in ["/etc/ssh/ssh_host_ed25519_key", "/root/.ssh/id_rsa"] {
            assert!(untouched(&found, path), "{path}");
            assert!(put(&found, &format!("{path}.pub")).0.starts_with("ssh-"));
        }
        assert!(removed(&found, "/etc/ssh/ssh_host_rsa_key"), "the base's own");
        assert!(!found.iter().any(|change| format!("{change:?}").contains("Secret(")), "{found:?}");
    }

    #[test]
    fn sshd_runs_and_asks_for_keys() {
        let (mut host, base) = (host(), base());
        let found = changes(&inputs(&host, &base)).expect("changes");
        let wants = "/etc/systemd/system/multi-user.target.wants/ssh.service";
        assert_eq!(link(&found, wants), "/usr/lib/systemd/system/ssh.service");
        assert!(removed(&found, "/etc/ssh/sshd_config.d/rename_user.conf"));
        assert!(removed(&found, "/etc/systemd/system/sockets.target.wants/ssh.socket"));
        assert!(
            put(&found, "/etc/ssh/sshd_config.d/10-pimg.conf").0.starts_with("PasswordAuthentication no\n")
        );
        assert!(server_settings(false).starts_with("PasswordAuthentication yes\n"));
        host.cluster = None;
        let found = changes(&inputs(&host, &base)).expect("changes");
        assert!(
            untouched(&found, "/root/.ssh/authorized_keys") && untouched(&found, "/etc/ssh/ssh_known_hosts")
        );
    }
}
