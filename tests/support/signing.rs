//! OpenPGP keys and signatures, made by `gpg` while the tests run.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A key, both halves of it, in memory.
pub(crate) struct Key {
    /// 40 hex digits, in capitals.
    pub(crate) fingerprint: String,
    /// The certificate, as a `.gpg` file holds it.
    pub(crate) public: Vec<u8>,
    secret: Vec<u8>,
    /// Options that turn gpg's clock back to where the key was good.
    when: Vec<&'static str>,
}

impl Key {
    /// A key for this name that does not expire.
    pub(crate) fn new(name: &str) -> Self {
        Self::made(name, "never", Vec::new())
    }

    /// A key that was made in 2020 and expired a day later.
    pub(crate) fn expired(name: &str) -> Self {
        Self::made(name, "1d", vec!["--faked-system-time", "20200101T000000"])
    }

    fn made(name: &str, expires: &str, when: Vec<&'static str>) -> Self {
        let home = Home::new();
        let user = format!("{name} <{name}@example.invalid>");
        home.gpg(&[&when[..], &["--quick-gen-key", &user, "ed25519", "sign", expires]].concat(), None);
        let colons = home.gpg(&["--list-keys", "--with-colons"], None);
        let colons = String::from_utf8(colons.stdout).expect("ASCII");
        let line = colons.lines().find(|line| line.starts_with("fpr:")).expect("a fingerprint");
        Self {
            fingerprint: line.trim_end_matches(':').rsplit(':').next().unwrap_or_default().to_owned(),
            public: home.gpg(&["--export"], None).stdout,
            secret: home.gpg(&["--export-secret-keys"], None).stdout,
            when,
        }
    }

    /// A text with this key's signature around it, as in `InRelease`.
    pub(crate) fn clearsign(&self, text: &str) -> Vec<u8> {
        self.sign(&["--clearsign"], text)
    }

    /// This key's signature of a text, as in `Release.gpg`.
    pub(crate) fn detached(&self, text: &str) -> Vec<u8> {
        self.sign(&["--armor", "--detach-sign"], text)
    }

    fn sign(&self, how: &[&str], text: &str) -> Vec<u8> {
        let home = Home::new();
        home.gpg(&["--import"], Some(&self.secret));
        home.gpg(&[&self.when[..], how].concat(), Some(text.as_bytes())).stdout
    }
}

/// A directory for one run of gpg; its agent goes with it. Not below the target directory: the path of a socket is
/// short.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().expect("a temporary directory"));
        let settings = "batch\nquiet\nno-auto-check-trustdb\npinentry-mode loopback\n";
        fs::write(home.0.path().join("gpg.conf"), settings).expect("gpg's settings");
        home
    }

    fn gpg(&self, arguments: &[&str], input: Option<&[u8]>) -> Output {
        let from = self.0.path().join("input");
        fs::write(&from, input.unwrap_or_default()).expect("gpg's input");
        let mut command = Command::new("gpg");
        command.env("GNUPGHOME", self.0.path()).args(["--passphrase", ""]).args(arguments);
        let output = command.stdin(fs::File::open(from).expect("gpg's input")).output().expect("running gpg");
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        kill_agent(self.0.path());
    }
}

fn kill_agent(home: &Path) {
    let mut command = Command::new("gpgconf");
    command.env("GNUPGHOME", home).args(["--kill", "all"]).stdin(Stdio::null()).stderr(Stdio::null());
    // no agent is as good as one that went
    drop(command.status());
}
