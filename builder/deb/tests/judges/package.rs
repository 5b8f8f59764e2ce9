//! Packages that `dpkg-deb` made, read as it reads them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use pimg_deb::package::{File, Kind, Package};

use crate::support::{argument, directory, have, run, text, write};

const CONTROL: &str = "\
Package: zfs-dkms
Version: 2.4.4-1
Architecture: all
Maintainer: Nobody <nobody@example.org>
Depends: dkms (>> 2.1), perl:any | perl-base,
 file
Description: OpenZFS as source
 of kernel modules
 .
 – with a dash
";

/// A tree with all that packages have.
fn tree(root: &Path) {
    write(&root.join("DEBIAN/control"), CONTROL);
    write(&root.join("DEBIAN/conffiles"), "/etc/zfs.conf\n");
    write(&root.join("etc/zfs.conf"), "");
    write(&root.join("usr/src/zfs-2.4.4/META"), "Linux-Maximum: 7.2\n");
    write(&root.join("usr/share/doc/ä b"), &"text\n".repeat(10_000));
    write(&root.join("usr/share").join("d".repeat(90)).join("e".repeat(60)).join("f".repeat(200)), "long");
    let tool = root.join("usr/bin/tool");
    write(&tool, "#!/bin/sh\n");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o4755)).expect("a mode");
    fs::hard_link(&tool, root.join("usr/bin/tool2")).expect("a hard link");
    symlink("../../../etc/zfs.conf", root.join("usr/bin/link")).expect("a link");
    symlink("x".repeat(150), root.join("usr/bin/long-link")).expect("a link");
    run("mkfifo", &["-m", "600", argument(&root.join("usr/pipe"))], "");
}

fn build(root: &Path, compression: &str, control: &str) -> PathBuf {
    let path = root.with_extension(format!("{compression}.{control}.deb"));
    let compression = format!("-Z{compression}");
    let mut arguments = vec!["--root-owner-group", &compression];
    arguments.extend(if control == "uniform" {
        ["--uniform-compression"]
    } else {
        ["--no-uniform-compression"]
    });
    arguments.extend(["--build", argument(root), argument(&path)]);
    run("dpkg-deb", &arguments, "");
    path
}

/// A line of `tar --list --verbose`, up to the time, and the path with what it links to.
fn line(file: &File) -> String {
    let bits: String = [(0o4000, 6, 's'), (0o2000, 3, 's'), (0o1000, 0, 't')]
        .into_iter()
        .map(|(special, shift, letter)| {
            let bits = file.mode >> shift;
            let read = if bits & 4 != 0 { 'r' } else { '-' };
            let write = if bits & 2 != 0 { 'w' } else { '-' };
            let execute = match (file.mode & special != 0, bits & 1 != 0) {
                (true, true) => letter,
                (true, false) => letter.to_ascii_uppercase(),
                (false, true) => 'x',
                (false, false) => '-',
            };
            format!("{read}{write}{execute}")
        })
        .collect();
    let (kind, link) = match (file.kind, &file.link) {
        (Kind::Symlink, Some(link)) => ('l', format!(" -> {link}")),
        (Kind::HardLink, Some(link)) => ('h', format!(" link to ./{link}")),
        (Kind::Directory, _) => ('d', "/".to_owned()),
        (Kind::Fifo, _) => ('p', String::new()),
        _ => ('-', String::new()),
    };
    let link = if file.path.is_empty() { String::new() } else { link };
    format!("{kind}{bits} {}/{} {} ./{}{link}", file.uid, file.gid, file.size, file.path)
}

fn without_time(line: &str) -> String {
    // mode, owners, size, day, minute, path
    let (front, rest) = line.split_once(" 20").expect("a year");
    let front: Vec<_> = front.split_ascii_whitespace().collect();
    let path = rest.splitn(3, ' ').nth(2).expect("a path");
    format!("{} {path}", front.join(" "))
}

#[test]
fn dpkg_deb_finds_the_same_in_its_packages() {
    if !have(&["dpkg-deb", "tar", "mkfifo"]) {
        return;
    }
    let root = directory("package").join("tree");
    tree(&root);
    for compression in ["gzip", "xz", "zstd", "none"] {
        for control in ["uniform", "own"] {
            let path = build(&root, compression, control);
            let bytes = fs::read(&path).expect("a package");
            let package = Package::open(&bytes).expect(compression);
            let control = package.control_text().expect(compression);
            assert_eq!(control, CONTROL);
            assert_eq!(control, text("dpkg-deb", &["--field", argument(&path)], ""));
            assert_eq!(
                package.read_control("conffiles").expect(compression).as_deref(),
                Some(&b"/etc/zfs.conf\n"[..])
            );

            let tar = root.with_extension("tar");
            fs::write(&tar, run("dpkg-deb", &["--fsys-tarfile", argument(&path)], ""))
                .expect("a tar archive");
            let list = [
                "--list",
                "--verbose",
                "--numeric-owner",
                "--quoting-style=literal",
                "--file",
                argument(&tar),
            ];
            let expected: Vec<_> = text("tar", &list, "").lines().map(without_time).collect();
            let files: Vec<_> =
                package.files().expect(compression).collect::<Result<_, _>>().expect(compression);
            assert_eq!(files.iter().map(line).collect::<Vec<_>>(), expected, "{compression}");
            for file in &files {
                let content = package.read_file(&file.path).expect(compression);
                let expected =
                    (file.kind == Kind::File).then(|| fs::read(root.join(&file.path)).expect("a file"));
                assert!(content == expected, "{compression}: {}", file.path);
            }
        }
    }
}
