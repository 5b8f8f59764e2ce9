//! Fuzz targets: errors are fine; a panic, a hang or an absurd allocation is a finding.
//!
//! `PIMG_FUZZ_TARGET` names the target, so that one program is linked for all of them. With
//! `PIMG_FUZZ_SEEDS=DIR` it writes what each target starts from, made of real content, and ends. `scripts/fuzz` does both.
#![no_main]
#![expect(clippy::disallowed_methods, reason = "the rules of the program are not those of its judges")]

mod deb;
mod disk;
mod fetch;
mod files;
mod guest;
mod layers;
mod patched;
mod project;
mod seeds;

use std::alloc::System;
use std::path::Path;
use std::sync::OnceLock;

use cap::Cap;

/// What all live allocations may add up to: ten times what the largest input explains.
const MEMORY: usize = 1 << 30;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, MEMORY);

type Target = fn(&[u8]);

/// Every parser of bytes that somebody else wrote. `scripts/fuzz` takes the names from here.
const TARGETS: [(&str, Target); 49] = [
    // a disk, as it comes from a publisher
    ("partition-table", disk::partition_table),
    ("partition-table-raw", disk::partition_table_raw),
    ("fat", disk::fat),
    ("ext4", disk::ext4),
    ("ext4-structures", disk::ext4_structures),
    ("layer", disk::layer),
    // Debian's files
    ("deb822", deb::deb822),
    ("dpkg-status", deb::status),
    ("version", deb::version),
    ("relation", deb::relation),
    ("packages-index", deb::index),
    ("solve", deb::solve),
    ("release", deb::release),
    ("sources", deb::sources),
    ("preferences", deb::preferences),
    ("md5sums", deb::md5sums),
    ("diversions", deb::diversions),
    ("deb-package", deb::package),
    ("date", deb::date),
    // what is downloaded, and who signed it
    ("base-image", fetch::base_image),
    ("keyring", fetch::keyring),
    ("clearsigned", fetch::clearsigned),
    ("source", fetch::source),
    ("partial-note", fetch::partial_note),
    // layers that somebody else baked, and where they are
    ("baked-archive", layers::baked_archive),
    ("layer-archive", layers::layer_archive),
    ("layer-papers", layers::papers),
    ("layer-place", layers::place),
    ("registry-accounts", layers::accounts),
    // what an operator writes
    ("profile", project::profile),
    ("overlay", project::overlay),
    ("template", project::template),
    ("lock", project::lock),
    ("user-config", project::user_config),
    ("secrets", project::secrets),
    ("download-archive", project::download_archive),
    // files of the operator's machine
    ("ssh-key", files::ssh_key),
    ("age-identity", files::age_identity),
    ("secret-seed", files::secret_seed),
    ("carried-xz", files::carried_xz),
    ("frame-pack", files::frame_pack),
    // files of the guest, and what a node says
    ("accounts", guest::accounts),
    ("boot-config", guest::boot_config),
    ("unit", guest::unit),
    ("locale", guest::locale),
    ("initramfs", guest::initramfs),
    ("kernel-module", guest::kernel_module),
    ("node-status", guest::node_status),
    ("console", guest::console),
];

static TARGET: OnceLock<Target> = OnceLock::new();

/// Finds the target, or writes what targets start from.
fn begin() {
    if let Some(directory) = std::env::var_os("PIMG_FUZZ_SEEDS") {
        seeds::write(Path::new(&directory));
        TARGETS.iter().for_each(|(name, _)| println!("{name}"));
        std::process::exit(0);
    }
    let name = std::env::var("PIMG_FUZZ_TARGET").unwrap_or_default();
    let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) else {
        eprintln!("`PIMG_FUZZ_TARGET={name}` names no target");
        std::process::exit(2);
    };
    let _ = TARGET.set(*target);
}

libfuzzer_sys::fuzz_target!(init: begin(), |data: &[u8]| {
    if let Some(target) = TARGET.get() {
        target(data);
    }
});
