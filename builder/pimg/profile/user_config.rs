//! The user's own settings, `pimg/config.toml` in the configuration directory: mirrors, and nothing else, so that a
//! build never depends on who builds.

use std::collections::BTreeMap;

use super::document::{self, Keys};
use super::error::Error;
use super::host::Mirror;
use super::mirrors::RawMirrors;
use super::problem::{Problem, SourceFile};

/// Reads the settings; `file` is the name by which the user knows them.
///
/// # Errors
/// Everything that is wrong with them.
pub fn parse(file: &str, text: &str) -> Result<BTreeMap<String, Mirror>, Error> {
    let mut problems = Vec::new();
    let source = SourceFile::new(file, text);
    let mut mirrors = BTreeMap::new();
    if let Some(table) = document::parse(&source, &mut problems) {
        let mut keys = Keys::new(table, &mut problems);
        let table = keys.table("mirrors");
        keys.finish();
        let read = table.map(|table| RawMirrors::read(table, &mut problems)).unwrap_or_default();
        for (_, mirror) in read.0.values() {
            let keyring = mirror.value.keyring.as_ref();
            if keyring.is_some_and(|keyring| keyring.is_relative() && !keyring.starts_with("~")) {
                let message = "names its keyring relative to nothing: write a path from `/` or `~/` on";
                problems.push(Problem::at(&mirror.place, message));
            }
        }
        mirrors = read.into_mirrors();
    }
    if problems.is_empty() {
        Ok(mirrors)
    } else {
        Err(Error::new(format!("`{file}` is not valid"), problems))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn has_mirrors_only() {
        let text = "[mirrors]\ndebian = 'http://mirror.test/debian'\npxvirt = { url = 'file:///srv/px', keyring = '~/px.gpg' }\n";
        let mirrors =
            parse("config.toml", text).map_err(|error| error.report().to_string()).expect("is valid");
        assert_eq!(mirrors["debian"].url, "http://mirror.test/debian");
        assert_eq!(mirrors["pxvirt"].keyring.as_deref(), Some(std::path::Path::new("~/px.gpg")));
        assert!(parse("config.toml", "").expect("is valid").is_empty());
    }

    #[test]
    fn says_everything_that_is_wrong_with_it() {
        let text = "mirors = 1\n[mirrors]\na = 'ftp://x'\nb = { keyring = 'x' }\nc = { url = 'file:///x', keyring = 'x' }\n";
        insta::assert_snapshot!(parse("config.toml", text).expect_err("is refused").report().to_string(), @"
        `config.toml` is not valid (4 problems)

          config.toml:1:1
           1 | mirors …
             | ^^^^^^ unknown key
               hint: did you mean `mirrors`?

          config.toml:3:5
           3 | a = 'ftp://x'
             |     ^^^^^^^^^ is not an `https:`, `http:` or `file:` address

          config.toml:4:1
           4 | b = { keyring = 'x' }
             | ^ needs `url`

          config.toml:5:5
           5 | c = { url = 'file:///x', keyring = 'x' }
             |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ names its keyring relative to nothing: write a path from `/` or `~/` on
        ");
    }
}
