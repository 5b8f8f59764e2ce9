//! What secrets look like, and where they are looked for: not in what packages and pimg itself bring, where keys of
//! tests and words of documentation are.

use crate::plan::change::Partition;

/// Bytes that only a secret has.
pub(super) struct Mark {
    pub(super) bytes: &'static [u8],
    pub(super) what: &'static str,
    /// Counts only in files whose path has this in it.
    pub(super) path: &'static str,
}

/// Directories of packages.
const PACKAGED: [&str; 6] =
    ["/usr/", "/var/lib/dpkg/", "/var/lib/apt/", "/var/cache/", "/var/lib/pimg/repo/", "/lib/"];

const PRIVATE_KEY: &str = "holds a private key";
const AUTH_KEY: &str = "holds a Tailscale key";

/// Everything that gives a secret away.
pub(super) fn marks() -> Vec<Mark> {
    let anywhere = |bytes: &'static [u8], what| Mark { bytes, what, path: "" };
    let mut marks: Vec<Mark> = [
        &b"-----BEGIN PRIVATE KEY-----"[..],
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
        b"-----BEGIN OPENSSH PRIVATE KEY-----",
        b"-----BEGIN RSA PRIVATE KEY-----",
        b"-----BEGIN EC PRIVATE KEY-----",
        b"-----BEGIN DSA PRIVATE KEY-----",
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----",
    ]
    .map(|bytes| anywhere(bytes, PRIVATE_KEY))
    .into();
    marks.extend([
        anywhere(b"AGE-SECRET-KEY-1", "holds an age identity"),
        // a minisign key in Base64: algorithm, kind of protection and kind of checksum
        anywhere(b"RWRTY0Iy", "holds a minisign secret key"),
        anywhere(b"RWQAAEIy", "holds a minisign secret key"),
        anywhere(b"tskey-auth-", AUTH_KEY),
        anywhere(b"tskey-client-", AUTH_KEY),
        anywhere(b"tskey-api-", AUTH_KEY),
        Mark { bytes: b"privkey:", what: "holds the state of a Tailscale node", path: "/tailscale" },
    ]);
    marks
}

/// Whether a file is of a place where no package keeps its own.
pub(super) fn is_ours(partition: Partition, path: &str) -> bool {
    partition == Partition::Boot || !PACKAGED.iter().any(|directory| path.starts_with(directory))
}

/// What the path alone says.
pub(super) fn by_path(partition: Partition, path: &str) -> Option<&'static str> {
    match partition {
        Partition::Root if path.starts_with("/var/lib/pimg/secrets/") => Some("is a secret of the host"),
        Partition::Boot if path.eq_ignore_ascii_case("/pimg-seed.tar") => {
            Some("is what `pimg seed` puts there")
        }
        _ => None,
    }
}

/// Whether a file is looked at as a text too.
pub(super) fn is_read_whole(partition: Partition, path: &str) -> bool {
    match partition {
        Partition::Boot => {
            let name = path.trim_start_matches('/').to_ascii_lowercase();
            ["userconf", "userconf.txt", "user-data", "firstrun.sh", "custom.toml"].contains(&name.as_str())
        }
        Partition::Root => is_account_file(path) || is_ours(partition, path) && is_acme_account(path),
    }
}

fn is_account_file(path: &str) -> bool {
    matches!(path, "/etc/shadow" | "/etc/shadow-" | "/etc/gshadow" | "/etc/gshadow-")
}

fn is_acme_account(path: &str) -> bool {
    path.ends_with("/account.conf")
}

/// What such a file says.
pub(super) fn in_text(path: &str, text: &str) -> Vec<String> {
    if is_account_file(path) {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let with_hash = lines.filter(|(_, rest)| has_hash(rest.split(':').next().unwrap_or_default()));
        return with_hash.map(|(name, _)| format!("holds the password hash of `{name}`")).collect();
    }
    let mut found = Vec::new();
    if is_acme_account(path) {
        // acme.sh keeps the tokens of DNS providers under this name
        let is_token = |line: &str| {
            let value = line.trim().strip_prefix("SAVED_").and_then(|line| line.split_once('='));
            value.is_some_and(|(_, value)| !value.trim_matches(['\'', '"', ' ']).is_empty())
        };
        if text.lines().any(is_token) {
            found.push("holds a token of acme.sh".to_owned());
        }
    } else if text.split([':', '\'', '"', ' ', '\n', '=']).any(is_modular) {
        found.push("holds a password hash".to_owned());
    }
    found
}

/// Whether a field of `/etc/shadow` has a hash in it, be the account locked or not: `passwd -l` puts a `!` before it.
fn has_hash(field: &str) -> bool {
    let hash = field.trim_start_matches(['!', '*']);
    let is_of_des = |byte: u8| byte.is_ascii_alphanumeric() || b"./".contains(&byte);
    is_modular(hash) || hash.len() == 13 && hash.bytes().all(is_of_des)
}

/// Whether this is `$id$…`, the form of crypt(5) for everything newer than DES.
fn is_modular(hash: &str) -> bool {
    hash.strip_prefix('$').is_some_and(|rest| {
        rest.split_once('$').is_some_and(|(id, rest)| id.len() <= 12 && !id.is_empty() && !rest.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::{in_text, is_read_whole};
    use crate::plan::change::Partition;

    #[test]
    fn a_locked_account_has_no_hash_and_a_locked_hash_is_one() {
        let shadow =
            "root:*:1:0\na:!:1\nb:!*:1\nc::1\nd:!$y$j9T$x$y:1\ne:$6$x$y:1\nf:ab01FAX.bQRSU:1\ng:x:1\n";
        let found = in_text("/etc/shadow", shadow);
        let expected = ["d", "e", "f"].map(|name| format!("holds the password hash of `{name}`"));
        assert_eq!(found, expected);
    }

    #[test]
    fn texts_of_the_boot_partition_and_of_acme() {
        let boot = |name: &str| is_read_whole(Partition::Boot, name);
        assert!(boot("/userconf.txt") && boot("/User-Data") && !boot("/config.txt"));
        assert_eq!(in_text("/userconf.txt", "pi:$5$abc$def\n"), ["holds a password hash"]);
        assert!(in_text("/user-data", "#cloud-config\npasswd: \"!\"\n").is_empty());
        let conf = |text| in_text("/root/.acme.sh/account.conf", text);
        assert_eq!(conf("LOG='x'\nSAVED_CF_Token='abc'\n"), ["holds a token of acme.sh"]);
        assert!(conf("SAVED_CF_Token=''\nACCOUNT_EMAIL='a@example.org'\n").is_empty());
    }
}
