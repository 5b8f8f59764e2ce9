//! Files over https on the loopback address: OpenSSL's own small server, with a certificate made for it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::support;

/// A running server. It ends with the value.
pub(crate) struct SecureSite {
    dir: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl SecureSite {
    /// One without files.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let path = |name: &str| dir.path().join(name).display().to_string();
        let (key, certificate) = (path("key.pem"), path("certificate.pem"));
        let kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let files = ["-keyout", &key, "-out", &certificate, "-days", "2", "-subj", "/CN=test"];
        let names =
            ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
        support::run("openssl", &[&kind[..], &files, &names].concat());
        // a port that was free a moment ago
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a loopback port").port();
        let mut command = Command::new("openssl");
        command.args(["s_server", "-quiet", "-WWW", "-accept", &format!("127.0.0.1:{port}")]);
        command.args(["-cert", &certificate, "-key", &key]).current_dir(dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("running openssl");
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "openssl does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Self { dir, port, child }
    }

    /// Where a file is found.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("https://127.0.0.1:{}/{name}", self.port)
    }

    /// Puts a file there, or another one in its place.
    pub(crate) fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.dir.path().join(name), content).expect("a file");
    }

    /// The certificate to be trusted.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.path().join("certificate.pem")
    }
}

impl Drop for SecureSite {
    fn drop(&mut self) {
        // one that is gone already is as good
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
