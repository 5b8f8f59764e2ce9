use super::*;
use crate::preferences::parse;

fn stable() -> Archive {
    Archive {
        name: "debian".to_owned(),
        site: "deb.example".to_owned(),
        origin: "Debian".to_owned(),
        label: "Debian".to_owned(),
        suite: "stable".to_owned(),
        codename: "trixie".to_owned(),
        version: "13.1".to_owned(),
        component: "main".to_owned(),
        architecture: "arm64".to_owned(),
        ..Archive::default()
    }
}

fn backports() -> Archive {
    Archive {
        origin: "Debian Backports".to_owned(),
        label: "Debian Backports".to_owned(),
        suite: "stable-backports".to_owned(),
        codename: "trixie-backports".to_owned(),
        version: String::new(),
        not_automatic: true,
        but_automatic_upgrades: true,
        ..stable()
    }
}

fn policy(text: &str) -> Policy {
    Policy::new(parse(text.as_bytes()).expect("pins"))
}

fn pin(package: &str, versions: &str, priority: &str) -> Policy {
    policy(&format!("Package: {package}\nPin: {versions}\nPin-Priority: {priority}\n"))
}

#[test]
fn without_pins_the_release_decides() {
    let policy = Policy::default();
    let experimental = Archive { not_automatic: true, ..stable() };
    let of = |archive: &Archive| policy.priority("a", "a", "1", archive);
    assert_eq!(
        [of(&stable()), of(&backports()), of(&experimental), of(&Archive::status())],
        [500, 100, 1, 100]
    );
    let subject = Subject { package: "a", source: "a", version: "1", foreign: None };
    assert_eq!(policy.version_priority(&subject, &[&backports(), &stable()]), 500);
    assert_eq!(policy.version_priority(&subject, &[]), 0);
}

#[test]
fn a_release_is_chosen_by_each_of_its_properties() {
    for (versions, in_stable, in_backports) in [
        ("release a=stable", true, false),
        ("release a=stable*", true, true),
        ("release n=trixie-backports", false, true),
        ("release trixie", true, false),
        ("release STABLE-backports", false, true),
        ("release o=debian", true, false),
        ("release l=/^debian/", true, true),
        ("release v=13*", true, false),
        ("release v=13.1", true, false),
        ("release v=13", false, false),
        ("release 13*", true, false),
        ("release c=main, b=arm64", true, true),
        ("release c=contrib", false, false),
        ("release b=armhf", false, false),
        ("release o=Debian,n=trixie-backports", false, false),
        ("release x=1", false, false),
        ("release a=/(/", false, false),
        ("release *", true, true),
        ("origin deb.example", true, true),
        ("origin \"*.example\"", true, true),
        ("origin \"\"", false, false),
        ("version 1.2*", true, true),
        ("version 1.?", false, false),
        ("version 1.?-?", true, true),
        ("version 1.?-*", false, false),
        ("version /^1/", true, true),
    ] {
        let policy = pin("a", versions, "777");
        let got = [stable(), backports()].map(|archive| policy.priority("a", "s", "1.2-3", &archive) == 777);
        assert_eq!(got, [in_stable, in_backports], "{versions}");
    }
}

#[test]
fn packages_are_chosen_by_name_source_and_architecture() {
    for (words, native, foreign) in [
        ("zfs-dkms", true, false),
        ("zfs", false, false),
        ("src:zfs-linux", true, false),
        ("src:zfs-dkms", false, false),
        ("src:zfs-*", true, false),
        ("zfs-*", true, false),
        ("/^zfs.dkms$/", true, false),
        ("other zfs-dkms", true, false),
        ("zfs-dkms:armhf", false, true),
        ("zfs-dkms:any", true, true),
        ("src:zfs-linux:armhf", false, true),
        ("ZFS-dkms", false, false),
        ("/(/", false, false),
    ] {
        let policy = pin(words, "release a=stable", "777");
        let got = [None, Some("armhf")].map(|foreign| {
            let subject = Subject { package: "zfs-dkms", source: "zfs-linux", version: "2", foreign };
            policy.version_priority(&subject, &[&stable()]) == 777
        });
        assert_eq!(got, [native, foreign], "{words}");
    }
}

#[test]
fn the_first_pin_counts_and_never_wins() {
    let text = "\
Package: a
Pin: release a=stable
Pin-Priority: 600

Package: *
Pin: release o=Debian*
Pin-Priority: 400

Package: a*
Pin: release *
Pin-Priority: 700

Package: *
Pin: release *
Pin-Priority: 300
";
    let pins = policy(text);
    let of = |package, archive: &Archive| pins.priority(package, package, "1", archive);
    assert_eq!([of("a", &stable()), of("a", &backports()), of("b", &stable())], [600, 700, 400]);
    assert_eq!(of("b", &Archive::status()), 300);

    let never = format!("{text}\nPackage: *\nPin: release n=trixie-backports\nPin-Priority: never\n");
    let pins = policy(&never);
    assert_eq!(pins.priority("a", "a", "1", &backports()), NEVER);
    assert_eq!(pins.priority("a", "a", "1", &stable()), 600);
    // it is also somewhere else
    let subject = Subject { package: "ab", source: "ab", version: "1", foreign: None };
    assert_eq!(pins.version_priority(&subject, &[&backports(), &stable()]), 700);
}

#[test]
fn the_candidate_is_the_best_that_is_no_downgrade() {
    let versions = |priorities: [i16; 3]| {
        ["1", "2", "3"].into_iter().zip(priorities).map(|(version, priority)| (version, priority, ()))
    };
    let of = |installed, priorities| candidate(installed, versions(priorities)).map(|(version, ())| version);
    assert_eq!(of(None, [500, 500, 100]), Some("2"));
    assert_eq!(of(None, [-1, 0, -1]), None);
    assert_eq!(of(Some("2"), [990, 100, 100]), Some("3"));
    assert_eq!(of(Some("2"), [990, 100, 1]), Some("2"));
    assert_eq!(of(Some("2"), [1000, 100, 500]), Some("1"));
    assert_eq!(of(Some("2"), [1000, 1001, 500]), Some("2"));
}
