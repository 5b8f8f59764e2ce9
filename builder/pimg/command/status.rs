//! `pimg status`

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use super::outcome::{AskedNode, NodeAnswer, OverallState, Silence, StatusOutcome};
use super::request::{Selection, StatusRequest};
use super::{Context, hosts};
use crate::failure::{Class, Failure, Fault};
use crate::guest::keys::host_public_key;
use crate::guest::node_status;
use crate::host::env::unix_seconds;
use crate::host::seed;
use crate::host::ssh::{self, KnownHosts, SshError, Target};
use crate::profile::Profiles;
use crate::profile::host::HostSpec;
use crate::profile::types::Hostname;

/// How long watching pauses between two rounds.
const PAUSE: Duration = Duration::from_secs(3);

/// How often a pause looks whether it is to end.
const POLL: Duration = Duration::from_millis(50);

/// A node to ask, and what is known about it.
struct Asked {
    name: String,
    target: Target,
    /// The file of its seed, where the node is one of a profile.
    seed: Option<String>,
    /// Its host key, where the node is one of a profile.
    key: Option<String>,
}

/// Asks nodes how far their first boot is; while they are watched, every round is given to `show`.
///
/// # Errors
/// A profile or a seed is wrong, or `ssh` cannot be run. A node that does not answer is in the outcome.
pub fn run(
    request: &StatusRequest,
    context: &Context<'_>,
    show: &mut dyn FnMut(&StatusOutcome),
) -> Result<StatusOutcome, Failure> {
    let nodes = nodes(request, context)?;
    let keys = nodes.iter().filter_map(|node| Some((node.name.as_str(), node.key.as_deref()?)));
    let known = KnownHosts::write(keys)?;
    let mut outcome = StatusOutcome { nodes: ask_all(&nodes, &known, context)? };
    while request.watch && !is_over(&outcome) {
        show(&outcome);
        pause(context)?;
        let mut next = ask_all(&nodes, &known, context)?;
        for (node, before) in next.iter_mut().zip(outcome.nodes) {
            // a node that restarts is still as far as it was
            node.status = node.status.take().or(before.status);
        }
        outcome.nodes = next;
    }
    if request.watch {
        show(&outcome);
    }
    Ok(outcome)
}

/// Whether there is nothing more to watch: nobody mends a failed step or a wrong key by waiting.
fn is_over(outcome: &StatusOutcome) -> bool {
    let is_lost = |node: &AskedNode| {
        node.state() == Some(OverallState::Failed) || node.silence == Some(Silence::Untrusted)
    };
    outcome.is_finished() || outcome.nodes.iter().any(is_lost)
}

fn pause(context: &Context<'_>) -> Result<(), Failure> {
    let end = Instant::now() + PAUSE;
    while Instant::now() < end {
        context.check_interrupt()?;
        thread::sleep(POLL);
    }
    context.check_interrupt()
}

/// All nodes that were asked for, each once.
fn nodes(request: &StatusRequest, context: &Context<'_>) -> Result<Vec<Asked>, Failure> {
    let mut found = Vec::new();
    if request.all {
        for host in hosts::select(&Selection::All, context)? {
            found.extend(of_profile(&host, request.cluster, context)?);
        }
    }
    // outside a project every name is an address
    let profiles = Profiles::open(&context.project).map(|profiles| profiles.names().to_vec());
    let profiles = profiles.unwrap_or_default();
    for name in &request.hosts {
        if profiles.contains(name) {
            for host in hosts::select(&Selection::Named(vec![name.clone()]), context)? {
                found.extend(of_profile(&host, request.cluster, context)?);
            }
        } else {
            found.push(foreign(name, request.cluster)?);
        }
    }
    let mut nodes: Vec<Asked> = Vec::new();
    for node in found {
        if !nodes.iter().any(|known| known.name == node.name) {
            nodes.push(node);
        }
    }
    Ok(nodes)
}

/// The node of a profile, or all members of its cluster. They have the same first user.
fn of_profile(host: &HostSpec, cluster: bool, context: &Context<'_>) -> Result<Vec<Asked>, Failure> {
    let members = match (&host.cluster, cluster) {
        (Some(cluster), true) => {
            cluster.nodes.iter().map(|node| (node.hostname.clone(), node.address)).collect()
        }
        (None, true) => {
            let message = format!("`{}` belongs to no cluster", host.profile);
            return Err(Failure::new(Class::Usage, message).hint("leave `--cluster` out"));
        }
        (_, false) => vec![(host.hostname.clone(), host.network.address.address)],
    };
    let seed = seed::load_existing(&context.project, host.seed_name()).map_err(|error| {
        let user = &host.user.name;
        Failure::from(error).hint(format!(
            "`pimg status {user}@{}` compares the node with your own known_hosts instead",
            host.network.address.address
        ))
    })?;
    let asked = |(name, address): (Hostname, Ipv4Addr)| {
        Ok(Asked {
            key: Some(host_public_key(&seed.secret, &name)?),
            name: name.to_string(),
            seed: Some(seed.path.display().to_string()),
            target: Target::Known {
                name: name.to_string(),
                user: host.user.name.as_str().to_owned(),
                address: address.to_string(),
            },
        })
    };
    members.into_iter().map(asked).collect()
}

fn foreign(name: &str, cluster: bool) -> Result<Asked, Failure> {
    let is_word = !name.is_empty()
        && !name.starts_with('-')
        && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    if !is_word {
        return Err(Failure::new(Class::Usage, format!("`{name}` is neither a profile nor an address")));
    }
    if cluster {
        let message = format!("`{name}` is no profile, so its cluster is not known");
        return Err(Failure::new(Class::Usage, message).hint("name a profile, or every address"));
    }
    Ok(Asked { name: name.to_owned(), target: Target::Foreign(name.to_owned()), seed: None, key: None })
}

/// Asks all nodes at the same time.
fn ask_all(nodes: &[Asked], known: &KnownHosts, context: &Context<'_>) -> Result<Vec<AskedNode>, Failure> {
    let stop = || context.reporter.interrupted();
    let answers: Result<_, Failure> = thread::scope(|scope| {
        let threads: Vec<_> = nodes.iter().map(|node| scope.spawn(|| ask(node, known, &stop))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
    });
    // ctrl-C reaches every ssh of the terminal too, and what those say then is no answer
    context.check_interrupt()?;
    answers
}

fn panicked() -> Failure {
    Failure::new(Class::Internal, "asking a node ended unexpectedly")
}

fn ask(node: &Asked, known: &KnownHosts, stop: &(dyn Fn() -> bool + Sync)) -> Result<AskedNode, Failure> {
    // ages are told by the node's own clock: it may not have the right time yet
    let command = format!("date +%s; cat {}", node_status::PATH);
    let told = match ssh::run(&node.target, known, &command, stop) {
        Ok(bytes) => read(&bytes).map_err(|error| {
            let hint = "was the node built by a newer pimg than this one?";
            Refusal { silence: Silence::NoStatus, reason: error.to_string(), hint: hint.to_owned() }
        }),
        Err(SshError::Tool(error)) if error.class() == Class::Interrupted => {
            return Err(Failure::interrupted());
        }
        Err(SshError::Tool(error)) => return Err(error.into()),
        Err(error) => Err(refusal(node, &error)),
    };
    let host = node.name.clone();
    Ok(match told {
        Ok(status) => {
            AskedNode { host, answered: true, reason: None, hint: None, status: Some(status), silence: None }
        }
        Err(Refusal { silence, reason, hint }) => AskedNode {
            host,
            answered: false,
            reason: Some(node_status::clean(&reason)),
            hint: Some(hint).filter(|hint| !hint.is_empty()),
            status: None,
            silence: Some(silence),
        },
    })
}

/// The node's time on a line of its own, then the file.
fn read(bytes: &[u8]) -> Result<NodeAnswer, node_status::StatusError> {
    let end_of_line = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(0);
    let (first, rest) = bytes.split_at(end_of_line);
    let clock = std::str::from_utf8(first).ok().and_then(|line| line.trim().parse().ok());
    let (clock, file) = clock.map_or_else(|| (unix_seconds(), bytes), |clock| (clock, rest));
    Ok(NodeAnswer { clock, first_boot: node_status::parse(file)? })
}

/// Why a node did not answer, and what helps.
struct Refusal {
    silence: Silence,
    reason: String,
    hint: String,
}

fn refusal(node: &Asked, error: &SshError) -> Refusal {
    let (silence, hint) = match (error, &node.seed) {
        (SshError::HostKey(_), Some(seed)) => (
            Silence::Untrusted,
            format!(
                "another machine answers at this address, or the node was built with another seed than `{seed}`"
            ),
        ),
        (SshError::HostKey(_), None) => (
            Silence::Untrusted,
            format!("`ssh {}` says more; a node of a profile is recognised by the profile's name", node.name),
        ),
        (SshError::Login(_), Some(_)) => (
            Silence::Unreachable,
            "log in with a key that the image was built with: `user.ssh_keys`, or `--ssh-key`".to_owned(),
        ),
        (SshError::Login(_), None) => {
            (Silence::Unreachable, "name the user: `pimg status USER@ADDRESS`".to_owned())
        }
        (SshError::Refused(_), _) => (
            Silence::NoStatus,
            "it answers, but has no status: has pimg built it, and has its first boot begun?".to_owned(),
        ),
        (_, Some(_)) => (
            Silence::Unreachable,
            "is it switched on, and its cable plugged? `pimg-status.txt` on its card says how far it got"
                .to_owned(),
        ),
        (_, None) if !node.name.contains(['.', '@', ':']) => (
            Silence::Unreachable,
            "no profile of this project has this name: `pimg check` lists them".to_owned(),
        ),
        (_, None) => (Silence::Unreachable, String::new()),
    };
    Refusal { silence, reason: error.to_string(), hint }
}

#[cfg(test)]
mod tests {
    use super::{foreign, is_over, read};
    use crate::command::outcome::{AskedNode, OverallState, Silence, StatusOutcome};
    use crate::failure::Class;

    fn answer(state: &str) -> AskedNode {
        let text = format!("1764806400\n{{\"node\":\"a\",\"state\":\"{state}\",\"steps\":[]}}\n");
        let status = read(text.as_bytes()).expect("a status");
        AskedNode {
            host: "a".into(),
            answered: true,
            reason: None,
            hint: None,
            status: Some(status),
            silence: None,
        }
    }

    fn silent(silence: Silence) -> AskedNode {
        AskedNode { answered: false, silence: Some(silence), ..answer("finished") }
    }

    #[test]
    fn takes_the_nodes_own_time_where_it_is_told() {
        let status = answer("waiting").status.expect("is there");
        assert_eq!((status.clock, status.first_boot.state), (1_764_806_400, OverallState::Waiting));
        let without = read(b"{\"node\":\"a\",\"state\":\"failed\",\"steps\":[]}").expect("a status");
        assert!(without.clock > 1_700_000_000);
        assert!(read(b"hello\n{}").is_err() && read(b"").is_err() && read(b"1764806400\n").is_err());
    }

    #[test]
    fn watching_ends_when_all_are_finished_or_one_is_lost() {
        for (nodes, expected, class) in [
            (vec![answer("finished"), answer("working")], false, None),
            (vec![answer("finished"), answer("finished")], true, None),
            // a node that restarts was finished before, perhaps of another image
            (vec![answer("finished"), silent(Silence::Unreachable)], false, Some(Class::Network)),
            (vec![answer("failed"), silent(Silence::Unreachable)], true, Some(Class::BootTest)),
            (vec![answer("failed"), silent(Silence::Untrusted)], true, Some(Class::Trust)),
        ] {
            let outcome = StatusOutcome { nodes };
            assert_eq!((is_over(&outcome), outcome.failed()), (expected, class), "{outcome:?}");
        }
    }

    #[test]
    fn an_option_is_no_host() {
        for name in ["", "-oProxyCommand=x", "a b", "a\nb"] {
            assert!(foreign(name, false).is_err(), "{name:?}");
        }
        assert!(foreign("op@10.0.0.2", false).is_ok() && foreign("op@10.0.0.2", true).is_err());
    }
}
