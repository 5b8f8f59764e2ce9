//! The operator's public keys, which may log in on a node unless other keys are given.

use std::path::{Path, PathBuf};

use super::error::HostError;
use super::files::read_limited;

/// Longest key file, in bytes.
const MAX_KEY_FILE: u64 = 64 << 10;

/// Key types that OpenSSH 10 takes in `authorized_keys`.
const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// The keys in `~/.ssh/*.pub`, by the names of their files. Certificates are left out, and so is a file
/// that holds no key.
///
/// # Errors
/// The directory cannot be listed. Its absence is no error.
pub fn of_operator(home: &Path) -> Result<Vec<String>, HostError> {
    let dir = home.join(".ssh");
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(HostError::file("list", &dir)(error)),
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(HostError::file("list", &dir))?.path());
    }
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".pub") && !name.ends_with("-cert.pub")
    });
    paths.sort();
    let mut keys: Vec<String> = Vec::new();
    for path in paths {
        for key in read(&path).unwrap_or_default() {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    Ok(keys)
}

/// The keys of one file, a line each.
///
/// # Errors
/// The file cannot be read, or holds something else than public keys: above all a private key.
pub fn read(path: &Path) -> Result<Vec<String>, HostError> {
    let file = super::files::open(path).map_err(HostError::file("open", path))?;
    let bytes = read_limited(file, path, MAX_KEY_FILE)?;
    parse(&bytes).map_err(|why| HostError::NotAPublicKey { path: path.to_path_buf(), why })
}

fn parse(bytes: &[u8]) -> Result<Vec<String>, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
    if text.contains("PRIVATE KEY") {
        return Err("it is a private key, which must never get into an image");
    }
    let mut keys = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_ascii_whitespace();
        let kind = words.next().unwrap_or_default();
        let blob = words.next().unwrap_or_default();
        if !KEY_TYPES.contains(&kind) {
            return Err("it does not begin with a key type such as `ssh-ed25519`");
        }
        let is_base64 = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'=');
        // every OpenSSH blob begins with the length of the type's name, which is below 2^16
        if blob.len() < 40 || !blob.starts_with("AAAA") || !blob.bytes().all(is_base64) {
            return Err("the key itself is cut short or garbled");
        }
        if line.chars().any(char::is_control) {
            return Err("it has a control character");
        }
        keys.push(line.to_owned());
    }
    if keys.is_empty() { Err("it is empty") } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{of_operator, parse};

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAt+kDOVQYdTCl5iqvXfTzJYtbMEPHrNEF8QXJU2QdRL a@host";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBt+kDOVQYdTCl5iqvXfTzJYtbMEPHrNEF8QXJU2QdRL b@host";

    #[test]
    fn takes_public_keys_only() {
        let private =
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END OPENSSH PRIVATE KEY-----\n";
        for (text, expected) in [
            (format!("# mine\n\n{A}\n"), Ok(vec![A.to_owned()])),
            (format!("{A}\r\n{B}\n"), Ok(vec![A.to_owned(), B.to_owned()])),
            (private.to_owned(), Err("it is a private key, which must never get into an image")),
            ("ssh-ed25519 AAAAC3".to_owned(), Err("the key itself is cut short or garbled")),
            ("hello there".to_owned(), Err("it does not begin with a key type such as `ssh-ed25519`")),
            (String::new(), Err("it is empty")),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn finds_the_keys_of_the_operator_in_a_fixed_order() -> Result<(), Box<dyn std::error::Error>> {
        let home = tempfile::tempdir()?;
        assert_eq!(of_operator(home.path())?, [""; 0]);
        let dir = home.path().join(".ssh");
        fs::create_dir(&dir)?;
        for (name, text) in [("z.pub", A), ("b.pub", B), ("b-cert.pub", A), ("id", A), ("junk.pub", "junk")] {
            fs::write(dir.join(name), text)?;
        }
        assert_eq!(of_operator(home.path())?, [B, A]);
        Ok(())
    }
}
