//! Other file trees than that of Raspberry Pi OS.

use crate::tiny_base::TinyBase;
use crate::{expect_image, expect_refusal, have_tools, project};

#[test]
fn sensible_trees_build() {
    if !have_tools() {
        return;
    }
    let other_user = |base: TinyBase| {
        base.with("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/sh\n")
            .with("etc/shadow", "root:*:20000:0:99999:7:::\nada:!:20000:0:99999:7:::\n")
            .with("etc/group", "root:x:0:\nsudo:x:27:\nada:x:1000:\n")
            .with("etc/gshadow", "root:*::\nsudo:*::\nada:!::\n")
    };
    let nobody_yet = |base: TinyBase| {
        base.with("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
            .with("etc/shadow", "root:*:20000:0:99999:7:::\n")
            .with("etc/group", "root:x:0:\n")
            .with("etc/gshadow", "root:*::\n")
            .without("home")
            .without("etc/skel")
    };
    let gone = "0123456789abcdef0123456789abcdef  usr/share/doc/hello/README\n";
    let new = TinyBase::new;
    let bases = [
        ("as pi-gen makes it", new()),
        ("no cloud-init", new().without("etc/cloud")),
        ("no NetworkManager", new().without("usr/lib/systemd/system/NetworkManager.service")),
        ("no group passwords", new().without("etc/gshadow")),
        ("no initramfs-tools", new().without("etc/initramfs-tools")),
        ("another first user", other_user(new())),
        ("no first user", nobody_yet(new())),
        ("no initramfs", new().without_boot("initramfs8").without_boot("initramfs_2712")),
        ("no kernel", new().without_boot("kernel8.img")),
        ("/lib is a directory", new().without("lib").with("lib/firmware/x", "x")),
        ("no dpkg", new().without("var/lib/dpkg")),
        ("no packaged file", new().with("var/lib/dpkg/info/hello.md5sums", gone)),
        ("a socket for ssh", {
            let unit = "[Socket]\nListenStream=22\n[Install]\nWantedBy=sockets.target\n";
            let wants = "etc/systemd/system/sockets.target.wants/ssh.socket";
            new()
                .with("usr/lib/systemd/system/ssh.socket", unit)
                .with_link(wants, "/usr/lib/systemd/system/ssh.socket")
        }),
        ("nothing enabled", new().without("etc/systemd").without("usr/lib/systemd/system/getty@.service")),
        ("no apt", new().without("etc/apt")),
        ("no keyboard, no hosts", new().without("etc/default").without("etc/hosts").without("etc/hostname")),
        ("root by a label", {
            let mut base = new().with("etc/fstab", "LABEL=rootfs / ext4 defaults 0 1\n");
            base.boot.insert("cmdline.txt".to_owned(), b"root=LABEL=rootfs rootwait".to_vec());
            base
        }),
    ];
    for (what, base) in bases {
        let project = project();
        let image = base.make(project.path(), "base.img");
        expect_image(&project, &image, what);
    }
}

#[test]
fn what_cannot_become_a_node_is_refused_by_name() {
    if !have_tools() {
        return;
    }
    let new = TinyBase::new;
    let bases = [
        ("`/etc/passwd`", new().without("etc/passwd")),
        ("`/etc/shadow`", new().without("etc/shadow")),
        ("`/etc/group`", new().without("etc/group")),
        ("`/etc/fstab`", new().without("etc/fstab")),
        ("`/config.txt`", new().without_boot("config.txt")),
        ("`/cmdline.txt`", new().without_boot("cmdline.txt")),
        ("`/usr/lib/systemd/system/ssh.service`", new().without("usr/lib/systemd/system/ssh.service")),
        ("`/usr/share/zoneinfo`", new().without("usr/share/zoneinfo")),
        ("`/etc/locale.gen`", new().without("etc/locale.gen")),
        ("`/etc/passwd` of the base image is malformed in line 1", new().with("etc/passwd", "root\n")),
        ("`/var/lib/dpkg/status` of the base image is damaged", new().with("var/lib/dpkg/status", "hello\n")),
        ("`/usr/bin/hello` of package `hello`", new().with("usr/bin/hello", "garbage")),
        ("`/cmdline.txt`", {
            let mut base = new();
            base.boot.insert("cmdline.txt".to_owned(), b"root=PARTUUID=00000000-02".to_vec());
            base
        }),
        ("`/etc/fstab`", new().without("etc").with("etc", "a file")),
    ];
    for (words, base) in bases {
        let project = project();
        let image = base.make(project.path(), "base.img");
        expect_refusal(&project, &image, words);
    }
}

#[test]
fn all_hosts_of_the_cluster_build_on_a_base_of_another_kind() {
    if !have_tools() {
        return;
    }
    let project = project();
    let base = TinyBase {
        boot_mib: 140,
        fat: vec!["-s", "4", "-n", "FIRMWARE"],
        ..TinyBase::new().ext4(&["-b", "1024"])
    };
    base.make(project.path(), "base.img");
    let output = project.pimg_ok(&[
        "build",
        "--all",
        "--base",
        "base.img",
        "--format",
        "raw",
        "--ssh-key",
        "test.pub",
    ]);
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let images: Vec<_> = printed.lines().collect();
    assert_eq!(images.len(), 5, "{printed}");
    images.iter().for_each(|image| crate::judges::expect_no_complaint(&project.join(image)));
}
