//! Packages that do not go together: exit code 6, and why.

use crate::archive::{Package, Repository, Signed};
use crate::world::{KERNEL, World, archive, archive_key, have_tools};

/// A world whose archive has more packages, and whose node asks for these.
fn world(packages: impl IntoIterator<Item = Package>, asked: &str) -> World {
    let world = World::new();
    let archive = packages.into_iter().fold(archive(), Repository::with);
    archive.publish(&world.site, Signed::Inline(archive_key()));
    world.node(asked);
    world
}

#[test]
fn a_package_that_nobody_has() {
    if !have_tools() {
        return;
    }
    let world = world([], "install = [\"tol\"]");
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 6
    error: cannot resolve the packages of profile `node`
      caused by: no set of packages fits what profile `node` asks for
      no repository has `tol`

    hint: check the spelling of `tol` and which repositories are read
    ");
}

#[test]
fn a_dependency_that_nobody_has() {
    if !have_tools() {
        return;
    }
    let broken = Package::new("broken", "1.0-1").with("Depends", "libtool1 (>= 2.0)");
    let world = world([broken], "install = [\"broken\"]");
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 6
    error: cannot resolve the packages of profile `node`
      caused by: no set of packages fits what profile `node` asks for

      `broken 1.0-1` is asked for
        it needs `libtool1 (>= 2.0)`, which cannot be had
          of `libtool1`, 1.2-1 is the candidate
    ");
}

#[test]
fn two_packages_that_exclude_each_other() {
    if !have_tools() {
        return;
    }
    let rival = Package::new("rival", "1.0-1").with("Conflicts", "libtool1");
    let world = world([rival], "install = [\"tool\", \"rival\"]");
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 6
    error: cannot resolve the packages of profile `node`
      caused by: no set of packages fits what profile `node` asks for

      `rival 1.0-1` is asked for
        it conflicts with `libtool1 1.2-1`
      `tool 1.0-1` is asked for
        it needs `libtool1 (>= 1.0)`
          `libtool1 1.2-1`

    hint: leave out `rival` or `libtool1`
    ");
}

#[test]
fn a_package_that_would_take_an_essential_one_away() {
    if !have_tools() {
        return;
    }
    let rival = Package::new("rival", "1.0-1").with("Conflicts", "libbase1");
    let world = world([rival], "install = [\"rival\"]");
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 6
    error: cannot resolve the packages of profile `node`
      caused by: no set of packages fits what profile `node` asks for

      `rival 1.0-1` is asked for
        it conflicts with `libbase1 1.0-1`
      `libbase1 1.0-1` has to stay

    hint: leave out `rival` or `libbase1`
    ");
}

#[test]
fn a_held_package_stays() {
    if !have_tools() {
        return;
    }
    let newer = Package::new("newer", "1.0-1").with("Depends", "hello (>= 1.1)");
    let world = world([newer], "install = [\"newer\"]\nhold = [\"hello\"]");
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 6
    error: cannot resolve the packages of profile `node`
      caused by: no set of packages fits what profile `node` asks for

      `newer 1.0-1` is asked for
        it needs `hello (>= 1.1)`, which cannot be had
          of `hello`, 1.0-1 is held
    ");
}

/// `proxmox-ve` with what is essential about it here, and Proxmox's kernel.
fn proxmox(depends: &str) -> [Package; 4] {
    [
        Package::of("proxmox-ve", "9.0.0", "all").with("Depends", depends),
        Package::of("proxmox-kernel-helper", "9.0.4", "all"),
        Package::of("proxmox-default-kernel", "2.0.0", "all").with("Depends", "proxmox-kernel-6.14.11-4-pve"),
        Package::new("proxmox-kernel-6.14.11-4-pve", "6.14.11-4").with("Provides", "linux-image"),
    ]
}

#[test]
fn a_kernel_of_proxmox_that_would_come_in() {
    if !have_tools() {
        return;
    }
    let packages = proxmox("proxmox-default-kernel, proxmox-kernel-helper");
    let world = world(packages, "install = [\"proxmox-ve\"]");
    insta::assert_snapshot!(world.lock_refused(&[]), @r#"
    exit code 6
    error: cannot resolve the packages of profile `node`
      caused by: `proxmox-default-kernel` would bring another kernel (needed by proxmox-ve)

    hint: forbid it with an `[[apt.pin]]` of `packages = "proxmox-default-kernel"` and `priority = -1`, or ask for it in `packages.install`
    "#);
}

#[test]
fn what_only_helps_with_kernels_is_none() {
    if !have_tools() {
        return;
    }
    let world = world(proxmox("proxmox-kernel-helper"), "install = [\"proxmox-ve\"]");
    world.lock(&[]).ok();
    assert_eq!(world.locked_packages(), ["proxmox-kernel-helper 9.0.4", "proxmox-ve 9.0.0"]);
}

/// ZFS of this version, for kernels up to that one.
fn zfs(version: &str, maximum: &str) -> Package {
    let meta =
        format!("Meta: 1\nName: zfs\nVersion: {version}\nLinux-Maximum: {maximum}\nLinux-Minimum: 4.18\n");
    let path = format!("usr/src/zfs-{version}/META");
    Package::of("zfs-dkms", &format!("{version}-2"), "all").with("Source", "zfs-linux").file(&path, &meta)
}

fn headers() -> Package {
    Package::new(&format!("linux-headers-{KERNEL}"), "1:6.18.34-1+rpt1")
}

#[test]
fn a_module_that_does_not_build_on_the_kernel() {
    if !have_tools() {
        return;
    }
    let world = world([zfs("2.3.2", "6.14"), headers()], "install = [\"zfs-dkms\"]");
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 6
    error: zfs-dkms 2.3.2-2 builds on kernels up to 6.14, and the image starts 6.18.34+rpt-rpi-v8

    hint: take zfs-dkms from the backports (`overlays/zfs` pins `src:zfs-linux`), run `pimg lock --update packages`, or use a base with an older kernel
    ");
}

#[test]
fn a_module_that_builds_on_the_kernel_brings_its_headers() {
    if !have_tools() {
        return;
    }
    let world = world([zfs("2.4.4", "7.2"), headers()], "install = [\"zfs-dkms\"]");
    world.lock(&[]).ok();
    let wanted = [format!("linux-headers-{KERNEL} 1:6.18.34-1+rpt1"), "zfs-dkms 2.4.4-2".to_owned()];
    assert_eq!(world.locked_packages(), wanted);
}

#[test]
fn a_module_without_headers_for_the_kernel() {
    if !have_tools() {
        return;
    }
    let world = world([zfs("2.4.4", "7.2")], "install = [\"zfs-dkms\"]");
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 6
    error: cannot resolve the packages of profile `node`
      caused by: a kernel module that the node builds needs `linux-headers-6.18.34+rpt-rpi-v8`, which cannot be installed: no repository has `linux-headers-6.18.34+rpt-rpi-v8`

    hint: use a base image whose kernel its archive still has: a newer one, as a rule
    ");
}

#[test]
fn what_does_not_fit_on_the_card() {
    if !have_tools() {
        return;
    }
    let huge = Package::new("huge", "1.0-1").installed_size(40 << 20);
    let world = world([huge], "install = [\"huge\"]");
    world.write(
        "profiles/node.toml",
        world.read("profiles/node.toml").replace("free = \"16MiB\"", "size = \"256MiB\""),
    );
    world.lock(&[]).ok();
    let told = world.build_refused(&["--locked"]);
    assert!(told.starts_with("exit code 3\n") && told.contains("set `image.size` to `"), "{told}");
}
