//! State of one node that no other may share, and that installing packages makes: one list, for whoever makes a layer that nodes
//! share, and for whoever has to know who makes that state on the node instead.

use std::fmt;

use Left::{Link, Nothing, Text};
use Maker::{Image, Nobody, Reconfigure, Service, Step};

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A directory: never a node's own by itself.
    Directory,
    /// A regular file with this content.
    File(&'a [u8]),
    /// A symbolic link with this text.
    Symlink(&'a str),
    /// A device, a pipe, a socket.
    Other,
}

/// What a shared layer may have where one node's state would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing: what the base has there stays in force.
    Nothing,
    /// This text, by which its program knows that it has to make the state.
    Text(&'static str),
    /// A symbolic link: the state is elsewhere.
    Link,
}

/// Who makes the state on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// pimg, in each host's own part of the image.
    Image,
    /// A step of the first boot.
    Step(&'static str),
    /// A service, when it starts.
    Service(&'static str),
    /// The package's own scripts: the step `packages` has them run again on the first boot, without what they made before.
    Reconfigure,
    /// Nobody: a node begins without it.
    Nobody,
}

/// One kind of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it is: `*` stands for anything within a component, `**` at the end for everything below.
    pub path: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    /// The package that it comes from.
    pub package: &'static str,
    /// What a shared layer may have there.
    pub left: Left,
    /// Who makes it on the node.
    pub maker: Maker,
}

/// State of one node in a layer that nodes share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` would be the same on every node, and must not be: {rule}")]
pub struct Offence {
    /// Where it is.
    pub path: String,
    /// What it is.
    pub rule: Rule,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of package `{}`", self.what, self.package)
    }
}

const fn rule(
    path: &'static str,
    what: &'static str,
    package: &'static str,
    left: Left,
    maker: Maker,
) -> Rule {
    Rule { path, what, package, left, maker }
}

/// All kinds of it. Packages whose scripts run again come in the order in which they do: what one makes, another looks for.
pub const RULES: [Rule; 62] = [
    rule("/etc/hostname", "the name of the machine", "systemd", Nothing, Image),
    rule("/etc/hosts", "the address of the machine", "netbase", Nothing, Image),
    rule("/etc/machine-id", "the machine id", "systemd", Nothing, Image),
    rule("/etc/machine-info", "the description", "systemd", Nothing, Nobody),
    rule(
        "/var/lib/dbus/machine-id",
        "the machine id",
        "dbus",
        Link,
        Service("systemd-tmpfiles-setup.service"),
    ),
    rule("/etc/fake-hwclock.data", "the clock", "fake-hwclock", Nothing, Image),
    rule("/etc/resolv.conf", "the name servers", "network-manager", Link, Service("NetworkManager.service")),
    rule(
        "/var/lib/systemd/*seed",
        "the random seed",
        "systemd",
        Nothing,
        Service("systemd-random-seed.service"),
    ),
    rule("/var/lib/urandom/**", "the random seed", "initscripts", Nothing, Nobody),
    rule("/boot/firmware/loader/random-seed", "the random seed", "systemd-boot", Nothing, Nobody),
    rule("/var/lib/systemd/credential.secret", "the key of credentials", "systemd", Nothing, Nobody),
    rule("/var/lib/systemd/timesync/**", "the clock", "systemd-timesyncd", Nothing, Image),
    rule("/var/lib/systemd/timers/**", "the last runs of timers", "systemd", Nothing, Service("systemd")),
    rule("/var/lib/systemd/linger/**", "the users who linger", "systemd", Nothing, Step("rpi-connect")),
    rule(
        "/var/lib/systemd/rfkill/**",
        "switches of radios",
        "systemd",
        Nothing,
        Service("systemd-rfkill.service"),
    ),
    rule("/etc/ssh/ssh_host_*", "a key of the ssh server", "openssh-server", Nothing, Image),
    rule("/etc/ssh/ssh_known_hosts", "keys of other members", "pve-cluster", Nothing, Image),
    rule("/root/.ssh/**", "a key of root", "pve-cluster", Nothing, Image),
    rule("/root/.rnd", "the random seed", "openssl", Nothing, Nobody),
    rule(
        "/etc/ssl/private/ssl-cert-snakeoil.key",
        "the key of a self-signed certificate",
        "ssl-cert",
        Nothing,
        Reconfigure,
    ),
    rule(
        "/etc/ssl/certs/ssl-cert-snakeoil.pem",
        "a self-signed certificate",
        "ssl-cert",
        Nothing,
        Reconfigure,
    ),
    rule("/etc/nvme/hostnqn", "the name among NVMe hosts", "nvme-cli", Nothing, Reconfigure),
    rule("/etc/nvme/hostid", "the number among NVMe hosts", "nvme-cli", Nothing, Reconfigure),
    rule("/etc/bind/rndc.key", "the key of the name server", "bind9", Nothing, Reconfigure),
    // a database of Berkeley DB has a number of its own each time that it is made; it is made together with its text
    rule("/etc/aliases", "who reads the mail of root", "postfix", Nothing, Reconfigure),
    rule("/etc/aliases.db", "who reads the mail of root", "postfix", Nothing, Reconfigure),
    rule("/etc/mailname", "the domain of mail", "postfix", Nothing, Reconfigure),
    rule("/etc/postfix/main.cf", "the name of the mail server", "postfix", Nothing, Reconfigure),
    rule(
        "/var/spool/postfix/etc/**",
        "a copy of the machine's settings",
        "postfix",
        Nothing,
        Service("postfix.service"),
    ),
    rule("/var/lib/postfix/prng_exch", "the random seed", "postfix", Nothing, Service("postfix.service")),
    rule(
        "/etc/iscsi/initiatorname.iscsi",
        "the name of the iSCSI initiator",
        "open-iscsi",
        // `startup-checks.sh` of the package, before iscsid starts, knows it by that
        Text("GenerateName=yes\n"),
        Service("iscsid.service"),
    ),
    rule("/var/lib/iscsi/**", "known iSCSI targets", "open-iscsi", Nothing, Nobody),
    rule("/etc/hostid", "the host id of ZFS", "zfsutils-linux", Nothing, Step("zfs-module")),
    rule("/etc/zfs/zpool.cache", "the list of pools", "zfsutils-linux", Nothing, Step("zpool")),
    rule(
        "/etc/pve/**",
        "the database of the cluster",
        "pve-cluster",
        Nothing,
        Service("pve-cluster.service"),
    ),
    rule(
        "/var/lib/pve-cluster/**",
        "the database of the cluster",
        "pve-cluster",
        Nothing,
        Service("pve-cluster.service"),
    ),
    rule("/var/lib/pve-manager/**", "indexes and jobs", "pve-manager", Nothing, Service("pvedaemon.service")),
    rule("/etc/unbound/*.key", "a key of the name server", "unbound", Nothing, Nobody),
    rule("/etc/unbound/*.pem", "a certificate of the name server", "unbound", Nothing, Nobody),
    rule("/var/lib/tpm2-tss/**", "keys of the security chip", "tpm2-tss", Nothing, Nobody),
    rule("/etc/corosync/authkey", "the key of the cluster", "corosync", Nothing, Step("cluster")),
    rule(
        "/var/lib/corosync/**",
        "the state of the cluster",
        "corosync",
        Nothing,
        Service("corosync.service"),
    ),
    rule("/var/lib/rrdcached/db/**", "statistics", "rrdcached", Nothing, Service("rrdcached.service")),
    rule("/var/lib/rrdcached/journal/**", "statistics", "rrdcached", Nothing, Service("rrdcached.service")),
    // pvenetcommit.service of Proxmox VE would put it in place of the node's own at the next boot
    rule("/etc/network/interfaces.new", "interfaces to be", "ifupdown2", Nothing, Nobody),
    rule("/etc/NetworkManager/system-connections/**", "connections", "network-manager", Nothing, Image),
    rule(
        "/var/lib/NetworkManager/**",
        "leases and keys",
        "network-manager",
        Nothing,
        Service("NetworkManager.service"),
    ),
    rule("/var/lib/dhcp/**", "leases", "isc-dhcp-client", Nothing, Nobody),
    rule("/var/lib/dhcpcd/**", "leases and the DUID", "dhcpcd-base", Nothing, Nobody),
    rule(
        "/var/lib/tailscale/**",
        "the key of the tailnet",
        "tailscale",
        Nothing,
        Service("tailscaled.service"),
    ),
    rule("/var/lib/rpi-connect/**", "the device's registration", "rpi-connect", Nothing, Step("rpi-connect")),
    rule(
        "/home/*/.config/com.raspberrypi.connect/**",
        "the device's registration",
        "rpi-connect",
        Nothing,
        Step("rpi-connect"),
    ),
    rule("/var/lib/cloud/**", "the state of cloud-init", "cloud-init", Nothing, Nobody),
    rule("/var/lib/chrony/**", "the drift of the clock", "chrony", Nothing, Service("chrony.service")),
    rule("/etc/lvm/archive/**", "volume groups of the machine", "lvm2", Nothing, Nobody),
    rule("/etc/lvm/backup/**", "volume groups of the machine", "lvm2", Nothing, Nobody),
    rule("/etc/lvm/devices/**", "disks of the machine", "lvm2", Nothing, Nobody),
    rule("/etc/multipath/**", "disks of the machine", "multipath-tools", Nothing, Nobody),
    rule("/var/lib/samba/private/**", "keys of the file server", "samba", Nothing, Service("smbd.service")),
    rule("/etc/wireguard/**", "keys of tunnels", "wireguard-tools", Nothing, Nobody),
    rule("/etc/krb5.keytab", "keys of Kerberos", "krb5-config", Nothing, Nobody),
    rule("/var/lib/pimg/**", "what pimg has for this node", "pimg", Nothing, Image),
];

/// The self-signed certificate has a link by its hash, which follows the machine's name.
const CERTIFICATE_LINKS: &str = "/etc/ssl/certs/*.0";
const CERTIFICATE: &str = "ssl-cert-snakeoil.pem";
const CERTIFICATE_PATH: &str = "/etc/ssl/certs/ssl-cert-snakeoil.pem";

/// The rule for a path of the root file system, which begins with `/`; what lies there may be allowed all the same.
pub fn rule_for(path: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| is_meant(rule.path, path))
}

/// Refuses what no layer that nodes share may have: whoever makes one leaves it out, whoever takes one refuses it. Deletions are no
/// entries, as they bring nothing.
///
/// # Errors
/// It is state of one node.
pub fn check(path: &str, found: Found<'_>) -> Result<(), Offence> {
    let is_certificate = found == Found::Symlink(CERTIFICATE) && is_meant(CERTIFICATE_LINKS, path);
    let rule = if is_certificate { rule_for(CERTIFICATE_PATH) } else { rule_for(path) };
    let is_allowed = |rule: &&Rule| match (rule.left, found) {
        (_, Found::Directory) => true,
        (Link, Found::Symlink(_)) => true,
        (Text(text), Found::File(content)) => content == text.as_bytes(),
        _ => false,
    };
    match rule.filter(|rule| !is_allowed(rule)) {
        Some(rule) => Err(Offence { path: path.to_owned(), rule: *rule }),
        None => Ok(()),
    }
}

/// Packages that have to be configured again on each node, in this order, with the files that they only make where there is none.
pub fn reconfigured() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut packages: Vec<(&str, Vec<&str>)> = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.maker == Reconfigure) {
        match packages.iter_mut().find(|(package, _)| *package == rule.package) {
            Some((_, files)) => files.push(rule.path),
            None => packages.push((rule.package, vec![rule.path])),
        }
    }
    packages
}

/// Whether a path is one that a pattern means: `*` stands for anything within a component, `**` at the end for everything below.
pub fn is_meant(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (Some("**"), Some(_)) => return true,
            (Some(wanted), Some(name)) if matches_name(wanted, name) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// Whether a name is one that a pattern with at most one `*` means.
fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Found, Maker, RULES, check, reconfigured, rule_for};

    #[test]
    fn state_of_one_node_is_refused_with_the_package_that_makes_it() {
        for (path, package) in [
            ("/etc/ssh/ssh_host_ed25519_key.pub", "openssh-server"),
            ("/var/lib/systemd/random-seed", "systemd"),
            ("/var/lib/pve-cluster/config.db-wal", "pve-cluster"),
            ("/etc/pve/nodes/node-a/pve-ssl.key", "pve-cluster"),
            ("/home/alice/.config/com.raspberrypi.connect/auth.key", "rpi-connect"),
            ("/etc/postfix/main.cf", "postfix"),
        ] {
            let said = check(path, Found::File(b"x")).expect_err(path).to_string();
            assert!(said.contains(path) && said.ends_with(&format!("of package `{package}`")), "{said}");
        }
        assert!(check("/etc/ssh/ssh_host_rsa_key", Found::Symlink("/x")).is_err(), "a link to the same key");
    }

    #[test]
    fn what_only_looks_like_it_may_be_shared() {
        for path in [
            "/etc/ssh/sshd_config",
            "/etc/postfix/master.cf",
            "/var/lib/systemd/deb-systemd-helper-enabled/postfix.service.dsh-also",
            "/etc/pve",
            "/etc/hosts.allow",
            "/home/alice/.config/other/auth.key",
            "/usr/share/doc/etc/hostid",
        ] {
            assert_eq!(check(path, Found::File(b"x")), Ok(()), "{path}");
        }
        assert_eq!(check("/var/lib/pve-cluster/backup", Found::Directory), Ok(()));
    }

    #[test]
    fn what_makes_a_program_make_it_may_stay() {
        let name = "/etc/iscsi/initiatorname.iscsi";
        assert!(check(name, Found::File(b"InitiatorName=iqn.x\n")).is_err());
        assert_eq!(check(name, Found::File(b"GenerateName=yes\n")), Ok(()));
        let id = "/var/lib/dbus/machine-id";
        assert_eq!(check(id, Found::Symlink("/etc/machine-id")), Ok(()));
        assert!(check(id, Found::File(b"0123")).is_err());
        let link = Found::Symlink("ssl-cert-snakeoil.pem");
        let said = check("/etc/ssl/certs/77d6d8bd.0", link).expect_err("follows the name").to_string();
        assert!(said.contains("of package `ssl-cert`"), "{said}");
        assert_eq!(check("/etc/ssl/certs/4042bcee.0", Found::Symlink("ISRG_Root_X1.pem")), Ok(()));
    }

    #[test]
    fn the_page_for_people_has_every_rule() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/explanation/baked-first-boot.md");
        let page = fs_err::read_to_string(page).expect("the page");
        for rule in &RULES {
            assert!(page.contains(&format!("`{}`", rule.path)), "{}", rule.path);
        }
    }

    #[test]
    fn every_rule_is_found_by_its_own_path() {
        for rule in &RULES {
            let path = rule.path.replace("**", "a/b").replace('*', "x");
            assert_eq!(rule_for(&path), Some(rule), "{path}");
        }
        let packages: Vec<_> = reconfigured().into_iter().map(|(package, _)| package).collect();
        assert_eq!(packages, ["ssl-cert", "nvme-cli", "bind9", "postfix"]);
        let scripted = RULES.iter().filter(|rule| rule.maker == Maker::Reconfigure);
        assert!(scripted.clone().all(|rule| !rule.path.contains('*')), "the step removes each by its name");
    }
}
