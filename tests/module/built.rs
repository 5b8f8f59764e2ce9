//! A module is built, kept, built again to the same bytes, and gets into an image.

use std::fs;

use crate::support;
use crate::world::{VERSION, World, shown};

#[test]
fn a_module_is_built_for_the_kernel_of_the_base_and_comes_with_the_image() {
    let Some(world) = World::new("99.0") else { return };
    let printed = world.run_ok(&["module", "build", "node", "--url", "https://example.org/modules/"]);
    let deb = world.project.join(printed.trim());
    let lock = world.lock();
    let module = &lock["module"].as_array().expect("modules")[0];
    let text = |key: &str| module[key].as_str().unwrap_or_default().to_owned();
    let kernel = text("kernel");

    // what Debian's own programs make of it
    assert_eq!(
        shown("dpkg-deb", &["-f"], &deb).lines().next(),
        Some(format!("Package: zfs-modules-{kernel}").as_str())
    );
    let unpacked = world.project.join("unpacked");
    support::run("dpkg-deb", &["-x", deb.to_str().expect("UTF-8"), unpacked.to_str().expect("UTF-8")]);
    for name in ["spl", "zfs"] {
        let file = unpacked.join(format!("usr/lib/modules/{kernel}/updates/pimg/{name}.ko"));
        let vermagic = shown("modinfo", &["-F", "vermagic"], &file);
        assert!(vermagic.starts_with(&format!("{kernel} ")), "{vermagic}");
    }

    // the lock has all that it takes to build it again, and where others find it
    assert_eq!(text("zfs"), VERSION);
    assert_eq!(text("url"), format!("https://example.org/modules/{}", text("file")));
    let packages = module["package"].as_array().expect("packages");
    let has = |name: &str| {
        packages.iter().any(|one| one["name"].as_str().is_some_and(|found| found.starts_with(name)))
    };
    assert!(
        ["zfs-dkms", "linux-headers-", "linux-kbuild-", "gcc-", "make"].iter().all(|name| has(name)),
        "{packages:?}"
    );

    // nothing changes the second time
    let before = fs::read(world.project.join("pimg.lock")).expect("a lock");
    world.run_ok(&["module", "build", "node"]);
    assert_eq!(fs::read(world.project.join("pimg.lock")).expect("a lock"), before);

    // from the packages of the lock come the locked bytes, or this fails
    forget(&text("sha256"));
    world.run_ok(&["fetch", "--profile", "node", "--locked", "--offline"]);

    let printed =
        world.run_ok(&["build", "--profile", "node", "--format", "raw", "--locked", "--ssh-key", "test.pub"]);
    let image = printed.lines().find(|line| line.ends_with(".img")).expect("an image");
    let repository = world.project.pimg_ok(&["inspect", image, "/var/lib/pimg/packages"]);
    let listed = String::from_utf8_lossy(&repository.stdout).into_owned();
    assert!(listed.contains(&format!("zfs-modules-{kernel}_")), "{listed}");
    let sbom =
        fs::read_to_string(world.project.join("out/node/sbom.spdx.json")).expect("a bill of materials");
    assert!(sbom.contains(&format!("zfs-modules-{kernel}")) && sbom.contains(&text("sha256")), "{sbom}");
}

/// Removes what the cache has of a module, as if it had never been built here.
fn forget(sha256: &str) {
    let cache = support::shared_cache();
    fs::remove_file(cache.join("blob-v1").join(sha256)).expect("it was there");
    for entry in fs::read_dir(cache.join("module-v1")).expect("modules are kept there") {
        fs::remove_file(entry.expect("an entry").path()).expect("a file");
    }
}
