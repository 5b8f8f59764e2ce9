use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const SOURCES: &str = "\
# as on the image
Types: deb deb-src
URIs: http://archive.example.org/debian/
Suites: trixie trixie-updates
Components: main
# contrib too
 contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp

Enabled: no
Types: deb

types: deb
uris: https://mirror.example.net/repo
suites: ./
architectures: arm64
Check-Valid-Until: no
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEYCQjIxYJKwYBBAHaRw8BAQdAD/P5Nvvnvk66SxBBHDbhRml9ORg1WV5CvzKY
 -----END PGP PUBLIC KEY BLOCK-----
";

const LIST: &str = "\
# comment
#deb http://off.example.org/debian trixie main
deb [ arch=arm64,armhf signed-by=/usr/share/keyrings/a.gpg lang+=de ] http://archive.example.org/debian trixie main contrib # end
deb-src\thttp://archive.example.org/debian  trixie  main
deb [trusted=yes] file:/srv/repo ./
deb cdrom:[Debian 13 _Trixie_]/ trixie main
";

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn stanzas_are_read() {
    let [debian, off, flat] =
        <[Source; 3]>::try_from(parse_sources(SOURCES.as_bytes()).expect("valid")).expect("three");
    assert_eq!(debian.types, [Kind::Deb, Kind::DebSrc]);
    assert_eq!(debian.suites, ["trixie", "trixie-updates"]);
    assert_eq!(debian.components, ["main", "contrib"]);
    let keyring = owned(&["/usr/share/keyrings/debian-archive-keyring.pgp"]);
    assert_eq!(debian.signed_by, Some(SignedBy::Keys(keyring)));
    assert!(debian.enabled && !off.enabled);
    assert_eq!((flat.architectures, flat.components), (owned(&["arm64"]), Vec::new()));
    assert_eq!(flat.others, [("Check-Valid-Until".to_owned(), owned(&["no"]))]);
    let Some(SignedBy::Inline(lines)) = flat.signed_by else { panic!("a key in the file") };
    assert_eq!(
        (lines.len(), lines[0].as_str(), lines[1].as_str()),
        (4, "-----BEGIN PGP PUBLIC KEY BLOCK-----", "")
    );
}

#[test]
fn lines_are_read() {
    let sources = parse_list(LIST.as_bytes()).expect("valid");
    assert_eq!(sources.len(), 4);
    assert_eq!(sources[0].architectures, ["arm64", "armhf"]);
    assert_eq!(sources[0].components, ["main", "contrib"]);
    assert_eq!(sources[0].signed_by, Some(SignedBy::Keys(owned(&["/usr/share/keyrings/a.gpg"]))));
    assert_eq!(sources[0].others, [("Languages-Add".to_owned(), owned(&["de"]))]);
    assert_eq!(
        (&sources[1].types[..], &sources[1].uris[0][..]),
        (&[Kind::DebSrc][..], "http://archive.example.org/debian")
    );
    assert_eq!((&sources[2].suites[0][..], sources[2].components.len()), ("./", 0));
    assert_eq!(sources[3].uris, ["cdrom:[Debian 13 _Trixie_]/"]);
}

#[test]
fn what_apt_refuses_is_an_error_at_its_line() {
    let stanza = "\n\nTypes: deb\nURIs: http://x\nSuites: a\nComponents: main\n";
    let cases = [
        ("deb\n", "debs\n", "line 3: `Types` must be `deb` or `deb-src`, got `debs`"),
        ("URIs: http://x\n", "", "line 3: the stanza has no field `URIs`"),
        ("http://x", "", "line 3: the stanza has no field `URIs`"),
        (
            "Suites: a\n",
            "Suites: a/\n",
            "line 3: `Components` must be absent where a suite ends with `/`, got `main`",
        ),
        (
            "Components: main\n",
            "",
            "line 3: `Components` must be present unless the suite ends with `/`, got ``",
        ),
    ];
    for (from, to, expected) in cases {
        let error = parse_sources(stanza.replacen(from, to, 1).as_bytes()).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
    for bad in [
        "deb",
        "deb http://x",
        "deb [arch=a http://x a main",
        "deb [arch] http://x a main",
        "rpm http://x a main",
    ] {
        let error = parse_list(format!("\n{bad}\n").as_bytes()).expect_err(bad);
        assert_eq!(error.line, 2, "{bad}: {error}");
    }
}

/// The package indexes that apt would download for this file.
fn apt_targets(extension: &str, text: &str) -> Option<BTreeSet<String>> {
    let directory = std::env::temp_dir().join(format!("pimg-deb-{}-{extension}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("writable");
    std::fs::write(directory.join(format!("test.{extension}")), text).expect("writable");
    #[expect(clippy::disallowed_methods, reason = "a test may spawn its judge")]
    let output = std::process::Command::new("apt-get")
        .args(["update", "--print-uris", "-o", "Dir::Etc::sourcelist=/dev/null"])
        .args(["-o", "APT::Architectures::=arm64"])
        .args(["-o", &format!("Dir::Etc::sourceparts={}", directory.display())])
        .args(["-o", &format!("Dir::State::lists={}", directory.display())])
        .output();
    std::fs::remove_dir_all(&directory).expect("ours");
    let Ok(output) = output else {
        #[expect(clippy::disallowed_methods, reason = "a missing judge is a failure only there")]
        let judged = std::env::var_os("CI").is_some();
        assert!(!judged, "apt-get is missing");
        eprintln!("skipped: no apt-get");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let uris = lines.lines().filter_map(|line| line.strip_prefix('\'')?.split_once("/Packages."));
    Some(uris.map(|(uri, _)| uri.to_owned()).filter(|uri| !uri.ends_with("-all")).collect())
}

/// The same, as we read them.
fn our_targets(sources: &[Source]) -> BTreeSet<String> {
    let mut targets = BTreeSet::new();
    for source in sources.iter().filter(|source| source.enabled && source.types.contains(&Kind::Deb)) {
        for (uri, suite) in
            source.uris.iter().flat_map(|uri| source.suites.iter().map(move |suite| (uri, suite)))
        {
            for component in &source.components {
                let uri = uri.trim_end_matches('/');
                let target = |architecture| format!("{uri}/dists/{suite}/{component}/binary-{architecture}");
                targets.extend(source.architectures.iter().map(target));
            }
        }
    }
    targets
}

#[test]
fn apt_sees_the_same_sources() {
    let sources = "\
Types: deb deb-src
URIs: http://archive.example.org/debian/ http://mirror.example.net/debian
Suites: trixie trixie-updates
Components: main
 contrib
Architectures: arm64
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp

Types: deb
Enabled: off
URIs: http://off.example.org/debian
Suites: trixie
Components: main
Architectures: arm64
";
    let list = "\
#deb http://off.example.org/debian trixie main
deb [ arch=arm64 lang=none ] http://archive.example.org/debian trixie main contrib # end
deb-src http://archive.example.org/debian trixie main
";
    let stanzas = parse_sources(sources.as_bytes()).expect("valid");
    let Some(expected) = apt_targets("sources", sources) else { return };
    assert_eq!(our_targets(&stanzas), expected);
    assert_eq!(expected.len(), 8);
    let printed: String = stanzas.iter().map(|source| format!("{source}\n")).collect();
    assert_eq!(apt_targets("sources", &printed), Some(expected));

    let lines = parse_list(list.as_bytes()).expect("valid");
    let expected = apt_targets("list", list).expect("apt is there");
    assert_eq!((our_targets(&lines), expected.len()), (expected, 2));
}

fn any_source() -> impl Strategy<Value = Source> {
    let words = |range| prop::collection::vec("[a-z][a-z0-9:/.-]{0,10}[a-z]", range);
    let kinds = prop::sample::subsequence(vec![Kind::Deb, Kind::DebSrc], 1..=2);
    let signed_by = prop_oneof![
        Just(None),
        prop::collection::vec("/[a-z/]{1,9}", 1..3).prop_map(|keys| Some(SignedBy::Keys(keys))),
        prop::collection::vec("[A-Za-z0-9+=]{0,9}", 1..4).prop_map(|mut lines| {
            lines.insert(0, "-----BEGIN PGP PUBLIC KEY BLOCK-----".to_owned());
            lines.push("-----END PGP PUBLIC KEY BLOCK-----".to_owned());
            Some(SignedBy::Inline(lines))
        }),
    ];
    (kinds, words(1..3), words(1..3), words(1..3), words(0..3), signed_by, any::<bool>(), words(1..3))
        .prop_map(|(types, uris, suites, components, architectures, signed_by, enabled, languages)| Source {
            types,
            uris,
            suites,
            components,
            architectures,
            signed_by,
            enabled,
            others: vec![("Languages".to_owned(), languages)],
        })
}

proptest! {
    #[test]
    fn a_written_source_reads_back(sources in prop::collection::vec(any_source(), 0..4)) {
        let text: String = sources.iter().map(|source| format!("{source}\n")).collect();
        prop_assert_eq!(parse_sources(text.as_bytes()), Ok(sources));
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), line in "deb[ -~\t]{0,60}") {
        let _ = parse_sources(&bytes);
        let _ = parse_list(&bytes);
        let _ = parse_list(line.as_bytes());
    }
}
