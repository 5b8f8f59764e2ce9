use super::*;

fn see(home: &Home, url: &str) -> Result<(Sha256Digest, u64, PathBuf)> {
    home.batch(&Silent).first_sight(url)
}

#[test]
fn only_those_who_can_be_vouched_for_are_believed() {
    let (home, server) = (Home::new(), archive());
    let local = home.file("key.asc", &content(1));
    for url in [server.url("1").to_string(), local] {
        let (digest, size, path) = see(&home, &url).expect("on this machine");
        assert_eq!((digest, size), (Sha256Digest::of(&content(1)), 800_000));
        assert!(fs_err::read(path).expect("readable") == content(1));
    }
    for url in ["http://example.org/key.asc", "http://127.0.0.1.example.org/", "http://10.0.0.1/key.asc"] {
        let error = see(&home, url).expect_err("plain HTTP");
        assert!(matches!(error, Error::Unpinned { .. }), "{error}");
    }
    let elsewhere = Server::new(|_| Reply::new("302 Found", b"").header("Location: http://example.org/a"));
    let error = see(&home, elsewhere.url("a").as_str()).expect_err("plain HTTP all the same");
    assert!(matches!(error, Error::Redirect { .. }), "{error}");
}

#[test]
fn what_did_not_change_is_not_downloaded_again() {
    let (home, server) = (Home::new(), archive());
    let url = server.url("1").to_string();
    let first = see(&home, &url).expect("downloaded");
    let watch = Counting::default();
    assert_eq!(home.batch(&watch).first_sight(&url).expect("unchanged"), first);
    assert_eq!(watch.bytes.load(Ordering::Relaxed), 0);
    assert_eq!(server.requests()[1].if_none_match.as_deref(), Some("\"1\""));
    let offline = Batch { client: None, ..home.batch(&Silent) };
    assert_eq!(offline.first_sight(&url).expect("as it was last seen"), first);
    assert!(matches!(offline.first_sight(server.url("2").as_str()), Err(Error::Offline { .. })));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn an_interrupted_first_sight_is_resumed_and_never_mixed() {
    let (home, server) = (Home::new(), archive());
    let stop = || Counting { stop_after: Some(300_000), ..Counting::default() };
    let url = server.url("1").to_string();
    let watch = stop();
    assert!(matches!(home.batch(&watch).first_sight(&url), Err(Error::Interrupted)));
    assert_eq!(home.names("blob-v1"), Vec::<String>::new());
    let (digest, ..) = see(&home, &url).expect("the rest");
    assert_eq!(digest, Sha256Digest::of(&content(1)));
    assert!(matches!(ranges(&server).as_slice(), [None, Some(_)]));

    let changing = Server::new(|request| {
        let number = if request.number == 1 { 1 } else { 2 };
        Reply::file(request, &format!("\"{number}\""), &content(number))
    });
    let url = changing.url("key").to_string();
    assert!(matches!(home.batch(&stop()).first_sight(&url), Err(Error::Interrupted)));
    assert_eq!(see(&home, &url).expect("the new one").0, Sha256Digest::of(&content(2)));
}
