//! What a build does to a boot partition.

use std::sync::Arc;

use pimg_disk::block::{BlockRead, BlockWrite, MemoryDevice};
use pimg_disk::fat::{Error, Volume, check, free_space};
use pimg_disk::overlay::{MemoryStore, Overlay};

use crate::image::{Tools, bytes, tools};

/// 2025-12-04 14:36:37 UTC.
const TIME: i64 = 1_764_858_997;

/// Volumes of several shapes, the first two as pi-gen makes them (but smaller).
fn shapes(tools: &Tools) -> [MemoryDevice; 5] {
    [
        tools.make(140 << 10, &["-n", "bootfs", "-F", "32", "-s", "4"]),
        tools.make(72 << 10, &["-n", "bootfs", "-F", "32", "-s", "1"]),
        tools.make(4 << 10, &["-F", "32", "-s", "2", "-f", "1"]),
        tools.make(24 << 10, &["-F", "32", "-S", "4096", "-s", "1", "-n", "BIG SECTORS"]),
        tools.make(8 << 10, &["-F", "32", "-s", "8", "-i", "deadbeef", "-h", "16384"]),
    ]
}

fn edit(device: &impl BlockWrite) -> Result<(), Error> {
    let mut volume = Volume::open(device)?;
    volume.write("cmdline.txt", b"console=serial0,115200 root=PARTUUID=4d3c2b1a-02 rootwait\n", TIME)?;
    volume.write("config.txt", &bytes(95_000, 1), TIME)?;
    volume.write("ssh", b"", TIME)?;
    volume.create_dir_all("/overlays/nested deeply/and with a Very Long Name", TIME)?;
    volume.create_dir_all("overlays", TIME + 60)?;
    for number in 0..150_u64 {
        let name = format!("overlays/a long name that needs slots {number}.dtbo");
        volume.write(&name, &bytes(usize::try_from(number).unwrap_or(0) * 7, number), TIME)?;
    }
    for number in (0..150).step_by(3) {
        volume.remove_file(&format!("OVERLAYS/A long name that needs slots {number}.DTBO"))?;
    }
    volume.write("overlays/Überraschung – ноль.txt", b"unicode", TIME)?;
    volume.rename("overlays/a long name that needs slots 1.dtbo", "kernel_2712.img")?;
    volume.rename("overlays/nested deeply", "moved")?;
    volume.write("moved/and with a very long name/inner.txt", b"inner", TIME)?;
    volume.write("Config.TXT", &bytes(3_000, 2), TIME + 120)?;
    volume.create_dir_all("gone/with/all", TIME)?;
    volume.write("gone/with/all/of it", &bytes(10_000, 3), TIME)?;
    volume.remove_tree("gone")?;
    volume.set_label("PIMG", TIME)
}

#[test]
fn garbage_in_free_clusters_is_noticed_by_nobody() {
    let Some(tools) = tools() else { return };
    for image in shapes(&tools) {
        edit(&image).expect("the edits fit");
        let summary = check(&image).expect("sound");
        let free = free_space(&image).expect("sound");
        assert_eq!(free.iter().map(|range| range.end - range.start).sum::<u64>(), summary.free_bytes());
        assert!(free.is_sorted_by(|a, b| a.end < b.start), "{free:?}");
        for range in free {
            let garbage = vec![0xff; usize::try_from(range.end - range.start).expect("small")];
            image.write_at(range.start, &garbage).expect("inside the device");
        }
        tools.judge(&image);
        let mut volume = Volume::open_read_only(&image).expect("still sound");
        assert_eq!(volume.read("Config.TXT", 1 << 20).expect("a file"), bytes(3_000, 2));
        drop(volume);
        let mut volume = Volume::open(&image).expect("still sound");
        volume.create_dir_all("over/garbage", TIME).expect("a directory fits");
        volume.write("over/garbage/file", &bytes(5_000, 9), TIME).expect("a file fits");
        drop(volume);
        tools.judge(&image);
    }
}

#[test]
fn every_shape_stays_clean() {
    let Some(tools) = tools() else { return };
    for image in shapes(&tools) {
        edit(&image).expect("the edits fit");
        tools.judge(&image);
        let summary = check(&image).expect("our own check agrees");
        // mtools takes FAT32 volumes of so few clusters for FAT16
        if summary.clusters < 65_525 {
            continue;
        }
        assert_eq!(tools.content(&image, "config.txt"), bytes(3_000, 2));
        assert_eq!(tools.content(&image, "kernel_2712.img"), bytes(7, 1));
        assert_eq!(tools.content(&image, "moved/and with a Very Long Name/inner.txt"), b"inner");
        assert_eq!(tools.content(&image, "overlays/a long name that needs slots 149.dtbo"), bytes(1043, 149));
        let root = tools.listing(&image, "/");
        assert!(root.contains("Volume in drive : is PIMG"), "{root}");
        assert!(!root.contains("gone"), "{root}");
        // a name that fits 8.3 has no long name behind it, and its time is the caller's, in UTC
        let cmdline = root.lines().find(|line| line.starts_with("cmdline")).expect("cmdline.txt is listed");
        assert!(cmdline.contains("2025-12-04  14:36") && cmdline.ends_with(' '), "{root}");
    }
}

#[test]
fn an_overlay_keeps_the_base_and_few_blocks() {
    let Some(tools) = tools() else { return };
    let base = Arc::new(tools.make(72 << 10, &["-n", "bootfs", "-F", "32", "-s", "1"]));
    let before = base.to_vec();
    let overlay = Overlay::new(base.clone(), base.len(), MemoryStore::new()).expect("as long as its base");
    edit(&overlay).expect("the edits fit");
    tools.judge(&overlay);
    assert_eq!(base.to_vec(), before);
    assert!(overlay.dirty_count() < 100, "{} dirty blocks", overlay.dirty_count());
    let plain = MemoryDevice::new(before);
    edit(&plain).expect("the edits fit");
    let mut through = vec![0; plain.to_vec().len()];
    overlay.read_at(0, &mut through).expect("inside the device");
    assert!(through == plain.to_vec(), "overlay and plain device differ");
}

#[test]
fn same_edits_give_same_bytes() {
    let Some(tools) = tools() else { return };
    let images = [1, 2].map(|_| {
        let image = tools.make(4 << 10, &["-F", "32", "-s", "1"]);
        edit(&image).expect("the edits fit");
        image.to_vec()
    });
    assert!(images[0] == images[1], "the second run gave other bytes");
}

#[test]
fn replacing_a_file_keeps_its_cluster() {
    let Some(tools) = tools() else { return };
    let image = Arc::new(tools.make(4 << 10, &["-F", "32", "-s", "1"]));
    Volume::open(&*image).and_then(|mut volume| volume.write("cmdline.txt", b"one", TIME)).expect("it fits");
    let overlay = Overlay::new(image.clone(), image.len(), MemoryStore::new()).expect("as long as its base");
    let mut volume = Volume::open(&overlay).expect("a clean volume");
    volume.write("cmdline.txt", b"two", TIME).expect("it fits");
    // the cluster and, for the time that stays, nothing else
    assert_eq!(overlay.dirty_count(), 1);
}

#[test]
fn answers_about_what_is_there() {
    let Some(tools) = tools() else { return };
    let image = tools.make(4 << 10, &["-F", "32", "-s", "1", "-n", "bootfs"]);
    let mut volume = Volume::open(&image).expect("a clean volume");
    let free = volume.free_bytes().expect("FSInfo");
    volume.create_dir_all("a/b", TIME).expect("it fits");
    volume.write("a/File.txt", b"content", TIME).expect("it fits");
    assert_eq!(volume.free_bytes().expect("FSInfo"), free - 3 * 512);
    assert_eq!(volume.label().expect("a label").as_deref(), Some("bootfs"));
    let found = volume.metadata("A/FILE.TXT").expect("readable").expect("it is there");
    assert_eq!((found.is_dir, found.len, found.modified), (false, 7, Some(TIME - 1)));
    let directory = volume.metadata("a/b").expect("readable").expect("it is there");
    assert_eq!((directory.is_dir, directory.len, directory.modified), (true, 0, Some(TIME - 1)));
    assert_eq!(volume.metadata("a/none").expect("readable"), None);
    assert!(volume.metadata("/").expect("readable").expect("the root").is_dir);
    let names: Vec<_> = volume.list("a").expect("a directory").into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["b", "File.txt"]);
    assert_eq!(volume.read("a/file.txt", 7).expect("a file"), b"content");
    drop(volume);
    let mut volume = Volume::open_read_only(&image).expect("a clean volume");
    assert_eq!(volume.summary().files, 1);
    assert_eq!(volume.read("a/file.txt", 7).expect("a file"), b"content");
    let before = image.to_vec();
    assert!(matches!(
        Volume::open_read_only(&image).and_then(|mut it| it.write("x", b"", 0)),
        Err(Error::Io(_))
    ));
    assert!(image.to_vec() == before);
}

#[test]
fn says_what_is_wrong_with_a_request() {
    let Some(tools) = tools() else { return };
    let image = tools.make(4 << 10, &["-F", "32", "-s", "1"]);
    let mut volume = Volume::open(&image).expect("a clean volume");
    volume.create_dir_all("dir/sub", TIME).expect("it fits");
    volume.write("dir/file", b"12345678", TIME).expect("it fits");
    let before = image.to_vec();
    let problems = [
        (volume.write("none/file", b"", TIME), "`none/file` does not exist"),
        (volume.write("dir", b"", TIME), "`dir` is a directory"),
        (volume.write("dir/file/x", b"", TIME), "`dir/file/x` is not a directory"),
        (volume.write("a:b", b"", TIME), "FAT cannot hold the name `a:b`"),
        (volume.write("../x", b"", TIME), "FAT cannot hold the path `../x`: it must not have `.` and `..`"),
        (volume.write(&"x".repeat(256), b"", TIME), "FAT cannot hold the name `xxxx"),
        (volume.read("dir/file", 7).map(drop), "`dir/file` has 8 bytes, more than the 7 that may be read"),
        (volume.read("dir", 7).map(drop), "`dir` is a directory"),
        (volume.list("dir/file").map(drop), "`dir/file` is not a directory"),
        (volume.create_dir_all("dir/file", TIME), "`dir/file` is not a directory"),
        (volume.create_dir_all("dir/file/deep", TIME), "`dir/file/deep` is not a directory"),
        (volume.remove_file("dir"), "`dir` is a directory"),
        (volume.remove_file("nothing"), "`nothing` does not exist"),
        (volume.remove_tree("nothing"), "`nothing` does not exist"),
        (volume.remove_tree("/"), "`/` is the root directory"),
        (volume.rename("nothing", "x"), "`nothing` does not exist"),
        (volume.rename("dir", "dir/sub/x"), "FAT cannot hold the name `dir/sub/x`"),
        (volume.rename("dir/file", "dir/sub"), "`dir/sub` is a directory"),
        (volume.set_label("twelve chars", TIME), "FAT cannot hold the volume label `twelve chars`"),
    ];
    for (got, expected) in problems {
        let got = got.expect_err(expected).to_string();
        assert!(got.starts_with(expected), "expected {expected}, got {got}");
    }
    assert!(image.to_vec() == before, "a refused request changed the volume");
}

#[test]
fn a_directory_that_takes_the_last_cluster_leaves_no_empty_file() {
    let Some(tools) = tools() else { return };
    let image = tools.make(1 << 10, &["-F", "32", "-s", "1"]);
    let mut volume = Volume::open(&image).expect("a clean volume");
    for number in 0..15 {
        volume.write(&format!("F{number}"), b"", TIME).expect("16 entries fit a cluster");
    }
    let room = usize::try_from(volume.free_bytes().expect("FSInfo")).expect("64 bit");
    volume.write("LARGE", &vec![1; room - 512], TIME).expect("it fits");
    assert!(matches!(volume.write("ONE", b"1", TIME), Err(Error::NoSpace(_))));
    assert_eq!(volume.metadata("ONE").expect("readable"), None);
    tools.judge(&image);
}

#[test]
fn a_full_volume_stays_as_it_was() {
    let Some(tools) = tools() else { return };
    let image = tools.make(1 << 10, &["-F", "32", "-s", "1"]);
    let mut volume = Volume::open(&image).expect("a clean volume");
    volume.write("old", &bytes(5_000, 1), TIME).expect("it fits");
    let room = usize::try_from(volume.free_bytes().expect("FSInfo")).expect("64 bit");
    let before = image.to_vec();
    assert!(matches!(volume.write("new", &vec![1; room + 1], TIME), Err(Error::NoSpace(_))));
    assert!(matches!(volume.write("old", &vec![1; room + 5_633], TIME), Err(Error::NoSpace(_))));
    assert!(image.to_vec() == before);
    volume.write("old", &bytes(room + 5_120, 2), TIME).expect("it fits exactly");
    for number in 0..20 {
        // the entries run out of their cluster, and there is no other
        if let Err(error) = volume.write(&format!("an empty file with a long name {number}"), b"", TIME) {
            assert!(matches!(error, Error::NoSpace(_)), "{error}");
        }
    }
    tools.judge(&image);
    assert_eq!(volume.read("old", 1 << 20).expect("a file"), bytes(room + 5_120, 2));
}
