//! What a new project is to be: from options, from a person on a terminal, else the commented example.

use std::net::Ipv4Addr;

use super::super::Context;
use super::super::request::NewRequest;
use crate::failure::{Class, Failure};
use crate::profile::types::{Hostname, InvalidValue, Ipv4Interface, UserName};
use crate::profile::values::{self, Checked, wrong};

/// Features beside those that every node has, and whether they are there without being asked for.
pub(super) const FEATURES: [(&str, bool); 7] = [
    ("zfs", true),
    ("cluster", true),
    ("talos-vm", true),
    ("tailscale", false),
    ("tls", false),
    ("rpi-connect", true),
    ("shell", true),
];

/// Whose Proxmox VE, or none.
const SOURCES: [&str; 3] = ["pxvirt", "proxmox", "none"];

/// What a new project is to be.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    pub(super) cluster: String,
    /// Host names with their addresses; the first makes the cluster.
    pub(super) nodes: Vec<(String, String)>,
    pub(super) gateway: String,
    pub(super) dns: Vec<String>,
    pub(super) domain: Option<String>,
    pub(super) user: String,
    /// `pxvirt`, `proxmox` or `none`.
    pub(super) source: String,
    pub(super) features: Vec<String>,
    /// Whether a person was asked.
    pub(super) asked: bool,
}

/// Asks one thing after the other, or nothing.
struct Interview<'c> {
    context: &'c Context<'c>,
    silent: bool,
    asked: bool,
}

impl Interview<'_> {
    /// The option, else a person's answer, else the default. A person is asked again until the answer fits.
    fn get<T>(
        &mut self,
        (option, given): (&str, Option<&str>),
        question: &str,
        default: &str,
        rule: impl Fn(&str) -> Checked<T>,
    ) -> Result<T, Failure> {
        let usage = |text: &str, error: InvalidValue| {
            Failure::new(Class::Usage, format!("`{option}`: `{text}`: {}", error.0))
        };
        if let Some(given) = given {
            return rule(given).map_err(|error| usage(given, error));
        }
        while !self.silent {
            let Some(answer) = self.context.reporter.ask(question, default) else {
                if self.asked {
                    return Err(Failure::interrupted());
                }
                self.silent = true;
                break;
            };
            self.context.check_interrupt()?;
            self.asked = true;
            let answer = answer.trim();
            match rule(if answer.is_empty() { default } else { answer }) {
                Ok(value) => return Ok(value),
                Err(error) => self.context.reporter.notice(&error.0),
            }
        }
        rule(default).map_err(|error| usage(default, error))
    }
}

impl Answers {
    /// Finds out.
    ///
    /// # Errors
    /// An option has a wrong value; the person asked to stop.
    pub(super) fn gather(request: &NewRequest, context: &Context<'_>) -> Result<Self, Failure> {
        let mut interview = Interview { context, silent: request.yes, asked: false };
        let given = |text: &Option<String>| text.clone();
        let cluster = given(&request.cluster);
        let question = "name of the cluster";
        let cluster =
            interview.get(("--cluster", cluster.as_deref()), question, "k8sctl", values::cluster_name)?;
        let nodes = nodes(request, &cluster, &mut interview)?;
        let own = nodes.first().and_then(|(_, address)| Ipv4Interface::new(address).ok());
        let first = own.map_or(Ipv4Addr::UNSPECIFIED, |own| {
            Ipv4Addr::from(u32::from(own.network().address).saturating_add(1))
        });
        let gateway = interview.get(
            ("--gateway", request.gateway.as_deref()),
            "gateway",
            &first.to_string(),
            |text| {
                let gateway: Ipv4Addr =
                    text.parse().map_err(|_| InvalidValue("is not an IPv4 address".to_owned()))?;
                match own {
                    Some(own) if !own.network().contains(gateway) => {
                        wrong(format!("is outside of `{}`", own.network()))
                    }
                    _ if nodes.iter().any(|(_, address)| address.starts_with(&format!("{gateway}/"))) => {
                        wrong("is the address of a node")
                    }
                    _ => Ok(gateway.to_string()),
                }
            },
        )?;
        let dns = interview.get(("dns", None), "name servers", &gateway, name_servers)?;
        let domain =
            interview.get(
                ("domain", None),
                "domain, such as k8s.example.org",
                "none",
                |text| match text {
                    "none" => Ok(None),
                    domain => values::domain(domain).map(Some),
                },
            )?;
        let user = interview.get(
            ("--user", request.user.as_deref()),
            "who logs in",
            &user_name(context),
            |text| match text {
                "root" => wrong("root is locked on every node: name the person who logs in"),
                name => UserName::new(name).map(|name| name.as_str().to_owned()),
            },
        )?;
        let source = interview.get(
            ("--pve", request.pve.as_deref()),
            "Proxmox VE of pxvirt, of proxmox itself, or none",
            "pxvirt",
            |text| {
                if SOURCES.contains(&text) {
                    Ok(text.to_owned())
                } else {
                    wrong(format!("is none of {}", SOURCES.join(", ")))
                }
            },
        )?;
        let has_pve = source != "none";
        let all: Vec<&str> =
            FEATURES.iter().map(|(name, _)| *name).filter(|name| has_pve || is_for_any(name)).collect();
        let usual: Vec<&str> = FEATURES
            .iter()
            .filter(|(name, usual)| *usual && all.contains(name))
            .map(|(name, _)| *name)
            .collect();
        let question = format!("features, of {}", all.join(" "));
        let features = request.features.as_ref().map(|features| features.join(" "));
        let features =
            interview.get(("--features", features.as_deref()), &question, &usual.join(" "), |text| {
                chosen(text, &all)
            })?;
        Ok(Self { cluster, nodes, gateway, dns, domain, user, source, features, asked: interview.asked })
    }
}

/// Whether a feature makes sense without Proxmox VE.
fn is_for_any(feature: &str) -> bool {
    ["zfs", "tailscale", "rpi-connect", "shell"].contains(&feature)
}

fn chosen(text: &str, all: &[&str]) -> Checked<Vec<String>> {
    let words: Vec<String> = text
        .split([' ', ','])
        .filter(|word| !word.is_empty() && *word != "none")
        .map(str::to_owned)
        .collect();
    if let Some(unknown) = words.iter().find(|word| !all.contains(&word.as_str())) {
        return wrong(format!("`{unknown}` is none of {}", all.join(", ")));
    }
    if words.iter().any(|word| word == "talos-vm") && !words.iter().any(|word| word == "zfs") {
        return wrong("`talos-vm` needs `zfs`: the VM's disk is on the pool");
    }
    Ok(words)
}

fn name_servers(text: &str) -> Checked<Vec<String>> {
    let servers: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    if servers.is_empty() || servers.iter().any(|server| server.parse::<std::net::IpAddr>().is_err()) {
        return wrong("is no list of addresses with spaces between them");
    }
    Ok(servers.into_iter().map(str::to_owned).collect())
}

/// The nodes with their addresses: each `--node NAME=ADDRESS/PREFIX`, or names first and then an address for each.
fn nodes(
    request: &NewRequest,
    cluster: &str,
    interview: &mut Interview<'_>,
) -> Result<Vec<(String, String)>, Failure> {
    let mut nodes: Vec<(String, String)> = Vec::new();
    for node in &request.nodes {
        let shape = || Failure::new(Class::Usage, format!("`--node`: `{node}` is not NAME=ADDRESS/PREFIX"));
        let (name, address) = node.split_once('=').ok_or_else(shape)?;
        let name = interview.get(("--node", Some(name)), "", "", |text| host_names(text, cluster))?.concat();
        let address = interview.get(("--node", Some(address)), "", "", |text| own_address(text, &nodes))?;
        if nodes.iter().any(|(known, _)| *known == name) {
            return Err(Failure::new(Class::Usage, format!("`--node`: `{name}` is there twice")));
        }
        nodes.push((name, address));
    }
    if !nodes.is_empty() {
        return Ok(nodes);
    }
    let usual: Vec<String> = (1..=3).map(|number| format!("{}-{number}", cluster.to_lowercase())).collect();
    let question = "host names of the nodes; the first makes the cluster";
    let names =
        interview.get(("names", None), question, &usual.join(" "), |text| host_names(text, cluster))?;
    let mut next = "10.10.80.50/24".to_owned();
    for name in names {
        let question = format!("address of {name}");
        let address = interview.get(("address", None), &question, &next, |text| own_address(text, &nodes))?;
        if let Ok(own) = Ipv4Interface::new(&address) {
            next = format!("{}/{}", Ipv4Addr::from(u32::from(own.address).saturating_add(1)), own.prefix);
        }
        nodes.push((name, address));
    }
    Ok(nodes)
}

fn host_names(text: &str, cluster: &str) -> Checked<Vec<String>> {
    let names: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    if names.is_empty() {
        return wrong("there has to be a node");
    }
    let mut checked: Vec<String> = Vec::new();
    for name in names {
        let name = Hostname::new(name)?.as_str().to_owned();
        if name == cluster || name == "raspios" {
            return wrong(format!("a node cannot be called `{name}`: another profile has that name"));
        }
        if checked.contains(&name) {
            return wrong(format!("`{name}` is there twice"));
        }
        checked.push(name);
    }
    Ok(checked)
}

/// An address beside those that are taken: the nodes share a network.
fn own_address(text: &str, taken: &[(String, String)]) -> Checked<String> {
    let own = Ipv4Interface::new(text)?;
    if !(8..=30).contains(&own.prefix) {
        return wrong("needs a prefix from 8 to 30, such as `/24`");
    }
    let (low, high) = (u32::from(own.network().address), u32::MAX >> own.prefix);
    if u32::from(own.address) == low || u32::from(own.address) == low | high {
        return wrong("is the network or broadcast address");
    }
    for (name, address) in taken {
        let Ok(other) = Ipv4Interface::new(address) else { continue };
        if other.address == own.address {
            return wrong(format!("is the address of `{name}`"));
        }
        if other.network() != own.network() {
            return wrong(format!("is outside of the network of `{name}`, `{}`", other.network()));
        }
    }
    Ok(own.to_string())
}

/// Whoever makes the project, if a node takes the name.
fn user_name(context: &Context<'_>) -> String {
    let own =
        context.environment.variable("USER").and_then(|name| name.to_str()).filter(|name| *name != "root");
    own.filter(|name| UserName::new(name).is_ok()).unwrap_or("admin").to_owned()
}
