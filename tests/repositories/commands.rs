//! What the stand-ins of one node's commands accept and refuse, as Proxmox's own do.

use crate::nodes::Nodes;
use crate::support;

#[test]
fn users_and_permissions() {
    let Some(nodes) = Nodes::new(1) else { return };
    for (line, words) in [
        ("pveum user add ann", "userid: invalid format"),
        ("pveum user add ann@ldap", "domain 'ldap' does not exist"),
        ("pveum user add ann@pam --shell /bin/sh", "Unknown option: shell"),
        ("pveum acl modify / --users ann@pam", "roles: property is missing and it is not optional"),
        ("pveum acl modify / --users ann@pam --roles Administrator", "user 'ann@pam' does not exist"),
        ("pveum acl modify / --users root@pam --roles Admin", "role 'Admin' does not exist"),
        ("pveum user make ann@pam", "unknown command"),
    ] {
        nodes.line(1, line).refused(255, words);
    }
    nodes.line(1, "pveum user add ann@pam --comment friend").ok();
    nodes.line(1, "pveum user add ann@pam").refused(255, "create user failed: user 'ann@pam' already exists");
    for _ in 0..2 {
        nodes.line(1, "pveum acl modify / --users ann@pam --roles Administrator").ok();
    }
    let rights = nodes.line(1, "pveum acl list --output-format json").ok();
    assert_eq!(rights.matches("ann@pam").count(), 1, "{rights}");
    assert!(nodes.line(1, "pveum user list --output-format json").ok().contains("\"userid\": \"ann@pam\""));
}

#[test]
fn storages() {
    let Some(nodes) = Nodes::new(1) else { return };
    for (line, words) in [
        ("pvesm add zfspool nvme", "pool: property is missing and it is not optional"),
        (
            "pvesm add zfspool nvme --pool other",
            "could not activate storage 'nvme', zfs error: cannot import 'other'",
        ),
        ("pvesm add zfspool nvme --pool data --content iso", "does not support content type 'iso'"),
        ("pvesm add dir files --path files", "value does not look like a valid absolute path"),
        ("pvesm add dir files --path /files --pool data", "Unknown option: pool"),
        ("pvesm add floppy files", "does not have a value in the enumeration"),
        ("pvesm set nvme --disable 1", "storage 'nvme' does not exist"),
        ("pvesm set local --path /other", "can't change value of fixed parameter 'path'"),
        ("pvesh get /storage/nvme", "storage 'nvme' does not exist"),
        ("pvesh get /storages", "No 'get' handler defined for '/storages'"),
    ] {
        nodes.line(1, line).refused(255, words);
    }
    nodes.line(1, "pvesm add zfspool nvme --pool data --content images,rootdir --sparse 1").ok();
    nodes.line(1, "pvesm add dir files --path /data/files --content iso,snippets").ok();
    assert!(nodes.root(1).join("data/files/template/iso").is_dir(), "the folders of what it may hold");
    nodes.line(1, "pvesm set local --disable 1").ok();
    let status = nodes.line(1, "pvesm status").ok();
    let state = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(2).unwrap_or_default().to_owned()
    };
    assert_eq!(
        [state("nvme"), state("files"), state("local ")],
        ["active", "active", "disabled"],
        "{status}"
    );
}

#[test]
fn virtual_machines() {
    let Some(nodes) = Nodes::new(1) else { return };
    nodes.line(1, "pvesm add zfspool local-nvme --pool data --sparse 1").ok();
    nodes.line(1, "pvesm add dir local-files --path /data/files --content iso").ok();
    let talos = "qm create 101 --name talos-cp-n1 --ostype l26 --bios ovmf --machine virt --cpu host --cores 4 \
        --memory 4096 --scsihw virtio-scsi-pci --efidisk0 local-nvme:1,efitype=4m,pre-enrolled-keys=0 \
        --scsi0 local-nvme:32 --scsi2 local-files:iso/talos.iso,media=cdrom --boot order=scsi0;scsi2;net0 \
        --net0 virtio,bridge=vmbr0 --agent 1 --onboot 1";
    nodes.line(1, talos).refused(255, "volume 'local-files:iso/talos.iso' does not exist");
    assert!(!nodes.root(1).join("zvols/data/vm-101-disk-0").exists(), "a refused machine leaves no disk");
    nodes.write(1, "data/files/template/iso/talos.iso", "iso");
    for (line, words) in [
        ("qm create 99", "vmid: invalid format"),
        ("qm create 101 --efi 1", "Unknown option: efi"),
        ("qm create 101 --bios uefi", "bios: value 'uefi' does not have a value in the enumeration"),
        ("qm create 101 --scsi0 nvme:32", "storage 'nvme' does not exist"),
        (
            "qm create 101 --scsi0 local-files:32",
            "storage 'local-files' does not support content-type 'images'",
        ),
        ("qm create 101 --net0 bridge=vmbr0", "net0.model: property is missing"),
    ] {
        nodes.line(1, line).refused(255, words);
    }
    nodes.line(1, talos).ok();
    nodes.line(1, talos).refused(255, "VM 101 already exists on node 'n1'");
    assert!(nodes.read(1, "zvols/data/vm-101-disk-1").contains("-s -V 32G"), "a sparse volume");
    nodes.line(1, "qm start 101").refused(255, "bridge 'vmbr0' does not exist");
    nodes.write(1, "sys/class/net/vmbr0/up", "");
    nodes.line(1, "qm start 101").ok();
    nodes.line(1, "qm start 101").refused(255, "VM 101 already running");
    assert_eq!(nodes.line(1, "qm status 101").ok(), "status: running\n");
    nodes.line(1, "qm destroy 101").refused(255, "VM 101 is running - destroy failed");
    nodes.line(1, "qm create 105 --ide2 local-nvme:cloudinit").ok();
    nodes.line(1, "qm start 105").refused(255, "aarch64 cannot use IDE devices");
    nodes.line(1, "qm status 999").refused(2, "does not exist");
}

#[test]
fn tailscale_takes_a_key_from_a_file() {
    let Some(nodes) = Nodes::new(1) else { return };
    let key = |name: &str| format!("tailscale up --auth-key=file:{}", nodes.root(1).join(name).display());
    nodes.line(1, &key("good")).refused(1, "failed to connect to local tailscaled");
    nodes.write(1, "run/tailscale/tailscaled.sock", "");
    nodes.line(1, &key("good")).refused(1, "no such file or directory");
    nodes.write(1, "good", "tskey-auth-1\n");
    nodes.write(1, "wrong", "tskey-auth-bad\n");
    nodes.line(1, &key("wrong")).refused(1, "backend error: invalid key: API key does not exist");
    assert!(nodes.line(1, "tailscale status --json").ok().contains("\"BackendState\": \"NeedsLogin\""));
    nodes.line(1, "tailscale up --authkeys=x").refused(2, "flag provided but not defined");
    nodes.line(1, &key("good")).ok();
    assert!(nodes.line(1, "tailscale status --json").ok().contains("\"BackendState\": \"Running\""));
    nodes.line(1, "tailscale up").ok();
}

#[test]
fn acme_sh_keeps_what_the_real_one_keeps() {
    let Some(nodes) = Nodes::new(1) else { return };
    let root = nodes.root(1);
    let home = root.join("root/.acme.sh");
    let state = |name: &str| home.join("n1.example.org_ecc").join(name);
    let issue = "acme.sh --issue --dns dns_cf -d n1.example.org --server letsencrypt";
    nodes.line(1, "acme.sh --issue -d n1.example.org").refused(1, "at least one validation method");
    nodes.line(1, "acme.sh --isue").refused(1, "Unknown parameter");
    nodes.line(1, issue).refused(1, "You didn't specify a Cloudflare api key");
    nodes.write(1, "root/.acme.sh/account.conf", "SAVED_CF_Token='a-bad-one'\n");
    nodes.line(1, issue).refused(1, "Error adding TXT record to domain: _acme-challenge.n1.example.org");
    assert!(state("n1.example.org.key").is_file() && !state("n1.example.org.cer").exists(), "half-issued");
    nodes.line(1, "acme.sh --install-cert -d n1.example.org").refused(1, "is not a cert name");
    nodes.write(1, "root/.acme.sh/account.conf", "SAVED_CF_Token='a-good-one'\n");
    nodes.line(1, issue).ok();
    assert_eq!(nodes.line(1, issue).code, 2, "it is skipped until it is due");
    let to = root.join("pveproxy-ssl.pem");
    let arguments = [
        "--install-cert",
        "-d",
        "n1.example.org",
        "--fullchain-file",
        to.to_str().expect("UTF-8"),
        "--reloadcmd",
        "false",
    ];
    nodes.on(1, "acme.sh", &arguments).refused(1, "Reload error for: n1.example.org");
    let text = support::run("openssl", &["x509", "-noout", "-subject", "-in", to.to_str().expect("UTF-8")]);
    assert!(text.contains("n1.example.org"), "{text}");
    nodes.line(1, "acme.sh --cron").ok();
}

#[test]
fn what_no_test_starts_compiles_at_least() {
    if !support::have("python3") {
        return;
    }
    let commands = support::repository().join("scripts/repositories/commands");
    let cache = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(commands).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if path.is_file() && (path.extension().is_some() || text.starts_with("#!/usr/bin/env python3")) {
            sources.push(path.to_str().expect("UTF-8").to_owned());
        }
    }
    sources.retain(|path| !path.ends_with(".sh"));
    let prefix = format!("pycache_prefix={}", cache.path().display());
    let arguments = ["-X", prefix.as_str(), "-m", "py_compile"];
    let sources: Vec<_> = sources.iter().map(String::as_str).collect();
    assert!(sources.len() > 15, "{sources:?}");
    support::run("python3", &[&arguments[..], &sources[..]].concat());
}
