use super::reference::is_this_machine;
use super::store::is_open_to_tampering;
use super::{
    Account, BadReference, Blob, Content, Descriptor, DockerConfig, Document as _, Manifest, Place,
    Reference, server_name,
};
use crate::cache::Cache;
use crate::error::{Class, Error};
use crate::http::Patience;
use crate::watch::Silent;

fn reference(text: &str) -> Result<Reference, BadReference> {
    text.parse()
}

#[test]
fn a_reference_is_what_a_person_means_by_it() {
    for (text, shown, tag) in [
        ("oci://ghcr.io/me/layers", "oci://ghcr.io/me/layers", None),
        ("ghcr.io/me/layers:v1", "oci://ghcr.io/me/layers:v1", Some("v1")),
        ("localhost:5000/layers", "oci://localhost:5000/layers", None),
        ("127.0.0.1:5000/a/b:t", "oci://127.0.0.1:5000/a/b:t", Some("t")),
        ("https://example.org/layers", "https://example.org/layers/", None),
        ("s3://bucket", "s3://bucket/", None),
        ("s3://bucket/a/b/", "s3://bucket/a/b/", None),
        ("file:///srv/layers", "file:///srv/layers/", None),
    ] {
        let found = reference(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!((found.to_string().as_str(), found.tag()), (shown, tag), "{text}");
    }
    for (text, why) in [
        ("me/layers", "`me` is no registry, such as `ghcr.io`"),
        ("layers", "it names no repository"),
        ("ftp://example.org/", "`ftp://` is not among `oci`, `https`, `http`, `s3` and `file`"),
        ("https://me:secret@example.org/", "an address is no place for a password"),
        ("me:secret@ghcr.io/me/layers", "an address is no place for a password"),
        ("https://example.org/?x", "an address of a directory has no `?` and no `#`"),
        ("s3:///prefix", "it names no host"),
    ] {
        assert_eq!(reference(text).expect_err(text).to_string(), why, "{text}");
    }
    let digest = format!("ghcr.io/me/layers@sha256:{}", "a".repeat(64));
    assert_eq!(reference(&digest).expect_err("a digest").to_string(), "a tag is expected, not a digest");
    assert!(reference("ghcr.io/Me/Layers").is_err(), "registries know lower case only");
}

#[test]
fn only_this_machine_is_spoken_to_without_tls() {
    for host in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"] {
        assert!(is_this_machine(host), "{host}");
    }
    for host in ["localhost.example.org", "10.0.0.1:5000", "127.0.0.1.example.org", "ghcr.io"] {
        assert!(!is_this_machine(host), "{host}");
    }
    let is_open = |address: &str| is_open_to_tampering(&address.parse().expect("an address"));
    assert!(is_open("http://10.0.0.1/layers") && is_open("http://0.0.0.0/layers"));
    assert!(!is_open("http://127.0.0.1:80/layers") && !is_open("https://10.0.0.1/layers"));
}

#[test]
fn accounts_come_out_of_what_docker_login_writes() {
    let text = br#"{
        "auths": {"ghcr.io": {"auth": "bWU6c2VjcmV0OndpdGg6Y29sb25z"}, "https://index.docker.io/v1/": {"auth": "YTpi"},
                  "quay.io": {}},
        "credHelpers": {"gcr.io": "gcloud"}, "credsStore": "osxkeychain", "HttpHeaders": {"x": "y"}
    }"#;
    let config = DockerConfig::parse(text).expect("is JSON");
    assert_eq!(config.account("ghcr.io/me/layers"), Some(Account::new("me", "secret:with:colons")));
    assert_eq!(config.account("ghcr.io.example.org/me"), None);
    assert_eq!(config.account("docker.io/me/layers"), Some(Account::new("a", "b")));
    assert_eq!(config.account("quay.io/me"), None);
    assert_eq!((config.helper("gcr.io"), config.helper("quay.io")), (Some("gcloud"), Some("osxkeychain")));
    assert!(!format!("{config:?} {:?}", config.account("ghcr.io")).contains("secret"));
    assert!(DockerConfig::parse(b"no JSON").is_none());
    // as `podman login ghcr.io/me` writes it
    let text = br#"{"auths": {"ghcr.io": {"auth": "YTpi"}, "ghcr.io/me": {"auth": "bTpl"}, "ghcr.io/mean": {"auth": "eDp5"}}}"#;
    let config = DockerConfig::parse(text).expect("is JSON");
    assert_eq!(config.account("ghcr.io/me/layers"), Some(Account::new("m", "e")));
    assert_eq!(config.account("ghcr.io/you/layers"), Some(Account::new("a", "b")));
    assert_eq!(
        (server_name("docker.io"), server_name("ghcr.io")),
        ("https://index.docker.io/v1/", "ghcr.io")
    );
}

#[test]
fn a_descriptor_knows_its_bytes() {
    let blob = Descriptor::of("x/y", b"abc");
    blob.require("it", b"abc").expect("they are");
    assert!(matches!(blob.require("it", b"abd"), Err(Error::DigestMismatch { .. })));
    assert!(matches!(blob.require("it", b"ab"), Err(Error::SizeMismatch { expected: 3, got: 2, .. })));
    let other = Descriptor { digest: "sha512:00".to_owned(), ..blob };
    assert!(matches!(other.sha256(), Err(Error::Untrusted { .. })));
    for text in ["", "[]", "{}", r#"{"schemaVersion":2,"manifests":[]}"#] {
        assert!(Manifest::parse("it", text.as_bytes()).is_err(), "{text}");
        assert!(Descriptor::of_index("it", text.as_bytes()).is_err(), "{text}");
    }
}

/// A directory is a place too: the way there and back, without a server.
#[test]
fn what_is_pushed_to_a_directory_comes_back() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let cache = Cache::open(&dir.path().join("cache"))?;
    let store: Reference = format!("file://{}", dir.path().join("store").display()).parse()?;
    let content = vec![7; 100_000];
    let file = dir.path().join("layer");
    fs_err::write(&file, &content)?;
    let (config, layer) = (Descriptor::of("a/config", b"{}"), Descriptor::of("a/layer", &content));
    let manifest = Manifest {
        schema_version: 2,
        media_type: super::MANIFEST.to_owned(),
        artifact_type: Some("a/b".to_owned()),
        config: config.clone(),
        layers: vec![layer.clone()],
        annotations: std::collections::BTreeMap::new(),
    };
    let text = manifest.to_text();
    let named = Descriptor::of(super::MANIFEST, &text);
    let patience = Patience { retries: 0, ..Patience::default() };

    let absent = Place::open(&store, None, false, patience, &Silent).expect_err("nothing is there");
    assert_eq!(absent.class(), Class::Network, "{absent}");
    let place = Place::open(&store, None, true, patience, &Silent)?;
    assert_eq!(place.manifest("t", &Silent).expect_err("no such tag").class(), Class::Network);
    let blobs = [
        Blob { descriptor: &config, content: Content::Bytes(b"{}") },
        Blob { descriptor: &layer, content: Content::File(&file) },
    ];
    assert_eq!(place.push("t", &named, &text, &blobs, &Silent)?.sent, 100_002);
    let again = place.push("t", &named, &text, &blobs, &Silent)?;
    assert_eq!((again.sent, again.kept), (0, 100_002));

    assert_eq!(place.manifest("t", &Silent)?, text);
    assert_eq!(place.small("t", &config, 10, &Silent)?, b"{}");
    assert!(matches!(place.small("t", &layer, 10, &Silent), Err(Error::TooLarge { .. })));
    let to = dir.path().join("cache/got");
    place.download("t", &layer, &cache, &to, &Silent)?;
    assert_eq!(fs_err::read(&to)?, content);

    // a file of another content at its name is refused, and nothing of it stays to be resumed
    let blob = dir.path().join("store/t").join(super::blob_path(layer.sha256()?));
    fs_err::write(&blob, vec![8; 100_000])?;
    let to = dir.path().join("cache/wrong");
    let error = place.download("t", &layer, &cache, &to, &Silent).expect_err("another content");
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    assert!(!to.exists());
    fs_err::write(&blob, &content[..50_000])?;
    let error = place.download("t", &layer, &cache, &to, &Silent).expect_err("half of it");
    assert_eq!(error.class(), Class::Trust, "{error}");
    fs_err::write(&blob, &content)?;
    place.download("t", &layer, &cache, &to, &Silent)?;
    assert_eq!(fs_err::read(&to)?, content);
    Ok(())
}
