//! Our packages of modules and our reader of modules, judged by Debian's programs and by real modules.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pimg::module::{KernelModule, accept_package};
use pimg_deb::package::NewPackage;

use crate::support;
use crate::world::shown;

/// The real modules of ZFS, which `scripts/zfs-module` keeps, and their kernel.
fn real() -> Option<(String, PathBuf)> {
    let tree = support::made_for_tests("ZFS", "scripts/zfs-module")?;
    let kernel = fs::read_dir(tree.join("lib/modules")).ok()?.next()?.ok()?.file_name();
    let kernel = kernel.to_string_lossy().into_owned();
    let directory = tree.join("lib/modules").join(&kernel).join("updates");
    Some((kernel, directory))
}

/// A package with these modules for this kernel.
fn package(kernel: &str, directory: &Path) -> Vec<u8> {
    let files = ["spl", "zfs"].map(|name| {
        let bytes = fs::read(directory.join(format!("{name}.ko"))).expect("a module");
        (format!("usr/lib/modules/{kernel}/updates/pimg/{name}.ko"), bytes)
    });
    let control = format!(
        "Package: zfs-modules-{kernel}\nVersion: 1\nArchitecture: arm64\nMaintainer: test <test@example.invalid>\n\
         Description: modules\n for tests\n"
    );
    let scripts = BTreeMap::from([("postinst", "#!/bin/sh\nset -e\n".to_owned())]);
    NewPackage { control, scripts, files: files.into(), mtime: 1_764_806_400 }.to_bytes().expect("a package")
}

#[test]
fn a_real_module_is_read_as_modinfo_reads_it() {
    let Some((kernel, directory)) = real() else { return };
    if !support::have("modinfo") {
        return;
    }
    for name in ["spl", "zfs"] {
        let file = directory.join(format!("{name}.ko"));
        let module = KernelModule::parse(&fs::read(&file).expect("a module")).expect("a module");
        assert_eq!(module.vermagic, shown("modinfo", &["-F", "vermagic"], &file).trim());
        assert_eq!(module.version.as_deref(), Some(shown("modinfo", &["-F", "version"], &file).trim()));
        assert!(module.kernel() == kernel && module.has_versions());
        assert!(
            module.symbols.contains_key("module_layout") && module.symbols.len() > 50,
            "{:?}",
            module.symbols
        );
    }
}

#[test]
fn a_package_for_another_kernel_is_refused() {
    let Some((kernel, directory)) = real() else { return };
    let bytes = package(&kernel, &directory);
    accept_package("zfs.deb", &bytes, &kernel, None).expect("it is for this kernel");
    let own = KernelModule::parse(&fs::read(directory.join("spl.ko")).expect("a module")).expect("a module");
    accept_package("zfs.deb", &bytes, &kernel, Some(&own)).expect("it is for this kernel");
    let mut rebuilt = own.clone();
    rebuilt.symbols.insert("module_layout".to_owned(), 1);
    let error = accept_package("zfs.deb", &bytes, &kernel, Some(&rebuilt)).expect_err("built anew");
    assert!(error.to_string().contains("the symbol `module_layout`"), "{error}");
    let preemptive = KernelModule { vermagic: own.vermagic.replace("SMP", "SMP preempt"), ..own };
    let error = accept_package("zfs.deb", &bytes, &kernel, Some(&preemptive)).expect_err("another vermagic");
    assert!(error.to_string().contains("is for another kernel"), "{error}");
    let error = accept_package("zfs.deb", &bytes, "6.1.0-other", None).expect_err("another name");
    assert!(error.to_string().contains("has no `usr/lib/modules/6.1.0-other/"), "{error}");
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    accept_package("zfs.deb", &damaged, &kernel, None).expect_err("its own checksum tells");
}

#[test]
fn dpkg_takes_our_package() {
    let Some((kernel, directory)) = real() else { return };
    if !["dpkg-deb", "dpkg", "ar"].iter().all(|tool| support::have(tool)) {
        return;
    }
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let deb = work.path().join("x.deb");
    fs::write(&deb, package(&kernel, &directory)).expect("a file");
    assert_eq!(shown("ar", &["t"], &deb), "debian-binary\ncontrol.tar.xz\ndata.tar.xz\n");
    let listed = shown("dpkg-deb", &["-c"], &deb);
    assert!(listed.lines().all(|line| line.contains("root/root")), "{listed}");
    assert!(listed.contains(&format!("./usr/lib/modules/{kernel}/updates/pimg/zfs.ko")), "{listed}");
    let tree = work.path().join("tree");
    support::run("dpkg-deb", &["-R", deb.to_str().expect("UTF-8"), tree.to_str().expect("UTF-8")]);
    support::run(
        "bash",
        &["-c", "cd \"$1\" && md5sum --quiet -c DEBIAN/md5sums", "md5sum", tree.to_str().expect("UTF-8")],
    );
}
