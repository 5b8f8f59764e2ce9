//! Partition tables, file systems and layers.

use std::sync::{Arc, OnceLock};

use pimg_disk::block::{BlockRead, BlockWrite, MemoryDevice};
use pimg_disk::ext4::{Attributes, Editor, NodeKind, Reader, Timestamp};
use pimg_disk::overlay::Layer;
use pimg_disk::{ext4, fat, table};

use crate::patched::{Image, damaged, images};

/// 2025-12-04, the time of every edit.
const TIME: i64 = 1_764_806_400;
/// Most bytes of a file that are read.
const MOST: usize = 1 << 20;

pub fn partition_table(input: &[u8]) {
    static IMAGES: OnceLock<Vec<Image>> = OnceLock::new();
    if let Some(device) = damaged(images("table", &IMAGES), input, 0) {
        read_table(device.as_ref());
    }
}

pub fn partition_table_raw(input: &[u8]) {
    read_table(&MemoryDevice::new(input.to_vec()));
}

fn read_table(device: &dyn BlockRead) {
    let _ = pimg_disk::mbr::Mbr::read(device);
    let Ok(table) = table::PartitionTable::read(device) else { return };
    for number in 0..300 {
        if let Ok(partition) = table.partition(number) {
            let range = partition.range();
            assert!(range.start <= range.end && range.end <= device.len(), "partition {number}: {range:?}");
        }
    }
}

pub fn fat(input: &[u8]) {
    static IMAGES: OnceLock<Vec<Image>> = OnceLock::new();
    let Some(device) = damaged(images("fat", &IMAGES), input, 0) else { return };
    if fat::check(device.as_ref()).is_err() {
        assert!(fat::Volume::open(device.clone()).is_err(), "a volume is opened that is not in order");
        return;
    }
    let _ = fat::free_space(device.as_ref());
    if edit_fat(device.clone()).is_ok() {
        fat::check(device.as_ref()).expect("edits of a volume in order leave it in order");
    }
}

fn edit_fat(device: Arc<dyn BlockWrite>) -> Result<(), fat::Error> {
    let mut volume = fat::Volume::open(device)?;
    let mut pending = vec![String::from("/")];
    while let Some(directory) = pending.pop() {
        for entry in volume.list(&directory)? {
            let path = format!("{}/{}", directory.trim_end_matches('/'), entry.name);
            let metadata = volume.metadata(&path)?;
            if metadata.is_some_and(|metadata| metadata.is_dir) {
                pending.push(path);
            } else {
                let _ = volume.read(&path, MOST as u64);
            }
        }
    }
    volume.label()?;
    volume.free_bytes()?;
    volume.write("/config.txt", b"other text\n", TIME)?;
    volume.write("/a new file with a long name.txt", &[7; 5000], TIME)?;
    volume.create_dir_all("/new/directory", TIME)?;
    volume.rename("/a new file with a long name.txt", "/new/directory/b.txt")?;
    volume.remove_tree("/new")
}

pub fn ext4(input: &[u8]) {
    static IMAGES: OnceLock<Vec<Image>> = OnceLock::new();
    // behind a file system in order there is room to grow into
    let Some(device) = damaged(images("ext4", &IMAGES), input, 16 << 20) else { return };
    let Ok(reader) = Reader::open(&device) else { return };
    read_tree(&reader);
    if reader.require_editable().is_err() || ext4::check(&reader, &mut |_, _| {}).is_err() {
        return;
    }
    ext4::free_space(&reader).expect("the free space of a file system in order");
    drop(reader);
    let length = device.len();
    if ext4::grow(device.as_ref(), length).is_ok() {
        expect_order(&device, "growing");
    }
    if edit_ext4(device.clone()).is_ok() {
        expect_order(&device, "editing");
    }
}

fn expect_order(device: &Arc<pimg_disk::overlay::Overlay>, what: &str) {
    let reader = Reader::open(device).unwrap_or_else(|error| panic!("{what}: {error}"));
    ext4::check(&reader, &mut |_, _| {}).unwrap_or_else(|error| panic!("{what}: {error}"));
}

fn read_tree(reader: &Reader<'_>) {
    let mut count = 0_u32;
    let _ = reader.walk(|path, inode| -> Result<(), ext4::Error> {
        count += 1;
        if count > 5000 {
            return Err(ext4::Error::Corrupt("enough was seen".to_owned()));
        }
        let _ = reader.dump_line(path, inode);
        let _ = reader.xattrs(inode.ino);
        let _ = reader.read_link(inode.ino);
        let _ = reader.read_all(inode.ino, MOST);
        let _ = reader.lookup(path, true);
        Ok(())
    });
}

fn edit_ext4(device: Arc<dyn BlockWrite>) -> Result<(), ext4::Error> {
    let mut editor = Editor::open(device, TIME)?;
    let attributes = Attributes { mode: 0o644, uid: 0, gid: 0, mtime: Timestamp::at(TIME) };
    let content = [5_u8; 9000];
    editor.mkdir("/made", &attributes)?;
    editor.create_file("/made/file", &attributes, &mut content.as_slice(), 9000)?;
    editor.symlink("/made/link", "elsewhere", &attributes)?;
    editor.mknod("/made/node", NodeKind::CharacterDevice { major: 5, minor: 1 }, &attributes)?;
    editor.set_xattr("/made/file", "user.note", b"value")?;
    editor.hard_link("/made/file", "/made/other")?;
    editor.rename("/made/other", "/other")?;
    editor.chmod("/other", 0o600)?;
    for path in ["/etc/hostname", "/many", "/made/link"] {
        if editor.exists(path)? {
            editor.remove_all(path)?;
        }
    }
    editor.finish()
}

pub fn ext4_structures(input: &[u8]) {
    let Some((raw, rest)) = input.split_first_chunk::<{ ext4::SUPERBLOCK_LEN }>() else { return };
    let Ok(superblock) = ext4::Superblock::parse(raw) else { return };
    assert_eq!(&superblock.to_bytes(), raw, "a superblock that was read is written the same");
    if let Ok(inode) = ext4::Inode::parse(&superblock, 12, rest) {
        let _ = (inode.kind(), inode.permissions(), inode.device(), inode.is_fast_symlink(&superblock));
    }
    if let Ok(group) = ext4::group_desc::GroupDesc::parse(&superblock, 0, rest) {
        let _ = group.to_bytes(&superblock, 0);
    }
    let _ = ext4::group_desc::bitmap_checksum(&superblock, superblock.s_blocks_per_group, rest);
}

pub fn layer(input: &[u8]) {
    let base: Arc<dyn BlockRead> = Arc::new(MemoryDevice::new(vec![0; 16 << 12]));
    let device: Arc<dyn BlockRead> = Arc::new(MemoryDevice::new(input.to_vec()));
    let Ok(layer) = Layer::open(device, base, [0; 32]) else { return };
    let _ = layer.verify();
    let mut buffer = vec![0; 3 << 12];
    for offset in (0..layer.len().min(1 << 20)).step_by(4096) {
        let _ = layer.read_at(offset, &mut buffer);
        let _ = layer.next_data(offset);
    }
}
