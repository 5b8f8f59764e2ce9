use tar::EntryType::{Block, Char, Continuous, Directory, Link, Regular, Symlink, XHeader};

use super::vet;
use crate::bake::manifest::LayerManifest;
use crate::bake::test_layer::{good, layer_of, manifest_of};

fn refusal(bytes: &[u8], layer: &LayerManifest) -> String {
    vet(bytes, layer).expect_err("is to be refused").to_string()
}

#[test]
fn a_layer_that_is_what_its_papers_say_passes() {
    let (bytes, layer) = good();
    vet(bytes.as_slice(), &layer).expect("is in order");
    // several frames are one stream (RFC 8878, section 3)
    let (plain, _) = (zstd::decode_all(bytes.as_slice()).expect("is zstd"), ());
    let halves = plain.split_at(700);
    let frames = [halves.0, halves.1].map(|half| zstd::encode_all(half, 3).expect("memory")).concat();
    vet(frames.as_slice(), &manifest_of(&plain, &frames, layer.entries)).expect("is in order");
}

#[test]
fn every_difference_from_the_papers_is_told() {
    let (bytes, layer) = good();
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    assert!(refusal(&damaged, &layer).starts_with("its sha256: expected "), "{}", refusal(&damaged, &layer));
    let short = &bytes[..bytes.len() - 1];
    assert!(refusal(short, &layer).starts_with("its length in bytes: expected "));
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(refusal(&longer, &layer).starts_with("its length in bytes: expected "));
    assert!(refusal(&longer, &layer).ends_with(", got more"));
    for (change, told) in [
        (
            LayerManifest { tar_size: layer.tar_size - 1, ..layer.clone() },
            "expected bytes of the archive 5119, got 5120",
        ),
        (
            LayerManifest { tar_size: layer.tar_size + 1, ..layer.clone() },
            "expected bytes of the archive 5121, got 5120",
        ),
        (
            LayerManifest { tar_sha256: "00".repeat(32), ..layer.clone() },
            "expected digest of the archive 0000",
        ),
        (LayerManifest { entries: 7, ..layer.clone() }, "expected entries 7, got 6"),
        (LayerManifest { entries: 5, ..layer.clone() }, "expected entries 5, got 6"),
    ] {
        assert!(refusal(&bytes, &change).starts_with(told), "{told}: {}", refusal(&bytes, &change));
    }
    let text = b"no zstd at all";
    assert!(refusal(text, &manifest_of(text, text, 0)).starts_with("it cannot be unpacked"));
}

#[test]
fn no_path_leads_out_of_the_image() {
    for (path, told) in [
        ("../etc/passwd", "leaves the image: `..` is not allowed"),
        ("/etc/passwd", "is not relative to the root of the image, without `./`"),
        ("etc/../../passwd", "leaves the image: `..` is not allowed"),
        ("./etc/passwd", "is not relative to the root of the image, without `./`"),
        ("etc//passwd", "has a part that no file can have"),
        (".", "is no path"),
    ] {
        let (bytes, layer) = layer_of(&[(path, Regular, "x")]);
        assert_eq!(refusal(&bytes, &layer), format!("its entry `{path}` {told}"));
    }
    for (entries, told) in [
        (
            vec![("etc", Symlink, "/"), ("etc/passwd", Regular, "x")],
            "its entry `etc/passwd` lies below what is no directory",
        ),
        (
            vec![("a", Link, "/etc/passwd")],
            "its entry `a` is a link whose target is not relative to the root of the image, without `./`",
        ),
        (
            vec![("a", Link, "b"), ("b", Regular, "")],
            "its entry `a` is a link to what did not come before it",
        ),
        (
            vec![("d/", Directory, ""), ("e", Link, "d")],
            "its entry `e` is a link to what did not come before it",
        ),
        (vec![("a", Regular, ""), ("a", Regular, "")], "its entry `a` is there twice"),
        (vec![("a", Continuous, "")], "its entry `a` is of kind '7', which no layer has"),
        (vec![("dev/sda", Block, "")], "its entry `dev/sda` is a device (8:1) that no package brings"),
        (vec![("dev/null", Char, "")], "its entry `dev/null` is a device (8:1) that no package brings"),
        (
            vec![("boot/firmware/a", Symlink, "b")],
            "its entry `boot/firmware/a` is neither file nor directory, and the boot partition holds nothing else",
        ),
    ] {
        let (bytes, layer) = layer_of(&entries);
        assert_eq!(refusal(&bytes, &layer), told);
    }
}

/// The `tar` crate takes a line break in a value for the end of the record: what it finds behind that is no record of ours.
#[test]
fn what_an_extended_header_says_counts_and_a_line_break_in_it_ends_nothing() {
    let attribute = "SCHILY.xattr.user.x=\n19 path=../../evil\n";
    let record = format!("{} {attribute}\n", attribute.len() + 4);
    let (bytes, layer) = headed(&record);
    vet(bytes.as_slice(), &layer).expect("a value, and no path");
    for (record, told) in [
        ("22 path=../etc/shadow\n", "its entry `../etc/shadow` leaves the image: `..` is not allowed"),
        ("99 path=a\n", "its entry `h` has an extended header that cannot be read"),
        ("17 comment=hello\n", "its entry `h` has an extended header with `comment`, which no layer has"),
        ("9 size=7\n", "its entry `a` has two lengths"),
    ] {
        let (bytes, layer) = headed(record);
        assert_eq!(refusal(&bytes, &layer), told);
    }
    let long = format!("300020 path={}\n", "x".repeat(300_000));
    let (bytes, layer) = headed(&long);
    assert_eq!(
        refusal(&bytes, &layer),
        format!("its entry `h` has an extended header of {} bytes", long.len())
    );
    let (bytes, layer) = layer_of(&[("h", XHeader, "9 uid=70\n")]);
    let layer = LayerManifest { entries: 0, ..layer };
    assert_eq!(refusal(&bytes, &layer), "its archive ends with the header of an entry that does not come");
}

/// A file `a` behind an extended header.
fn headed(records: &str) -> (Vec<u8>, LayerManifest) {
    let (bytes, layer) = layer_of(&[("h", XHeader, records), ("a", Regular, "x")]);
    (bytes, LayerManifest { entries: 1, ..layer })
}

#[test]
fn sizes_that_cannot_be_are_refused_before_anything_is_read() {
    let (_, layer) = good();
    for (change, told) in [
        (
            LayerManifest { layer_size: u64::MAX, ..layer.clone() },
            "a file of 18446744073709551615 bytes for an archive of 5120",
        ),
        (
            LayerManifest { tar_size: u64::MAX, ..layer.clone() },
            "an archive of 18446744073709551615 bytes, and 68719476736 are the most",
        ),
        (
            LayerManifest { entries: 1 << 40, ..layer.clone() },
            "1099511627776 entries, and 4194304 are the most",
        ),
        (
            LayerManifest { content_size: 1 << 40, ..layer.clone() },
            "files of 1099511627776 bytes in an archive of 5120",
        ),
        (LayerManifest { epoch: -1, ..layer.clone() }, "a time of -1 seconds"),
    ] {
        let text = serde_json::to_vec(&change).expect("plain values");
        let refused = crate::bake::artefact::parse(&text).expect_err(told).to_string();
        assert_eq!(refused, format!("`layer.json`: the manifest of the layer contradicts itself: {told}"));
    }
}

#[test]
fn nothing_hides_behind_the_end_of_the_archive() {
    let (bytes, layer) = good();
    let mut plain = zstd::decode_all(bytes.as_slice()).expect("is zstd");
    plain.extend_from_slice(&[1; 512]);
    let compressed = zstd::encode_all(plain.as_slice(), 3).expect("memory");
    let told = refusal(&compressed, &manifest_of(&plain, &compressed, layer.entries));
    assert_eq!(told, "its archive has something behind its end");
}
