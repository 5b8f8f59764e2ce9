use super::*;
use crate::test_server::{End, Reply, Request, Server, impatient_client};
use crate::watch::Silent;

fn content() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// Downloads everything from `path`.
fn get(server: &Server, path: &str) -> Result<Vec<u8>> {
    get_within(server, path, u64::MAX)
}

fn get_within(server: &Server, path: &str, limit: u64) -> Result<Vec<u8>> {
    let client = impatient_client();
    let Some(mut download) = client.open(&server.url(path), None, 0, limit, &Silent)? else {
        panic!("nothing was known");
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = download.next_chunk(&Silent)? {
        bytes.extend(chunk);
    }
    Ok(bytes)
}

fn ranges(server: &Server) -> Vec<Option<usize>> {
    server.requests().iter().map(|request| request.range).collect()
}

#[test]
fn a_broken_connection_goes_on_where_it_broke() {
    let server = Server::new(|request| match request.number {
        1 => Reply::file(request, "\"a\"", &content()).end(End::Cut(100_000)),
        2 => Reply::file(request, "\"a\"", &content()).end(End::Cut(200_000)),
        _ => Reply::file(request, "\"a\"", &content()),
    });
    assert!(get(&server, "base.img").expect("resumed") == content());
    assert_eq!(ranges(&server), [None, Some(100_000), Some(300_000)]);
    assert_eq!(server.requests()[1].if_range.as_deref(), Some("\"a\""));
}

#[test]
fn a_server_without_ranges_is_read_up_to_where_it_broke() {
    let server = Server::new(|request| {
        let whole = Reply::new("200 OK", &content()).header("Last-Modified: Thu, 04 Dec 2025 14:36:37 GMT");
        if request.number < 3 { whole.end(End::Cut(70_000 * request.number)) } else { whole }
    });
    assert!(get(&server, "base.img").expect("started over") == content());
    assert_eq!(ranges(&server), [None, Some(70_000), Some(140_000)]);
}

#[test]
fn a_stalled_server_is_asked_again() {
    let server = Server::new(|request| {
        let end = if request.number == 1 { End::Stall(5000) } else { End::Whole };
        Reply::file(request, "\"a\"", &content()).end(end)
    });
    assert!(get(&server, "base.img").expect("resumed") == content());
    assert_eq!(ranges(&server), [None, Some(5000)]);
}

#[test]
fn content_that_changes_meanwhile_is_never_mixed() {
    let server = Server::new(|request| match request.number {
        1 => Reply::file(request, "\"old\"", &content()).end(End::Cut(5000)),
        _ => Reply::file(request, "\"new\"", &content()),
    });
    assert!(matches!(get(&server, "base.img"), Err(Error::Changing { .. })));
}

#[test]
fn a_busy_server_is_asked_again_and_a_broken_one_not_forever() {
    let busy = Server::new(|request| match request.number {
        1 | 2 => Reply::new("503 Service Unavailable", b"busy").header("Retry-After: 2"),
        _ => Reply::new("200 OK", b"content"),
    });
    assert_eq!(get(&busy, "base.img").expect("third time"), b"content");

    let down = Server::new(|_| Reply::new("502 Bad Gateway", b""));
    assert!(matches!(get(&down, "base.img"), Err(Error::Status { code: 502, .. })));
    assert_eq!(down.requests().len(), 5);

    let short = Server::new(|_| Reply::new("200 OK", b"1234").header("Content-Length: 10"));
    match get(&short, "base.img") {
        Err(Error::Network { got: 4, .. }) => {}
        other => panic!("a short answer gave {other:?}"),
    }
}

#[test]
fn answers_that_are_no_image_are_told_apart() {
    type Case = (fn(&Request) -> Reply, &'static str, usize);
    let cases: [Case; 5] = [
        (|_| Reply::new("404 Not Found", b""), "answered with HTTP status 404 (no such file)", 1),
        (|_| Reply::new("403 Forbidden", b""), "answered with HTTP status 403 (access denied)", 1),
        (
            |_| Reply::new("200 OK", b"<html>").header("Content-Type: text/html; charset=utf-8"),
            "got an HTML page instead of an image",
            1,
        ),
        (
            |_| Reply::new("302 Found", b"").header("Location: /base.img"),
            "redirects in a way that is not followed: more than 10 redirects",
            11,
        ),
        (
            |_| Reply::new("302 Found", b"").header("Location: ftp://example.org/base.img"),
            "to a URL with the scheme `ftp`",
            1,
        ),
    ];
    for (reply, expected, requests) in cases {
        let server = Server::new(reply);
        let error = get(&server, "base.img?token=secret").expect_err(expected).to_string();
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        assert_eq!(server.requests().len(), requests, "{expected}");
    }
    let no_port = Url::parse("http://127.0.0.1:1/base.img").expect("a URL");
    let error = impatient_client().open(&no_port, None, 0, 9, &Silent).expect_err("nobody listens");
    assert!(matches!(error, Error::Network { got: 0, .. }), "{error}");
}

#[test]
fn a_redirect_is_followed_but_never_out_of_https() {
    let server = Server::new(|request| match request.path.as_str() {
        "/new" => Reply::new("200 OK", b"content"),
        _ => Reply::new("301 Moved Permanently", b"").header("Location: /new"),
    });
    assert_eq!(get(&server, "old").expect("one redirect"), b"content");

    let (secure, plain) = (Url::parse("https://example.org/a"), Url::parse("http://example.org/a?token=1"));
    let (secure, plain) = (secure.expect("a URL"), plain.expect("a URL"));
    let refusal = redirect_refusal(std::slice::from_ref(&secure), &plain).expect("a downgrade");
    assert_eq!(refusal, "from HTTPS to plain HTTP at `http://example.org/a`");
    assert_eq!(redirect_refusal(std::slice::from_ref(&plain), &secure), None);
    for here in ["http://127.0.0.1:80/a", "http://[::1]/a", "http://localhost/a"] {
        let here = Url::parse(here).expect("a URL");
        let refusal = redirect_refusal(std::slice::from_ref(&here), &plain).expect("out of this machine");
        assert_eq!(refusal, "from this machine to plain HTTP at `http://example.org/a`");
        assert_eq!(redirect_refusal(std::slice::from_ref(&here), &here), None);
    }
}

#[test]
fn the_limit_holds_with_and_without_a_promised_length() {
    let honest = Server::new(|_| Reply::new("200 OK", b"12345"));
    assert!(matches!(get_within(&honest, "base.img", 4), Err(Error::TooLarge { limit: 4, .. })));
    assert_eq!(get_within(&honest, "base.img", 5).expect("just fits"), b"12345");
    let silent = Server::new(|_| {
        Reply::new("200 OK", b"5\r\n12345\r\n0\r\n\r\n").header("Transfer-Encoding: chunked")
    });
    assert!(matches!(get_within(&silent, "base.img", 4), Err(Error::TooLarge { limit: 4, .. })));
}

#[test]
fn known_content_is_not_sent_again() {
    let server = Server::new(|request| Reply::file(request, "\"a\"", b"content"));
    let known = |etag: &str| Validator::ETag(etag.to_owned());
    let (client, url) = (impatient_client(), server.url("base.img"));
    let open =
        |known: Validator, have| client.open(&url, Some(&known), have, 99, &Silent).expect("an answer");
    assert!(open(known("\"a\""), 0).is_none());
    assert!(matches!(open(known("\"b\""), 0), Some(download) if download.position() == 0));
    assert!(matches!(open(known("\"a\""), 3), Some(download) if download.position() == 3));
    assert!(matches!(open(known("\"b\""), 3), Some(download) if download.position() == 0));
    let Some(mut complete) = open(known("\"a\""), 7) else { panic!("a download") };
    assert_eq!((complete.position(), complete.next_chunk(&Silent).expect("nothing left")), (7, None));
}
