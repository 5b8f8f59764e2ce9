//! Partition tables made by sfdisk and sgdisk.

#[path = "support/mod.rs"]
mod support;

use pimg_disk::block::{BlockRead, BlockWrite, MemoryDevice};
use pimg_disk::mbr::{self, Mbr};
use pimg_disk::table::{Error, Kind, PartitionTable};
use tempfile::NamedTempFile;

use support::{Judge, judges};

const MIB: u64 = 1 << 20;

/// As pi-gen makes it, but smaller.
const PI: &str = "label: dos\nlabel-id: 0x4d3c2b1a\n\
    start=16384, size=32768, type=c, bootable\nstart=49152, size=40960, type=83\n";

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("temporary paths are ASCII")
}

fn make(sfdisk: &Judge, mib: u64, script: &str) -> MemoryDevice {
    let file = NamedTempFile::new().expect("a temporary file");
    file.as_file().set_len(mib * MIB).expect("a sparse file");
    let verdict = sfdisk.run_with_input([path(&file)], script);
    assert!(verdict.success, "{}", verdict.text);
    MemoryDevice::new(std::fs::read(file.path()).expect("what sfdisk wrote"))
}

fn file(device: &MemoryDevice) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), device.to_vec()).expect("a temporary file");
    file
}

/// Panics where sfdisk finds an error, and returns its dump.
fn judge(sfdisk: &Judge, device: &MemoryDevice) -> String {
    let file = file(device);
    let verdict = sfdisk.run(["--verify", path(&file)]);
    assert!(verdict.success && verdict.text.contains("No errors detected"), "{}", verdict.text);
    let dump = sfdisk.run(["-d", path(&file)]);
    assert!(dump.success, "{}", dump.text);
    let dump = String::from_utf8_lossy(&dump.stdout);
    dump.lines().filter(|line| !line.starts_with("device")).collect::<Vec<_>>().join("\n")
}

fn summary(table: &PartitionTable) -> Vec<(u32, u64, u64, String, String)> {
    let of = |it: &pimg_disk::table::Partition| {
        (it.number, it.start / 512, it.length / 512, it.partition_type.to_string(), it.part_uuid.clone())
    };
    table.partitions.iter().map(of).collect()
}

#[test]
fn reads_what_sfdisk_wrote() {
    let Some([sfdisk]) = judges(["sfdisk"]) else { return };
    let table = PartitionTable::read(&make(&sfdisk, 48, PI)).expect("a sound table");
    assert_eq!((table.kind, table.disk_id.as_str()), (Kind::Mbr, "4d3c2b1a"));
    let expected = [
        (1, 16384, 32768, "0c".to_owned(), "4d3c2b1a-01".to_owned()),
        (2, 49152, 40960, "83".to_owned(), "4d3c2b1a-02".to_owned()),
    ];
    assert_eq!(summary(&table), expected);
    assert_eq!(table.partition(2).expect("there is one").start, 24 * MIB);
    assert!(matches!(table.partition(3), Err(Error::NoPartition { number: 3 })));
}

#[test]
fn patches_change_only_their_field() {
    let Some([sfdisk]) = judges(["sfdisk"]) else { return };
    let device = make(&sfdisk, 64, PI);
    device.write_at(0, &[0xeb; 440]).expect("boot code");
    let before = device.to_vec();
    mbr::resize_partition(&device, 2, 131_072 - 49_152).expect("up to the end");
    mbr::set_disk_signature(&device, 0x0011_2233).expect("a sound table");
    let changed: Vec<_> = before
        .iter()
        .zip(device.to_vec())
        .enumerate()
        .filter(|(_, (old, new))| **old != *new)
        .map(|it| it.0)
        .collect();
    assert!(changed.iter().all(|at| (440..444).contains(at) || (474..478).contains(at)), "{changed:?}");
    let dump = judge(&sfdisk, &device);
    assert!(dump.contains("label-id: 0x00112233") && dump.contains("size=       81920, type=83"), "{dump}");
    assert_eq!(PartitionTable::read(&device).expect("a sound table").partitions[1].part_uuid, "00112233-02");
}

#[test]
fn refuses_patches_that_cannot_be() {
    let Some([sfdisk]) = judges(["sfdisk"]) else { return };
    let extended = "label: dos\nstart=2048, size=2048, type=83\nstart=8192, size=8192, type=5\n";
    let device = make(&sfdisk, 16, extended);
    let before = device.to_vec();
    let problems = [
        (
            mbr::resize_partition(&device, 1, 6145),
            "partition 1 cannot have 6145 sectors: partitions 1 and 2 overlap",
        ),
        (
            mbr::resize_partition(&device, 1, 30_721),
            "partition 1 cannot have 30721 sectors: partition 1 ends at sect",
        ),
        (mbr::resize_partition(&device, 1, 0), "partition 1 cannot be empty"),
        (
            mbr::resize_partition(&device, 2, 1),
            "unsupported partition table: cannot resize partition 2 of type 05",
        ),
        (mbr::resize_partition(&device, 3, 1), "there is no partition 3"),
        (mbr::resize_partition(&device, 0, 1), "there is no partition 0"),
    ];
    for (got, expected) in problems {
        let got = got.expect_err(expected).to_string();
        assert!(got.starts_with(expected), "expected {expected}, got {got}");
    }
    assert!(device.to_vec() == before);
    mbr::resize_partition(&device, 1, 6144).expect("up to its neighbour");
    judge(&sfdisk, &device);
    assert!(Mbr::read(&device).expect("a sound table").partition(2).expect("there is one").is_extended());
}

#[test]
fn names_what_is_wrong() {
    let Some([sfdisk]) = judges(["sfdisk"]) else { return };
    let image = make(&sfdisk, 48, PI).to_vec();
    type Change = fn(&mut Vec<u8>);
    let changes: [(Change, &str); 7] = [
        (|image| image[511] = 0, "no partition table: the first sector has no boot signature 55 aa"),
        (|image| image.truncate(511), "no partition table: it is shorter than a sector"),
        (|image| image[462] = 0x20, "no partition table: the boot indicators"),
        (|image| image[446..510].fill(0x41), "no partition table: the boot indicators"),
        (
            |image| image.truncate(40 << 20),
            "corrupt partition table: partition 2 ends at sector 90112, but the disk",
        ),
        (|image| image[471] = 0x80, "corrupt partition table: partitions 1 and 2 overlap"),
        (
            |image| image[454..458].fill(0),
            "corrupt partition table: partition 1 starts at the partition table itself",
        ),
    ];
    for (change, expected) in changes {
        let mut changed = image.clone();
        change(&mut changed);
        let got = PartitionTable::read(&MemoryDevice::new(changed)).expect_err(expected).to_string();
        assert!(got.starts_with(expected), "expected {expected}, got {got}");
    }
    let mut volume = vec![0; 512];
    volume[82..87].copy_from_slice(b"FAT32");
    volume[510..].copy_from_slice(&[0x55, 0xaa]);
    let got = PartitionTable::read(&MemoryDevice::new(volume)).expect_err("a volume").to_string();
    assert_eq!(got, "no partition table: it is a FAT volume without a partition table around it");
}

const GPT: &str = "label: gpt\nlabel-id: 11111111-2222-3333-4444-555555555555\n\
    start=2048, size=4096, type=U, uuid=AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE\n\
    start=8192, size=2048, type=L, uuid=12345678-BBBB-4CCC-8DDD-EEEEEEEEEEEE\n";

#[test]
fn reads_a_gpt() {
    let Some([sfdisk, sgdisk]) = judges(["sfdisk", "sgdisk"]) else { return };
    let device = make(&sfdisk, 8, GPT);
    let verdict = sgdisk.run(["-v", path(&file(&device))]);
    assert!(verdict.text.contains("No problems found"), "{}", verdict.text);
    let table = PartitionTable::read(&device).expect("a sound table");
    assert_eq!((table.kind, table.disk_id.as_str()), (Kind::Gpt, "11111111-2222-3333-4444-555555555555"));
    let expected = [
        (1, 2048, 4096, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"),
        (2, 8192, 2048, "0fc63daf-8483-4772-8e79-3d69d8477de4", "12345678-bbbb-4ccc-8ddd-eeeeeeeeeeee"),
    ];
    assert_eq!(summary(&table), expected.map(|it| (it.0, it.1, it.2, it.3.to_owned(), it.4.to_owned())));

    // a broken primary header leaves the backup, and a grown disk the primary
    let mut changed = device.to_vec();
    changed[512 + 60] ^= 1;
    assert_eq!(PartitionTable::read(&MemoryDevice::new(changed)).expect("the backup"), table);
    let mut grown = device.to_vec();
    grown.resize(16 << 20, 0);
    assert_eq!(PartitionTable::read(&MemoryDevice::new(grown)).expect("the primary"), table);
}

/// CRC32 as GPT has it (IEEE 802.3), so that broken fields get past the checksum.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// Corrects the checksums of the primary header.
fn seal(image: &mut [u8]) {
    let entries = crc32(&image[1024..1024 + 128 * 128]);
    image[512 + 88..512 + 92].copy_from_slice(&entries.to_le_bytes());
    image[512 + 16..512 + 20].fill(0);
    let header = crc32(&image[512..512 + 92]);
    image[512 + 16..512 + 20].copy_from_slice(&header.to_le_bytes());
}

#[test]
fn names_what_is_wrong_with_a_gpt() {
    let Some([sfdisk]) = judges(["sfdisk"]) else { return };
    let image = make(&sfdisk, 8, GPT).to_vec();
    let mut same = image.clone();
    seal(&mut same);
    assert!(same == image, "the checksums of this test are wrong");
    let unsupported = "unsupported partition table: GPT";
    type Change = fn(&mut Vec<u8>);
    let changes: [(Change, &str); 9] = [
        (|image| image[512 + 84] = 0, "unsupported partition table: GPT entry size: expected 128, got 0"),
        (|image| image[512 + 85] = 1, "unsupported partition table: GPT entry size: expected 128, got 384"),
        (
            |image| image[512 + 83] = 0x7f,
            "unsupported partition table: GPT of 2130706560 entries, at most 1024",
        ),
        (|image| image[512 + 10] = 2, unsupported),
        (|image| image[512 + 12] = 96, unsupported),
        (
            |image| image[1024 + 41] = 0x7f,
            "corrupt partition table: partition 1 covers sectors 2048 to 32767",
        ),
        (|image| image[1024 + 33] = 0, "corrupt partition table: partition 1 covers sectors 0 to"),
        (|image| image[1024 + 41] = 0x22, "corrupt partition table: partitions 1 and 2 overlap"),
        (|image| image[1024 + 47] = 0xff, "corrupt partition table: partition 1 covers"),
    ];
    for (change, expected) in changes {
        let mut changed = image.clone();
        change(&mut changed);
        seal(&mut changed);
        let got = PartitionTable::read(&MemoryDevice::new(changed)).expect_err(expected).to_string();
        assert!(got.starts_with(expected), "expected {expected}, got {got}");
    }
    let mut changed = image.clone();
    changed[1024 + 60] ^= 1;
    let got = PartitionTable::read(&MemoryDevice::new(changed)).expect_err("no checksum").to_string();
    assert_eq!(got, "corrupt partition table: the GPT entries are cut off, or do not match their checksum");
    let mut changed = image.clone();
    changed[512..1024].fill(0);
    changed.truncate(7 << 20);
    let got = PartitionTable::read(&MemoryDevice::new(changed)).expect_err("no header").to_string();
    assert_eq!(got, "corrupt partition table: the MBR announces a GPT, but there is none");
    let mut large = image;
    large.copy_within(512..604, 4096);
    large[512..520].fill(0);
    large.truncate(7 << 20);
    let got = PartitionTable::read(&MemoryDevice::new(large)).expect_err("4096").to_string();
    assert_eq!(got, "unsupported partition table: GPT with sectors of 4096 bytes");
}

#[test]
fn changed_bytes_never_panic() {
    let Some([sfdisk]) = judges(["sfdisk"]) else { return };
    let mut state: u64 = 88_172_645_463_325_252;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 8).expect("64 bit")
    };
    for script in [PI, GPT] {
        let image = make(&sfdisk, 48, script).to_vec()[..20 * 512].to_vec();
        for round in 0..2_000 {
            let mut changed = vec![0; 48 << 20 >> 5];
            changed[..image.len()].copy_from_slice(&image);
            for _ in 0..=round % 3 {
                let regions = [440..512, 512..604, 1024..1280];
                let region = regions[next() % 3].clone();
                changed[region.start + next() % region.len()] = u8::try_from(next() % 256).expect("a byte");
            }
            if round % 2 == 0 {
                seal(&mut changed);
            }
            let device = MemoryDevice::new(changed);
            if let Ok(table) = PartitionTable::read(&device) {
                assert!(table.partitions.iter().all(|partition| partition.range().end <= device.len()));
            }
            let _ = mbr::resize_partition(&device, 2, 2048);
        }
    }
}

#[test]
fn a_failing_device_is_no_corruption() {
    struct Failing(Vec<u8>, std::ops::Range<usize>);
    impl BlockRead for Failing {
        fn len(&self) -> u64 {
            8 << 20
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
            let offset = usize::try_from(offset).expect("64 bit");
            if self.1.contains(&offset) {
                return Err(std::io::Error::other("bad sector"));
            }
            buf.copy_from_slice(&self.0[offset..offset + buf.len()]);
            Ok(())
        }
    }
    let Some([sfdisk]) = judges(["sfdisk"]) else { return };
    let image = make(&sfdisk, 8, GPT).to_vec();
    // the sector of the MBR, that of the GPT header, and the entries, which the crate reads
    for bad in [0..512, 512..1024, 1024..2048] {
        let got = PartitionTable::read(&Failing(image.clone(), bad));
        assert!(matches!(got, Err(Error::Io(_))), "{got:?}");
    }
}
