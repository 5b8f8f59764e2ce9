//! Names: that every one names an inode in use, and that all directories hang together.

use std::collections::BTreeSet;

use super::inodes::Inodes;
use crate::ext4::dir_entry::RawEntry;
use crate::ext4::dir_hash::dir_hash;
use crate::ext4::directory::{DirBlock, Role, for_each_dir_block};
use crate::ext4::features::incompat;
use crate::ext4::inode::corrupt;
use crate::ext4::{Error, Inode, Kind, Reader};

/// Reads all directories, counts names, and verifies that every directory is reached from the root.
pub(super) fn check_directories(
    reader: &Reader<'_>,
    inodes: &mut Inodes,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Error> {
    let directories: Vec<u32> = inodes.all_directories().map(|(ino, _)| ino).collect();
    let mut last_group = None;
    for ino in directories {
        let group = reader.superblock().place_of_inode(ino).map(|(group, _)| group);
        if group != last_group {
            progress(group.unwrap_or(0).into());
            last_group = group;
        }
        check_directory(reader, &reader.inode(ino)?, inodes)?;
    }
    check_parents(inodes)
}

fn check_directory(reader: &Reader<'_>, directory: &Inode, inodes: &mut Inodes) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for_each_dir_block(reader, directory, &mut |block| {
        if block.logical == 0 && block.entries.len() < 2 {
            return Err(corrupt(directory.ino, "directory has no `.` or no `..`"));
        }
        check_hashes(reader, directory, &block)?;
        for (index, entry) in block.entries.iter().enumerate() {
            let dots = if block.logical == 0 { index } else { usize::MAX };
            check_entry(reader, directory, entry, dots, inodes)?;
            if !names.insert(entry.name.to_vec()) {
                return Err(in_entry(directory, entry, "is there twice"));
            }
        }
        Ok(())
    })
}

/// Names under the wrong hash are there, but the kernel does not find them.
fn check_hashes(reader: &Reader<'_>, directory: &Inode, block: &DirBlock<'_>) -> Result<(), Error> {
    let (hash_version, bounds) = match &block.role {
        Role::Linear => return Ok(()),
        Role::Node if block.entries.len() == if block.logical == 0 { 2 } else { 0 } => return Ok(()),
        Role::Node => return Err(corrupt(directory.ino, "a node of the hash tree holds names")),
        Role::Stray => {
            return Err(corrupt(
                directory.ino,
                format_args!("hash tree does not know block {}", block.logical),
            ));
        }
        Role::Leaf(hash_version, bounds) => (*hash_version, *bounds),
    };
    let hash = |entry: &RawEntry<'_>| dir_hash(reader.superblock(), hash_version, entry.name);
    let is_misplaced = |entry: &&RawEntry<'_>| hash(entry).is_none_or(|hash| !bounds.contains(&hash));
    match block.entries.iter().find(is_misplaced) {
        Some(entry) => Err(in_entry(directory, entry, "stands under the wrong hash")),
        None => Ok(()),
    }
}

/// `dots` is 0 and 1 for the first two entries of a directory.
fn check_entry(
    reader: &Reader<'_>,
    directory: &Inode,
    entry: &RawEntry<'_>,
    dots: usize,
    inodes: &mut Inodes,
) -> Result<(), Error> {
    let wrong = |problem: &str| Err(in_entry(directory, entry, problem));
    let expected: Option<&[u8]> = [&b"."[..], b".."].get(dots).copied();
    let is_dots = matches!(entry.name, b"." | b"..");
    if expected.map_or(is_dots, |expected| expected != entry.name) {
        return wrong("is in the wrong place");
    }
    if is_dots && entry.after_name != 0 {
        return wrong("does not end in a zero byte");
    }
    if entry.name == b"." && entry.inode != directory.ino {
        return wrong("names another directory");
    }
    let may_be_named = inodes.may_be_named(entry.inode);
    let Some(inode) = inodes.get_mut(entry.inode).filter(|_| may_be_named) else {
        return wrong(&format!("names inode {}, which is not in use", entry.inode));
    };
    let has_file_type = reader.superblock().features.has_incompat(incompat::FILETYPE);
    let file_type = if has_file_type { inode.kind.file_type() } else { 0 };
    if entry.file_type != file_type {
        return wrong(&format!("has file type {}, but the inode {file_type}", entry.file_type));
    }
    inode.names = inode.names.saturating_add(1);
    if inode.kind == Kind::Directory && !is_dots {
        if entry.inode == Reader::ROOT || inode.parent.replace(directory.ino).is_some() {
            return wrong("is a second name of a directory");
        }
    } else if entry.name == b".." {
        if inode.kind != Kind::Directory {
            return wrong("names what is no directory");
        }
        if let Some(this) = inodes.get_mut(directory.ino) {
            this.dot_dot = Some(entry.inode);
        }
    }
    Ok(())
}

fn check_parents(inodes: &Inodes) -> Result<(), Error> {
    let mut reached = BTreeSet::from([Reader::ROOT]);
    for (ino, directory) in inodes.all_directories() {
        let parent = if ino == Reader::ROOT { Some(Reader::ROOT) } else { directory.parent };
        if parent.is_none() {
            return Err(corrupt(ino, "directory has no name"));
        }
        if directory.dot_dot != parent {
            return Err(corrupt(
                ino,
                format_args!(
                    "directory says that inode {} is its parent, but it is {}",
                    directory.dot_dot.unwrap_or(0),
                    parent.unwrap_or(0)
                ),
            ));
        }
        // up to a directory that is known to hang on the root; whoever comes back to itself does not
        let mut way = BTreeSet::new();
        let mut at = ino;
        while !reached.contains(&at) {
            if !way.insert(at) {
                return Err(corrupt(at, "directory is not below the root"));
            }
            let above = inodes.get(at).and_then(|inode| inode.parent);
            at = above.ok_or_else(|| corrupt(at, "directory has no name"))?;
        }
        reached.append(&mut way);
    }
    Ok(())
}

fn in_entry(directory: &Inode, entry: &RawEntry<'_>, problem: &str) -> Error {
    corrupt(directory.ino, format_args!("entry `{}` {problem}", entry.name.escape_ascii()))
}
