//! Files of the root file system.
//!
//! Both trees are walked side by side, a directory at a time. A file that lies in the same, equal blocks of both images is
//! not read. Times are not compared: every file of a build has its own.

use std::collections::{BTreeMap, HashSet};

use pimg_disk::ext4::{self, DirEntry, Inode, Kind, Reader};

use super::merge;
use super::names::Names;
use super::scope::Scope;
use super::side::{is_secret, side, target};
use super::text::{self, Lines};
use crate::command::Context;
use crate::command::outcome::FileChange;
use crate::failure::{Class, Failure};
use crate::image::alike::Alike;
use crate::image::base::{BaseImage, is_closed};
use crate::plan::change::Partition;
use crate::progress::TaskId;

/// Bytes of a file that are compared at once.
const PIECE: usize = 1 << 20;

/// The files that differ, and how many bytes of those that do not were not read.
pub(super) fn compare(
    a: &BaseImage,
    b: &BaseImage,
    alike: &Alike,
    scope: &Scope,
    context: &Context<'_>,
) -> Result<(Vec<FileChange>, u64), Failure> {
    let total = a.root().superblock().used_bytes();
    let task = context.reporter.begin("comparing files", Some(total));
    let start = a.root_partition().start;
    let is_in_place = start == b.root_partition().start
        && a.root().superblock().block_size == b.root().superblock().block_size;
    let mut comparison = Comparison {
        a: a.root(),
        b: b.root(),
        alike: Some((alike, start)).filter(|_| is_in_place),
        scope,
        context,
        task,
        same: HashSet::new(),
        names: [Names::default(), Names::default()],
        buffers: [vec![0; PIECE], vec![0; PIECE]],
        found: BTreeMap::new(),
        unread: 0,
    };
    comparison.run()?;
    comparison.compare_names()?;
    let (found, unread) = (comparison.found, comparison.unread);
    context.reporter.finish(task, &format!("{} differ", found.len()));
    Ok((found.into_values().collect(), unread))
}

/// A directory that is in one tree or in both, by inode.
struct Directory {
    path: Vec<u8>,
    a: Option<u32>,
    b: Option<u32>,
    /// Whether others than the owner cannot reach what is in it.
    is_closed: bool,
}

struct Comparison<'a> {
    a: &'a Reader<'a>,
    b: &'a Reader<'a>,
    /// Equal blocks, and where the file systems begin in both images.
    alike: Option<(&'a Alike, u64)>,
    scope: &'a Scope,
    context: &'a Context<'a>,
    task: TaskId,
    /// Files of several names that were compared and are equal.
    same: HashSet<(u32, u32)>,
    names: [Names; 2],
    buffers: [Vec<u8>; 2],
    found: BTreeMap<Vec<u8>, FileChange>,
    unread: u64,
}

impl Comparison<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        let root = |reader: &Reader<'_>| reader.inode(Reader::ROOT).map_err(unreadable);
        let (a, b) = (root(self.a)?, root(self.b)?);
        self.compare_entry(b"/", Some(&a), Some(&b), false)?;
        let (root, is_closed) = (Some(Reader::ROOT), false);
        let mut pending = vec![Directory { path: Vec::new(), a: root, b: root, is_closed }];
        let mut seen = [HashSet::from([Reader::ROOT]), HashSet::from([Reader::ROOT])];
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
            for (names, inode) in self.names.iter_mut().zip([&left, &right]) {
                if let Some(inode) = inode {
                    names.note(inode, &path, directory.is_closed);
                }
            }
            let directory_of = |inode: &Option<Inode>| match inode {
                Some(inode) if inode.kind().is_ok_and(|kind| kind == Kind::Directory) => Some(inode.ino),
                _ => None,
            };
            let (a, b) = (directory_of(&left), directory_of(&right));
            self.compare_entry(&path, left.as_ref(), right.as_ref(), directory.is_closed)?;
            if a.is_some() || b.is_some() {
                let closes = |inode: &Option<Inode>| inode.as_ref().is_some_and(is_closed);
                let is_closed = directory.is_closed || closes(&left) || closes(&right);
                below.push(Directory { path, a, b, is_closed });
            }
        }
        Ok(below)
    }

    fn compare_entry(
        &mut self,
        path: &[u8],
        a: Option<&Inode>,
        b: Option<&Inode>,
        is_below_closed: bool,
    ) -> Result<(), Failure> {
        let text = shown(path);
        if !self.scope.has(&text) {
            return Ok(());
        }
        let differs = match (a, b) {
            (Some(a), Some(b)) => self.differences(a, b)?,
            _ => Vec::new(),
        };
        if a.is_none() || b.is_none() || !differs.is_empty() {
            let change = self.change(&text, a, b, differs, is_below_closed)?;
            self.found.insert(path.to_vec(), change);
        }
        Ok(())
    }

    fn change(
        &self,
        path: &str,
        a: Option<&Inode>,
        b: Option<&Inode>,
        differs: Vec<&'static str>,
        is_below_closed: bool,
    ) -> Result<FileChange, Failure> {
        let mut secret = is_below_closed || is_secret(path, [a, b]);
        let mut lines = None;
        let is_about_content = a.is_none() || b.is_none() || differs.contains(&"content");
        if is_about_content && !secret {
            match self.lines(a, b)? {
                Lines::None => {}
                Lines::Secret => secret = true,
                Lines::Unified(text) => lines = Some(text),
            }
        }
        let a = a.map(|inode| side(self.a, inode, secret)).transpose().map_err(unreadable)?;
        let b = b.map(|inode| side(self.b, inode, secret)).transpose().map_err(unreadable)?;
        let partition = Partition::Root;
        Ok(FileChange { partition, path: path.to_owned(), a, b, differs, secret, lines })
    }

    /// The lines of two texts, a missing file being empty.
    fn lines(&self, a: Option<&Inode>, b: Option<&Inode>) -> Result<Lines, Failure> {
        let is_short = |inode: &&Inode| {
            inode.size <= text::LONGEST && inode.kind().is_ok_and(|kind| kind == Kind::Regular)
        };
        if ![a, b].iter().flatten().all(is_short) {
            return Ok(Lines::None);
        }
        let content = |reader: &Reader<'_>, inode: Option<&Inode>| match inode {
            Some(inode) => reader.read_all(inode.ino, text::LONGEST as usize).map_err(unreadable),
            None => Ok(Vec::new()),
        };
        Ok(text::lines(&content(self.a, a)?, &content(self.b, b)?))
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
            Kind::Symlink
                if target(self.a, a).map_err(unreadable)? != target(self.b, b).map_err(unreadable)? =>
            {
                differs.push("target");
            }
            Kind::CharDevice | Kind::BlockDevice if a.device() != b.device() => differs.push("device"),
            _ => {}
        }
        Ok(differs)
    }

    fn is_same_content(&mut self, a: &Inode, b: &Inode) -> Result<bool, Failure> {
        if a.size != b.size {
            return Ok(false);
        }
        if a.size == 0 {
            return Ok(true);
        }
        let has_names = a.i_links_count > 1 && b.i_links_count > 1;
        if has_names && self.same.contains(&(a.ino, b.ino)) {
            return Ok(true);
        }
        let (left, right) =
            (self.a.file(a.ino).map_err(unreadable)?, self.b.file(b.ino).map_err(unreadable)?);
        if self.is_in_equal_blocks(&left, &right) {
            self.unread += a.size;
        } else if !self.reads_the_same(&left, &right, a.size)? {
            return Ok(false);
        }
        if has_names {
            self.same.insert((a.ino, b.ino));
        }
        Ok(true)
    }

    fn is_in_equal_blocks(&self, left: &ext4::File<'_>, right: &ext4::File<'_>) -> bool {
        let Some((alike, start)) = self.alike else { return false };
        let byte = |block: u64| start + self.a.superblock().byte_of_block(block);
        left.extents() == right.extents()
            && left
                .extents()
                .iter()
                .all(|extent| alike.covers(byte(extent.start)..byte(extent.start + u64::from(extent.length))))
    }

    fn reads_the_same(
        &mut self,
        left: &ext4::File<'_>,
        right: &ext4::File<'_>,
        size: u64,
    ) -> Result<bool, Failure> {
        let [left_bytes, right_bytes] = &mut self.buffers;
        let mut offset = 0;
        while offset < size {
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
        Ok(true)
    }

    /// Names that are one file in one tree, and another file or several in the other.
    fn compare_names(&mut self) -> Result<(), Failure> {
        let [left, right] = &self.names;
        let mut paths: Vec<&Vec<u8>> = left.paths().chain(right.paths()).collect();
        paths.sort();
        paths.dedup();
        let mut differing = Vec::new();
        for path in paths.into_iter().filter(|path| self.scope.has(&shown(path))) {
            let (ours, theirs) = (left.others(path), right.others(path));
            if ours != theirs {
                let is_closed = left.is_closed(path) || right.is_closed(path);
                differing.push((path.clone(), ours, theirs, is_closed));
            }
        }
        for (path, ours, theirs, is_closed) in differing {
            if !self.found.contains_key(&path) {
                let look = |reader: &Reader<'_>| reader.lookup(&path, false).map_err(unreadable);
                let (a, b) = (look(self.a)?, look(self.b)?);
                let change = self.change(&shown(&path), Some(&a), Some(&b), Vec::new(), is_closed)?;
                self.found.insert(path.clone(), change);
            }
            if let Some(change) = self.found.get_mut(&path) {
                if change.a.is_some() && change.b.is_some() {
                    change.differs.push("links");
                }
                for (side, names) in [(&mut change.a, ours), (&mut change.b, theirs)] {
                    if let Some(side) = side {
                        side.links = names.iter().map(|name| shown(name)).collect();
                    }
                }
            }
        }
        Ok(())
    }
}

fn entries(reader: &Reader<'_>, directory: Option<u32>) -> Result<Vec<DirEntry>, Failure> {
    let Some(ino) = directory else { return Ok(Vec::new()) };
    let mut entries = reader.read_dir(ino).map_err(unreadable)?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn unreadable(error: ext4::Error) -> Failure {
    Failure::caused_by(Class::Base, "cannot read the root file system", error)
}
