//! What is accepted, and what it costs.

use std::fs;

use super::archive::{ARM64, Archive, asked, contents, write};
use super::*;
use crate::test_gpg::tool;
use crate::test_server::{End, Reply, Server, impatient_client};

#[test]
fn a_signed_repository_gives_its_indexes_over_http_and_from_a_directory() {
    let Some(archive) = Archive::new() else { return };
    let release = fs::read(archive.file("InRelease")).expect("there");
    assert!(archive.gpg.accepts(&[&archive.key], &release, None));
    let packages = fs::read_to_string(archive.file(ARM64)).expect("there");
    assert!(packages.contains("Package: hello\n") && packages.contains("Package: hello-data\n"));
    let server = archive.serve();
    for server in [Some(&server), None] {
        let mut repository = archive.repository(server);
        repository.components = vec!["main".to_owned(), "contrib".to_owned()];
        let snapshot = archive.snapshot(&repository).expect("accepted");
        assert_eq!(snapshot.release.codename, "trixie");
        assert_eq!(snapshot.release_sha256, Sha256Digest::of(&release));
        assert_eq!((&snapshot.signed_by, &snapshot.uri), (&archive.key, &repository.uris[0]));
        let of = |component: &str, text: &str| (component.to_owned(), "arm64".to_owned(), text.to_owned());
        assert_eq!(contents(&snapshot), [of("contrib", ""), of("main", &packages)]);
        let deb = Source::parse(&snapshot.location("pool/hello_1.0-1_arm64.deb").expect("a URL"));
        match deb.expect("a source") {
            Source::File(path) => assert!(path.is_file()),
            Source::Web(url) => assert_eq!(url.path(), "/pool/hello_1.0-1_arm64.deb"),
        }
    }
    // an empty index needs no download, and what the web gave needs none from the directory
    assert_eq!(asked(&server), ["InRelease", "main/binary-arm64/Packages.xz"]);
}

#[test]
fn an_unchanged_repository_costs_one_request_and_none_offline() {
    let Some(archive) = Archive::new() else { return };
    let server = archive.serve();
    let repository = archive.repository(Some(&server));
    let error = archive.offline(&repository).expect_err("nothing is known");
    assert!(matches!(error, Error::Offline { .. }), "{error}");
    let first = archive.snapshot(&repository).expect("accepted");
    let second = archive.snapshot(&repository).expect("accepted");
    assert_eq!(asked(&server), ["InRelease", "main/binary-arm64/Packages.xz", "InRelease"]);
    assert_eq!(server.requests()[2].if_none_match, Some(format!("\"{}\"", first.release_sha256)));
    let offline = archive.offline(&repository).expect("remembered");
    for later in [second, offline] {
        assert_eq!((later.release_sha256, later.indexes), (first.release_sha256, first.indexes.clone()));
    }
    assert_eq!(asked(&server).len(), 3);

    // verified again, and not merely read
    let stranger = Repository { fingerprints: vec![archive.gpg.good_key("Other")], ..repository.clone() };
    assert_eq!(archive.offline(&stranger).expect_err("another key").class(), Class::Trust);

    // an older one by its digest, as a lock names it
    archive.index(ARM64, b"Package: hello\nVersion: 2\nArchitecture: arm64\n");
    archive.publish(&archive.release());
    let newer = archive.snapshot(&repository).expect("accepted");
    assert_ne!(newer.release_sha256, first.release_sha256);
    let fetcher = archive.fetcher(None);
    let pinned = fetcher.pinned(&repository, first.release_sha256).expect("verified").expect("in the cache");
    assert_eq!(pinned.indexes, first.indexes);
    assert!(fetcher.pinned(&repository, Sha256Digest::of(b"")).expect("no failure").is_none());
}

#[test]
fn indexes_come_in_every_form_and_by_their_digest() {
    let Some(archive) = Archive::new() else { return };
    let packages = fs::read_to_string(archive.file(ARM64)).expect("there");
    let plain = archive.release();
    let by_hash = plain.replace("Codename:", "Acquire-By-Hash: yes\nCodename:");
    let forms = [".xz", ".gz", ".zst", ""];
    for (number, form) in forms.iter().enumerate() {
        let path = format!("{ARM64}{form}");
        // the others are listed, but not there
        archive.index(ARM64, packages.as_bytes());
        for other in forms.iter().filter(|other| *other != form) {
            fs::remove_file(archive.file(&format!("{ARM64}{other}"))).expect("there");
        }
        let fresh = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(fresh.path()).expect("a cache");
        let (server, client) = (archive.serve(), impatient_client());
        let fetcher = ArchiveFetcher { cache: &cache, ..archive.fetcher(Some(&client)) };
        archive.publish(if number % 2 == 0 { &plain } else { &by_hash });
        let snapshot = fetcher.snapshot(&archive.repository(Some(&server))).expect(form);
        assert_eq!(contents(&snapshot)[0].2, packages);
        assert_eq!(asked(&server).last(), Some(&path), "the plain name is the last resort");
        // or alone in the list, where nothing tells the length of the index itself
        let listed = |line: &str| !line.contains(ARM64) || line.ends_with(&path);
        let alone: String =
            plain.lines().filter(|line| listed(line)).map(|line| format!("{line}\n")).collect();
        archive.publish(&alone);
        let cache = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(cache.path()).expect("a cache");
        let fetcher = ArchiveFetcher { cache: &cache, ..fetcher };
        for _ in 0..2 {
            let snapshot = fetcher.snapshot(&archive.repository(Some(&server))).expect(form);
            assert_eq!(contents(&snapshot)[0].2, packages);
        }
        let asked = asked(&server);
        assert_eq!(
            &asked[asked.len() - 3..],
            ["InRelease", &path, "InRelease"],
            "{form}: known the second time"
        );
    }
    archive.index(ARM64, packages.as_bytes());
    archive.publish(&by_hash);
    archive.move_to_hash(&format!("{ARM64}.xz"));
    let server = archive.serve();
    assert!(archive.snapshot(&archive.repository(Some(&server))).is_ok());
    assert!(asked(&server)[1].starts_with("main/binary-arm64/by-hash/SHA256/"), "{:?}", asked(&server));
}

#[test]
fn a_signature_may_be_a_file_of_its_own() {
    let Some(archive) = Archive::new() else { return };
    let release = archive.release();
    archive.publish_detached(&release, &release);
    let signature = fs::read(archive.file("Release.gpg")).expect("there");
    assert!(archive.gpg.accepts(&[&archive.key], &signature, Some(release.as_bytes())));
    let server = archive.serve();
    let repository = archive.repository(Some(&server));
    let snapshot = archive.snapshot(&repository).expect("accepted");
    assert_eq!(snapshot.release_sha256, Sha256Digest::of(release.as_bytes()));
    assert_eq!(asked(&server)[..3], ["InRelease", "Release", "Release.gpg"]);
    assert_eq!(archive.offline(&repository).expect("remembered").indexes, snapshot.indexes);
    assert!(archive.snapshot(&archive.repository(None)).is_ok());
}

#[test]
fn flat_repositories_have_one_index() {
    let Some(archive) = Archive::new() else { return };
    let root = archive.root.path();
    for directory in ["./", "pool/"] {
        let under = root.join(directory);
        write(&under.join("Packages"), &archive.scan("arm64", "pool"));
        let release = tool(&under, "apt-ftparchive", &["release", "."]);
        let text = String::from_utf8(release).expect("text");
        write(
            &under.join("InRelease"),
            &archive.gpg.clearsign(text.as_bytes(), &[&archive.key], crate::test_gpg::now(), &[]),
        );
        let server = archive.serve();
        for server in [Some(&server), None] {
            let mut repository = archive.repository(server);
            (repository.suite, repository.components) = (directory.to_owned(), Vec::new());
            let snapshot = archive.snapshot(&repository).expect(directory);
            let [(component, architecture, packages)] = &contents(&snapshot)[..] else { panic!("one index") };
            assert_eq!((component.as_str(), architecture.as_str()), ("", ""));
            assert!(packages.contains("Filename: pool/hello_1.0-1_arm64.deb"));
        }
        for made in ["Packages", "InRelease"] {
            fs::remove_file(under.join(made)).expect("there");
        }
    }
}

#[test]
fn packages_for_all_architectures_may_have_an_index_of_their_own() {
    let Some(archive) = Archive::new() else { return };
    archive.index("main/binary-all/Packages", &archive.scan("all", "pool"));
    let release = archive.release().replace("Architectures: ", "Architectures: all ");
    archive.publish(&release);
    let mut repository = archive.repository(None);
    (repository.components, repository.foreign) =
        (vec!["main".to_owned(), "contrib".to_owned()], vec!["armhf".to_owned(), "riscv64".to_owned()]);
    let of = |snapshot: Snapshot| -> Vec<String> {
        snapshot.indexes.iter().map(|one| format!("{} {}", one.component, one.architecture)).collect()
    };
    let indexes = of(archive.snapshot(&repository).expect("accepted"));
    assert_eq!(indexes, ["contrib arm64", "main all", "main arm64", "main armhf"]);
    archive.publish(&release.replace("Codename:", "No-Support-for-Architecture-all: Packages\nCodename:"));
    let indexes = of(archive.snapshot(&repository).expect("accepted"));
    assert_eq!(indexes, ["contrib arm64", "main arm64", "main armhf"]);
}

#[test]
fn the_next_mirror_is_asked_where_one_cannot_be_reached() {
    let Some(archive) = Archive::new() else { return };
    let good = archive.serve();
    let empty = Server::new(|_| Reply::new("404 Not Found", b"no"));
    let portal = Server::new(|_| Reply::new("200 OK", b"<html>").header("Content-Type: text/html"));
    // it breaks in the middle of a snapshot
    let half = archive.serve_with(|request, reply| match request.path.ends_with("InRelease") {
        true => reply,
        false => Reply::new("404 Not Found", b"no"),
    });
    let bad = ["http://127.0.0.1:1/".to_owned(), "file:/nowhere/at/all".to_owned()];
    let bad = bad.into_iter().chain([&empty, &portal, &half].map(|server| server.url("").to_string()));
    let mut repository = archive.repository(Some(&good));
    repository.uris = bad.chain(repository.uris).collect();
    let snapshot = archive.snapshot(&repository).expect("the last one is good");
    assert_eq!(Some(&snapshot.uri), repository.uris.last());
    assert_eq!(archive.offline(&repository).expect("remembered").uri, snapshot.uri);

    // the half one would do now: the index is in the cache
    repository.uris = repository.uris[2..4].to_vec();
    let error = archive.snapshot(&repository).expect_err("all are bad");
    assert!(matches!(error, Error::Status { code: 404, .. }), "of the first one: {error}");
}

#[test]
fn a_broken_download_goes_on_where_it_broke() {
    let Some(archive) = Archive::new() else { return };
    let packages: String = (0..20_000)
        .map(|number| format!("Package: p{}\nVersion: 1\nArchitecture: arm64\n\n", number * 7919))
        .collect();
    archive.index(ARM64, packages.as_bytes());
    archive.publish(&archive.release());
    let length = fs::metadata(archive.file(&format!("{ARM64}.xz"))).expect("there").len();
    let length = usize::try_from(length).expect("small");
    assert!(length > 4000);
    let (first, second) = (length / 4, length / 2);
    let cut = move |request: &crate::test_server::Request, reply: Reply| match (
        request.path.ends_with(".xz"),
        request.range,
    ) {
        (true, None) => reply.end(End::Cut(first)),
        (true, Some(start)) if start == first => reply.end(End::Cut(second - first)),
        _ => reply,
    };
    let server = archive.serve_with(cut);
    let snapshot = archive.snapshot(&archive.repository(Some(&server))).expect("resumed");
    assert!(contents(&snapshot)[0].2 == packages);
    let ranges: Vec<_> = server.requests().iter().map(|request| request.range).collect();
    assert_eq!(ranges, [None, None, Some(first), Some(second)]);
}

#[test]
fn what_a_run_left_unfinished_the_next_one_finishes() {
    let Some(archive) = Archive::new() else { return };
    let broken = std::sync::Arc::new(AtomicBool::new(true));
    let down = std::sync::Arc::clone(&broken);
    let server = archive.serve_with(move |request, reply| {
        match (request.path.ends_with(".xz"), down.load(Ordering::Relaxed)) {
            (true, true) if request.range.is_none() => reply.end(End::Cut(100)),
            (true, true) => Reply::new("503 Service Unavailable", b""),
            _ => reply,
        }
    });
    let repository = archive.repository(Some(&server));
    let error = archive.snapshot(&repository).expect_err("it is down");
    assert_eq!(error.class(), Class::Network, "{error}");
    broken.store(false, Ordering::Relaxed);
    assert!(archive.snapshot(&repository).is_ok());
    assert_eq!(server.requests().last().and_then(|request| request.range), Some(100));
}
