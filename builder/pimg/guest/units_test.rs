//! Unit links, held against those of the real `systemctl`.

use std::path::Path;

use super::test_support::{MapBase, judge, temporary};
use super::units::{Link, UnitFile, disable, enable, mask};

const UNITS: [(&str, &str); 8] = [
    ("plain.service", "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"),
    (
        "ssh.service",
        "[Unit]\n# x\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n",
    ),
    (
        "many.service",
        "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=gone.target\nWantedBy=\nWantedBy=a.target \\\n  # not me\n \
         b.target\nRequiredBy=c.target\nWantedBy=d.target\n",
    ),
    (
        "getty@.service",
        "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n",
    ),
    ("serial@.service", "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=dev-%i.device getty.target\n"),
    (
        "also.service",
        "[Service]\nExecStart=/bin/true\n[Install]\nAlias=dbus-x.service\nWantedBy=multi-user.target\n\
         Also=plain.service also.socket\n",
    ),
    ("also.socket", "[Socket]\nListenStream=1\n[Install]\nWantedBy=sockets.target\nAlso=also.service\n"),
    ("instantiating.service", "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=sshd@.service\n"),
];

fn base() -> MapBase {
    UNITS.iter().fold(MapBase::default(), |base, (name, text)| {
        base.file(&format!("/usr/lib/systemd/system/{name}"), *text)
    })
}

/// The links below a root's `/etc/systemd/system`.
fn links_below(root: &Path, directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs_err::read_dir(directory).expect("list") {
        let path = entry.expect("entry").path();
        match fs_err::read_link(&path) {
            Ok(target) => {
                let below = Path::new("/").join(path.strip_prefix(root).expect("below"));
                found.push((below.display().to_string(), target.display().to_string()));
            }
            Err(_) if path.is_dir() => links_below(root, &path, found),
            Err(_) => {}
        }
    }
}

fn by_systemctl(verb: &str, unit: &str) -> Option<Vec<(String, String)>> {
    let root = temporary();
    for (name, text) in UNITS {
        let path = root.path().join("usr/lib/systemd/system").join(name);
        fs_err::create_dir_all(path.parent().expect("has one")).expect("directory");
        fs_err::write(path, text).expect("write");
    }
    // Debian before usr-merge looked into /lib
    fs_err::os::unix::fs::symlink("usr/lib", root.path().join("lib")).expect("link");
    let option = format!("--root={}", root.path().display());
    judge(&["systemctl", "-q", &option, verb], Path::new(unit))?;
    let mut found = Vec::new();
    links_below(root.path(), &root.path().join("etc/systemd/system"), &mut found);
    found.sort();
    let merged = |target: String| {
        target.strip_prefix("/lib/").map_or(target.clone(), |rest| format!("/usr/lib/{rest}"))
    };
    Some(found.into_iter().map(|(path, target)| (path, merged(target))).collect())
}

fn ours(links: Vec<Link>) -> Vec<(String, String)> {
    let mut links: Vec<_> = links.into_iter().map(|link| (link.path.to_string(), link.target)).collect();
    links.sort();
    links
}

#[test]
fn enables_as_systemctl_does() {
    let units = [
        "plain.service",
        "ssh.service",
        "many.service",
        "getty@.service",
        "getty@tty3.service",
        "serial@ttyAMA0.service",
        "also.service",
        "instantiating.service",
    ];
    for unit in units {
        let links = ours(enable(&base(), unit).expect(unit));
        assert!(!links.is_empty(), "{unit}");
        let Some(expected) = by_systemctl("enable", unit) else { return };
        assert_eq!(links, expected, "{unit}");
    }
}

#[test]
fn masks_as_systemctl_does() {
    let links = ours(vec![mask("plain.service").expect("a unit")]);
    assert_eq!(links, [("/etc/systemd/system/plain.service".to_owned(), "/dev/null".to_owned())]);
    let Some(expected) = by_systemctl("mask", "plain.service") else { return };
    assert_eq!(links, expected);
}

#[test]
fn disabling_undoes_enabling() {
    for unit in ["ssh.service", "many.service", "also.service", "getty@.service"] {
        let enabled = enable(&base(), unit).expect(unit);
        let with_links =
            enabled.iter().fold(base(), |base, link| base.symlink(link.path.as_str(), &link.target));
        let with_links =
            with_links.symlink("/etc/systemd/system/x.target.wants/other.service", "/usr/lib/other");
        let gone = disable(&with_links, unit).expect(unit);
        let mut expected: Vec<_> = enabled.into_iter().map(|link| link.path).collect();
        expected.sort();
        assert_eq!(gone, expected, "{unit}");
    }
    assert!(disable(&base(), "not-there.service").expect("nothing to do").is_empty());
}

#[test]
fn says_why_a_unit_cannot_be_enabled() {
    let base = base()
        .file("/usr/lib/systemd/system/static.service", "[Service]\nExecStart=/bin/true\n")
        .file("/usr/lib/systemd/system/broken.service", "[Service]\nno equals sign\n")
        .symlink("/etc/systemd/system/masked.service", "/dev/null")
        .symlink("/etc/systemd/system/sshd.service", "/usr/lib/systemd/system/ssh.service");
    for (unit, why) in [
        ("static.service", "names nothing"),
        ("broken.service", "line 2: is no `key=value`"),
        ("masked.service", "masks it"),
        ("sshd.service", "is an alias"),
        ("absent.service", "no unit file"),
        ("serial@.service", "it is a template"),
        ("absent", "no type"),
        ("../x.service", "character"),
    ] {
        let error = enable(&base, unit).expect_err(unit).to_string();
        assert!(error.contains(why) && error.contains(unit), "{unit}: {error}");
    }
}

#[test]
fn keeps_every_setting_in_order() {
    let file =
        UnitFile::parse("; c\n[Service]\nEnvironment=A=1\nEnvironment = B=2\nExecStart=a \\\n# c\n  b\n")
            .expect("a unit file");
    let settings: Vec<_> = file.settings.iter().map(|s| (s.key.as_str(), s.value.as_str(), s.line)).collect();
    assert_eq!(settings, [("Environment", "A=1", 3), ("Environment", "B=2", 4), ("ExecStart", "a b", 5)]);
}
