//! Clusters of stand-ins: what `pvecm` allows and refuses, and that the members see the same.

use crate::nodes::Nodes;

/// All nodes in one cluster, by both links.
fn cluster(count: usize) -> Option<Nodes> {
    let nodes = Nodes::new(count)?;
    nodes.line(1, "pvecm create lab --link0 10.1.0.1 --link1 10.0.0.1").ok();
    for node in 2..=count {
        let join = format!("pvecm add 10.0.0.1 --use_ssh 1 --link0 10.1.0.{node} --link1 10.0.0.{node}");
        assert!(nodes.line(node, &join).ok().contains("successfully added node"));
    }
    Some(nodes)
}

#[test]
fn a_cluster_is_created_once_and_has_a_short_name() {
    let Some(nodes) = Nodes::new(1) else { return };
    nodes.line(1, "pvecm status").refused(255, "is this node part of a cluster?");
    nodes.line(1, "pvecm create sixteen-letters-").refused(255, "clustername: invalid format");
    nodes.line(1, "pvecm create sixteen-letters1").refused(255, "value may only be 15 characters long");
    nodes.line(1, "pvecm create lab --links 10.0.0.1").refused(255, "Unknown option: links");
    nodes.line(1, "pvecm create lab").ok();
    nodes.line(1, "pvecm create lab").refused(255, "cluster config '/etc/pve/corosync.conf' already exists");
    assert!(nodes.line(1, "pvecm status").ok().contains("Quorate:          Yes"));
    assert!(
        nodes.read(1, "etc/corosync/corosync.conf").contains("ring0_addr: 10.0.0.1"),
        "the node's own address"
    );
    assert!(
        nodes.read(1, "etc/ssh/sshd_config").contains("\nPermitRootLogin yes")
            || nodes.read(1, "etc/ssh/sshd_config").starts_with("PermitRootLogin yes")
    );
}

#[test]
fn a_join_is_checked_on_both_sides() {
    let Some(nodes) = Nodes::new(3) else { return };
    let join = |node: usize, rest: &str| nodes.line(node, &format!("pvecm add 10.0.0.1 {rest}"));
    let both = "--use_ssh 1 --link0 10.1.0.2 --link1 10.0.0.2";
    join(2, both).refused(255, "unable to add node: command failed");
    nodes.line(1, "pvecm create lab --link0 10.1.0.1 --link1 10.0.0.1").ok();
    for (rest, words) in [
        ("--link0 10.1.0.2 --link1 10.0.0.2", "superuser (root) password"),
        ("--use_ssh --password secret", "Unknown option: password"),
        ("--use_ssh", "fallback only supported on single-link clusters"),
        ("--use_ssh --link0 10.1.0.2", "cluster has 2 links, but only 1 given"),
        (
            "--use_ssh --link0 10.1.0.2 --link2 10.0.0.2",
            "link 1 exists in cluster config but wasn't specified",
        ),
        ("--use_ssh --link0 10.1.0.9 --link1 10.0.0.2", "cannot use IP '10.1.0.9', not found on local node!"),
    ] {
        join(2, rest).refused(255, words);
    }
    nodes.write(2, "etc/addresses", "10.0.0.2 10.1.0.2 10.1.0.1\n");
    join(2, "--use_ssh --link0 10.1.0.1 --link1 10.0.0.2")
        .refused(255, "already used on link ring0_addr by node 'n1'");
    nodes.write(2, "etc/ssh/ssh_known_hosts", "10.0.0.1 ssh-rsa ANOTHER\n");
    join(2, both).refused(255, "unable to copy ssh ID");
    nodes.write(2, "etc/ssh/ssh_known_hosts", "10.0.0.1 ssh-rsa HOST1\n10.1.0.1 ssh-rsa HOST1\n");
    nodes.line(2, "qm create 100").ok();
    join(2, both).refused(255, "Check if node may join a cluster failed!");
    nodes.line(2, "qm destroy 100").ok();
    join(2, both).ok();
    join(2, both).refused(255, "authentication key '/etc/corosync/authkey' already exists");
    assert!(nodes.line(2, "pvecm nodes").ok().contains("n1"));
    nodes.unplug(2);
    join(3, "--use_ssh --link0 10.1.0.3 --link1 10.0.0.3").refused(255, "cluster not ready - no quorum?");
}

#[test]
fn members_see_the_same_and_write_with_quorum_only() {
    let Some(nodes) = cluster(3) else { return };
    nodes.line(3, "pveum user add ann@pam").ok();
    nodes.line(2, "pveum user add ann@pam").refused(255, "create user failed: user 'ann@pam' already exists");
    nodes.line(1, "pvesm add zfspool local-nvme --pool data").ok();
    nodes
        .line(2, "pvesm add zfspool local-nvme --pool data")
        .refused(255, "storage ID 'local-nvme' already defined");
    nodes.line(3, "qm create 103 --scsi0 local-nvme:32").ok();
    nodes.line(1, "qm create 103").refused(255, "VM 103 already exists on node 'n3'");
    nodes
        .line(1, "qm status 103")
        .refused(2, "Configuration file 'nodes/n1/qemu-server/103.conf' does not exist");
    nodes.unplug(3);
    nodes.line(2, "pveum acl modify / --users ann@pam --roles Administrator").ok();
    nodes.unplug(1);
    let status = nodes.line(2, "pvecm status");
    assert!(status.code == 2 && status.out.contains("Activity blocked"), "{}", status.out);
    nodes
        .line(2, "pveum user add bob@pam")
        .refused(255, "create user failed: cfs-lock 'file-user_cfg' error: no quorum!");
    nodes.line(2, "qm create 104").refused(255, "cluster not ready - no quorum?");
    nodes.line(2, "pvesm add dir other --path /other").refused(255, "create storage failed: cfs-lock");
    nodes.plug(3);
    assert!(nodes.line(3, "pveum acl list").ok().contains("ann@pam\tAdministrator"), "what it missed");
    nodes.line(3, "pveum user add bob@pam").ok();
}

#[test]
fn a_node_made_anew_comes_back_to_its_guests() {
    let Some(nodes) = cluster(3) else { return };
    nodes.line(2, "qm create 102 --name kept").ok();
    nodes.line(1, "pvecm delnode n1").refused(255, "Cannot delete myself from cluster!");
    nodes.line(1, "pvecm delnode n9").refused(255, "Node/IP: n9 is not a known host of the cluster.");
    let keys = nodes.read(2, "root/.ssh/id_rsa.pub");
    let all = nodes.read(2, "root/.ssh/authorized_keys").contains(keys.trim());
    assert!(all, "the cluster's authorized_keys have every member");
    nodes.unplug(2);
    for part in ["etc", "var"] {
        std::fs::remove_dir_all(nodes.root(2).join(part)).expect("removing");
    }
    std::fs::remove_file(nodes.root(2).join("root/.ssh/authorized_keys")).expect("removing");
    let (private, public) = ("root/.ssh/id_rsa", "root/.ssh/id_rsa.pub");
    let (secret, open) = (nodes.read(2, private), nodes.read(2, public));
    for name in [private, public] {
        std::fs::remove_file(nodes.root(2).join(name)).expect("removing");
    }
    nodes.make(2, 3);
    std::fs::remove_file(nodes.root(2).join(private)).expect("removing");
    nodes.write(2, private, &secret);
    nodes.write(2, public, &open);
    nodes.write(2, "root/.ssh/authorized_keys", &(nodes.read(1, public) + &nodes.read(3, public) + &open));
    nodes.plug(2);
    nodes.line(2, "pmxcfs").ok();
    let seen = nodes.line(1, "pvecm status").ok();
    assert!(seen.contains("Total votes:      2"), "a node that has not joined is no member: {seen}");
    let said = nodes.line(2, "pvecm add 10.0.0.1 --use_ssh 1 --link0 10.1.0.2 --link1 10.0.0.2").ok();
    assert!(said.contains("forcing overwrite of configured node 'n2'"), "{said}");
    assert!(nodes.line(2, "qm config 102").ok().contains("name: kept"));
    assert!(nodes.line(3, "pvecm status").ok().contains("Total votes:      3"));
}
