use tar::EntryType::{Directory, Fifo, Link, Regular, Symlink};

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
    for (change, told) in [
        (
            LayerManifest { tar_size: layer.tar_size - 1, ..layer.clone() },
            "the length of its archive in bytes",
        ),
        (
            LayerManifest { tar_size: layer.tar_size + 1, ..layer.clone() },
            "the length of its archive in bytes",
        ),
        (LayerManifest { tar_sha256: "00".repeat(32), ..layer.clone() }, "the sha256 of its archive"),
        (LayerManifest { entries: 7, ..layer.clone() }, "its number of entries: expected 7, got 6"),
    ] {
        assert!(refusal(&bytes, &change).starts_with(told), "{told}: {}", refusal(&bytes, &change));
    }
    let text = b"no zstd at all";
    assert!(refusal(text, &manifest_of(text, text, 0)).starts_with("it cannot be unpacked"));
}

#[test]
fn no_path_leads_out_of_the_image() {
    for path in ["../etc/passwd", "/etc/passwd", "etc/../../passwd", "./etc/passwd", "etc//passwd", "."] {
        let (bytes, layer) = layer_of(&[(path, Regular, "x")]);
        assert_eq!(refusal(&bytes, &layer), format!("its entry `{path}` has a path that no layer has"));
    }
    for (entries, told) in [
        (
            vec![("etc", Symlink, "/"), ("etc/passwd", Regular, "x")],
            "its entry `etc/passwd` lies below something that is no directory",
        ),
        (vec![("a", Link, "/etc/passwd")], "its entry `a` is a hard link to nothing before it"),
        (vec![("a", Link, "b"), ("b", Regular, "")], "its entry `a` is a hard link to nothing before it"),
        (vec![("d/", Directory, ""), ("a", Link, "d")], "its entry `a` is a hard link to nothing before it"),
        (vec![("a", Regular, ""), ("a", Regular, "")], "its entry `a` is there twice"),
        (vec![("a", Fifo, "")], "its entry `a` is of a kind that no layer has"),
    ] {
        let (bytes, layer) = layer_of(&entries);
        assert_eq!(refusal(&bytes, &layer), told);
    }
}

#[test]
fn nothing_hides_behind_the_end_of_the_archive() {
    let (bytes, layer) = good();
    let mut plain = zstd::decode_all(bytes.as_slice()).expect("is zstd");
    plain.extend_from_slice(&[1; 512]);
    let compressed = zstd::encode_all(plain.as_slice(), 3).expect("memory");
    let told = refusal(&compressed, &manifest_of(&plain, &compressed, layer.entries));
    assert_eq!(told, "there is something behind the end of its archive");
}
