//! The built image boots: a real arm64 kernel and systemd, under emulation, say what became of the profile.
#![expect(clippy::disallowed_methods, reason = "tests run QEMU and OpenSSH")]
#![expect(clippy::print_stdout, reason = "how long a boot took is worth a line")]

#[path = "../support/debian.rs"]
mod debian;
#[path = "../support/mod.rs"]
mod support;

mod machine;
mod nodes;
mod packages;
mod tested;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use machine::{BootFiles, Machine, Network, Writes};
use nodes::Nodes;
use serde_json::Value;
use support::Project;

/// A whole node finishes by itself, whatever happens to its power and its network. Its packages came with a layer; its
/// image is one to publish, and its secrets come to the card afterwards. The network comes only once nothing else is left to
/// do, and the plug is pulled twice, or `PIMG_POWER_CUTS` times. It takes longest: by its name it begins with the first.
#[test]
fn a_baked_node_finishes_whatever_happens_to_power_and_network() {
    let Some(nodes) = Nodes::new() else { return };
    nodes.profile("solo", "common", 60, &["solo"]);
    nodes.build(&["solo"], &["--release", "--bake"]);
    let image = nodes.project.join("out/solo/solo-1.img");
    nodes.run_ok(&["seed", "--profile", "solo", image.to_str().expect("UTF-8")]);
    let cuts = std::env::var("PIMG_POWER_CUTS").unwrap_or_else(|_| "2".to_owned());
    nodes.pass(&["solo"], 1, &["--profile", "solo", "--late-network", "--power-cut", &cuts]);
}

/// Every profile named in `PIMG_BOOT_PROFILES`, which `scripts/boot-matrix` sets; one without it.
#[test]
fn a_built_image_boots_as_its_profile_says() {
    let tools = ["qemu-system-aarch64", "ssh-keygen", "ssh-keyscan", "ssh"];
    let Some(base) = support::base_image("pios") else { return };
    if !tools.iter().all(|tool| support::have(tool)) {
        return;
    }
    let profiles = std::env::var("PIMG_BOOT_PROFILES").unwrap_or_else(|_| "k8sctl-pi5l".to_owned());
    for profile in profiles.split_whitespace() {
        boots_as_its_profile_says(profile, &base);
    }
}

fn boots_as_its_profile_says(profile: &str, base: &Path) {
    let project = Project::without_packages();
    let key = login_key(&project);
    let image = project.build_raw(profile, base);
    let told = json(&project.pimg_ok(&["--json", "inspect", image.to_str().expect("UTF-8")]).stdout);
    let identity = &told["result"]["image"];
    let address = identity["identity"]["address"].as_str().expect("an address").to_owned();
    let files = boot_files(&project, &image, include_bytes!("probe.py"));
    let port = free_port();
    let network = Network { address: &address, gateway: "10.10.80.1", ssh_port: port };
    let mut machine = Machine::start(&image, Writes::Forgotten, &files, Some(network));
    let report = json(machine.wait_for("PIMG-PROBE-READY ").as_bytes());
    expect_ssh(&project, &key, port, identity);
    let up = machine.uptime();
    machine.wait_for("Power down");
    println!("{profile}: everything up after {up} s");
    expect_report(&report, identity, profile, &address);
}

fn expect_report(report: &Value, identity: &Value, profile: &str, address: &str) {
    let text = serde_json::to_string_pretty(report).expect("JSON");
    let expect = |what: bool, message: &str| assert!(what, "{profile}: {message}; the guest says:\n{text}");
    expect(report["hostname"] == profile, "the host name is the profile's");
    expect(report["machine_id"] == identity["identity"]["machine_id"], "the machine id is the seed's");
    expect(report["failed"] == serde_json::json!([]), "no unit has failed");
    let users = report["users"].as_array().expect("users");
    expect(users.len() == 1 && users[0] != "pi", "the profile's user is the only one");
    expect(report["root_password"] == "L", "root is locked");
    expect(report["resolves"][0] == address, "the host name resolves to the LAN address");
    let addresses = report["addresses"].to_string();
    expect(addresses.contains(&format!("{address}/24")), "the address is up");
    expect(!addresses.contains("eth0"), "interfaces have predictable names");
    expect(report["default_route"].to_string().contains("10.10.80.1"), "the gateway is the default route");
    expect(
        report["mounts"]["/"] == "ext4" && report["mounts"]["/boot/firmware"] == "vfat",
        "both are mounted",
    );
    let options = report["root_options"].as_array().expect("mount options");
    expect(options.iter().any(|option| option == "nodelalloc"), "a power cut leaves no empty files");
    // 512 MiB without what ext4 keeps for root, and without the logs of a boot; of the base itself 300 MiB are free
    expect(report["root_free"].as_u64() >= Some(384 << 20), "the root file system has been grown");
    expect(report["sshd"] == "active", "sshd runs");
    let settings = report["sshd_settings"].to_string();
    expect(settings.contains("passwordauthentication no"), "sshd takes keys only");
    expect(report["fstrim"] == serde_json::json!(["masked", "masked"]), "nothing trims the card");
    expect(report["memory_cgroup"] == true, "the memory controller is on");
    expect(report["dpkg_audit"] == "", "dpkg has nothing to complain of");
    expect(report["cloud_init"].to_string().contains("disabled"), "cloud-init is off");
}

/// The operator logs in with the key of the build, and the node shows the key that the build announced.
fn expect_ssh(project: &Project, key: &Path, port: u16, identity: &Value) {
    let scanned =
        support::run("ssh-keyscan", &["-T", "60", "-t", "ed25519", "-p", &port.to_string(), "127.0.0.1"]);
    let expected = identity["identity"]["ssh_host_key"].as_str().expect("a host key");
    let blob = expected.split_whitespace().nth(1).expect("a key blob");
    assert!(scanned.contains(blob), "the node shows the announced host key:\n{scanned}\n{expected}");
    let known = project.join("known_hosts");
    fs::write(&known, format!("[127.0.0.1]:{port} {expected}\n")).expect("writing known_hosts");
    let user = identity["identity"]["user"].as_str().expect("a user");
    let port = port.to_string();
    let options = [
        &format!("UserKnownHostsFile={}", known.display()),
        "StrictHostKeyChecking=yes",
        "BatchMode=yes",
        "IdentitiesOnly=yes",
    ];
    let mut arguments = vec!["-F", "/dev/null", "-i", key.to_str().expect("UTF-8"), "-p", &port];
    arguments.extend(options.iter().flat_map(|option| ["-o", option]));
    let target = format!("{user}@127.0.0.1");
    arguments.extend([target.as_str(), "sudo touch /run/pimg-probe-go && id -un"]);
    assert_eq!(support::run("ssh", &arguments).trim(), user);
}

fn login_key(project: &Project) -> PathBuf {
    let key = project.join("test");
    fs::remove_file(project.join("test.pub")).expect("removing the unused key");
    support::run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().expect("UTF-8")]);
    key
}

fn boot_files(project: &Project, image: &Path, probe: &[u8]) -> BootFiles {
    let image = image.to_str().expect("UTF-8");
    let read = |path: &str| project.pimg_ok(&["inspect", image, path, "--partition", "boot"]).stdout;
    let save = |name: &str, bytes: &[u8]| {
        let path = project.join(name);
        fs::write(&path, bytes).expect("writing a boot file");
        path
    };
    let mut probe = probe.to_vec();
    // a disk has whole sectors
    probe.resize(probe.len().next_multiple_of(512), b'\n');
    BootFiles {
        kernel: save("kernel", &read("/kernel8.img")),
        initramfs: save("initramfs", &read("/initramfs8")),
        cmdline: String::from_utf8(read("/cmdline.txt")).expect("UTF-8"),
        probe: save("probe", &probe),
    }
}

fn json(bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes);
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
