//! File systems that were used before they became a base: what `e2fsck` and `fsck.fat` accept, a build accepts.

use crate::tiny_base::TinyBase;
use crate::{expect_image, expect_refusal, have_tools, project, support};

/// Files, links, devices and attributes made and half of them removed by the kernel.
const LIFE: &str = "
mnt=$(mktemp -d) && mount -o loop \"$root\" \"$mnt\" && trap 'cd /; umount \"$mnt\"; rmdir \"$mnt\"' EXIT
mkdir -p \"$mnt/srv/many\" && cd \"$mnt/srv\"
for i in $(seq 900); do echo \"$i\" >\"many/a-rather-long-name-of-a-file-number-$i\"; done
for i in $(seq 1 2 900); do rm \"many/a-rather-long-name-of-a-file-number-$i\"; done
for i in $(seq 60); do mkdir -p \"deep$i/er\"; done; rmdir deep1/er deep1
head -c 3000000 /dev/urandom >big; truncate -s 1G sparse; echo end >>sparse
for i in $(seq 0 8 600); do printf x | dd of=holes bs=1 seek=$((i * 4096)) conv=notrunc status=none; done
fallocate -l 1M ahead; touch behind; fallocate -n -l 1M behind; ln big hard; rm big; ln -s /srv/hard soft
ln -s \"$(printf 'x%.0s' $(seq 300))\" long; mkfifo pipe; mknod null c 1 3; mknod disk b 259 300000
chown 70000:80000 hard; chmod 6755 hard; cp -a many copy; rm -r many
if command -v setfattr >/dev/null; then setfattr -n user.a -v 1 hard; setfattr -n user.b -v \"$(printf 'y%.0s' $(seq 900))\" hard; fi
exec 9>open; rm open; exec 9>&-; cd /; sync
";

fn is_root() -> bool {
    let is_root = support::run("id", &["-u"]).trim() == "0";
    if !is_root {
        support::skip("mounting needs root");
    }
    is_root
}

#[test]
fn what_the_kernel_has_written_builds() {
    if !have_tools() || !is_root() {
        return;
    }
    let pios = TinyBase::new();
    let kinds = [
        ("as pi-gen makes it", pios.clone()),
        ("mke2fs' own choice", pios.clone().ext4(&[])),
        ("no checksums", pios.clone().ext4(&["-O", "^metadata_csum,^64bit"])),
        ("blocks of 1 KiB", pios.clone().ext4(&["-b", "1024"])),
        ("inodes of 128 bytes", pios.clone().ext4(&["-I", "128", "-O", "^dir_index"])),
        ("no journal", pios.ext4(&["-O", "^has_journal"])),
    ];
    for (what, base) in kinds {
        let project = project();
        let image = TinyBase { script: LIFE, ..base }.make(project.path(), "base.img");
        expect_image(&project, &image, what);
    }
}

#[test]
fn what_other_tools_have_changed_builds() {
    if !have_tools() || !["tune2fs", "resize2fs", "mlabel"].iter().all(|tool| support::have(tool)) {
        return;
    }
    let scripts = [
        ("another UUID and label", "tune2fs -f -U random -L other \"$root\""),
        (
            "another UUID and checksums",
            "e2fsck -fy \"$root\" >/dev/null; tune2fs -O metadata_csum -U random \"$root\" </dev/null",
        ),
        ("no journal any more", "tune2fs -O ^has_journal \"$root\""),
        ("no checksums any more", "tune2fs -O ^metadata_csum \"$root\"; tune2fs -O ^uninit_bg \"$root\""),
        ("smaller than its partition", "e2fsck -fy \"$root\"; resize2fs \"$root\" 20M"),
        ("as small as can be", "e2fsck -fy \"$root\"; resize2fs -M \"$root\""),
        ("grown", "truncate -s 200M \"$root\"; e2fsck -fy \"$root\"; resize2fs \"$root\""),
        ("shrunk and grown", "e2fsck -fy \"$root\"; resize2fs \"$root\" 12M; resize2fs \"$root\" 31M"),
        ("64 bits afterwards", "e2fsck -fy \"$root\"; resize2fs -b \"$root\""),
        ("32 bits afterwards", "e2fsck -fy \"$root\"; resize2fs -s \"$root\""),
        ("reserved blocks", "tune2fs -m 0 -e remount-ro -c 10 -i 1d \"$root\""),
        ("directories packed", "e2fsck -fyD \"$root\" || test $? -le 1"),
        ("another label of the boot partition", "mlabel -i \"$boot\" ::OTHER"),
        (
            "deleted boot files",
            "head -c 300000 /dev/zero | mcopy -i \"$boot\" - ::gone; mdel -i \"$boot\" ::gone; mmd -i \"$boot\" ::overlays",
        ),
        // 0xffffffff: nobody has counted (specification 1.03, section 5)
        (
            "clusters not counted",
            "printf '\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff' | dd of=\"$boot\" bs=1 seek=$((512 + 488)) conv=notrunc status=none",
        ),
        (
            "no hint of a next cluster",
            "printf '\\x02\\x00\\x00\\x00' | dd of=\"$boot\" bs=1 seek=$((512 + 492)) conv=notrunc status=none",
        ),
    ];
    for (what, script) in scripts {
        let project = project();
        let root_mib = if what == "grown" { 200 } else { 32 };
        let image = TinyBase { script, root_mib, ..TinyBase::new() }.make(project.path(), "base.img");
        expect_image(&project, &image, what);
    }
}

#[test]
fn what_was_left_unfinished_is_refused() {
    if !have_tools() {
        return;
    }
    let scripts = [
        ("run `e2fsck -p` on it", "printf 'set_super_value state 0' | debugfs -w -f /dev/stdin \"$root\""),
        ("recorded errors", "printf 'set_super_value state 3' | debugfs -w -f /dev/stdin \"$root\""),
        ("journal", "printf 'feature needs_recovery' | debugfs -w -f /dev/stdin \"$root\""),
        ("not unmounted cleanly", "printf '\\x01' | dd of=\"$boot\" bs=1 seek=65 conv=notrunc status=none"),
        (
            "FAT",
            "printf '\\x07\\x00\\x00\\x00' | dd of=\"$boot\" bs=1 seek=$((512 + 488)) conv=notrunc status=none",
        ),
    ];
    for (words, script) in scripts {
        let project = project();
        let image = TinyBase { script, ..TinyBase::new() }.make(project.path(), "base.img");
        expect_refusal(&project, &image, words);
    }
}
