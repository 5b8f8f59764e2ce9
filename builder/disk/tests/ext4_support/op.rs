//! Edits as values, to be done by the editor and by the model alike.

use pimg_disk::ext4::{Attributes, Editor, Error, NodeKind, Timestamp};

use super::image::noise;
use super::model::{Model, Refusal};

#[derive(Debug, Clone)]
pub enum Op {
    /// A file of noise: seed and length.
    Create(String, Attributes, u64, usize),
    Append(String, u64, usize),
    Mkdir(String, Attributes),
    Symlink(String, String, Attributes),
    Link(String, String),
    Mknod(String, NodeKind, Attributes),
    Rename(String, String),
    Remove(String),
    RemoveAll(String),
    Chmod(String, u16),
    Chown(String, u32, u32),
    Times(String, Timestamp, Timestamp),
    Xattr(String, String, Vec<u8>),
    RemoveXattr(String, String),
    /// A list in the form of `setxattr(2)`, and the mode that must come of it.
    AccessAcl(String, Vec<u8>, u32),
}

pub fn attributes(mode: u16, uid: u32, gid: u32, seconds: i64, nanoseconds: u32) -> Attributes {
    Attributes { mode, uid, gid, mtime: Timestamp { seconds, nanoseconds } }
}

/// Attributes that tell apart whatever could be mixed up.
pub fn plain(mode: u16) -> Attributes {
    attributes(mode, 1000, 1001, 1_600_000_000, 123_456_789)
}

impl Op {
    pub fn edit(&self, editor: &mut Editor) -> Result<(), Error> {
        match self {
            Self::Create(path, attributes, seed, len) => {
                editor.create_file(path, attributes, &mut &noise(*seed, *len)[..], *len as u64)
            }
            Self::Append(path, seed, len) => editor.append(path, &noise(*seed, *len)),
            Self::Mkdir(path, attributes) => editor.mkdir(path, attributes),
            Self::Symlink(path, target, attributes) => editor.symlink(path, target, attributes),
            Self::Link(existing, path) => editor.hard_link(existing, path),
            Self::Mknod(path, kind, attributes) => editor.mknod(path, *kind, attributes),
            Self::Rename(from, to) => editor.rename(from, to),
            Self::Remove(path) => editor.remove(path),
            Self::RemoveAll(path) => editor.remove_all(path),
            Self::Chmod(path, mode) => editor.chmod(path, *mode),
            Self::Chown(path, uid, gid) => editor.chown(path, *uid, *gid),
            Self::Times(path, accessed, modified) => editor.set_times(path, *accessed, *modified),
            Self::Xattr(path, name, value) => editor.set_xattr(path, name, value),
            Self::RemoveXattr(path, name) => editor.remove_xattr(path, name),
            Self::AccessAcl(path, value, _) => editor.set_xattr(path, "system.posix_acl_access", value),
        }
    }

    pub fn imagine(&self, model: &mut Model) -> Result<(), Refusal> {
        match self {
            Self::Create(path, attributes, seed, len) => {
                model.create_file(path, attributes, &noise(*seed, *len))
            }
            Self::Append(path, seed, len) => model.append(path, &noise(*seed, *len)),
            Self::Mkdir(path, attributes) => model.mkdir(path, attributes),
            Self::Symlink(path, target, attributes) => model.symlink(path, target, attributes),
            Self::Link(existing, path) => model.hard_link(existing, path),
            Self::Mknod(path, kind, attributes) => model.mknod(path, *kind, attributes),
            Self::Rename(from, to) => model.rename(from, to),
            Self::Remove(path) => model.remove(path),
            Self::RemoveAll(path) => model.remove_all(path),
            Self::Chmod(path, mode) => model.chmod(path, *mode),
            Self::Chown(path, uid, gid) => model.change(path, |node| (node.uid, node.gid) = (*uid, *gid)),
            Self::Times(_, _, modified) if !(-0x8000_0000..0x2_8000_0000).contains(&modified.seconds) => {
                Err(Refusal::Invalid)
            }
            Self::Times(path, _, modified) => model.change(path, |node| node.mtime = *modified),
            Self::Xattr(path, name, value) => {
                model.change(path, |node| drop(node.xattrs.insert(name.clone(), value.clone())))
            }
            Self::RemoveXattr(path, name) => {
                let mut removed = None;
                model.change(path, |node| removed = node.xattrs.remove(name))?;
                removed.map(drop).ok_or(Refusal::Missing)
            }
            Self::AccessAcl(path, value, mode) => model.change(path, |node| {
                node.mode = *mode;
                node.xattrs.insert("system.posix_acl_access".to_owned(), value.clone());
            }),
        }
    }
}

/// The model's word for what the editor said.
pub fn refusal(error: &Error) -> Refusal {
    match error {
        Error::NotFound { .. } => Refusal::Missing,
        Error::Conflict { .. } => Refusal::Conflict,
        Error::InvalidValue(_) => Refusal::Invalid,
        other => panic!("a good image and a good request, yet {other}"),
    }
}

/// An access control list in the form of `setxattr(2)`: tag, permissions, id.
pub fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// Every operation, in groups that are also judged one by one.
pub fn groups() -> Vec<(&'static str, Vec<Op>)> {
    vec![
        ("mkdir", mkdirs()),
        ("create", creates()),
        ("replace and append", replacements()),
        ("links", links()),
        ("nodes", nodes()),
        ("rename", renames()),
        ("remove", removals()),
        ("owners, modes and times", inode_changes()),
        ("extended attributes", xattrs()),
        ("many", many()),
    ]
}

fn s(text: &str) -> String {
    text.to_owned()
}

fn mkdirs() -> Vec<Op> {
    vec![
        Op::Mkdir(s("/srv"), plain(0o1777)),
        Op::Mkdir(s("/srv/a"), plain(0o2755)),
        Op::Mkdir(s("/bin/through-a-link"), plain(0o700)),
        Op::Mkdir(s("/home/pi/state/absolute"), plain(0o755)),
        Op::Mkdir(format!("/srv/{}", "n".repeat(255)), plain(0o755)),
    ]
}

fn creates() -> Vec<Op> {
    let mut ops = vec![
        Op::Create(s("/etc/new"), plain(0o644), 1, 0),
        Op::Create(s("/etc/byte"), plain(0o600), 2, 1),
        Op::Create(s("/lib/block"), plain(0o4755), 3, 4096),
        Op::Create(s("/etc/größe ✓"), plain(0o644), 4, 5000),
        Op::Create(
            s("/usr/lib/twelve-mib"),
            attributes(0o640, 70_000, 4_000_000_000, 2_300_000_000, 999_999_999),
            5,
            12_345_678,
        ),
        Op::Create(s("/usr/lib/old"), attributes(0o644, 0, 0, -1_000_000_000, 1), 6, 100),
    ];
    ops.extend(
        (0..64)
            .map(|number| Op::Create(format!("/var/lib/dpkg/info/new-{number}"), plain(0o644), number, 900)),
    );
    ops
}

fn replacements() -> Vec<Op> {
    vec![
        Op::Create(s("/etc/hostname"), plain(0o644), 1, 20),
        Op::Create(s("/usr/lib/large"), plain(0o644), 2, 100_000),
        Op::Create(s("/etc/empty"), plain(0o644), 3, 1_000_000),
        Op::Create(s("/home/pi/slow"), plain(0o644), 4, 10),
        Op::Create(s("/var/lib/dpkg/info/package-with-a-long-name-77.list"), plain(0o644), 5, 77),
        Op::Append(s("/etc/default/locale"), 6, 17),
        Op::Append(s("/etc/default/locale"), 7, 9_000),
        Op::Append(s("/etc/empty"), 8, 5_000_000),
        Op::Append(s("/usr/bin/sudo"), 9, 0),
    ]
}

fn links() -> Vec<Op> {
    let mut ops = vec![
        Op::Link(s("/usr/bin/sudo"), s("/usr/bin/sudoedit")),
        Op::Link(s("/etc/hostname"), s("/home/pi/state/name")),
        Op::Link(s("/home/pi/slow"), s("/home/pi/slow-2")),
    ];
    for len in [1, 58, 59, 60, 61, 255, 300, 1023] {
        ops.push(Op::Symlink(format!("/home/pi/to-{len}"), "t".repeat(len), plain(0o777)));
    }
    ops
}

fn nodes() -> Vec<Op> {
    let numbers =
        [(1, 3), (8, 0), (255, 255), (256, 0), (259, 3), (1, 256), (300, 70_000), (4095, 1_048_575)];
    let mut ops = Vec::new();
    for (major, minor) in numbers {
        let name = format!("/dev/{major}-{minor}");
        ops.push(Op::Mknod(format!("{name}-c"), NodeKind::CharacterDevice { major, minor }, plain(0o666)));
        ops.push(Op::Mknod(format!("{name}-b"), NodeKind::BlockDevice { major, minor }, plain(0o660)));
    }
    ops.push(Op::Mknod(s("/dev/fifo"), NodeKind::Fifo, plain(0o600)));
    ops.push(Op::Mknod(s("/dev/socket"), NodeKind::Socket, plain(0o4711)));
    ops
}

fn renames() -> Vec<Op> {
    let info = "/var/lib/dpkg/info/package-with-a-long-name";
    vec![
        Op::Rename(s("/etc/default/locale"), s("/etc/default/renamed")),
        Op::Rename(s("/etc/default/renamed"), s("/usr/lib/locale")),
        Op::Rename(s("/usr/lib/locale"), s("/etc/empty")),
        Op::Rename(format!("{info}-1.list"), format!("{info}-2.list")),
        Op::Rename(format!("{info}-3.list"), s("/usr/lib/three")),
        Op::Rename(s("/d"), s("/usr/deep")),
        Op::Mkdir(s("/usr/hollow"), plain(0o755)),
        Op::Mkdir(s("/usr/moved"), plain(0o755)),
        Op::Rename(s("/usr/moved"), s("/usr/hollow")),
        Op::Rename(s("/lib"), s("/lib64")),
    ]
}

fn removals() -> Vec<Op> {
    let mut ops = vec![
        Op::Remove(s("/etc/hostname.link")),
        Op::Remove(s("/home/pi/slow")),
        Op::Remove(s("/boot")),
        Op::Remove(s("/bin")),
        Op::RemoveAll(s("/usr/lib")),
    ];
    ops.extend(
        (100..400).map(|n| Op::Remove(format!("/var/lib/dpkg/info/package-with-a-long-name-{n}.list"))),
    );
    ops.push(Op::RemoveAll(s("/home")));
    ops
}

fn inode_changes() -> Vec<Op> {
    let time = |seconds, nanoseconds| Timestamp { seconds, nanoseconds };
    vec![
        Op::Chmod(s("/usr/bin/sudo"), 0o6755),
        Op::Chmod(s("/etc"), 0o3711),
        Op::Chown(s("/usr/bin/sudo"), 0, 65_534),
        Op::Chown(s("/bin"), 123_456, 4_294_967_294),
        Op::Chown(s("/"), 3, 4),
        Op::Times(s("/etc/empty"), time(1, 2), time(2_200_000_000, 5)),
        Op::Times(s("/home/pi/slow"), time(-1, 2), time(-2_147_483_648, 999_999_999)),
        Op::Times(s("/usr/bin/sudo"), time(0, 0), time(10_737_418_239, 1)),
        Op::Times(s("/var"), time(7, 8), time(9, 10)),
    ]
}

fn xattrs() -> Vec<Op> {
    const NOBODY: u32 = u32::MAX;
    let list =
        acl(&[(1, 6, NOBODY), (2, 7, 70_000), (4, 4, NOBODY), (8, 1, 33), (16, 5, NOBODY), (32, 0, NOBODY)]);
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    vec![
        Op::Xattr(s("/usr/bin/sudo"), s("security.capability"), capability),
        Op::Xattr(s("/etc/hostname"), s("user.short"), b"1".to_vec()),
        Op::Xattr(s("/etc/hostname"), s("user.longer"), vec![7; 400]),
        Op::Xattr(s("/etc/hostname"), s("user.short"), b"replaced".to_vec()),
        Op::Xattr(s("/etc/hostname"), s("user.gone"), b"2".to_vec()),
        Op::RemoveXattr(s("/etc/hostname"), s("user.gone")),
        Op::Xattr(s("/etc/empty"), s("user.only"), vec![9; 600]),
        Op::RemoveXattr(s("/etc/empty"), s("user.only")),
        Op::Xattr(s("/bin/sudo"), s("trusted.through.link"), vec![]),
        Op::Xattr(s("/home/pi/slow"), s("trusted.link"), b"3".to_vec()),
        Op::Xattr(s("/"), s("user.root"), b"4".to_vec()),
        Op::AccessAcl(s("/usr/lib/large"), list.clone(), 0o650),
        Op::Xattr(s("/etc/default"), s("system.posix_acl_default"), list),
    ]
}

fn many() -> Vec<Op> {
    let mut ops = vec![Op::Mkdir(s("/many"), plain(0o755))];
    for directory in 0..20 {
        ops.push(Op::Mkdir(format!("/many/{directory}"), plain(0o755)));
        for file in 0..30 {
            ops.push(Op::Create(
                format!("/many/{directory}/file-{file}"),
                plain(0o644),
                file,
                400 * (file as usize),
            ));
        }
    }
    ops
}
