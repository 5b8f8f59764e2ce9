//! Servers that other people wrote, each on a loopback port of its own; they go with the value.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{have, repository, skip};
use crate::token::Issuer;

/// Who may use the registry that asks.
pub(crate) const USER: &str = "operator";
/// And the password.
pub(crate) const PASSWORD: &str = "correct-horse";
/// `htpasswd -nbB -C 4 operator correct-horse`
const HTPASSWD: &str = "operator:$2b$04$F5YmVg5IcFJcfRqjeqqIi.Sm20FYxi1ZVUOES/XkAfKZ6hqtDfSR2\n";

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    pub(crate) directory: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a program and waits until it listens.
    fn start(directory: TempDir, command: impl Fn(u16, &Path) -> Command) -> Self {
        for _ in 0..5 {
            let port = free_port();
            let log = fs::File::create(directory.path().join("log")).expect("a log");
            let mut command = command(port, directory.path());
            let mut child =
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("a server");
            let deadline = Instant::now() + Duration::from_secs(120);
            loop {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { child, port, directory };
                }
                // somebody else took the port
                if child.try_wait().expect("a child").is_some() {
                    break;
                }
                assert!(Instant::now() < deadline, "the server does not listen");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        let log = fs::read_to_string(directory.path().join("log")).unwrap_or_default();
        panic!("the server does not start:\n{log}");
    }

    /// Host and port.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Debian's `docker-registry`, open to all or to [`USER`] alone.
    pub(crate) fn registry(asks: bool) -> Option<Self> {
        Self::registry_of(|directory| {
            if !asks {
                return String::new();
            }
            let file = directory.join("htpasswd");
            fs::write(&file, HTPASSWD).expect("a file");
            format!("auth:\n  htpasswd:\n    realm: tests\n    path: {}\n", file.display())
        })
    }

    /// The same, which sends whoever comes to somebody who hands out tokens.
    pub(crate) fn registry_with_tokens() -> Option<Self> {
        if !have("openssl") {
            return None;
        }
        Self::registry_of(|directory| Issuer::new(directory).config())
    }

    fn registry_of(auth: impl FnOnce(&Path) -> String) -> Option<Self> {
        if !have("docker-registry") {
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let auth = auth(directory.path());
        Some(Self::start(directory, |port, directory| {
            let data = directory.display();
            let config = format!(
                "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {data}/data\n\
                 http:\n  addr: 127.0.0.1:{port}\n{auth}"
            );
            let file = directory.join("config.yml");
            fs::write(&file, config).expect("a file");
            let mut command = Command::new("docker-registry");
            command.arg("serve").arg(file);
            command
        }))
    }

    /// Where the registry keeps a blob.
    pub(crate) fn blob(&self, sha256: &str) -> PathBuf {
        let blobs = "data/docker/registry/v2/blobs/sha256";
        self.directory.path().join(blobs).join(&sha256[..2]).join(sha256).join("data")
    }

    /// `moto`, a stand-in for Amazon's S3, with the bucket `layers`.
    pub(crate) fn bucket() -> Option<Self> {
        let program = judge("moto_server")?;
        let server = Self::start(tempfile::tempdir().expect("a directory"), |port, _| {
            let mut command = Command::new(&program);
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            command
        });
        crate::support::run("curl", &["-fsS", "-X", "PUT", &format!("http://{}/layers", server.host())]);
        Some(server)
    }

    /// `WsgiDAV` over a directory: a web server that takes files, and sends parts of them.
    pub(crate) fn webdav() -> Option<Self> {
        let program = judge("wsgidav")?;
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("www")).expect("a directory");
        Some(Self::start(directory, |port, directory| {
            let mut command = Command::new(&program);
            command.args([
                "--host",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--auth",
                "anonymous",
                "--root",
            ]);
            command.arg(directory.join("www"));
            command
        }))
    }

    /// Python's `http.server` over a directory that can be filled.
    pub(crate) fn web() -> Option<Self> {
        if !have("python3") {
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("www")).expect("a directory");
        Some(Self::start(directory, |port, directory| {
            let mut command = Command::new("python3");
            command.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]);
            command.current_dir(directory.join("www"));
            command
        }))
    }
}

/// A program of the environment that `scripts/setup-python` makes.
fn judge(name: &str) -> Option<PathBuf> {
    let program = repository().join("target/judges/objects/bin").join(name);
    if !program.is_file() {
        skip(&format!("`{name}` is not installed: `scripts/setup judges` installs it"));
        return None;
    }
    Some(program)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    listener.local_addr().expect("bound").port()
}
