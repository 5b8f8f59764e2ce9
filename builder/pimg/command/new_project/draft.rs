//! The profiles of a new project.

use super::answers::Answers;
use crate::profile::draft::{Draft, DraftNode, Settings, list, stored, text};

/// Where Talos Linux for the VM comes from.
const TALOS: &str = "https://factory.talos.dev/image/88d1f7a5c4f1d3aba7df787c448c1d3d008ed29cfb34af53fa0df4336a56040b/v1.11.5/nocloud-arm64.iso";

/// The profiles that the answers lead to.
pub(super) fn of(answers: &Answers) -> Draft {
    let names: Vec<&str> = answers.nodes.iter().map(|(name, _)| name.as_str()).collect();
    let nodes = answers.nodes.iter().map(|(name, address)| {
        let settings = Settings::from([("network.address", text(address))]);
        DraftNode { name: name.clone(), settings }
    });
    let about = vec![
        format!(
            "What the nodes of {} share. Each node's own file says its name and address.",
            answers.cluster
        ),
        "profiles/README.md has every key there is.".to_owned(),
    ];
    Draft {
        name: answers.cluster.clone(),
        about,
        overlays: overlays(answers),
        settings: shared(answers, &names),
        nodes: nodes.collect(),
    }
}

fn has(answers: &Answers, feature: &str) -> bool {
    answers.features.iter().any(|chosen| chosen == feature)
}

fn overlays(answers: &Answers) -> Vec<&'static str> {
    let has_pve = answers.source != "none";
    let wanted = |name: &str| match name {
        "raspios" => true,
        "network" | "pxvirt" | "pve" | "pve-node" => has_pve,
        feature => has(answers, feature),
    };
    let order = [
        "raspios",
        "network",
        "pxvirt",
        "pve",
        "zfs",
        "pve-node",
        "cluster",
        "tls",
        "tailscale",
        "rpi-connect",
        "talos-vm",
        "shell",
    ];
    order.into_iter().filter(|name| wanted(name)).collect()
}

fn shared(answers: &Answers, names: &[&str]) -> Settings {
    let mut settings = Settings::from([
        ("user.name", text(&answers.user)),
        ("locale.default", text("en_US.UTF-8")),
        ("network.gateway", text(&answers.gateway)),
        ("network.dns", list(&answers.dns)),
        ("packages.upgrade", text("locked")),
        ("packages.hold", list(&["linux-image-*", "linux-headers-*", "raspi-firmware"])),
    ]);
    if let Some(domain) = &answers.domain {
        settings.insert("network.domain", text(domain));
    }
    if answers.source != "none" {
        settings.insert("pve.source", text(&answers.source));
    }
    if has(answers, "cluster") {
        settings.insert("cluster.name", text(&answers.cluster));
        settings.insert("cluster.nodes", list(names));
    }
    if has(answers, "zfs") {
        settings.insert("zfs.pool", text("data"));
        settings.insert("zfs.disks", list(&["/dev/nvme0n1", "/dev/nvme1n1"]));
        settings.insert("zfs.wipe", text("never"));
    }
    if has(answers, "talos-vm") {
        settings.insert("talos.iso", text(TALOS));
        settings.insert("talos.cores", "4".to_owned());
        settings.insert("talos.memory", text("4GiB"));
        settings.insert("talos.disk", text("32GiB"));
    }
    if has(answers, "tailscale") {
        settings.insert("tailscale.auth_key", stored("tailscale_auth_key"));
    }
    if has(answers, "tls") {
        let domain = answers.domain.as_deref().unwrap_or("k8s.example.org");
        settings.insert("acme.domain_suffix", text(domain));
        settings.insert("acme.email", text(&format!("{}@{domain}", answers.user)));
        settings.insert("acme.dns_provider", text("dns_cf"));
        settings.insert("acme.env", format!("{{ CF_Token = {} }}", stored("cf_token")));
    }
    settings
}
