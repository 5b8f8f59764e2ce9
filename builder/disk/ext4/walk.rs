//! Walking the whole tree, and printing it.
//!
//! The text of [`dump_line`] is for people and for comparing two images: it holds what a file is, not where it
//! lies.

use std::collections::HashSet;
use std::fmt::Write;

use super::Error;
use super::directory::DirEntry;
use super::inode::{Inode, Kind, corrupt};
use super::reader::Reader;

/// A directory that is being walked: its path without a slash at the end, and what is left of it, last first.
struct Level {
    path: Vec<u8>,
    entries: Vec<DirEntry>,
}

impl Reader<'_> {
    /// Tells `visit` the path and the inode of everything in the file system, `/` first. The contents of a
    /// directory follow it at once, names in the order of their bytes; a file with several names comes once
    /// for each.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where a directory is broken or met twice, and whatever `visit` returns.
    pub fn walk<E: From<Error>>(
        &self,
        mut visit: impl FnMut(&[u8], &Inode) -> Result<(), E>,
    ) -> Result<(), E> {
        let root = self.used_inode(Self::ROOT)?;
        visit(b"/", &root)?;
        let mut seen = HashSet::from([Self::ROOT]);
        // directories share no blocks, so all together have no more than the file system
        let mut bytes_left = self.superblock().byte_of_block(self.superblock().s_blocks_count);
        let mut levels =
            vec![Level { path: Vec::new(), entries: self.sorted_entries(&root, &mut bytes_left)? }];
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.entries.pop() else {
                levels.pop();
                continue;
            };
            let path = [&level.path, &b"/"[..], &entry.name].concat();
            let inode = self.used_inode(entry.ino)?;
            visit(&path, &inode)?;
            if inode.kind()? == Kind::Directory {
                if !seen.insert(entry.ino) {
                    return Err(corrupt(entry.ino, "directory has two names").into());
                }
                levels.push(Level { path, entries: self.sorted_entries(&inode, &mut bytes_left)? });
            }
        }
        Ok(())
    }

    fn sorted_entries(&self, inode: &Inode, bytes_left: &mut u64) -> Result<Vec<DirEntry>, Error> {
        let left = bytes_left.checked_sub(inode.size);
        *bytes_left =
            left.ok_or_else(|| corrupt(inode.ino, "directories are longer than the file system"))?;
        let mut entries = self.entries_of(inode)?;
        entries.sort_unstable_by(|this, other| other.cmp(this));
        Ok(entries)
    }

    /// Gives `write` a line of text for everything in the file system, in the order of [`Reader::walk`].
    ///
    /// # Errors
    /// As [`Reader::walk`].
    pub fn dump<E: From<Error>>(&self, mut write: impl FnMut(String) -> Result<(), E>) -> Result<(), E> {
        self.walk(|path, inode| write(self.dump_line(path, inode)?))
    }

    /// The line of one path: kind and permissions, owner:group, length or device number, time of the last
    /// change of the contents in seconds and nanoseconds since 1970, path, target of a link, attributes.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where link or attributes are broken.
    pub fn dump_line(&self, path: &[u8], inode: &Inode) -> Result<String, Error> {
        let kind = inode.kind()?;
        let length = match kind {
            Kind::CharDevice | Kind::BlockDevice => {
                let (major, minor) = inode.device();
                format!("{major}:{minor}")
            }
            // the length of a directory tells of its history, not of its contents
            Kind::Directory => "-".to_owned(),
            _ => inode.size.to_string(),
        };
        let mut line = format!(
            "{}{:04o} {}:{} {length} {}.{:09} {}",
            kind.letter(),
            inode.permissions(),
            inode.uid,
            inode.gid,
            inode.mtime.seconds,
            inode.mtime.nanoseconds,
            path.escape_ascii()
        );
        if kind == Kind::Symlink {
            line += &format!(" -> {}", self.link_target(inode)?.escape_ascii());
        }
        for (name, value) in self.xattrs_of(inode)? {
            line += &format!(" {}=0x", name.escape_ascii());
            for byte in value {
                write!(line, "{byte:02x}")
                    .map_err(|_| corrupt(inode.ino, "attribute is too long to print"))?;
            }
        }
        Ok(line)
    }
}
