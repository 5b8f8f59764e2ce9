//! Bases whose structures are in order and whose files are not what they have to be.

use crate::bench::Bench;
use crate::tiny_base::TinyBase;
use crate::{BUILD, Case};

fn case(name: &str, change: fn(TinyBase) -> TinyBase) -> Case {
    Case::new(name, BUILD, move |bench: &Bench| {
        change(TinyBase::new()).make(&bench.join(""), "base.img");
    })
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("no users", |base| base.without("etc/passwd")),
        case("users of one field", |base| base.with("etc/passwd", "root\n")),
        case("users of binary data", |base| base.with("etc/passwd", "\u{1}\u{2}\u{3}:\n")),
        case("no passwords", |base| base.without("etc/shadow")),
        case("passwords of ten fields", |base| base.with("etc/shadow", "root:*:1:2:3:4:5:6:7:8\n")),
        case("groups of one field", |base| base.with("etc/group", "root\n")),
        case("no table of file systems", |base| base.without("etc/fstab")),
        case("no time zones", |base| base.without("usr/share/zoneinfo")),
        case("no list of locales", |base| base.without("etc/locale.gen")),
        case("a list of locales without ours", |base| base.with("etc/locale.gen", "# de_DE.UTF-8 UTF-8\n")),
        case("no server for ssh", |base| base.without("usr/lib/systemd/system/ssh.service")),
        case("no command line of the kernel", |base| base.without_boot("cmdline.txt")),
        case("no configuration of the firmware", |base| base.without_boot("config.txt")),
        case("a command line for another disk", |mut base| {
            base.boot.insert("cmdline.txt".to_owned(), b"root=PARTUUID=00000000-02\n".to_vec());
            base
        }),
        case("a command line that is not UTF-8", |mut base| {
            base.boot.insert("cmdline.txt".to_owned(), b"root=\xff\xfe\n".to_vec());
            base
        }),
        case("a packaged file that was changed", |base| base.with("usr/bin/hello", "changed")),
        case("sums of packaged files that are none", |base| {
            base.with("var/lib/dpkg/info/hello.md5sums", "no sum\n")
        }),
        case("a status of packages that is none", |base| base.with("var/lib/dpkg/status", "hello\n")),
        case("a status of packages without a name", |base| base.with("var/lib/dpkg/status", "Version: 1\n")),
        case("diversions of two lines", |base| base.with("var/lib/dpkg/diversions", "/a\n/b\n")),
        case("apt sources that are none", |base| {
            base.with("etc/apt/sources.list.d/debian.sources", "Types deb\n")
        }),
        case("a link in the place of users", |base| {
            base.without("etc/passwd").with_link("etc/passwd", "passwd")
        }),
        case("a link that leads out of the image", |base| {
            base.without("etc/passwd").with_link("etc/passwd", "../../../../etc/passwd-of-host")
        }),
        case("a directory in the place of a file", |base| base.without("etc/fstab").with("etc/fstab/x", "x")),
        case("a file in the place of a directory", |base| base.without("etc").with("etc", "x")),
        case("a journal that wants replaying", |base| TinyBase {
            script: "printf 'feature needs_recovery' | debugfs -w -f /dev/stdin \"$root\" 2>/dev/null",
            ..base
        }),
        case("a file system that was not unmounted", |base| TinyBase {
            script: "printf 'ssv state 0' | debugfs -w -f /dev/stdin \"$root\" 2>/dev/null",
            ..base
        }),
        case("a file of one exabyte", |base| TinyBase {
            script: "printf 'sif /etc/hosts size 0x0fffffffffffffff' | debugfs -w -f /dev/stdin \"$root\" 2>/dev/null",
            ..base
        }),
        case("a directory in itself", |base| TinyBase {
            script: "printf 'ln /etc /etc/again' | debugfs -w -f /dev/stdin \"$root\" 2>/dev/null",
            ..base
        }),
        case("a name that leads to no inode", |base| TinyBase {
            script: "printf 'clri /etc/hosts' | debugfs -w -f /dev/stdin \"$root\" 2>/dev/null",
            ..base
        }),
        case("a partition table of GUIDs", |base| TinyBase { table: "gpt", ..base }),
        case("a third partition", |base| TinyBase { has_third: true, ..base }),
        case("data inside of inodes", |base| base.ext4(&["-O", "inline_data"])),
        case("encrypted files", |base| base.ext4(&["-O", "encrypt"])),
        case("large clusters", |base| base.ext4(&["-O", "bigalloc"])),
        case("quotas", |base| base.ext4(&["-O", "quota"])),
        case("no extents", |base| base.ext4(&["-O", "^extent,^64bit"])),
    ]
}
