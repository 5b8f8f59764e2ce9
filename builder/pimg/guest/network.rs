//! The node's addresses, before ifupdown2 is installed and after.
//!
//! `/etc/network/interfaces` is final from the start: the bridge that Proxmox VE wants. Nothing reads it until
//! ifupdown2 is there. Until then NetworkManager serves the same address on the same card, from a connection of
//! ours. Two things keep the two apart: NetworkManager's `ifupdown` plug-in, which Debian turns on and which would
//! leave every interface of that file alone, is turned off; and from the first boot on which ifupdown2 is there
//! NetworkManager is not started at all (its package starts nothing when it is installed, so the node stays
//! reachable until that boot).

use std::fmt::Write as _;

use super::error::Error;
use super::inputs::{Changes, Inputs};
use super::seed::{Purpose, uuid};
use crate::plan::change::{Change, Content, Origin, Ownership};
use crate::profile::host::{BackplaneSpec, HostSpec};

/// What the on-board card is called by systemd, from its alias in the device tree.
const ONBOARD: &str = "end0";
/// Drivers of on-board cards: Pi 5, Pi 4, and QEMU's, whose machine has no `end0`. A driver finds the card also where
/// its name came out differently, and never takes the USB card of the backplane for it.
const ONBOARD_DRIVERS: &str = "macb;bcmgenet;virtio_net;";
/// What the backplane's card is called where the profile knows its MAC address but gives no name.
const BACKPLANE: &str = "backplane0";
/// There as soon as, and as long as, ifupdown2 is installed.
const IFUPDOWN2: &str = "/usr/share/ifupdown2";

/// The changes of this file.
///
/// # Errors
/// A path is malformed, which none of these is.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let mut changes = Changes::default();
    let host = inputs.host;
    let address = || inputs.key("network.address");
    let interim = || Origin::Rule { rule: "reachable before ifupdown2" };
    changes.file("/etc/network/interfaces", 0o644, interfaces(host), address())?;
    changes.directory("/etc/network/interfaces.d", Ownership::root(0o755), address())?;
    changes.file("/etc/resolv.conf", 0o644, resolv_conf(host), inputs.key("network.dns"))?;
    changes.file("/etc/NetworkManager/conf.d/10-pimg.conf", 0o644, NETWORK_MANAGER, interim())?;
    // NetworkManager ignores keyfiles that others than root can read
    let connection = |name: &str| format!("/etc/NetworkManager/system-connections/pimg-{name}.nmconnection");
    let private = Ownership::root(0o600);
    let lan = lan_connection(host, &uuid(inputs.seed, Purpose::ConnectionLan, &host.hostname));
    changes.owned_file(&connection("interim"), private, Content::bytes(lan), address())?;
    for unit in ["NetworkManager", "NetworkManager-wait-online"] {
        let path = format!("/etc/systemd/system/{unit}.service.d/10-pimg-interim.conf");
        let condition = format!("# ifupdown2 has taken over\n[Unit]\nConditionPathExists=!{IFUPDOWN2}\n");
        changes.file(&path, 0o644, condition, interim())?;
    }
    let Some(backplane) = &host.network.backplane else { return Ok(changes.0) };
    if backplane_name(backplane).is_some() {
        let id = uuid(inputs.seed, Purpose::ConnectionBackplane, &host.hostname);
        let content = Content::bytes(backplane_connection(backplane, &id));
        changes.owned_file(&connection("backplane"), private, content, inputs.key("network.backplane"))?;
    }
    if let Some((name, content)) = link_file(host) {
        changes.file(
            &format!("/etc/systemd/network/{name}"),
            0o644,
            content,
            inputs.key("network.backplane"),
        )?;
    }
    Ok(changes.0)
}

/// An interface without a connection of ours stays down instead of asking for DHCP, which would hold up
/// `network-online.target`; `/etc/resolv.conf` is ours and the same before and after.
const NETWORK_MANAGER: &str = "\
# Until ifupdown2 takes over. Debian's plug-in `ifupdown` would leave all interfaces of /etc/network/interfaces alone.
[main]
plugins=keyfile
no-auto-default=*
dns=none
rc-manager=unmanaged
";

/// The name of the backplane's interface, where it is known when the image is built.
fn backplane_name(backplane: &BackplaneSpec) -> Option<&str> {
    backplane.interface.as_deref().or(backplane.mac.map(|_| BACKPLANE))
}

/// `/etc/network/interfaces` (`interfaces(5)` of ifupdown2; the order is that in which Proxmox VE writes it).
pub fn interfaces(host: &HostSpec) -> String {
    let network = &host.network;
    let (interface, bridge) = (&network.interface, &network.bridge);
    let mut text = format!("auto lo\niface lo inet loopback\n\niface {interface} inet manual\n\n");
    let (address, gateway) = (network.address, network.gateway);
    let _ = write!(
        text,
        "auto {bridge}\niface {bridge} inet static\n\taddress {address}\n\tgateway {gateway}\n\t\
         bridge-ports {interface}\n\tbridge-stp off\n\tbridge-fd 0\n"
    );
    if network.vlan_aware {
        let _ = write!(text, "\tbridge-vlan-aware yes\n\tbridge-vids {}\n", network.vlan_ids);
    }
    if let Some(backplane) = &network.backplane
        && let Some(name) = backplane_name(backplane)
    {
        let _ = write!(text, "\nauto {name}\niface {name} inet static\n\taddress {}\n", backplane.address);
    }
    text + "\nsource /etc/network/interfaces.d/*\n"
}

/// `/etc/resolv.conf` (`resolv.conf(5)`).
pub fn resolv_conf(host: &HostSpec) -> String {
    let search = host.domain.iter().map(|domain| format!("search {domain}\n"));
    search.chain(host.network.dns.iter().map(|server| format!("nameserver {server}\n"))).collect()
}

/// The interim connection on the ordinary network (`nm-settings-keyfile(5)`).
fn lan_connection(host: &HostSpec, uuid: &str) -> String {
    let network = &host.network;
    let (name, found) = if network.interface == ONBOARD {
        (String::new(), format!("[match]\ndriver={ONBOARD_DRIVERS}\n\n"))
    } else {
        (format!("interface-name={}\n", network.interface), String::new())
    };
    format!(
        "[connection]\nid=pimg-interim\nuuid={uuid}\ntype=ethernet\n{name}autoconnect-priority=100\n\n{found}\
         [ipv4]\nmethod=manual\naddress1={}\ngateway={}\n\n[ipv6]\nmethod=auto\n",
        network.address, network.gateway
    )
}

/// The interim connection on the backplane, which leads nowhere else.
fn backplane_connection(backplane: &BackplaneSpec, uuid: &str) -> String {
    let found = match (&backplane.interface, backplane.mac) {
        (_, Some(mac)) => format!("\n[ethernet]\nmac-address={mac}\n"),
        (Some(name), None) => format!("interface-name={name}\n"),
        (None, None) => String::new(),
    };
    format!(
        "[connection]\nid=pimg-backplane\nuuid={uuid}\ntype=ethernet\nautoconnect-priority=100\n{found}\n\
         [ipv4]\nmethod=manual\naddress1={}\nnever-default=true\n\n[ipv6]\nmethod=link-local\n",
        backplane.address
    )
}

/// Name and content of the `.link` file that gives the backplane's card its name, where its MAC address is known
/// (`systemd.link(5)`). The permanent address: a bridge or VLAN on top of the card carries the same current one.
pub fn link_file(host: &HostSpec) -> Option<(String, String)> {
    let backplane = host.network.backplane.as_ref()?;
    let (mac, name) = (backplane.mac?, backplane_name(backplane)?);
    let content = format!("[Match]\nPermanentMACAddress={mac}\n\n[Link]\nName={name}\n");
    Some(("10-pimg-backplane.link".to_owned(), content))
}

#[cfg(test)]
mod tests {
    use super::{changes, interfaces, link_file, resolv_conf};
    use crate::guest::test_support::{MapBase, host, inputs, put, untouched};
    use crate::profile::types::MacAddress;

    const MAC: MacAddress = MacAddress([0, 0xe0, 0x4c, 0x68, 0, 1]);

    #[test]
    fn the_bridge_carries_the_address() {
        let expected = "auto lo\niface lo inet loopback\n\niface end0 inet manual\n\nauto vmbr0\niface vmbr0 inet \
                        static\n\taddress 10.10.80.50/24\n\tgateway 10.10.80.1\n\tbridge-ports end0\n\tbridge-stp \
                        off\n\tbridge-fd 0\n\tbridge-vlan-aware yes\n\tbridge-vids 2-4094\n\nsource \
                        /etc/network/interfaces.d/*\n";
        assert_eq!(interfaces(&host()), expected);
        let mut plain = host();
        plain.network.vlan_aware = false;
        assert!(!interfaces(&plain).contains("vlan"));
    }

    #[test]
    fn the_backplane_is_there_where_its_card_is_known() {
        for (interface, mac, name) in [
            (None, None, None),
            (Some("enx00e04c680001"), None, Some("enx00e04c680001")),
            (None, Some(MAC), Some("backplane0")),
            (Some("bp0"), Some(MAC), Some("bp0")),
        ] {
            let mut host = host();
            let backplane = host.network.backplane.as_mut().expect("has one");
            (backplane.interface, backplane.mac) = (interface.map(str::to_owned), mac);
            let stanza = name
                .map(|name| format!("\nauto {name}\niface {name} inet static\n\taddress 10.10.99.50/24\n"));
            let text = interfaces(&host);
            assert_eq!(text.contains("10.10.99.50"), name.is_some());
            assert!(stanza.is_none_or(|stanza| text.contains(&stanza)), "{text}");
            let link = link_file(&host).map(|(_, content)| content);
            let named = mac.and(name).map(|name| {
                format!("[Match]\nPermanentMACAddress=00:e0:4c:68:00:01\n\n[Link]\nName={name}\n")
            });
            assert_eq!(link, named);
            let base = MapBase::default();
            let found = changes(&inputs(&host, &base)).expect("changes");
            let keyfile = "/etc/NetworkManager/system-connections/pimg-backplane.nmconnection";
            if name.is_none() {
                assert!(untouched(&found, keyfile));
                continue;
            }
            let (text, mode) = put(&found, keyfile);
            assert_eq!(mode, 0o600);
            assert!(text.contains("address1=10.10.99.50/24\nnever-default=true\n"), "{text}");
            assert_eq!(text.contains("mac-address=00:e0:4c:68:00:01\n"), mac.is_some());
        }
    }

    #[test]
    fn network_manager_serves_the_same_address_until_then() {
        let (host, base) = (host(), MapBase::default());
        let found = changes(&inputs(&host, &base)).expect("changes");
        let (text, mode) = put(&found, "/etc/NetworkManager/system-connections/pimg-interim.nmconnection");
        assert_eq!(mode, 0o600);
        assert!(text.contains("\n[match]\ndriver=macb;bcmgenet;virtio_net;\n"), "{text}");
        assert!(text.contains("\naddress1=10.10.80.50/24\ngateway=10.10.80.1\n"), "{text}");
        assert!(!text.contains("interface-name"));
        assert!(put(&found, "/etc/NetworkManager/conf.d/10-pimg.conf").0.contains("\nplugins=keyfile\n"));
        for unit in ["NetworkManager", "NetworkManager-wait-online"] {
            let (text, _) =
                put(&found, &format!("/etc/systemd/system/{unit}.service.d/10-pimg-interim.conf"));
            assert!(text.contains("[Unit]\nConditionPathExists=!/usr/share/ifupdown2\n"), "{text}");
        }
        let mut other = host.clone();
        other.network.interface = "enp1s0".to_owned();
        let found = changes(&inputs(&other, &base)).expect("changes");
        let (text, _) = put(&found, "/etc/NetworkManager/system-connections/pimg-interim.nmconnection");
        assert!(text.contains("interface-name=enp1s0\n") && !text.contains("[match]"), "{text}");
    }

    #[test]
    fn name_servers_are_the_profiles() {
        assert_eq!(
            resolv_conf(&host()),
            "search lab.example\nnameserver 10.10.80.1\nnameserver 2001:db8::53\n"
        );
    }
}
