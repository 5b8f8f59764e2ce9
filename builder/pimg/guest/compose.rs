//! All that a host gets of what Raspberry Pi OS means, in the order of a reader's questions.

use super::error::Error;
use super::inputs::Inputs;
use super::{
    boot_config, cloud_init, first_boot_safety, hosts, locale, network, nic_names, secrets, seed_bundle, ssh,
    time, user,
};
use crate::plan::change::Change;

/// The changes of one host. No two are of the same path.
///
/// # Errors
/// The base is not a Raspberry Pi OS, or a value of the profile has no place in it.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let subjects = [
        boot_config::changes,       // what boots
        first_boot_safety::changes, // what must not happen when it does
        nic_names::changes,         // what the interfaces are called
        network::changes,           // what addresses they have
        hosts::changes,             // who the node is
        cloud_init::changes,        // and who may not change that
        user::changes,              // who may log in
        ssh::changes,               // how
        secrets::changes,           // what only root may read
        seed_bundle::changes,       // and how that comes to a node whose image is published
        locale::changes,            // in which language
        time::changes,              // and when
    ];
    let mut all = Vec::new();
    for subject in subjects {
        all.extend(subject(inputs)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::changes;
    use crate::guest::test_support::{MapBase, host, inputs};
    use crate::plan::change::{Action, Change};
    use crate::secret::Secret;

    const WANTS: &str = "[Install]\nWantedBy=multi-user.target\n";

    fn pi_os() -> MapBase {
        let unit = |base: MapBase, name: &str| {
            let (file, wants) = ("/usr/lib/systemd/system", "/etc/systemd/system/multi-user.target.wants");
            base.file(&format!("{file}/{name}"), WANTS)
                .symlink(&format!("{wants}/{name}"), &format!("{file}/{name}"))
        };
        let units =
            ["ssh", "sshswitch", "regenerate_ssh_host_keys", "userconfig", "rpi-resize", "NetworkManager"];
        let base = units.iter().fold(MapBase::default(), |base, name| unit(base, &format!("{name}.service")));
        base.boot("/config.txt", "[all]\n")
            .boot("/cmdline.txt", "root=PARTUUID=8a676486-02 rootwait resize\n")
            .boot("/initramfs8", "zstd")
            .file("/etc/fstab", "PARTUUID=8a676486-02 / ext4 defaults,noatime 0 1\n")
            .file("/etc/initramfs-tools/initramfs.conf", "MODULES=dep\n")
            .file("/etc/initramfs-tools/update-initramfs.conf", "update_initramfs=yes\n")
            .symlink("/etc/systemd/network/99-default.link", "/dev/null")
            .file("/usr/lib/systemd/network/99-default.link", "[Link]\n")
            .file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000:,,,:/home/pi:/bin/bash\n")
            .file("/etc/shadow", "root:*:20000:0:99999:7:::\npi:!:20000:0:99999:7:::\n")
            .file("/etc/group", "sudo:x:27:pi\npi:x:1000:\n")
            .file("/etc/gshadow", "sudo:*::pi\npi:!::\n")
            .file("/etc/locale.gen", "# en_AU.UTF-8 UTF-8\n")
            .file("/usr/share/zoneinfo/Australia/Sydney", "TZif")
            .file("/etc/cloud/templates/hosts.debian.tmpl", "127.0.1.1 {{fqdn}}\n")
            .directory("/home/pi")
    }

    fn text(changes: &[Change]) -> String {
        format!("{changes:#?}")
    }

    #[test]
    fn every_path_is_changed_once_and_the_same_way_every_time() {
        let (host, base) = (host(), pi_os());
        let hash = Secret::new(b"$y$j9T$hash".to_vec());
        let mut inputs = inputs(&host, &base);
        inputs.password_hash = Some(&hash);
        let found = changes(&inputs).expect("a Raspberry Pi OS");
        let mut paths = BTreeSet::new();
        for change in &found {
            assert!(paths.insert((change.partition, change.path.as_str())), "`{}` twice", change.path);
        }
        let gone: Vec<_> = found.iter().filter(|change| matches!(change.action, Action::Remove)).collect();
        for change in &found {
            let lost = gone.iter().any(|gone| change.path != gone.path && change.path.is_within(&gone.path));
            assert!(!lost, "`{}` is put below what is removed", change.path);
        }
        assert_eq!(text(&changes(&inputs).expect("again")), text(&found));
    }

    #[test]
    fn says_what_is_no_raspberry_pi_os() {
        for missing in ["/etc/passwd", "/etc/locale.gen", "/usr/lib/systemd/system/ssh.service"] {
            let (host, base) = (host(), pi_os().without(missing));
            let error = changes(&inputs(&host, &base)).expect_err(missing).to_string();
            let name = missing.rsplit('/').next().unwrap_or_default();
            assert!(error.contains(missing) || error.contains(name), "{missing}: {error}");
        }
    }
}
