//! Baked layers that somebody else hands over.

use std::io::Write as _;

use serde_json::{Value, json};
use tar::EntryType;

use crate::archives::{Member, archive};
use crate::layer::{self, Layer};
use crate::{CHECK, Case};

/// A file `a`, for what needs one.
const FILE: Member<'_> = (EntryType::Regular, b"a", b"x", None);

/// What a layer may hold in a tar, and how many entries that is.
type Content<'a> = (&'a str, Vec<u8>, usize);

/// Files of a layout: names and contents.
type Files = Vec<(String, Vec<u8>)>;

fn record(text: &str) -> Vec<u8> {
    let digits = (1..).find(|digits| (digits + 2 + text.len()).to_string().len() == *digits);
    format!("{} {text}\n", digits.expect("a length") + 2 + text.len()).into_bytes()
}

/// A file behind an extended header with these records.
fn headed(records: &[&str]) -> Vec<u8> {
    let records: Vec<u8> = records.iter().flat_map(|text| record(text)).collect();
    archive(&[(EntryType::XHeader, b"h", &records, None), FILE])
}

/// A header changed by hand, its sum made to fit.
fn header(change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = archive(&[FILE]);
    change(&mut bytes[..512]);
    bytes[148..156].copy_from_slice(b"        ");
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

/// What could be in the archive of a layer.
fn contents() -> Vec<Content<'static>> {
    use EntryType as T;
    let one = |kind: T, name: &'static [u8], text: &'static [u8]| archive(&[(kind, name, text, None)]);
    let file = |name: &'static [u8]| one(T::Regular, name, b"x");
    vec![
        ("a path that leads upwards", file(b"etc/../../etc/shadow"), 1),
        ("a path of another root", file(b"/etc/shadow"), 1),
        ("a path that is `..`", one(T::Directory, b"..", b""), 1),
        ("a path with an empty part", file(b"etc//shadow"), 1),
        ("a path that is too long for any file", headed(&[&format!("path={}", "x".repeat(256))]), 1),
        ("a path that ends like a directory", file(b"etc/shadow/"), 1),
        ("no path", file(b""), 1),
        ("a file twice", archive(&[FILE, FILE]), 2),
        (
            "a file below a link",
            archive(&[(T::Symlink, b"l", b"/etc", None), (T::Regular, b"l/f", b"x", None)]),
            2,
        ),
        (
            "a directory behind what is in it",
            archive(&[(T::Regular, b"d/f", b"x", None), (T::Directory, b"d", b"", None)]),
            2,
        ),
        ("a link to nothing", one(T::Symlink, b"l", b""), 1),
        ("a hard link that leads upwards", one(T::Link, b"l", b"../../etc/shadow"), 1),
        ("a hard link of another root", one(T::Link, b"l", b"/etc/shadow"), 1),
        ("a hard link to what comes later", archive(&[(T::Link, b"A", b"a", None), FILE]), 2),
        (
            "a hard link to a directory",
            archive(&[(T::Directory, b"d", b"", None), (T::Link, b"l", b"d", None)]),
            2,
        ),
        ("a disk", one(T::Block, b"dev/sda", b""), 1),
        ("the memory as `dev/null`", one(T::Char, b"dev/null", b""), 1),
        ("a sparse file", archive(&[(T::GNUSparse, b"s", b"x", Some(1))]), 1),
        ("a kind that is unknown", one(T::new(b'Z'), b"z", b"x"), 1),
        ("a directory with content", one(T::Directory, b"d", b"x"), 1),
        ("an entry of 8 GiB that is short", archive(&[(T::Regular, b"a", b"x", Some((1 << 33) - 1))]), 1),
        (
            "an owner that cannot be",
            header(|header| header[108..116].copy_from_slice(&[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])),
            1,
        ),
        (
            "a time after that of the layer",
            header(|header| header[136..148].copy_from_slice(b"77777777777\0")),
            1,
        ),
        (
            "a header with a wrong sum",
            {
                let mut bytes = archive(&[FILE]);
                bytes[3] ^= 1;
                bytes
            },
            1,
        ),
        ("a record that leads upwards", headed(&["path=../../../x"]), 1),
        ("a record that cannot be read", archive(&[(T::XHeader, b"h", b"99 path=x\n", None), FILE]), 1),
        ("a record that is unknown", headed(&["comment=hello"]), 1),
        ("a record with another length", headed(&["size=7"]), 1),
        ("records of 1 GiB", archive(&[(T::XHeader, b"h", b"x", Some(1 << 30))]), 1),
        ("records of nothing", archive(&[(T::XHeader, b"h", &record("uid=7"), None)]), 0),
        (
            "a name of GNU tar of 1 GiB",
            archive(&[(T::GNULongName, b"././@LongLink", b"x", Some(1 << 30))]),
            1,
        ),
        ("an attribute of SELinux", headed(&["SCHILY.xattr.security.selinux=x"]), 1),
        ("an attribute of overlayfs", headed(&["SCHILY.xattr.user.overlay.opaque=y"]), 1),
        (
            "capabilities of one user namespace",
            headed(&["SCHILY.xattr.security.capability=\u{1}\0\0\u{3}"]),
            1,
        ),
        ("an attribute twice", headed(&["SCHILY.xattr.user.x=1", "SCHILY.xattr.user.x=2"]), 1),
        ("a deletion of `..`", one(T::Regular, b"etc/.wh...", b""), 1),
        ("a deletion of nothing", one(T::Regular, b"etc/.wh.", b""), 1),
        ("a deletion with content", file(b"etc/.wh.motd"), 1),
        (
            "a deletion, and something below it",
            archive(&[(T::Regular, b".wh.d", b"", None), (T::Regular, b"d/f", b"x", None)]),
            2,
        ),
        (
            "a mark that hides what it has itself",
            archive(&[
                (T::Directory, b"d", b"", None),
                (T::Regular, b"d/a", b"x", None),
                (T::Regular, b"d/.wh..wh..opq", b"", None),
            ]),
            3,
        ),
        ("a link on the boot partition", one(T::Symlink, b"boot/firmware/x", b"y"), 1),
        ("a file in place of the boot partition", file(b"boot/firmware"), 1),
        ("paths that fill the memory", deep(), 2000),
        ("something behind the end", [archive(&[FILE]), b"x".repeat(512)].concat(), 1),
        ("an archive that is cut", archive(&[(T::Regular, b"a", &[7; 5000], None)])[..2000].to_vec(), 1),
        ("no archive", b"hello".repeat(300), 1),
    ]
}

/// Each path is 4 KB long, and has 2,000 directories above it.
fn deep() -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..2000 {
        let records = record(&format!("path={number}/{}f", "d/".repeat(2000)));
        let one = archive(&[(EntryType::XHeader, b"h", &records, None), FILE]);
        bytes.extend_from_slice(&one[..one.len() - 1024]);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// What is around a layer that is in order.
fn papers() -> Vec<(&'static str, Vec<u8>)> {
    let good = || Layer::new(1, 100);
    let saying = |key: &'static str, value: Value| good().saying(|manifest| manifest[key] = value).archive();
    let replaced = |name: &str, content: &[u8]| {
        let mut files = good().layout();
        let found = files.iter_mut().find(|(known, _)| known == name).expect("is there");
        found.1 = content.to_vec();
        layer::archive(&files)
    };
    let made = |change: fn(&mut Files)| {
        let mut files = good().layout();
        change(&mut files);
        layer::archive(&files)
    };
    let manifest = |change: fn(&mut Value)| layer::archive(&good().layout_with(change));
    let zeroes = |mib: usize| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("memory");
        (0..mib).for_each(|_| encoder.write_all(&[0; 1 << 20]).expect("memory"));
        encoder.finish().expect("memory")
    };
    vec![
        ("a layout that is none", b"hello".repeat(300)),
        ("an empty layout", Vec::new()),
        ("a layout of a later version", replaced("oci-layout", br#"{"imageLayoutVersion":"2.0.0"}"#)),
        ("an index that is none", replaced("index.json", b"[]")),
        ("an index of nothing", replaced("index.json", br#"{"schemaVersion":2,"manifests":[]}"#)),
        (
            "a layout with something else in it",
            made(|files| files.push(("etc/motd".to_owned(), b"x".to_vec()))),
        ),
        ("a blob twice", made(|files| files.push(files[0].clone()))),
        ("a blob that is missing", made(|files| drop(files.remove(1)))),
        ("a blob with another content", made(|files| files[1].1.push(b' '))),
        ("a layout that is cut", {
            let bytes = good().archive();
            bytes[..700].to_vec()
        }),
        ("a layout with records of 1 GiB", archive(&[(EntryType::XHeader, b"h", b"x", Some(1 << 30))])),
        ("a layout with a record of a length", headed(&["size=7"])),
        (
            "an image",
            manifest(|manifest| {
                manifest.as_object_mut().expect("an object").remove("artifactType");
                manifest["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
            }),
        ),
        (
            "a manifest without a layer",
            manifest(|manifest| drop(manifest["layers"].as_array_mut().expect("a list").remove(0))),
        ),
        (
            "a manifest of two layers",
            manifest(|manifest| {
                let first = manifest["layers"][0].clone();
                manifest["layers"].as_array_mut().expect("a list").push(first);
            }),
        ),
        ("a manifest of another layer", manifest(|manifest| manifest["layers"][0]["size"] = 7.into())),
        ("papers of a later shape", saying("schema", 2.into())),
        ("papers with a key that leads upwards", saying("key", "../../x".into())),
        ("papers with a digest that is none", saying("tar_sha256", "00".into())),
        ("papers with a word too many", saying("colour", "blue".into())),
        ("papers of an archive of 16 EiB", saying("tar_size", u64::MAX.into())),
        ("papers of a file of 16 EiB", saying("layer_size", u64::MAX.into())),
        ("papers of a billion entries", saying("entries", 1_000_000_000.into())),
        ("papers of the year 9999", saying("epoch", 253_402_300_799_i64.into())),
        ("a provenance of another layer", made_of_two()),
        ("a layer that is no zstd", good().holding(b"hello".repeat(300)).archive()),
        ("a layer that is cut", {
            let layer = good();
            let half = layer.bytes[..layer.bytes.len() / 2].to_vec();
            layer.holding(half).archive()
        }),
        ("a bomb of 400 MiB", good().holding(zeroes(400)).archive()),
    ]
}

/// The papers of a layer, and a provenance of another one.
fn made_of_two() -> Vec<u8> {
    let (one, other) = (Layer::new(1, 100), Layer::new(2, 100));
    let other = other.layout().swap_remove(2);
    let mut files = one.layout_with(|manifest| {
        manifest["layers"][1]["digest"] = json!(format!("sha256:{}", layer::sha256(&other.1)));
        manifest["layers"][1]["size"] = json!(other.1.len());
    });
    files[2] = other;
    layer::archive(&files)
}

pub(crate) fn cases() -> Vec<Case> {
    let case = |(name, bytes): (&'static str, Vec<u8>)| {
        Case::new(name, "layer import layer.tar", move |bench| bench.write("layer.tar", &bytes))
    };
    let inside = contents().into_iter().map(|(name, tar, entries)| {
        let layer = Layer::of_tar(1, &tar, entries);
        (name, layer.archive())
    });
    let mut cases: Vec<Case> = papers().into_iter().chain(inside).map(case).collect();
    for (name, place) in [
        ("a place of a kind that is unknown", "ftp://example.org/layers"),
        ("a place with a password", "https://me:secret@example.org/layers"),
        ("a place without a registry", "me/layers"),
        ("a place with a digest", "oci://localhost:1/me@sha256:00"),
        ("a directory that is not there", "file:///nowhere/layers"),
    ] {
        cases.push(Case::new(name, &format!("layer pull {} {place}", "ab".repeat(32)), |_| {}));
    }
    for (name, value) in
        [("layers at an unknown place", "me/layers"), ("layers behind a password", "oci://me:x@a.b/c")]
    {
        cases.push(Case::new(name, CHECK, move |bench| {
            bench.edit("hostname =", &format!("layers = \"{value}\"\nhostname ="));
        }));
    }
    cases
}
