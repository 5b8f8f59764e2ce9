//! Bases as they are published: compressed, cut, damaged, and something else altogether.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::bench::Bench;
use crate::{BUILD, Case};

/// What a program makes of an input.
fn packed(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    let child = command.args(arguments).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("starting a program");
    let mut pipe = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().expect("what it makes");
    writer.join().expect("a thread").expect("writing to a pipe");
    output.stdout
}

/// Something that begins as a disk does and is none.
fn disk() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..300_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    bytes
}

/// A zip archive of stored members, with the sizes and names that are asked for.
fn zip(members: &[(&[u8], &[u8], u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content, size) in members {
        bytes.extend(b"PK\x03\x04\x0a\0\0\0\0\0\0\0!\0");
        bytes.extend(flate2_crc(content).to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(u16::try_from(name.len()).expect("short").to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(*name);
        bytes.extend(*content);
    }
    bytes.extend(b"PK\x05\x06");
    bytes.resize(bytes.len() + 18, 0);
    bytes
}

fn flate2_crc(content: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(content);
    crc.sum()
}

fn of(content: &[u8]) -> u32 {
    u32::try_from(content.len()).expect("short")
}

pub(crate) fn cases() -> Vec<Case> {
    let disk = disk();
    let (xz, zst) = (packed("xz", &["-0"], &disk), packed("zstd", &["-q"], &disk));
    let gz = packed("gzip", &["-1"], &disk);
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        let at = if at < bytes.len() { at } else { bytes.len() / 2 };
        bytes[at] ^= 0x55;
        bytes
    };
    let cut = |bytes: &[u8], part: usize| bytes[..bytes.len() * part / 8].to_vec();
    let middle = usize::MAX;
    let mut huge_dictionary = xz.clone();
    // the byte of the dictionary's size (xz-file-format 5.3.1) asks for 4 GiB; the header's CRC-32 is made to fit
    if let Some(at) = huge_dictionary.windows(2).position(|pair| pair == [0x21, 1]) {
        huge_dictionary[at + 2] = 40;
        let sum = flate2_crc(&huge_dictionary[12..12 + 8]).to_le_bytes();
        huge_dictionary[20..24].copy_from_slice(&sum);
    }
    let texts: Vec<(&str, Vec<u8>)> = vec![
        ("an empty file", Vec::new()),
        ("one byte", vec![0x55]),
        ("zeroes", vec![0; 1 << 20]),
        ("a page of a web server", b"<!DOCTYPE html><html>log in</html>".to_vec()),
        ("a text", b"hello ".repeat(1000)),
        ("bzip2", b"BZh91AY&SY\0\0\0\0".to_vec()),
        ("7-Zip", b"7z\xbc\xaf\x27\x1c\0\x04".to_vec()),
        ("xz, the header alone", xz[..12].to_vec()),
        ("xz, cut in the middle", cut(&xz, 4)),
        ("xz, cut before its index", xz[..xz.len() - 30].to_vec()),
        ("xz, a byte changed", flipped(&xz, middle)),
        ("xz, its header changed", flipped(&xz, 7)),
        ("xz, its end changed", flipped(&xz, xz.len() - 3)),
        ("xz, garbage behind it", [&xz[..], b"garbage"].concat()),
        ("xz that asks for 4 GiB of memory", huge_dictionary),
        ("zstd, the header alone", zst[..5].to_vec()),
        ("zstd, cut in the middle", cut(&zst, 4)),
        ("zstd, a byte changed", flipped(&zst, middle)),
        ("zstd, its checksum changed", flipped(&zst, zst.len() - 2)),
        ("zstd that asks for 128 GiB of memory", b"\x28\xb5\x2f\xfd\x00\xd8\x01\x00\x00".to_vec()),
        ("gzip, the header alone", gz[..10].to_vec()),
        ("gzip, cut in the middle", cut(&gz, 4)),
        ("gzip, a byte changed", flipped(&gz, middle)),
        ("gzip, its checksum changed", flipped(&gz, gz.len() - 6)),
        ("gzip in gzip", packed("gzip", &[], &gz)),
        ("zip without an image", zip(&[(b"a.txt", b"text", 4)])),
        ("zip with two images", zip(&[(b"a.img", &disk, of(&disk)), (b"b.img", &disk, of(&disk))])),
        ("zip, cut in the middle", cut(&zip(&[(b"a.img", &disk, of(&disk))]), 4)),
        ("zip with a member of 4 GiB that is short", zip(&[(b"a.img", &disk, u32::MAX - 1)])),
        ("zip with a wrong checksum", flipped(&zip(&[(b"a.img", &disk, of(&disk))]), middle)),
        ("zip with a path that leads upwards", zip(&[(b"../../../tmp/pimg-escaped.img", &disk, of(&disk))])),
        ("zip with a name that is not UTF-8", zip(&[(b"\xff\xfe\n.img", &disk, of(&disk))])),
        ("zip with an empty image", zip(&[(b"a.img", b"", 0)])),
        ("a disk in xz that is no disk inside", xz.clone()),
    ];
    let mut cases: Vec<Case> = texts
        .into_iter()
        .map(|(name, bytes)| Case::new(name, BUILD, move |bench| bench.write("base.img", &bytes)))
        .collect();
    let mut add = |name: &str, command: &str, make: fn(&Bench)| cases.push(Case::new(name, command, make));
    add("a base that is not there", BUILD, |_| {});
    add("a base that is a directory", BUILD, |bench| bench.write("base.img/x", "x"));
    add("a base that is a pipe", BUILD, |bench| bench.fifo("base.img"));
    add("a base that is a link to itself", BUILD, |bench| bench.link("base.img", "base.img"));
    add("a base that is an endless device", BUILD, |bench| bench.link("base.img", "/dev/zero"));
    add("a base with another digest", "build --profile tiny --format raw", |bench| {
        bench.base();
        bench.edit(
            "source = \"base.img\"",
            &format!("source = \"base.img\"\nsha256 = \"{}\"", "ab".repeat(32)),
        );
    });
    add(
        "a base from an address without a server",
        "build --profile tiny --base https://127.0.0.1:1/x.img",
        |_| {},
    );
    add("a base by http without a digest", "build --profile tiny --base http://127.0.0.1:1/x.img", |_| {});
    add("a base by an unknown kind of address", "build --profile tiny --base gopher://x.org/x.img", |_| {});
    add(
        "a base that is not here, without network",
        "build --profile tiny --offline --base https://x.org/x.img",
        |_| {},
    );
    cases
}
