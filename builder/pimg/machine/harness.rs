//! What a machine gets beside the image: a unit on the kernel command line that runs a script from a disk of its own.
//!
//! The image is not changed. systemd takes units from credentials (`systemd.extra-unit.*`, systemd.system-credentials(7)),
//! and credentials from the kernel command line (`systemd.set_credential_binary=`, systemd(1)).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::MachineError;
use crate::profile::types::MacAddress;

/// The script that answers questions inside the machine.
const SCRIPT: &str = include_str!("harness.sh");

/// Serial number of the disk that holds the script.
pub const SCRIPT_SERIAL: &str = "pimg-test";

/// Serial number of the disk that holds the operator's own script.
pub const CHECK_SERIAL: &str = "pimg-check";

/// Name of the virtio-serial port over which the script is asked.
pub const PORT: &str = "pimg.test";

/// `COMMAND_LINE_SIZE` of arm64 (`arch/arm64/include/uapi/asm/setup.h`) less the closing zero, in bytes.
const LONGEST_COMMAND_LINE: usize = 2047;

const UNIT: &str = "[Service]\nType=exec\nExecStart=/bin/bash /dev/disk/by-id/virtio-pimg-test\n\
                    Restart=always\nRestartSec=2\nOOMScoreAdjust=-900\n";

/// Units that cost a minute of emulation and that no step asks about.
pub const MASKED: [&str; 5] = [
    "man-db.timer",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_reap.service",
    "ldconfig.service",
];

/// The script as the content of a disk: whole sectors of 512 bytes.
pub fn disk_of(script: &[u8]) -> Vec<u8> {
    let mut disk = script.to_vec();
    disk.resize(disk.len().next_multiple_of(512), b'\n');
    disk
}

/// The disk with the script that answers questions.
pub fn script_disk() -> Vec<u8> {
    disk_of(SCRIPT.as_bytes())
}

/// The image's own command line, with the machine's console, the script's unit and what would only cost time. The card
/// with `mac` gets the name of the Pi's onboard port.
///
/// # Errors
/// It is too long for the kernel.
pub fn command_line(of_image: &str, interface: &str, mac: MacAddress) -> Result<String, MachineError> {
    let masks: Vec<_> = MASKED.iter().map(|unit| format!("systemd.mask={unit}")).collect();
    // a bridge on top of the card has the same address, but no permanent one
    let link = format!("[Match]\nPermanentMACAddress={mac}\n[Link]\nName={interface}\n");
    // QEMU's USB card fits two drivers; where cdc_subset is looking at it, cdc_ether finds it busy and gives it up for good
    //
    // of several consoles the last one is /dev/console (Documentation/admin-guide/serial-console.rst);
    // systemd-network-generator(8) lays the .link file down before udev starts
    let line = format!(
        "{} console=ttyAMA0 quiet mitigations=off systemd.journald.forward_to_console=0 \
         systemd.default_device_timeout_sec=900 modprobe.blacklist=cdc_subset {} \
         systemd.set_credential_binary=network.link.05-pimg-test:{} \
         systemd.set_credential_binary=systemd.extra-unit.pimg-test.service:{} \
         systemd.wants=systemd-network-generator.service systemd.wants=pimg-test.service",
        of_image.trim(),
        masks.join(" "),
        STANDARD.encode(link.as_bytes()),
        STANDARD.encode(UNIT.as_bytes()),
    );
    if line.len() > LONGEST_COMMAND_LINE {
        return Err(MachineError::CommandLine { got: line.len(), limit: LONGEST_COMMAND_LINE });
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::{command_line, disk_of, script_disk};
    use crate::machine::MachineError;
    use crate::profile::types::MacAddress;

    const MAC: MacAddress = MacAddress([0x52, 0x54, 10, 10, 80, 50]);

    #[test]
    fn the_machine_keeps_the_images_own_words_and_its_console_is_last() {
        let line = command_line("console=tty1 root=PARTUUID=1-02 rootwait\n", "end0", MAC).expect("fits");
        assert!(line.starts_with("console=tty1 root=PARTUUID=1-02 rootwait console=ttyAMA0 "), "{line}");
        let link = "[Match]\nPermanentMACAddress=52:54:0a:0a:50:32\n[Link]\nName=end0\n";
        let link = STANDARD.encode(link.as_bytes());
        assert!(line.contains(&format!("network.link.05-pimg-test:{link} ")), "{line}");
        assert!(line.ends_with(" systemd.wants=pimg-test.service"), "{line}");
    }

    #[test]
    fn what_the_kernel_would_cut_is_refused() {
        let error = command_line(&"x".repeat(1500), "end0", MAC).expect_err("too long");
        assert!(matches!(error, MachineError::CommandLine { limit: 2047, .. }), "{error}");
    }

    #[test]
    fn scripts_are_whole_sectors() {
        assert_eq!(disk_of(b"#!/bin/sh\n").len(), 512);
        assert_eq!(script_disk().len() % 512, 0);
        assert!(script_disk().starts_with(b"#!/bin/bash\n"));
    }
}
