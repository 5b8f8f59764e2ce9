//! Nodes for the tests of this room.

use crate::command::outcome::{AskedNode, NodeAnswer, Silence};

/// The node's clock when it answered.
const CLOCK: u64 = 1_764_806_400;

/// A node that answered: name, state, and its steps' names, states and messages; each is a minute older than the next.
pub(in crate::cli) fn answering(host: &str, state: &str, steps: &[(&str, &str, &str)]) -> AskedNode {
    let count = steps.len() as u64;
    let steps = steps.iter().zip(0..).map(|((name, state, message), at)| {
        let since = (*state != "pending").then_some(CLOCK - (count - at) * 60);
        serde_json::json!({"name": name, "description": format!("About {name}"), "state": state,
                           "since": since, "message": message})
    });
    let status = serde_json::json!({"node": host, "address": "10.0.0.2", "state": state, "boots": 2,
        "url": "https://10.0.0.2:8006", "updated": CLOCK, "steps": steps.collect::<Vec<_>>()});
    let first_boot = serde_json::from_value(status).expect("a status");
    let status = Some(NodeAnswer { clock: CLOCK, first_boot });
    AskedNode { host: host.to_owned(), answered: true, reason: None, hint: None, status, silence: None }
}

/// A node that never answered.
pub(in crate::cli) fn silent(host: &str, reason: &str) -> AskedNode {
    AskedNode {
        host: host.to_owned(),
        answered: false,
        reason: Some(reason.to_owned()),
        hint: Some("is it switched on?".to_owned()),
        status: None,
        silence: Some(Silence::Unreachable),
    }
}
