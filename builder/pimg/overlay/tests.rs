//! Small overlays made in a temporary directory, hostile ones among them.

mod keys;
mod requests;
mod steps;
mod unpacking;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::{Rendered, render, render_source};
use crate::plan::change::{Action, Change, Content, Ownership, Partition};
use crate::profile::Profiles;
use crate::profile::host::HostSpec;

/// A project with one node and the overlays that a test makes.
struct Project(tempfile::TempDir);

const NODE: &str = r#"
hostname = "node-a"
[base]
source = "base.img.xz"
[user]
name = "admin"
password_hash = { env = "HASH" }
[network]
address = "10.10.80.50/24"
gateway = "10.10.80.1"
"#;

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().expect("temporary directory"));
        project.write("../profiles/a.toml", NODE);
        for (file, text) in files {
            project.write(file, text);
        }
        project
    }

    fn path(&self, file: &str) -> PathBuf {
        match file.strip_prefix("../") {
            Some(file) => self.0.path().join(file),
            None => self.0.path().join("overlays").join(file),
        }
    }

    fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.path(file);
        fs_err::create_dir_all(path.parent().expect("has a parent")).expect("makes directories");
        fs_err::write(path, text).expect("writes a file");
    }

    fn link(&self, file: &str, target: &str) {
        let path = self.path(file);
        fs_err::create_dir_all(path.parent().expect("has a parent")).expect("makes directories");
        symlink(target, path).expect("makes a link");
    }

    /// The node with these overlays and further lines of its profile.
    fn host(&self, overlays: &[&str], lines: &str) -> HostSpec {
        let list = overlays.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        self.write("../profiles/a.toml", format!("overlays = [{list}]\n{NODE}{lines}"));
        let profiles = Profiles::open(self.0.path()).expect("is a project");
        profiles.load(&["a"]).map_err(|error| error.report().to_string()).expect("is valid").remove(0)
    }

    fn render(&self, overlays: &[&str]) -> Result<Rendered, String> {
        let host = self.host(overlays, "");
        render(&self.path(""), &host).map_err(|error| error.report().to_string())
    }

    fn refused(&self, overlays: &[&str]) -> String {
        self.render(overlays).expect_err("should be refused")
    }
}

/// The report on one overlay with this `overlay.toml` and a file `/etc/x`.
fn refused(manifest: &str) -> String {
    Project::new(&[("o/overlay.toml", manifest), ("o/rootfs/etc/x", "x")]).refused(&["o"])
}

fn find<'r>(rendered: &'r Rendered, path: &str) -> &'r Change {
    rendered.changes.iter().find(|change| change.path.as_str() == path).expect("is put")
}

fn text(change: &Change) -> String {
    match &change.action {
        Action::PutFile { content: Content::Bytes(bytes), .. } => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("not a small file: {other:?}"),
    }
}

fn ownership(change: &Change) -> Ownership {
    match change.action {
        Action::PutFile { ownership, .. }
        | Action::MakeDir { ownership }
        | Action::SetOwnership { ownership } => ownership,
        _ => panic!("has no owner"),
    }
}

#[test]
fn files_links_directories_and_modes() {
    let project = Project::new(&[
        ("o/rootfs/etc/motd", "hello\n"),
        ("o/rootfs/usr/local/bin/tool", "#!/bin/sh\n"),
        ("o/rootfs/etc/empty/.gitkeep", ""),
        ("o/rootfs/etc/private/key", "k"),
        ("o/boot/custom.txt", "b"),
        ("o/README.md", "about"),
        (
            "o/overlay.toml",
            "[[own]]\npath = '/etc/private'\nmode = '0700'\n[[own]]\npath = '/etc/private/*'\ngroup = 'adm'\nmode = '0640'\n\
             [[own]]\npath = '/usr/local/bin/tool'\nmode = '4755'\n[[own]]\npath = '/usr/bin/ping'\nuid = 0\ngid = 7\nmode = '0755'\n",
        ),
    ]);
    let tool = project.path("o/rootfs/usr/local/bin/tool");
    fs_err::set_permissions(tool, std::fs::Permissions::from_mode(0o6711)).expect("sets a mode");
    project.link("o/rootfs/etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
    let rendered = project.render(&["o"]).expect("is valid");

    let paths: Vec<_> = rendered.changes.iter().map(|change| change.path.as_str()).collect();
    let expected = [
        "/usr/bin/ping",
        "/etc/empty",
        "/etc/localtime",
        "/etc/motd",
        "/etc/private",
        "/etc/private/key",
        "/usr/local/bin/tool",
        "/custom.txt",
    ];
    assert_eq!(paths, expected);
    assert_eq!(ownership(find(&rendered, "/etc/motd")), Ownership::root(0o644));
    assert_eq!(ownership(find(&rendered, "/etc/private")), Ownership::root(0o700));
    assert_eq!(ownership(find(&rendered, "/etc/private/key")), Ownership { uid: 0, gid: 4, mode: 0o640 });
    assert_eq!(ownership(find(&rendered, "/usr/local/bin/tool")).mode, 0o4755, "set-id comes of a rule only");
    assert_eq!(find(&rendered, "/custom.txt").partition, Partition::Boot);
    assert_eq!(find(&rendered, "/custom.txt").origin.to_string(), "overlays/o/boot/custom.txt");
    assert!(matches!(find(&rendered, "/usr/bin/ping").action, Action::SetOwnership { .. }));
    let Action::Symlink { target } = &find(&rendered, "/etc/localtime").action else { panic!("not a link") };
    assert_eq!(target, "/usr/share/zoneinfo/Etc/UTC");
}

#[test]
fn the_execute_bit_is_all_that_counts() {
    let project = Project::new(&[("o/rootfs/a", ""), ("o/rootfs/b", "")]);
    for (file, mode) in [("o/rootfs/a", 0o4710), ("o/rootfs/b", 0o600)] {
        fs_err::set_permissions(project.path(file), std::fs::Permissions::from_mode(mode))
            .expect("sets a mode");
    }
    let rendered = project.render(&["o"]).expect("is valid");
    assert_eq!(
        rendered.changes.iter().map(|change| ownership(change).mode).collect::<Vec<_>>(),
        [0o755, 0o644]
    );
}

#[test]
fn templates_see_the_host_and_the_variables_but_no_secret() {
    let project = Project::new(&[
        (
            "o/overlay.toml",
            "[variables.room]\ntype = 'size'\ndefault = '2KiB'\n[variables.names]\ntype = 'list'\ndefault = ['a<b', 'c']\n",
        ),
        (
            "o/rootfs/etc/x.j2",
            "{{ hostname }} {{ network.address | split('/') | first }} {{ vars.room }}\n{% for name in vars.names %}\n  {{ name }}\n{% endfor %}\n{% if cluster is none %}alone{% endif %}\n",
        ),
        ("o/rootfs/etc/y.j2", "{{ user.password_hash }}"),
    ]);
    let report = project.refused(&["o"]);
    insta::assert_snapshot!(report, @"
    the overlays of host `node-a` are not valid (1 problem)

      overlays/o/rootfs/etc/y.j2:1:4
       1 | {{ user.password_hash }}
         |    ^^^^^^^^^^^^^^^^^^ undefined value: `user.password_hash` is undefined
    ");
    fs_err::remove_file(project.path("o/rootfs/etc/y.j2")).expect("is there");
    let host = project.host(&["o"], "[vars.o]\nroom = '1MiB'\n");
    let rendered = render(&project.path(""), &host).map_err(|e| e.report().to_string()).expect("is valid");
    assert_eq!(text(find(&rendered, "/etc/x")), "node-a 10.10.80.50 1048576\n  a<b\n  c\nalone");
}

#[test]
fn template_errors_have_a_place() {
    for (template, place, reason) in [
        ("a\n{{ hostnam }}\n", "x.j2:2:4", "`hostnam` is undefined"),
        ("{% if network.gatway %}{% endif %}", "x.j2:1:", "undefined"),
        ("a\n\n{% for x in %}", "x.j2:3:", "syntax error"),
        ("{{ hostname | nosuch }}", "x.j2:1:", "unknown filter"),
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
            "x.j2:1:",
            "fuel",
        ),
        ("{% include '/etc/passwd' %}", "x.j2:1:", ""),
    ] {
        let report = Project::new(&[("o/rootfs/etc/x.j2", template)]).refused(&["o"]);
        assert!(
            report.contains(&format!("overlays/o/rootfs/etc/{place}")) && report.contains(reason),
            "{template}: {report}"
        );
    }
    let project = Project::new(&[]);
    project.write("o/rootfs/etc/x.j2", b"\xff\xfe");
    assert!(project.refused(&["o"]).contains("not UTF-8"));
}

#[test]
fn large_files_are_named_not_held() {
    let project = Project::new(&[]);
    project.write("o/rootfs/opt/blob", vec![7; (1 << 20) + 1]);
    let rendered = project.render(&["o"]).expect("is valid");
    let Action::PutFile { content: Content::HostFile { path, len, sha256 }, .. } =
        &rendered.changes[0].action
    else {
        panic!("is held in memory")
    };
    assert_eq!((path.as_path(), *len), (project.path("o/rootfs/opt/blob").as_path(), (1 << 20) + 1));
    assert_eq!(sha256.len(), 64);
}

#[test]
fn trees_that_lead_elsewhere() {
    let project = Project::new(&[
        ("o/rootfs/lib/x", ""),
        ("o/rootfs/boot/firmware/config.txt", ""),
        ("o/rootfs/run/x", ""),
        ("o/boot/a:b", ""),
        ("o/rootsf/etc/x", ""),
    ]);
    project.link("o/rootfs/etc/up", "../../../etc/shadow");
    project.link("o/boot/link", "x");
    let listener = std::os::unix::net::UnixListener::bind(project.path("o/rootfs/etc/socket"));
    listener.expect("makes a socket");
    insta::assert_snapshot!(project.refused(&["o"]), @"
    the overlays of host `node-a` are not valid (8 problems)

      `overlays/o/boot/a:b` has a name that FAT cannot hold

      `overlays/o/boot/link` is a symbolic link, which FAT does not have

      `overlays/o/rootfs/boot/firmware` would be hidden by the boot partition: put its files under `boot/` of the overlay

      `overlays/o/rootfs/etc/socket` is a socket: an overlay has files, directories and symbolic links

      `overlays/o/rootfs/etc/up` leads out of the tree: it points to `../../../etc/shadow`

      `overlays/o/rootfs/lib` would be written through the link `/lib` of Debian: put it under `rootfs/usr/lib`

      `overlays/o/rootfs/run` would not be seen on the node, where something else is mounted at `/run`

      `overlays/o/rootsf` is no part of an overlay
      hint: did you mean `rootfs`?
    ");

    let outside = Project::new(&[("p/x", "")]);
    outside.link("o/rootfs", "/etc");
    assert!(outside.refused(&["o"]).contains("`overlays/o/rootfs` is not a directory"));
    outside.link("q/overlay.toml", "/etc/passwd");
    assert!(outside.refused(&["q"]).contains("is not a regular file"));
    assert!(outside.refused(&["p"]).contains("`overlays/p/x` is no part of an overlay"));
}

#[test]
#[cfg(target_os = "linux")]
fn names_that_are_not_utf_8() {
    use std::os::unix::ffi::OsStrExt;
    let project = Project::new(&[("o/rootfs/etc/x", "")]);
    let name = std::ffi::OsStr::from_bytes(b"a\xff");
    fs_err::write(project.path("o/rootfs/etc").join(name), "").expect("writes a file");
    assert!(project.refused(&["o"]).contains("has a name that is not UTF-8"));
}

#[test]
fn nothing_is_written_through_a_link() {
    let project = Project::new(&[("b/rootfs/etc/dir/shadow", "x"), ("c/rootfs/etc/dir", "x")]);
    project.link("a/rootfs/etc/dir", "/etc");
    insta::assert_snapshot!(project.refused(&["a", "b"]), @"
    the overlays of host `node-a` are not valid (1 problem)

      overlays/a/rootfs/etc/dir and overlays/b/rootfs/etc/dir/shadow cannot both be there: one would be written through the other
    ");
    assert!(project.refused(&["b", "a"]).contains("cannot both be there"));
    assert!(project.refused(&["b", "c"]).contains("cannot both be there"));
}

#[test]
fn two_overlays_put_one_file() {
    let project = Project::new(&[
        ("a/rootfs/etc/x", "a"),
        ("b/rootfs/etc/x", "b"),
        ("c/rootfs/etc/y.j2", ""),
        ("c/rootfs/etc/y", ""),
    ]);
    insta::assert_snapshot!(project.refused(&["a", "b"]), @r#"
    the overlays of host `node-a` are not valid (1 problem)

      overlays/a/rootfs/etc/x and overlays/b/rootfs/etc/x both put `/etc/x`
      hint: keep one of them, or let overlays/b/overlay.toml say `[[replace]]` with `path = "/etc/x"`
    "#);
    assert!(project.refused(&["c"]).contains("both put `/etc/y`"));
    project.write("b/overlay.toml", "[[replace]]\npath = '/etc/x'\n");
    let rendered = project.render(&["a", "b"]).expect("is valid");
    assert_eq!((rendered.changes.len(), text(&rendered.changes[0]).as_str()), (1, "b"));

    let boot = Project::new(&[("a/boot/Config.txt", ""), ("b/boot/config.txt", "")]);
    assert!(
        boot.refused(&["a", "b"]).contains("both put `/boot/firmware/config.txt`"),
        "FAT has one of them"
    );
}

#[test]
fn what_one_removes_no_other_puts() {
    let project = Project::new(&[
        ("a/rootfs/etc/d/x", "a"),
        ("b/overlay.toml", "remove = ['/etc/d', '/boot/firmware/issue.txt']\n"),
    ]);
    insta::assert_snapshot!(project.refused(&["a", "b"]), @"
    the overlays of host `node-a` are not valid (1 problem)

      overlays/b/overlay.toml:1:11
       1 | remove = ['/etc/d', '/boot/firmware/issue.txt']
         |           ^^^^^^^^ is removed here, but overlays/a/rootfs/etc/d/x puts it there
    ");
    let rendered = project.render(&["b"]).expect("is valid");
    let removed: Vec<_> = rendered.changes.iter().map(|c| (c.partition, c.path.as_str())).collect();
    assert_eq!(removed, [(Partition::Root, "/etc/d"), (Partition::Boot, "/issue.txt")]);
}

#[test]
fn conditions_choose_overlays_and_files() {
    let project = Project::new(&[
        ("a/overlay.toml", "when = \"pve.source == 'proxmox'\"\n"),
        ("a/rootfs/etc/a", ""),
        ("b/overlay.toml", "[[file]]\npath = '/etc/b*'\nwhen = 'zfs.disks | length > 1'\n"),
        ("b/rootfs/etc/b1", ""),
        ("b/rootfs/etc/c", ""),
    ]);
    let rendered = project.render(&["a", "b"]).expect("is valid");
    assert_eq!(rendered.changes.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), ["/etc/c"]);
}

/// A file that two rules speak of is there where both conditions hold.
#[test]
fn one_condition_narrows_another() {
    let overlay = |narrow: &str| {
        format!("[[file]]\npath = '/etc/**'\nwhen = 'false'\n[[file]]\npath = '/etc/c'\nwhen = '{narrow}'\n")
    };
    for narrow in ["true", "false"] {
        let files =
            [("o/overlay.toml", &overlay(narrow)[..]), ("o/rootfs/etc/c", ""), ("o/rootfs/usr/c", "")];
        let rendered = Project::new(&files).render(&["o"]).expect("is valid");
        assert_eq!(
            rendered.changes.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(),
            ["/usr/c"]
        );
    }
}

#[test]
fn the_readme_shows_a_valid_overlay() {
    let text = fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("overlays/README.md"));
    let text = text.expect("is there");
    let block = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let project = Project::new(&[
        ("o/overlay.toml", block.expect("has an example")),
        ("o/rootfs/etc/x/a.key", ""),
        ("o/rootfs/etc/x/y.conf", ""),
        ("o/steps/pool", "#!/bin/bash\nstep_run pool apply verify\n"),
    ]);
    let rendered = project.render(&["o"]).expect("is valid");
    assert_eq!(rendered.steps.len(), 2, "with `packages`");
    assert_eq!((rendered.apt.sources.len(), rendered.apt.pins.len(), rendered.units.enable.len()), (1, 1, 1));
    assert_eq!(
        (rendered.packages.install.len(), rendered.preseeds.len(), rendered.downloads.len()),
        (3, 1, 2)
    );
}

/// Settings that are refused, each with words of the reason.
#[test]
fn settings() {
    for (manifest, reason) in [
        ("whn = 'true'", "did you mean `when`?"),
        ("when = 'pve.soruce == \"pxvirt\"'", "`pve.soruce` does not exist"),
        ("when = 'hostname'", "neither true nor false"),
        ("when = 'a =='", "syntax error"),
        ("[variables.x]\ntype = 'strng'", "did you mean `string`?"),
        ("[variables.x]\ndefault = 1", "needs a `type`"),
        ("[variables.x]\ntype = 'bool'\ndefault = 'yes'", "is not `true` or `false`"),
        ("[variables.x]\ntype = 'string'\ndescription = 'the x'", "hint: the x"),
        ("[variables.a-b]\ntype = 'bool'\ndefault = true", "a name that a template can use"),
        ("[[own]]\npath = '/etc/x'", "sets nothing"),
        ("[[own]]\npath = '/etc/x'\nuser = 'admin'", "is no user that every Debian system has"),
        ("[[own]]\npath = '/etc/x'\nuser = 'root'\nuid = 0", "a second time"),
        ("[[own]]\npath = '/etc/x'\nuid = -1", "is no user id"),
        ("[[own]]\npath = '/etc/x'\nmode = 640", "got a number"),
        ("[[own]]\npath = '/etc/x'\nmode = '0888'", "is not a mode"),
        ("[[own]]\npath = '/etc/y'\nmode = '0640'", "matches no entry"),
        ("[[own]]\npath = 'etc/x'\nmode = '0640'", "is not absolute"),
        ("[[own]]\npath = '/etc/../x'\nmode = '0640'", "leaves the tree"),
        ("[[own]]\npath = '/etc/**x'\nmode = '0640'", "stands alone"),
        ("[[own]]\nmode = '0640'", "needs `path`"),
        ("[own]\nmode = '0640'", "tables written as"),
        ("[[file]]\npath = '/etc/x'", "needs `when`"),
        ("[[file]]\npath = '/etc/y'\nwhen = 'true'", "matches no entry"),
        ("remove = ['/']", "the whole root file system"),
        ("remove = ['/boot/firmware']", "the whole boot partition"),
        ("remove = ['/etc/x']", "is removed here"),
        ("remove = ['/a/../b']", "leaves the tree"),
        ("[units]\nenable = ['ssh']", "not the full name of a unit"),
        (
            "[units]\nenable = ['a.service']\nmask = ['a.service']",
            "masks `a.service`, but overlays/o/overlay.toml enables it",
        ),
        ("[[apt.source]]\nname = 'x'", "needs `suites`"),
        (
            "[[apt.source]]\nname = 'x'\nuris = 'https://x.org'\nsuites = 'a'\ncomponents = 'b'",
            "needs `keyring`",
        ),
        ("[[apt.source]]\nname = 'x'\nuris = 'ftp://x'\nsuites = 'a'\ncomponents = 'b'", "`uris` are"),
        ("[[apt.source]]\nname = '../x'\nuris = 'base'\nsuites = 'a'\ncomponents = 'b'", "is not a name"),
        (
            "[[apt.source]]\nname = 'x'\nuris = 'base'\nsuites = \"a\\nTrusted: yes\"\ncomponents = 'b'",
            "is not one word",
        ),
        (
            "[[apt.source]]\nname = 'x'\nuris = 'base'\nsuites = 'a'\ncomponents = 'b'\nkeyring = { path = '/etc/x.gpg' }",
            "`path` of a keyring",
        ),
        (
            "[[apt.source]]\nname = 'x'\nuris = 'base'\nsuites = 'a'\ncomponents = 'b'\nkeyring = { path = '/usr/share/keyrings/x.gpg', file = '../../x' }",
            "below the overlay's directory",
        ),
        (
            "[[apt.source]]\nname = 'x'\nuris = 'base'\nsuites = 'a'\ncomponents = 'b'\nkeyring = { path = '/usr/share/keyrings/x.gpg', fingerprint = 'AB' }",
            "whole fingerprint",
        ),
        ("[[apt.pin]]\nname = 'x'\npackages = '*'\npin = 'a'\npriority = 1", "starts with `release`"),
        (
            "[[apt.pin]]\nname = 'x'\npackages = '*'\npin = 'release a=b'\npriority = 40000",
            "from -32768 to 32767",
        ),
        (
            "[[apt.pin]]\nname = 'x'\npackages = '*'\npin = \"release a\\nb\"\npriority = 1",
            "more than one line",
        ),
        ("[[stp]]\nname = 'x'", "unknown key"),
    ] {
        let report = refused(manifest);
        assert!(report.contains(reason), "{manifest}: {report}");
        assert!(report.contains("overlays/o/overlay.toml:"), "{manifest}: {report}");
    }
}

#[test]
fn variables_of_the_profile() {
    let project = Project::new(&[("o/overlay.toml", "[variables.room]\ntype = 'size'\n")]);
    let host = project.host(&["o"], "[vars.o]\nroom = true\nrom = 1\n");
    let report = render(&project.path(""), &host).expect_err("is refused").report().to_string();
    insta::assert_snapshot!(report, @"
    the overlays of host `node-a` are not valid (2 problems)

      profile `a` sets `vars.o.rom`, which overlay `o` does not have
      hint: did you mean `room`?

      overlays/o/overlay.toml:1:12
       1 | [variables.room]
         |            ^^^^ profile `a` sets `vars.o.room` to what is not a size such as `16GiB`
    ");
}

/// The first bytes of a binary OpenPGP certificate.
const KEY: &[u8] = b"\x99\x01\x0d\x04";

fn source(keyring: &str) -> Project {
    let manifest = format!(
        "[[apt.source]]\nname = 'x'\nuris = 'https://x.org/debian'\nsuites = 'trixie'\ncomponents = ['main', 'extra']\n\
         [apt.source.keyring]\npath = '/usr/share/keyrings/x.gpg'\nfile = 'keys/x.gpg'\n{keyring}\n"
    );
    Project::new(&[("o/overlay.toml", &manifest)])
}

#[test]
fn a_source_without_its_key_is_off() {
    let project = source("url = 'https://x.org/key'");
    let rendered = project.render(&["o"]).expect("is valid");
    insta::assert_snapshot!(text(find(&rendered, "/etc/apt/sources.list.d/pimg-x.sources")), @"
    # Written by pimg from overlays/o/overlay.toml.
    # Switched off: its key `overlays/o/keys/x.gpg` is not there yet.
    Enabled: no
    Types: deb
    URIs: https://x.org/debian
    Suites: trixie
    Components: main extra
    Architectures: arm64
    Signed-By: /usr/share/keyrings/x.gpg
    ");
    insta::assert_snapshot!(rendered.notices.join("\n"), @"
    apt source `x` is switched off until its key is at `overlays/o/keys/x.gpg`, from https://x.org/key
    ");
}

#[test]
fn a_source_with_its_key_is_on() {
    let project = source("");
    project.write("o/keys/x.gpg", KEY);
    let rendered = project.render(&["o"]).expect("is valid");
    insta::assert_snapshot!(text(find(&rendered, "/etc/apt/sources.list.d/pimg-x.sources")), @"
    # Written by pimg from overlays/o/overlay.toml.
    Types: deb
    URIs: https://x.org/debian
    Suites: trixie
    Components: main extra
    Architectures: arm64
    Signed-By: /usr/share/keyrings/x.gpg
    ");
    insta::assert_snapshot!(rendered.notices.join("\n"), @r#"
    the key `overlays/o/keys/x.gpg` is not pinned: add `sha256 = "5b70eb527195e8f0e4ea49af79a6ba7ec861c428117027820ae6d49f4b228c6a"` to its `keyring`
    "#);
    assert_eq!(ownership(find(&rendered, "/usr/share/keyrings/x.gpg")), Ownership::root(0o644));
}

#[test]
fn keys_that_are_not_what_was_pinned() {
    let project = source(&format!("sha256 = '{}'", "0".repeat(64)));
    project.write("o/keys/x.gpg", KEY);
    insta::assert_snapshot!(project.refused(&["o"]), @"
    the overlays of host `node-a` are not valid (1 problem)

      overlays/o/overlay.toml:9:10
       9 | sha256 = '0000000000000000000000000000000000000000000000000000000000000000'
         |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ does not match `overlays/o/keys/x.gpg`, which has 5b70eb527195e8f0e4ea49af79a6ba7ec861c428117027820ae6d49f4b228c6a
    ");
    for (bytes, reason) in [
        (&b"-----BEGIN PGP PUBLIC KEY BLOCK-----"[..], "is armored"),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----", "PRIVATE"),
        (b"<html>", "is not an OpenPGP keyring"),
        (b"", "is not an OpenPGP keyring"),
    ] {
        project.write("o/keys/x.gpg", bytes);
        assert!(project.refused(&["o"]).contains(reason), "{reason}");
    }
    fs_err::remove_file(project.path("o/keys/x.gpg")).expect("is there");
    project.link("o/keys/x.gpg", "/etc/hostname");
    assert!(project.refused(&["o"]).contains("a symbolic link leads there"));
}

#[test]
fn the_overlays_of_this_project() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let profiles = Profiles::open(root).expect("is a project");
    let hosts =
        profiles.load(&["k8sctl-pi5l"]).map_err(|error| error.report().to_string()).expect("is valid");
    let rendered =
        render(&root.join("overlays"), &hosts[0]).map_err(|e| e.report().to_string()).expect("is valid");
    insta::assert_snapshot!(text(find(&rendered, "/etc/modprobe.d/zfs.conf")), @"
    # The most memory that the ARC takes, in bytes: `zfs.arc_max` of the profile.
    options zfs zfs_arc_max=1073741824
    ");
    insta::assert_snapshot!(text(find(&rendered, "/etc/apt/preferences.d/90_zfs")), @"
    Explanation: written by pimg from overlays/zfs/overlay.toml
    Explanation: module and tools of ZFS come from one place, and follow the kernel
    Package: src:zfs-linux
    Pin: release n=trixie-backports
    Pin-Priority: 990
    ");
    let backports = &rendered
        .base_source_changes(&["http://mirror.test/debian".into()], Some("/usr/share/keyrings/d.pgp"))[0];
    assert_eq!(backports.path.as_str(), "/etc/apt/sources.list.d/pimg-backports.sources");
    insta::assert_snapshot!(text(backports), @"
    # Written by pimg from overlays/zfs/overlay.toml.
    Types: deb
    URIs: http://mirror.test/debian
    Suites: trixie-backports
    Components: main contrib non-free-firmware
    Architectures: arm64
    Signed-By: /usr/share/keyrings/d.pgp
    ");
    assert!(
        render_source(&rendered.apt.sources[1], &[], None).contains("Enabled: no"),
        "no mirror, no source"
    );
    assert!(rendered.apt.sources.iter().all(|source| source.name != "pve"), "pve.source is pxvirt");
    assert!(rendered.notices.iter().any(|notice| notice.contains("apt source `pxvirt` is switched off")));

    let mut other = hosts[0].clone();
    other.pve.source = crate::profile::host::PveSource::Proxmox;
    let rendered =
        render(&root.join("overlays"), &other).map_err(|e| e.report().to_string()).expect("is valid");
    assert!(rendered.apt.sources.iter().any(|source| source.name == "pve"));
    assert!(rendered.apt.sources.iter().all(|source| source.name != "pxvirt"));

    // overlays that no profile lists are kept working, too
    let mut all = hosts[0].clone();
    all.overlays = fs_err::read_dir(root.join("overlays"))
        .expect("is there")
        .map(|entry| entry.expect("can be read"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("is UTF-8"))
        .collect();
    all.overlays.sort();
    render(&root.join("overlays"), &all).map_err(|e| e.report().to_string()).expect("is valid");
}
