//! What overlays ask of apt and of the network.

use std::collections::BTreeMap;

use super::{KEY, Project, find, refused, text};
use crate::overlay::{PackageRequests, Place, Rendered, render};
use crate::plan::change::Ownership;
use crate::profile::host::PackagesSpec;

fn names(requests: &PackageRequests) -> [Vec<&str>; 3] {
    [&requests.install, &requests.remove, &requests.hold]
        .map(|list| list.iter().map(|request| request.package.as_str()).collect())
}

fn lines(rendered: &Rendered) -> Vec<&str> {
    rendered.preseeds.iter().map(|preseed| preseed.line.as_str()).collect()
}

#[test]
fn packages_come_where_they_are_wanted() {
    let project = Project::new(&[
        (
            "a/overlay.toml",
            "[packages]\ninstall = ['zsh', 'git']\nhold = ['linux-*']\n\
             [[packages.group]]\nwhen = 'cluster is none'\ninstall = ['one']\nremove = ['nano']\n\
             [[packages.group]]\nwhen = 'cluster is not none'\ninstall = ['many']\n",
        ),
        ("b/overlay.toml", "[packages]\ninstall = ['git', 'zfs-dkms/sid']\n"),
        ("c/overlay.toml", "[packages]\nwhen = 'false'\ninstall = ['never']\n"),
    ]);
    let rendered = project.render(&["a", "b", "c"]).expect("is valid");
    let expected = [vec!["zsh", "git", "one", "zfs-dkms/sid"], vec!["nano"], vec!["linux-*"]];
    assert_eq!(names(&rendered.packages), expected);
    assert_eq!(rendered.packages.install[3].overlay, "b");
}

#[test]
fn the_profile_has_the_last_word_on_packages() {
    let project = Project::new(&[(
        "a/overlay.toml",
        "[packages]\ninstall = ['zsh', 'git', 'lsd', 'fzf']\nremove = ['nano', 'ed']\nhold = ['x2']\n",
    )]);
    let rendered = project.render(&["a"]).expect("is valid");
    let own = PackagesSpec {
        install: vec!["nano".into(), "git=1:2".into(), "aa".into()],
        remove: vec!["lsd".into()],
        hold: vec!["b*".into()],
        recommends: true,
        ..PackagesSpec::default()
    };
    let asked = rendered.packages.with_profile(&own);
    assert_eq!(asked.install, ["aa", "fzf", "git=1:2", "nano", "zsh"]);
    assert_eq!((asked.remove, asked.hold), (vec!["ed".into(), "lsd".into()], vec!["b*".into(), "x2".into()]));
    assert!(asked.recommends && !asked.keep);
}

#[test]
fn overlays_that_disagree_about_a_package() {
    let project = Project::new(&[
        ("a/overlay.toml", "[packages]\ninstall = ['nano=1']\n"),
        ("b/overlay.toml", "[packages]\nremove = ['nano']\n"),
    ]);
    insta::assert_snapshot!(project.refused(&["a", "b"]), @"
    the overlays of host `node-a` are not valid (1 problem)

      overlays/b/overlay.toml:2:11
       2 | remove = ['nano']
         |           ^^^^^^ contradicts overlay `a`, which installs it
    ");
    assert!(project.refused(&["b", "a"]).contains("contradicts overlay `b`, which removes it"));
}

#[test]
fn answers_are_rendered_and_given_once() {
    let answer = |value: &str| {
        format!(
            "[[apt.preseed]]\npackage = 'postfix'\nquestion = 'postfix/mailname'\ntype = 'string'\nvalue = '{value}'\n"
        )
    };
    let project = Project::new(&[
        ("a/overlay.toml", &answer("{{ hostname }}.lan")),
        ("b/overlay.toml", &answer("node-a.lan")),
        ("c/overlay.toml", &format!("{}when = 'false'\n", answer("other"))),
        ("d/overlay.toml", &answer("other")),
    ]);
    let rendered = project.render(&["a", "b", "c"]).expect("is valid");
    assert_eq!(lines(&rendered), ["postfix postfix/mailname string node-a.lan"]);
    assert!(project.refused(&["a", "d"]).contains("is answered otherwise by overlay `a`"));
}

#[test]
fn downloads_have_an_address_and_a_place() {
    let project = Project::new(&[
        (
            "a/overlay.toml",
            "[[download]]\nname = 'iso'\nurl = 'https://x.org/{{ hostname }}.iso'\nsha256 = \"{{ '' }}\"\npath = '/srv/a.iso'\ngroup = 'adm'\nmode = '0640'\n\
             [[download]]\nname = 'tool'\nurl = 'https://x.org/tool.tar.gz'\nunpack = '/usr/share/tool'\nstrip = 1\nwhen = 'true'\n\
             [[download]]\nname = 'tool'\nurl = 'https://x.org/tool2.tar.gz'\nunpack = '/usr/share/tool'\nwhen = 'false'\n",
        ),
        ("b/overlay.toml", "[[download]]\nname = 'tool'\nurl = 'https://x.org/y'\npath = '/srv/b'\n"),
    ]);
    let rendered = project.render(&["a"]).expect("is valid");
    let [iso, tool] = rendered.downloads.as_slice() else { panic!("{:?}", rendered.downloads) };
    assert_eq!(
        (iso.url.as_str(), &iso.sha256, iso.overlay.as_str()),
        ("https://x.org/node-a.iso", &None, "a")
    );
    let Place::File { path, ownership } = &iso.place else { panic!("{:?}", iso.place) };
    assert_eq!((path.as_str(), *ownership), ("/srv/a.iso", Ownership { uid: 0, gid: 4, mode: 0o640 }));
    let Place::Unpack { directory, strip, ownership } = &tool.place else { panic!("{:?}", tool.place) };
    assert_eq!((directory.as_str(), *strip, *ownership), ("/usr/share/tool", 1, Ownership::root(0o755)));
    insta::assert_snapshot!(project.refused(&["a", "b"]), @"
    the overlays of host `node-a` are not valid (1 problem)

      overlays/b/overlay.toml:2:8
       2 | name = 'tool'
         |        ^^^^^^ overlay `a` has a download of this name already
    ");
}

fn source(keyring: &str) -> Project {
    let manifest = format!(
        "[[apt.source]]\nname = 'x'\nuris = 'https://x.org/debian'\nsuites = 'trixie'\ncomponents = 'main'\nkeyring = {{ {keyring} }}\n\
         [[apt.source]]\nname = 'y'\nuris = 'base'\nsuites = 'sid'\ncomponents = 'main'\nkeyring = {{ url = 'https://y.org/key' }}\n"
    );
    Project::new(&[("o/overlay.toml", &manifest)])
}

#[test]
fn a_source_is_on_once_its_key_is_supplied() {
    let project = source("url = 'https://x.org/key'");
    let mut rendered = project.render(&["o"]).expect("is valid");
    let file = "/etc/apt/sources.list.d/pimg-x.sources";
    assert!(text(find(&rendered, file)).contains("Enabled: no"));
    insta::assert_snapshot!(rendered.notices.join("\n"), @"
    apt source `x` is switched off until the lock pins its key, from https://x.org/key
    apt source `y` is switched off until the lock pins its key, from https://y.org/key
    ");

    let before = rendered.changes.len();
    rendered.supply_keyrings(&BTreeMap::from([("x".to_owned(), KEY.to_vec()), ("z".to_owned(), Vec::new())]));
    insta::assert_snapshot!(text(find(&rendered, file)), @"
    # Written by pimg from overlays/o/overlay.toml.
    Types: deb
    URIs: https://x.org/debian
    Suites: trixie
    Components: main
    Architectures: arm64
    Signed-By: /usr/share/keyrings/x-archive-keyring.gpg
    ");
    assert_eq!(
        text(find(&rendered, "/usr/share/keyrings/x-archive-keyring.gpg")).as_bytes(),
        String::from_utf8_lossy(KEY).as_bytes()
    );
    assert_eq!(rendered.changes.len(), before + 1, "the source's file is there once");
    assert_eq!(rendered.notices.len(), 1, "nothing more is to be said about `x`");
    let base = |rendered: &Rendered| {
        let changes = rendered.base_source_changes(&["http://mirror.test/debian".into()], Some("/d.pgp"));
        text(&changes[0])
    };
    assert!(base(&rendered).contains("Enabled: no"));

    rendered.supply_keyrings(&BTreeMap::from([(
        "y".to_owned(),
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----".to_vec(),
    )]));
    assert!(rendered.notices.is_empty());
    assert!(!base(&rendered).contains("Enabled"));
    assert!(
        base(&rendered).contains("Signed-By: /usr/share/keyrings/y-archive-keyring.asc"),
        "apt goes by the extension"
    );
}

#[test]
fn a_key_in_the_overlay_gives_way_to_the_one_supplied() {
    let project = source("file = 'keys/x.gpg'");
    project.write("o/keys/x.gpg", KEY);
    let mut rendered = project.render(&["o"]).expect("is valid");
    let path = "/usr/share/keyrings/x-archive-keyring.gpg";
    find(&rendered, path);
    rendered.supply_keyrings(&BTreeMap::from([("x".to_owned(), b"\x99other".to_vec())]));
    assert!(text(find(&rendered, path)).ends_with("other"));
    assert_eq!(rendered.changes.iter().filter(|change| change.path.as_str() == path).count(), 1);
}

#[test]
fn a_keyring_of_the_base_image_needs_its_path() {
    assert!(source("fingerprint = []").refused(&["o"]).contains("`path` of a keyring is"));
    let rendered = source("path = '/usr/share/keyrings/base.pgp'").render(&["o"]).expect("is valid");
    assert!(!text(find(&rendered, "/etc/apt/sources.list.d/pimg-x.sources")).contains("Enabled"));
}

#[test]
fn templates_see_what_the_profile_asks_of_packages() {
    let project =
        Project::new(&[("o/rootfs/etc/x.j2", "{{ packages.upgrade }} {{ packages.hold | join(' ') }}")]);
    let host = project.host(&["o"], "[packages]\nhold = ['a*', 'bb']\nupgrade = 'locked'\n");
    let rendered = render(&project.path(""), &host).map_err(|e| e.report().to_string()).expect("is valid");
    assert_eq!(text(find(&rendered, "/etc/x")), "locked a* bb");
}

/// Settings that are refused, each with words of the reason.
#[test]
fn settings() {
    for (manifest, reason) in [
        ("[packages]\ninstal = ['zsh']", "did you mean `install`?"),
        ("[packages]\ninstall = ['zsh*']", "which only `hold` takes"),
        ("[packages]\ninstall = ['zsh']\nremove = ['zsh']", "is to be installed, too"),
        ("[packages]\ninstall = ['zsh']\nwhen = 'nosuch'", "`nosuch` does not exist"),
        ("[[packages.group]]\ninstall = ['zsh']", "needs `when`"),
        ("[[packages]]\ninstall = ['zsh']", "expected a table"),
        ("[[apt.preseed]]\npackage = 'p2'", "needs `question`"),
        (
            "[[apt.preseed]]\npackage = 'P'\nquestion = 'p/q'\ntype = 'string'\nvalue = ''",
            "not the name of a package",
        ),
        (
            "[[apt.preseed]]\npackage = 'p2'\nquestion = 'q'\ntype = 'string'\nvalue = ''",
            "not a question of debconf",
        ),
        (
            "[[apt.preseed]]\npackage = 'p2'\nquestion = 'p/q'\ntype = 'strng'\nvalue = ''",
            "is none of `string`",
        ),
        ("[[apt.preseed]]\npackage = 'p2'\nquestion = 'p/q'\ntype = 'password'\nvalue = ''", "is a secret"),
        (
            "[[apt.preseed]]\npackage = 'p2'\nquestion = 'p/q'\ntype = 'boolean'\nvalue = 'yes'",
            "answered by `true` or `false`",
        ),
        (
            "[[apt.preseed]]\npackage = 'p2'\nquestion = 'p/q'\ntype = 'string'\nvalue = \"a\\nb\"",
            "more than one line",
        ),
        (
            "[[apt.preseed]]\npackage = 'p2'\nquestion = 'p/q'\ntype = 'string'\nvalue = '{{ hostnam }}'",
            "`hostnam` is undefined",
        ),
        ("[[download]]\nname = 'x'\nurl = 'https://x.org/y'", "needs `path`"),
        ("[[download]]\nname = 'x'\npath = '/opt/x'", "needs `url`"),
        ("[[download]]\nurl = 'https://x.org/y'\npath = '/opt/x'", "needs `name`"),
        ("[[download]]\nname = 'a/b'\nurl = 'https://x.org/y'\npath = '/opt/x'", "is not a name"),
        ("[[download]]\nname = 'x'\nurl = 'http://x.org/y'\npath = '/opt/x'", "is not an `https:` address"),
        ("[[download]]\nname = 'x'\nurl = '{{ hostname }}'\npath = '/opt/x'", "got `node-a`"),
        (
            "[[download]]\nname = 'x'\nurl = 'https://x.org/y'\npath = '/opt/x'\nsha256 = 'ab'",
            "64 hexadecimal digits",
        ),
        (
            "[[download]]\nname = 'x'\nurl = 'https://x.org/y'\npath = '/opt/x'\nunpack = '/opt'",
            "says already where",
        ),
        (
            "[[download]]\nname = 'x'\nurl = 'https://x.org/y'\npath = '/opt/x'\nstrip = 1",
            "nothing is unpacked",
        ),
        ("[[download]]\nname = 'x'\nurl = 'https://x.org/y'\nunpack = '/opt'\nstrip = -1", "from 0 to 16"),
        (
            "[[download]]\nname = 'x'\nurl = 'https://x.org/y'\nunpack = '/opt'\nmode = '0644'",
            "keeps its own",
        ),
        (
            "[[download]]\nname = 'x'\nurl = 'https://x.org/y'\npath = '/opt/x'\nuser = 'admin'",
            "is no user that every Debian",
        ),
        ("[[download]]\nname = 'x'\nurl = 'https://x.org/y'\npath = '/opt/../x'", "leaves the tree"),
        ("[[download]]\nname = 'x'\nurl = 'https://x.org/y'\nunpack = '/'", "the whole root file system"),
        (
            "[[download]]\nname = 'x'\nurl = 'https://x.org/y'\npath = '/boot/firmware/x'",
            "on the boot partition",
        ),
        (
            "[[download]]\nname = 'x'\nurl = 'https://x.org/y'\npath = '/run/deep/x'",
            "would not be seen on the node",
        ),
    ] {
        let report = refused(manifest);
        assert!(report.contains(reason), "{manifest}: {report}");
        assert!(report.contains("overlays/o/overlay.toml:"), "{manifest}: {report}");
    }
}

/// What a profile of this project asks for, one line a wish.
fn asked(profile: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let profiles = crate::profile::Profiles::open(root).expect("is a project");
    let host = profiles.load(&[profile]).map_err(|e| e.report().to_string()).expect("is valid").remove(0);
    let rendered =
        render(&root.join("overlays"), &host).map_err(|e| e.report().to_string()).expect("is valid");
    let packages = rendered.packages.with_profile(&host.packages);
    let mut lines = vec![
        format!("install {}", packages.install.join(" ")),
        format!("hold {}", packages.hold.join(" ")),
        format!("upgrade {:?}", packages.upgrade),
    ];
    lines.extend(rendered.apt.sources.iter().map(|source| format!("source {}", source.name)));
    lines.extend(rendered.preseeds.iter().map(|preseed| preseed.line.clone()));
    lines.extend(rendered.downloads.iter().map(|download| format!("{} {}", download.name, download.url)));
    lines.join("\n")
}

#[test]
fn what_the_nodes_of_this_project_ask_for() {
    insta::assert_snapshot!(asked("k8sctl-pi5l"), @"
    install byobu curl dkms fzf git gnupg ifupdown2 lsd openssl proxmox-ve pve-cluster pve-manager python3-pexpect qemu-server tailscale zfs-dkms zfsutils-linux zsh
    hold linux-headers-* linux-image-* raspi-firmware
    upgrade Locked
    source pxvirt
    source backports
    source tailscale
    postfix postfix/main_mailer_type select Local only
    postfix postfix/mailname string k8sctl-pi5l
    zfs-dkms zfs-dkms/note-incompatible-licenses note true
    acme.sh https://github.com/acmesh-official/acme.sh/archive/refs/tags/3.1.3.tar.gz
    talos https://factory.talos.dev/image/88d1f7a5c4f1d3aba7df787c448c1d3d008ed29cfb34af53fa0df4336a56040b/v1.11.5/nocloud-arm64.iso
    oh-my-zsh https://github.com/ohmyzsh/ohmyzsh/archive/master.tar.gz
    zsh-autosuggestions https://github.com/zsh-users/zsh-autosuggestions/archive/refs/tags/v0.7.1.tar.gz
    zsh-syntax-highlighting https://github.com/zsh-users/zsh-syntax-highlighting/archive/refs/tags/0.8.0.tar.gz
    ");
    insta::assert_snapshot!(asked("demo-zfs"), @"
    install byobu fzf git lsd zfs-dkms zfsutils-linux zsh zsh-autosuggestions zsh-syntax-highlighting
    hold linux-headers-* linux-image-* raspi-firmware
    upgrade None
    source backports
    zfs-dkms zfs-dkms/note-incompatible-licenses note true
    ");
}
