//! Volumes that contradict themselves are refused before the first write, and garbage never panics.

use pimg_disk::block::{BlockRead, BlockWrite, MemoryDevice};
use pimg_disk::fat::{Error, Volume, check};

use crate::image::{Tools, bytes, tools};

const FAT: usize = 32 * 512;

/// 1 MiB, clusters of one sector: `a.txt` in clusters 3 and 4, `dir` in 5, `dir/b.txt` in 6.
fn sample(tools: &Tools) -> MemoryDevice {
    let image = tools.make(1 << 10, &["-F", "32", "-s", "1", "-R", "32"]);
    let mut volume = Volume::open(&image).expect("a clean volume");
    volume.write("a.txt", &bytes(600, 1), 0).expect("it fits");
    volume.create_dir_all("dir", 0).expect("it fits");
    volume.write("dir/b.txt", b"b", 0).expect("it fits");
    volume.write("dir/a name that is rather long.txt", &bytes(5_000, 2), 0).expect("it fits");
    drop(volume);
    image
}

/// Sectors of one FAT of the sample.
const FAT_SECTORS: usize = 16;

/// Changes an entry in both FATs.
fn set_entry(image: &mut [u8], cluster: usize, value: u32) {
    for fat in [FAT, FAT + FAT_SECTORS * 512] {
        image[fat + 4 * cluster..][..4].copy_from_slice(&value.to_le_bytes());
    }
}

/// First byte of the root directory of the sample, which is cluster 2.
const ROOT: usize = FAT + 2 * FAT_SECTORS * 512;

#[test]
fn each_contradiction_is_named() {
    let Some(tools) = tools() else { return };
    let image = sample(&tools).to_vec();
    assert_eq!(image[36], FAT_SECTORS as u8);
    type Change = Box<dyn Fn(&mut Vec<u8>)>;
    let changes: Vec<(Change, &str)> = vec![
        (Box::new(|image| image[510] = 0), "this is no FAT file system: the boot sector has no signature"),
        (Box::new(|image| image[13] = 3), "this is no FAT file system: the boot sector names no sizes"),
        (
            Box::new(|image| image[3..11].copy_from_slice(b"EXFAT   ")),
            "this FAT file system is of a kind pimg",
        ),
        (Box::new(|image| image[42] = 1), "this FAT file system is of a kind pimg cannot edit: its version"),
        (Box::new(|image| image[40] = 0x80), "this FAT file system is of a kind pimg cannot edit: its FATs"),
        (Box::new(|image| image[16] = 3), "corrupt FAT file system: the boot sector names 32 reserved"),
        (Box::new(|image| image.truncate(1000 << 10)), "corrupt FAT file system: it has 2048 sectors"),
        (Box::new(|image| image[44] = 1), "corrupt FAT file system: the root directory starts at cluster 1"),
        (Box::new(|image| image[36] = 1), "corrupt FAT file system: a FAT of 1 sectors cannot be for"),
        (Box::new(|image| image[48] = 33), "corrupt FAT file system: FSInfo is at sector 33"),
        (Box::new(|image| image[512] = 0), "corrupt FAT file system: FSInfo has no signature"),
        (Box::new(|image| image[512 + 488] ^= 1), "corrupt FAT file system: FSInfo counts"),
        (Box::new(|image| image[FAT + 400] = 9), "corrupt FAT file system: the two FATs differ"),
        (Box::new(|image| image[21] = 0xf0), "corrupt FAT file system: the FAT starts with media f8"),
        (Box::new(|image| set_entry(image, 1, 0x07ff_ffff)), "the FAT file system was not unmounted cleanly"),
        (Box::new(|image| image[65] = 1), "the FAT file system was not unmounted cleanly"),
        (
            Box::new(|image| set_entry(image, 4, 3)),
            "corrupt FAT file system: `/A.TXT` has cluster 3, which is in use",
        ),
        (
            Box::new(|image| set_entry(image, 3, 6)),
            "corrupt FAT file system: `/DIR/B.TXT` has cluster 6, which is in",
        ),
        (
            Box::new(|image| set_entry(image, 4, 0)),
            "corrupt FAT file system: `/A.TXT` has cluster 4, which is marked",
        ),
        (
            Box::new(|image| set_entry(image, 4, 99_999)),
            "corrupt FAT file system: `/A.TXT` has cluster 99999, which",
        ),
        (
            Box::new(|image| set_entry(image, 3, 0x0fff_ffff)),
            "corrupt FAT file system: `/A.TXT` has 600 bytes",
        ),
        (
            Box::new(|image| set_entry(image, 900, 0x0fff_ffff)),
            "corrupt FAT file system: 1 clusters are in use",
        ),
        (
            Box::new(|image| image[ROOT + 32..ROOT + 43].copy_from_slice(b"A       TXT")),
            "corrupt FAT file system: `/A.TXT` is there twice",
        ),
        (Box::new(|image| image[ROOT + 28] = 0), "corrupt FAT file system: `/A.TXT` has 512 bytes"),
        (Box::new(|image| image[ROOT + 3 * 512 + 26] = 9), "corrupt FAT file system: `/DIR/.` is not what"),
        (Box::new(|image| image[ROOT + 3 * 512 + 32 + 26] = 2), "corrupt FAT file system: `/DIR/..` is not"),
        (Box::new(|image| image[ROOT + 3 * 512] = 0), "corrupt FAT file system: directory `/DIR` has no"),
    ];
    for (change, expected) in changes {
        let mut changed = image.clone();
        change(&mut changed);
        let device = MemoryDevice::new(changed);
        let before = device.to_vec();
        let got = Volume::open(&device).map(drop).expect_err(expected).to_string();
        assert!(got.starts_with(expected), "expected {expected}, got {got}");
        assert!(device.to_vec() == before);
    }
}

#[test]
fn other_kinds_of_fat_are_unsupported() {
    let Some(tools) = tools() else { return };
    for (kib, bits) in [(1 << 10, "12"), (8 << 10, "16")] {
        let image = tools.make(kib, &["-F", bits, "-s", "1"]);
        assert!(matches!(check(&image), Err(Error::Unsupported(_))));
    }
    assert!(matches!(check(&MemoryDevice::new(vec![0; 1 << 20])), Err(Error::NotFat(_))));
    assert!(matches!(check(&MemoryDevice::default()), Err(Error::NotFat(_))));
}

/// Everything that can be done with a volume, whatever comes of it.
fn use_all(device: &impl BlockWrite) {
    let Ok(mut volume) = Volume::open(device) else { return };
    let _ = (volume.label(), volume.free_bytes());
    let mut directories = vec![String::new()];
    while let Some(directory) = directories.pop() {
        for entry in volume.list(&directory).unwrap_or_default() {
            let path = format!("{directory}/{}", entry.name);
            let _ = volume.read(&path, 1 << 20);
            if entry.metadata.is_dir && path.len() < 1_000 {
                directories.push(path);
            }
        }
    }
    let _ = volume.write("new file.txt", &bytes(2_000, 9), 0);
    let _ = volume.write("a.txt", b"short", 0);
    let _ = volume.create_dir_all("dir/more/and more", 0);
    let _ = volume.rename("dir/b.txt", "dir/more/c.txt");
    let _ = volume.remove_tree("dir");
    let _ = volume.set_label("LABEL", 0);
}

#[test]
fn flipped_bytes_never_panic() {
    let Some(tools) = tools() else { return };
    let image = sample(&tools).to_vec();
    assert_eq!(image[36], FAT_SECTORS as u8);
    let regions = [0..90, 512..1024, FAT..FAT + 64, ROOT..ROOT + 256, ROOT + 1536..ROOT + 1536 + 256];
    let mut opened = 0;
    for round in 0..3_000_u64 {
        let random = bytes(16, round + 1);
        let mut changed = image.clone();
        for pick in random.chunks_exact(4).take(1 + usize::from(random[15] % 3)) {
            let region = &regions[usize::from(pick[0]) % regions.len()];
            let at = region.start + usize::from(u16::from_le_bytes([pick[1], pick[2]])) % region.len();
            let change = if round % 2 == 0 { pick[3] } else { 1 << (pick[3] % 8) };
            changed[at] ^= change;
            // the second FAT alike, so that more than the comparison is tried
            if region.start == FAT {
                let value = u32::from_le_bytes(changed[at & !3..][..4].try_into().expect("four bytes"));
                set_entry(&mut changed, (at - FAT) / 4, value);
            }
        }
        let device = MemoryDevice::new(changed);
        opened += u32::from(check(&device).is_ok());
        use_all(&device);
    }
    assert!(opened > 100, "only {opened} of the changed volumes were opened");
}

#[test]
fn a_cut_off_device_never_panics() {
    let Some(tools) = tools() else { return };
    let image = sample(&tools).to_vec();
    for length in (0..image.len()).step_by(509) {
        assert!(check(&MemoryDevice::new(image[..length].to_vec())).is_err());
    }
}

#[test]
fn a_failing_device_is_no_corruption() {
    struct Failing;
    impl BlockRead for Failing {
        fn len(&self) -> u64 {
            1 << 20
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
            Err(std::io::Error::other("bad sector"))
        }
    }
    assert!(matches!(check(&Failing), Err(Error::Io(_))));
}
