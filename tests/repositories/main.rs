//! Debian's own repositories, found and verified by what lies in the base image: its sources and its keyring. And the
//! programs in the repositories that stand in for others.

mod clusters;
mod commands;
mod nodes;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use pimg_deb::sources::{SignedBy, Source};
use pimg_fetch::{ArchiveFetcher, Cache, Class, Client, Keyring, Patience, Repository, Silent};

use support::{Project, base_image};

/// The bytes of a file in the base.
fn read(project: &Project, base: &Path, path: &str) -> Vec<u8> {
    let base = base.to_str().expect("a path in UTF-8");
    project.pimg_ok(&["inspect", base, path]).stdout
}

#[expect(clippy::disallowed_methods, reason = "signatures are of today")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn repositories(project: &Project, base: &Path) -> Vec<Repository> {
    let sources = read(project, base, "/etc/apt/sources.list.d/debian.sources");
    let sources: Vec<Source> = pimg_deb::sources::parse_sources(&sources).expect("deb822");
    let mut repositories = Vec::new();
    for source in sources {
        let Some(SignedBy::Keys(keys)) = &source.signed_by else { panic!("Debian names its keyring") };
        let keyring = Keyring::parse(&keys[0], &read(project, base, &keys[0])).expect("Debian's keyring");
        let keyring = Arc::new(keyring);
        let mut suites = source.suites.clone();
        if suites.iter().any(|suite| suite == "trixie") {
            suites.push("trixie-backports".to_owned());
        }
        for suite in suites {
            repositories.push(Repository {
                name: suite.clone(),
                uris: source.uris.clone(),
                suite,
                components: vec!["main".to_owned(), "contrib".to_owned()],
                architectures: vec!["arm64".to_owned()],
                foreign: Vec::new(),
                keyring: Arc::clone(&keyring),
                fingerprints: Vec::new(),
                not_before: None,
                check_valid_until: true,
            });
        }
    }
    repositories
}

#[test]
fn debian_is_verified_by_the_keyring_in_the_image() {
    let Some(base) = base_image("default") else { return };
    let project = Project::new();
    let base = project.decoded_base(&base);
    let repositories = repositories(&project, &base);
    assert!(repositories.len() >= 3, "trixie, its updates, its security updates");
    let cache = Cache::open(&project.join("cache")).expect("a cache");
    let client = Client::new(Patience::default()).expect("TLS");
    let fetcher = ArchiveFetcher { cache: &cache, client: Some(&client), now: now(), watch: &Silent };
    for repository in &repositories {
        let snapshot = match fetcher.snapshot(repository) {
            Err(error) if error.class() == Class::Network => {
                eprintln!("skipped: no way to Debian's mirror: {error}");
                return;
            }
            other => other.unwrap_or_else(|error| panic!("{error}")),
        };
        assert_eq!(snapshot.release.codename, repository.suite);
        let main = snapshot.indexes.iter().find(|index| index.component == "main").expect("an index");
        let text = std::fs::read(&main.path).expect("in the cache");
        let entries = pimg_deb::index::entries(&text).expect("an index of Debian's");
        assert!(repository.suite != "trixie" || entries.len() > 60_000, "{}", entries.len());

        let offline = ArchiveFetcher { client: None, ..fetcher }.snapshot(repository).expect("remembered");
        assert_eq!(offline.release_sha256, snapshot.release_sha256);
        let pinned = Repository { fingerprints: vec![snapshot.signed_by.clone()], ..repository.clone() };
        assert!(fetcher.snapshot(&pinned).is_ok());
        let other = "CF8A1AF502A2AA2D763BAE7E82B129927FA3303E".parse().expect("a fingerprint");
        let stranger = Repository { fingerprints: vec![other], ..repository.clone() };
        let error = fetcher.snapshot(&stranger).expect_err("another key");
        assert_eq!(error.class(), Class::Trust, "{error}");
    }
}
