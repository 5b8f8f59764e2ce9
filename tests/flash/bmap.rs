//! `bmaptool` with the `.bmap` file beside an image.

use std::fs;
use std::path::Path;

use crate::loops::Loop;
use crate::support::{have, run};
use crate::{Small, expect_same_card, text};

#[test]
fn bmaptool_makes_a_card_of_every_format() {
    if !have("bmaptool") {
        return;
    }
    let Some(small) = Small::new() else { return };
    let raw = small.build("raw");
    for format in ["zst", "xz", "raw"] {
        let image = small.build(format);
        // it makes the file as long as the image; what it leaves alone stays 0xff
        let card = small.old_card("card", usize::try_from(fs::metadata(&raw).expect("an image").len() >> 20).expect("small"));
        let told = copied(&image, &card);
        assert!(told.contains(".img.bmap"), "{told}");
        // of a file it takes away what is behind the last block that it writes
        if fs::metadata(&card).expect("a card").len() == fs::metadata(&raw).expect("an image").len() {
            expect_same_card(&small, &raw, &card);
        }
        let backing = small.old_card("disk", 300);
        let Some(device) = Loop::attach(&backing) else { return };
        copied(&image, Path::new(device.path()));
        device.detach();
        expect_same_card(&small, &raw, &backing);
    }
}

/// Runs `bmaptool copy`, which finds the map by the name of the image.
fn copied(image: &Path, card: &Path) -> String {
    let script = format!("bmaptool copy '{}' '{}' 2>&1", image.display(), card.display());
    run("bash", &["-c", &script])
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
    // its own digest, and that of the first range
    let good = text_of(&zst);
    for (from, to) in [("<BlockSize> 4096", "<BlockSize> 8192"), ("<MappedBlocksCount> ", "<MappedBlocksCount> 1")] {
        fs::write(map(&zst), good.replacen(from, to, 1)).expect("a map");
        let script = format!("bmaptool copy '{}' '{}' 2>&1", text(&zst), text(&small.at("card")));
        let output = small.project.pimg(&[]).get_program().to_owned();
        drop(output);
        let told = run("bash", &["-c", &format!("{script} && exit 1 || true")]);
        assert!(told.contains("checksum mismatch"), "{told}");
    }
}
