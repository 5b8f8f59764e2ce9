//! Files that have several names.

use std::collections::{BTreeSet, HashMap};

use pimg_disk::ext4::{Inode, Kind};

/// The names of the files of one tree that have more than one.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_inode: HashMap<u32, BTreeSet<Vec<u8>>>,
    by_path: HashMap<Vec<u8>, u32>,
}

impl Names {
    /// Notes a name, where its file may have others.
    pub(super) fn note(&mut self, inode: &Inode, path: &[u8]) {
        let is_file = inode.kind().is_ok_and(|kind| kind != Kind::Directory);
        if is_file && inode.i_links_count > 1 {
            self.by_inode.entry(inode.ino).or_default().insert(path.to_vec());
            self.by_path.insert(path.to_vec(), inode.ino);
        }
    }

    /// Every name of these files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.by_path.keys()
    }

    /// The other names of the file at `path`.
    pub(super) fn others(&self, path: &[u8]) -> Vec<Vec<u8>> {
        let names = self.by_path.get(path).and_then(|ino| self.by_inode.get(ino));
        names.into_iter().flatten().filter(|name| *name != path).cloned().collect()
    }
}
