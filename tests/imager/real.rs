//! Raspberry Pi Imager itself, where it is installed: Raspberry Pi OS has it, Debian does not.
//!
//! Its options are those of `src/cli.cpp` in raspberrypi/rpi-imager. A loop device is no removable volume, so it is
//! written with `--enable-writing-system-drives`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::loops::Loop;
use crate::{build, have_tools, project, read, support, text};

/// The program; a machine without it is no failure in CI either, since Debian has no package of it.
#[expect(clippy::print_stderr, reason = "a person should know what was not looked at")]
fn imager() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|place| place.join("rpi-imager")).find(|program| program.is_file());
    if found.is_none() {
        eprintln!("skipped: `rpi-imager` is not installed");
    }
    found
}

fn write(imager: &Path, image: &Path, sha256: &str, device: &str) -> Output {
    let mut command = Command::new(imager);
    command.args(["--cli", "--disable-eject", "--enable-writing-system-drives", "--sha256", sha256]);
    command.arg(image).arg(device).env("QT_QPA_PLATFORM", "offscreen");
    command.output().expect("Imager runs")
}

#[test]
fn imager_writes_the_image_and_refuses_another_digest() {
    let Some(imager) = imager() else { return };
    if !have_tools() {
        return;
    }
    let project = project();
    for format in ["zst", "xz"] {
        build(&project, "out", &["left", "--format", format]);
        let list = read(&project.join("out/os_list.json"));
        let (entry, image) = (&list["os_list"][0], project.join(&format!("out/left/left-1.img.{format}")));
        let size = entry["extract_size"].as_u64().expect("a size");
        let card = project.join("card.img");
        fs::write(&card, vec![0xaa; usize::try_from(size).expect("fits")]).expect("a card");
        let Some(device) = Loop::attach(&card) else { return };
        let output = write(&imager, &image, text(entry, "extract_sha256"), device.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        device.detach();
        let card_sha256 = support::run("sha256sum", &[card.to_str().expect("UTF-8")]);
        assert!(card_sha256.starts_with(text(entry, "extract_sha256")), "{format}: every byte of the card");

        let Some(device) = Loop::attach(&card) else { return };
        let output = write(&imager, &image, &"0".repeat(64), device.path());
        assert!(!output.status.success(), "{format}: another digest is refused");
    }
}
