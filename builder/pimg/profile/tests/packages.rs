//! Packages and mirrors of profiles.

use std::path::Path;

use super::{COMMON, NODE, Project, accepted, host, refused};

#[test]
fn packages_and_mirrors_are_inherited() {
    let common = format!(
        "{COMMON}[packages]\ninstall = ['zsh', 'git']\nhold = ['linux-image-*']\nupgrade = 'locked'\nkeep = true\n\
         [mirrors]\ndebian = 'http://mirror.test/debian'\npxvirt = {{ url = 'https://x.test/px', keyring = 'keys/px.gpg' }}\n"
    );
    let node = format!(
        "{NODE}[packages]\ninstall = ['lsd=1.1-2']\nrecommends = true\n[mirrors]\ndebian = 'file:///srv/debian'\n"
    );
    let project = Project::new(&[("common", &common), ("a", &node)]);
    let host = project.load(&["a"]).map_err(|e| e.report().to_string()).expect("is valid").remove(0);
    let packages = host::PackagesSpec {
        install: vec!["lsd=1.1-2".into()],
        remove: Vec::new(),
        hold: vec!["linux-image-*".into()],
        upgrade: host::Upgrade::Locked,
        recommends: true,
        keep: true,
    };
    assert_eq!(host.packages, packages);
    assert_eq!(host.mirrors["debian"], host::Mirror { url: "file:///srv/debian".into(), keyring: None });
    assert_eq!(host.mirrors["pxvirt"].keyring.as_deref(), Some(Path::new("keys/px.gpg")));
    let silent = accepted("");
    assert_eq!((silent.packages, silent.mirrors.len()), (host::PackagesSpec::default(), 0));
}

#[test]
fn packages_that_cannot_be() {
    insta::assert_snapshot!(
        refused("[packages]\ninstal = []\ninstall = ['Zsh', 'linux-*', 'git', 'git=1']\nremove = ['git', 'a=1']\nhold = ['A*']\nupgrade = 'all'\nkeep = 1\n"),
        @"
    profile `a` is not valid (9 problems)

      profiles/a.toml:6:1
       6 | instal …
         | ^^^^^^ unknown key
           hint: did you mean `install`?

      profiles/a.toml:7:12
       7 | install = ['Zsh', 'linux-*', 'git', 'git=1']
         |            ^^^^^ is not the name of a package: lower-case letters, digits, `+`, `-` and `.`

      profiles/a.toml:7:19
       7 | install = ['Zsh', 'linux-*', 'git', 'git=1']
         |                   ^^^^^^^^^ is a pattern, which only `hold` takes: name each package

      profiles/a.toml:7:37
       7 | install = ['Zsh', 'linux-*', 'git', 'git=1']
         |                                     ^^^^^^^ is in the list twice

      profiles/a.toml:8:11
       8 | remove = ['git', 'a=1']
         |           ^^^^^ is to be installed, too

      profiles/a.toml:8:18
       8 | remove = ['git', 'a=1']
         |                  ^^^^^ is more than a name: a package is removed whatever its version

      profiles/a.toml:9:9
       9 | hold = ['A*']
         |         ^^^^ is neither the name of a package nor a pattern such as `linux-image-*`

      profiles/a.toml:10:11
      10 | upgrade = 'all'
         |           ^^^^^ is none of `none`, `locked`

      profiles/a.toml:11:8
      11 | keep = 1
         |        ^ expected `true` or `false`, got a number
    "
    );
}

#[test]
fn mirrors_that_cannot_be() {
    insta::assert_snapshot!(
        refused("[mirrors]\n'a/b' = 'file:///x'\nb = 'ftp://x'\nc = 1\nd = { ulr = 'file:///x' }\ne = { url = 'file:///x', keyring = '' }\n"),
        @r#"
    profile `a` is not valid (6 problems)

      profiles/a.toml:6:1
       6 | 'a/b' = 'file:///x'
         | ^^^^^ is not a name: a letter or digit, then letters, digits, `_`, `.` and `-`

      profiles/a.toml:7:5
       7 | b = 'ftp://x'
         |     ^^^^^^^^^ is not an `https:`, `http:` or `file:` address

      profiles/a.toml:8:5
       8 | c = 1
         |     ^ is not a mirror
           hint: `NAME = "URL"` or `NAME = { url = "URL", keyring = "FILE" }`

      profiles/a.toml:9:1
       9 | d = { ulr = 'file:///x' }
         | ^ needs `url`

      profiles/a.toml:9:7
       9 | d = { ulr …
         |       ^^^ unknown key
           hint: did you mean `url`?

      profiles/a.toml:10:36
      10 | e = { url = 'file:///x', keyring = '' }
         |                                    ^^ is not the path of a keyring
    "#
    );
}
