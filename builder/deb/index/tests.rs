use proptest::prelude::*;

use super::*;
use crate::deb822;

const PACKAGES: &str = "\
Package: libzfs6linux
Source: zfs-linux (2.4.4-1)
Version: 2.4.4-1~bpo13+1
Installed-Size: 758
Maintainer: Debian ZFS on Linux maintainers <x@example.org>
Architecture: arm64
Replaces: libzfs2,
 libzfs2linux (<< 1)
Provides: libzfs
Depends: libc6 (>= 2.38), libssl3t64 (>= 3.0.0)
Multi-Arch: same
Description: OpenZFS filesystem library
Section: contrib/libs
Priority: optional
Filename: pool/contrib/z/zfs-linux/libzfs6linux_2.4.4-1~bpo13+1_arm64.deb
Size: 233232
SHA256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF

package: base-files
VERSION: 13.8
Architecture: all
Essential: yes
Important: yes
Priority: odd
Filename: ./base-files.deb
";

#[test]
fn an_entry_has_what_a_solver_and_a_download_ask_for() {
    let entries = entries(PACKAGES.as_bytes()).expect("an index");
    let [zfs, base] = &entries[..] else { panic!("two packages, got {}", entries.len()) };
    assert_eq!((zfs.package, zfs.version, zfs.architecture), ("libzfs6linux", "2.4.4-1~bpo13+1", "arm64"));
    assert_eq!((zfs.source, zfs.source_version), ("zfs-linux", "2.4.4-1"));
    assert_eq!(
        (zfs.multi_arch, zfs.priority, zfs.section),
        (MultiArch::Same, Priority::Optional, "contrib/libs")
    );
    assert_eq!((zfs.replaces, zfs.provides), ("libzfs2,\n libzfs2linux (<< 1)", "libzfs"));
    assert_eq!((zfs.depends, zfs.pre_depends), ("libc6 (>= 2.38), libssl3t64 (>= 3.0.0)", ""));
    assert_eq!((zfs.installed_size, zfs.size, zfs.sha256.len(), zfs.status), (758, 233_232, 64, ""));
    assert_eq!(zfs.filename, "pool/contrib/z/zfs-linux/libzfs6linux_2.4.4-1~bpo13+1_arm64.deb");
    assert_eq!((zfs.essential, zfs.protected, base.essential, base.protected), (false, false, true, true));
    assert_eq!((base.source, base.source_version, base.priority), ("base-files", "13.8", Priority::Unknown));
    assert_eq!(format!("{}\n\n{}\n", zfs.stanza, base.stanza), PACKAGES);
}

#[test]
fn a_status_reads_the_same_way() {
    let status = "\
Package: a
Status: install ok installed
Version: 1
Architecture: arm64
Conffiles:
 /etc/a 0123456789abcdef0123456789abcdef

Package: forgotten
Status: unknown ok not-installed

Package: b
Status: deinstall ok config-files
Version: 2
Architecture: all
";
    let entries = entries(status.as_bytes()).expect("a status");
    let read: Vec<_> = entries.iter().map(|entry| (entry.package, entry.status, entry.size)).collect();
    assert_eq!(read, [("a", "install ok installed", 0), ("b", "deinstall ok config-files", 0)]);
}

#[test]
fn what_would_be_no_package_is_an_error_at_its_line() {
    let good = "Package: a\nVersion: 1\nArchitecture: all\n";
    let cases = [
        ("Version: 1\nArchitecture: all\n", "line 5: the stanza has no field `Package`"),
        ("Package: a\nVersion:\nArchitecture: all", "line 5: the stanza has no field `Version`"),
        ("Package: a\nVersion: 1", "line 5: the stanza has no field `Architecture`"),
        ("Package: a\n b\nVersion: 1", "line 5: `Package` must be letters, digits and `-+._`, got `a\n b`"),
        ("Package: ../a", "line 5: `Package` must be letters, digits and `-+._`, got `../a`"),
        ("Package: a\nVersion: 1/2", "line 6: `Version` must be letters, digits and `.+-~:`, got `1/2`"),
        (
            "Package: a\nVersion: 1\nArchitecture: any any",
            "line 7: `Architecture` must be letters, digits and `-`, got `any any`",
        ),
        ("Package: a\nPACKAGE: b", "line 6: field `PACKAGE` stands twice in one stanza"),
        ("no field", "line 5: expected `Field: value`, got `no field`"),
        ("A b: 1", "line 5: expected `Field: value`, got `A b: 1`"),
        (" lost", "line 5: a continuation line without a field before it"),
        ("A: \u{e9}\n# no comment", "line 6: expected `Field: value`, got `# no comment`"),
    ];
    for (text, expected) in cases {
        let error = entries(format!("{good}\n{text}").as_bytes()).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
    for (field, value) in [
        ("Filename", "/etc/passwd"),
        ("Filename", "pool/../../a.deb"),
        ("Filename", ".."),
        ("Filename", "pool\\a.deb"),
        ("Filename", "pool/a.deb\n b"),
        ("Size", "-1"),
        ("Size", "18446744073709551616"),
        ("Installed-Size", "many"),
        ("SHA256", "0123"),
        ("Multi-Arch", "perhaps"),
    ] {
        let error = entries(format!("{good}{field}: {value}\n").as_bytes()).expect_err(value);
        assert!(error.to_string().starts_with(&format!("line 4: `{field}` must be ")), "{error}");
    }
    let error = entries(b"Package: a\nVersion: \xff").expect_err("no text");
    assert_eq!(error.to_string(), "line 2: not valid UTF-8");
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), lines in "(Package|Size|:| |\n|a|\r|\u{e9}){0,60}") {
        let _ = entries(&bytes);
        let _ = entries(lines.as_bytes());
    }

    /// The slower reader, which knows all fields, is the judge.
    #[test]
    fn it_reads_what_deb822_reads(
        stanzas in prop::collection::vec(prop::collection::vec(
            ("Depends|DEPENDS|Tag|Section|Status", "[a-z. ]{0,6}", prop::collection::vec("[\t ][ \t]?a[ a.]{0,4}", 0..3)), 0..4), 1..4),
        gap in "\n|\n \t\n|\n\n\n|\r\n",
    ) {
        let field = |(name, value, more): &(String, String, Vec<String>)| {
            format!("{name}: {value}\n{}", more.iter().map(|line| format!("{line}\n")).collect::<String>())
        };
        let print = |fields: &Vec<_>| format!("Package: a\nVersion: 1\nArchitecture: all\n{}", fields.iter().map(field).collect::<String>());
        let text = stanzas.iter().map(print).collect::<Vec<_>>().join(&gap);
        let expected = deb822::parse(text.as_bytes(), deb822::Comments::Refused);
        let got = entries(text.as_bytes());
        if let (Ok(expected), Ok(got)) = (&expected, &got) {
            prop_assert_eq!(expected.len(), got.len());
            for (stanza, entry) in expected.iter().zip(got) {
                let words = |name| stanza.field(name).map(|field| field.words().collect::<Vec<_>>()).unwrap_or_default();
                prop_assert_eq!(words("Depends"), entry.depends.split_ascii_whitespace().collect::<Vec<_>>());
                prop_assert_eq!(words("Section"), entry.section.split_ascii_whitespace().collect::<Vec<_>>());
            }
        } else if got.is_err() {
            prop_assert!(expected.is_err(), "{:?} {:?}", got, expected);
        }
    }
}
