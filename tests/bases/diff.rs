//! `pimg diff` and `pimg inspect --packages` on images that differ in known ways.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use crate::support::{self, Project};
use crate::tiny_base::{Node, TinyBase};
use crate::{build, built_image, have_tools, project};

const STATUS: &str = "\
Package: hello
Status: install ok installed
Architecture: arm64
Installed-Size: 40
Version: 2.10-3

Package: libc6
Status: install ok installed
Architecture: armhf
Source: glibc (2.41)
Version: 2.41-12

Package: vim
Status: hold ok installed
Architecture: arm64
Version: 2:9.1-1

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: nano
Status: install ok installed
Architecture: arm64
Version: 8.4-1

Package: half
Status: install reinstreq half-installed
Architecture: arm64
Version: 3

Package: forgotten
Status: unknown ok not-installed
Architecture: arm64
";

const EMBEDDED: &str = "\
Package: zsh
Version: 5.9-8
Architecture: arm64
Filename: pool/zsh.deb

Package: hello
Version: 2.12-1
Architecture: arm64
Filename: pool/hello.deb
";

/// A base with some packages.
fn first() -> TinyBase {
    TinyBase::new()
        .with("var/lib/dpkg/status", STATUS)
        .with("etc/motd", "one\n")
        .with("etc/issue", "same length 1\n")
        .with("srv/old/file", "x")
        .with("srv/swap", "a file")
        .with_link("srv/link", "here")
}

/// The same base, changed in every way that is told apart.
fn second() -> TinyBase {
    let mut base = first()
        .with(
            "var/lib/dpkg/status",
            &STATUS.replace("Status: hold", "Status: install").replace("8.4-1", "8.5-1"),
        )
        .with("var/lib/pimg/repo/Packages", EMBEDDED)
        .with("var/lib/pimg/packages/remove", "libc6:armhf\nnano\n")
        .with("etc/motd", "three\n")
        .with("etc/issue", "same length 2\n")
        .with("etc/hostname", "node-a\n")
        .with("srv/new/file", "y")
        .with("srv/swap/file", "z")
        .with_link("srv/link", "there")
        .with_link(
            "etc/systemd/system/multi-user.target.wants/ssh.service",
            "/usr/lib/systemd/system/ssh.service",
        )
        .with_link("etc/systemd/system/sshd.service", "/usr/lib/systemd/system/ssh.service")
        .with_link("etc/systemd/system/fstrim.timer", "/dev/null")
        .without("etc/systemd/system/local-fs.target.wants")
        .without("srv/old");
    base.root.remove("srv/swap");
    base.root.insert("etc/key".into(), Node::File(b"hunter2".to_vec(), 0o600));
    base.root.insert("etc/shadow".into(), Node::File(b"root:hunter2\n".to_vec(), 0o640));
    base.root.insert(
        "etc/hosts".into(),
        Node::File(b"127.0.0.1 localhost\n127.0.1.1 raspberrypi\n".to_vec(), 0o600),
    );
    base.boot.insert("config.txt".into(), b"arm_64bit=1\n".to_vec());
    base.boot.insert("new.txt".into(), b"x".to_vec());
    base
}

/// Exit code, stdout and stderr, without who made the files.
fn run(project: &Project, arguments: &[&str]) -> String {
    let output =
        project.pimg(arguments).env("PIMG_CACHE", project.join("cache")).output().expect("running pimg");
    let owner = fs::metadata(project.path()).map(|found| format!("{}:{}", found.uid(), found.gid()));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let text = format!("{out}--- exit code {}\n{err}", output.status.code().expect("no signal"));
    // directories are made with the umask of whoever runs the tests
    let owner = owner.expect("an owner");
    let without_owner = |line: &str| {
        // who may log in is not who made the files
        let line = if line.contains("password") { line.to_owned() } else { line.replace(&owner, "ME") };
        line.replace("directory 0775", "directory 0755") + "\n"
    };
    text.lines().map(without_owner).collect()
}

/// How much is free depends on who made the file systems.
fn without_partitions(told: &str) -> String {
    let is_of_partitions = |part: &&str| part.starts_with("CHANGE   PARTITIONS");
    told.split("\n\n").filter(|part| !is_of_partitions(part)).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn two_images_and_everything_that_differs() {
    if !have_tools() {
        return;
    }
    let project = project();
    first().make(project.path(), "a.img");
    second().make(project.path(), "b.img");
    let told = run(&project, &["diff", "a.img", "b.img", "--progress", "none"]);
    insta::assert_snapshot!(without_partitions(&told), @r"
    a.img -> b.img: 11 facts, 3 units, 5 packages, 26 files differ

    CHANGE   IDENTITY  FROM         TO
    changed  hostname  raspberrypi  node-a

    CHANGE   BOOT                             FROM      TO
    removed  config.txt [all] dtparam         audio=on  -
    removed  config.txt [all] auto_initramfs  1         -
    removed  config.txt [cm5] dtoverlay       dwc2      -
    added    config.txt [all] arm_64bit       -         1

    CHANGE   USERS             FROM                                                           TO
    changed  root              0:0, /root, /bin/bash, password locked                         0:0, /root, /bin/bash, password set
    changed  systemd-timesync  991:991, /, /usr/sbin/nologin, password locked                 991:991, /, /usr/sbin/nologin, no password
    changed  pi                1000:1000, /home/pi, /bin/bash, password locked, also in sudo  1000:1000, /home/pi, /bin/bash, no password, also in sudo

    CHANGE   NETWORK   FROM         TO
    changed  hostname  raspberrypi  node-a

    CHANGE    UNIT                FROM                       TO
    masked    fstrim.timer        wanted by timers.target    masked, wanted by timers.target
    disabled  rpi-resize.service  wanted by local-fs.target  not enabled
    enabled   ssh.service         not enabled                also called sshd.service, wanted by multi-user.target

    CHANGE    PACKAGE      FROM            TO
    changed   hello:arm64  2.10-3          2.10-3, 2.12-1 (on first boot)
    changed   libc6:armhf  2.41-12         2.41-12 (until first boot)
    upgraded  nano:arm64   8.4-1           8.5-1 (until first boot)
    changed   vim:arm64    2:9.1-1 (held)  2:9.1-1
    added     zsh:arm64    -               5.9-8 (on first boot)

    CHANGE   PARTITION  FILE                                                          HOW
    changed  boot       /config.txt                                                   content, 63 -> 12 bytes
    added    boot       /new.txt                                                      file 1 B
    changed  root       /etc/hostname                                                 content, 12 -> 7 bytes
    changed  root       /etc/hosts                                                    mode 0644 -> 0600 (secret)
    changed  root       /etc/issue                                                    content
    added    root       /etc/key                                                      file 0600 ME (secret)
    changed  root       /etc/motd                                                     content, 4 -> 6 bytes
    changed  root       /etc/shadow                                                   content (secret)
    added    root       /etc/systemd/system/fstrim.timer                              link 0777 ME -> /dev/null
    removed  root       /etc/systemd/system/local-fs.target.wants                     directory 0755 ME
    removed  root       /etc/systemd/system/local-fs.target.wants/rpi-resize.service  link 0777 ME -> /usr/lib/systemd/system/rpi-resize.service
    added    root       /etc/systemd/system/multi-user.target.wants/ssh.service       link 0777 ME -> /usr/lib/systemd/system/ssh.service
    added    root       /etc/systemd/system/sshd.service                              link 0777 ME -> /usr/lib/systemd/system/ssh.service
    changed  root       /srv/link                                                     target here -> there
    added    root       /srv/new                                                      directory 0755 ME
    added    root       /srv/new/file                                                 file 0644 ME 1 B
    removed  root       /srv/old                                                      directory 0755 ME
    removed  root       /srv/old/file                                                 file 0644 ME 1 B
    changed  root       /srv/swap                                                     file -> directory
    added    root       /srv/swap/file                                                file 0644 ME 1 B
    changed  root       /var/lib/dpkg/status                                          content, 596 -> 599 bytes
    added    root       /var/lib/pimg                                                 directory 0755 ME
    added    root       /var/lib/pimg/packages                                        directory 0755 ME
    added    root       /var/lib/pimg/packages/remove                                 file 0644 ME 17 B
    added    root       /var/lib/pimg/repo                                            directory 0755 ME
    added    root       /var/lib/pimg/repo/Packages                                   file 0644 ME 148 B

    --- a/boot/firmware/config.txt
    +++ b/boot/firmware/config.txt
    @@ -1,7 +1 @@
    -dtparam=audio=on
    -auto_initramfs=1
    -
    -[cm5]
    -dtoverlay=dwc2
    -
    -[all]
    +arm_64bit=1

    --- /dev/null
    +++ b/boot/firmware/new.txt
    @@ -0,0 +1 @@
    +x
    \ No newline at end of file

    --- a/etc/hostname
    +++ b/etc/hostname
    @@ -1 +1 @@
    -raspberrypi
    +node-a

    --- a/etc/issue
    +++ b/etc/issue
    @@ -1 +1 @@
    -same length 1
    +same length 2

    --- a/etc/motd
    +++ b/etc/motd
    @@ -1 +1 @@
    -one
    +three

    … lines of 6 texts more: --full
    --- exit code 0
    ");
    let told = run(&project, &["diff", "a.img", "b.img", "--json", "--progress", "none"]);
    assert!(!told.contains("hunter2"), "{told}");
    let json: Value = serde_json::from_str(told.split("--- exit").next().expect("stdout")).expect("JSON");
    let files = json["result"]["files"].as_array().expect("files");
    let key = files.iter().find(|file| file["path"] == "/etc/key").expect("the key");
    assert_eq!((&key["secret"], &key["b"]["size"]), (&Value::Bool(true), &Value::Null));
    assert_eq!(json["result"]["packages"][0]["b"]["on_first_boot"], "2.12-1");
}

#[test]
fn the_same_image_twice() {
    if !have_tools() {
        return;
    }
    let project = project();
    first().make(project.path(), "a.img");
    let told = run(&project, &["diff", "a.img", "a.img", "--progress", "none"]);
    assert_eq!(told, "a.img -> a.img: the images hold the same\n--- exit code 0\n");
}

#[test]
fn an_image_and_its_base() {
    if !have_tools() {
        return;
    }
    let project = project();
    let base = TinyBase::new().make(project.path(), "base.img");
    let image = built_image(&project, &build(&project, &base));
    let told = run(&project, &["diff", "base.img", image.to_str().expect("UTF-8"), "--progress", "none"]);
    let lines: Vec<String> =
        told.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "changed hostname raspberrypi tiny",
        "changed root /etc/hostname content, 12 -> 5 bytes",
        "masked fstrim.timer wanted by timers.target masked",
        "--- exit code 0",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}: {told}");
    }
    let shadow = lines.iter().find(|line| line.starts_with("changed root /etc/shadow ")).expect("a password");
    assert!(shadow.ends_with("content (secret)"), "{shadow}");
}

#[test]
fn a_kept_release_and_the_image_of_a_profile() {
    if !have_tools() {
        return;
    }
    let project = project();
    TinyBase::new().make(project.path(), "base.img");
    let build = ["build", "--profile", "tiny", "--ssh-key", "test.pub"];
    let told = run(&project, &build);
    assert!(told.contains("--- exit code 0"), "{told}");
    support::run(
        "cp",
        &["-r", project.join("out").to_str().expect("UTF-8"), project.join("1.0").to_str().expect("UTF-8")],
    );
    let told = run(&project, &["diff", "1.0", "tiny", "-v", "--progress", "none"]);
    assert!(
        told.starts_with("1.0/tiny/tiny-1.img.zst -> out/tiny/tiny-1.img.zst: the images hold the same\n"),
        "{told}"
    );
    // both are compressed, and their frames tell that nothing has to be read
    assert!(told.contains("lie in the same, equal blocks and were not read"), "{told}");

    let profile = project.join("profiles/tiny.toml");
    let text = fs::read_to_string(&profile).expect("a profile").replace("10.0.0.2/24", "10.0.0.3/24");
    fs::write(profile, text).expect("a profile");
    let again = run(&project, &build);
    assert!(again.contains("--- exit code 0"), "{again}");
    let told = run(&project, &["diff", "1.0", "tiny", "--progress", "none"]);
    assert!(told.contains("changed  address   10.0.0.2  10.0.0.3"), "{told}");
    let narrow = run(&project, &["diff", "base", "tiny", "--path", "/etc/network", "--progress", "none"]);
    assert!(narrow.contains("/etc/network/interfaces ") && !narrow.contains("/etc/hostname"), "{narrow}");
    let told = run(&project, &["diff", "nobody", "tiny", "--progress", "none"]);
    assert!(told.contains("nobody"), "{told}");
}

#[test]
fn packages_as_they_stand() {
    if !have_tools() {
        return;
    }
    let project = project();
    second().make(project.path(), "b.img");
    insta::assert_snapshot!(run(&project, &["inspect", "b.img", "--packages"]), @r"
    NAME   VERSION  ARCHITECTURE  STATE
    gone   1        all           only configuration left
    half   3        arm64         broken: install reinstreq half-installed
    hello  2.10-3   arm64         installed
    hello  2.12-1   arm64         on first boot
    libc6  2.41-12  armhf         until first boot
    nano   8.5-1    arm64         until first boot
    vim    2:9.1-1  arm64         installed
    zsh    5.9-8    arm64         on first boot
    --- exit code 0
    8 packages: 1 broken, 2 installed, 2 on first boot, 1 only configuration left, 2 until first boot
    ");
    let told = run(&project, &["inspect", "b.img", "--packages", "--json"]);
    let json: Value = serde_json::from_str(told.split("--- exit").next().expect("stdout")).expect("JSON");
    let packages = json["result"]["packages"]["packages"].as_array().expect("packages");
    assert_eq!(packages.len(), 8);
    let libc = packages.iter().find(|package| package["name"] == "libc6").expect("libc6");
    assert_eq!((&libc["source"], &libc["state"]), (&"glibc".into(), &"until first boot".into()));
}

#[test]
fn a_damaged_list_of_packages() {
    if !have_tools() {
        return;
    }
    let project = project();
    first()
        .with("var/lib/dpkg/status", "Package: x\n nonsense\n\nVersion: 1\n")
        .make(project.path(), "a.img");
    insta::assert_snapshot!(run(&project, &["inspect", "a.img", "--packages"]), @r"
    --- exit code 7
    error: `/var/lib/dpkg/status` of the image is damaged
      caused by: line 1: the stanza has no field `Status`
    ");
}
