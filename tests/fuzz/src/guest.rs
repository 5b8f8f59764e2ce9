//! Files of Raspberry Pi OS that are edited, and what a node says of itself.

use std::time::Duration;

use pimg::guest::accounts::{Accounts, NewUser, Table};
use pimg::guest::units::{UnitFile, UnitName, enable_file};
use pimg::guest::{boot_config, cpio, first_boot_safety, node_status as status, seed_bundle};
use pimg::machine::{console as serial, steps, track};
use pimg::plan::path::GuestPath;

fn text(input: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(input)
}

/// passwd, shadow, group, gshadow, subuid and subgid, with NUL bytes between them.
pub fn accounts(input: &[u8]) {
    let mut parts = input.split(|byte| *byte == 0);
    let mut table = |path, fields| Table::parse(path, fields, parts.next().unwrap_or_default());
    let read = || -> Result<Accounts, pimg::guest::Error> {
        Ok(Accounts {
            passwd: table("/etc/passwd", 7)?,
            shadow: table("/etc/shadow", 9)?,
            group: table("/etc/group", 4)?,
            gshadow: table("/etc/gshadow", 4)?,
            subuid: table("/etc/subuid", 3)?,
            subgid: table("/etc/subgid", 3)?,
        })
    };
    let mut read = read;
    let Ok(mut accounts) = read() else { return };
    let _ = (accounts.first_user(), accounts.home("pi"), accounts.passwd.user_and_group("pi"));
    let user = NewUser { name: "op", full_name: "", shell: "/bin/bash", password: b"!", changed: 20_000 };
    let replaced = accounts.replace_first_user(&user);
    accounts.lock_root(20_000);
    let passwd = accounts.passwd.to_bytes();
    let again = Table::parse("/etc/passwd", 7, &passwd).expect("what is written can be read");
    assert!(replaced.is_err() || again.find("op").is_some(), "the user is there");
}

pub fn boot_config(input: &[u8]) {
    let text = text(input);
    if let Ok(config) = boot_config::config_txt(input, &["dtparam=pciex1".to_owned()]) {
        let is_there = config.windows(14).any(|window| window == b"dtparam=pciex1");
        assert!(is_there, "the line is in it");
    }
    if let Ok(line) = boot_config::cmdline_txt(&text, &["quiet".to_owned()]) {
        assert!(line.split_whitespace().any(|word| word == "quiet"));
    }
    let _ = boot_config::with_disk_id(&boot_config::with_root_flag(&text), 0x1234, 0x5678);
    let _ = first_boot_safety::initramfs_conf(&text);
    let _ = seed_bundle::Note::parse(&text);
    let _ = pimg::image::digests::parse(&text);
}

/// A unit's name, a line break, its file.
pub fn unit(input: &[u8]) {
    let text = text(input);
    let (name, content) = text.split_once('\n').unwrap_or((&text, ""));
    let (Ok(name), Ok(file)) = (UnitName::new(name), UnitFile::parse(content)) else { return };
    let path = GuestPath::new("/usr/lib/systemd/system/unit.service").expect("a path");
    if let Ok((links, _)) = enable_file(&name, &path, &file) {
        for link in links {
            assert!(link.path.as_str().starts_with("/etc/systemd/system/"), "{link:?}");
        }
    }
}

pub fn locale(input: &[u8]) {
    use pimg::guest::locale::{archive_names, keyboard_file, locale_gen};
    let _ = archive_names(input);
    let text = text(input);
    let _ = locale_gen(&text, &["en_AU.UTF-8"]);
    let _ = keyboard_file(&text, &[("XKBLAYOUT", "us")]);
}

pub fn initramfs(input: &[u8]) {
    let files = [cpio::SegmentFile { path: "usr/lib/systemd/network/x.link", content: input }];
    let segment = cpio::segment(&files, 0).expect("a segment");
    let once = cpio::append(input, &segment);
    assert_eq!(cpio::append(&once, &segment), once, "a segment is not appended twice");
}

pub fn node_status(input: &[u8]) {
    if let Ok(status) = status::parse(input) {
        let _ = format!("{status:?}");
    }
    assert!(
        !status::clean(&text(input)).chars().any(|c| c.is_control() && c != '\n'),
        "no terminal is steered"
    );
    let mut track = track::Track::new(track::Goal::Finished);
    let _ = track.read_status(input, Duration::from_secs(1));
    let _ = track.open_steps();
}

pub fn console(input: &[u8]) {
    let mut track = track::Track::new(track::Goal::Finished);
    for (second, line) in (0..).zip(input.split(|byte| *byte == b'\n')) {
        if let Some(event) = serial::read_line(line) {
            let _ = track.hear(event, Duration::from_secs(second));
        }
    }
    let _ = (track.boots(), track.open_steps());
    let _ = steps::without_network(&steps::parse(&text(input)));
}

pub fn kernel_module(input: &[u8]) {
    if let Ok(module) = pimg::module::KernelModule::parse(input) {
        let _ = (module.kernel(), module.has_versions());
    }
}
