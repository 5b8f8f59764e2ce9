use std::io::Write;

use proptest::prelude::*;

use super::*;

const CONTROL: &str = "Package: a\nVersion: 1\nArchitecture: all\n";

/// A tar archive of entries of this kind, path and content; the content of a link is where it points to.
fn tar(entries: &[(tar::EntryType, &str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o104_755);
        header.set_uid(1);
        header.set_gid(2);
        if matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link) {
            header.set_size(0);
            builder.append_link(&mut header, path, content).expect("a link");
        } else {
            // the builder itself would refuse some paths
            let bytes = header.as_gnu_mut().expect("GNU");
            bytes.name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(u64::try_from(content.len()).expect("small"));
            header.set_cksum();
            builder.append(&header, content.as_bytes()).expect("a file");
        }
    }
    builder.into_inner().expect("in memory")
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        writeln!(bytes, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, "100644", content.len())
            .expect("in memory");
        bytes.extend_from_slice(content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

fn package(data: &[u8]) -> Vec<u8> {
    let control = tar(&[(tar::EntryType::Regular, "./control", CONTROL)]);
    ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("_other", b"x"), ("data.tar", data)])
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("in memory")
}

#[test]
fn the_start_of_a_package_has_its_control() {
    let whole = package(&[7; 100_000]);
    let head = &whole[..whole.len() - 90_000];
    let opened = Package::open_head(head, u64::try_from(whole.len()).expect("small")).expect("a package");
    assert_eq!(opened.control_text().expect("control"), CONTROL);
    // a start that is too short, and a package that is
    assert!(Package::open_head(&head[..1000], u64::try_from(whole.len()).expect("small")).is_err());
    assert!(
        Package::open(head).is_err()
            && Package::open_head(head, u64::try_from(whole.len()).expect("small") - 1).is_err()
    );
}

#[test]
fn a_package_tells_its_control_and_its_files() {
    let long = format!("./{}/file", "d".repeat(150));
    let data = tar(&[
        (tar::EntryType::Directory, "./", ""),
        (tar::EntryType::Regular, "./usr/src/zfs/META", "Linux-Maximum: 7.2\n"),
        (tar::EntryType::Symlink, "./usr/lib/x", "../../etc/x"),
        (tar::EntryType::Link, &long, "./usr/src/zfs/META"),
    ]);
    let bytes = package(&data);
    let package = Package::open(&bytes).expect("a package");
    assert_eq!(package.control_text().expect("a control"), CONTROL);
    assert_eq!(package.read_control("md5sums").expect("undamaged"), None);
    let files: Vec<_> = package.files().expect("a tar archive").collect::<Result<_>>().expect("four entries");
    let told: Vec<_> =
        files.iter().map(|file| (&file.path[..], file.kind, file.size, file.link.as_deref())).collect();
    let expected = [
        ("", Kind::Directory, 0, None),
        ("usr/src/zfs/META", Kind::File, 19, None),
        ("usr/lib/x", Kind::Symlink, 0, Some("../../etc/x")),
        (&long[2..], Kind::HardLink, 0, Some("usr/src/zfs/META")),
    ];
    assert_eq!(told, expected);
    assert_eq!((files[1].mode, files[1].uid, files[1].gid), (0o4755, 1, 2));
    let read = |path| package.read_file(path).expect("undamaged");
    assert_eq!(read("usr/src/zfs/META").as_deref(), Some(&b"Linux-Maximum: 7.2\n"[..]));
    // links are not followed
    assert_eq!([read("usr/lib/x"), read("usr"), read("usr/src/zfs/META/")], [None, None, None]);
}

#[test]
fn what_is_no_package_is_refused() {
    let control = tar(&[(tar::EntryType::Regular, "./control", CONTROL)]);
    let binary: (&str, &[u8]) = ("debian-binary", b"2.0\n");
    let cases: [(Vec<u8>, &str); 9] = [
        (b"PK".to_vec(), "package: not a Debian package"),
        (ar(&[]), "debian-binary: missing"),
        (ar(&[("control.tar", b"")]), "debian-binary: missing"),
        (ar(&[("debian-binary", b"3.0\n")]), "debian-binary: expected format 2.0, got `3.0`"),
        (ar(&[binary]), "control.tar: missing"),
        (ar(&[binary, ("data.tar", b"")]), "control.tar: expected here, got `data.tar`"),
        (ar(&[binary, ("control.tar", &control)]), "data.tar: missing"),
        (
            ar(&[binary, ("control.tar.bz2", b"")]),
            "control.tar: compressed as `.bz2`, expected `.gz`, `.xz`, `.zst` or nothing",
        ),
        (
            package(b"1234")[..package(b"").len() + 3].to_vec(),
            &format!(
                "package: ends after {} bytes, expected {}",
                package(b"").len() + 3,
                package(b"").len() + 4
            ),
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(Package::open(&bytes).expect_err(expected).to_string(), expected);
    }
}

#[test]
fn entries_that_would_lead_elsewhere_are_refused() {
    let cases: [(tar::EntryType, &str, &str); 5] = [
        (tar::EntryType::Regular, "./a/../../b", "data.tar: the path `./a/../../b` leads out of the package"),
        (tar::EntryType::Directory, "..", "data.tar: the path `..` leads out of the package"),
        (tar::EntryType::GNUSparse, "./a", "data.tar: `a` is of kind `S`, which packages may not have"),
        (tar::EntryType::XHeader, "./a", "data.tar: `a` is of kind `x`, which packages may not have"),
        (tar::EntryType::XGlobalHeader, "./a", "data.tar: `a` is of kind `g`, which packages may not have"),
    ];
    for (kind, path, expected) in cases {
        let bytes = package(&tar(&[(kind, path, "")]));
        let package = Package::open(&bytes).expect("a package");
        let mut files = package.files().expect("a tar archive");
        assert_eq!(files.next().expect("an entry").expect_err(expected).to_string(), expected);
        assert!(files.next().is_none());
    }
    let absolute = package(&tar(&[(tar::EntryType::Regular, "/etc/x", "1")]));
    let read = Package::open(&absolute).expect("a package").read_file("etc/x").expect("below the root");
    assert_eq!(read.as_deref(), Some(&b"1"[..]));
}

#[test]
fn nothing_grows_without_a_limit() {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    for (kind, size, expected) in [
        (tar::EntryType::Regular, FILE_LIMIT + 1, "data.tar: larger than 67108864 bytes"),
        (tar::EntryType::Regular, FILE_LIMIT, "data.tar: ends in the middle of an entry"),
        (tar::EntryType::GNULongName, 1 << 30, "data.tar: larger than 16384 bytes"),
        (tar::EntryType::Directory, 1, "data.tar: an entry of the tar archive has no valid size"),
        (tar::EntryType::Regular, u64::MAX, "data.tar: an entry of the tar archive has no valid size"),
    ] {
        header.set_path("a").expect("a path");
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_cksum();
        let bytes = package(header.as_bytes());
        let package = Package::open(&bytes).expect("a package");
        assert_eq!(package.read_file("a").expect_err(expected).to_string(), expected);
    }
    // 300 MiB of zeros in a few KiB: the reader stops at the limit of control files
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    header.set_path("zeros").expect("a path");
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(300 << 20);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).expect("in memory");
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 300 << 20), &mut encoder).expect("in memory");
    let bomb = encoder.finish().expect("in memory");
    let bytes = ar(&[("debian-binary", b"2.0\n"), ("control.tar.zst", &bomb), ("data.tar", b"")]);
    let error = Package::open(&bytes).expect("a package").control_text().expect_err("a bomb");
    assert_eq!(error.to_string(), format!("control.tar: larger than {CONTROL_LIMIT} bytes"));
}

/// Reads all there is.
fn exercise(bytes: &[u8]) {
    if let Ok(package) = Package::open(bytes) {
        let _ = package.control_text();
        let _ = package.read_file("usr/a");
        if let Ok(files) = package.files() {
            let _ = files.count();
        }
    }
}

proptest! {
    #[test]
    fn damage_never_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
        compressed in any::<bool>(),
    ) {
        let data = tar(&[(tar::EntryType::Directory, "./usr", ""), (tar::EntryType::Regular, "./usr/a", "text")]);
        let mut bytes = if compressed {
            let control = tar(&[(tar::EntryType::Regular, "./control", CONTROL)]);
            ar(&[("debian-binary", b"2.0\n"), ("control.tar.zst", &zstd_of(&control)), ("data.tar.zst", &zstd_of(&data))])
        } else {
            package(&data)
        };
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= byte;
        }
        exercise(&bytes);
        exercise(&bytes[..end.index(bytes.len())]);
    }

    #[test]
    fn garbage_never_panics(name in "(.gz|.xz|.zst|)", garbage in prop::collection::vec(any::<u8>(), 0..600)) {
        exercise(&garbage);
        let (control, data) = (format!("control.tar{name}"), format!("data.tar{name}"));
        exercise(&ar(&[("debian-binary", b"2.0\n"), (&control, &garbage), (&data, &garbage)]));
    }
}
