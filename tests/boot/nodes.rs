//! A project whose nodes are the repository's own: Debian's ZFS, kernel, systemd, ifupdown2 and ssh, and stand-ins for
//! Proxmox VE that behave like it.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use crate::support::{self, Project};

/// What a boot under emulation has no time for is left out: packages that nothing here asks about, the module's build,
/// and a language, which takes a minute to generate.
const COMMON: &str = r#"
extends = "k8sctl"
overlays = ["raspios", "network", "pxvirt", "pve", "zfs", "zfs-given", "pve-node", "cluster", "tls", "tailscale",
  "rpi-connect", "talos-vm", "shell"]
[locale]
default = "C.UTF-8"
generate = []
[packages]
upgrade = "none"
remove = ["dkms", "python3-pexpect", "gnupg", "byobu", "git", "lsd", "fzf"]
[vars.zfs]
module = "given"
[vars.shell]
byobu = false
[vars.rpi-connect]
optional = true # Debian has none
[acme]
domain_suffix = "lab.example"
email = "admin@lab.example"
dns_provider = "dns_cf"
env = { CF_Token = { env = "PLANTED_CF_TOKEN" } }
[tailscale]
auth_key = { env = "PLANTED_TAILSCALE_KEY" }
"#;

/// The project, and where its packages come from.
pub(crate) struct Nodes {
    pub(crate) project: Project,
    base: PathBuf,
    mirrors: Vec<String>,
}

impl Nodes {
    pub(crate) fn new() -> Option<Self> {
        let base = support::base_image("pios")?;
        let modules = support::made_for_tests("ZFS", "scripts/zfs-module")?;
        let tools = ["qemu-system-aarch64", "gpg", "apt-ftparchive", "dpkg-deb", "e2fsck"];
        if !tools.iter().all(|tool| support::have(tool)) {
            return None;
        }
        let project = Project::new();
        let stand_in = project.join("stand-in");
        let script = support::repository().join("scripts/stand-in");
        support::run(script.to_str().expect("UTF-8"), &[stand_in.to_str().expect("UTF-8")]);
        let mirrors = fs::read_to_string(stand_in.join("arguments-light")).expect("arguments");
        let mirrors = mirrors.lines().map(str::to_owned).collect();
        support::copy_tree(&modules, &project.join("overlays/zfs-given/rootfs/usr"));
        let nodes = Self { project, base, mirrors };
        nodes.write("profiles/common.toml", COMMON);
        Some(nodes)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let file = self.project.join(file);
        fs::create_dir_all(file.parent().expect("is below the project")).expect("a directory");
        fs::write(file, text).expect("writing a file");
    }

    /// Writes the profile of a node at 10.10.80.`number`, in the cluster of `members`.
    pub(crate) fn profile(&self, name: &str, parent: &str, number: u8, members: &[&str]) {
        let first = members[0];
        let text = format!(
            "extends = \"{parent}\"\nhostname = \"{name}\"\n[network]\naddress = \"10.10.80.{number}/24\"\n\
             [cluster]\nname = \"{first}\"\nnodes = {members:?}\n"
        );
        self.write(&format!("profiles/{name}.toml"), &text);
    }

    pub(crate) fn build(&self, names: &[&str], more: &[&str]) {
        let base = self.base.to_str().expect("UTF-8");
        let mut arguments = vec!["build", "--base", base, "--format", "raw", "--ssh-key", "test.pub"];
        arguments.extend(names.iter().flat_map(|name| ["--profile", name]));
        arguments.extend(self.mirrors.iter().map(String::as_str));
        arguments.extend(more);
        self.run_ok(&arguments);
    }

    pub(crate) fn run_ok(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        let said = text(&output.stdout);
        assert!(output.status.success(), "pimg {arguments:?} failed:\n{}\n{said}", text(&output.stderr));
        println!("{said}");
    }

    /// The members of a cluster finish, and each is as it should be; `round` 1 is their first.
    pub(crate) fn pass(&self, members: &[&str], round: u8, arguments: &[&str]) {
        let members = members.join(" ");
        let check =
            format!("#!/bin/bash\nround={round} nodes='{members}'\n{}", include_str!("check_node.sh"));
        self.write("check", &check);
        self.run_ok(&[&["test", "--timeout", "90m", "--check", "check"], arguments].concat());
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.project.pimg(arguments);
        command.env("PLANTED_CF_TOKEN", "cf-marker-81c1").env("PLANTED_TAILSCALE_KEY", "tskey-marker-52b7");
        command.output().expect("running pimg")
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
