use std::thread;

use super::*;

/// Serves `content` decently.
fn decent(content: &[u8]) -> Server {
    let content = content.to_vec();
    Server::new(move |request| Reply::file(request, "\"a\"", &content))
}

fn web(server: &Server) -> Source {
    Source::Web(server.url("base.img.xz"))
}

fn assert_image(base: &VerifiedBase) {
    assert!(fs_err::read(base.path()).expect("readable") == image());
}

/// What another process left of a download of `server`.
fn partial(home: &Home, server: &Server, bytes: &[u8]) -> Partial {
    let key = Sha256Digest::of(server.url("base.img.xz").as_str().as_bytes());
    let mut partial = Partial::open(&home.cache, key).expect("a new one");
    partial.restart(Some(Validator::ETag("\"a\"".to_owned()))).expect("writable");
    partial.append(bytes).expect("writable");
    partial.checkpoint().expect("writable");
    partial
}

#[test]
fn a_download_is_verified_kept_and_not_repeated() {
    let (home, compressed) = (Home::new(), xz(&image()));
    let server = decent(&compressed);
    let pin = published(Sha256Digest::of(&compressed));
    let base = home.fetch(&web(&server), pin).expect("downloaded");
    assert_image(&base);
    assert_eq!(home.fetch(&web(&server), pin).expect("cached"), base);
    assert_eq!(home.fetch(&web(&server), raw(base.raw_digest())).expect("cached"), base);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(home.names("partial-v1"), Vec::<String>::new());
    // an `.img.xz` takes over blocks of the published file
    let kept = home.cache.get(Bucket::Blob, base.published_digest()).expect("readable").expect("there");
    assert!(fs_err::read(kept).expect("readable") == compressed);

    let offline = BaseFetcher { client: None, ..home.fetcher(&Silent) };
    assert_eq!(offline.fetch(&web(&server), pin).expect("cached"), base);
    let error = offline.fetch(&web(&server), published(Sha256Digest::of(b"other"))).expect_err("not cached");
    assert!(matches!(error, Error::Offline { .. }));
}

#[test]
fn the_same_image_in_other_bytes_is_another_published_file() {
    let (home, compressed) = (Home::new(), xz(&image()));
    let server = decent(&compressed);
    let local = home.file("base.img.zst", &zstd(&image()));
    let first = home.fetch(&local, Pins::default()).expect("an image");
    // only the raw image is pinned, and the cache has it: from elsewhere
    let pin = raw(first.raw_digest());
    let web_base = home.fetch(&web(&server), pin).expect("downloaded");
    assert_eq!(web_base.published_digest(), Sha256Digest::of(&compressed));
    assert_eq!(home.fetch(&local, pin).expect("an image").published_digest(), first.published_digest());
    assert_eq!(home.fetch(&web(&server), pin).expect("cached"), web_base);
    assert_eq!(server.requests().len(), 1);
    let fetcher = home.fetcher(&Silent);
    let Source::File(path) = &local else { panic!("a file") };
    for (path, expected) in [(path.clone(), true), (path.with_extension("gone"), false)] {
        assert_eq!(fetcher.is_published(&path, first.published_digest()).expect("readable"), expected);
    }
    fs_err::write(path, b"another file by now").expect("writable");
    assert!(!fetcher.is_published(path, first.published_digest()).expect("readable"));
}

#[test]
fn a_raw_image_is_kept_once() {
    let (home, bytes) = (Home::new(), image());
    let server = decent(&bytes);
    home.fetch(&web(&server), published(Sha256Digest::of(&bytes))).expect("downloaded");
    assert_eq!(home.names("blob-v1"), Vec::<String>::new());
}

#[test]
fn plain_http_needs_a_pin() {
    let (home, server) = (Home::new(), decent(b""));
    assert!(matches!(home.fetch(&web(&server), Pins::default()), Err(Error::Unpinned { .. })));
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn content_known_from_the_last_time_is_not_sent_again() {
    let (home, compressed) = (Home::new(), xz(&image()));
    let server = decent(&compressed);
    // as over https, where no pin is needed
    let url = server.url("base.img.xz");
    let download = || home.fetcher(&Silent).download(&web(&server), &url, Pins::default(), &home.client);
    let first = download().expect("downloaded");
    assert_eq!(download().expect("unchanged"), first);
    let conditions: Vec<_> = server.requests().into_iter().map(|request| request.if_none_match).collect();
    assert_eq!(conditions, [None, Some("\"a\"".to_owned())]);
}

#[test]
fn an_interrupted_download_goes_on_in_the_next_run() {
    let (home, compressed) = (Home::new(), xz(&image()));
    let pin = published(Sha256Digest::of(&compressed));
    let server = decent(&compressed);
    let mut received = 0;
    for stop_after in [1, 300_000, 600_000] {
        let watch = Counting { stop_after: Some(stop_after), ..Counting::default() };
        assert!(matches!(home.fetch_watched(&web(&server), pin, &watch), Err(Error::Interrupted)));
        home.assert_no_image("interrupted");
        received = received.max(watch.bytes.load(Ordering::SeqCst));
    }
    assert_image(&home.fetch(&web(&server), pin).expect("the rest"));
    let ranges: Vec<_> =
        server.requests().into_iter().map(|request| request.range.unwrap_or(0) as u64).collect();
    assert!(ranges.is_sorted() && ranges[0] == 0 && ranges[1] > 0, "{ranges:?}");
    assert_eq!(ranges.last(), Some(&received));
}

#[test]
fn a_process_that_was_killed_left_what_it_had_noted() {
    let (home, compressed) = (Home::new(), xz(&image()));
    let server = decent(&compressed);
    let mut killed = partial(&home, &server, &compressed[..1000]);
    killed.append(&[0; 5000]).expect("writable"); // never synced: lost in the crash
    drop(killed);
    assert_image(&home.fetch(&web(&server), published(Sha256Digest::of(&compressed))).expect("the rest"));
    assert_eq!(server.requests()[0].range, Some(1000));
}

#[test]
fn a_complete_download_that_was_not_decoded_yet_is_not_repeated() {
    let (home, compressed) = (Home::new(), xz(&image()));
    let server = decent(&compressed);
    drop(partial(&home, &server, &compressed));
    assert_image(&home.fetch(&web(&server), published(Sha256Digest::of(&compressed))).expect("decoded"));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_changed_between_two_runs_is_downloaded_anew() {
    let (home, compressed) = (Home::new(), xz(&image()));
    let content = compressed.clone();
    let server = Server::new(move |request| Reply::file(request, "\"new\"", &content));
    drop(partial(&home, &server, b"of the old content"));
    assert_image(
        &home.fetch(&web(&server), published(Sha256Digest::of(&compressed))).expect("the new content"),
    );
    assert_eq!(server.requests()[0].if_range.as_deref(), Some("\"a\""));
}

#[test]
fn what_changes_during_a_download_starts_over() {
    let (home, compressed) = (Home::new(), xz(&image()));
    let content = compressed.clone();
    let server = Server::new(move |request| match request.number {
        1 => Reply::file(request, "\"old\"", &vec![7; 900_000]).end(End::Cut(500_000)),
        _ => Reply::file(request, "\"new\"", &content),
    });
    assert_image(
        &home.fetch(&web(&server), published(Sha256Digest::of(&compressed))).expect("the new content"),
    );

    let restless = Server::new(|request| {
        Reply::file(request, &format!("\"{}\"", request.number), &image()).end(End::Cut(5000))
    });
    let error = home.fetch(&web(&restless), raw(Sha256Digest::of(b"other"))).expect_err("never the same");
    assert!(matches!(error, Error::Changing { .. }), "{error}");
}

#[test]
fn a_wrong_download_is_not_kept_for_the_next_run() {
    let (home, compressed) = (Home::new(), xz(&image()));
    let content = compressed.clone();
    let server = Server::new(move |request| {
        let mut content = content.clone();
        content[500_000] ^= u8::from(request.number == 1);
        Reply::file(request, "\"a\"", &content)
    });
    let pin = published(Sha256Digest::of(&compressed));
    let error = home.fetch(&web(&server), pin).expect_err("one bit is wrong");
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    assert_eq!(home.names("partial-v1"), Vec::<String>::new());
    assert_image(&home.fetch(&web(&server), pin).expect("right this time"));
}

#[test]
fn two_builds_at_once_download_once() {
    let (home, compressed) = (Home::new(), xz(&image()));
    let server = decent(&compressed);
    let pin = published(Sha256Digest::of(&compressed));
    thread::scope(|scope| {
        let builds: Vec<_> = (0..3).map(|_| scope.spawn(|| home.fetch(&web(&server), pin))).collect();
        for build in builds {
            assert_image(&build.join().expect("no panic").expect("an image"));
        }
    });
    assert_eq!(server.requests().len(), 1);
}
