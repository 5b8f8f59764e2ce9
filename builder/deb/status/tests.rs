use proptest::prelude::*;

use super::*;

const TEXT: &str = "\
Package: libc6
Status: install ok installed
Installed-Size: 13016
Architecture: arm64
Multi-Arch: same
Source: glibc (2.41-12)
Version: 2.41-12+b1
Conffiles:
 /etc/ld.so.conf.d/a b.conf d4e7a7b88a71b5ffd9e2644e71a0cfab
 /etc/old.conf 0cc175b9c0f1b6a831c399e269772661 obsolete
 /etc/new.conf newconffile
 /etc/gone.conf 0cc175b9c0f1b6a831c399e269772661 obsolete remove-on-upgrade
Description: GNU C Library
 Long text.

Package: remembered
Status: unknown ok not-installed
Architecture: arm64

Package: left
Status: deinstall ok config-files
Architecture: all
Version: 1
";

#[test]
fn packages_are_read_with_what_dpkg_knows_of_them() {
    let [libc, left] = <[Package; 2]>::try_from(packages(TEXT.as_bytes()).expect("valid")).expect("two");
    assert_eq!(
        (libc.name.as_str(), libc.version.as_str(), libc.source.as_str()),
        ("libc6", "2.41-12+b1", "glibc")
    );
    assert_eq!((libc.info_stem().as_str(), libc.installed_size), ("libc6:arm64", Some(13016)));
    assert!(libc.is_installed() && !left.is_installed());
    assert_eq!((left.info_stem().as_str(), left.source.as_str()), ("left", "left"));
    let conffiles: Vec<_> =
        libc.conffiles.iter().map(|one| (one.path.as_str(), one.md5.is_some(), one.obsolete)).collect();
    let expected = [
        ("/etc/ld.so.conf.d/a b.conf", true, false),
        ("/etc/old.conf", true, true),
        ("/etc/new.conf", false, false),
        ("/etc/gone.conf", true, true),
    ];
    assert_eq!(conffiles, expected);
}

#[test]
fn what_dpkg_would_not_write_is_an_error_at_its_line() {
    let cases = [
        ("Version: 2.41-12+b1\n", "", "line 1: the stanza has no field `Version`"),
        ("install ok installed", "install ok", "line 2: `Status` must be three words, got `install ok`"),
        ("13016", "13 MB", "line 3: `Installed-Size` must be a number of KiB, got `13 MB`"),
        ("same", "sames", "line 5: `Multi-Arch` must be `no`, `same`, `foreign` or `allowed`, got `sames`"),
        (
            " /etc/new.conf newconffile",
            " /etc/new.conf",
            "line 11: `Conffiles` must be a path and an MD5 digest, got `/etc/new.conf`",
        ),
    ];
    for (from, to, expected) in cases {
        let error = packages(TEXT.replacen(from, to, 1).as_bytes()).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
}

/// dpkg itself is the judge, on a machine that has it.
#[test]
fn dpkg_finds_the_same_packages_on_this_machine() {
    #[expect(clippy::disallowed_methods, reason = "a test may spawn its judge")]
    let query = std::process::Command::new("dpkg-query")
        .args([
            "-W",
            "-f",
            "${binary:Package} ${Version} ${Architecture} ${source:Package} ${db:Status-Status}\n",
        ])
        .output();
    let Ok(query) = query else {
        #[expect(clippy::disallowed_methods, reason = "a missing judge is a failure only there")]
        let judged = std::env::var_os("CI").is_some();
        assert!(!judged, "dpkg-query is missing");
        eprintln!("skipped: no dpkg-query");
        return;
    };
    let bytes = std::fs::read("/var/lib/dpkg/status").expect("dpkg has a status file");
    let packages = packages(&bytes).expect("dpkg wrote it");
    let expected = String::from_utf8(query.stdout).expect("UTF-8");
    // `binary:Package` says the architecture also where it is foreign: compare up to the colon
    let mut expected: Vec<_> = expected
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, rest)| format!("{} {rest}", name.split(':').next().unwrap_or(name)))
        .collect();
    let mut got: Vec<_> = packages
        .iter()
        .map(|one| {
            let Package { name, version, architecture, source, status, .. } = one;
            format!("{name} {version} {architecture} {source} {}", status.state)
        })
        .collect();
    expected.sort();
    got.sort();
    assert_eq!(got, expected);

    for package in packages.iter().filter(|package| package.is_installed()) {
        let info = format!("/var/lib/dpkg/info/{}", package.info_stem());
        assert!(std::fs::exists(format!("{info}.list")).expect("readable"), "{info}.list");
        if let Ok(md5sums) = std::fs::read(format!("{info}.md5sums")) {
            crate::md5sums::parse(&md5sums).unwrap_or_else(|error| panic!("{info}.md5sums: {error}"));
        }
    }
    let diversions = std::fs::read("/var/lib/dpkg/diversions").expect("dpkg has a diversions file");
    crate::diversions::Diversions::parse(&diversions).expect("dpkg wrote it");
}

proptest! {
    #[test]
    fn a_damaged_status_never_panics(
        position in any::<prop::sample::Index>(),
        length in 0..40_usize,
        garbage in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = TEXT.as_bytes().to_vec();
        let start = position.index(bytes.len());
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, garbage);
        let _ = packages(&bytes);
    }
}
