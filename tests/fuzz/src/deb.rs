//! Debian's control data, and packages.

use pimg_deb::index::Entry;
use pimg_deb::package::Package;
use pimg_deb::policy::{Archive, Policy, Subject};
use pimg_deb::solve::{Request, Universe};

fn text(input: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(input)
}

pub fn deb822(input: &[u8]) {
    use pimg_deb::deb822::{Comments, parse};
    for comments in [Comments::Allowed, Comments::Refused] {
        let Ok(stanzas) = parse(input, comments) else { continue };
        let written: String = stanzas.iter().map(|stanza| format!("{stanza}\n")).collect();
        let again = parse(written.as_bytes(), comments).expect("what is written can be read");
        assert_eq!(again.len(), stanzas.len());
    }
}

pub fn status(input: &[u8]) {
    if let Ok(packages) = pimg_deb::status::packages(input) {
        packages.iter().for_each(|package| {
            let _ = (package.is_installed(), package.info_stem());
        });
    }
}

pub fn version(input: &[u8]) {
    use pimg_deb::version::{Version, compare};
    let text = text(input);
    let (a, b) = text.split_once('\n').unwrap_or((&text, ""));
    assert_eq!(compare(a, b), compare(b, a).reverse(), "`{a}` `{b}`");
    if let Ok(version) = Version::parse(a) {
        assert_eq!(version.as_str().parse::<Version>().expect("it was one"), version);
    }
}

pub fn relation(input: &[u8]) {
    let text = text(input);
    let Ok(groups) = pimg_deb::relation::parse(&text) else { return };
    for relation in groups.iter().flatten() {
        let _ = (relation.to_string(), relation.accepts("1.0-1"));
    }
}

pub fn index(input: &[u8]) {
    let _ = pimg_deb::index::entries(input);
}

/// Packages that are installed, a NUL byte, packages that are offered.
pub fn solve(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let mut part = || parts.next().map(pimg_deb::index::entries).and_then(Result::ok).unwrap_or_default();
    let (installed, offered) = (part(), part());
    // how long solving takes is another question than whether it ends in order
    if installed.len() + offered.len() > 40 {
        return;
    }
    let named: Vec<String> =
        offered.iter().take(2).map(|entry: &Entry<'_>| entry.package.to_owned()).collect();
    let mut universe = Universe::new("arm64", &["armhf".to_owned()]);
    universe.add_installed(installed);
    universe.add_index(Archive::default(), offered);
    for (upgrade, recommends) in [(false, true), (true, false)] {
        let request = Request { install: named.clone(), upgrade, recommends, ..Request::default() };
        match pimg_deb::solve::solve(&universe, &request) {
            Ok(solution) => drop(format!("{:?}", solution.packages.len())),
            Err(unsolvable) => drop((unsolvable.to_string(), unsolvable.hints())),
        }
    }
}

pub fn release(input: &[u8]) {
    let Ok(release) = pimg_deb::release::parse(input) else { return };
    let _ = release.to_string();
}

pub fn sources(input: &[u8]) {
    use pimg_deb::sources::{parse_list, parse_sources};
    for source in parse_sources(input).into_iter().chain(parse_list(input)).flatten() {
        let _ = source.to_string();
    }
}

pub fn preferences(input: &[u8]) {
    let Ok(pins) = pimg_deb::preferences::parse(input) else { return };
    pins.iter().for_each(|pin| drop(pin.to_string()));
    let policy = Policy::new(pins);
    let subject =
        Subject { package: "linux-image-rpi-2712", source: "linux", version: "1:6.12.47-1", foreign: None };
    let archive = Archive {
        codename: "trixie".to_owned(),
        site: "archive.example.org".to_owned(),
        ..Archive::default()
    };
    let _ = (policy.archive_priority(&archive), policy.version_priority(&subject, &[&archive]));
}

pub fn md5sums(input: &[u8]) {
    let _ = pimg_deb::md5sums::parse(input);
}

pub fn diversions(input: &[u8]) {
    let Ok(diversions) = pimg_deb::diversions::Diversions::parse(input) else { return };
    for diversion in diversions.all() {
        let _ = format!("{diversion:?}");
    }
    let _ = diversions.location("dash", "/bin/sh");
}

pub fn package(input: &[u8]) {
    let Ok(package) = Package::open(input) else { return };
    let _ = package.control_text();
    let _ = package.read_control("conffiles");
    let _ = package.read_file("usr/bin/hello");
    if let Ok(files) = package.files() {
        for file in files.take(10_000) {
            let Ok(file) = file else { break };
            assert!(!file.path.starts_with('/'), "{}", file.path);
        }
    }
}

pub fn date(input: &[u8]) {
    let text = text(input);
    if let Some(seconds) = pimg_deb::date::parse_rfc3339(&text) {
        let written = pimg_deb::date::format_rfc3339(seconds);
        assert_eq!(pimg_deb::date::parse_rfc3339(&written), Some(seconds), "{text}");
    }
}
