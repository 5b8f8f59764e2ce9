//! Growing before its judges: `e2fsck`, `resize2fs` and the kernel.

mod ext4_support;

use std::fs;
use std::sync::Arc;

use ext4_support::CLOCK;
use ext4_support::image::{FEATURE_SETS, Image, must, noise};
use ext4_support::kernel::Mount;
use ext4_support::op::groups;
use pimg_disk::block::MemoryDevice;
use pimg_disk::ext4::{Editor, Error, grow};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Kinds of file systems beyond those that every test goes through.
const MORE_SETS: [(&str, &[&str]); 6] = [
    ("no resize inode", &["-b4096", "-O^resize_inode"]),
    ("all backups", &["-b4096", "-O^sparse_super,^flex_bg,^resize_inode"]),
    ("2 KiB blocks", &["-b2048"]),
    ("short groups", &["-b4096", "-g8192", "-O^64bit"]),
    ("short groups without checksums", &["-b4096", "-g2048", "-O^metadata_csum"]),
    ("inodes of 128 bytes", &["-b1024", "-I128", "-O^extra_isize"]),
];

/// Grows to a device of `len` bytes.
fn grow_to(image: &Image, len: u64) -> u64 {
    let device = image.extended(len);
    let reached = grow(&device, len).expect("grows");
    assert!(reached <= len && len - reached < 200 * MIB, "{reached} of {len}");
    reached
}

#[test]
fn every_kind_grows_step_by_step() {
    for (name, features) in FEATURE_SETS.into_iter().chain(MORE_SETS) {
        // ends within a group, whatever the groups are
        let Some(image) = Image::make(features, 75 * MIB + 12_288) else { return };
        for len in [75 * MIB + 16_384, 80 * MIB, 128 * MIB, 129 * MIB, 140 * MIB, 300 * MIB + 5000, GIB] {
            grow_to(&image, len);
            image.judge(&format!("{name} at {len}"));
        }
        assert_eq!(grow(&image.device(), GIB).expect("no work"), grow_to(&image, GIB));
        assert!(image.debugfs("cat /etc/hostname").contains("raspberrypi"), "{name}");
    }
}

#[test]
fn the_kernel_and_resize2fs_accept_what_was_grown_and_edited() {
    for (name, features) in FEATURE_SETS {
        let Some(image) = Image::make(features, 150 * MIB) else { return };
        let largest = if features.contains(&"-b1024") { 3 * GIB } else { 40 * GIB };
        let Some(mount) = Mount::new(&image, "ro,noload") else { return };
        let mut asked = mount.model();
        mount.unmount();
        for len in [3 * GIB, 16 * GIB, 40 * GIB].into_iter().filter(|len| *len <= largest) {
            grow_to(&image, len);
            image.judge(&format!("{name} at {len}"));
        }
        let mount = Mount::new(&image, "ro").expect("mounted before");
        asked.assert_same(&mount.model());
        mount.unmount();

        let mut editor = Editor::open(image.device(), CLOCK).expect("opens");
        for op in groups()
            .iter()
            .filter(|(group, _)| !["rename", "remove"].contains(group))
            .flat_map(|(_, ops)| ops)
        {
            op.imagine(&mut asked).unwrap_or_else(|refusal| panic!("{name}: {op:?}: {refusal:?}"));
            op.edit(&mut editor).unwrap_or_else(|error| panic!("{name}: {op:?}: {error}"));
        }
        editor.finish().expect("finishes");
        image.judge(&format!("{name} grown and edited"));

        let mount = Mount::new(&image, "rw").expect("mounted before");
        asked.assert_same(&mount.model());
        let piece = noise(5, 8 << 20);
        for number in 0..24 {
            fs::write(mount.path().join(format!("large-{number}")), &piece).expect("the kernel finds room");
        }
        for directory in 0..40 {
            let directory = mount.path().join(format!("kernel-{directory}"));
            fs::create_dir(&directory).expect("a directory");
            (0..25).for_each(|file| fs::write(directory.join(file.to_string()), b"kernel").expect("a file"));
        }
        mount.unmount();
        image.judge(&format!("{name} after the kernel"));

        image.extend(largest + 2 * GIB);
        must("resize2fs", &["-f", image.text()]);
        image.judge(&format!("{name} after resize2fs"));
    }
}

#[test]
fn what_the_longer_device_held_before_does_not_show() {
    for (name, features) in FEATURE_SETS {
        let Some(image) = Image::make(features, 50 * MIB) else { return };
        let mut bytes = image.bytes();
        bytes.extend(noise(3, 100 << 20));
        let run = || {
            let device = Arc::new(MemoryDevice::new(bytes.clone()));
            grow(&device, bytes.len() as u64).expect("grows");
            let mut editor = Editor::open(Arc::<MemoryDevice>::clone(&device), CLOCK).expect("opens");
            for op in groups().iter().filter(|(group, _)| *group == "many").flat_map(|(_, ops)| ops) {
                op.edit(&mut editor).unwrap_or_else(|error| panic!("{name}: {op:?}: {error}"));
            }
            editor.finish().expect("finishes");
            device.to_vec()
        };
        let grown = run();
        assert!(grown == run(), "{name}: two runs differ");
        image.store(&grown);
        image.judge(name);
    }
}

#[test]
fn lengths_that_cannot_be_are_refused_and_nothing_is_written() {
    let Some(image) = Image::make(FEATURE_SETS[0].1, 64 * MIB) else { return };
    let before = image.bytes();
    let refused = grow(&image.device(), 32 * MIB).expect_err("shorter").to_string();
    assert_eq!(refused, "ext4 cannot hold 67108864 bytes in 33554432; it never shrinks");
    assert!(matches!(grow(&image.device(), 128 * MIB), Err(Error::InvalidValue(_))));
    assert_eq!(grow(&image.device(), 64 * MIB).expect("as it is"), 64 * MIB);
    must("debugfs", &["-w", "-R", "ssv state 0", image.text()]);
    assert!(matches!(grow(&image.device(), 64 * MIB), Err(Error::Unsupported(_))));
    image.store(&before);

    let Some(tight) = Image::make(&["-b4096", "-O^64bit", "-Eresize=65536"], 64 * MIB) else { return };
    let device = tight.extended(100 * GIB);
    let before = tight.debugfs("stats");
    let refused = grow(&device, 100 * GIB).expect_err("too long").to_string();
    let most: u64 = refused
        .split_whitespace()
        .skip_while(|word| *word != "most")
        .nth(1)
        .and_then(|word| word.parse().ok())
        .expect("a number");
    assert_eq!(tight.debugfs("stats"), before);
    assert_eq!(grow(&device, most).expect("the length it named"), most);
    tight.judge("the longest");
}

#[test]
fn a_remainder_too_short_for_a_group_is_left_alone() {
    let Some(image) = Image::make(FEATURE_SETS[1].1, 128 * MIB) else { return };
    for extra in [4096, 100 * 4096, 600 * 4096] {
        assert_eq!(grow_to(&image, 128 * MIB + extra), 128 * MIB);
        image.judge(&format!("{extra} bytes more"));
    }
    assert!(grow_to(&image, 138 * MIB) > 128 * MIB);
    image.judge("ten MiB more");
}

#[test]
fn a_group_that_was_never_written_gets_its_bitmap_before_it_grows() {
    let Some(image) = Image::make(FEATURE_SETS[0].1, 300 * MIB) else { return };
    // resize2fs leaves the last group without a bitmap where it is whole, so cut one group off first
    must("resize2fs", &[image.text(), "200M"]);
    let reached = grow_to(&image, 250 * MIB);
    assert_eq!(reached, 250 * MIB);
    image.judge("grown again");
    assert_eq!(grow_to(&image, 300 * MIB), 300 * MIB);
    image.judge("grown to the end");
}
