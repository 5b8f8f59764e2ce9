//! What other people's programs say of an image.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::support;

/// A partition as `sfdisk` tells it, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

/// Boot and root partition of a raw image.
pub(crate) fn partitions(image: &Path) -> (Place, Place) {
    let told = support::run("sfdisk", &["--json", image.to_str().expect("UTF-8")]);
    let table: serde_json::Value = serde_json::from_str(&told).expect("JSON of sfdisk");
    let place = |index: usize| {
        let partition = &table["partitiontable"]["partitions"][index];
        let sectors = |key: &str| partition[key].as_u64().expect("a number of sectors");
        Place { start: sectors("start") * 512, length: sectors("size") * 512 }
    };
    (place(0), place(1))
}

/// Not one complaint about the partition table and either file system.
pub(crate) fn expect_no_complaint(image: &Path) {
    let text = image.to_str().expect("UTF-8");
    let told = support::run("sfdisk", &["--verify", text]);
    let told = told.replace("No errors detected.", "");
    assert!(!told.contains("Error") && !told.contains("error"), "sfdisk says: {told}");
    let (boot, root) = partitions(image);
    let volume = copy_of(image, boot);
    let told = support::run("fsck.fat", &["-n", volume.path().to_str().expect("UTF-8")]);
    let complaints: Vec<_> = told.lines().skip(1).filter(|line| !line.contains(" files, ")).collect();
    assert!(complaints.is_empty(), "fsck.fat says: {told}");
    let told = support::run("e2fsck", &["-fn", &format!("{text}?offset={}", root.start)]);
    let complaints: Vec<_> = told.lines().filter(|line| !is_e2fsck_routine(line)).collect();
    assert!(complaints.is_empty(), "e2fsck says: {complaints:#?}");
}

/// The lines of an `e2fsck` that has nothing to say.
fn is_e2fsck_routine(line: &str) -> bool {
    line.starts_with("Pass ") || line.contains(" files (") || line.trim().is_empty()
}

fn copy_of(image: &Path, place: Place) -> tempfile::NamedTempFile {
    let mut from = File::open(image).expect("the image");
    from.seek(SeekFrom::Start(place.start)).expect("seeking");
    let mut to = tempfile::NamedTempFile::new().expect("a temporary file");
    let copied = std::io::copy(&mut from.take(place.length), &mut to).expect("copying a partition");
    assert_eq!(copied, place.length);
    to.flush().expect("writing a partition");
    to
}
