//! What is not overwritten, and why; a card that is refused stays as it is.

use std::fs;

use crate::loops::Loop;
use crate::{Small, text};

/// Demands a refusal with these words, and that nobody wrote to the card.
fn expect_refused(small: &Small, code: i32, words: &str, arguments: &[&str]) -> String {
    let card = small.at("card");
    let before = fs::read(&card).ok();
    let (out, err) = small.flash(code, arguments);
    assert!(out.is_empty() && err.contains(words), "{words}: {out}{err}");
    assert!(fs::read(&card).ok() == before, "{words}: the card was written to");
    err
}

#[test]
fn a_disk_that_is_not_removable_has_to_be_named_twice() {
    let Some(small) = Small::new() else { return };
    let image = small.build("zst");
    let Some(device) = Loop::attach(&small.old_card("card", 300)) else { return };
    let err = expect_refused(&small, 2, "is no removable disk", &[text(&image), device.path()]);
    assert!(err.contains(&format!("--yes-wipe {}", device.path())), "{err}");
    let other = small.at("base.img");
    let arguments = [text(&image), device.path(), "--yes-wipe", text(&other)];
    expect_refused(&small, 2, "is no removable disk", &arguments);
}

#[test]
fn a_mounted_card_is_refused_and_so_is_one_of_its_partitions() {
    let Some(small) = Small::new() else { return };
    let image = small.build("zst");
    fs::copy(small.build("raw"), small.at("card")).expect("a card");
    let Some(device) = Loop::attach_with_partitions(&small.at("card")) else { return };
    let partition = format!("{}p2", device.path());
    let arguments = [text(&image), &partition, "--yes-wipe", &partition];
    expect_refused(&small, 2, &format!("is a partition of `{}`", device.path()), &arguments);
    let point = small.at("mounted here");
    fs::create_dir(&point).expect("a mount point");
    crate::support::run("mount", &["-o", "ro,noload", &partition, text(&point)]);
    let arguments = [text(&image), device.path(), "--yes-wipe", device.path()];
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let err = expect_refused(&small, 9, "is in use: ", &arguments);
        assert!(err.contains(&format!("is mounted at `{}`", point.display())), "{err}");
    }));
    crate::support::run("umount", &[text(&point)]);
    refused.expect("refused while it is mounted");
}

#[test]
fn a_card_that_is_too_small_stays_as_it_is() {
    let Some(small) = Small::new() else { return };
    let image = small.build("xz");
    let Some(device) = Loop::attach(&small.old_card("card", 40)) else { return };
    let arguments = [text(&image), device.path(), "--yes-wipe", device.path()];
    expect_refused(&small, 9, "is too small", &arguments);
}

#[test]
fn the_disk_that_this_machine_runs_from_is_refused_even_if_named_twice() {
    let Some(small) = Small::new() else { return };
    let image = small.build("zst");
    // never the disk itself where it could be written to
    let source = crate::support::run("findmnt", &["-n", "-o", "SOURCE", "/"]);
    let source = source.trim();
    if !source.starts_with("/dev/") || fs::metadata(source).is_err() {
        return; // a container, whose root is on no disk that it can name
    }
    let output = small.pimg(&["flash", text(&image), source, "--yes-wipe", source]);
    let err = crate::told(&output);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("runs from it") || err.contains("is a partition of"), "{err}");
}

#[test]
fn slips_of_the_pen() {
    let Some(small) = Small::new() else { return };
    let image = small.build("zst");
    let card = small.old_card("card", 1);
    let (image, card) = (text(&image), text(&card));
    expect_refused(&small, 2, "there is no device `/dev/sdnone`", &[image, "/dev/sdnone"]);
    expect_refused(&small, 2, "is neither a disk nor a file", &[image, "/dev/null"]);
    expect_refused(&small, 2, "is the image itself", &[image, image]);
    expect_refused(&small, 2, "are the same", &[image, card, &format!("{}/./card", small.at("").display())]);
    expect_refused(&small, 2, "neither an image nor a profile `tyni`", &["tyni", card]);
    expect_refused(&small, 2, "required arguments", &[image]);
    expect_refused(&small, 2, "names none of the cards", &[image, card, "--yes-wipe", "/dev/null"]);
    expect_refused(&small, 2, "the options for profiles do not apply", &[image, card, "--release"]);
    expect_refused(&small, 9, "cannot open", &["nothing.img", card]);
}

#[test]
fn an_image_that_is_not_what_its_digest_says_costs_no_card() {
    let Some(small) = Small::new() else { return };
    let image = small.build("raw");
    let card = small.old_card("card", 1);
    let mut bytes = fs::read(&image).expect("an image");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&image, bytes).expect("a file");
    let err = expect_refused(&small, 5, "is not the image that", &[text(&image), text(&card)]);
    assert!(err.contains(".sha256"), "{err}");
    fs::remove_file(format!("{}.sha256", image.display())).expect("a file goes");
    let err = expect_refused(&small, 5, "is not the image that", &[text(&image), text(&card)]);
    assert!(err.contains("manifest.json"), "{err}");
    let text_file = small.at("text.img");
    fs::write(&text_file, "no image at all").expect("a file");
    expect_refused(&small, 7, "partition table", &[text(&text_file), text(&card)]);
}
