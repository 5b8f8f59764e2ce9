//! Priorities and candidates as `apt-cache policy` prints them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use pimg_deb::policy::{Archive, Policy, Subject, candidate};
use pimg_deb::preferences::parse;
use pimg_deb::version::compare;

use crate::support::{apt_root, directory, have, text, write};

/// Package, source, version, architecture.
type Row = (&'static str, &'static str, &'static str, &'static str);

const INSTALLED: &[Row] =
    &[("bash", "bash", "5.2-1", "arm64"), ("zfs-dkms", "zfs-linux", "2.4.4-1~bpo13+1", "all")];
const PACKAGES: [&str; 6] = ["bash", "bash:armhf", "zfs-dkms", "libzfs6linux", "pve-manager", "local"];

/// Archives by the places of their files in apt's lists, the lines of their releases, and their packages.
fn archives() -> Vec<(Archive, &'static str, &'static str, Vec<Row>)> {
    let archive = |site: &str,
                   [origin, label, suite, codename, version, component]: [&str; 6],
                   architecture: &str| Archive {
        site: site.to_owned(),
        origin: origin.to_owned(),
        label: label.to_owned(),
        suite: suite.to_owned(),
        codename: codename.to_owned(),
        version: version.to_owned(),
        component: component.to_owned(),
        architecture: architecture.to_owned(),
        ..Archive::default()
    };
    let stable = ["Debian", "Debian", "stable", "trixie", "13.1", "main"];
    let backports =
        ["Debian Backports", "Debian Backports", "stable-backports", "trixie-backports", "", "main"];
    let experimental = ["Debian", "Debian", "experimental", "rc-buggy", "", "main"];
    let proxmox = ["Proxmox", "Proxmox Debian", "stable", "trixie", "", "pve"];
    let local = ["", "", "", "", "", ""];
    vec![
        (
            archive("deb.example", stable, "arm64"),
            "http://deb.example/debian trixie main",
            "deb.example_debian_dists_trixie",
            vec![
                ("bash", "bash", "5.2-1", "arm64"),
                ("zfs-dkms", "zfs-linux", "2.3.2-2", "all"),
                ("libzfs6linux", "zfs-linux", "2.3.2-2", "arm64"),
            ],
        ),
        (
            archive("deb.example", stable, "armhf"),
            "",
            "deb.example_debian_dists_trixie",
            vec![("bash", "bash", "5.2-1", "armhf")],
        ),
        (
            Archive {
                not_automatic: true,
                but_automatic_upgrades: true,
                ..archive("deb.example", backports, "arm64")
            },
            "http://deb.example/debian trixie-backports main",
            "deb.example_debian_dists_trixie-backports",
            vec![
                ("bash", "bash", "5.3-1~bpo13+1", "arm64"),
                ("zfs-dkms", "zfs-linux", "2.4.4-1~bpo13+1", "all"),
                ("zfs-dkms", "zfs-linux", "2.4.5-1~bpo13+1", "all"),
                ("libzfs6linux", "zfs-linux", "2.4.5-1~bpo13+1", "arm64"),
            ],
        ),
        (
            Archive { not_automatic: true, ..archive("deb.example", experimental, "arm64") },
            "http://deb.example/debian rc-buggy main",
            "deb.example_debian_dists_rc-buggy",
            vec![("bash", "bash", "6.0-1", "arm64"), ("libzfs6linux", "zfs-linux", "2.5.0-1", "arm64")],
        ),
        (
            archive("pve.example", proxmox, "arm64"),
            "http://pve.example/pve trixie pve",
            "pve.example_pve_dists_trixie",
            vec![
                ("pve-manager", "pve-manager", "9.0.3", "arm64"),
                ("libzfs6linux", "zfs-linux", "2.3.4-pve1", "arm64"),
                // the same version as in stable
                ("bash", "bash", "5.2-1", "arm64"),
            ],
        ),
        (
            archive("", local, "arm64"),
            "file:/srv/repo ./",
            "_srv_repo_.",
            vec![("local", "local", "1", "all"), ("bash", "bash", "5.1-1", "arm64")],
        ),
    ]
}

fn stanzas(rows: &[Row], status: &str) -> String {
    let mut text = String::new();
    for (package, source, version, architecture) in rows {
        let source = if source == package { String::new() } else { format!("Source: {source}\n") };
        writeln!(
            text,
            "Package: {package}\n{status}{source}Version: {version}\nArchitecture: {architecture}\nMaintainer: x\n\
             Installed-Size: 1\nFilename: pool/{package}_{version}_{architecture}.deb\nSize: 1\n\
             SHA256: {}\nDescription: x\n",
            "0".repeat(64)
        )
        .expect("in memory");
    }
    text
}

fn lay_out(root: &Path) {
    let mut sources = String::new();
    for (archive, source, lists, rows) in archives() {
        if !source.is_empty() {
            writeln!(sources, "deb [trusted=yes] {source}").expect("in memory");
        }
        let lists = root.join("state/lists").join(lists);
        let file = |end: &str| {
            let mut path = lists.clone().into_os_string();
            path.push(end);
            path
        };
        let index = match &archive.component[..] {
            "" => "_Packages".to_owned(),
            component => format!("_{component}_binary-{}_Packages", archive.architecture),
        };
        write(Path::new(&file(&index)), &stanzas(&rows, ""));
        let mut release = String::new();
        for (name, value) in [
            ("Origin", &archive.origin),
            ("Label", &archive.label),
            ("Suite", &archive.suite),
            ("Codename", &archive.codename),
            ("Version", &archive.version),
        ] {
            if !value.is_empty() {
                writeln!(release, "{name}: {value}").expect("in memory");
            }
        }
        for (name, flag) in [
            ("NotAutomatic", archive.not_automatic),
            ("ButAutomaticUpgrades", archive.but_automatic_upgrades),
        ] {
            if flag {
                writeln!(release, "{name}: yes").expect("in memory");
            }
        }
        write(
            Path::new(&file("_Release")),
            &format!("{release}Architectures: arm64 armhf\nComponents: main pve\n"),
        );
    }
    write(&root.join("etc/sources.list"), &sources);
    write(&root.join("status"), &stanzas(INSTALLED, "Status: install ok installed\n"));
}

/// Candidate and priorities of the versions of each package.
type Verdicts = BTreeMap<String, (String, BTreeMap<String, i16>)>;

fn of_apt(options: &[String]) -> Verdicts {
    let mut arguments: Vec<&str> = options.iter().map(String::as_str).collect();
    arguments.push("policy");
    arguments.extend(PACKAGES);
    let mut verdicts = Verdicts::new();
    let mut package = String::new();
    for line in text("apt-cache", &arguments, "").lines() {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            package = name.to_owned();
            verdicts.insert(package.clone(), (String::new(), BTreeMap::new()));
        } else if let Some(verdict) = verdicts.get_mut(&package) {
            match words[..] {
                ["Candidate:", version] => verdict.0 = version.to_owned(),
                ["***", version, priority] | [version, priority]
                    if line.starts_with(" ***")
                        || line.starts_with("     ") && !line.starts_with("      ") =>
                {
                    verdict.1.insert(version.to_owned(), priority.parse().expect("a priority"));
                }
                _ => {}
            }
        }
    }
    verdicts
}

fn ours(pins: &str) -> Verdicts {
    let policy = Policy::new(parse(pins.as_bytes()).expect("pins"));
    let mut all = archives();
    all.push((Archive::status(), "", "", INSTALLED.to_vec()));
    let mut verdicts = Verdicts::new();
    for name in PACKAGES {
        let (package, foreign) =
            name.split_once(':').map_or((name, None), |(package, foreign)| (package, Some(foreign)));
        let fits = |row: &&Row| {
            row.0 == package && (row.3 == foreign.unwrap_or("arm64") || (row.3 == "all" && foreign.is_none()))
        };
        let mut versions: BTreeMap<&str, (&str, Vec<&Archive>)> = BTreeMap::new();
        for (archive, _, _, rows) in &all {
            for row in rows.iter().filter(fits) {
                versions.entry(row.2).or_insert((row.1, Vec::new())).1.push(archive);
            }
        }
        let priorities: BTreeMap<String, i16> = versions
            .iter()
            .map(|(version, (source, archives))| {
                let subject = Subject { package, source, version, foreign };
                ((*version).to_owned(), policy.version_priority(&subject, archives))
            })
            .collect();
        let installed = INSTALLED.iter().find(fits).map(|row| row.2);
        let versions = priorities.iter().map(|(version, priority)| (&version[..], *priority, ()));
        let candidate = candidate(installed, versions).map_or("(none)", |(version, ())| version);
        verdicts.insert(name.to_owned(), (candidate.to_owned(), priorities));
    }
    verdicts
}

/// Each of these is a preferences file.
const PINS: &[&[(&str, &str, &str)]] = &[
    &[],
    &[("src:zfs-linux", "release n=trixie-backports", "990")],
    &[("zfs-dkms libzfs*", "release a=stable-backports, o=Debian Backports", "500")],
    &[("*", "release o=Proxmox", "-1"), ("pve-manager", "release o=Proxmox", "600")],
    &[("/^(lib)?zfs/", "release l=/backports$/", "700"), ("bash", "version 5.3*", "1001")],
    &[("bash", "version 5.1-1", "1000")],
    &[("bash", "version 5.?-1", "-5"), ("bash", "version 5*", "650")],
    &[("bash", "version 5.?-*", "650")],
    &[("bash", "version /^6/", "650"), ("bash:armhf", "release *", "333")],
    &[("*", "origin deb.example", "400"), ("*", "origin \"*.example\"", "450"), ("*", "origin \"\"", "800")],
    &[("*", "origin *", "250")],
    &[("*", "release a=now", "1001")],
    &[("*", "release *", "200")],
    &[("*", "release c=pve", "610"), ("*", "release b=armhf", "620"), ("*", "release v=13*", "630")],
    &[
        ("*", "release trixie-backports", "640"),
        ("*", "release 13.?", "645"),
        ("*", "release EXPERIMENTAL", "647"),
    ],
    &[("bash:any", "release a=stable", "-10"), ("?ash", "release a=experimental", "900")],
    &[
        ("bash", "release a=stable", "444"),
        ("bash", "release a=stable", "555"),
        ("*", "release a=stable", "666"),
    ],
    &[("*", "release n=trixie", "never"), ("bash", "release *", "700")],
    &[("*", "release n=trixie", "300"), ("*", "release n=trixie", "never"), ("*", "release *", "350")],
    &[("bash", "release n=tri*, v=13.1", "710"), ("*", "version 5.1-1", "5")],
    &[("src:zfs-*", "release o=/^debian$/", "720"), ("src:bash:armhf", "release a=stable", "730")],
    &[
        ("lib[a-z]fs[0-9]linux", "version 2.3.4-pve?", "740"),
        ("BASH", "release *", "750"),
        ("B?SH", "release a=exp*", "760"),
    ],
    &[
        ("bash", "release a=/(/", "700"),
        ("zfs-dkms", "origin /deb\\.exa/", "770"),
        ("pve-manager", "release o=proxmox,l=Proxmox Debian", "99"),
    ],
    &[
        ("*", "release n=trixie-backports", "100"),
        ("*", "release n=rc-buggy", "0500"),
        ("local", "origin \"\"", "-32768"),
    ],
];

#[test]
fn apt_has_the_same_priorities_and_candidates() {
    if !have(&["apt-cache"]) {
        return;
    }
    let root = directory("policy");
    let options = apt_root(&root);
    lay_out(&root);
    for pins in PINS {
        let text: Vec<_> = pins
            .iter()
            .map(|(package, pin, priority)| {
                format!("Package: {package}\nPin: {pin}\nPin-Priority: {priority}\n")
            })
            .collect();
        let text = text.join("\n");
        write(&root.join("etc/preferences"), &text);
        let (expected, got) = (of_apt(&options), ours(&text));
        assert_eq!(got, expected, "{text}");
        assert_eq!(expected["bash"].1.len(), 4);
        // the order of versions is the same one too
        assert!(expected.values().all(|(candidate, _)| compare(candidate, candidate).is_eq()));
    }
}
