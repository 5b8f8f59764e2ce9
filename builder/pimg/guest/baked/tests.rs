use super::{Baked, changes, held};
use crate::guest::packages::{LocalPackage, PackageSet};
use crate::guest::test_support::{MapBase, put, untouched};

fn package(name: &str) -> LocalPackage {
    LocalPackage {
        name: name.to_owned(),
        version: "1".to_owned(),
        architecture: "arm64".to_owned(),
        size: 5,
        sha256: "0".repeat(64),
        file: "/cache/x".into(),
        control: String::new(),
    }
}

fn set() -> PackageSet {
    PackageSet {
        install: ["chrony", "open-iscsi", "postfix", "smtp", "ssl-cert"].map(package).to_vec(),
        preseeds: vec![
            "postfix postfix/main_mailer_type select Local only".to_owned(),
            "postfix postfix/mailname string a.example".to_owned(),
            "smtp smtp/relay string a.example".to_owned(),
        ],
        keep: true,
        ..PackageSet::default()
    }
}

/// Links as `systemctl enable` and `update-rc.d` make them.
fn base() -> MapBase {
    let unit = |name: &str| format!("/usr/lib/systemd/system/{name}");
    MapBase::default()
        .symlink("/etc/systemd/system/multi-user.target.wants/ssh.service", &unit("ssh.service"))
        .symlink("/etc/rc2.d/S01ssh", "../init.d/ssh")
        .file("/usr/lib/systemd/system/ssh.service", "")
}

fn baked() -> MapBase {
    let unit = |name: &str| format!("/usr/lib/systemd/system/{name}");
    base()
        .symlink("/etc/systemd/system/multi-user.target.wants/postfix.service", &unit("postfix.service"))
        .symlink(
            "/etc/systemd/system/sysinit.target.wants/pvenetcommit.service",
            &unit("pvenetcommit.service"),
        )
        .symlink("/etc/systemd/system/zfs-volumes.target.requires/zfs-volume-wait.service", &unit("x"))
        .symlink("/etc/systemd/system/timers.target.wants/gone.timer", &unit("gone.timer"))
        .symlink("/etc/systemd/system/gone.timer", "/dev/null")
        .symlink("/etc/systemd/system/chronyd.service", &unit("chrony.service"))
        .symlink("/etc/rc2.d/S01rrdcached", "../init.d/rrdcached")
        .symlink("/etc/rc2.d/S01smartmontools", "../init.d/smartmontools")
        .symlink("/etc/rc2.d/K01iscsid", "../init.d/iscsid")
        .file("/usr/lib/systemd/system/smartmontools.service", "")
}

#[test]
fn what_the_layer_has_enabled_waits() {
    let found = held(&base(), &baked()).expect("readable");
    let units = ["postfix.service", "pvenetcommit.service", "rrdcached.service", "zfs-volume-wait.service"];
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), units);
}

#[test]
fn an_image_has_lists_in_place_of_a_repository() {
    let own = [
        "postfix postfix/mailname string a.example",
        "smtp smtp/relay string a.example",
        "nosuch a string b",
    ];
    let own = own.map(str::to_owned);
    let (set, base, baked) = (set(), base(), baked());
    let found = changes(&Baked { key: "ab12", set: &set, own_answers: &own, base: &base, baked: &baked })
        .expect("changes");
    assert!(found.iter().all(|change| !change.path.as_str().contains("repo")), "nothing to install from");
    assert!(untouched(&found, "/var/lib/pimg/packages/keep"), "there is nothing to keep");
    assert!(untouched(&found, "/etc/apt/sources.list.d/pimg-embedded.sources"));
    assert_eq!(put(&found, "/var/lib/pimg/packages/baked").0, "ab12\n");
    let (install, _) = put(&found, "/var/lib/pimg/packages/install");
    assert_eq!(
        install,
        "chrony:arm64=1\nopen-iscsi:arm64=1\npostfix:arm64=1\nsmtp:arm64=1\nssl-cert:arm64=1\n"
    );
    let expected = "ssl-cert /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem\n\
                    postfix /etc/aliases /etc/aliases.db /etc/mailname /etc/postfix/main.cf\nsmtp\n";
    assert_eq!(put(&found, "/var/lib/pimg/packages/reconfigure").0, expected);
    // what is asked again has forgotten all of its answers, whoever they depend on
    let (answers, mode) = put(&found, "/var/lib/pimg/packages/answers");
    assert_eq!((answers.lines().count(), mode), (3, 0o600));
    let name = put(&found, "/etc/iscsi/initiatorname.iscsi");
    assert_eq!(name, ("GenerateName=yes\n".to_owned(), 0o600), "no two nodes have one name");
    let (hold, _) = put(&found, "/etc/systemd/system/postfix.service.d/50-pimg-hold.conf");
    assert!(hold.ends_with("[Unit]\nConditionPathExists=/var/lib/pimg/packages/verified\n"), "{hold}");
    assert!(
        put(&found, "/var/lib/pimg/packages/held").0.starts_with("postfix.service\npvenetcommit.service\n")
    );
}

#[test]
fn a_set_that_asks_for_nothing_leaves_no_trace() {
    let nothing = PackageSet::default();
    let (base, baked) = (base(), baked());
    let found = changes(&Baked { key: "ab12", set: &nothing, own_answers: &[], base: &base, baked: &baked });
    assert!(found.expect("changes").is_empty());
}
