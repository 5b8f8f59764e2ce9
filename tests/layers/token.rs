//! Who hands out tokens for a registry, as those of GitHub and Docker Hub have it
//! (<https://distribution.github.io/distribution/spec/auth/token/>). OpenSSL signs them, and the registry checks that.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::json;

use crate::server::{PASSWORD, USER};
use crate::support::run;

/// How registry and issuer call each other.
const NAME: &str = "tests";

/// An issuer of tokens on a loopback port, until the test ends.
pub(crate) struct Issuer {
    port: u16,
    directory: PathBuf,
}

impl Issuer {
    /// Makes a key in `directory`, and listens.
    pub(crate) fn new(directory: &Path) -> Self {
        let file = |name: &str| directory.join(name).to_str().expect("UTF-8").to_owned();
        let made = ["-keyout", &file("key.pem"), "-out", &file("cert.pem")];
        let kind = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tests", "-days", "2"];
        run("openssl", &[&kind[..], &made].concat());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let issuer =
            Self { port: listener.local_addr().expect("bound").port(), directory: directory.to_path_buf() };
        let signer = directory.to_path_buf();
        std::thread::spawn(move || {
            for (number, client) in listener.incoming().flatten().enumerate() {
                answer(&client, &signer, number);
            }
        });
        issuer
    }

    /// What the registry has to know.
    pub(crate) fn config(&self) -> String {
        let (port, cert) = (self.port, self.directory.join("cert.pem"));
        format!(
            "auth:\n  token:\n    realm: http://127.0.0.1:{port}/token\n    service: {NAME}\n    issuer: {NAME}\n    \
             rootcertbundle: {}\n",
            cert.display()
        )
    }
}

/// Everybody gets a token; only the operator gets one that allows what was asked for.
fn answer(client: &TcpStream, directory: &Path, number: usize) {
    let mut lines = BufReader::new(client).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let account = format!("Basic {}", base64(directory, format!("{USER}:{PASSWORD}").as_bytes()));
    let shown = headers.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
    });
    let scope = request.split(['?', '&', ' ']).find_map(|word| word.strip_prefix("scope="));
    let scope = scope.unwrap_or_default().replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
    let (mut client, body) = (
        client,
        match shown {
            Some(shown) if shown != account => None,
            shown => Some(token(directory, number, shown.and_then(|_| access(&scope)))),
        },
    );
    let (status, body) = match body {
        Some(token) => ("200 OK", json!({"token": token, "expires_in": 300}).to_string()),
        None => ("401 Unauthorized", "{}".to_owned()),
    };
    let _ = write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// `repository:NAME:pull,push` as a token has it.
fn access(scope: &str) -> Option<serde_json::Value> {
    let [kind, name, actions] = <[&str; 3]>::try_from(scope.split(':').collect::<Vec<_>>()).ok()?;
    Some(json!({"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()}))
}

fn token(directory: &Path, number: usize, access: Option<serde_json::Value>) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let certificate = fs::read_to_string(directory.join("cert.pem")).expect("a certificate");
    let certificate: String = certificate.lines().filter(|line| !line.starts_with('-')).collect();
    let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [certificate]});
    let claims = json!({
        "iss": NAME, "sub": USER, "aud": NAME, "iat": now, "nbf": now - 60, "exp": now + 300,
        "jti": number.to_string(), "access": access.into_iter().collect::<Vec<_>>(),
    });
    let url = |text: &str| text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let part = |value: serde_json::Value| url(&base64(directory, value.to_string().as_bytes()));
    let signed = format!("{}.{}", part(header), part(claims));
    let [text, signature] = ["text", "signature"].map(|name| directory.join(name).display().to_string());
    fs::write(&text, &signed).expect("a file");
    let key = directory.join("key.pem").display().to_string();
    run("openssl", &["dgst", "-sha256", "-sign", &key, "-out", &signature, &text]);
    format!("{signed}.{}", url(&base64(directory, &fs::read(&signature).expect("a signature"))))
}

fn base64(directory: &Path, bytes: &[u8]) -> String {
    let file = directory.join("plain");
    fs::write(&file, bytes).expect("a file");
    run("openssl", &["base64", "-A", "-in", file.to_str().expect("UTF-8")]).trim().to_owned()
}
