//! The reader against `debugfs` and the kernel: every file of every kind of image, with all that belongs to it.

mod ext4_reading;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use ext4_reading::{FEATURE_SETS, FileDevice, Image, Mount, Noise, adorn, must, populate, tool};
use pimg_disk::block::MemoryDevice;
use pimg_disk::ext4::{Error, Inode, Kind, Reader, check};

const PI_OS: &[&str] = FEATURE_SETS[0].1;

/// What a file is, in words that both sides can find.
type Manifest = BTreeMap<String, String>;

fn describe(kind: Kind, content: &[u8], inode: &Inode) -> String {
    let device = if matches!(kind, Kind::CharDevice | Kind::BlockDevice) { inode.device() } else { (0, 0) };
    format!(
        "{kind:?} {:o} {}:{} x{} {device:?} {}.{:09} {} bytes {:08x}",
        inode.permissions(),
        inode.uid,
        inode.gid,
        inode.i_links_count,
        inode.mtime.seconds,
        inode.mtime.nanoseconds,
        content.len(),
        crc32c::crc32c(content)
    )
}

fn manifest(reader: &Reader<'_>) -> Manifest {
    let mut manifest = Manifest::new();
    reader
        .walk(|path, inode| {
            let kind = inode.kind()?;
            let content = match kind {
                Kind::Regular => reader.read_all(inode.ino, 1 << 30)?,
                Kind::Symlink => reader.read_link(inode.ino)?,
                _ => Vec::new(),
            };
            let mut line = describe(kind, &content, inode);
            for (name, value) in reader.xattrs(inode.ino)? {
                line += &format!(" {}={value:x?}", name.escape_ascii());
            }
            manifest.insert(String::from_utf8(path.to_vec()).expect("UTF-8"), line);
            Ok::<(), Error>(())
        })
        .expect("a good image");
    manifest
}

/// The same, as the kernel tells it of a mounted image.
fn kernel_manifest(root: &Path) -> Manifest {
    let mut xattrs = kernel_xattrs(root);
    let mut manifest = Manifest::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let meta = fs::symlink_metadata(&path).expect("metadata");
        let kind = Kind::of_mode(u16::try_from(meta.mode() & 0xf000).expect("16 bits")).expect("a kind");
        let content = match kind {
            Kind::Regular => fs::read(&path).expect("content"),
            Kind::Symlink => fs::read_link(&path).expect("target").into_os_string().into_encoded_bytes(),
            _ => Vec::new(),
        };
        if kind == Kind::Directory {
            pending.extend(
                fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()),
            );
        }
        let rdev = meta.rdev();
        let device = ((rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & 0xf_ff00));
        let below = path.strip_prefix(root).expect("inside").to_str().expect("UTF-8");
        let line = format!(
            "{kind:?} {:o} {}:{} x{} {device:?} {}.{:09} {} bytes {:08x}{}",
            meta.mode() & 0o7777,
            meta.uid(),
            meta.gid(),
            meta.nlink(),
            meta.mtime(),
            meta.mtime_nsec(),
            content.len(),
            crc32c::crc32c(&content),
            xattrs.remove(below).unwrap_or_default()
        );
        manifest.insert(format!("/{below}"), line);
    }
    manifest
}

fn kernel_xattrs(root: &Path) -> Manifest {
    let root = root.to_str().expect("UTF-8");
    let Some(output) = tool("getfattr", &["-R", "-P", "-h", "-d", "-m-", "-ehex", root]) else {
        panic!("getfattr is needed where images are mounted");
    };
    let (mut path, mut xattrs) = (String::new(), BTreeMap::<String, BTreeMap<String, String>>::new());
    for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
        if let Some(file) = line.strip_prefix("# file: ") {
            let below = file.strip_prefix(root.trim_start_matches('/')).expect("inside");
            path = below.trim_start_matches('/').to_owned();
        } else if let Some((name, value)) = line.split_once("=0x") {
            let byte = |at| u8::from_str_radix(&value[at..at + 2], 16).expect("hexadecimal");
            let value: Vec<u8> = (0..value.len()).step_by(2).map(byte).collect();
            xattrs.entry(path.clone()).or_default().insert(name.to_owned(), format!(" {name}={value:x?}"));
        }
    }
    xattrs.into_iter().map(|(path, lines)| (path, lines.into_values().collect())).collect()
}

fn assert_same(ours: &Manifest, theirs: &Manifest) {
    let differing: Vec<String> = ours
        .keys()
        .chain(theirs.keys())
        .filter(|path| ours.get(*path) != theirs.get(*path))
        .map(|path| format!("{path}\n  pimg   {:?}\n  kernel {:?}", ours.get(path), theirs.get(path)))
        .collect();
    assert!(differing.is_empty(), "{} differ\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn every_file_is_what_debugfs_extracts() {
    for (name, options) in FEATURE_SETS {
        let Some(image) = Image::make(options, 24, populate) else { return };
        adorn(&image);
        let extracted = image.directory.path().join("extracted");
        fs::create_dir(&extracted).expect("a directory");
        must("debugfs", &["-R", &format!("rdump / {}", extracted.to_str().expect("UTF-8")), image.text()]);
        let reader = Reader::open(image.device()).expect("a good image");
        let mut files = 0;
        reader
            .walk(|path, inode| {
                let path = extracted.join(&String::from_utf8_lossy(path)[1..]);
                match inode.kind()? {
                    Kind::Regular => {
                        assert_eq!(
                            fs::read(&path).expect("a file"),
                            reader.read_all(inode.ino, 1 << 24)?,
                            "{path:?}"
                        );
                        let mode = fs::metadata(&path).expect("a file").permissions().mode();
                        assert_eq!(mode & 0o777, u32::from(inode.permissions()) & 0o777, "{path:?}");
                    }
                    Kind::Symlink => {
                        let target =
                            fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes();
                        assert_eq!(target, reader.read_link(inode.ino)?, "{path:?}");
                    }
                    _ => return Ok(()),
                }
                files += 1;
                Ok::<(), Error>(())
            })
            .expect("a good image");
        assert_eq!(files, 412, "{name}");
    }
}

#[test]
fn a_dump_is_the_same_text_every_time() {
    let Some(image) = Image::make(PI_OS, 24, |root| {
        fs::create_dir(root.join("etc")).expect("a directory");
        fs::write(root.join("etc/hostname"), "raspberrypi\n").expect("a file");
        symlink("etc/hostname", root.join("name")).expect("a link");
    }) else {
        return;
    };
    image.debugfs(
        "cd /etc\nmknod null c 1 3\ncd /\nsif /etc/null mode 020666\nsif /etc/hostname mode 0100640\n\
         sif /etc/hostname uid 1000\nsif /etc/hostname gid 4\nea_set /etc/hostname user.note hi\n",
    );
    for path in ["/", "/etc", "/etc/hostname", "/etc/null", "/lost+found", "/name"] {
        let owner = if path == "/etc/hostname" { "" } else { "sif PATH uid 0\nsif PATH gid 0\n" };
        let requests = format!("{owner}sif PATH mtime @0x60000000\nsif PATH mtime_extra 0\n");
        image.debugfs(&requests.replace("PATH", path));
    }
    image.debugfs("sif / mode 040755\nsif /etc mode 040755\nsif /etc/hostname mtime_extra 0x1d\n");
    let mut text = String::new();
    let reader = Reader::open(image.device()).expect("a good image");
    reader
        .dump(|line| {
            text += &line;
            text.push('\n');
            Ok::<(), Error>(())
        })
        .expect("a good image");
    let expected = "\
d0755 0:0 - 1610612736.000000000 /
d0755 0:0 - 1610612736.000000000 /etc
-0640 1000:4 12 5905580032.000000007 /etc/hostname user.note=0x6869
c0666 0:0 1:3 1610612736.000000000 /etc/null
d0700 0:0 - 1610612736.000000000 /lost+found
l0777 0:0 12 1610612736.000000000 /name -> etc/hostname
";
    assert_eq!(text, expected);
}

/// What only a kernel makes: hash trees of two levels, holes, fragments, ACLs, wide device numbers.
fn populate_by_kernel(root: &Path) {
    let path = |name: &str| root.join(name);
    let text = |name: &str| path(name).to_str().expect("UTF-8").to_owned();
    for (directory, count) in [("many", 6000), ("some", 300)] {
        fs::create_dir(path(directory)).expect("a directory");
        for number in 0..count {
            let name = format!("{directory}/a-long-name-that-fills-the-blocks-of-the-directory-{number}-ü");
            File::create(path(&name)).expect("a file");
        }
    }
    (0..6000).step_by(7).for_each(|number| {
        let name = format!("many/a-long-name-that-fills-the-blocks-of-the-directory-{number}-ü");
        fs::remove_file(path(&name)).expect("a file to remove");
    });
    let sparse = File::create(path("sparse")).expect("a file");
    sparse.write_all_at(b"far out", 300 << 20).expect("a write behind a hole");
    sparse.write_all_at(b"near", 5000).expect("a write into the hole");
    // refused where the file system has no extents
    let _ = tool("fallocate", &["-l", "200000", &text("unwritten")]);
    let (left, right) =
        (File::create(path("left")).expect("a file"), File::create(path("right")).expect("a file"));
    let mut noise = Noise::new(3);
    for block in 0..700 {
        left.write_all_at(&noise.bytes(1024), block * 2048).expect("a fragment");
        right.write_all_at(&noise.bytes(512), block * 4096).expect("a fragment");
        if block % 50 == 0 {
            left.sync_all().expect("on disk");
            right.sync_all().expect("on disk");
        }
    }
    must("mknod", &[&text("wide"), "b", "300", "70000"]);
    must("mknod", &[&text("narrow"), "c", "5", "1"]);
    must("chown", &["70000:4000000000", &text("left")]);
    must("touch", &["-d", "2040-05-06 07:08:09.123456789", &text("left")]);
    must("touch", &["-d", "1950-05-06 07:08:09.5", &text("right")]);
    must("setfattr", &["-n", "user.block", "-v", &"v".repeat(600), &text("left")]);
    must("setfattr", &["-n", "user.block", "-v", &"v".repeat(600), &text("right")]);
    must("setfattr", &["-n", "user.short", "-v", "here", &text("right")]);
    must("setfacl", &["-m", "u:1234:rw,g:99:r", &text("left")]);
    must("setfacl", &["-d", "-m", "u:1234:rwx", &text("some")]);
}

#[test]
fn the_kernel_sees_the_same() {
    let sets = [&["-b1024", "-O^64bit,^huge_file,metadata_csum,metadata_csum_seed,orphan_file"][..]];
    for options in sets.into_iter().chain([FEATURE_SETS[1].1, FEATURE_SETS[2].1, FEATURE_SETS[6].1]) {
        let Some(image) = Image::make(options, 48, populate) else { return };
        adorn(&image);
        match Mount::new(&image, "rw") {
            Some(mount) => populate_by_kernel(&mount.0),
            None => return,
        }
        assert_eq!(image.complaint(), None, "{options:?}");
        let reader = Reader::open(image.device()).expect("a good image");
        check(&reader, &mut |_, _| {}).unwrap_or_else(|error| panic!("{options:?}: {error}"));
        let ours = manifest(&reader);
        let mount = Mount::new(&image, "ro").expect("mounted before");
        assert_same(&ours, &kernel_manifest(&mount.0));
        if options.contains(&"-b1024") {
            let depth = image.debugfs("htree_dump /many");
            assert!(depth.contains("Indirect levels: 1"), "no tree of two levels:\n{}", &depth[..200]);
        }
    }
}

#[test]
fn paths_lead_through_links() {
    let Some(image) = Image::make(PI_OS, 24, populate) else { return };
    let reader = Reader::open(image.device()).expect("a good image");
    let ino = |path: &str, follow| reader.lookup(path.as_bytes(), follow).map(|inode| inode.ino);
    let sudo = ino("/usr/bin/sudo", false).expect("a file");
    for path in ["/bin/sudo", "bin//./sudo", "/home/pi/absolute", "/home/../bin/sudo", "/../usr/bin/sudo"] {
        assert_eq!(ino(path, true).expect(path), sudo, "{path}");
    }
    assert_eq!(
        ino("/home/pi/relative", true).expect("a file"),
        ino("/etc/hostname.link", true).expect("a file")
    );
    assert_ne!(ino("/home/pi/absolute", false).expect("a link"), sudo);
    assert_eq!(ino("/", true).expect("the root"), Reader::ROOT);
    assert_eq!(ino("/home/pi/loop-a", false).map(|_| ()).map_err(|error| error.to_string()), Ok(()));
    let error = |path: &str| ino(path, true).expect_err(path).to_string();
    assert_eq!(error("/home/pi/loop-a"), "`/home/pi/loop-a` leads through too many symbolic links");
    assert_eq!(error("/etc/hostname/x"), "`/etc/hostname/x` leads through what is not a directory");
    assert_eq!(error("/etc/nothing"), "`/etc/nothing` does not exist");
}

#[test]
fn files_are_read_in_pieces_and_only_so_far() {
    let Some(image) = Image::make(PI_OS, 24, populate) else { return };
    let reader = Reader::open(image.device()).expect("a good image");
    let large = reader.lookup(b"/usr/bin/large", true).expect("a file").ino;
    let whole = reader.read_all(large, 1_500_000).expect("a file within the limit");
    let error = reader.read_all(large, 1_499_999).expect_err("a file over the limit").to_string();
    assert_eq!(error, format!("ext4 cannot hold inode {large} in 1499999 bytes: it has 1500000"));
    let mut piece = [0; 10_000];
    for offset in [0, 1, 4095, 4096, 1_234_567] {
        assert_eq!(reader.read_at(large, offset as u64, &mut piece).expect("a piece"), 10_000);
        assert_eq!(piece[..], whole[offset..offset + 10_000], "{offset}");
    }
    assert_eq!(reader.read_at(large, 1_499_990, &mut piece).expect("the last piece"), 10);
    assert_eq!(reader.read_at(large, u64::MAX, &mut piece).expect("nothing"), 0);
}

#[test]
fn what_must_not_be_edited_is_refused_before_the_first_write() {
    let table = [
        ("feature needs_recovery", "the journal holds changes that were never written back"),
        ("ssv state 0", "it was not unmounted"),
        ("ssv state 2", "the kernel recorded errors"),
        ("ssv last_orphan 20", "deleted while in use"),
        ("feature orphan_present", "deleted while in use"),
        ("feature inline_data", "cannot edit: `inline_data`"),
        ("feature quota casefold", "cannot edit: `casefold`, `quota`"),
        ("feature meta_bg", "cannot edit: `meta_bg`"),
        ("ssv feature_incompat 0x80002242", "cannot edit: `incompat 0x80000000`"),
        ("ssv feature_ro_compat 0x80000463", "cannot edit: `ro_compat 0x80000000`"),
    ];
    let Some(image) = Image::make(PI_OS, 24, populate) else { return };
    Reader::open(image.device()).expect("a good image").require_editable().expect("a clean image");
    let good = image.bytes();
    for (requests, expected) in table {
        image.debugfs(requests);
        let refused = Reader::open(image.device()).and_then(|reader| reader.require_editable());
        let said = refused.expect_err(requests).to_string();
        assert!(said.contains(expected), "{requests}: {said}");
        fs::write(&image.path, &good).expect("the good image");
    }
}

#[test]
fn an_image_copied_while_mounted_is_unsupported_and_not_corrupt() {
    let Some(image) = Image::make(PI_OS, 24, populate) else { return };
    let copy = image.directory.path().join("copy");
    match Mount::new(&image, "rw") {
        Some(mount) => {
            fs::write(mount.0.join("new"), "new").expect("a file");
            File::open(mount.0.join("new")).expect("a file").sync_all().expect("on disk");
            fs::copy(&image.path, &copy).expect("a copy");
        }
        None => return,
    }
    let reader = Reader::open(FileDevice::new(&copy)).expect("it can be read");
    for refused in [reader.require_editable(), check(&reader, &mut |_, _| {}).map(|_| ())] {
        assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
    }
}

#[test]
fn a_short_image_is_corrupt() {
    let Some(image) = Image::make(PI_OS, 24, populate) else { return };
    let mut bytes = image.bytes();
    bytes.pop();
    let error = Reader::open(MemoryDevice::new(bytes)).expect_err("a byte is missing").to_string();
    assert_eq!(
        error,
        "corrupt ext4 file system: superblock: the file system has 25165824 bytes, but its partition or image \
         only 25165823"
    );
    let error = Reader::open(MemoryDevice::new(vec![0; 4096])).expect_err("zeroes").to_string();
    assert_eq!(error, "corrupt ext4 file system: superblock: found magic 0x0000, expected 0xef53");
}

#[test]
fn garbage_in_metadata_ends_in_an_error_or_in_names() {
    let (_, options) = FEATURE_SETS[2];
    let Some(image) = Image::make(options, 24, populate) else { return };
    let good = image.bytes();
    let mut noise = Noise::new(9);
    for _ in 0..150 {
        let mut bytes = good.clone();
        // superblock, descriptors, bitmaps, tables and the first directories lie in the first 8 MiB
        for _ in 0..noise.below(40) {
            let at = usize::try_from(1024 + noise.below(8 << 20)).expect("small");
            let length = usize::try_from(1 + noise.below(64)).expect("small");
            bytes[at..at + length].copy_from_slice(&noise.bytes(length));
        }
        let Ok(reader) = Reader::open(MemoryDevice::new(bytes)) else { continue };
        let _ = check(&reader, &mut |_, _| {});
        let _ = reader.require_editable();
        let _ = reader.dump(|_| Ok::<(), Error>(()));
        for ino in 0..100 {
            let _ = reader.read_all(ino, 1 << 20);
            let _ = reader.read_dir(ino);
            let _ = reader.xattrs(ino);
        }
    }
}
