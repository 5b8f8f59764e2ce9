//! The ext4 editor before its judges: `e2fsck`, `debugfs` and the kernel.

mod ext4_support;

use std::sync::Arc;

use ext4_support::image::{FEATURE_SETS, Image, must, noise};
use ext4_support::kernel::Mount;
use ext4_support::op::{Op, groups, plain};
use ext4_support::{CLOCK, image};
use pimg_disk::block::{BlockRead, BlockWrite, MemoryDevice};
use pimg_disk::ext4::{Attributes, Editor, Error, NodeKind, Reader, Timestamp};

const MIB: u64 = 1 << 20;

fn open(image: &Image) -> Editor {
    Editor::open(image.device(), CLOCK).expect("a clean image opens")
}

/// Runs `ops`; each must succeed.
fn edit(image: &Image, ops: &[Op]) {
    let mut editor = open(image);
    for op in ops {
        op.edit(&mut editor).unwrap_or_else(|error| panic!("{op:?}: {error}"));
    }
    editor.finish().expect("finishes");
}

#[test]
fn every_operation_alone_leaves_a_clean_file_system() {
    for (name, features) in FEATURE_SETS {
        let Some(fresh) = Image::make(features, 96 * MIB) else { return };
        for (group, ops) in groups() {
            let image = fresh.copy();
            edit(&image, &ops);
            image.judge(&format!("{group} on {name}"));
        }
    }
}

#[test]
fn the_kernel_sees_exactly_what_was_asked_for() {
    for (name, features) in FEATURE_SETS {
        let Some(image) = Image::make(features, 96 * MIB) else { return };
        let Some(mount) = Mount::new(&image, "ro,noload") else { return };
        let mut asked = mount.model();
        mount.unmount();
        let mut editor = open(&image);
        // `removals` takes away what other groups work on, so it comes last
        let (last, first): (Vec<_>, Vec<_>) = groups().into_iter().partition(|(group, _)| *group == "remove");
        for (_, ops) in first.into_iter().chain(last) {
            for op in ops {
                let imagined = op.imagine(&mut asked);
                let edited = op.edit(&mut editor);
                match (&imagined, &edited) {
                    (Ok(()), Ok(())) => {}
                    (Err(refused), Err(error)) => {
                        assert_eq!(*refused, ext4_support::op::refusal(error), "{name}: {op:?}: {error}");
                    }
                    _ => panic!("{name}: {op:?}: imagined {imagined:?}, got {edited:?}"),
                }
            }
        }
        editor.finish().expect("finishes");
        image.judge(name);
        let mount = Mount::new(&image, "ro").expect("mounted before");
        asked.assert_same(&mount.model());
        mount.unmount();
    }
}

#[test]
fn names_are_followed_inside_the_image_only() {
    let Some(image) = Image::make(FEATURE_SETS[0].1, 64 * MIB) else { return };
    let mut editor = open(&image);
    for (path, problem) in [
        ("/etc/missing/x", "`/etc/missing/x` does not exist"),
        ("/etc/hostname/x", "`/etc/hostname/x` has a parent that is not a directory"),
        ("/home/pi/loop-a/x", "`/home/pi/loop-a/x` leads through too many symbolic links"),
        ("etc/x", "ext4 cannot hold the path `etc/x`, which is not absolute"),
        ("/etc/..", "ext4 cannot hold an entry called `/etc/..`"),
        ("/", "ext4 cannot hold an entry called `/`"),
        ("/etc", "`/etc` exists already"),
    ] {
        assert_eq!(editor.mkdir(path, &plain(0o755)).expect_err(path).to_string(), problem);
    }
    editor.mkdir("/../../etc/./../etc//climbed", &plain(0o755)).expect("stays inside");
    let create = |editor: &mut Editor, path| editor.create_file(path, &plain(0o644), &mut &b"x"[..], 1);
    assert!(matches!(create(&mut editor, "/etc"), Err(Error::Conflict { problem: "is a directory", .. })));
    create(&mut editor, "/bin").expect("the link itself is replaced");
    editor.finish().expect("finishes");
    image.judge("names");
    assert!(image.debugfs("stat /etc/climbed").contains("Type: directory"));
    assert!(image.debugfs("stat /bin").contains("Type: regular"));
    assert!(image.debugfs("stat /usr/bin/sudo").contains("Type: regular"));
}

#[test]
fn refused_edits_change_nothing() {
    let Some(image) = Image::make(FEATURE_SETS[1].1, 64 * MIB) else { return };
    let mut editor = open(&image);
    let late = Attributes { mtime: Timestamp::at(1 << 40), ..plain(0o644) };
    let refused = |result: Result<(), Error>| match result {
        Err(Error::InvalidValue(_) | Error::Conflict { .. } | Error::NotFound { .. }) => {}
        other => panic!("expected a refusal, got {other:?}"),
    };
    refused(editor.mkdir("/x", &late));
    refused(editor.mkdir("/x", &plain(0o10_755)));
    refused(editor.chown("/etc", u32::MAX, 0));
    refused(editor.chmod("/bin", 0o755));
    refused(editor.mknod("/x", NodeKind::BlockDevice { major: 4096, minor: 0 }, &plain(0o600)));
    refused(editor.mknod("/x", NodeKind::BlockDevice { major: 0, minor: 1 << 20 }, &plain(0o600)));
    refused(editor.symlink("/x", "", &plain(0o777)));
    refused(editor.symlink("/x", "t".repeat(4096), &plain(0o777)));
    refused(editor.create_file("/x", &plain(0o644), &mut &b"short"[..], 6));
    refused(editor.create_file("/etc/hostname", &plain(0o644), &mut &b"short"[..], 6));
    refused(editor.append("/bin", b"x"));
    refused(editor.remove("/etc"));
    refused(editor.rename("/usr", "/usr/lib/usr"));
    refused(editor.hard_link("/etc", "/x"));
    refused(editor.set_xattr("/etc", "nonsense", b"x"));
    refused(editor.set_xattr("/bin", "user.link", b"x"));
    refused(editor.set_xattr("/etc/hostname", "system.posix_acl_default", &[2, 0, 0, 0]));
    refused(editor.set_xattr("/etc", "system.posix_acl_access", &[1, 0, 0, 0]));
    refused(editor.remove_xattr("/etc", "user.none"));
    editor.finish().expect("finishes");
    image.judge("refusals");
    assert_eq!(image.debugfs("cat /etc/hostname").lines().last(), Some("raspberrypi"));
    assert!(!image.debugfs("ls -p /etc").contains("pimg"));
}

#[test]
fn device_numbers_beyond_a_byte_survive() {
    let Some(image) = Image::make(FEATURE_SETS[0].1, 64 * MIB) else { return };
    edit(
        &image,
        &[Op::Mknod("/dev/x".into(), NodeKind::BlockDevice { major: 300, minor: 70_000 }, plain(0o660))],
    );
    let said = image.debugfs("stat /dev/x");
    assert!(said.contains("New-style") && said.contains("300:70000"), "{said}");
}

#[test]
fn every_time_that_is_not_given_is_the_clock() {
    let Some(image) = Image::make(FEATURE_SETS[0].1, 64 * MIB) else { return };
    let mut editor = open(&image);
    editor.create_file("/boot/new", &plain(0o644), &mut &b"new"[..], 3).expect("a file");
    editor.rename("/etc/default/locale", "/etc/locale").expect("a new name");
    editor.hard_link("/usr/bin/sudo", "/usr/bin/su").expect("a second name");
    editor.remove("/etc/hostname.link").expect("one name less");
    editor.chmod("/usr/lib", 0o711).expect("permissions");
    editor.chown("/home/pi/slow", 1, 2).expect("an owner");
    editor.set_xattr("/var", "user.x", b"1").expect("an attribute");
    editor.append("/usr/lib/large", b"more").expect("more");
    editor.finish().expect("finishes");
    let clock = Timestamp::at(CLOCK);
    let changed =
        ["/boot/new", "/etc/locale", "/usr/bin/su", "/etc/hostname", "/usr/lib", "/home/pi/slow", "/var"];
    let (mut met, reader) = (0, Reader::open(image.device()).expect("opens"));
    let walked = reader.walk::<Error>(|path, inode| {
        let path = String::from_utf8_lossy(path);
        if changed.contains(&&*path) || path == "/usr/lib/large" {
            met += 1;
            assert_eq!(inode.ctime, clock, "{path}");
        }
        if ["/boot", "/etc", "/etc/default", "/usr/bin", "/usr/lib/large"].contains(&&*path) {
            met += 1;
            assert_eq!((inode.mtime, inode.ctime), (clock, clock), "{path}");
        }
        if path == "/boot/new" {
            assert_eq!((inode.atime, inode.crtime, inode.mtime), (clock, clock, plain(0).mtime));
        }
        Ok(())
    });
    walked.expect("a tree");
    assert_eq!(met, 13);
}

#[test]
fn a_hash_tree_takes_thousands_of_names() {
    let Some(image) = Image::make(FEATURE_SETS[0].1, 64 * MIB) else { return };
    let path = |number| format!("/var/lib/dpkg/info/{:x}-{}", number * 7919 % 3000, "long".repeat(10));
    let create = |number: u64| Op::Create(path(number), plain(0o644), number, 40);
    edit(&image, &(0..3000).map(create).collect::<Vec<_>>());
    image.judge("3000 names more");
    edit(&image, &(0..3000).filter(|n| n % 3 > 0).map(|n| Op::Remove(path(n))).collect::<Vec<_>>());
    image.judge("2000 names less");
    let said = image.debugfs("stat /var/lib/dpkg/info");
    assert!(said.contains("Flags: 0x81000"), "the tree is gone: {said}");
}

#[test]
fn a_replaced_file_gets_a_new_inode_and_blocks_that_were_free() {
    let Some(image) = Image::make(FEATURE_SETS[0].1, 64 * MIB) else { return };
    let place = |image: &Image| {
        let said = image.debugfs("stat /usr/lib/large");
        let blocks: String = image.debugfs("blocks /usr/lib/large").lines().last().unwrap_or("").to_owned();
        (said.split_whitespace().nth(1).map(str::to_owned), blocks)
    };
    let (old_inode, old_blocks) = place(&image);
    edit(&image, &[Op::Create("/usr/lib/large".into(), plain(0o644), 9, 5 << 20)]);
    let (new_inode, new_blocks) = place(&image);
    assert_ne!(old_inode, new_inode);
    let old: std::collections::BTreeSet<&str> = old_blocks.split_whitespace().collect();
    assert_eq!(old.len(), 1280);
    assert_eq!(new_blocks.split_whitespace().filter(|block| old.contains(block)).count(), 0);
    assert_eq!(new_blocks.split_whitespace().count(), 1280);
}

#[test]
fn access_lists_follow_permissions_and_plain_ones_become_them() {
    let Some(image) = Image::make(FEATURE_SETS[0].1, 64 * MIB) else { return };
    const NOBODY: u32 = u32::MAX;
    let list = ext4_support::op::acl(&[
        (1, 7, NOBODY),
        (2, 7, 33),
        (4, 5, NOBODY),
        (16, 7, NOBODY),
        (32, 5, NOBODY),
    ]);
    let plain_list = ext4_support::op::acl(&[(1, 7, NOBODY), (4, 1, NOBODY), (32, 0, NOBODY)]);
    let mut editor = open(&image);
    editor.set_xattr("/etc/hostname", "system.posix_acl_access", &list).expect("a list");
    editor.chmod("/etc/hostname", 0o640).expect("a mode");
    editor.set_xattr("/etc/empty", "system.posix_acl_access", &list).expect("a list");
    editor.set_xattr("/etc/empty", "system.posix_acl_access", &plain_list).expect("permissions");
    editor.finish().expect("finishes");
    image.judge("lists");
    let changed = image.debugfs("stat /etc/hostname");
    assert!(changed.contains("Mode:  0640"), "{changed}");
    let attributes = image.debugfs("ea_get -x /etc/hostname system.posix_acl_access");
    assert!(attributes.contains("01 00 06 00") && attributes.contains("10 00 04 00"), "{attributes}");
    let emptied = image.debugfs("stat /etc/empty");
    assert!(emptied.contains("Mode:  0710") && !emptied.contains("posix_acl"), "{emptied}");
}

#[test]
fn a_full_file_system_stays_clean_and_takes_files_again_after_a_removal() {
    for (name, features) in FEATURE_SETS {
        let Some(image) = Image::make(features, 40 * MIB) else { return };
        let mut editor = open(&image);
        let whole = 64 * MIB;
        let result = editor.create_file("/big", &plain(0o644), &mut std::io::repeat(7), whole);
        assert!(matches!(result, Err(Error::NoSpace(_))), "{name}: {result:?}");
        let full = |what: &str, error: Option<Error>| match error {
            Some(Error::NoSpace(_)) => {}
            other => panic!("{name}: {what}: expected no space, got {other:?}"),
        };
        let bytes = noise(1, 4_000_000);
        let fill = |editor: &mut Editor, path: String, len: usize| {
            editor.create_file(path, &plain(0o644), &mut &bytes[..len], len as u64)
        };
        let files =
            (0..500).take_while(|number| fill(&mut editor, format!("/fill-{number}"), 100_000).is_ok());
        assert!((50..500).contains(&files.count()), "{name}");
        full("a file", fill(&mut editor, "/over".to_owned(), 1_000_000).err());
        full(
            "directories",
            (0..2000).find_map(|number| editor.mkdir(format!("/dev/{number}"), &plain(0o755)).err()),
        );
        editor.finish().expect("finishes");
        // a session that finds every group full must notice what it frees itself
        let mut editor = open(&image);
        full(
            "links",
            (0..9).find_map(|n| editor.symlink(format!("/slow{n}"), "t".repeat(200), &plain(0o777)).err()),
        );
        editor.remove_all("/usr/lib").expect("room is made");
        fill(&mut editor, "/after".to_owned(), 4_000_000).expect("fits again");
        editor.finish().expect("finishes");
        image.judge(name);
        assert!(image.debugfs("stat /after").contains("Size: 4000000"), "{name}");
    }
}

/// As many pieces as one leaf of the smallest block size holds: the crate splits a full leaf in halves, which
/// `e2fsck` would rather have full.
#[test]
fn a_file_in_many_pieces_is_whole() {
    for (name, features) in FEATURE_SETS {
        let Some(image) = Image::make_empty(features, 32 * MIB) else { return };
        let mut editor = open(&image);
        let bytes = noise(3, 600_001);
        let create = |editor: &mut Editor, path: &str, len: usize, told: usize| {
            editor.create_file(path, &plain(0o644), &mut &bytes[..len], told as u64)
        };
        let names: Vec<_> = (0..4000).map(|number| format!("/{number}")).collect();
        let made = names.iter().take_while(|name| create(&mut editor, name, 8192, 8192).is_ok()).count();
        names[..made].iter().step_by(2).for_each(|name| editor.remove(name).expect("removes"));
        assert!(create(&mut editor, "/short", 500_000, 600_000).is_err(), "{name}");
        create(&mut editor, "/pieces", 600_001, 600_001).expect("fits");
        editor.append("/pieces", b"more").expect("grows");
        editor.finish().expect("finishes");
        image.judge(name);
        let pieces = image.debugfs("ex /pieces").lines().count();
        assert!(pieces > 60, "{name}: {pieces} pieces");
        let out = image.directory.path().join("out");
        image.debugfs(&format!("dump /pieces {}", out.display()));
        assert!(std::fs::read(out).expect("dumped") == [&bytes[..], b"more"].concat(), "{name}");
    }
}

#[test]
fn used_up_inodes_are_no_space_and_no_corruption() {
    let Some(image) = Image::make(&["-b4096", "-N2048"], 64 * MIB) else { return };
    let mut editor = open(&image);
    let full = (0..2048).find_map(|number| editor.mkdir(format!("/etc/{number}"), &plain(0o755)).err());
    assert!(matches!(full, Some(Error::NoSpace(_))), "{full:?}");
    editor.finish().expect("finishes");
    image.judge("all inodes");
}

#[test]
fn a_file_of_300_mib_streams_in_and_out() {
    let Some(image) = Image::make(FEATURE_SETS[0].1, 420 * MIB) else { return };
    let (piece, len) = (noise(11, 1 << 20), 300 * MIB + 17);
    let mut editor = open(&image);
    let mut content = Repeated { piece: &piece, offset: 0 };
    editor.create_file("/usr/lib/huge", &plain(0o644), &mut content, len).expect("fits");
    editor.finish().expect("finishes");
    image.judge("300 MiB");
    let out = image.directory.path().join("out");
    image.debugfs(&format!("dump /usr/lib/huge {}", out.display()));
    let back = std::fs::read(out).expect("dumped");
    assert_eq!(back.len() as u64, len);
    assert!(back.chunks(1 << 20).all(|chunk| chunk == &piece[..chunk.len()]));
}

/// One piece over and over.
struct Repeated<'a> {
    piece: &'a [u8],
    offset: usize,
}

impl std::io::Read for Repeated<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.piece[self.offset..];
        let len = rest.len().min(buf.len()).min(100_000);
        buf[..len].copy_from_slice(&rest[..len]);
        self.offset = (self.offset + len) % self.piece.len();
        Ok(len)
    }
}

#[test]
fn equal_edits_give_equal_bytes_and_leave_the_journal_alone() {
    let Some(image) = Image::make(FEATURE_SETS[0].1, 96 * MIB) else { return };
    let bytes = image.bytes();
    let run = || {
        let device = Arc::new(MemoryDevice::new(bytes.clone()));
        let mut editor = Editor::open(Arc::<MemoryDevice>::clone(&device), CLOCK).expect("opens");
        groups().iter().filter(|(group, _)| *group != "remove").flat_map(|(_, ops)| ops).for_each(|op| {
            // some undo each other; what matters is that they do it twice
            let _ = op.edit(&mut editor);
        });
        editor.finish().expect("finishes");
        device.to_vec()
    };
    let (first, second) = (run(), run());
    assert!(first == second, "two runs differ");
    assert!(first != bytes);
    let journal = image.debugfs("blocks <8>");
    let blocks: Vec<usize> = journal
        .lines()
        .last()
        .unwrap_or("")
        .split_whitespace()
        .map(|b| b.parse().expect("a block"))
        .collect();
    assert!(blocks.len() > 1000);
    assert!(blocks.iter().all(|block| first[block * 4096..][..4096] == bytes[block * 4096..][..4096]));
    // mount count, mount time, write time and last mount point are as they were
    for field in [0x2c..0x3c, 0x40..0x48, 0x88..0xc8] {
        assert_eq!(first[1024 + field.start..1024 + field.end], bytes[1024 + field.start..1024 + field.end]);
    }
}

/// Where a second process finds the image to edit.
const SECOND: &str = "PIMG_TEST_SECOND_IMAGE";

fn edit_twenty_directories(image: &Image) {
    groups()
        .iter()
        .filter(|(group, _)| ["many", "nodes"].contains(group))
        .for_each(|(_, ops)| edit(image, ops));
}

#[test]
fn equal_edits_in_two_processes_give_equal_bytes() {
    #[expect(clippy::disallowed_methods, reason = "how one test process tells another what to do")]
    if let Some(path) = std::env::var_os(SECOND) {
        return edit_twenty_directories(&Image::at(path.into()));
    }
    let Some(first) = Image::make(FEATURE_SETS[0].1, 64 * MIB) else { return };
    let second = first.copy();
    edit_twenty_directories(&first);
    let own_path = std::env::current_exe().expect("this test");
    let name = "equal_edits_in_two_processes_give_equal_bytes";
    let setting = format!("{SECOND}={}", second.text());
    must("env", &[&setting, own_path.to_str().expect("UTF-8"), "--exact", name]);
    assert!(first.bytes() == second.bytes(), "two processes differ");
}

#[test]
fn what_was_not_left_clean_is_refused_before_the_first_write() {
    let Some(image) = Image::make(FEATURE_SETS[0].1, 64 * MIB) else { return };
    for request in [
        "ssv state 0",
        "feature needs_recovery",
        "feature orphan_present",
        "ssv last_orphan 12",
        "feature quota",
    ] {
        let copy = image.copy();
        must("debugfs", &["-w", "-R", request, copy.text()]);
        let before = copy.bytes();
        let refused = Editor::open(copy.device(), CLOCK).err();
        assert!(matches!(refused, Some(Error::Unsupported(_))), "{request}: {refused:?}");
        assert!(copy.bytes() == before, "{request}: something was written");
    }
    let device: Arc<dyn BlockWrite> = image.device();
    assert!(Editor::open(device, i64::MAX).is_err());
}

#[test]
fn a_device_that_fails_is_an_error_and_no_panic() {
    struct Failing(Arc<image::FileDevice>, std::sync::atomic::AtomicU32);
    impl BlockRead for Failing {
        fn len(&self) -> u64 {
            self.0.len()
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
            self.0.read_at(offset, buf)
        }
    }
    impl BlockWrite for Failing {
        fn write_at(&self, offset: u64, buf: &[u8]) -> std::io::Result<()> {
            if self
                .1
                .fetch_update(
                    std::sync::atomic::Ordering::SeqCst,
                    std::sync::atomic::Ordering::SeqCst,
                    |left| left.checked_sub(1),
                )
                .is_err()
            {
                return Err(std::io::Error::other("the disk is gone"));
            }
            self.0.write_at(offset, buf)
        }
    }
    let Some(image) = Image::make(FEATURE_SETS[0].1, 64 * MIB) else { return };
    let open = |writes: u32| {
        let device = Arc::new(Failing(image.copy().device(), writes.into()));
        Editor::open(device, CLOCK).expect("opening only reads")
    };
    // blocks wait in memory, and reach the device at the latest when the session ends
    for writes in [0, 1, 3] {
        let mut editor = open(writes);
        for number in 0..100 {
            editor.mkdir(format!("/etc/{number}"), &plain(0o755)).expect("memory");
        }
        let finished = editor.finish();
        assert!(matches!(finished, Err(Error::Io(_))), "{finished:?}");
    }
    // content does not wait, and nothing goes on behind it
    for writes in [0, 1, 3] {
        let mut editor = open(writes);
        let failed = editor.create_file("/etc/large", &plain(0o644), &mut std::io::repeat(1), 8 * MIB);
        assert!(matches!(failed, Err(Error::Io(_))), "{failed:?}");
        assert!(editor.mkdir("/etc/later", &plain(0o755)).is_err());
        assert!(editor.finish().is_err());
    }
}
