use super::*;

#[test]
fn a_flipped_byte_is_refused_and_leaves_nothing() {
    let mut flipped = content(1);
    flipped[123_456] ^= 1;
    let got = Sha256Digest::of(&flipped);
    let home = Home::new();
    let local = home.file("file-1.deb", &flipped);
    let server = Server::new(move |_| Reply::new("200 OK", &flipped).header("ETag: \"1\""));
    for location in [server.url("pool/file-1.deb").to_string(), local] {
        let file = wanted(1, &[location, archive().url("1").to_string()]);
        let error = home.fetch(std::slice::from_ref(&file)).expect_err("another digest");
        assert_eq!(error.class(), Class::Trust);
        let text = error.to_string();
        assert!(text.starts_with("`file-1.deb` from `"), "{text}");
        assert!(text.ends_with(&format!("expected sha256 {}, got sha256 {got}", file.sha256)), "{text}");
        home.assert_nothing_left("flipped");
    }
    assert_eq!(server.requests().len(), 1, "what began anew is not asked for again");
}

#[test]
fn a_beginning_that_was_no_good_is_fetched_anew() {
    let (home, server) = (Home::new(), archive());
    let file = at(&server, 1);
    let partials = home.root.path().join("cache/partial-v1");
    let stem = partials.join(file.sha256.to_string());
    fs_err::write(stem.with_extension("part"), vec![7; 1000]).expect("writable");
    fs_err::write(stem.with_extension("meta"), "1000\netag \"1\"\n").expect("writable");
    let paths = home.fetch(std::slice::from_ref(&file)).expect("the second time");
    assert!(fs_err::read(&paths[0]).expect("readable") == content(1));
    assert_eq!(ranges(&server), [Some(1000), None]);
}

#[test]
fn another_length_is_refused_as_soon_as_it_is_known() {
    let size = content(1).len() as u64;
    let refused = |home: &Home, file: Wanted, expected: &str| {
        let error = home.fetch(&[file]).expect_err(expected);
        assert_eq!((error.class(), error.to_string()), (Class::Trust, expected.to_owned()));
    };
    let (home, server) = (Home::new(), archive());
    let short = Wanted { size: Some(1000), ..at(&server, 1) };
    let promised = "`file-1.deb` has another length: expected 1000 bytes, got 800000";
    refused(&home, short.clone(), promised);
    home.assert_nothing_left("promised");

    let local = home.file("file-1.deb", &content(1));
    refused(&home, Wanted { locations: vec![local], ..short.clone() }, promised);
    home.assert_nothing_left("local");

    // without a promise, more and less than expected
    let endless = Server::new(|_| {
        let chunk = [&b"186a0\r\n"[..], &[7; 100_000], b"\r\n"].concat();
        Reply::new("200 OK", &[chunk.repeat(9), b"0\r\n\r\n".to_vec()].concat())
            .header("Transfer-Encoding: chunked")
    });
    let error = home.fetch(&[at(&endless, 1)]).expect_err("900,000 bytes");
    assert!(matches!(error, Error::SizeMismatch { expected, got, whole: false, .. } if expected == size
        && got > size));
    let more = Wanted { size: Some(1_000_000), ..at(&endless, 1) };
    refused(&home, more, "`file-1.deb` has another length: expected 1000000 bytes, got 900000");
    home.assert_nothing_left("chunked");

    // right by its digest, but the lock contradicts itself
    home.fetch(&[at(&server, 1)]).expect("the right size");
    refused(&home, short, promised);
}

#[test]
fn locations_are_tried_in_order_where_a_file_is_missing() {
    let (home, server) = (Home::new(), archive());
    let missing = server.url("gone").to_string();
    let dead = "http://127.0.0.1:1/1".to_owned();
    let nowhere = format!("file://{}/nowhere.deb", home.root.path().display());
    let right = server.url("1").to_string();
    let file = wanted(1, &[missing.clone(), dead.clone(), nowhere.clone(), right]);
    home.fetch(&[file]).expect("the fourth has it");
    assert_eq!(server.requests().len(), 2);

    let error = home.fetch(&[wanted(2, &[dead, missing])]).expect_err("nobody has it");
    assert!(matches!(error, Error::Status { code: 404, .. }), "{error}");
    let error = home.fetch(&[wanted(2, &[nowhere])]).expect_err("not on this machine either");
    assert!(matches!(&error, Error::Host(cause) if cause.kind() == ErrorKind::NotFound), "{error}");
}

#[test]
fn without_the_network_the_missing_file_is_named() {
    let (home, server) = (Home::new(), archive());
    let offline = Batch { client: None, ..home.batch(&Silent) };
    let error = offline.fetch(&[at(&server, 1)]).expect_err("not cached");
    assert_eq!(error.to_string(), "`file-1.deb` is not in the cache and the network may not be used");
    assert_eq!(error.class(), Class::Network);

    let local = home.file("file-1.deb", &content(1));
    let file = wanted(1, &[server.url("1").to_string(), local]);
    offline.fetch(&[file]).expect("from this machine");
    assert!(server.requests().is_empty());
}

#[test]
fn the_first_failure_stops_the_rest() {
    let (home, server) = (Home::new(), archive());
    let mut files: Vec<Wanted> = (1..=6).map(|number| at(&server, number)).collect();
    files[1].locations = vec![server.url("gone").to_string()];
    let one = Batch { parallel: 1, ..home.batch(&Silent) };
    let error = one.fetch(&files).expect_err("one is missing");
    assert!(matches!(error, Error::Status { code: 404, .. }), "{error}");
    assert_eq!(server.requests().len(), 2, "no further file was begun");
    assert_eq!(home.names("blob-v1").len(), 1, "what is complete stays");

    // those under way end with the same failure, not with their own "interrupted"
    let stalls = Server::new(|request| match request.path.as_str() {
        "/2" => Reply::new("404 Not Found", b""),
        _ => Reply::file(request, "\"1\"", &content(1)).end(End::Stall(5000)),
    });
    let error = home.fetch(&[3, 2].map(|number| at(&stalls, number))).expect_err("one is missing");
    assert!(matches!(error, Error::Status { code: 404, .. }), "{error}");
}
