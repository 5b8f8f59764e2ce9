//! A virtual machine that boots a built image without changing it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Units that cost a minute of emulation and that nothing here asks about.
const MASKED: [&str; 5] = [
    "man-db.timer",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_reap.service",
    "ldconfig.service",
];

/// Runs the probe: the only thing the guest gets beside the image, by its kernel command line.
const PROBE_UNIT: &str = "[Unit]
After=multi-user.target network-online.target
Wants=network-online.target
[Service]
ExecStart=/usr/bin/python3 /dev/disk/by-id/virtio-probe
";

/// How long the guest may take, from power on to its last word.
const DEADLINE: Duration = Duration::from_secs(1200);

/// A running guest.
pub(crate) struct Machine {
    qemu: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    started: Instant,
}

/// The files that a boot reads: all of them come from the image but the probe.
pub(crate) struct BootFiles {
    pub(crate) kernel: PathBuf,
    pub(crate) initramfs: PathBuf,
    pub(crate) cmdline: String,
    pub(crate) probe: PathBuf,
}

impl Machine {
    /// Starts the guest; `ssh_port` of the host's loopback leads to port 22 of `address`.
    pub(crate) fn start(
        image: &Path,
        files: &BootFiles,
        address: &str,
        gateway: &str,
        ssh_port: u16,
    ) -> Self {
        let network = format!(
            "user,id=n0,net={gateway}/24,host={gateway},hostfwd=tcp:127.0.0.1:{ssh_port}-{address}:22"
        );
        let mut command = Command::new("qemu-system-aarch64");
        command
            .args(["-M", "virt,gic-version=3", "-cpu", "cortex-a72", "-smp", "2", "-m", "2048"])
            .args(["-accel", "tcg,thread=multi", "-display", "none", "-monitor", "none", "-no-reboot"])
            .args(["-serial", "stdio", "-device", "virtio-rng-pci"])
            .arg("-kernel")
            .arg(&files.kernel)
            .arg("-initrd")
            .arg(&files.initramfs)
            .args(["-append", &kernel_command_line(&files.cmdline)])
            .args(["-drive", &drive("disk", image, "snapshot=on,cache=unsafe")])
            .args(["-device", "virtio-blk-pci,drive=disk"])
            .args(["-drive", &drive("probe", &files.probe, "readonly=on")])
            .args(["-device", "virtio-blk-pci,drive=probe,serial=probe"])
            .args(["-netdev", &network, "-device", "virtio-net-pci,netdev=n0"]);
        let mut qemu = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("starting QEMU");
        let serial = qemu.stdout.take().expect("the serial console is a pipe");
        let (to_test, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(serial).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if to_test.send(line).is_err() {
                    return;
                }
            }
        });
        Self { qemu, lines, seen: Vec::new(), started: Instant::now() }
    }

    /// Waits for a line that holds `wanted` and returns what follows it.
    pub(crate) fn wait_for(&mut self, wanted: &str) -> String {
        loop {
            let left = DEADLINE.saturating_sub(self.started.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let found = line.split_once(wanted).map(|(_, rest)| rest.to_owned());
                    self.seen.push(line);
                    if let Some(rest) = found {
                        return rest;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no `{wanted}` in time; {}", self.last_lines()),
                Err(RecvTimeoutError::Disconnected) => panic!("no `{wanted}`; {}", self.last_lines()),
            }
        }
    }

    /// Seconds since power on.
    pub(crate) fn uptime(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    fn last_lines(&self) -> String {
        let from = self.seen.len().saturating_sub(40);
        format!("the console's last lines:\n{}", self.seen[from..].join("\n"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // already off after a test that passed
        if let Ok(None) = self.qemu.try_wait() {
            self.qemu.kill().expect("stopping QEMU");
        }
        self.qemu.wait().expect("waiting for QEMU");
    }
}

fn drive(id: &str, file: &Path, more: &str) -> String {
    format!("if=none,id={id},file={},format=raw,{more}", file.display())
}

/// The image's own command line, with this machine's console, the probe and what would only cost time.
fn kernel_command_line(cmdline: &str) -> String {
    let unit = base64(PROBE_UNIT.as_bytes());
    let masks: Vec<_> = MASKED.iter().map(|unit| format!("systemd.mask={unit}")).collect();
    let line = format!(
        "{} console=ttyAMA0 quiet mitigations=off systemd.journald.forward_to_console=0 \
         systemd.default_device_timeout_sec=900 {} \
         systemd.set_credential_binary=systemd.extra-unit.probe.service:{unit} systemd.wants=probe.service",
        cmdline.trim(),
        masks.join(" "),
    );
    assert!(line.len() < 2048, "arm64 cuts a command line at COMMAND_LINE_SIZE = 2048 bytes");
    line
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let six = (bits >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= group.len() { char::from(DIGITS[six]) } else { '=' });
        }
    }
    text
}
