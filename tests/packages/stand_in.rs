//! `scripts/stand-in`: what it says to pimg is enough for pimg, and signed as it says.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::archive::{Package, Signed};
use crate::support;
use crate::world::{World, archive, archive_key, have_tools};

/// The stand-in, made once.
fn stand_in() -> Option<&'static Path> {
    static MADE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    if !have_tools() || !support::have("apt-ftparchive") || !support::have("xz") {
        return None;
    }
    let (_, made) = MADE.get_or_init(|| {
        // its path gets into addresses
        let dir = tempfile::Builder::new().prefix("stand-in").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let dir = dir.expect("a temporary directory");
        let made = dir.path().join("made");
        make(&made);
        (dir, made)
    });
    Some(made)
}

fn make(directory: &Path) -> String {
    let script = support::repository().join("scripts/stand-in");
    support::run(script.to_str().expect("UTF-8"), &[directory.to_str().expect("UTF-8")])
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn its_signatures_are_those_of_the_keys_that_it_names() {
    let Some(made) = stand_in() else { return };
    for name in ["pxvirt", "pve", "tailscale", "raspi", "light"] {
        let (root, release) = (made.join(name), made.join(name).join("dists/trixie"));
        let mut gpgv = Command::new("gpgv");
        gpgv.args(["--status-fd", "1", "--keyring"]).arg(root.join("key.gpg"));
        let output = gpgv.arg(release.join("InRelease")).output().expect("running gpgv");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let wanted = format!("VALIDSIG {}", read(&root.join("fingerprint")).trim());
        assert!(output.status.success() && told.contains(&wanted), "{name}: {told}");
    }
}

#[test]
fn it_keeps_what_it_made() {
    let Some(made) = stand_in() else { return };
    let fingerprint = read(&made.join("pxvirt/fingerprint"));
    make(made);
    assert_eq!(read(&made.join("pxvirt/fingerprint")), fingerprint);
}

#[test]
fn no_package_of_proxmox_is_forgotten() {
    let Some(made) = stand_in() else { return };
    for (name, component) in [("pxvirt", "main"), ("pve", "pve-no-subscription")] {
        let index = read(&made.join(name).join(format!("dists/trixie/{component}/binary-arm64/Packages")));
        let has = |package: &str| index.lines().any(|line| line == format!("Package: {package}"));
        let fields = index.lines().filter(|line| line.starts_with(' ') || line.starts_with("Depends: "));
        let needed =
            fields.flat_map(|line| line.trim_start_matches("Depends: ").split(", ").collect::<Vec<_>>());
        for group in needed {
            let names: Vec<_> = group.split('|').filter_map(|name| name.split_whitespace().next()).collect();
            // Debian has none of these
            let is_ours = |name: &&str| {
                ["pve", "libpve", "proxmox", "libproxmox"]
                    .iter()
                    .any(|part| name.strip_prefix(part).is_some_and(|rest| rest.starts_with('-')))
            };
            let ours: Vec<_> = names.iter().filter(|name| is_ours(name)).collect();
            let is_there =
                ours.len() < names.len() || ours.iter().any(|name| has(name.trim_end_matches(',')));
            assert!(is_there, "{name} lacks {group}");
        }
    }
}

#[test]
fn the_light_repository_has_the_same_programs() {
    let Some(made) = stand_in() else { return };
    let versions = |repository: &str| {
        let index = read(&made.join(repository).join("dists/trixie/main/binary-arm64/Packages"));
        let paragraphs = index.split("\n\n").filter_map(|paragraph| {
            let field =
                |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            Some((field("Package: ")?, field("Version: ")?))
        });
        paragraphs.collect::<std::collections::BTreeMap<_, _>>()
    };
    let (whole, light) = (versions("pxvirt"), versions("light"));
    assert!(light.len() < 12 && light.contains_key("proxmox-ve"), "{light:?}");
    for (name, version) in light {
        assert_eq!(whole.get(&name), Some(&version), "{name}");
    }
    let told = read(&made.join("arguments-light"));
    assert!(
        told.lines().any(|line| line == format!("pve=file://{}", made.join("light").display())),
        "{told}"
    );
}

#[test]
fn pimg_takes_what_it_says() {
    let Some(made) = stand_in() else { return };
    let world = World::new();
    let debian =
        archive().with(Package::new("iptables", "1.8.11-2")).with(Package::new("iproute2", "6.15.0-1"));
    debian.publish(&world.site, Signed::Inline(archive_key()));
    // those beside it have the steps that its own is after
    for overlay in ["tailscale", "raspios", "network"] {
        let name = format!("overlays/{overlay}");
        support::copy_tree(&support::repository().join(&name), &world.join(&name));
    }
    let profile = world.read("profiles/node.toml");
    world.write("profiles/node.toml", format!("overlays = [\"tailscale\"]\n{profile}"));
    let told = read(&made.join("arguments"));
    let arguments: Vec<_> = told.lines().collect();
    let of_tailscale = arguments.chunks(2).filter(|pair| pair[1].starts_with("tailscale="));
    let options: Vec<_> = of_tailscale.flatten().copied().collect();
    world.lock(&options).ok();
    let locked = world.locked_packages();
    assert!(locked.iter().any(|package| package.starts_with("tailscale ")), "{locked:?}");
    world.build(&[&["--locked"], &options[..]].concat()).ok();
}
