//! Profiles out of an inventory: each host of the playbook's group becomes a node.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::assumed;
use super::convert::{Converted, Converter};
use super::groups::{Assignment, Host, Inventory};
use super::playbook::{self, Meaning, NODES, VARIABLES};
use crate::profile::Error;
use crate::profile::draft::{Draft, DraftNode, Settings, list, text};
use crate::profile::problem::Problem;
use crate::profile::types::Hostname;
use crate::profile::values;

/// What becomes of an inventory.
#[derive(Debug)]
pub struct Imported {
    /// A set of profiles for each cluster.
    pub drafts: Vec<Draft>,
    /// Every variable, and what was assumed.
    pub rows: Vec<Row>,
    /// Secrets that the profiles name.
    pub secrets: Vec<StoredSecret>,
    /// What a person should know.
    pub notices: Vec<String>,
}

/// A variable, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name; none for what no variable says.
    pub variable: Option<String>,
    /// The group or the hosts that have it.
    pub of: String,
    /// What became of it.
    pub kind: RowKind,
    /// The profile's key.
    pub key: Option<String>,
    /// The value in the profile, which is never a secret.
    pub value: Option<String>,
    /// Its line in the inventory, from 1.
    pub line: Option<usize>,
    /// Why it is so.
    pub why: Option<String>,
}

/// What became of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    /// It is in a profile.
    Mapped,
    /// A profile names it, and `secrets.age` is to hold it.
    Secret,
    /// No variable says it: the playbook's own value, or a guess.
    Assumed,
    /// It is in no profile, for a reason.
    NotMapped,
    /// The playbook has no such variable.
    Unknown,
}

/// A secret that a profile names and a person has to store.
#[derive(Clone, Debug, Serialize)]
pub struct StoredSecret {
    /// Its name in `secrets.age`.
    pub name: String,
    /// The variable that holds it.
    pub variable: String,
    /// The variable's line in the inventory, from 1.
    pub line: usize,
}

/// A host on its way to a profile.
pub(super) struct Node<'i> {
    pub(super) host: &'i Host,
    pub(super) name: String,
    pub(super) settings: Settings,
}

/// Makes profiles.
///
/// # Errors
/// Everything that keeps a host from becoming a node.
pub fn import(inventory: &Inventory) -> Result<Imported, Error> {
    let (hosts, mut notices) = hosts(inventory);
    let mut converter = Converter::new(inventory);
    let mut used = BTreeMap::<usize, Converted>::new();
    let mut beaten = BTreeMap::<usize, String>::new();
    let mut nodes = Vec::new();
    for host in hosts {
        if let Some(node) = node(inventory, host, &mut converter, &mut used, &mut beaten) {
            nodes.push(node);
        }
    }
    twice(&nodes, &mut converter.problems);
    if nodes.is_empty() && converter.problems.is_empty() {
        converter.problems.push(Problem::new("there is no host in it"));
    }
    if !converter.problems.is_empty() {
        return Err(Error::new(
            "the inventory does not say all that profiles need".to_owned(),
            converter.problems,
        ));
    }
    let names: BTreeSet<&str> = nodes.iter().map(|node| node.host.name.as_str()).collect();
    let of_others = |at: usize| {
        let owners =
            inventory.hosts.iter().filter(|host| host.variables.values().any(|number| *number == at));
        let mut owners = owners.peekable();
        owners.peek().is_some() && owners.all(|host| !names.contains(host.name.as_str()))
    };
    let mut rows = Vec::new();
    for at in 0..inventory.assignments.len() {
        let mut row = row(inventory, at, used.get(&at), beaten.get(&at));
        if row.kind == RowKind::NotMapped && row.why.is_none() {
            let why = if of_others(at) { "of a host that becomes no node" } else { "another value wins" };
            row.why = Some(why.to_owned());
        }
        rows.push(row);
    }
    notices.append(&mut converter.notices);
    let mut drafts = Vec::new();
    for (cluster, mut members) in clusters(nodes) {
        assumed::complete(&cluster, &mut members, &mut rows, &mut notices);
        drafts.push(draft(&cluster, members));
    }
    Ok(Imported { drafts, rows, secrets: converter.secrets, notices })
}

/// The hosts that become nodes.
fn hosts(inventory: &Inventory) -> (Vec<&Host>, Vec<String>) {
    let all = || inventory.members("all").unwrap_or_default();
    match inventory.members(NODES).filter(|members| !members.is_empty()) {
        Some(members) => {
            let others =
                all().into_iter().filter(|host| !members.iter().any(|member| member.name == host.name));
            let others: Vec<String> = others
                .filter(|host| !host.name.contains('='))
                .map(|host| format!("`{}`", host.name))
                .collect();
            let left_out = format!("left out, as they are not in the group `{NODES}`: {}", others.join(", "));
            (members, if others.is_empty() { Vec::new() } else { vec![left_out] })
        }
        None => {
            let notice =
                format!("there is no group `{NODES}`, which the playbook sets up: every host becomes a node");
            (all(), vec![notice])
        }
    }
}

/// One host's settings.
fn node<'i>(
    inventory: &'i Inventory,
    host: &'i Host,
    converter: &mut Converter<'i>,
    used: &mut BTreeMap<usize, Converted>,
    beaten: &mut BTreeMap<usize, String>,
) -> Option<Node<'i>> {
    let (name, domain) = host_name(host, &mut converter.problems)?;
    let mut settings = Settings::new();
    if let Some(domain) = domain {
        settings.insert("network.domain", text(&domain));
    }
    let variables = inventory.numbers(&host.name);
    // the table has the stronger of two variables for one key first
    let mut winners = BTreeMap::<&str, &str>::new();
    for (variable, meaning) in VARIABLES {
        let Some(&at) = variables.get(variable) else { continue };
        let (Meaning::Key(key, _) | Meaning::Secret(key) | Meaning::SecretTable(key)) = *meaning else {
            continue;
        };
        if let Some(winner) = winners.get(key) {
            beaten.insert(at, format!("`{winner}` says it"));
            continue;
        }
        let converted = converter.convert(at, *meaning, &name);
        if let Converted::Setting { value, .. } = &converted {
            settings.insert(key, value.clone());
            winners.insert(key, variable);
        }
        used.insert(at, converted);
    }
    for &at in variables.values() {
        used.entry(at).or_insert(Converted::Nothing(String::new()));
    }
    require(host, "network.address", "ansible_host", &settings, converter);
    require(host, "user.name", "user_name", &settings, converter);
    Some(Node { host, name, settings })
}

/// The short host name, and the domain if the inventory has it.
fn host_name(host: &Host, problems: &mut Vec<Problem>) -> Option<(String, Option<String>)> {
    if let Some((name, _)) = host.name.split_once('=') {
        let span = host.place.span();
        let place = host.place.narrowed(span.start..span.start + name.len());
        let hint = "variables of a group stand in a section `[GROUP:vars]`";
        let problem =
            Problem::at(&place, "is a variable where hosts are listed").cut_after_place().with_hint(hint);
        problems.push(problem);
        return None;
    }
    let problem =
        |message: String, hint: &str| Problem::at(&host.place, message).cut_after_place().with_hint(hint);
    if host.name.parse::<std::net::IpAddr>().is_ok() {
        let hint = format!("give the node a name: `NAME ansible_host={}`", host.name);
        problems.push(problem("is an address, not the name of a node".to_owned(), &hint));
        return None;
    }
    let (short, domain) = match host.name.split_once('.') {
        Some((short, domain)) => (short, Some(domain)),
        None => (host.name.as_str(), None),
    };
    let checked = Hostname::new(short).and_then(|_| domain.map(values::domain).transpose());
    match checked {
        Ok(domain) => Some((short.to_owned(), domain)),
        Err(error) => {
            problems.push(problem(error.0, "the node's name becomes its host name"));
            None
        }
    }
}

fn require(host: &Host, key: &str, variable: &str, settings: &Settings, converter: &mut Converter<'_>) {
    if settings.contains_key(key) || converter.has_failed(key) {
        return;
    }
    let message = format!("has no `{variable}`, which `{key}` follows from");
    let hint = match variable {
        "ansible_host" => format!("`{} ansible_host=10.10.80.50`, with the node's own address", host.name),
        _ => format!("write it into `[{NODES}:vars]`: `{variable}=…`"),
    };
    converter.problems.push(Problem::at(&host.place, message).cut_after_place().with_hint(hint));
}

/// Two hosts that would be one node.
fn twice(nodes: &[Node<'_>], problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for node in nodes {
        if !seen.insert(&node.name) {
            let message = format!("there is another host `{}`", node.name);
            problems.push(Problem::at(&node.host.place, message).cut_after_place());
        }
    }
}

/// The nodes by their cluster, in the order of the inventory.
fn clusters(nodes: Vec<Node<'_>>) -> Vec<(String, Vec<Node<'_>>)> {
    let mut clusters: Vec<(String, Vec<Node<'_>>)> = Vec::new();
    for node in nodes {
        let name = node.settings.get("cluster.name").map_or(assumed::CLUSTER, |name| name.trim_matches('"'));
        match clusters.iter_mut().find(|(known, _)| known == name) {
            Some((_, members)) => members.push(node),
            None => clusters.push((name.to_owned(), vec![node])),
        }
    }
    clusters
}

/// What became of a variable.
fn row(inventory: &Inventory, at: usize, used: Option<&Converted>, beaten: Option<&String>) -> Row {
    let Assignment { name, owner, place, .. } = &inventory.assignments[at];
    let known = playbook::meaning(name);
    let mut row = Row {
        variable: Some(name.clone()),
        of: owner.clone(),
        kind: RowKind::NotMapped,
        key: None,
        value: None,
        line: Some(place.line_column().0),
        why: None,
    };
    match (known, used) {
        (None, _) => {
            row.kind = RowKind::Unknown;
            row.why = Some("no variable of the playbook".to_owned());
        }
        (Some(Meaning::Nothing(why) | Meaning::NoSecret(why)), _) => row.why = Some(why.to_owned()),
        (Some(Meaning::Key(key, _) | Meaning::Secret(key) | Meaning::SecretTable(key)), used) => {
            row.key = Some(key.to_owned());
            match (used, beaten) {
                (Some(Converted::Setting { value, is_secret }), _) => {
                    row.kind = if *is_secret { RowKind::Secret } else { RowKind::Mapped };
                    row.value = Some(value.clone());
                }
                (_, Some(why)) => row.why = Some(why.clone()),
                (Some(Converted::Nothing(why)), None) => row.why = Some(why.clone()),
                (None, None) => {}
            }
        }
    }
    row
}

/// The profiles of one cluster.
fn draft(cluster: &str, nodes: Vec<Node<'_>>) -> Draft {
    let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
    let taken = |name: &str| name == "raspios" || names.iter().any(|node| node == name);
    let name = if taken(cluster) { format!("{cluster}-cluster") } else { cluster.to_owned() };
    let (mut shared, own) = share(nodes.into_iter().map(|node| node.settings).collect());
    shared.insert("cluster.nodes", list(&names));
    let overlays = assumed::overlays(&shared, &own);
    let nodes = names.into_iter().zip(own).map(|(name, settings)| DraftNode { name, settings }).collect();
    let about = vec![
        format!("What the nodes of the cluster {cluster} share, from the inventory of the Ansible playbook."),
        "Each node's own file says its name and address. profiles/README.md has every key there is."
            .to_owned(),
    ];
    Draft { name, about, overlays, settings: shared, nodes }
}

/// Takes out what all have in common. An address is always a node's own.
fn share(mut own: Vec<Settings>) -> (Settings, Vec<Settings>) {
    let mut shared = own.first().cloned().unwrap_or_default();
    shared.retain(|key, value| {
        *key != "network.address" && own.iter().all(|settings| settings.get(key) == Some(value))
    });
    for settings in &mut own {
        settings.retain(|key, _| !shared.contains_key(key));
    }
    (shared, own)
}
