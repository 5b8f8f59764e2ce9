use std::io::{Cursor, Read as _};

use tar::{EntryType, Header};

use super::{LayoutArchive, write};
use crate::bake::artefact::Papers;
use crate::bake::test_layer::good;

fn papers() -> (Vec<u8>, Papers) {
    let (bytes, layer) = good();
    let manifest = serde_json::to_vec(&layer).expect("plain values");
    (bytes, Papers::new(manifest, None, None).expect("fit together"))
}

fn archive() -> (Vec<u8>, Vec<u8>) {
    let (bytes, papers) = papers();
    let mut out = Vec::new();
    write(&papers, bytes.as_slice(), &mut out).expect("memory");
    (bytes, out)
}

/// The files of an archive, each of them changed by `change`; those of which nothing is left stay out.
fn changed(archive: &[u8], change: impl Fn(&str, Vec<u8>) -> Vec<(String, Vec<u8>)>) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(archive).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("memory");
        for (name, bytes) in change(&name, bytes) {
            let mut header = Header::new_ustar();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_entry_type(EntryType::Regular);
            header.set_cksum();
            out.append(&header, bytes.as_slice()).expect("memory");
        }
    }
    out.into_inner().expect("memory")
}

fn refusal(archive: &[u8]) -> String {
    let opened = LayoutArchive::open(Cursor::new(archive));
    opened.and_then(|mut archive| archive.papers().map(drop)).expect_err("is to be refused").to_string()
}

#[test]
fn what_is_written_is_read_back_and_written_the_same_way() {
    let (bytes, first) = archive();
    let mut opened = LayoutArchive::open(Cursor::new(&first)).expect("ours");
    let (papers, parts) = opened.papers().expect("ours");
    let mut layer = Vec::new();
    opened.layer(&parts).expect("is there").read_to_end(&mut layer).expect("memory");
    assert_eq!(layer, bytes);
    let mut second = Vec::new();
    write(&papers, layer.as_slice(), &mut second).expect("memory");
    assert!(first == second, "the same layer is the same file");
    // as `tar -c .` writes it, and in any order
    let dotted = changed(&first, |name, bytes| vec![(format!("./{name}"), bytes)]);
    assert!(LayoutArchive::open(Cursor::new(&dotted)).expect("ours").papers().is_ok());
}

#[test]
fn other_files_and_damaged_ones_are_refused() {
    let (_, good) = archive();
    let only = |wanted: &str, name: &str, bytes: Vec<u8>, new: &[u8]| {
        let bytes = if name == wanted { new.to_vec() } else { bytes };
        vec![(name.to_owned(), bytes)]
    };
    assert!(
        refusal(b"no tar").starts_with("it is no tar archive")
            || refusal(b"no tar").starts_with("it holds no")
    );
    assert!(refusal(&[]).starts_with("it holds no `oci-layout`"));
    let told = refusal(&changed(&good, |name, bytes| only("oci-layout", name, bytes, b"{}")));
    assert_eq!(told, "`oci-layout` is not of version 1.0.0");
    let told = refusal(&changed(&good, |name, bytes| only("index.json", name, bytes, b"{}")));
    assert!(told.starts_with("cannot trust `index.json`: missing field"), "{told}");
    let extra =
        |name: &str, bytes: Vec<u8>| vec![(name.to_owned(), bytes), (format!("../../{name}"), b"x".to_vec())];
    let told = refusal(&changed(&good, extra));
    assert!(told.starts_with("it holds `../../"), "{told}");
    let twice = |name: &str, bytes: Vec<u8>| vec![(name.to_owned(), bytes.clone()), (name.to_owned(), bytes)];
    assert!(refusal(&changed(&good, twice)).ends_with("twice"));
    // each small blob, one byte changed and left out
    let mut blobs = Vec::new();
    for entry in tar::Archive::new(good.as_slice()).entries().expect("a tar") {
        let entry = entry.expect("an entry");
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if name.starts_with("blobs/sha256/") && !name.ends_with('/') {
            blobs.push(name);
        }
    }
    assert_eq!(blobs.len(), 4, "manifest, config, statement, layer");
    for blob in &blobs[..3] {
        let flipped = |name: &str, mut bytes: Vec<u8>| {
            if name == blob {
                bytes[0] ^= 1;
            }
            vec![(name.to_owned(), bytes)]
        };
        let told = refusal(&changed(&good, flipped));
        assert!(told.contains("another digest: expected sha256 "), "{told}");
        let without =
            |name: &str, bytes| if name == blob { Vec::new() } else { vec![(name.to_owned(), bytes)] };
        assert_eq!(refusal(&changed(&good, without)), format!("it holds no `{blob}`"));
    }
    // cut off anywhere it is refused or still whole
    for end in (0..good.len()).step_by(97) {
        if let Ok(mut archive) = LayoutArchive::open(Cursor::new(&good[..end])) {
            let _ = archive.papers();
        }
    }
    assert!(refusal(&good[..1000]).starts_with("it "), "{}", refusal(&good[..1000]));
}
