//! The table lines up, fits, and reads without colour.

use unicode_width::UnicodeWidthStr;

use super::test_data::{answering, silent};
use super::{Screen, duration, status_text, wrapped};
use crate::command::outcome::{AskedNode, StatusOutcome};

const NOWHERE: Screen = Screen { columns: None, rows: None, verbose: false };

fn shown(nodes: &[AskedNode], screen: Screen) -> String {
    let text = status_text(&StatusOutcome { nodes: nodes.to_vec() }, screen);
    anstream::adapter::strip_str(&(text.out + &text.err)).to_string()
}

const STEPS: [(&str, &str, &str); 4] = [
    ("selfcheck", "done", ""),
    ("zpool", "failed", "`/dev/nvme1n1` has a partition table: set `zfs.wipe` or put a blank disk in"),
    ("tls", "waiting", "no network"),
    ("talos-vm", "pending", "after tls"),
];

#[test]
fn one_node_with_its_messages() {
    insta::assert_snapshot!(shown(&[answering("node-a", "failed", &STEPS)], NOWHERE), @r"
    NODE    STATE   DONE    BOOTS  ADDRESS
    node-a  failed  1 of 4  2      https://10.0.0.2:8006

    STEP       STATE    SINCE  MESSAGE
    selfcheck  done     4 min
    zpool      failed   3 min  `/dev/nvme1n1` has a partition table: set `zfs.wipe` or put a blank disk in
    tls        waiting  2 min  no network
    talos-vm   pending  -      after tls
    ");
}

#[test]
fn a_message_is_wrapped_to_the_terminal() {
    let text = shown(&[answering("node-a", "failed", &STEPS)], Screen { columns: Some(60), ..NOWHERE });
    assert!(text.lines().all(|line| line.width() <= 60), "{text}");
    insta::assert_snapshot!(text, @r"
    NODE    STATE   DONE    BOOTS  ADDRESS
    node-a  failed  1 of 4  2      https://10.0.0.2:8006

    STEP       STATE    SINCE  MESSAGE
    selfcheck  done     4 min
    zpool      failed   3 min  `/dev/nvme1n1` has a partition
                               table: set `zfs.wipe` or put a
                               blank disk in
    tls        waiting  2 min  no network
    talos-vm   pending  -      after tls
    ");
}

#[test]
fn several_nodes_side_by_side() {
    let nodes = [
        answering("node-a", "working", &STEPS),
        answering("node-b", "finished", &[("selfcheck", "done", ""), ("shell", "done", "")]),
        silent("node-c", "ssh: connect to host 10.0.0.4 port 22: No route to host"),
    ];
    insta::assert_snapshot!(shown(&nodes, NOWHERE), @r"
    NODE    STATE        DONE    BOOTS  ADDRESS
    node-a  working      1 of 4  2      https://10.0.0.2:8006
    node-b  finished     2 of 2  2      https://10.0.0.2:8006
    node-c  unreachable

    STEP       node-a           node-b
    selfcheck  done      4 min  done      2 min
    zpool      failed    3 min  -
    tls        waiting   2 min  -
    talos-vm   pending          -
    shell      -                done      1 min

    node-a: zpool:  `/dev/nvme1n1` has a partition table: set `zfs.wipe` or put a blank disk in
    node-a: tls:    no network
    node-c:         ssh: connect to host 10.0.0.4 port 22: No route to host
    hint: `node-c`: is it switched on?
    ");
}

#[test]
fn more_nodes_than_the_terminal_is_wide_for_are_shown_in_groups() {
    let nodes: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| answering(name, "working", &STEPS[..1])).into();
    let text = shown(&nodes, Screen { columns: Some(56), ..NOWHERE });
    assert_eq!(text.matches("STEP ").count(), 3, "{text}");
    assert!(text.lines().all(|line| line.width() <= 56), "{text}");
}

#[test]
fn a_low_terminal_leaves_out_what_is_done() {
    let steps: Vec<_> = ["a1", "a2", "a3", "a4", "a5", "a6"].map(|name| (name, "done", "")).into();
    let steps = [steps, STEPS.to_vec()].concat();
    let low = Screen { rows: Some(14), ..NOWHERE };
    for nodes in [vec![answering("n", "failed", &steps)], vec![answering("n", "failed", &steps); 2]] {
        let text = shown(&nodes, low);
        assert!(!text.contains("a1") && text.contains("zpool"), "{text}");
        assert!(shown(&nodes, NOWHERE).contains("a1"));
    }
}

#[test]
fn wide_characters_take_two_columns() {
    let steps = [("日本語", "running", "x"), ("zpool", "done", "y")];
    let text = shown(&[answering("node-a", "working", &steps)], NOWHERE);
    let column = |of: &str| {
        let line = text.lines().find(|line| line.contains(of)).expect("is there");
        line.get(..line.find(if of == "zpool" { "done" } else { "running" }).expect("is there"))
            .map(|s| s.width())
    };
    assert_eq!(column("日本語"), column("zpool"), "{text}");
    assert_eq!(wrapped("ああああ い", 5), ["ああ", "ああ", "い"]);
}

#[test]
fn verbose_says_what_a_step_is_about() {
    let text = shown(&[answering("node-a", "working", &STEPS)], Screen { verbose: true, ..NOWHERE });
    assert!(text.contains("About zpool"), "{text}");
}

#[test]
fn ages_are_told_in_one_unit() {
    for (seconds, expected) in
        [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (172_800, "2 days")]
    {
        assert_eq!(duration(seconds), expected);
    }
}
