//! Each fault ends in its documented state, with a message that names the mend.

use std::fs;

use serde_json::Value;

use crate::nodes::{Nodes, text};
use crate::support;

/// Takes what is left of the card just before the packages come.
const FILL: &str = "[Unit]\nAfter=pimg-grow-root.service\nBefore=pimg-packages.service\n\
                    [Service]\nType=oneshot\nExecStart=/bin/sh -c 'dd if=/dev/zero of=/var/full bs=64K; sync'\n\
                    [Install]\nWantedBy=multi-user.target\n";

/// What only a person can mend stops the step for good, and the others go on.
#[test]
fn what_a_person_has_to_mend_is_named() {
    let Some(nodes) = Nodes::new() else { return };
    if !support::have("mke2fs") {
        return;
    }
    nodes.parent("with-bad-key", "[tailscale]\nauth_key = { file = \"bad-key\" }\n");
    nodes.parent("with-bad-token", "[acme.env]\nCF_Token = { file = \"bad-token\" }\n");
    nodes.write("bad-key", "tskey-bad");
    nodes.write("bad-token", "bad-token");
    nodes.profile("foreign", "common", 61, &["foreign"]);
    nodes.profile("bad-key", "with-bad-key", 62, &["bad-key"]);
    nodes.profile("bad-dns", "with-bad-token", 63, &["bad-dns"]);
    nodes.write("disks/foreign/data1.img", "");
    let disk = nodes.project.join("disks/foreign/data1.img");
    support::run("mke2fs", &["-q", "-t", "ext4", "-L", "holidays", disk.to_str().expect("UTF-8"), "256M"]);
    let before = fs::read(&disk).expect("a disk");

    let names = ["foreign", "bad-key", "bad-dns"];
    nodes.build(&names, &[]);
    let more = ["--keep-disks", "disks", "--keep-going", "--timeout", "90m", "--card", "1GiB"];
    let told = nodes.fail(&[&["--profile"], &names[..], &more].concat());
    let words = ["is not blank (ext4", "`zfs.disks`", "`zfs.wipe = \"yes-destroy-data\"`"];
    says(&told[0], "step `zpool` failed: ", &words);
    says(&told[1], "step `tailscale` failed: ", &["refused the auth key", "`pimg seed`"]);
    says(&told[2], "step `tls` failed: ", &["dns_cf refused", "`acme.env`", "`pimg seed`"]);
    assert!(fs::read(&disk).expect("a disk") == before, "what was on the disk is there");
}

/// What may mend itself is waited for, or tried again, and never given up.
#[test]
fn what_may_mend_itself_is_waited_for() {
    let Some(nodes) = Nodes::new() else { return };
    nodes.parent("with-gone-disk", "[zfs]\ndisks = [\"/dev/nvme0n1\", \"/dev/disk/by-id/nvme-gone\"]\n");
    nodes.parent("with-full-card", "overlays = [\"raspios\", \"network\", \"full\"]\n");
    nodes.write("overlays/full/rootfs/etc/systemd/system/full.service", FILL);
    let overlay = "description = \"a full card\"\n[units]\nenable = [\"full.service\"]\n";
    nodes.write("overlays/full/overlay.toml", overlay);
    nodes.profile("no-nvme", "with-gone-disk", 64, &["no-nvme"]);
    nodes.profile("alone", "common", 65, &["alone", "off"]);
    nodes.profile("off", "common", 66, &["alone", "off"]);
    nodes.profile("full", "with-full-card", 67, &["full"]);

    let names = ["no-nvme", "alone", "full"];
    nodes.build(&names, &[]);
    // none of them ever ends by itself
    let more = ["--keep-going", "--timeout", "40m", "--card", "1GiB"];
    let told = nodes.fail(&[&["--profile"], &names[..], &more].concat());
    says(&told[0], "not finished", &["`zpool` is waiting", "nvme-gone, which is not there", "plugged in"]);
    says(&told[1], "not finished", &["`cluster` is waiting", "an answer from off", "create = \"alone\""]);
    says(&told[2], "not finished", &["`packages` is retrying", "the card is full", "flash a larger one"]);
}

impl Nodes {
    /// Writes a parent of profiles: what all have in common, and these lines.
    fn parent(&self, name: &str, lines: &str) {
        self.write(&format!("profiles/{name}.toml"), &format!("extends = \"common\"\n{lines}"));
    }

    /// None of the nodes finishes: what `pimg test` says of each.
    fn fail(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(&[&["--json", "test"], arguments].concat());
        println!("{}", text(&output.stderr));
        assert_eq!(output.status.code(), Some(10), "see above");
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        told["result"]["nodes"].as_array().expect("nodes").clone()
    }
}

fn says(node: &Value, start: &str, words: &[&str]) {
    let message = node["message"].as_str().unwrap_or_default();
    assert!(message.starts_with(start), "{node:#}");
    assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {node:#}");
}
