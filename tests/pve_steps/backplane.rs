//! The second network card: found wherever it is plugged in, once, and not needed by anything but the cluster.

use crate::node::Node;

const INTERFACES: &str = "auto lo\niface lo inet loopback\n\nauto vmbr0\niface vmbr0 inet static\n\taddress 10.8.0.5/24\n\n\
                          source /etc/network/interfaces.d/*\n";

fn node() -> Node {
    let node = Node::new(&["network"]);
    node.put("etc/pimg/network.conf", "interface=end0 bridge=vmbr0 backplane_address=10.9.0.5/24\n");
    node.put("etc/network/interfaces", INTERFACES);
    plug(&node, "end0");
    node.stub("ifup", "echo $1 >$root/up");
    // `2: NAME    inet ADDRESS/PREFIX …`
    node.stub("ip", "case $* in *'address show dev enx'*) [ ! -e $root/up ] || echo \"3: $(cat $root/up)    inet 10.9.0.5/24 scope global\" ;; esac");
    node
}

fn plug(node: &Node, name: &str) {
    node.put(&format!("sys/class/net/{name}/device/.keep"), "");
    node.put(&format!("sys/class/net/{name}/type"), "1\n");
}

#[test]
fn a_card_that_is_plugged_in_later_is_taken() {
    let node = node();
    node.put("on-sleep", "mkdir -p $root/sys/class/net/enx1/device; echo 1 >$root/sys/class/net/enx1/type");
    let ended = node.run("backplane");
    ended.done();
    ended.waited(&["no second network card for the backplane: plug one in"]);
    let stanza = "auto enx1\niface enx1 inet static\n\taddress 10.9.0.5/24\n\n";
    let (before, after) = INTERFACES.split_at(INTERFACES.find("source").expect("is there"));
    assert_eq!(node.read("etc/network/interfaces"), format!("{before}{stanza}{after}"));
    assert!(
        node.read("etc/systemd/system/networking.service.d/20-pimg-backplane.conf")
            .contains("wait --timeout=30")
    );
}

#[test]
fn a_card_that_was_chosen_stays_chosen() {
    let node = node();
    plug(&node, "enx1");
    node.run("backplane").done();
    let chosen = node.read("etc/network/interfaces");
    // cut before the stamp, and another card is there as well
    node.remove("var/lib/pimg/done/backplane");
    plug(&node, "enx2");
    node.run("backplane").done();
    assert_eq!(node.read("etc/network/interfaces"), chosen);
    // and its name is waited for where it was pulled
    node.remove("var/lib/pimg/done/backplane");
    std::fs::remove_dir_all(node.path("sys/class/net/enx1")).expect("is ours");
    node.run("backplane").waited(&["the card `enx1` of the backplane: plug it in"]);
}

#[test]
fn an_address_that_does_not_take_is_tried_again() {
    let node = node();
    plug(&node, "enx1");
    node.stub("ifup", "");
    node.run("backplane").retries(&["no card has the backplane's address 10.9.0.5/24"]);
}
