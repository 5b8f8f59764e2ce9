//! What must not be shown of an image, whatever its mode says: by its place, or by what it looks like.

/// Files that hold secrets although a group may read them.
const ROOT: [&str; 5] =
    ["/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/apt/auth.conf"];
/// Files of the boot partition, which keeps no modes, that imagers and pimg put secrets in.
const BOOT: [&str; 8] = [
    "/user-data",
    "/network-config",
    "/custom.toml",
    "/userconf.txt",
    "/userconf",
    "/wpa_supplicant.conf",
    "/firstrun.sh",
    "/pimg-seed.tar",
];
/// How secrets begin: private keys, keys of age and of Tailscale.
const MARKS: [&[u8]; 4] = [b"PRIVATE KEY-----", b"PRIVATE KEY BLOCK-----", b"AGE-SECRET-KEY-1", b"tskey-"];
/// How hashes of passwords begin (`crypt(5)`).
const HASHES: [&[u8]; 6] = [b"$y$", b"$6$", b"$5$", b"$1$", b"$2b$", b"$gy$"];
/// Parts of the names of settings that hold secrets: of NetworkManager, ifupdown, networkd, wpa_supplicant.
const SETTINGS: [&str; 7] =
    ["psk", "password", "passphrase", "secret", "private-key", "privatekey", "wep-key"];

/// Whether a file of the root file system is a secret by its name.
pub fn is_secret_file(path: &str) -> bool {
    ROOT.contains(&path) || path.starts_with("/etc/apt/auth.conf.d/")
}

/// Whether a file of the boot partition is a secret by its name.
pub fn is_secret_boot_file(path: &str) -> bool {
    BOOT.iter().any(|known| path.eq_ignore_ascii_case(known))
}

/// Whether a setting of this name holds a secret.
pub fn is_secret_setting(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SETTINGS.iter().any(|part| name.contains(part)) && !name.ends_with("-flags")
}

/// Whether a content has a private key, a token or the hash of a password in it.
pub fn looks_secret(content: &[u8]) -> bool {
    let contains = |mark: &[u8]| content.windows(mark.len()).any(|window| window == mark);
    MARKS.iter().any(|mark| contains(mark)) || HASHES.iter().any(|mark| has_hash(content, mark))
}

/// The mark of a hash with at least sixteen characters of one behind it: a shell script may say `$1$` as well.
fn has_hash(content: &[u8], mark: &[u8]) -> bool {
    let is_of_hash = |byte: &u8| byte.is_ascii_alphanumeric() || b"./$=,".contains(byte);
    let starts = content.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark);
    starts
        .filter_map(|(at, _)| content.get(at + mark.len()..))
        .any(|rest| rest.iter().take_while(|byte| is_of_hash(byte)).count() >= 16)
}

#[cfg(test)]
mod tests {
    use super::{is_secret_boot_file, is_secret_file, is_secret_setting, looks_secret};

    #[test]
    fn secrets_are_known_by_name_and_by_content() {
        assert!(is_secret_file("/etc/shadow") && is_secret_file("/etc/apt/auth.conf.d/x"));
        assert!(!is_secret_file("/etc/passwd"));
        assert!(is_secret_boot_file("/USER-DATA") && !is_secret_boot_file("/config.txt"));
        assert!(is_secret_setting("wpa-psk") && is_secret_setting("PrivateKey"));
        assert!(!is_secret_setting("key-mgmt") && !is_secret_setting("psk-flags"));
        for content in [
            "-----BEGIN OPENSSH PRIVATE KEY-----\n",
            "op:$6$saltsalt$0123456789abcdef:1:\n",
            "key = tskey-auth-abc",
            "passwd: $y$j9T$0123456789abcdefghij\n",
        ] {
            assert!(looks_secret(content.as_bytes()), "{content}");
        }
        for content in ["", "echo $1$2", "-----BEGIN PUBLIC KEY-----", "ssh-ed25519 AAAA op"] {
            assert!(!looks_secret(content.as_bytes()), "{content}");
        }
    }
}
