//! The cluster: who makes it, who joins through whom, and what is waited for.

use crate::node::Node;

/// Another member, as `answer` in the folder of its address has it; without one it is off.
const SSH: &str = r#"
command=${@: -1} all=$* address=${all#*root@} address=${address%% *} peer=$root/peers/$address
[ -e $peer/answer ] || exit 255
case $command in
  *'echo end') cat $peer/answer; echo "clock $(($(date +%s) + $(cat $peer/drift 2>/dev/null || echo 0)))"; echo end ;;
  *'ln -sT'*) [ ! -e $peer/busy ] ;;
  'pvecm expected'*) sed -i 's/^quorate No/quorate Yes/' $peer/answer ;;
  'pvecm delnode'*) [ "$(grep -c '^quorate Yes' $peer/answer)" = 1 ] && sed -i "/^member ${command##* }$/d" $peer/answer ;;
esac
"#;

const PVECM: &str = r#"
conf=$root/etc/pve/corosync.conf
member() {
  mkdir -p $root/etc/corosync && echo key >$root/etc/corosync/authkey
  { echo 'totem {'; echo "  cluster_name: $1"; echo '}'; printf 'nodelist {\n  node {\n    name: %s\n    ring0_addr: %s\n    ring1_addr: %s\n  }\n}\n' node-b 10.9.0.2 10.8.0.2; } >$conf
}
case $1 in
  create)
    [ ! -e $conf ] || { echo "cluster config '$conf' already exists" >&2; exit 255; }
    [ ! -e $root/cut ] || { rm $root/cut; member $2; kill -9 $PPID; }
    member $2 ;;
  add)
    [ ! -e $root/etc/corosync/authkey ] && [ ! -e $conf ] || { echo 'already in a cluster' >&2; exit 255; }
    [ ! -e $root/cut ] || { mkdir -p $root/etc/corosync; echo half >$root/etc/corosync/authkey; rm $root/cut; exit 255; }
    member lab ;;
  status) [ -e $conf ] || exit 2; printf 'Quorate:          %s\n0x00000002          1 10.9.0.2 (local)\n' $(cat $root/quorate) ;;
esac
"#;

/// `node-b`, the second of three members, unless it is made the first.
fn node(members: &str) -> Node {
    let node = Node::new(&["cluster"]);
    node.put(
        "etc/pimg/cluster.conf",
        &format!("node_name=node-b cluster_name=lab cluster_create=all-answer cluster_members=({members})\n"),
    );
    node.put("quorate", "Yes\n");
    node.put("root/.ssh/authorized_keys", "ssh-rsa AAAA root@node-a\n");
    node.put("var/lib/pve-cluster/config.db", "old\n");
    node.put("etc/addresses", "10.9.0.2/24 10.8.0.2/24\n");
    node.stub(
        "ip",
        "for a in $(cat $root/etc/addresses); do echo \"2: eth0    inet $a brd x scope global eth0\"; done",
    );
    node.stub("ssh", SSH);
    node.stub("pvecm", PVECM);
    node.stub("corosync-cfgtool", "cat $root/links 2>/dev/null");
    node
}

const A: &str = "'node-a 10.8.0.1 10.9.0.1'";
const B: &str = "'node-b 10.8.0.2 10.9.0.2'";
const C: &str = "'node-c 10.8.0.3 10.9.0.3'";

fn second() -> Node {
    node(&format!("{A} {B} {C}"))
}

fn first() -> Node {
    node(&format!("{B} {A} {C}"))
}

fn answers(node: &Node, number: u8, answer: &str) {
    node.put(&format!("peers/10.8.0.{number}/answer"), answer);
}

const IN_CLUSTER: &str =
    "cluster lab\nmember node-a\nmember node-c\nquorate Yes\nonline 10.9.0.1\nonline 10.9.0.3\n";
const ADD: &str = "pvecm add 10.8.0.1 --use_ssh 1 --link0 10.9.0.2 --link1 10.8.0.2";

#[test]
fn the_first_node_makes_the_cluster_when_nobody_knows_of_one() {
    let node = first();
    answers(&node, 1, "");
    answers(&node, 3, "");
    node.run("cluster").done();
    assert!(node.called("pvecm create lab --link0 10.9.0.2 --link1 10.8.0.2"), "{}", node.calls());
    assert!(!node.called("pvecm add"));
}

#[test]
fn the_first_node_does_not_make_it_while_a_member_is_silent() {
    let node = first();
    answers(&node, 1, "");
    let ended = node.run("cluster");
    ended.waited(&["an answer from node-c", "create = \"alone\""]);
    assert!(!node.called("pvecm create"));
    // … unless the profile says so
    let conf = node.read("etc/pimg/cluster.conf").replace("all-answer", "alone");
    node.put("etc/pimg/cluster.conf", &conf);
    node.run("cluster").done();
    assert!(node.called("pvecm create"));
}

#[test]
fn a_first_node_that_was_made_anew_joins_its_cluster() {
    let node = first();
    answers(&node, 1, &IN_CLUSTER.replace("member node-c", "member node-b\nmember node-c"));
    node.run("cluster").done();
    assert!(!node.called("pvecm create") && node.called(ADD), "{}", node.calls());
    let calls = node.calls();
    let position = |call: &str| calls.find(call).unwrap_or(usize::MAX);
    assert!(position("pvecm delnode node-b") < position("pvecm add"), "{calls}");
    assert!(!calls.contains("pvecm expected"), "{calls}");
    assert!(!node.has("var/lib/pimg/cluster/joining"));
}

#[test]
fn the_others_wait_for_the_first_node() {
    let node = second();
    answers(&node, 3, "");
    node.run("cluster").waited(&["node-a to make the cluster", "no answer from node-a"]);
    assert!(!node.called("pvecm create") && !node.called("pvecm add"));
    node.put(
        "on-sleep",
        &format!("mkdir -p $root/peers/10.8.0.1; printf '%s' '{IN_CLUSTER}' >$root/peers/10.8.0.1/answer"),
    );
    node.run("cluster").done();
    assert!(node.called(ADD), "{}", node.calls());
}

#[test]
fn a_node_joins_through_whoever_has_quorum() {
    let node = second();
    answers(&node, 3, IN_CLUSTER);
    node.run("cluster").done();
    assert!(node.called("pvecm add 10.8.0.3"), "{}", node.calls());
}

#[test]
fn one_node_joins_at_a_time() {
    let node = second();
    answers(&node, 1, IN_CLUSTER);
    node.put("peers/10.8.0.1/busy", "");
    node.run("cluster").waited(&["another node that joins through node-a"]);
    assert!(!node.called("pvecm add"));
    node.remove("peers/10.8.0.1/busy");
    node.run("cluster").done();
    assert!(node.called("ssh") && node.calls().contains("rm -f /run/pimg-join"), "{}", node.calls());
}

#[test]
fn without_quorum_a_node_waits_unless_only_its_own_vote_is_missing() {
    let node = second();
    let blocked = IN_CLUSTER.replace("quorate Yes", "quorate No").replace("online 10.9.0.3\n", "");
    answers(&node, 1, &blocked);
    node.run("cluster").waited(&["quorum: node-a has too few members online", "node-c", "pvecm expected 1"]);
    assert!(!node.called("pvecm add"));
    // a cluster of two, whose other member this node was
    answers(&node, 1, "cluster lab\nmember node-a\nmember node-b\nquorate No\nonline 10.9.0.1\n");
    node.forget_calls();
    node.run("cluster").done();
    let calls = node.calls();
    assert!(calls.contains("pvecm expected 1") && calls.contains("pvecm delnode node-b"), "{calls}");
}

#[test]
fn half_of_three_may_not_take_a_node_back() {
    let node = second();
    answers(
        &node,
        1,
        "cluster lab\nmember node-a\nmember node-b\nmember node-c\nquorate No\nonline 10.9.0.1\n",
    );
    node.run("cluster").waited(&["quorum: node-a"]);
    assert!(!node.calls().contains("pvecm expected") && !node.calls().contains("pvecm delnode"));
}

#[test]
fn clocks_that_disagree_are_waited_for() {
    let node = second();
    answers(&node, 1, IN_CLUSTER);
    node.put("peers/10.8.0.1/drift", "-3600\n");
    node.run("cluster").waited(&["the clocks of node-a and this node", "3600 s", "timedatectl"]);
    assert!(!node.called("pvecm add"));
}

#[test]
fn a_cluster_of_another_name_stops() {
    let node = second();
    answers(&node, 1, &IN_CLUSTER.replace("cluster lab", "cluster other"));
    node.run("cluster").stopped(&["node-a is in the cluster other, and not in lab", "cluster.name"]);
}

#[test]
fn a_missing_backplane_is_waited_for() {
    let node = second();
    answers(&node, 1, IN_CLUSTER);
    node.put("etc/addresses", "10.8.0.2/24\n");
    node.run("cluster").waited(&["the address 10.9.0.2", "USB adapter"]);
}

#[test]
fn guests_keep_a_node_out_and_stay() {
    let node = second();
    answers(&node, 1, IN_CLUSTER);
    node.put("etc/pve/nodes/node-b/qemu-server/100.conf", "name: mine\n");
    node.run("cluster").stopped(&["guests of its own"]);
    assert!(node.has("var/lib/pve-cluster/config.db") && !node.has("var/lib/pimg/cluster/joining"));
}

#[test]
fn a_join_that_was_cut_off_is_undone_and_done_again() {
    let node = second();
    answers(&node, 1, IN_CLUSTER);
    node.put("cut", "");
    node.run("cluster").retries(&["pvecm add 10.8.0.1 ended with 255"]);
    assert!(node.has("var/lib/pimg/cluster/joining") && node.has("etc/corosync/authkey"));
    // the other side has got as far as listing it, and has lost quorum over that
    answers(&node, 1, "cluster lab\nmember node-a\nmember node-b\nquorate No\nonline 10.9.0.1\n");
    node.remove("root/.ssh/authorized_keys");
    node.forget_calls();
    node.run("cluster").done();
    let calls = node.calls();
    assert!(calls.starts_with("systemctl stop corosync pve-cluster"), "{calls}");
    assert!(calls.contains("pvecm delnode node-b") && calls.contains(ADD), "{calls}");
    assert!(!node.has("var/lib/pve-cluster/config.db") && !node.has("var/lib/pimg/cluster/joining"));
    assert_eq!(node.read("root/.ssh/authorized_keys"), "ssh-rsa AAAA root@node-a\n");
}

#[test]
fn a_member_whose_other_members_are_off_waits_for_quorum() {
    let node = second();
    answers(&node, 1, IN_CLUSTER);
    node.put("quorate", "No\n");
    node.run("cluster").waited(&["quorum in lab"]);
    node.put("quorate", "Yes\n");
    node.forget_calls();
    node.run("cluster").done();
    assert!(!node.called("pvecm add") && !node.called("pvecm create"), "{}", node.calls());
}

#[test]
fn a_link_that_does_not_work_is_waited_for() {
    let node = second();
    answers(&node, 1, IN_CLUSTER);
    node.put("links", "Local node ID 2, transport knet\nnodeid: 1 reachable\n   LINK: 0 udp (10.9.0.2->10.9.0.1) enabled mtu: 1397\n   LINK: 1 udp (10.8.0.2->10.8.0.1) enabled connected mtu: 1397\nnodeid: 3 unreachable\n   LINK: 0 udp (10.9.0.2->10.9.0.3) enabled mtu: 1397\n");
    node.run("cluster").waited(&["both links", "corosync-cfgtool -n"]);
    node.put("links", "nodeid: 1 reachable\n   LINK: 0 udp (x) enabled connected mtu: 1397\n");
    node.run("cluster").done();
}

#[test]
fn a_cluster_that_was_half_made_is_made_again() {
    let node = first();
    answers(&node, 1, "");
    answers(&node, 3, "");
    // the services have started, and the plug is pulled before anybody knows
    node.put("cut", "");
    node.stub("systemctl", "[ \"$1\" != stop ] || rm -f $root/etc/pve/corosync.conf");
    node.run("cluster").retries(&[]);
    assert!(node.has("var/lib/pimg/cluster/joining") && node.has("etc/pve/corosync.conf"));
    node.forget_calls();
    node.run("cluster").done();
    assert!(
        node.called("systemctl stop corosync pve-cluster") && node.called("pvecm create"),
        "{}",
        node.calls()
    );
    assert!(!node.has("var/lib/pimg/cluster/joining"));
}
