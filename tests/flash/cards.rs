//! What lies on a card afterwards.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use crate::loops::Loop;
use crate::{Small, expect_same_card, text};

#[test]
fn a_file_becomes_the_image_byte_by_byte_and_stays_sparse() {
    let Some(small) = Small::new() else { return };
    let raw = small.build("raw");
    let expected = fs::read(&raw).expect("an image");
    for format in ["raw", "zst", "xz"] {
        let image = small.build(format);
        let card = small.old_card("card.img", 300);
        let (out, err) = small.flash(0, &[text(&image), text(&card)]);
        assert!(out.ends_with("card.img: written and verified\n"), "{out}{err}");
        assert!(fs::read(&card).expect("a card") == expected, "{format}");
        let metadata = fs::metadata(&card).expect("a card");
        assert!(metadata.blocks() * 512 < metadata.len() / 2, "{format}: {} blocks", metadata.blocks());
    }
}

#[test]
fn a_profile_is_flashed_without_an_image_file() {
    let Some(small) = Small::new() else { return };
    let image = fs::read(small.build("raw")).expect("an image");
    fs::remove_dir_all(small.at("out")).expect("out/ goes");
    for arguments in [["tiny"].as_slice(), &["--profile", "tiny"]] {
        let card = small.at("card.img");
        let options = ["--base", "base.img", "--ssh-key", "test.pub", text(&card)];
        let arguments = [arguments, &options].concat();
        small.flash(0, &arguments);
        assert!(fs::read(&card).expect("a card") == image, "{arguments:?}");
    }
    assert!(!small.at("out").exists(), "no image was written");
    let cache = fs::read_dir(small.at("cache")).expect("a cache");
    let left: Vec<_> = cache.map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".img")), "{left:?}");
}

#[test]
fn an_old_card_shows_nothing_of_what_it_held() {
    let Some(small) = Small::new() else { return };
    let image = small.build("zst");
    let raw = small.build("raw");
    let backing = small.old_card("card", 300);
    let Some(device) = Loop::attach(&backing) else { return };
    let (out, err) = small.flash(0, &[text(&image), device.path(), "--yes-wipe", device.path()]);
    assert_eq!(out, format!("{}: written and verified\n", device.path()));
    assert!(err.contains(&format!("overwriting `{}`", device.path())), "{err}");
    device.detach();
    expect_same_card(&small, &raw, &backing);
    let bytes = fs::read(&backing).expect("a card");
    assert!(bytes[bytes.len() - (1 << 20)..].iter().all(|byte| *byte == 0), "labels at the end of the disk");
}

#[test]
fn two_cards_at_once_and_a_bad_one_among_them() {
    let Some(small) = Small::new() else { return };
    let image = small.build("zst");
    let expected = fs::read(small.build("raw")).expect("an image");
    let (first, second) = (small.at("first.img"), small.at("second.img"));
    let (out, _) = small.flash(0, &[text(&image), text(&first), text(&second)]);
    assert_eq!(out.matches("written and verified").count(), 2, "{out}");
    for card in [&first, &second] {
        assert!(fs::read(card).expect("a card") == expected);
    }
    // a file system that is full is the nearest to a card that fails
    let Some(full) = crate::loops::Tmpfs::mount(&small.at("full"), "1M") else { return };
    let bad = full.path().join("card.img");
    fs::remove_file(&second).expect("a file goes");
    let (out, err) = small.flash(9, &[text(&image), text(&bad), text(&second), "--json"]);
    let result: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let verdict = |card: usize| result["result"]["cards"][card]["verdict"].clone();
    assert_eq!((verdict(0), verdict(1)), ("failed".into(), "passed".into()), "{out}{err}");
    assert!(fs::read(&second).expect("a card") == expected);
    assert!(fs::read(&bad).expect("a file")[..512].iter().all(|byte| *byte == 0), "no partition table");
}

#[test]
fn an_interrupted_card_has_no_partition_table() {
    let Some(small) = Small::new() else { return };
    let image = small.build("raw");
    let Some(device) = Loop::attach(&small.old_card("card", 300)) else { return };
    let path = device.path();
    let mut command =
        small.project.pimg(&["flash", text(&image), path, "--yes-wipe", path, "--progress", "json"]);
    command.env("PIMG_CACHE", small.at("cache")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("running pimg");
    let started = std::time::Instant::now();
    // once the first byte of the old card is gone
    let card = fs::File::open(small.at("card")).expect("a card");
    let first = || {
        let mut byte = [0];
        card.read_exact_at(&mut byte, 0).map(|()| byte[0])
    };
    while first().is_ok_and(|byte| byte == 0xff) {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is written");
    }
    crate::support::run("kill", &["-INT", &child.id().to_string()]);
    let output = child.wait_with_output().expect("pimg ends");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), None, "{err}");
    if output.status.code() == Some(0) {
        return; // it was quicker than the signal
    }
    assert_eq!(output.status.code(), Some(130), "{err}");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("has no partition table") && err.contains("is not complete"), "{out}{err}");
    device.detach();
    assert!(fs::read(small.at("card")).expect("a card")[..1 << 20].iter().all(|byte| *byte == 0));
}

#[test]
fn the_kernel_sees_the_new_partitions() {
    let Some(small) = Small::new() else { return };
    let image = small.build("zst");
    let backing = small.old_card("card", 300);
    let Some(device) = Loop::attach_for_partitions(&backing) else { return };
    small.flash(0, &[text(&image), device.path(), "--yes-wipe", device.path()]);
    let name = device.path().trim_start_matches("/dev/").to_owned();
    let told = fs::read_to_string(format!("/sys/block/{name}/{name}p2/size")).ok();
    device.detach();
    let raw = small.build("raw");
    let Some(again) = Loop::attach_for_partitions(&raw) else { return };
    let name = again.path().trim_start_matches("/dev/");
    // nothing at all from a kernel that was built without master boot records
    let expected = fs::read_to_string(format!("/sys/block/{name}/{name}p2/size")).ok();
    assert_eq!(told, expected);
}
