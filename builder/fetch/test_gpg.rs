//! GnuPG for tests: it makes keys and signatures as publishers do, and `gpgv` judges them.
#![expect(
    clippy::disallowed_methods,
    reason = "the judge is a program, and it judges by the clock of the machine"
)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::keyring::{Fingerprint, Keyring};

/// A home of GnuPG with keys in it, and its agent.
pub(crate) struct Gpg {
    home: TempDir,
}

/// Seconds since 1970, by the clock that `gpgv` uses too.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Whether all `tools` are there. A judge that is missing is a skip on a laptop and a failure in CI.
pub(crate) fn have(tools: &[&str]) -> bool {
    let missing = tools.iter().find(|tool| Command::new(tool).arg("--version").output().is_err());
    if let Some(tool) = missing {
        assert!(std::env::var_os("CI").is_none(), "`{tool}` is missing, and CI is set");
        eprintln!("skipped: `{tool}` is missing");
    }
    missing.is_none()
}

impl Gpg {
    /// `None` where GnuPG is missing.
    pub(crate) fn new() -> Option<Self> {
        let home = TempDir::new().expect("a directory");
        have(&["gpg", "gpgv", "gpgconf"]).then_some(Self { home })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs `gpg` as if it was `at`, and expects it to succeed.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, at: u64, arguments: impl IntoIterator<Item = S>) -> Vec<u8> {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.home.path());
        gpg.args(["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]);
        gpg.args(["--ignore-time-conflict", "--ignore-valid-from"]);
        // `!`: the time stands still
        gpg.arg(format!("--faked-system-time={at}!")).args(arguments);
        succeeded(&gpg.output().expect("gpg runs"))
    }

    /// Makes a key of `algorithm` at `at` that is valid for `days` (0: for ever), with further options before.
    pub(crate) fn key(
        &self,
        name: &str,
        algorithm: &str,
        at: u64,
        days: u32,
        options: &[&str],
    ) -> Fingerprint {
        let expiry = if days == 0 { "never".to_owned() } else { format!("{days}d") };
        self.run(
            at,
            options.iter().copied().chain(["--quick-generate-key", name, algorithm, "sign", &expiry]),
        );
        let listing = self.run(at, ["--with-colons", "--list-keys", &format!("={name}")]);
        let listing = String::from_utf8(listing).expect("text");
        let line = listing.lines().find(|line| line.starts_with("fpr:")).expect("a fingerprint");
        line.split(':').nth(9).expect("the tenth field").parse().expect("a fingerprint")
    }

    /// A key as publishers have it today, a day old.
    pub(crate) fn good_key(&self, name: &str) -> Fingerprint {
        self.key(name, "ed25519", now() - 86_400, 0, &[])
    }

    pub(crate) fn export(&self, keys: &[&Fingerprint]) -> Vec<u8> {
        let keys = keys.iter().map(ToString::to_string);
        self.run(now(), std::iter::once("--export".to_owned()).chain(keys))
    }

    pub(crate) fn keyring(&self, keys: &[&Fingerprint]) -> Keyring {
        Keyring::parse("test.gpg", &self.export(keys)).expect("a keyring")
    }

    /// `InRelease` of `text`, signed at `at` by `keys`.
    pub(crate) fn clearsign(&self, text: &[u8], keys: &[&Fingerprint], at: u64, options: &[&str]) -> Vec<u8> {
        self.sign("--clear-sign", text, keys, at, options)
    }

    /// `Release.gpg` of `text`, signed at `at` by `keys`.
    pub(crate) fn detach(&self, text: &[u8], keys: &[&Fingerprint], at: u64, options: &[&str]) -> Vec<u8> {
        self.sign("--detach-sign", text, keys, at, options)
    }

    fn sign(&self, how: &str, text: &[u8], keys: &[&Fingerprint], at: u64, options: &[&str]) -> Vec<u8> {
        let input = self.path("to-sign");
        std::fs::write(&input, text).expect("written");
        let mut arguments: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        keys.iter().for_each(|key| arguments.extend(["--local-user".to_owned(), format!("{key}!")]));
        arguments.extend(["--output", "-", how].map(str::to_owned));
        arguments.push(input.to_str().expect("a test's path").to_owned());
        self.run(at, arguments)
    }

    /// Whether `gpgv` accepts a clearsigned message, or with `data` a detached signature over that.
    pub(crate) fn accepts(&self, keys: &[&Fingerprint], signed: &[u8], data: Option<&[u8]>) -> bool {
        let keyring = self.write("judge.gpg", &self.export(keys));
        let mut gpgv = Command::new("gpgv");
        gpgv.arg("--homedir").arg(self.home.path()).arg("--keyring").arg(keyring);
        gpgv.arg("--status-fd=1").arg(self.write("judged.asc", signed));
        if let Some(data) = data {
            gpgv.arg(self.write("judged", data));
        }
        let output = gpgv.output().expect("gpgv runs");
        // as apt reads it: an expired key or signature has a status of its own and no error
        let status = String::from_utf8_lossy(&output.stdout).into_owned();
        let worthless = ["EXPKEYSIG", "EXPSIG", "REVKEYSIG", "KEYEXPIRED"];
        output.status.success()
            && status.contains("[GNUPG:] GOODSIG")
            && !worthless.iter().any(|word| status.contains(word))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let mut gpgconf = Command::new("gpgconf");
        // the agent goes away by itself too, once it sees that its home is gone
        let _ = gpgconf.arg("--homedir").arg(self.home.path()).args(["--kill", "all"]).output();
    }
}

/// Runs a publisher's tool in a directory, and expects it to succeed.
pub(crate) fn tool(directory: &Path, name: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(name).args(arguments).current_dir(directory).output();
    succeeded(&output.expect("the tool runs"))
}

fn succeeded(output: &Output) -> Vec<u8> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.clone()
}
