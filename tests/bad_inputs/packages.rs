//! Packages of Debian whose members are hostile, given to the library: in a build their digest is that of a signed
//! index, so what is told here ends a build with the code for trust.

use pimg::cli::exit_code::ExitCode;
use pimg::failure::Class;
use pimg_deb::package::Package;
use tar::{EntryType, Header};

const CONTROL: &[u8] = b"Package: a\nVersion: 1\nArchitecture: all\n";

fn tar_of(kind: EntryType, name: &[u8], content: &[u8], size: u64) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512) + 1024, 0);
    bytes
}

fn file(name: &[u8], content: &[u8]) -> Vec<u8> {
    tar_of(EntryType::Regular, name, content, u64::try_from(content.len()).expect("short"))
}

fn ar(members: &[(&str, &[u8], &str)]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content, size) in members {
        let size = if size.is_empty() { content.len().to_string() } else { (*size).to_owned() };
        bytes.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}

fn package(control: &[u8], data: &[u8]) -> Vec<u8> {
    ar(&[("debian-binary", b"2.0\n", ""), ("control.tar", control, ""), ("data.tar", data, "")])
}

/// Everything that a build asks of a package.
fn read(bytes: &[u8]) -> Result<(), pimg_deb::package::Error> {
    let package = Package::open(bytes)?;
    package.control_text()?;
    for file in package.files()? {
        file?;
    }
    Ok(())
}

/// A name, the exit code, and what is told.
pub(crate) fn outcomes() -> Vec<(&'static str, u8, String)> {
    let control = file(b"./control", CONTROL);
    let data = file(b"./usr/x", b"x");
    let version = ("debian-binary", &b"2.0\n"[..], "");
    let gz_bomb = {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let tar = tar_of(EntryType::Regular, b"./zeroes", b"", 7 << 30);
        encoder.write_all(&tar[..512]).expect("in memory");
        (0..300).for_each(|_| encoder.write_all(&[0; 1 << 20]).expect("in memory"));
        encoder.finish().expect("in memory")
    };
    let packages: Vec<(&str, Vec<u8>)> = vec![
        ("an empty package", Vec::new()),
        ("a package that is a text", b"hello ".repeat(100)),
        ("a package of nothing", b"!<arch>\n".to_vec()),
        (
            "a package of another version",
            ar(&[("debian-binary", b"3.0\n", ""), ("control.tar", &control, ""), ("data.tar", &data, "")]),
        ),
        ("a package without control", ar(&[version, ("data.tar", &data, "")])),
        ("a package without data", ar(&[version, ("control.tar", &control, "")])),
        (
            "a package with two controls",
            ar(&[
                version,
                ("control.tar", &control, ""),
                ("control.tar", &control, ""),
                ("data.tar", &data, ""),
            ]),
        ),
        (
            "a member of a negative size",
            ar(&[version, ("control.tar", &control, "-1"), ("data.tar", &data, "")]),
        ),
        (
            "a member of ten digits",
            ar(&[version, ("control.tar", &control, "9999999999"), ("data.tar", &data, "")]),
        ),
        ("a member of letters", ar(&[version, ("control.tar", &control, "many"), ("data.tar", &data, "")])),
        (
            "a compression that is unknown",
            ar(&[version, ("control.tar.br", &control, ""), ("data.tar", &data, "")]),
        ),
        ("gzip that is none", ar(&[version, ("control.tar.gz", &control, ""), ("data.tar", &data, "")])),
        ("xz that is none", ar(&[version, ("control.tar.xz", &control, ""), ("data.tar", &data, "")])),
        ("zstd that is none", ar(&[version, ("control.tar.zst", &control, ""), ("data.tar", &data, "")])),
        ("a control that is not UTF-8", package(&file(b"./control", b"Package: \xff\n"), &data)),
        ("no file of control", package(&file(b"./postinst", b"#!/bin/sh\n"), &data)),
        (
            "a control of 8 GiB",
            package(&tar_of(EntryType::Regular, b"./control", CONTROL, (1 << 33) - 1), &data),
        ),
        ("data that leads upwards", package(&control, &file(b"./../../etc/shadow", b"x"))),
        ("data with a name that is not UTF-8", package(&control, &file(b"./\xff", b"x"))),
        ("data of an unknown kind", package(&control, &tar_of(EntryType::new(b'Z'), b"./z", b"", 0))),
        (
            "data with a long name of 1 GiB",
            package(&control, &tar_of(EntryType::GNULongName, b"././@LongLink", b"x", 1 << 30)),
        ),
        ("data that is cut", package(&control, &data[..700])),
        (
            "a bomb of 300 MiB that says 7 GiB",
            ar(&[version, ("control.tar", &control, ""), ("data.tar.gz", &gz_bomb, "")]),
        ),
    ];
    let code = ExitCode::from(Class::Trust).number();
    let told =
        |bytes: &[u8]| read(bytes).map_or_else(|error| (code, whole(&error)), |()| (0, "fine".to_owned()));
    packages
        .into_iter()
        .map(|(name, bytes)| {
            let (code, message) = told(&bytes);
            (name, code, message)
        })
        .collect()
}

fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        if !text.contains(&error.to_string()) {
            text += &format!(" / {error}");
        }
        cause = error.source();
    }
    text
}
