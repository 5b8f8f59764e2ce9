//! What is refused: which link broke, and what the message says.

use std::fs;

use super::archive::{ARM64, Archive, write};
use super::*;
use crate::instant::Instant;
use crate::keyring::SignatureProblem;
use crate::test_gpg::now;
use crate::test_server::Reply;

const DAY: u64 = 86_400;

/// What is refused, where and why.
fn refused(archive: &Archive, repository: &Repository) -> (Hop, Refusal, String) {
    let error = archive.snapshot(repository).expect_err("it must be refused");
    assert_eq!(error.class(), Class::Trust, "{error}");
    let text = error.to_string();
    assert!(text.starts_with("cannot trust repository `test`: "), "{text}");
    match error {
        Error::Refused { hop, refusal, .. } => (hop, *refusal, text),
        other => panic!("{other}"),
    }
}

/// A `Release` with another value of a field, or a further field.
fn with(release: &str, field: &str, value: &str) -> String {
    let others = release.lines().filter(|line| !line.starts_with(&format!("{field}:")));
    others.fold(format!("{field}: {value}\n"), |text, line| format!("{text}{line}\n"))
}

/// As a `Release` writes dates.
pub(super) fn date(seconds: u64) -> String {
    let text = Instant(i64::try_from(seconds).expect("small")).to_string();
    let (day, time) = text.trim_end_matches('Z').split_once('T').expect("RFC 3339");
    let parts: Vec<usize> = day.split('-').map(|part| part.parse().expect("a number")).collect();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let week = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let weekday = week[usize::try_from(seconds / DAY % 7).expect("small")];
    format!("{weekday}, {:02} {} {} {time} UTC", parts[2], months[parts[1] - 1], parts[0])
}

#[test]
fn a_key_that_is_not_the_pinned_one() {
    let Some(archive) = Archive::new() else { return };
    let other = archive.gpg.good_key("Other");
    let repository = archive.repository(None);
    let inline = fs::read(archive.file("InRelease")).expect("there");
    assert!(!archive.gpg.accepts(&[&other], &inline, None));
    for (keys, pins) in [(vec![&other], vec![]), (vec![&other, &archive.key], vec![other.clone()])] {
        let keyring = Arc::new(archive.gpg.keyring(&keys));
        let stranger = Repository { keyring, fingerprints: pins, ..repository.clone() };
        let (hop, refusal, text) = refused(&archive, &stranger);
        assert_eq!(hop, Hop::Signature("InRelease"));
        let Refusal::Signature(SignatureProblem::WrongKey { expected, got }) = refusal else {
            panic!("{text}");
        };
        assert_eq!((expected, got), (vec![other.clone()], vec![archive.key.to_string()]));
        assert_eq!(
            text,
            format!(
                "cannot trust repository `test`: signature in `InRelease`: it is signed by {}, expected {other}",
                archive.key
            )
        );
    }
}

#[test]
fn a_release_that_says_the_wrong_things() {
    let Some(archive) = Archive::new() else { return };
    let release = archive.release();
    let repository = archive.repository(None);
    let other_suite = with(&with(&release, "Suite", "unstable"), "Codename", "sid");
    let nameless: String = other_suite.lines().skip(2).map(|line| format!("{line}\n")).collect();
    let cases = [
        (other_suite, "it is of suite `unstable` (`sid`), expected `trixie`"),
        (nameless, "it is of suite no name, expected `trixie`"),
        (with(&release, "Date", &date(now() + DAY)), "it is from "),
        (with(&release, "Valid-Until", &date(now() - 60)), "it was valid until "),
        (with(&release, "Date", "yesterday"), "it cannot be read: "),
        (release.replace("SHA256:", "SHA255:"), "it cannot be read: "),
        (format!("{release}\nSuite: trixie\n"), "it cannot be read: "),
    ];
    for (text, expected) in cases {
        archive.publish(&text);
        let inline = fs::read(archive.file("InRelease")).expect("there");
        assert!(archive.gpg.accepts(&[&archive.key], &inline, None), "well signed");
        let (hop, _, text) = refused(&archive, &repository);
        assert_eq!(hop, Hop::Release("InRelease"), "{text}");
        assert!(text.contains(&format!("`InRelease`: {expected}")), "{text}");
    }
    let stale = with(&release, "Valid-Until", &date(now() - 60));
    archive.publish(&stale);
    assert!(archive.snapshot(&Repository { check_valid_until: false, ..repository.clone() }).is_ok());
    archive.publish(&with(&release, "Date", &date(now() + 300)));
    assert!(archive.snapshot(&repository).is_ok(), "clocks differ a little");
    for name in ["stable", "trixie/updates"] {
        let directory = archive.root.path().join("dists").join(name);
        fs::create_dir_all(directory.parent().expect("a directory")).expect("made");
        if name.contains('/') {
            fs::rename(archive.file(""), &directory).unwrap_or_else(|_| copy(&archive.file(""), &directory));
        } else {
            copy(&archive.file(""), &directory);
        }
        let asked = Repository { suite: name.to_owned(), ..repository.clone() };
        assert!(archive.snapshot(&asked).is_ok(), "{name} is its suite too");
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in fs::read_dir(from).expect("a directory").map(|entry| entry.expect("an entry").path()) {
        let target = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            if !target.starts_with(&entry) {
                copy(&entry, &target);
            }
        } else {
            write(&target, &fs::read(&entry).expect("there"));
        }
    }
}

#[test]
fn a_release_older_than_the_locked_one() {
    let Some(archive) = Archive::new() else { return };
    let mut repository = archive.repository(None);
    let seen = archive.snapshot(&repository).expect("accepted").release.date;
    repository.not_before = Some(seen);
    assert!(archive.snapshot(&repository).is_ok(), "the same one is no downgrade");
    repository.not_before = Some(seen + 1);
    let (hop, refusal, text) = refused(&archive, &repository);
    let (date, not_before) = (Instant(seen), Instant(seen + 1));
    assert_eq!((hop, refusal), (Hop::Release("InRelease"), Refusal::Downgrade { date, not_before }));
    assert!(text.ends_with(&format!("it is from {date}, older than {not_before} as locked")), "{text}");
}

#[test]
fn a_repository_without_a_signature_or_with_that_of_another() {
    let Some(archive) = Archive::new() else { return };
    let (release, repository) = (archive.release(), archive.repository(None));
    archive.publish_detached(&release, &with(&release, "Suite", "sid"));
    let (hop, refusal, _) = refused(&archive, &repository);
    let mismatch = SignatureProblem::Mismatch { key: archive.key.clone() };
    assert_eq!((hop, refusal), (Hop::Signature("Release.gpg"), Refusal::Signature(mismatch)));

    fs::remove_file(archive.file("Release.gpg")).expect("there");
    for server in [None, Some(&archive.serve())] {
        let (hop, refusal, text) = refused(&archive, &archive.repository(server));
        assert_eq!((hop, refusal), (Hop::Signature("Release.gpg"), Refusal::Unsigned));
        assert!(text.ends_with("signature in `Release.gpg`: there is none, the repository is not signed"));
    }
    // no way around a bad `InRelease`
    archive.publish_detached(&release, &release);
    assert!(archive.snapshot(&repository).is_ok());
    write(&archive.file("InRelease"), release.as_bytes());
    let (hop, refusal, text) = refused(&archive, &repository);
    assert_eq!(hop, Hop::Signature("InRelease"), "{text}");
    assert!(matches!(refusal, Refusal::Signature(SignatureProblem::NotOneMessage(_))), "{text}");
}

#[test]
fn an_index_that_is_not_the_signed_one() {
    let Some(archive) = Archive::new() else { return };
    let path = format!("{ARM64}.xz");
    let good = fs::read(archive.file(&path)).expect("there");
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let swapped = fs::read(archive.file("main/binary-armhf/Packages.xz")).expect("there");
    let short = &good[..good.len() - 1];
    let long = [&good[..], b"\0"].concat();
    let server = archive.serve();
    for bad in [&flipped[..], &swapped, short, &long, b""] {
        write(&archive.file(&path), bad);
        for server in [None, Some(&server)] {
            let (hop, refusal, text) = refused(&archive, &archive.repository(server));
            assert_eq!(hop, Hop::Index(path.clone()));
            let (size, expected) = (good.len() as u64, Sha256Digest::of(&good));
            match bad.len().cmp(&good.len()) {
                std::cmp::Ordering::Equal => {
                    let got = Sha256Digest::of(bad);
                    assert_eq!(refusal, Refusal::WrongDigest { expected, got });
                    assert!(
                        text.contains(&format!("expected sha256 {expected}, got sha256 {got}")),
                        "{text}"
                    );
                }
                std::cmp::Ordering::Less => {
                    assert_eq!(refusal, Refusal::WrongSize { expected: size, got: bad.len() as u64 });
                }
                std::cmp::Ordering::Greater => assert_eq!(refusal, Refusal::TooLarge { limit: size }),
            }
        }
    }
    // nothing of it stays behind
    write(&archive.file(&path), &good);
    assert!(archive.snapshot(&archive.repository(Some(&server))).is_ok());
}

#[test]
fn an_index_that_unpacks_to_something_else() {
    let Some(archive) = Archive::new() else { return };
    let path = format!("{ARM64}.xz");
    let unpacked = fs::read(archive.file(ARM64)).expect("there");
    let bomb = vec![b'\n'; 8 << 20];
    let mut other = unpacked.clone();
    other[0] ^= 1;
    let cases = [
        (bomb, Refusal::TooLarge { limit: unpacked.len() as u64 }),
        (
            other.clone(),
            Refusal::WrongDigest { expected: Sha256Digest::of(&unpacked), got: Sha256Digest::of(&other) },
        ),
        (
            unpacked[1..].to_vec(),
            Refusal::WrongSize { expected: unpacked.len() as u64, got: unpacked.len() as u64 - 1 },
        ),
    ];
    for (content, expected) in cases {
        write(&archive.file(&path), &liblzma::encode_all(&content[..], 1).expect("memory"));
        archive.publish(&archive.release());
        let (hop, refusal, _) = refused(&archive, &archive.repository(None));
        assert_eq!((hop, refusal), (Hop::UnpackedIndex(ARM64.to_owned()), expected));
    }
    let truncated = liblzma::encode_all(&unpacked[..], 1).expect("memory");
    for garbage in [&truncated[..truncated.len() / 2], b"<html>"] {
        write(&archive.file(&path), garbage);
        archive.publish(&archive.release());
        let (hop, refusal, text) = refused(&archive, &archive.repository(None));
        assert_eq!(hop, Hop::UnpackedIndex(ARM64.to_owned()));
        assert!(matches!(refusal, Refusal::Undecodable { .. }), "{text}");
    }
}

#[test]
fn a_server_that_promises_too_much() {
    let Some(archive) = Archive::new() else { return };
    for (file, limit) in [("InRelease", MAX_RELEASE), ("Packages.xz", u64::MAX)] {
        let server = archive.serve_with(move |request, reply| match request.path.ends_with(file) {
            true => Reply::new("200 OK", b"x").header("Content-Length: 99999999999"),
            false => reply,
        });
        let (hop, refusal, text) = refused(&archive, &archive.repository(Some(&server)));
        match hop {
            Hop::Index(path) => assert_eq!(path, format!("{ARM64}.xz")),
            hop => {
                assert_eq!((hop, refusal), (Hop::Release("InRelease"), Refusal::TooLarge { limit }), "{text}")
            }
        }
    }
}

#[test]
fn another_mirror_is_no_way_around_a_refusal() {
    let Some(archive) = Archive::new() else { return };
    let bad = archive.serve_with(|request, reply| match request.path.ends_with("InRelease") {
        true => Reply::new("200 OK", b"Suite: trixie\n"),
        false => reply,
    });
    let good = archive.serve();
    let mut repository = archive.repository(Some(&bad));
    repository.uris.push(good.url("").to_string());
    assert_eq!(refused(&archive, &repository).0, Hop::Signature("InRelease"));
    assert!(good.requests().is_empty());
}

#[test]
fn what_a_repository_does_not_have() {
    let Some(archive) = Archive::new() else { return };
    let repository = archive.repository(None);
    let text = |change: fn(&mut Repository)| {
        let mut asked = repository.clone();
        change(&mut asked);
        let error = archive.snapshot(&asked).expect_err("not there");
        assert_eq!(error.class(), Class::Usage, "{error}");
        error.to_string()
    };
    assert_eq!(
        text(|asked| asked.components.push("non-free".to_owned())),
        "repository `test` has no component `non-free`, only `contrib`, `main`"
    );
    assert_eq!(
        text(|asked| asked.architectures.push("riscv64".to_owned())),
        "repository `test` has no architecture `riscv64`, only `arm64`, `armhf`"
    );
    assert!(text(|asked| asked.uris.clear()).contains("has no URI"));
    assert!(
        text(|asked| asked.uris = vec!["cdrom:[Debian]/".to_owned()])
            .contains("`http:`, `https:` or `file:`")
    );
}
