//! Archives that an overlay unpacks, made to leave the place they are unpacked to.

use std::io::Write;

use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::{BUILD, Case};

/// A member: its kind, name, content or target, and the size that its header says.
pub(crate) type Member<'a> = (EntryType, &'a [u8], &'a [u8], Option<u64>);

pub(crate) fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, name, content, size) in members {
        let mut header = Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_mode(0o4755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(1).and_then(|()| header.set_device_minor(1)).expect("ustar");
        }
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        // the builder would refuse such names
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        if is_link {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content);
        }
        let length = if is_link { 0 } else { u64::try_from(content.len()).expect("short") };
        header.set_size(size.unwrap_or(length));
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        if !is_link {
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

/// A file of zeroes of this many MiB in a tar in gzip: a thousandth of it is stored.
fn bomb(mib: u64) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_path("x/zeroes").expect("a path");
    header.set_size(mib << 20);
    header.set_mode(0o644);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).expect("in memory");
    for _ in 0..mib {
        encoder.write_all(&[0; 1 << 20]).expect("in memory");
    }
    encoder.finish().expect("in memory")
}

/// An archive with 60,000 empty members.
fn crowd() -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for number in 0..60_000 {
        let mut header = Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("x/{number}"), std::io::empty()).expect("in memory");
    }
    gz(&builder.into_inner().expect("in memory"))
}

pub(crate) fn cases() -> Vec<Case> {
    use EntryType as T;
    let file = T::Regular;
    let archives: Vec<(&str, Vec<u8>)> = vec![
        ("an archive that is none", b"hello".repeat(300)),
        ("an empty archive", Vec::new()),
        ("an archive without a member", archive(&[])),
        ("a member that leads upwards", archive(&[(file, b"x/../../etc/shadow", b"x", None)])),
        ("a member of another root", archive(&[(file, b"/etc/shadow", b"x", None)])),
        ("a member that is `..`", archive(&[(T::Directory, b"..", b"", None)])),
        ("a member with an empty name", archive(&[(file, b"", b"x", None)])),
        (
            "a member with a NUL in its name",
            archive(&[(file, b"x/a\0b/../..", b"x", None), (file, b"x/a", b"", None)]),
        ),
        ("a member with a name that is not UTF-8", archive(&[(file, b"x/\xff\xfe", b"x", None)])),
        ("a link that leads out", archive(&[(T::Symlink, b"x/l", b"../../../../etc", None)])),
        ("a link of another root", archive(&[(T::Symlink, b"x/l", b"/etc/shadow", None)])),
        ("a file through a link", archive(&[(T::Symlink, b"x/l", b".", None), (file, b"x/l/f", b"x", None)])),
        (
            "a file in the place of a link",
            archive(&[(T::Symlink, b"x/l", b"y", None), (file, b"x/l", b"x", None)]),
        ),
        ("a hard link that leads out", archive(&[(T::Link, b"x/l", b"../../etc/shadow", None)])),
        ("a hard link to nothing", archive(&[(T::Link, b"x/l", b"x/none", None)])),
        ("a hard link to itself", archive(&[(T::Link, b"x/l", b"x/l", None)])),
        ("a device of characters", archive(&[(T::Char, b"x/null", b"", None)])),
        ("a device of blocks", archive(&[(T::Block, b"x/sda", b"", None)])),
        ("a pipe", archive(&[(T::Fifo, b"x/p", b"", None)])),
        ("a kind of member that is unknown", archive(&[(T::new(b'Z'), b"x/z", b"x", None)])),
        ("a sparse file of eight exabytes", archive(&[(T::GNUSparse, b"x/s", b"x", Some(1 << 33))])),
        ("a member of 8 GiB that is short", archive(&[(file, b"x/f", b"x", Some((1 << 33) - 1))])),
        ("a file twice", archive(&[(file, b"x/f", b"1", None), (file, b"x/f", b"2", None)])),
        ("a file below a file", archive(&[(file, b"x/f", b"1", None), (file, b"x/f/g", b"2", None)])),
        ("a header with a wrong sum", {
            let mut bytes = archive(&[(file, b"x/f", b"x", None)]);
            bytes[3] ^= 1;
            bytes
        }),
        ("an archive that is cut", archive(&[(file, b"x/f", &[7; 5000], None)])[..2000].to_vec()),
        ("gzip that is cut", gz(&archive(&[(file, b"x/f", &[7; 5000], None)]))[..40].to_vec()),
        ("gzip with a wrong sum", {
            let mut bytes = gz(&archive(&[(file, b"x/f", &[7; 5000], None)]));
            let last = bytes.len() - 6;
            bytes[last] ^= 1;
            bytes
        }),
        ("a long name of 1 GiB", archive(&[(T::GNULongName, b"././@LongLink", b"x", Some(1 << 30))])),
        ("a record of pax of 1 GiB", archive(&[(T::XHeader, b"x", b"99999999999 path=x\n", Some(1 << 30))])),
        (
            "a record of pax that leads upwards",
            archive(&[(T::XHeader, b"h", b"19 path=../../../x\n", None), (file, b"x/f", b"x", None)]),
        ),
        ("a bomb of 400 MiB", bomb(400)),
        ("60,000 members", crowd()),
    ];
    let case = |(name, bytes): (&'static str, Vec<u8>)| {
        Case::new(name, BUILD, move |bench| {
            bench.base();
            let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            let manifest = "[[download]]\nname = \"x\"\nurl = \"https://example.org/x.tar.gz\"\nunpack = \"/usr/share/x\"\n";
            bench.write("overlays/one/overlay.toml", format!("{manifest}sha256 = \"{digest}\"\n"));
            bench.write("x.tar.gz", &bytes);
            let mirror = format!("[mirrors]\nx = \"file://{}\"\n\n[image]", bench.join("x.tar.gz").display());
            bench.edit("[image]", &mirror);
        })
    };
    let mut cases: Vec<Case> = archives.into_iter().map(case).collect();
    cases.push(Case::new("a download that is not there", BUILD, |bench| {
        bench.base();
        let manifest = "[[download]]\nname = \"x\"\nurl = \"https://example.org/x\"\npath = \"/x\"\n";
        bench.write("overlays/one/overlay.toml", format!("{manifest}sha256 = \"{}\"\n", "ab".repeat(32)));
        bench.edit("[image]", &format!("[mirrors]\nx = \"file://{}\"\n\n[image]", bench.join("x").display()));
    }));
    cases.push(Case::new("a download with another digest", BUILD, |bench| {
        bench.base();
        bench.write("x", "another");
        let manifest = "[[download]]\nname = \"x\"\nurl = \"https://example.org/x\"\npath = \"/x\"\n";
        bench.write("overlays/one/overlay.toml", format!("{manifest}sha256 = \"{}\"\n", "ab".repeat(32)));
        bench.edit("[image]", &format!("[mirrors]\nx = \"file://{}\"\n\n[image]", bench.join("x").display()));
    }));
    cases
}
