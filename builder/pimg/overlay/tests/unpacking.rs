//! Archives that are unpacked, hostile ones among them. Headers are made by hand where no tool would make them.

use std::io::Write;

use crate::overlay::{Download, Place, unpack};
use crate::plan::change::{Action, Content, Ownership};
use crate::plan::path::GuestPath;

/// A member: kind, path, link, mode, content.
type Member<'m> = (u8, &'m str, &'m str, u32, &'m [u8]);

const FILE: u8 = b'0';
const HARD_LINK: u8 = b'1';
const LINK: u8 = b'2';
const DIRECTORY: u8 = b'5';

fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (kind, path, link, mode, content) in members {
        let mut header = [0u8; 512];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, path.as_bytes());
        put(100, format!("{mode:07o}\0").as_bytes());
        put(108, b"0001750\x000001750\0");
        put(124, format!("{:011o}\0", content.len()).as_bytes());
        put(136, b"00000000000\0        ");
        put(156, &[*kind]);
        put(157, link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend(header);
        tar.extend(*content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn download(strip: u32, ownership: Ownership) -> Download {
    let directory = GuestPath::new("/usr/share/x").expect("is a path");
    Download {
        overlay: "o".into(),
        name: "x".into(),
        url: "https://x.org/x.tar.gz".into(),
        sha256: None,
        place: Place::Unpack { directory, strip, ownership },
        description: None,
    }
}

/// What comes out, one line a change.
fn unpacked(strip: u32, bytes: &[u8]) -> Result<String, String> {
    let changes = unpack(&download(strip, Ownership::root(0o755)), bytes)
        .map_err(|error| error.report().to_string())?;
    let line = |change: &crate::plan::change::Change| match &change.action {
        Action::PutFile { content: Content::Bytes(bytes), ownership } => {
            format!("{} {:o} {}", change.path, ownership.mode, String::from_utf8_lossy(bytes))
        }
        Action::MakeDir { ownership } => format!("{}/ {:o}", change.path, ownership.mode),
        Action::Symlink { target } => format!("{} -> {target}", change.path),
        other => format!("{} {other:?}", change.path),
    };
    Ok(changes.iter().map(line).collect::<Vec<_>>().join("\n"))
}

#[test]
fn members_keep_their_places_and_modes() {
    let tar = archive(&[
        (b'g', "pax_global_header", "", 0o666, b"20 comment=01234567\n"),
        (DIRECTORY, "x-1/", "", 0o777, b""),
        (FILE, "x-1/z.sh", "", 0o4775, b"#!"),
        (FILE, "./x-1/lib/deep/a", "", 0o664, b"a"),
        (DIRECTORY, "x-1/private", "", 0o700, b""),
        (LINK, "x-1/lib/link", "../z.sh", 0o777, b""),
        (HARD_LINK, "x-1/copy", "x-1/z.sh", 0o644, b""),
        (DIRECTORY, "x-1/private/", "", 0o700, b""),
    ]);
    let expected = unpacked(1, &tar).expect("is valid");
    insta::assert_snapshot!(expected, @"
    /usr/share/x/copy 755 #!
    /usr/share/x/lib/ 755
    /usr/share/x/lib/deep/ 755
    /usr/share/x/lib/deep/a 644 a
    /usr/share/x/lib/link -> ../z.sh
    /usr/share/x/private/ 700
    /usr/share/x/z.sh 755 #!
    ");

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).expect("in memory");
    assert_eq!(unpacked(1, &gzip.finish().expect("in memory")).as_ref(), Ok(&expected));
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
    xz.write_all(&tar).expect("in memory");
    assert_eq!(unpacked(1, &xz.finish().expect("in memory")).as_ref(), Ok(&expected));
    assert!(unpacked(0, &tar).expect("is valid").contains("/usr/share/x/x-1/z.sh 755 #!"));
}

#[test]
fn members_belong_to_whom_the_overlay_says() {
    let tar = archive(&[(FILE, "d/a", "", 0o644, b"a")]);
    let owner = Ownership { uid: 33, gid: 33, mode: 0o755 };
    let changes = unpack(&download(0, owner), &tar).expect("is valid");
    for change in changes {
        let (Action::PutFile { ownership, .. } | Action::MakeDir { ownership }) = change.action else {
            panic!("is a link")
        };
        assert_eq!((ownership.uid, ownership.gid), (33, 33));
        assert_eq!(change.origin.to_string(), "overlays/o/download x");
    }
}

#[test]
fn a_file_is_not_unpacked() {
    let path = GuestPath::new("/srv/x.iso").expect("is a path");
    let place = Place::File { path, ownership: Ownership::root(0o644) };
    let changes =
        unpack(&Download { place, ..download(0, Ownership::root(0o755)) }, b"PK").expect("is valid");
    assert_eq!((changes.len(), changes[0].path.as_str()), (1, "/srv/x.iso"));
}

#[test]
fn hostile_archives_are_refused() {
    let file = |path| (FILE, path, "", 0o644, &b"x"[..]);
    for (members, reason) in [
        (vec![file("../x")], "leaves the directory"),
        (vec![file("a/../../x")], "leaves the directory"),
        (vec![file("/etc/passwd")], "has an absolute path"),
        (vec![file("a\nb")], "is no text"),
        (vec![(LINK, "a", "/etc", 0o777, b"")], "a link out of the directory, to `/etc`"),
        (vec![(LINK, "d/a", "../../etc", 0o777, b"")], "a link out of the directory"),
        (vec![(LINK, "d/a", "b/../../../x", 0o777, b"")], "a link out of the directory"),
        (
            vec![(LINK, "d/up", "..", 0o777, b""), (LINK, "d/a", "up/..", 0o777, b"")],
            "a link out of the directory",
        ),
        (vec![(b'S', "sparse", "", 0o644, b"")], ""),
        (vec![(LINK, "d/a", "", 0o777, b"")], "is a link"),
        (vec![(LINK, "a", "b", 0o777, b""), file("a/x")], "would be written through `/usr/share/x/a`"),
        (vec![file("a/x"), (LINK, "a", "b", 0o777, b"")], "would be written through `/usr/share/x/a`"),
        (vec![file("a"), file("a/b/c")], "would be written through `/usr/share/x/a`"),
        (vec![file("a"), file("a")], "member `a` is in it twice"),
        (vec![file("a"), (DIRECTORY, "a", "", 0o755, b"")], "is in it twice"),
        (vec![(HARD_LINK, "a", "/etc/shadow", 0o644, b"")], "has an absolute path"),
        (vec![(HARD_LINK, "a", "../x", 0o644, b"")], "leaves the directory"),
        (vec![(HARD_LINK, "a", "b", 0o644, b"")], "no earlier file"),
        (vec![(b'3', "null", "", 0o666, b"")], "is neither a file nor a directory"),
        (vec![(b'6', "pipe", "", 0o666, b"")], "is neither a file nor a directory"),
        (vec![(DIRECTORY, "./", "", 0o755, b"")], "nothing is in it"),
        (vec![], "nothing is in it"),
    ] {
        let mut tar = archive(&members);
        if members.is_empty() {
            tar = archive(&[(b'g', "pax_global_header", "", 0o666, b"")]);
        }
        let report = unpacked(0, &tar).expect_err(reason);
        assert!(report.contains(reason), "{members:?}: {report}");
    }
}

#[test]
fn what_is_no_archive_is_refused() {
    let tar = archive(&[(FILE, "a", "", 0o644, &[7; 2000])]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).expect("in memory");
    let gzip = gzip.finish().expect("in memory");
    for (bytes, reason) in [
        (&b"PK\x03\x04"[..], "but a zip archive"),
        (b"<!doctype html>", "neither `.tar`"),
        (b"", "neither `.tar`"),
        (b"\x1f\x8b\x08", "no whole tar archive"),
        (&gzip[..gzip.len() / 2], "no whole tar archive"),
        (&tar[..1000], "no whole tar archive"),
    ] {
        assert!(unpacked(0, bytes).expect_err(reason).contains(reason), "{reason}");
    }
    insta::assert_snapshot!(unpacked(0, b"PK").expect_err("is refused"), @"
    download `x` of overlay `o` cannot be unpacked (1 problem)

      it is neither `.tar`, `.tar.gz` nor `.tar.xz`, but a zip archive
    ");
}

#[test]
fn archives_that_grow_without_end_are_refused() {
    let mut bomb = archive(&[(FILE, "bomb", "", 0o644, b"")]);
    // a size of 256 MiB and a byte, as the header has it, and its checksum
    bomb[124..136].copy_from_slice(b"02000000001\0");
    bomb[148..156].fill(b' ');
    let sum: u32 = bomb[..512].iter().map(|byte| u32::from(*byte)).sum();
    bomb[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert!(unpacked(0, &bomb).expect_err("is refused").contains("more than 256 MiB"));

    let content = vec![0; 4 << 20];
    let mut copies: Vec<Member<'_>> = vec![(FILE, "a", "", 0o644, &content)];
    let names: Vec<String> = (0..70).map(|number| format!("c{number}")).collect();
    copies.extend(names.iter().map(|name| (HARD_LINK, name.as_str(), "a", 0o644, &b""[..])));
    assert!(unpacked(0, &archive(&copies)).expect_err("is refused").contains("more than 256 MiB"));

    let many: Vec<String> = (0..50_001).map(|number| format!("f{number}")).collect();
    let many: Vec<Member<'_>> = many.iter().map(|name| (FILE, name.as_str(), "", 0o644, &b""[..])).collect();
    assert!(unpacked(0, &archive(&many)).expect_err("is refused").contains("more than 50000 members"));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 200,
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    })]

    /// Whatever the bytes are, all that comes out lies in the directory.
    #[test]
    fn nothing_leaves_the_directory(edits in proptest::collection::vec((0usize..3000, proptest::num::u8::ANY), 0..8)) {
        let mut tar = archive(&[(FILE, "a/b", "", 0o644, b"x"), (LINK, "a/c", "b", 0o777, b""), (DIRECTORY, "d", "", 0o755, b"")]);
        for (at, byte) in edits {
            let len = tar.len();
            tar[at % len] = byte;
        }
        for change in unpack(&download(0, Ownership::root(0o755)), &tar).into_iter().flatten() {
            proptest::prop_assert!(change.path.as_str().starts_with("/usr/share/x/"));
            proptest::prop_assert!(!change.path.as_str().contains(".."));
        }
    }
}
