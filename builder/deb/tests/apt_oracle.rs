//! Real apt, in simulate mode over the same status, indexes and pins, must choose the same versions.
//!
//! The status is that of the base image, the indexes are those of its own sources on the day of the test
//! (`scripts/apt-root`), kept a day. Without apt, the image or the network the test is skipped, in CI it fails.
#![expect(clippy::disallowed_methods, reason = "the judge is a program, and CI makes it obligatory")]

#[path = "support/apt_root.rs"]
mod apt_root;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use apt_root::{AptRoot, Files};
use pimg_deb::preferences;
use pimg_deb::solve::{Request, solve};

/// One question to both.
#[derive(Clone, Copy, Default)]
struct Set {
    /// What to install; with `-` behind the name what to remove.
    packages: &'static str,
    pins: &'static str,
    hold: &'static str,
    upgrade: bool,
    recommends: bool,
}

const fn set(packages: &'static str) -> Set {
    Set { packages, pins: "", hold: "", upgrade: false, recommends: false }
}

impl Set {
    const fn pins(self, pins: &'static str) -> Self {
        Self { pins, ..self }
    }

    const fn hold(self, hold: &'static str) -> Self {
        Self { hold, ..self }
    }

    const fn upgrade(self) -> Self {
        Self { upgrade: true, ..self }
    }

    const fn recommends(self) -> Self {
        Self { recommends: true, ..self }
    }
}

const ZFS: &str = "Package: src:zfs-linux\nPin: release n=trixie-backports\nPin-Priority: 990\n";
const BACKPORTS: &str = "Package: *\nPin: release n=trixie-backports\nPin-Priority: 600\n";
const NO_NGINX: &str = "Package: nginx\nPin: release *\nPin-Priority: -1\n";
const NO_PERL_LIBRARY: &str = "Package: libperl5.40\nPin: release *\nPin-Priority: -1\n";
const NO_SECURITY: &str = "Package: *\nPin: release l=Debian-Security\nPin-Priority: 400\n";

const SETS: &[Set] = &[
    // what nodes get
    set("zfs-dkms zfsutils-linux").pins(ZFS),
    set("zfs-dkms zfsutils-linux"),
    set("zfs-dkms/trixie-backports zfsutils-linux/trixie-backports"),
    set("zsh byobu git lsd fzf"),
    set("ifupdown2"),
    set("postfix"),
    set("qemu-system-arm"),
    set("ifupdown2 postfix qemu-system-arm lxc open-iscsi chrony"),
    set("linux-image-arm64 linux-headers-arm64"),
    set("linux-image-arm64/trixie-backports"),
    set("dkms"),
    set("build-essential"),
    set("python3-pexpect"),
    // alternatives and virtual packages
    set("default-mta"),
    set("mail-transport-agent"),
    set("exim4"),
    set("nginx"),
    set("apache2"),
    set("apache2 nginx lighttpd"),
    set("mariadb-server"),
    set("php"),
    set("default-jre-headless"),
    set("bsd-mailx"),
    set("mutt"),
    set("certbot"),
    set("logwatch"),
    set("libreoffice-writer"),
    set("gnome-core"),
    set("kde-plasma-desktop"),
    set("task-xfce-desktop"),
    set("docker.io"),
    set("podman"),
    set("ansible"),
    set("prometheus"),
    set("samba"),
    set("slapd"),
    set("texlive-latex-base"),
    // what recommends something
    set("git").recommends(),
    set("zsh byobu git lsd fzf").recommends(),
    set("postfix").recommends(),
    set("qemu-system-arm").recommends(),
    // what goes
    set("chrony"),
    set("ntpsec"),
    set("dracut"),
    set("network-manager-"),
    set("systemd-timesyncd-"),
    set("wpasupplicant-"),
    set("python3-yaml-"),
    set("postfix wpasupplicant-"),
    // versions, pins and holds
    set("nginx").pins(BACKPORTS),
    set("git").pins(BACKPORTS),
    set("qemu-system-arm").pins(BACKPORTS),
    set("nginx openssh-server").pins(NO_SECURITY),
    set("").upgrade(),
    set("").upgrade().pins(BACKPORTS),
    set("").upgrade().pins(BACKPORTS).hold("systemd udev"),
    set("libsystemd-dev").hold("libsystemd0"),
    // no solution
    set("postfix exim4"),
    set("systemd-sysv sysvinit-core"),
    set("no-such-package"),
    set("nginx").pins(NO_NGINX),
    set("git").pins(NO_PERL_LIBRARY),
    set("libsystemd-dev/trixie-backports").hold("libsystemd0"),
    set("nginx=0.1"),
];

const SETS_WITH_ARMHF: &[Set] = &[
    set("libc6:armhf"),
    set("zsh:armhf"),
    set("nginx"),
    set("zfs-dkms zfsutils-linux").pins(ZFS),
    set("python3-pexpect"),
    set("build-essential"),
    set("libssl-dev:armhf"),
    set("gcc-arm-linux-gnueabihf libc6-dev:armhf"),
];

// two halves side by side: apt takes seconds for each
#[test]
fn the_solver_chooses_what_apt_chooses() {
    agree("arm64", "first", &[], &SETS[..SETS.len() / 2]);
}

#[test]
fn the_solver_chooses_what_apt_chooses_in_the_other_half() {
    agree("arm64", "second", &[], &SETS[SETS.len() / 2..]);
}

#[test]
fn a_foreign_architecture_changes_nothing_about_that() {
    agree("armhf", "foreign", &["armhf"], SETS_WITH_ARMHF);
}

fn agree(name: &str, half: &str, foreign: &[&str], sets: &[Set]) {
    let Some(root) = root(name, foreign) else { return };
    let mut differences = String::new();
    for set in sets {
        let case = Case::new(&root, half, set);
        let (apt, ours) = (case.apt(), case.ours());
        if apt != ours {
            let _ = writeln!(differences, "{}: {}", case.title(), difference(&apt, &ours));
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}

/// Changes by action, name, version and architecture; `None` without a solution.
type Changes = Option<BTreeSet<String>>;

fn difference(apt: &Changes, ours: &Changes) -> String {
    match (apt, ours) {
        (Some(apt), Some(ours)) => {
            let list = |a: &BTreeSet<String>, b| a.difference(b).cloned().collect::<Vec<_>>().join(", ");
            format!("only apt [{}], only the solver [{}]", list(apt, ours), list(ours, apt))
        }
        (None, Some(_)) => "apt has no solution".to_owned(),
        (Some(_), None) => "the solver has no solution".to_owned(),
        (None, None) => String::new(),
    }
}

/// A set with its own pins and status beside the root's.
struct Case<'a> {
    root: &'a AptRoot,
    set: &'a Set,
    preferences: PathBuf,
    status: PathBuf,
}

impl<'a> Case<'a> {
    fn new(root: &'a AptRoot, name: &str, set: &'a Set) -> Self {
        let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let preferences = scratch.join(format!("{name}.preferences"));
        std::fs::write(&preferences, set.pins).expect("written");
        let status = scratch.join(format!("{name}.status"));
        let mut text = std::fs::read_to_string(root.join("var/lib/dpkg/status")).expect("the status");
        for held in set.hold.split_ascii_whitespace() {
            let before = format!("Package: {held}\nStatus: install ok installed\n");
            assert!(text.contains(&before), "{held} is installed");
            text = text.replace(&before, &format!("Package: {held}\nStatus: hold ok installed\n"));
        }
        std::fs::write(&status, text).expect("written");
        Self { root, set, preferences, status }
    }

    fn title(&self) -> String {
        let Set { packages, pins, hold, upgrade, recommends } = self.set;
        format!("`{packages}` pins {pins:?} hold `{hold}` upgrade {upgrade} recommends {recommends}")
    }

    fn options(&self) -> Vec<String> {
        let option = |key: &str, path: &PathBuf| ["-o".to_owned(), format!("{key}={}", path.display())];
        let preferences = option("Dir::Etc::preferences", &self.preferences);
        preferences.into_iter().chain(option("Dir::State::status", &self.status)).collect()
    }

    fn apt(&self) -> Changes {
        let mut arguments = self.options();
        arguments.extend(["-s", if self.set.upgrade { "upgrade" } else { "install" }].map(str::to_owned));
        arguments.extend(self.set.upgrade.then(|| "--with-new-pkgs".to_owned()));
        arguments.extend(self.set.recommends.then(|| "--install-recommends".to_owned()));
        arguments.extend(self.set.packages.split_ascii_whitespace().map(str::to_owned));
        let output = self.root.run("apt-get", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let text = String::from_utf8(output.stdout).expect("apt prints text");
        output.status.success().then(|| text.lines().filter_map(change_of_apt).collect())
    }

    fn ours(&self) -> Changes {
        let files: Files = self.root.files(&self.options());
        let universe = files.universe();
        let words = || self.set.packages.split_ascii_whitespace();
        let owned = |word: &str| word.to_owned();
        let request = Request {
            install: words().filter(|word| !word.ends_with('-')).map(owned).collect(),
            remove: words().filter_map(|word| word.strip_suffix('-')).map(owned).collect(),
            upgrade: self.set.upgrade,
            recommends: self.set.recommends,
            pins: preferences::parse(self.set.pins.as_bytes()).expect("pins"),
            ..Request::default()
        };
        let solution = solve(&universe, &request).ok()?;
        let chosen = solution.packages.iter().map(|chosen| {
            let entry = chosen.entry;
            format!("install {} {} {}", entry.package, entry.version, entry.architecture)
        });
        let removed = solution.removed.iter();
        Some(chosen.chain(removed.map(|one| format!("remove {} {}", one.name, one.version))).collect())
    }
}

/// `Inst name[:arch] [old] (new archive [arch]) …` and `Remv name[:arch] [old] …`
fn change_of_apt(line: &str) -> Option<String> {
    let (action, rest) = line.split_once(' ')?;
    let (name, rest) = rest.split_once(' ')?;
    let name = name.split(':').next()?;
    match action {
        "Inst" => {
            let (_, inside) = rest.split_once('(')?;
            let (inside, _) = inside.split_once(')')?;
            let (version, _) = inside.split_once(' ')?;
            let (_, architecture) = inside.rsplit_once('[')?;
            Some(format!("install {name} {version} {}", architecture.trim_end_matches(']')))
        }
        "Remv" => {
            let (_, version) = rest.split_once('[')?;
            Some(format!("remove {name} {}", version.split(']').next()?))
        }
        _ => None,
    }
}

/// Held while a root is made: tests share it.
static MAKING: Mutex<()> = Mutex::new(());

/// Today's root, made if it is not there yet.
fn root(name: &str, foreign: &[&str]) -> Option<AptRoot> {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() { Some(text) } else { skip(&String::from_utf8_lossy(&output.stderr)) }
    };
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let path = cache.join("pimg-test").join(format!("apt-{name}-{}", run("date", &["+%F"])?));
    let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if !path.join("complete").exists() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/apt-root");
        let text = path.to_str()?;
        run(script, &[&[text], foreign].concat())?;
        std::fs::write(path.join("complete"), "").expect("written");
    }
    Some(AptRoot::new(&path))
}

#[expect(clippy::print_stderr, reason = "a person should know what was not looked at")]
fn skip<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none(), "no oracle, and CI is set: {why}");
    eprintln!("skipped: {why}");
    None
}
