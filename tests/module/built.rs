//! A module is built, kept, built again to the same bytes, and gets into an image.

use std::fs;
use std::path::Path;

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

    judged_by_debian(&world, &deb, &kernel);
    accepted_by_apt(&world, &deb, &kernel);

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
    world.run_ok(&["fetch", "--profile", "node", "--locked"]);
    forget(&text("sha256"));
    world.run_ok(&["fetch", "--profile", "node", "--locked", "--offline"]);

    let printed =
        world.run_ok(&["build", "--profile", "node", "--format", "raw", "--locked", "--ssh-key", "test.pub"]);
    let image = printed.lines().find(|line| line.ends_with(".img")).expect("an image");
    let repository = world.project.pimg_ok(&["inspect", image, "/var/lib/pimg/repo/pool"]);
    let listed = String::from_utf8_lossy(&repository.stdout).into_owned();
    assert!(listed.contains(&format!("zfs-modules-{kernel}_")), "{listed}");
    let sbom =
        fs::read_to_string(world.project.join("out/node/sbom.spdx.json")).expect("a bill of materials");
    assert!(sbom.contains(&format!("zfs-modules-{kernel}")) && sbom.contains(&text("sha256")), "{sbom}");
}

/// Debian's own programs find nothing wrong with the package, and apt takes it beside the sources for later kernels.
fn judged_by_debian(world: &World, deb: &Path, kernel: &str) {
    let deb = deb.to_str().expect("UTF-8");
    // the version names that of the kernel's package as well, which has more dots than people give to a revision
    let accepted = ["--suppress-tags", "debian-revision-not-well-formed"];
    let said = support::run(
        "lintian",
        &[&accepted[..], &["--allow-root", "--fail-on", "error,warning", deb]].concat(),
    );
    assert!(!said.contains("E:") && !said.contains("W:"), "{said}");
    let scripts = world.project.join("scripts");
    support::run("dpkg-deb", &["-e", deb, scripts.to_str().expect("UTF-8")]);
    for name in ["postinst", "postrm"] {
        let script = scripts.join(name);
        support::run("dash", &["-n", script.to_str().expect("UTF-8")]);
        let text = fs::read_to_string(&script).expect("a script");
        assert!(text.contains(&format!("depmod {kernel}")), "{text}");
    }
}

/// apt of the base installs it as the base is, and beside `zfs-dkms` for later kernels: neither takes anything away.
fn accepted_by_apt(world: &World, deb: &Path, kernel: &str) {
    let script = r#"
        PIMG_TEST_IMAGE=$1 "$2" "$3" >&2
        for with in '' zfs-dkms; do APT_CONFIG=$3/apt.conf apt-get -q -s install "$4" $with; done"#;
    let root = world.project.join("apt");
    let maker = support::repository().join("scripts/apt-root");
    let arguments = [world.base(), &maker, &root, deb].map(|path| path.to_str().expect("UTF-8"));
    let said = support::run("bash", &[&["-euc", script, "bash"], &arguments[..]].concat());
    assert_eq!(said.matches(&format!("\nInst zfs-modules-{kernel} ")).count(), 2, "{said}");
    assert!(said.contains("\nInst zfs-dkms ") && !said.contains("\nRemv "), "{said}");
}

/// Removes what the cache has of a module, as if it had never been built here.
fn forget(sha256: &str) {
    let cache = support::shared_cache();
    fs::remove_file(cache.join("blob-v1").join(sha256)).expect("it was there");
    for entry in fs::read_dir(cache.join("module-v1")).expect("modules are kept there") {
        fs::remove_file(entry.expect("an entry").path()).expect("a file");
    }
}
