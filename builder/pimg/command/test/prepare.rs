//! From an image to a machine that can be switched on: its card, its disks, its kernel, its place in the network.

use std::path::{Path, PathBuf};

use pimg_fetch::Watch;

use super::super::Context;
use super::super::request::{TestNetwork, TestRequest};
use super::super::watch::WatchReporter;
use crate::failure::{Class, Failure};
use crate::guest::boot_facts::{BootFacts, INITRAMFS, KERNEL, boot_facts, boot_file};
use crate::host::scratch::{Scratch, blank_disk, write_card};
use crate::host::{files, machine};
use crate::image::opened::OpenedImage;
use crate::machine::MachineError;
use crate::machine::cuts::{Cut, schedule};
use crate::machine::harness;
use crate::machine::qemu::{Accelerator, Backplane, Node};
use crate::machine::steps::{self, StepLine};
use crate::machine::track::Goal;
use crate::profile::types::{Ipv4Interface, MacAddress};

/// Size of an NVMe disk in bytes. Nothing is allocated before it is written.
const DISK_SIZE: u64 = 64 << 30;

/// Longest script, kernel and initramfs that are read from the host, in bytes.
const LONGEST_FILE: u64 = 256 << 20;

/// What all parts of a test need.
pub(super) struct Bench<'a> {
    pub(super) request: &'a TestRequest,
    pub(super) context: &'a Context<'a>,
    pub(super) scratch: &'a Scratch,
    pub(super) cache: &'a Path,
}

/// A machine that can be switched on.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) machine: Node,
    pub(super) image: PathBuf,
    pub(super) address: Ipv4Interface,
    pub(super) gateway: std::net::Ipv4Addr,
    pub(super) steps: Vec<StepLine>,
    pub(super) goal: Goal,
    pub(super) cuts: Vec<Cut>,
    /// First byte of the root partition on the card.
    pub(super) root_at: u64,
    /// What is thrown away with the test, but for what is asked for.
    pub(super) work: PathBuf,
}

impl Bench<'_> {
    /// Prepares the machine of an image.
    ///
    /// # Errors
    /// The image cannot be booted, or the disks cannot be written.
    pub(super) fn prepare(&self, index: usize, image: &Path, seed: Option<u64>) -> Result<Prepared, Failure> {
        self.context.check_interrupt()?;
        let watch = WatchReporter::new(self.context.reporter);
        let opened = OpenedImage::open(image, self.cache, &watch)
            .map_err(|error| error.context(format!("cannot test `{}`", image.display())))?;
        let facts = boot_facts(&opened.image)?;
        let (address, gateway, interface) = network(&facts)?;
        let name = facts.hostname.clone();
        let work = self.scratch.work(&name)?;
        let [.., third, last] = address.address.octets();
        let [first, second, ..] = address.address.octets();
        // one and the same at every test, as a card's address is
        let mac = |octet| MacAddress([octet, 0x54, first, second, third, last]);
        let steps = steps::parse(&facts.steps);
        let command_line = facts.command_line.ok_or(MachineError::NoBootFile("/cmdline.txt"))?;
        let (kernel, initrd) = self.boot_files(&opened, &work)?;
        let hardware = &self.request.hardware;
        let machine = Node {
            card: self.card(&name, &opened, &watch)?,
            disks: self.disks(&name)?,
            script: written(&work, "script", &harness::script_disk())?,
            check: self.check_disk(&work)?,
            kernel,
            initrd,
            command_line: harness::command_line(&command_line, &interface, mac(0x52))?,
            lan_mac: mac(0x52),
            backplane: Some(facts.backplane_mac.map_or(Backplane::Usb(mac(0x40)), Backplane::Exact)),
            accelerator: match machine::has_native_processor() {
                Some("hvf") => Accelerator::Hvf,
                Some(_) => Accelerator::Kvm,
                None => Accelerator::Emulation,
            },
            memory: hardware.memory,
            name,
        };
        let names: Vec<String> = steps.iter().map(|step| step.name.clone()).collect();
        let seed = seed.map(|seed| seed.wrapping_add(index as u64));
        Ok(Prepared {
            image: image.to_owned(),
            address,
            gateway,
            goal: self.goal(&machine.name, &steps)?,
            cuts: seed.map_or_else(Vec::new, |seed| schedule(self.request.power_cuts, &names, seed)),
            root_at: opened.image.root_partition().start,
            steps,
            machine,
            work,
        })
    }

    fn goal(&self, node: &str, steps: &[StepLine]) -> Result<Goal, Failure> {
        if self.request.network == TestNetwork::Always {
            return Ok(Goal::Finished);
        }
        if steps.is_empty() {
            let message = format!("the image of `{node}` does not say which of its steps need the network");
            return Err(
                Failure::new(Class::Usage, message).hint("leave `--no-network` or `--late-network` out")
            );
        }
        Ok(Goal::offline(steps))
    }

    /// The card: a new copy of the image, or the one that was kept.
    fn card(&self, name: &str, opened: &OpenedImage, watch: &dyn Watch) -> Result<PathBuf, Failure> {
        let hardware = &self.request.hardware;
        let card = self.scratch.disks(name)?.join("card.img");
        let is_kept = hardware.keep.is_some() && card.exists();
        if is_kept && !hardware.reflash.iter().any(|node| node == name) {
            self.context.reporter.notice(&format!("{name}: goes on with the card in `{}`", card.display()));
            return Ok(card);
        }
        watch.begin(&format!("{name}: writing its card"), None);
        write_card(opened.raw(), &card, hardware.card_size)?;
        watch.finish("");
        Ok(card)
    }

    fn disks(&self, name: &str) -> Result<Vec<PathBuf>, Failure> {
        let dir = self.scratch.disks(name)?;
        let disks: Vec<_> =
            (0..self.request.hardware.disks).map(|number| dir.join(format!("data{number}.img"))).collect();
        for disk in &disks {
            blank_disk(disk, DISK_SIZE)?;
        }
        Ok(disks)
    }

    fn check_disk(&self, work: &Path) -> Result<Option<PathBuf>, Failure> {
        let Some(script) = &self.request.check else { return Ok(None) };
        let bytes = read(script)?;
        if !bytes.starts_with(b"#!") {
            let message = format!("`{}` does not begin with `#!`", script.display());
            return Err(Failure::new(Class::Usage, message)
                .hint("begin it with `#!/bin/bash`, or with `#!/usr/bin/python3`"));
        }
        written(work, "check", &harness::disk_of(&bytes)).map(Some)
    }

    fn boot_files(&self, opened: &OpenedImage, work: &Path) -> Result<(PathBuf, PathBuf), Failure> {
        let file = |given: &Option<PathBuf>, name: &str, path: &'static str| match given {
            Some(given) => written(work, name, &read(given)?),
            None => {
                let bytes = boot_file(&opened.image, path)?.ok_or(MachineError::NoBootFile(path))?;
                written(work, name, &bytes)
            }
        };
        let hardware = &self.request.hardware;
        Ok((file(&hardware.kernel, "kernel", KERNEL)?, file(&hardware.initrd, "initrd", INITRAMFS)?))
    }
}

/// What the node says about its network, all of which is needed.
fn network(facts: &BootFacts) -> Result<(Ipv4Interface, std::net::Ipv4Addr, String), MachineError> {
    let missing = |what: &str| MachineError::NoNetwork(format!("it names no {what}"));
    if facts.hostname.is_empty() {
        return Err(missing("host name"));
    }
    let address = facts.address.ok_or_else(|| missing("address"))?;
    let gateway = facts.gateway.ok_or_else(|| missing("gateway"))?;
    let interface = facts.interface.clone().ok_or_else(|| missing("interface"))?;
    Ok((address, gateway, interface))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    files::read_optional(path, LONGEST_FILE)?
        .ok_or_else(|| Failure::new(Class::Usage, format!("there is no `{}`", path.display())))
}

fn written(dir: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let path = dir.join(name);
    files::write_atomic(&path, bytes)?;
    Ok(path)
}
