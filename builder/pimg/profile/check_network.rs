//! Rules about addresses: one node's own, and those of several nodes beside each other.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::check::{Check, name_servers};
use super::host::{BackplaneSpec, NetworkSpec};
use super::problem::{Located, Place, Problem};
use super::raw::RawNetwork;
use super::types::{InvalidValue, Ipv4Interface, Ipv4Network, MacAddress};
use super::values::{self, Checked, wrong};

pub(crate) fn network(check: &mut Check<'_>, raw: &RawNetwork) -> Option<NetworkSpec> {
    let address =
        check.required("network.address", raw.seen.has("address"), raw.address.as_ref(), own_address);
    let gateway = check.required("network.gateway", raw.seen.has("gateway"), raw.gateway.as_ref(), |text| {
        let gateway: Ipv4Addr = text
            .parse()
            .map_err(|_| InvalidValue("is not an IPv4 address, such as `10.10.80.1`".to_owned()))?;
        match address {
            Some(own) if !own.network().contains(gateway) => {
                wrong(format!("is outside the node's network `{}`", own.network()))
            }
            Some(own) if own.address == gateway => wrong("is the node's own address"),
            Some(own) if is_edge(own.network(), gateway) => wrong("is the network or broadcast address"),
            _ => Ok(gateway),
        }
    });
    let backplane = backplane(check, raw, address);
    let name = |check: &mut Check<'_>, raw: &Option<Located<String>>, default: &str| {
        check.value(raw.as_ref(), values::interface).unwrap_or_else(|| default.to_owned())
    };
    let interface = name(check, &raw.interface, "end0");
    let bridge = name(check, &raw.bridge, "vmbr0");
    if let Some(place) =
        [&raw.bridge, &raw.interface].into_iter().flatten().next().filter(|_| bridge == interface)
    {
        check.problem(&place.place, format!("`{bridge}` is both the bridge and the interface in it"));
    }
    let vlan_ids = check.value(raw.vlan_ids.as_ref(), values::vlan_ids);
    let vlan_aware = raw.vlan_aware.as_ref().is_none_or(|aware| aware.value);
    if let Some(ids) = raw.vlan_ids.as_ref().filter(|_| !vlan_aware) {
        check.problem(&ids.place, "needs `vlan_aware = true`");
    }
    let dns = name_servers(check, raw.dns.as_ref(), gateway);
    Some(NetworkSpec {
        interface,
        address: address?,
        gateway: gateway?,
        dns,
        bridge,
        vlan_aware,
        vlan_ids: vlan_ids.unwrap_or_else(|| "2-4094".to_owned()),
        backplane,
    })
}

fn own_address(text: &str) -> Checked<Ipv4Interface> {
    let own = Ipv4Interface::new(text)?;
    let ip = own.address;
    if ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_broadcast() {
        return wrong("is not an address that a node can have");
    }
    if own.prefix == 0 {
        return wrong("has the prefix length 0, which is the whole Internet");
    }
    if is_edge(own.network(), ip) {
        let kind = if own.network().address == ip { "network" } else { "broadcast" };
        return wrong(format!("is the {kind} address of `{}`", own.network()));
    }
    Ok(own)
}

/// Whether an address is the network or broadcast address. Networks of two or one (RFC 3021) have neither.
fn is_edge(network: Ipv4Network, address: Ipv4Addr) -> bool {
    let hosts = u32::MAX.checked_shr(network.prefix.into()).unwrap_or(0);
    let low = u32::from(address) & hosts;
    network.prefix <= 30 && (low == 0 || low == hosts)
}

/// The node's place on the backplane: the network with the last octet of the node's own address.
fn backplane(check: &mut Check<'_>, raw: &RawNetwork, own: Option<Ipv4Interface>) -> Option<BackplaneSpec> {
    if raw.backplane.is_none() {
        for key in [&raw.backplane_interface, &raw.backplane_mac].into_iter().flatten() {
            check.problem(&key.place, "needs `backplane`, the network, such as `10.10.99.0/24`");
        }
        return None;
    }
    let interface = check.value(raw.backplane_interface.as_ref(), values::interface);
    if let Some(own) = raw.backplane_interface.as_ref().filter(|_| interface == interface_name(raw)) {
        check.problem(&own.place, "is the interface of the node's ordinary network");
    }
    let mac = check.value(raw.backplane_mac.as_ref(), |text| match MacAddress::new(text)? {
        MacAddress([first, ..]) if first & 1 == 1 => wrong("is a group address, not one of an interface"),
        mac => Ok(mac),
    });
    let (network, address) = check.value(raw.backplane.as_ref(), |text| {
        let network = Ipv4Network::new(text)?;
        let Some(own) = own else { return Ok((network, None)) };
        if network.contains(own.address) || own.network().contains(network.address) {
            return wrong(format!("overlaps the node's ordinary network `{}`", own.network()));
        }
        let [a, b, c, _] = network.address.octets();
        let [.., last] = own.address.octets();
        let address = Ipv4Addr::new(a, b, c, last);
        if !network.contains(address) || is_edge(network, address) || last == 0 || last == 255 {
            return wrong(format!(
                "has no room for the last octet of `{}`: `{address}` is not a node's address there",
                own.address
            ));
        }
        Ok((network, Some(Ipv4Interface { address, prefix: network.prefix })))
    })?;
    Some(BackplaneSpec { network, address: address?, interface, mac })
}

fn interface_name(raw: &RawNetwork) -> Option<String> {
    Some(raw.interface.as_ref().map_or("end0", |name| &name.value).to_owned())
}

/// What one node takes of the networks that several share.
pub(crate) struct Claim {
    pub(crate) profile: String,
    pub(crate) hostname: Option<Located<String>>,
    pub(crate) address: Option<(Ipv4Addr, Place)>,
    pub(crate) backplane: Option<(Ipv4Addr, Place)>,
}

/// Finds host names and addresses that two profiles take.
pub(crate) fn collisions(claims: &[Claim], problems: &mut Vec<Problem>) {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut addresses: BTreeMap<Ipv4Addr, &str> = BTreeMap::new();
    for claim in claims {
        if let Some(hostname) = &claim.hostname {
            let first = *names.entry(&hostname.value).or_insert(&claim.profile);
            if first != claim.profile {
                let message = format!("`{}` is also the host name of profile `{first}`", hostname.value);
                problems.push(Problem::at(&hostname.place, message));
            }
        }
        for (address, place) in claim.address.iter().chain(&claim.backplane) {
            let first = *addresses.entry(*address).or_insert(&claim.profile);
            if first != claim.profile {
                problems
                    .push(Problem::at(place, format!("`{address}` is also an address of profile `{first}`")));
            }
        }
    }
}
