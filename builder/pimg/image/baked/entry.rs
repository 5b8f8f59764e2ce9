//! One entry of a layer, checked by itself: a path that stays inside, a kind that a layer may hold, attributes that
//! another machine can have.

use pimg_disk::ext4::NodeKind;
use tar::{EntryType, Header};

use super::error::BakedError;
use super::pax::Records;
use crate::plan::change::Ownership;

/// Where the boot partition is mounted on the node.
const BOOT: &[u8] = b"boot/firmware";
/// How a deletion is named, and the mark of a directory that hides what is below it (OCI image specification, "layer.md").
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Longest path and longest text of a link, in bytes (`PATH_MAX`).
const LONGEST_PATH: usize = 4095;
/// Longest name, in bytes (`NAME_MAX`).
const LONGEST_NAME: usize = 255;

/// Device nodes that a package may bring: those that Debian's own tools make where there is no devtmpfs.
const DEVICES: [(&[u8], u32, u32); 9] = [
    (b"dev/console", 5, 1),
    (b"dev/full", 1, 7),
    (b"dev/kmsg", 1, 11),
    (b"dev/null", 1, 3),
    (b"dev/ptmx", 5, 2),
    (b"dev/random", 1, 8),
    (b"dev/tty", 5, 0),
    (b"dev/urandom", 1, 9),
    (b"dev/zero", 1, 5),
];

/// `VFS_CAP_REVISION_2` with and without the bit that they are effective, and the length of its value
/// (Linux `include/uapi/linux/capability.h`). Revision 3 belongs to one user namespace.
const CAPABILITY_2: [[u8; 4]; 2] = [[0, 0, 0, 2], [1, 0, 0, 2]];
const CAPABILITY_2_LEN: usize = 20;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    /// A file of this many bytes.
    File(u64),
    /// A symbolic link with this text.
    Symlink(Vec<u8>),
    /// Another name of an entry that came before, by its path.
    HardLink(Vec<u8>),
    Node(NodeKind),
    /// What the base has at this path is gone.
    Whiteout,
    /// Nothing that the base has below this directory shows.
    Opaque,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Path without a leading `/`: of a whiteout what is gone, of an opaque mark the directory.
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) ownership: Ownership,
    /// Seconds since 1970.
    pub(super) mtime: i64,
    pub(super) xattrs: Vec<(String, Vec<u8>)>,
}

/// Where an entry goes to, with an absolute path there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Root(Vec<u8>),
    Boot(String),
    /// The directory where the boot partition is mounted: it is there.
    BootMount,
}

impl Entry {
    /// Checks a header and the records before it. `epoch` is the newest time that the layer may have.
    pub(super) fn new(header: &Header, records: Records, epoch: i64) -> Result<Self, BakedError> {
        let path = match &records.path {
            Some(path) => path.clone(),
            None => header.path_bytes().into_owned(),
        };
        let kind = header.entry_type();
        // a directory may be written with a slash at its end
        let trimmed = if kind.is_dir() { path.strip_suffix(b"/").unwrap_or(&path) } else { &path };
        let path = trimmed.to_vec();
        let refuse = |problem: &str| BakedError::entry(&path, problem);
        check_path(&path).map_err(|problem| refuse(&problem))?;
        let size = header.entry_size().map_err(|_| refuse("has a length that is no number"))?;
        if records.size.is_some_and(|told| told != size) {
            return Err(refuse("has two lengths"));
        }
        let number = |told: Option<u64>, written: std::io::Result<u64>| {
            let number = told.or(written.ok()).and_then(|number| u32::try_from(number).ok());
            number.filter(|number| *number != u32::MAX)
        };
        let (uid, gid) = (number(records.uid, header.uid()), number(records.gid, header.gid()));
        let (Some(uid), Some(gid)) = (uid, gid) else { return Err(refuse("belongs to nobody that can be")) };
        let mode = header.mode().map_err(|_| refuse("has a mode that is no number"))?;
        let mode = u16::try_from(mode & 0o7777).unwrap_or_default();
        let written = || header.mtime().ok().and_then(|time| i64::try_from(time).ok());
        let mtime = records.mtime.or_else(written).filter(|time| (0..=epoch).contains(time));
        let mtime = mtime.ok_or_else(|| refuse(&format!("has a time that is not in 0 to {epoch}")))?;
        let kind = kind_of(&path, header, &records, size).map_err(|problem| refuse(&problem))?;
        for (name, value) in &records.xattrs {
            check_xattr(&kind, name, value).map_err(|problem| refuse(&problem))?;
        }
        let (path, kind) = hidden(&path).map_or((path.clone(), kind), |(path, kind)| (path, kind));
        Ok(Self { path, kind, ownership: Ownership { uid, gid, mode }, mtime, xattrs: records.xattrs })
    }

    /// Where it goes to.
    pub(super) fn place(&self) -> Result<Place, BakedError> {
        if self.path == BOOT && self.kind == Kind::Directory {
            return Ok(Place::BootMount);
        }
        let Some(rest) = self.path.strip_prefix(BOOT).filter(|rest| rest.is_empty() || rest[0] == b'/')
        else {
            return Ok(Place::Root([b"/", &self.path[..]].concat()));
        };
        let refuse = |problem| Err(BakedError::entry(&self.path, problem));
        if rest.is_empty() {
            return refuse("takes the place of the boot partition");
        }
        if !self.xattrs.is_empty() {
            return refuse("has attributes, which the boot partition cannot hold");
        }
        if !matches!(self.kind, Kind::Directory | Kind::File(_) | Kind::Whiteout | Kind::Opaque) {
            return refuse("is neither file nor directory, and the boot partition holds nothing else");
        }
        match std::str::from_utf8(rest) {
            Ok(rest) => Ok(Place::Boot(rest.to_owned())),
            Err(_) => refuse("is not UTF-8, as names of the boot partition are"),
        }
    }
}

/// What a whiteout or an opaque mark hides, by its path in the archive.
fn hidden(path: &[u8]) -> Option<(Vec<u8>, Kind)> {
    let cut = path.iter().rposition(|byte| *byte == b'/');
    let (above, name) = cut.map_or((&[][..], path), |cut| (&path[..cut], &path[cut + 1..]));
    if name == OPAQUE {
        return Some((above.to_vec(), Kind::Opaque));
    }
    let gone = name.strip_prefix(WHITEOUT)?;
    let path = if above.is_empty() { gone.to_vec() } else { [above, b"/", gone].concat() };
    Some((path, Kind::Whiteout))
}

fn kind_of(path: &[u8], header: &Header, records: &Records, size: u64) -> Result<Kind, String> {
    let kind = header.entry_type();
    if let Some((target, hides)) = hidden(path) {
        let names = target.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if !kind.is_file() || size != 0 || !records.xattrs.is_empty() {
            return Err("is named as a deletion, and is something else".to_owned());
        }
        if names.is_empty() || matches!(names, b"." | b"..") {
            return Err("deletes nothing that has a name".to_owned());
        }
        return Ok(hides);
    }
    let link = || {
        let written = || header.link_name_bytes().map(|name| name.into_owned());
        records.link.clone().or_else(written).filter(|link| !link.is_empty())
    };
    if !kind.is_file() && size != 0 {
        return Err("has content, and is no file".to_owned());
    }
    Ok(match kind {
        EntryType::Regular => Kind::File(size),
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => {
            let text = link().ok_or("is a link to nothing")?;
            if text.len() > LONGEST_PATH || text.contains(&0) {
                return Err("is a link with a text that no link can have".to_owned());
            }
            Kind::Symlink(text)
        }
        EntryType::Link => {
            let target = link().ok_or("is a link to nothing")?;
            check_path(&target).map_err(|problem| format!("is a link whose target {problem}"))?;
            Kind::HardLink(target)
        }
        EntryType::Fifo => Kind::Node(NodeKind::Fifo),
        EntryType::Char | EntryType::Block => device(path, kind, header)?,
        other => return Err(format!("is of kind {:?}, which no layer has", char::from(other.as_byte()))),
    })
}

fn device(path: &[u8], kind: EntryType, header: &Header) -> Result<Kind, String> {
    let number = |number: std::io::Result<Option<u32>>| number.ok().flatten();
    let (major, minor) = (number(header.device_major()), number(header.device_minor()));
    let (Some(major), Some(minor)) = (major, minor) else {
        return Err("is a device without number".to_owned());
    };
    if kind == EntryType::Char && DEVICES.contains(&(path, major, minor)) {
        return Ok(Kind::Node(NodeKind::CharacterDevice { major, minor }));
    }
    Err(format!("is a device ({major}:{minor}) that no package brings"))
}

/// Says what is wrong with a path of the archive.
fn check_path(path: &[u8]) -> Result<(), String> {
    let problem = if path.is_empty() || path == b"." {
        "is no path"
    } else if path.starts_with(b"/") || path.starts_with(b"./") {
        "is not relative to the root of the image, without `./`"
    } else if path.len() > LONGEST_PATH || path.contains(&0) {
        "is a path that no file can have"
    } else {
        let mut problem = "";
        for name in path.split(|byte| *byte == b'/') {
            if name == b".." {
                problem = "leaves the image: `..` is not allowed";
            } else if name.is_empty() || name == b"." || name.len() > LONGEST_NAME {
                problem = "has a part that no file can have";
            }
        }
        problem
    };
    if problem.is_empty() { Ok(()) } else { Err(problem.to_owned()) }
}

/// Only what dpkg and systemd set: capabilities that count on every machine, access control lists, attributes of users.
fn check_xattr(kind: &Kind, name: &str, value: &[u8]) -> Result<(), String> {
    let is_known = match name {
        "security.capability" => {
            let version = value.first_chunk().is_some_and(|magic| CAPABILITY_2.contains(magic));
            if !version || value.len() != CAPABILITY_2_LEN {
                return Err("has capabilities that are not of version 2".to_owned());
            }
            true
        }
        "system.posix_acl_access" | "system.posix_acl_default" => true,
        _ => name.starts_with("user.") && !name.starts_with("user.overlay."),
    };
    if !is_known {
        return Err(format!("has the attribute `{name}`, which no layer has"));
    }
    if matches!(kind, Kind::Symlink(_) | Kind::HardLink(_)) {
        return Err(format!("is a link, and has the attribute `{name}`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tar::{EntryType, Header};

    use super::super::pax::Records;
    use super::{Entry, Kind, Place};

    const EPOCH: i64 = 1_700_000_000;

    fn header(kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o100_4755);
        header.set_uid(3);
        header.set_gid(4);
        header.set_mtime(5);
        header
    }

    fn named(path: &[u8]) -> Records {
        Records { path: Some(path.to_vec()), ..Records::default() }
    }

    fn entry(kind: EntryType, records: Records) -> Result<Entry, String> {
        Entry::new(&header(kind, 0), records, EPOCH).map_err(|error| error.to_string())
    }

    #[test]
    fn an_entry_is_what_it_says() {
        let file = Entry::new(&header(EntryType::Regular, 7), named(b"usr/bin/x"), EPOCH).expect("a file");
        assert_eq!((file.kind.clone(), file.ownership.mode, file.mtime), (Kind::File(7), 0o4755, 5));
        assert_eq!(file.place().expect("a place"), Place::Root(b"/usr/bin/x".to_vec()));
        let directory = entry(EntryType::Directory, named(b"boot/firmware/overlays/")).expect("a directory");
        assert_eq!(directory.place().expect("a place"), Place::Boot("/overlays".to_owned()));
        let mount = entry(EntryType::Directory, named(b"boot/firmware")).expect("a directory");
        assert_eq!(mount.place().expect("a place"), Place::BootMount);
        let other = entry(EntryType::Regular, named(b"boot/firmware-nonfree")).expect("a file");
        assert_eq!(other.place().expect("a place"), Place::Root(b"/boot/firmware-nonfree".to_vec()));
    }

    #[test]
    fn deletions_are_told_by_their_names() {
        let gone = entry(EntryType::Regular, named(b"etc/.wh.motd")).expect("a whiteout");
        assert_eq!((gone.path, gone.kind), (b"etc/motd".to_vec(), Kind::Whiteout));
        let opaque = entry(EntryType::Regular, named(b"etc/x/.wh..wh..opq")).expect("a mark");
        assert_eq!((opaque.path, opaque.kind), (b"etc/x".to_vec(), Kind::Opaque));
        let top = entry(EntryType::Regular, named(b".wh.x")).expect("a whiteout");
        assert_eq!(top.path, b"x");
    }

    #[test]
    fn what_leads_out_is_refused() {
        for path in [
            &b"../x"[..],
            b"a/../../x",
            b"a/..",
            b"/etc/x",
            b"./x",
            b"",
            b".",
            b"a//b",
            b"a/./b",
            b"a/\0",
            b"x/",
        ] {
            assert!(entry(EntryType::Regular, named(path)).is_err(), "{}", path.escape_ascii());
        }
        let long = [b"a/".repeat(3000), b"b".to_vec()].concat();
        assert!(entry(EntryType::Regular, named(&long)).is_err());
        assert!(entry(EntryType::Regular, named(&[b'x'; 256])).is_err());
        for target in [&b"../x"[..], b"/etc/passwd", b""] {
            let records = Records { link: Some(target.to_vec()), ..named(b"x") };
            assert!(entry(EntryType::Link, records).is_err(), "{}", target.escape_ascii());
        }
        for path in [&b".wh..."[..], b".wh.", b".wh..", b".wh..wh..opq", b"a/.wh..", b"a/.wh..."] {
            assert!(entry(EntryType::Regular, named(path)).is_err(), "{}", path.escape_ascii());
        }
    }

    #[test]
    fn kinds_and_attributes_that_no_layer_has_are_refused() {
        for kind in [EntryType::Continuous, EntryType::GNUSparse, EntryType::XGlobalHeader, EntryType::Block]
        {
            assert!(entry(kind, named(b"x")).is_err(), "{kind:?}");
        }
        let mut null = header(EntryType::Char, 0);
        null.set_device_major(1).and_then(|()| null.set_device_minor(3)).expect("ustar");
        assert!(Entry::new(&null, named(b"dev/null"), EPOCH).is_ok());
        assert!(Entry::new(&null, named(b"tmp/null"), EPOCH).is_err(), "another place");
        null.set_device_minor(1).expect("ustar");
        assert!(Entry::new(&null, named(b"dev/null"), EPOCH).is_err(), "memory");

        let with = |name: &str, value: &[u8]| {
            let xattrs = vec![(name.to_owned(), value.to_vec())];
            entry(EntryType::Regular, Records { xattrs, ..named(b"x") })
        };
        let v2 = [&[1, 0, 0, 2][..], &[0; 16]].concat();
        assert!(with("security.capability", &v2).is_ok() && with("user.x", b"").is_ok());
        let v3 = [&[1, 0, 0, 3][..], &[0; 20]].concat();
        for (name, value) in [
            ("security.capability", &v3[..]),
            ("security.capability", &v2[..8]),
            ("user.overlay.opaque", b"y"),
            ("trusted.overlay.opaque", b"y"),
            ("security.selinux", b"x"),
        ] {
            assert!(with(name, value).is_err(), "{name}");
        }
    }

    #[test]
    fn owners_and_times_are_those_that_can_be() {
        let with = |records| entry(EntryType::Regular, records);
        assert!(with(Records { uid: Some(u64::from(u32::MAX)), ..named(b"x") }).is_err());
        assert!(with(Records { gid: Some(1 << 40), ..named(b"x") }).is_err());
        assert!(with(Records { mtime: Some(EPOCH + 1), ..named(b"x") }).is_err());
        assert!(with(Records { mtime: Some(-1), ..named(b"x") }).is_err());
        assert!(with(Records { size: Some(1), ..named(b"x") }).is_err());
        assert_eq!(
            with(Records { uid: Some(3_000_000), ..named(b"x") }).expect("fits").ownership.uid,
            3_000_000
        );
    }

    #[test]
    fn the_boot_partition_holds_files_and_directories() {
        let place = |kind, records| entry(kind, records).map(|entry| entry.place().is_ok());
        assert_eq!(place(EntryType::Regular, named(b"boot/firmware/x")), Ok(true));
        let link = Records { link: Some(b"y".to_vec()), ..named(b"boot/firmware/x") };
        assert_eq!(place(EntryType::Symlink, link), Ok(false));
        assert_eq!(place(EntryType::Regular, named(b"boot/firmware")), Ok(false));
        assert_eq!(place(EntryType::Regular, named(b"boot/firmware/\xff")), Ok(false));
        assert_eq!(place(EntryType::Regular, named(b"boot/.wh.firmware")), Ok(false));
    }
}
