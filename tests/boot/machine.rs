//! A virtual machine that boots a built image without changing it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pimg::machine::harness::MASKED;

/// Where the guest's network card leads; without one it has none.
pub(crate) struct Network<'a> {
    pub(crate) address: &'a str,
    pub(crate) gateway: &'a str,
    /// Port of the host's loopback that leads to port 22 of the guest.
    pub(crate) ssh_port: u16,
}

/// What becomes of the guest's writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    /// They are gone with the machine.
    Forgotten,
    /// They go to the image, as on a card: a machine that is dropped is one whose plug was pulled.
    Kept,
}

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
    /// Starts the guest.
    pub(crate) fn start(
        image: &Path,
        writes: Writes,
        files: &BootFiles,
        network: Option<Network<'_>>,
    ) -> Self {
        let disk = match writes {
            Writes::Forgotten => "snapshot=on,cache=unsafe",
            // what the guest wrote is in the host's page cache at once, whatever happens to QEMU
            Writes::Kept => "cache=unsafe",
        };
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
            .args(["-drive", &drive("disk", image, disk)])
            .args(["-device", "virtio-blk-pci,drive=disk"])
            .args(["-drive", &drive("probe", &files.probe, "readonly=on")])
            .args(["-device", "virtio-blk-pci,drive=probe,serial=probe"]);
        match network {
            Some(Network { address, gateway, ssh_port }) => {
                let forward = format!("hostfwd=tcp:127.0.0.1:{ssh_port}-{address}:22");
                let network = format!("user,id=n0,net={gateway}/24,host={gateway},{forward}");
                command.args(["-netdev", &network, "-device", "virtio-net-pci,netdev=n0"])
            }
            None => command.args(["-nic", "none"]),
        };
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

    /// Waits until the guest has switched itself off.
    pub(crate) fn wait_until_off(mut self) {
        self.wait_for("Power down");
        self.qemu.wait().expect("waiting for QEMU");
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
    let unit = STANDARD.encode(PROBE_UNIT);
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
