//! A whole node finishes by itself, whatever happens to its power and its network.
#![expect(clippy::disallowed_methods, reason = "tests read their environment and run programs")]
#![expect(clippy::print_stdout, reason = "how long a boot took is worth a line")]

#[path = "../support/mod.rs"]
mod support;

mod project;

use project::Nodes;

/// Its image is one to publish, and its secrets come to the card afterwards. The network comes only once nothing else is
/// left to do, and the plug is pulled twice, or `PIMG_POWER_CUTS` times.
#[test]
fn a_node_finishes_whatever_happens_to_power_and_network() {
    let Some(nodes) = Nodes::new() else { return };
    nodes.profile("solo", "common", 60, &["solo"]);
    nodes.build(&["solo"], &["--release"]);
    let image = nodes.project.join("out/solo/solo-1.img");
    nodes.run_ok(&["seed", "--profile", "solo", image.to_str().expect("UTF-8")]);
    let cuts = std::env::var("PIMG_POWER_CUTS").unwrap_or_else(|_| "2".to_owned());
    nodes.pass(&["solo"], 1, &["--profile", "solo", "--late-network", "--power-cut", &cuts]);
}
