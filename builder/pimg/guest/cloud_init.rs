//! cloud-init switched off, so that it undoes nothing: it would set name, hosts, locale and network at every boot.
//!
//! The file `cloud-init.disabled` is asked for by `ds-identify`, which the systemd generator follows, and by every
//! one of cloud-init's units. What Raspberry Pi Imager writes to the boot partition is read by nothing then.

use super::error::Error;
use super::hosts;
use super::inputs::{Changes, Inputs};
use crate::plan::change::{Change, Origin};

/// The changes of this file.
///
/// # Errors
/// The base cannot be read.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let mut changes = Changes::default();
    let origin = || Origin::Rule { rule: "cloud-init off" };
    if inputs.kind("/etc/cloud")?.is_none() {
        return Ok(changes.0);
    }
    changes.file("/etc/cloud/cloud-init.disabled", 0o644, "written by pimg\n", origin())?;
    changes.file("/etc/cloud/cloud.cfg.d/99_pimg.cfg", 0o644, SETTINGS, origin())?;
    for name in inputs.list("/etc/cloud/templates")? {
        // of the template for its own name, or else that of Debian's family, cloud-init takes one
        if name.starts_with("hosts.") && (name.contains("debian") || name.contains("raspberry")) {
            let template = format!("## template:basic\n{}", hosts::hosts(inputs.host));
            changes.file(&format!("/etc/cloud/templates/{name}"), 0o644, template, origin())?;
        }
    }
    Ok(changes.0)
}

const SETTINGS: &str = "\
# For whoever removes /etc/cloud/cloud-init.disabled: the node's name and network are not cloud-init's.
preserve_hostname: true
manage_etc_hosts: false
network:
  config: disabled
";

#[cfg(test)]
mod tests {
    use super::changes;
    use crate::guest::test_support::{MapBase, host, inputs, put, untouched};

    #[test]
    fn off_and_harmless_if_it_comes_back() {
        let host = host();
        let base = MapBase::default()
            .file("/etc/cloud/templates/hosts.debian.tmpl", "127.0.1.1 {{fqdn}}\n")
            .file("/etc/cloud/templates/hosts.suse.tmpl", "");
        let found = changes(&inputs(&host, &base)).expect("changes");
        assert_eq!(put(&found, "/etc/cloud/cloud-init.disabled").1, 0o644);
        let (template, _) = put(&found, "/etc/cloud/templates/hosts.debian.tmpl");
        assert!(
            template.contains("\n10.10.80.50 k8sctl-pi5l.lab.example") && !template.contains("127.0.1.1")
        );
        assert!(untouched(&found, "/etc/cloud/templates/hosts.suse.tmpl"));
        assert!(changes(&inputs(&host, &MapBase::default())).expect("changes").is_empty());
    }
}
