//! Several whole nodes at once: a cluster whose members get new cards, and nodes with every fault that the first boot
//! has to name. `scripts/boot-matrix` runs this: three machines take half an hour under emulation.
#![expect(clippy::print_stdout, reason = "how long a boot took is worth a line")]

#[path = "../boot/nodes.rs"]
mod nodes;
#[path = "../support/mod.rs"]
mod support;

mod faults;

use nodes::Nodes;

const TRIO: [&str; 3] = ["trio-a", "trio-b", "trio-c"];

/// One creates, two join, one after another; then the second gets a new card, and after it the first.
#[test]
fn three_nodes_become_a_cluster_and_take_rebuilt_ones_back() {
    let Some(nodes) = Nodes::new() else { return };
    for (name, number) in TRIO.into_iter().zip(50..) {
        nodes.profile(name, "common", number, &TRIO);
    }
    nodes.build(&TRIO, &[]);
    // the card is no larger than the image, so nothing has to grow: one node does that elsewhere
    let cluster = ["--profile", "trio-a", "--cluster", "--keep-disks", "disks", "--card", "1GiB"];
    nodes.pass(&TRIO, 1, &cluster);
    for rebuilt in ["trio-b", "trio-a"] {
        nodes.pass(&TRIO, 2, &[&cluster[..], &["--reflash", rebuilt]].concat());
    }
}
