//! Which variables hold a secret: by name, and by what their values look like.

use super::value::Value;

/// Words of a name that stand for a secret.
const NAMES: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "pass",
    "token",
    "secret",
    "key",
    "credential",
    "credentials",
    "auth",
    "apikey",
    "vault",
];

/// How secrets of well-known services begin.
const BEGINNINGS: [&str; 17] = [
    "tskey-",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "AGE-SECRET-KEY-",
    "-----BEGIN",
    "$ANSIBLE_VAULT",
    "$1$",
    "$5$",
    "$6$",
    "$y$",
    "eyJ",
];

/// Whether a variable of this name holds a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    // the path of a key is none
    let is_path = ["_file", "_path", "_dir"].iter().any(|end| lower.ends_with(end));
    let is_named = lower.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| NAMES.contains(&word));
    !is_path
        && (is_named || ["password", "passwd", "secret", "token"].iter().any(|word| lower.contains(word)))
}

/// Whether a value looks like a secret, whatever its name.
pub(super) fn is_secret_value(value: &Value) -> bool {
    match value {
        Value::Text(text) => is_secret_text(text),
        Value::List(list) => list.iter().any(is_secret_value),
        Value::Table(table) => {
            table.iter().any(|(key, value)| is_secret_value(key) || is_secret_value(value))
        }
        _ => false,
    }
}

fn is_secret_text(text: &str) -> bool {
    let text = text.trim();
    // https://user:password@host
    let has_login = text
        .split_once("://")
        .is_some_and(|(_, rest)| rest.split('/').next().unwrap_or_default().contains('@'));
    has_login || BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::{is_secret_name, is_secret_value};
    use crate::inventory::Value;

    #[test]
    fn names_and_values() {
        for name in [
            "tailscale_auth_key",
            "ansible_password",
            "ansible_become_pass",
            "CF_Token",
            "db.secret",
            "mysecretthing",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["locale", "cluster_name", "ansible_ssh_private_key_file", "monkey", "author", "bypass"] {
            assert!(!is_secret_name(name), "{name}");
        }
        for (value, expected) in
            [("tskey-auth-1", true), ("https://u:p@h/x", true), ("https://h/@x", false), ("data", false)]
        {
            assert_eq!(is_secret_value(&Value::Text(value.into())), expected, "{value}");
        }
    }
}
