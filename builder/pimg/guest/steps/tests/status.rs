//! What the status says of a node in a directory.

use serde_json::Value;

use super::library::Node;

const STEPS: &str = "packages\tPackages of \"the\" image\t-\t-\tno\nzpool\tZFS pool\tpackages\t-\tno\n\
                     pve-services\tProxmox \\ VE\tpackages,zpool\t-\tno\n";

fn json(node: &Node, file: &str) -> Value {
    serde_json::from_str(&node.read(file)).unwrap_or_else(|error| panic!("{error} in {}", node.read(file)))
}

#[test]
fn a_person_and_a_program_read_the_same() {
    let node = Node::new(STEPS);
    node.write("state/boots", "0 another");
    node.write("state/done/packages", "2026-01-01T00:00:00Z\n");
    node.write("state/state/zpool", "failed\t1767225600\ta \"blank\" disk \\ is\u{1b} missing\n");
    let Some((status, told)) = node.run("\"$step_lib/status\" boot; \"$step_lib/status\" step zpool") else {
        return;
    };
    // a boot has begun: what failed before it is to be tried again
    assert_eq!((status, told.as_str()), (0, ""));
    assert_eq!(json(&node, "state/status.json")["steps"][1]["state"], "pending");
    node.write("state/state/zpool", "failed\t1767225600\ta \"blank\" disk \\ is\u{1b} missing\n");
    node.run("\"$step_lib/status\" boot; \"$step_lib/status\" step zpool").expect("bash is here");
    let found = json(&node, "firmware/pimg-status.json");
    assert_eq!(found, json(&node, "state/status.json"));
    let told = |key: &str| found[key].as_str().unwrap_or_default();
    assert_eq!([told("node"), told("address"), told("state")], ["k8", "10.0.0.7", "failed"]);
    assert_eq!((told("url"), &found["boots"]), ("https://10.0.0.7:8006", &Value::from(1)));
    let expected = serde_json::json!({"name": "zpool", "description": "ZFS pool", "state": "failed",
        "since": 1_767_225_600, "message": "a \"blank\" disk \\ is  missing"});
    assert_eq!(found["steps"][1], expected);
    assert_eq!(found["steps"][2]["description"], "Proxmox \\ VE");
    assert_eq!(found["steps"][2]["message"], "after zpool");
    let text = node.read("firmware/pimg-status.txt");
    for line in ["Address   10.0.0.7", "failed    2026-01-01 00:00  ZFS pool (zpool)"] {
        assert!(text.lines().any(|found| found == line), "no `{line}` in:\n{text}");
    }
    assert!(text.contains("What to do next\n  Do what the lines marked \"failed\" say"), "{text}");
    assert!(
        node.read("console").contains("\npimg: zpool: failed: a \"blank\" disk"),
        "{}",
        node.read("console")
    );
    assert!(node.read("console").contains("NEEDS YOU"));
    assert_eq!(
        (node.read("led/trigger"), node.read("led/delay_on")),
        ("timer\n".to_owned(), "80\n".to_owned())
    );
    assert!(node.read("run/motd.d/10-pimg").contains("zpool: failed: a \"blank\" disk \\ is"));
    assert!(node.read("run/issue.d/pimg.issue").contains("disk \\\\ is"), "agetty takes one for itself");
}

#[test]
fn states_add_up() {
    for (states, expected, led) in [
        (["running", "waiting"], "working", "heartbeat"),
        (["waiting", "retrying"], "waiting", "heartbeat"),
        (["failed", "running"], "failed", "timer"),
        (["torn", ""], "working", "heartbeat"),
    ] {
        let node = Node::new(STEPS);
        for (name, state) in ["packages", "zpool"].iter().zip(states) {
            node.write(&format!("state/state/{name}"), &format!("{state}\t1\tx"));
        }
        if node.run("\"$step_lib/status\" step zpool").is_none() {
            return;
        }
        assert_eq!(json(&node, "state/status.json")["state"], expected, "{states:?}");
        assert_eq!(node.read("led/trigger").trim(), led);
    }
}

#[test]
fn the_end_is_announced_when_every_stamp_is_there() {
    let node = Node::new(STEPS);
    for name in ["packages", "zpool"] {
        node.write(&format!("state/done/{name}"), "");
    }
    if node.run("\"$step_lib/status\" finished").is_none() {
        return;
    }
    assert!(!node.read("console").contains("finished"), "one is not done");
    node.write("state/done/pve-services", "");
    node.run("\"$step_lib/status\" finished").expect("bash is here");
    assert!(node.read("console").ends_with("\npimg: finished\n"));
    assert_eq!(json(&node, "state/status.json")["state"], "finished");
    assert_eq!(node.read("led/trigger"), "default-on\n");
    assert!(
        node.read("firmware/pimg-status.txt").contains("Nothing. Open https://10.0.0.7:8006 , or log in")
    );
}

#[test]
fn a_boot_partition_that_takes_nothing_is_no_reason_to_fail() {
    let node = Node::new(STEPS);
    node.write("firmware/pimg-status.txt", "old");
    // a directory in the place of the new file fails for root, too, as a full or read-only file system would
    let script = "mkdir \"$step_firmware/pimg-status.txt.new\" \"$step_firmware/pimg-status.json.new\"\n\
                  . \"$step_lib/step.sh\"; work() { :; }; step_run zpool work work";
    node.write("state/done/packages", "");
    let Some((status, told)) = node.run(script) else { return };
    assert_eq!(status, 0, "{told}");
    assert!(told.contains("full, or read-only?"), "{told}");
    assert_eq!(node.read("firmware/pimg-status.txt"), "old");
    assert_eq!(json(&node, "state/status.json")["steps"][1]["state"], "done");
    // and nothing is hidden below a boot partition that is not mounted
    let node = Node::new(STEPS);
    fs_err::remove_file(node.path().join("firmware/cmdline.txt")).expect("is there");
    node.run("\"$step_lib/status\" boot").expect("bash is here");
    assert_eq!(node.read("firmware/pimg-status.txt"), "none");
}

#[test]
fn killed_at_any_moment_or_asked_by_many_it_is_whole() {
    let node = Node::new(STEPS);
    node.write("state/boots", "");
    let script = "for delay in 0.01 0.02 0.03 0.04 0.05 0.06 0.08 0.1 0.15; do\n\
                  timeout -s KILL $delay \"$step_lib/status\" boot 2>/dev/null; done\n\
                  for name in packages zpool pve-services packages zpool; do \"$step_lib/status\" step $name & done; wait";
    if node.run(script).is_none() {
        return;
    }
    let found = json(&node, "firmware/pimg-status.json");
    assert_eq!(found["boots"], 1, "one boot is counted once");
    let left = fs_err::read_dir(node.path().join("firmware")).expect("a directory");
    let mut left: Vec<_> = left.map(|entry| entry.expect("an entry").file_name()).collect();
    left.sort();
    assert_eq!(left, ["cmdline.txt", "pimg-status.json", "pimg-status.txt"]);
}
