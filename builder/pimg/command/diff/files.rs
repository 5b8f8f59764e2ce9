//! Files of the root file system.
//!
//! Both trees are walked side by side, a directory at a time. Contents are read only where everything else is equal,
//! in pieces. Times are not compared: every file of a build has its own.

use std::collections::HashSet;

use pimg_disk::ext4::{self, DirEntry, Inode, Kind, Reader};

use super::merge;
use crate::command::Context;
use crate::command::inspect::{entry_kind, ownership};
use crate::command::outcome::{FileChange, FileSide};
use crate::failure::{Class, Failure};
use crate::image::base::BaseImage;
use crate::plan::change::Partition;
use crate::progress::TaskId;

/// Bytes of a file that are compared at once.
const PIECE: usize = 1 << 20;

/// Files that hold secrets although a group may read them.
const SECRETS: [&str; 4] = ["/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-"];

/// The files that differ.
pub(super) fn compare(
    a: &BaseImage,
    b: &BaseImage,
    context: &Context<'_>,
) -> Result<Vec<FileChange>, Failure> {
    let total = a.root().superblock().used_bytes();
    let task = context.reporter.begin("comparing files", Some(total));
    let mut comparison = Comparison {
        a: a.root(),
        b: b.root(),
        context,
        task,
        same: HashSet::new(),
        buffers: [vec![0; PIECE], vec![0; PIECE]],
        found: Vec::new(),
    };
    comparison.run()?;
    let count = comparison.found.len();
    context.reporter.finish(task, &format!("{count} differ"));
    Ok(comparison.found)
}

/// A directory that is in one tree or in both, by inode.
struct Directory {
    path: Vec<u8>,
    a: Option<u32>,
    b: Option<u32>,
}

struct Comparison<'a> {
    a: &'a Reader<'a>,
    b: &'a Reader<'a>,
    context: &'a Context<'a>,
    task: TaskId,
    /// Files of several names that were compared and are equal.
    same: HashSet<(u32, u32)>,
    buffers: [Vec<u8>; 2],
    found: Vec<FileChange>,
}

impl Comparison<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        let root = |reader: &Reader<'_>| reader.inode(ROOT).map_err(unreadable);
        let (a, b) = (root(self.a)?, root(self.b)?);
        self.compare_entry(b"/", Some(&a), Some(&b))?;
        let mut pending = vec![Directory { path: Vec::new(), a: Some(ROOT), b: Some(ROOT) }];
        let mut seen = [HashSet::from([ROOT]), HashSet::from([ROOT])];
        while let Some(directory) = pending.pop() {
            self.context.check_interrupt()?;
            let mut below = self.compare_directory(&directory)?;
            for child in &below {
                for (seen, ino) in seen.iter_mut().zip([child.a, child.b]) {
                    if ino.is_some_and(|ino| !seen.insert(ino)) {
                        let message = format!("directory `{}` has two names", shown(&child.path));
                        return Err(Failure::new(Class::Base, message));
                    }
                }
            }
            below.reverse();
            pending.append(&mut below);
        }
        Ok(())
    }

    /// Compares what is in a directory, and says which directories are in it.
    fn compare_directory(&mut self, directory: &Directory) -> Result<Vec<Directory>, Failure> {
        let (left, right) = (entries(self.a, directory.a)?, entries(self.b, directory.b)?);
        let mut below = Vec::new();
        for (left, right) in merge(left, right, |entry| &entry.name) {
            let name = left.as_ref().or(right.as_ref()).map_or(&[][..], |entry| &entry.name);
            let path = [&directory.path, &b"/"[..], name].concat();
            let left = left.map(|entry| self.a.inode(entry.ino)).transpose().map_err(unreadable)?;
            let right = right.map(|entry| self.b.inode(entry.ino)).transpose().map_err(unreadable)?;
            let directory_of = |inode: &Option<Inode>| match inode {
                Some(inode) if inode.kind().is_ok_and(|kind| kind == Kind::Directory) => Some(inode.ino),
                _ => None,
            };
            let (a, b) = (directory_of(&left), directory_of(&right));
            self.compare_entry(&path, left.as_ref(), right.as_ref())?;
            if a.is_some() || b.is_some() {
                below.push(Directory { path, a, b });
            }
        }
        Ok(below)
    }

    fn compare_entry(&mut self, path: &[u8], a: Option<&Inode>, b: Option<&Inode>) -> Result<(), Failure> {
        let differs = match (a, b) {
            (Some(a), Some(b)) => self.differences(a, b)?,
            _ => Vec::new(),
        };
        if a.is_some() && b.is_some() && differs.is_empty() {
            return Ok(());
        }
        let path = shown(path);
        let is_secret = SECRETS.contains(&path.as_str()) || [a, b].into_iter().flatten().any(is_private);
        let side = |reader: &Reader<'_>, inode: Option<&Inode>| {
            inode.map(|inode| side(reader, inode, is_secret)).transpose()
        };
        let (a, b) = (side(self.a, a)?, side(self.b, b)?);
        let partition = Partition::Root;
        self.found.push(FileChange { partition, path, a, b, differs, secret: is_secret });
        Ok(())
    }

    fn differences(&mut self, a: &Inode, b: &Inode) -> Result<Vec<&'static str>, Failure> {
        let kind = a.kind().map_err(unreadable)?;
        if kind != b.kind().map_err(unreadable)? {
            return Ok(vec!["kind"]);
        }
        let mut differs = Vec::new();
        if (a.uid, a.gid) != (b.uid, b.gid) {
            differs.push("owner");
        }
        if a.permissions() != b.permissions() {
            differs.push("mode");
        }
        let attributes = |reader: &Reader<'_>, inode: &Inode| reader.xattrs(inode.ino).map_err(unreadable);
        if attributes(self.a, a)? != attributes(self.b, b)? {
            differs.push("attributes");
        }
        match kind {
            Kind::Regular if !self.is_same_content(a, b)? => differs.push("content"),
            Kind::Symlink if target(self.a, a)? != target(self.b, b)? => differs.push("target"),
            Kind::CharDevice | Kind::BlockDevice if a.device() != b.device() => differs.push("device"),
            _ => {}
        }
        Ok(differs)
    }

    fn is_same_content(&mut self, a: &Inode, b: &Inode) -> Result<bool, Failure> {
        if a.size != b.size {
            return Ok(false);
        }
        let has_names = a.i_links_count > 1 && b.i_links_count > 1;
        if has_names && self.same.contains(&(a.ino, b.ino)) {
            return Ok(true);
        }
        let (left, right) =
            (self.a.file(a.ino).map_err(unreadable)?, self.b.file(b.ino).map_err(unreadable)?);
        let [left_bytes, right_bytes] = &mut self.buffers;
        let mut offset = 0;
        while offset < a.size {
            let length = left.read_at(offset, left_bytes).map_err(unreadable)?;
            let other = right.read_at(offset, right_bytes).map_err(unreadable)?;
            if left_bytes.get(..length) != right_bytes.get(..other) {
                return Ok(false);
            }
            if length == 0 {
                break;
            }
            offset += length as u64;
            self.context.reporter.advance(self.task, length as u64);
            self.context.check_interrupt()?;
        }
        if has_names {
            self.same.insert((a.ino, b.ino));
        }
        Ok(true)
    }
}

/// Inode of the root directory.
const ROOT: u32 = Reader::ROOT;

fn entries(reader: &Reader<'_>, directory: Option<u32>) -> Result<Vec<DirEntry>, Failure> {
    let Some(ino) = directory else { return Ok(Vec::new()) };
    let mut entries = reader.read_dir(ino).map_err(unreadable)?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Whether only the owner may read a file.
fn is_private(inode: &Inode) -> bool {
    inode.kind().is_ok_and(|kind| kind == Kind::Regular) && inode.permissions() & 0o077 == 0
}

fn side(reader: &Reader<'_>, inode: &Inode, is_secret: bool) -> Result<FileSide, Failure> {
    let kind = inode.kind().map_err(unreadable)?;
    Ok(FileSide {
        kind: entry_kind(kind),
        ownership: Some(ownership(inode)),
        size: (kind == Kind::Regular && !is_secret).then_some(inode.size),
        target: match kind {
            Kind::Symlink => Some(String::from_utf8_lossy(&target(reader, inode)?).into_owned()),
            _ => None,
        },
    })
}

fn target(reader: &Reader<'_>, inode: &Inode) -> Result<Vec<u8>, Failure> {
    reader.read_link(inode.ino).map_err(unreadable)
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn unreadable(error: ext4::Error) -> Failure {
    Failure::caused_by(Class::Base, "cannot read the root file system", error)
}
