//! Files that have several names.

use std::collections::{BTreeSet, HashMap, HashSet};

use pimg_disk::ext4::{Inode, Kind};

/// The names of the files of one tree that have more than one.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_inode: HashMap<u32, BTreeSet<Vec<u8>>>,
    by_path: HashMap<Vec<u8>, u32>,
    closed: HashSet<Vec<u8>>,
}

impl Names {
    /// Notes a name, where its file may have others. `is_closed` says that only the owner can reach it.
    pub(super) fn note(&mut self, inode: &Inode, path: &[u8], is_closed: bool) {
        let is_file = inode.kind().is_ok_and(|kind| kind != Kind::Directory);
        if is_file && inode.i_links_count > 1 {
            self.by_inode.entry(inode.ino).or_default().insert(path.to_vec());
            self.by_path.insert(path.to_vec(), inode.ino);
            if is_closed {
                self.closed.insert(path.to_vec());
            }
        }
    }

    /// Every name of these files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.by_path.keys()
    }

    /// Whether only the owner can reach a path.
    pub(super) fn is_closed(&self, path: &[u8]) -> bool {
        self.closed.contains(path)
    }

    /// The other names of the file at `path`.
    pub(super) fn others(&self, path: &[u8]) -> Vec<Vec<u8>> {
        let names = self.by_path.get(path).and_then(|ino| self.by_inode.get(ino));
        names.into_iter().flatten().filter(|name| *name != path).cloned().collect()
    }
}
