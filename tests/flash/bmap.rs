//! `bmaptool` with the `.bmap` file beside an image.

use std::fs;
use std::path::Path;

use crate::loops::Loop;
use crate::support::{have, run};
use crate::{Small, expect_same_card, old_blocks, text};

#[test]
fn bmaptool_makes_a_card_of_every_format() {
    if !have("bmaptool") {
        return;
    }
    let Some(small) = Small::new() else { return };
    let raw = small.build("raw");
    for format in ["zst", "xz", "raw"] {
        let image = small.build(format);
        let backing = small.old_card("disk", 300);
        let Some(device) = Loop::attach(&backing) else { return };
        let told = copied(&image, Path::new(device.path()));
        assert!(told.contains(".img.bmap"), "{told}");
        device.detach();
        expect_same_card(&small, &raw, &backing);
    }
}

/// Runs `bmaptool copy`, which finds the map by the name of the image.
fn copied(image: &Path, card: &Path) -> String {
    let script = format!("bmaptool copy '{}' '{}' 2>&1", image.display(), card.display());
    run("bash", &["-c", &script])
}

/// Why the map is not that of `bmaptool create`, which takes every hole of a sparse file for free space.
#[test]
fn a_map_of_holes_would_leave_old_bytes_in_what_is_in_use() {
    if !have("bmaptool") {
        return;
    }
    let Some(small) = Small::new() else { return };
    let raw = small.build("raw");
    let backing = small.old_card("disk", 300);
    let Some(device) = Loop::attach(&backing) else { return };
    let holes = small.at("holes.bmap");
    run("bmaptool", &["create", text(&raw), "-o", text(&holes)]);
    run("bmaptool", &["copy", "--bmap", text(&holes), text(&raw), device.path()]);
    device.detach();
    let (_, in_use) = old_blocks(&small, &raw, &backing);
    assert!(in_use.len() > 100, "{} blocks", in_use.len());
}

#[test]
fn the_map_is_the_same_for_every_format_and_bmaptool_believes_no_other() {
    let Some(small) = Small::new() else { return };
    let map = |image: &Path| {
        let name = image.file_name().expect("a name").to_string_lossy();
        let stem = name.split(".img").next().expect("a stem");
        image.with_file_name(format!("{stem}.img.bmap"))
    };
    let (zst, raw) = (small.build("zst"), small.build("raw"));
    let text_of = |image: &Path| fs::read_to_string(map(image)).expect("a map");
    assert_eq!(text_of(&zst), text_of(&raw));
    if !have("bmaptool") {
        return;
    }
    let refused = |image: &Path, words: &str| {
        let script = format!("! bmaptool copy '{}' '{}' 2>&1", text(image), text(&small.at("card")));
        let told = run("bash", &["-c", &script]);
        assert!(told.contains(words), "{words}: {told}");
    };
    let good = text_of(&zst);
    fs::write(map(&zst), good.replacen("chksum=\"", "chksum=\"0", 1)).expect("a map");
    refused(&zst, "checksum mismatch for bmap file");
    fs::write(map(&zst), good).expect("a map");
    let mut bytes = fs::read(&raw).expect("an image");
    bytes[440] ^= 1;
    fs::write(&raw, bytes).expect("an image");
    refused(&raw, "checksum mismatch for blocks range 0-1023");
}
