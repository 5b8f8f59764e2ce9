//! A tree in memory that does what an editor of file systems should do.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use pimg_disk::block::BlockRead;
use pimg_disk::ext4::{Attributes, Error, Inode, Kind, NodeKind, Reader, Timestamp};

use super::CLOCK;
use super::image::tool;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Directory(BTreeMap<Vec<u8>, usize>),
    File(Vec<u8>),
    Symlink(Vec<u8>),
    Node(u32, u32, u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub content: Content,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Timestamp,
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// Nodes by number, the root being the first. A removed node has no name left that leads to it.
#[derive(Debug, Clone)]
pub struct Model {
    nodes: Vec<Node>,
}

/// Why the model does not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Missing,
    Conflict,
    Invalid,
}

type Result<T> = std::result::Result<T, Refusal>;

impl Model {
    /// Reads a directory of this machine, with everything the kernel tells.
    pub fn load(root: &Path) -> Self {
        let mut model = Self { nodes: Vec::new() };
        model.load_node(root, &mut BTreeMap::new());
        model.load_xattrs(root);
        model
    }

    fn load_node(&mut self, path: &Path, seen: &mut BTreeMap<u64, usize>) -> usize {
        let meta = fs::symlink_metadata(path).expect("metadata");
        if let Some(number) = seen.get(&meta.ino()) {
            return *number;
        }
        let number = self.nodes.len();
        seen.insert(meta.ino(), number);
        let kind = meta.mode() & 0o170_000;
        let content = match kind {
            0o040_000 => Content::Directory(BTreeMap::new()),
            0o100_000 => Content::File(fs::read(path).expect("content")),
            0o120_000 => {
                Content::Symlink(fs::read_link(path).expect("target").into_os_string().into_encoded_bytes())
            }
            _ => {
                let device = meta.rdev();
                let major = u32::try_from((device >> 8) & 0xfff).expect("12 bits");
                let minor = u32::try_from((device & 0xff) | ((device >> 12) & 0xf_ff00)).expect("20 bits");
                Content::Node(kind, major, minor)
            }
        };
        let nanoseconds = u32::try_from(meta.mtime_nsec()).expect("below a second");
        let mtime = Timestamp { seconds: meta.mtime(), nanoseconds };
        let mode = meta.mode() & 0o7777;
        let (uid, gid) = (meta.uid(), meta.gid());
        self.nodes.push(Node { content, mode, uid, gid, mtime, xattrs: BTreeMap::new() });
        if kind == 0o040_000 {
            for entry in fs::read_dir(path).expect("a directory") {
                let entry = entry.expect("an entry");
                let child = self.load_node(&entry.path(), seen);
                self.entries(number).insert(entry.file_name().into_encoded_bytes(), child);
            }
        }
        number
    }

    fn load_xattrs(&mut self, root: &Path) {
        let Some(output) =
            tool("getfattr", &["-R", "-P", "-h", "-d", "-m-", "-ehex", root.to_str().expect("UTF-8")])
        else {
            return super::skip("getfattr");
        };
        let prefix = root.to_str().expect("UTF-8").trim_start_matches('/').to_owned();
        let mut path = String::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            if let Some(file) = line.strip_prefix("# file: ") {
                path = format!("/{}", file.strip_prefix(&prefix).expect("inside").trim_start_matches('/'));
            } else if let Some((name, value)) = line.split_once('=') {
                let hex = value.trim_start_matches("0x").as_bytes();
                let byte =
                    |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
                let value = hex.chunks(2).map(byte).collect();
                let number = self.find(path.as_bytes()).expect("a file that was read");
                self.nodes[number].xattrs.insert(name.to_owned(), value);
            } else if !line.is_empty() {
                let number = self.find(path.as_bytes()).expect("a file that was read");
                self.nodes[number].xattrs.insert(line.to_owned(), Vec::new());
            }
        }
    }

    /// Reads the file system on `device` with our own reader; access control lists stay in their disk form.
    pub fn read(device: impl BlockRead) -> Self {
        let reader = Reader::open(device).expect("a good file system");
        let mut model = Self { nodes: Vec::new() };
        let mut numbers: BTreeMap<u32, usize> = BTreeMap::new();
        let mut directories: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let walked = reader.walk::<Error>(|path, inode| {
            let number = match numbers.get(&inode.ino) {
                Some(number) => *number,
                None => {
                    model.nodes.push(Self::read_node(&reader, inode)?);
                    model.nodes.len() - 1
                }
            };
            numbers.insert(inode.ino, number);
            if path == b"/" {
                directories.insert(Vec::new(), number);
                return Ok(());
            }
            let slash = path.iter().rposition(|byte| *byte == b'/').expect("absolute");
            model.entries(directories[&path[..slash]]).insert(path[slash + 1..].to_vec(), number);
            directories.insert(path.to_vec(), number);
            Ok(())
        });
        walked.expect("a tree");
        model
    }

    fn read_node(reader: &Reader<'_>, inode: &Inode) -> std::result::Result<Node, Error> {
        let (major, minor) = inode.device();
        let content = match inode.kind()? {
            Kind::Directory => Content::Directory(BTreeMap::new()),
            Kind::Regular => Content::File(reader.read_all(inode.ino, 1 << 30)?),
            Kind::Symlink => Content::Symlink(reader.read_link(inode.ino)?),
            Kind::CharDevice | Kind::BlockDevice => {
                Content::Node(u32::from(inode.i_mode) & 0o170_000, major, minor)
            }
            Kind::Fifo | Kind::Socket => Content::Node(u32::from(inode.i_mode) & 0o170_000, 0, 0),
        };
        let text = |name| String::from_utf8(name).expect("ASCII names in tests");
        let xattrs = reader.xattrs(inode.ino)?.into_iter().map(|(name, value)| (text(name), value)).collect();
        let mode = inode.permissions().into();
        Ok(Node { content, mode, uid: inode.uid, gid: inode.gid, mtime: inode.mtime, xattrs })
    }

    fn entries(&mut self, number: usize) -> &mut BTreeMap<Vec<u8>, usize> {
        match &mut self.nodes[number].content {
            Content::Directory(entries) => entries,
            other => panic!("no directory: {other:?}"),
        }
    }

    fn entry(&self, directory: usize, name: &[u8]) -> Result<usize> {
        match &self.nodes[directory].content {
            Content::Directory(entries) => entries.get(name).copied().ok_or(Refusal::Missing),
            _ => Err(Refusal::Conflict),
        }
    }

    /// The node at `path`, following links among the parents.
    pub fn find(&self, path: &[u8]) -> Result<usize> {
        if path == b"/" {
            return Ok(0);
        }
        let (directory, name) = self.place(path)?;
        self.entry(directory, &name)
    }

    fn place(&self, path: &[u8]) -> Result<(usize, Vec<u8>)> {
        let mut names: Vec<Vec<u8>> = parts(path);
        let last = names.pop().ok_or(Refusal::Invalid)?;
        let mut trail = vec![0];
        names.reverse();
        let mut links = 0;
        while let Some(name) = names.pop() {
            if name == b".." {
                trail.truncate(trail.len().max(2) - 1);
                continue;
            }
            let child = self.entry(*trail.last().expect("never empty"), &name)?;
            match &self.nodes[child].content {
                Content::Directory(_) => trail.push(child),
                Content::Symlink(target) => {
                    links += 1;
                    if links > 40 {
                        return Err(Refusal::Conflict);
                    }
                    if target.starts_with(b"/") {
                        trail.truncate(1);
                    }
                    names.extend(parts(target).into_iter().rev());
                }
                _ => return Err(Refusal::Conflict),
            }
        }
        Ok((*trail.last().expect("never empty"), last))
    }

    fn touch(&mut self, directory: usize) {
        self.nodes[directory].mtime = Timestamp::at(CLOCK);
    }

    fn is_directory(&self, number: usize) -> bool {
        matches!(self.nodes[number].content, Content::Directory(_))
    }

    fn add(&mut self, path: &str, content: Content, attributes: &Attributes, replace: bool) -> Result<()> {
        let (directory, name) = self.place(path.as_bytes())?;
        match self.entry(directory, &name) {
            Ok(old) if !replace || self.is_directory(old) => return Err(Refusal::Conflict),
            Err(Refusal::Conflict) => return Err(Refusal::Conflict),
            _ => {}
        }
        let Attributes { mode, uid, gid, mtime } = *attributes;
        let mode = if matches!(content, Content::Symlink(_)) { 0o777 } else { u32::from(mode) };
        let number = self.nodes.len();
        self.nodes.push(Node { content, mode, uid, gid, mtime, xattrs: BTreeMap::new() });
        self.entries(directory).insert(name, number);
        self.touch(directory);
        Ok(())
    }

    pub fn create_file(&mut self, path: &str, attributes: &Attributes, bytes: &[u8]) -> Result<()> {
        self.add(path, Content::File(bytes.to_vec()), attributes, true)
    }

    pub fn append(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let number = self.find(path.as_bytes())?;
        let Content::File(content) = &mut self.nodes[number].content else { return Err(Refusal::Conflict) };
        content.extend_from_slice(bytes);
        if !bytes.is_empty() {
            self.nodes[number].mtime = Timestamp::at(CLOCK);
        }
        Ok(())
    }

    pub fn mkdir(&mut self, path: &str, attributes: &Attributes) -> Result<()> {
        self.add(path, Content::Directory(BTreeMap::new()), attributes, false)
    }

    pub fn symlink(&mut self, path: &str, target: &str, attributes: &Attributes) -> Result<()> {
        self.add(path, Content::Symlink(target.as_bytes().to_vec()), attributes, false)
    }

    pub fn mknod(&mut self, path: &str, kind: NodeKind, attributes: &Attributes) -> Result<()> {
        let content = match kind {
            NodeKind::CharacterDevice { major, minor } => Content::Node(0o020_000, major, minor),
            NodeKind::BlockDevice { major, minor } => Content::Node(0o060_000, major, minor),
            NodeKind::Fifo => Content::Node(0o010_000, 0, 0),
            NodeKind::Socket => Content::Node(0o140_000, 0, 0),
        };
        self.add(path, content, attributes, false)
    }

    pub fn hard_link(&mut self, existing: &str, path: &str) -> Result<()> {
        let number = self.find(existing.as_bytes())?;
        if self.is_directory(number) {
            return Err(Refusal::Conflict);
        }
        let (directory, name) = self.place(path.as_bytes())?;
        if self.entry(directory, &name) != Err(Refusal::Missing) {
            return Err(Refusal::Conflict);
        }
        self.entries(directory).insert(name, number);
        self.touch(directory);
        Ok(())
    }

    pub fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        let (source, old_name) = self.place(from.as_bytes())?;
        let (target, new_name) = self.place(to.as_bytes())?;
        let moved = self.entry(source, &old_name)?;
        if let Ok(replaced) = self.entry(target, &new_name) {
            if replaced == moved {
                return Ok(());
            }
            if self.is_directory(moved) && self.is_inside(target, moved) {
                return Err(Refusal::Invalid);
            }
            let empty = !matches!(&self.nodes[replaced].content, Content::Directory(e) if !e.is_empty());
            if self.is_directory(moved) != self.is_directory(replaced) || !empty {
                return Err(Refusal::Conflict);
            }
        }
        if self.is_directory(moved) && self.is_inside(target, moved) {
            return Err(Refusal::Invalid);
        }
        self.entries(source).remove(&old_name);
        self.entries(target).insert(new_name, moved);
        self.touch(source);
        self.touch(target);
        Ok(())
    }

    /// Whether `number` is `top` or below it.
    fn is_inside(&self, number: usize, top: usize) -> bool {
        let Content::Directory(entries) = &self.nodes[top].content else { return false };
        number == top || entries.values().any(|child| self.is_inside(number, *child))
    }

    pub fn remove(&mut self, path: &str) -> Result<()> {
        let (directory, name) = self.place(path.as_bytes())?;
        let number = self.entry(directory, &name)?;
        if matches!(&self.nodes[number].content, Content::Directory(entries) if !entries.is_empty()) {
            return Err(Refusal::Conflict);
        }
        self.remove_all(path)
    }

    pub fn remove_all(&mut self, path: &str) -> Result<()> {
        let (directory, name) = self.place(path.as_bytes())?;
        self.entry(directory, &name)?;
        self.entries(directory).remove(&name);
        self.touch(directory);
        Ok(())
    }

    pub fn chmod(&mut self, path: &str, mode: u16) -> Result<()> {
        let number = self.find(path.as_bytes())?;
        if matches!(self.nodes[number].content, Content::Symlink(_)) {
            return Err(Refusal::Conflict);
        }
        self.nodes[number].mode = mode.into();
        Ok(())
    }

    /// Changes a node in any way.
    pub fn change(&mut self, path: &str, change: impl FnOnce(&mut Node)) -> Result<()> {
        let number = self.find(path.as_bytes())?;
        change(&mut self.nodes[number]);
        Ok(())
    }

    /// Every path with everything about it on a line, as the kernel would tell.
    pub fn manifest(&self) -> BTreeMap<String, String> {
        let mut names: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        self.collect(0, String::new(), &mut names);
        let mut lines = BTreeMap::new();
        for (number, paths) in &names {
            let first = paths.iter().min().expect("at least one name");
            for path in paths {
                let alias = if paths.len() > 1 { format!(" alias of {first}") } else { String::new() };
                lines.insert(path.clone(), format!("{}{alias}", self.line(*number, paths.len())));
            }
        }
        lines
    }

    fn line(&self, number: usize, names: usize) -> String {
        let node = &self.nodes[number];
        let content = match &node.content {
            Content::Directory(entries) => {
                let below = entries.values().filter(|child| self.is_directory(**child)).count();
                format!("directory of {} links", below + 2)
            }
            Content::File(bytes) => {
                format!("file of {names} links, {} bytes {:08x}", bytes.len(), crc32c::crc32c(bytes))
            }
            Content::Symlink(target) => format!("{names} links to {}", String::from_utf8_lossy(target)),
            Content::Node(kind, major, minor) => format!("{names} nodes {kind:o} {major}:{minor}"),
        };
        let Timestamp { seconds, nanoseconds } = node.mtime;
        let xattrs: String = node.xattrs.iter().map(|(name, value)| format!(" {name}={value:x?}")).collect();
        format!("{content} {:o} {}:{} {seconds}.{nanoseconds:09}{xattrs}", node.mode, node.uid, node.gid)
    }

    fn collect(&self, number: usize, path: String, names: &mut BTreeMap<usize, Vec<String>>) {
        if let Content::Directory(entries) = &self.nodes[number].content {
            for (name, child) in entries {
                self.collect(*child, format!("{path}/{}", String::from_utf8_lossy(name)), names);
            }
        }
        names.entry(number).or_default().push(if path.is_empty() { "/".to_owned() } else { path });
    }

    /// Fails with the lines that differ.
    pub fn assert_same(&self, seen: &Self) {
        let (asked, seen) = (self.manifest(), seen.manifest());
        let mut differences = Vec::new();
        for (path, line) in &asked {
            match seen.get(path) {
                Some(other) if other == line => {}
                other => differences.push(format!("{path}\n  asked {line}\n  seen  {other:?}")),
            }
        }
        for path in seen.keys().filter(|path| !asked.contains_key(*path)) {
            differences.push(format!("{path}\n  seen but not asked for"));
        }
        assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    }
}

fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .map(<[u8]>::to_vec)
        .collect()
}
