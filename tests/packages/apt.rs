//! Real apt looks at the same archives: what these tests call sound it takes, what they call broken it refuses. So a
//! refusal by pimg is none of our own making.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::archive::{Repository, Signed, now};
use crate::signing::Key;
use crate::site::Site;
use crate::support;
use crate::world::{archive, archive_key, have_tools, other_key};

/// A root of apt's own, for arm64, with nothing installed but what every package needs.
struct Apt(tempfile::TempDir);

impl Apt {
    fn new(site: &Site, keyring: &Key) -> Self {
        let apt = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory"));
        for path in [
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
        ] {
            fs::create_dir_all(apt.path().join(path)).expect("a directory");
        }
        let root = apt.path().display();
        let settings = format!(
            "Dir \"{root}/\";\nDir::State::status \"{root}/status\";\nAPT::Architecture \"arm64\";\n\
             APT::Architectures {{ \"arm64\"; }};\nAPT::Sandbox::User \"\";\nDebug::NoLocking \"1\";\n\
             Acquire::Languages \"none\";\nAcquire::Retries \"0\";\nAPT::Update::Error-Mode \"any\";\n"
        );
        apt.write("apt.conf", settings.as_bytes());
        let status = "Package: libbase1\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1.0-1\n\
                      Maintainer: test <test@example.invalid>\nDescription: what everything needs\n";
        apt.write("status", status.as_bytes());
        apt.write("key.gpg", &keyring.public);
        let source = format!("deb [signed-by={root}/key.gpg] {} trixie main\n", site.url("debian"));
        apt.write("etc/apt/sources.list", source.as_bytes());
        apt
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path().join(name), content).expect("a file");
    }

    fn get(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", self.path().join("apt.conf")).env("LC_ALL", "C").env_remove("http_proxy");
        command.args(arguments).stdin(Stdio::null()).output().expect("running apt-get")
    }
}

/// Publishes, and says whether apt takes it; with what it said.
fn taken(repository: &Repository, signed: Signed<'_>, keyring: &Key, then: impl Fn(&Site)) -> (bool, String) {
    let site = Site::new();
    repository.publish(&site, signed);
    then(&site);
    let output = Apt::new(&site, keyring).get(&["update"]);
    let told =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success() && !told.contains("\nW: ") && !told.contains("\nE: "), told)
}

#[test]
fn apt_takes_a_sound_archive_and_resolves_the_same() {
    if !have_tools() || !support::have("apt-get") {
        return;
    }
    for signed in [Signed::Inline(archive_key()), Signed::Detached(archive_key())] {
        let (is_taken, told) = taken(&archive(), signed, archive_key(), |_| ());
        assert!(is_taken, "{told}");
    }
    let site = Site::new();
    archive().publish(&site, Signed::Inline(archive_key()));
    let apt = Apt::new(&site, archive_key());
    assert!(apt.get(&["update"]).status.success());
    let output = apt.get(&["-s", "--no-install-recommends", "install", "tool"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut chosen: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("Inst ")).collect();
    chosen.sort_unstable();
    let chosen: Vec<_> = chosen.iter().map(|line| line.split(" (").next().unwrap_or_default()).collect();
    assert_eq!(chosen, ["libtool1", "tool"], "{told}");
}

#[test]
fn apt_refuses_what_these_tests_break() {
    if !have_tools() || !support::have("apt-get") {
        return;
    }
    let (good, whole) = (Signed::Inline(archive_key()), |_: &Site| ());
    let expired = Key::expired("expired");
    let mut stale = archive();
    stale.valid_until = Some(now() - 86_400);
    let flip = |site: &Site| {
        site.change("binary-arm64/", |index| {
            let middle = index.len() / 2;
            index[middle] ^= 1;
        });
    };
    let ours = archive_key();
    let broken = [
        ("another key", "NO_PUBKEY|Missing key", taken(&archive(), Signed::Inline(other_key()), ours, whole)),
        (
            "another key, detached",
            "NO_PUBKEY|Missing key",
            taken(&archive(), Signed::Detached(other_key()), ours, whole),
        ),
        ("an expired key", "EXPKEYSIG|xpired", taken(&archive(), Signed::Inline(&expired), &expired, whole)),
        ("no signature", "not signed", taken(&archive(), Signed::Not, ours, whole)),
        ("past its end", "is expired", taken(&stale, good, ours, whole)),
        ("of the future", "not valid yet", taken(&archive().dated(now() + 30 * 86_400), good, ours, whole)),
        ("a flipped bit in the index", "Hash Sum mismatch", taken(&archive(), good, ours, flip)),
    ];
    for (what, words, (is_taken, told)) in broken {
        assert!(!is_taken && words.split('|').any(|words| told.contains(words)), "{what}: {told}");
    }
}
