//! What keeps the first boot from corrupting the card.
//!
//! Raspberry Pi OS grows its root file system on the first boot and then runs `fstrim`, which some SD cards answer
//! with blocks that belong elsewhere (raspberrypi/linux issue 6349; mainline quirk `BROKEN_SD_DISCARD`). The file
//! system is grown when the image is built, so neither is needed. The visible victim was a file of initramfs-tools,
//! so these are written anew, to blocks of their own.

use super::error::Error;
use super::inputs::{Changes, Inputs, text};
use super::units;
use crate::plan::change::{Change, Origin};

/// Conffiles of the package `initramfs-tools-core`; `dpkg --verify` reports them only where a value changed.
const REWRITTEN: [&str; 2] =
    ["/etc/initramfs-tools/update-initramfs.conf", "/etc/initramfs-tools/initramfs.conf"];

/// The changes of this file.
///
/// # Errors
/// The base cannot be read, or a file of initramfs-tools is no text.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let mut changes = Changes::default();
    let resize = || Origin::Rule { rule: "grown when built" };
    for path in units::disable(inputs.base, "rpi-resize.service")? {
        changes.remove(path.as_str(), resize())?;
    }
    for unit in ["fstrim.service", "fstrim.timer"] {
        for path in units::disable(inputs.base, unit)? {
            changes.remove(path.as_str(), Origin::Rule { rule: "no trim of the card" })?;
        }
        let link = units::mask(unit)?;
        changes.symlink(link.path.as_str(), &link.target, Origin::Rule { rule: "no trim of the card" })?;
    }
    for path in REWRITTEN {
        // without initramfs-tools there is nothing to write anew
        let Some(bytes) = inputs.read(path)? else { continue };
        let text = text(path, bytes)?;
        changes.file(path, 0o644, initramfs_conf(&text), Origin::Rule { rule: "initramfs settings anew" })?;
    }
    Ok(changes.0)
}

/// A file of initramfs-tools with `MODULES=most` where it sets MODULES: `dep` asks for the device of `/`, and fails
/// where that is not to be found.
pub fn initramfs_conf(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let end = if line.ends_with('\n') { "\n" } else { "" };
        if line.trim_start().starts_with("MODULES=") { format!("MODULES=most{end}") } else { line.to_owned() }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::{changes, initramfs_conf};
    use crate::guest::test_support::{MapBase, host, inputs, link, put, removed};

    #[test]
    fn only_modules_changes() {
        for (before, after) in [
            (
                "# MODULES: [ most | dep ]\nMODULES=dep\nBUSYBOX=auto\n",
                "# MODULES: [ most | dep ]\nMODULES=most\nBUSYBOX=auto\n",
            ),
            ("update_initramfs=yes\n\nbackup_initramfs=no", "update_initramfs=yes\n\nbackup_initramfs=no"),
        ] {
            assert_eq!(initramfs_conf(before), after);
        }
    }

    #[test]
    fn nothing_of_the_first_boot_touches_the_card() {
        let base = MapBase::default()
            .file("/etc/initramfs-tools/initramfs.conf", "MODULES=dep\n")
            .file("/etc/initramfs-tools/update-initramfs.conf", "update_initramfs=yes\n")
            .symlink(
                "/etc/systemd/system/sysinit.target.wants/rpi-resize.service",
                "/usr/lib/systemd/system/rpi-resize.service",
            )
            .symlink(
                "/etc/systemd/system/timers.target.wants/fstrim.timer",
                "/lib/systemd/system/fstrim.timer",
            );
        let changes = changes(&inputs(&host(), &base)).expect("changes");
        assert!(removed(&changes, "/etc/systemd/system/sysinit.target.wants/rpi-resize.service"));
        assert!(removed(&changes, "/etc/systemd/system/timers.target.wants/fstrim.timer"));
        assert_eq!(link(&changes, "/etc/systemd/system/fstrim.service"), "/dev/null");
        assert_eq!(link(&changes, "/etc/systemd/system/fstrim.timer"), "/dev/null");
        assert_eq!(
            put(&changes, "/etc/initramfs-tools/initramfs.conf"),
            ("MODULES=most\n".to_owned(), 0o644)
        );
        assert_eq!(put(&changes, "/etc/initramfs-tools/update-initramfs.conf").0, "update_initramfs=yes\n");
    }
}
