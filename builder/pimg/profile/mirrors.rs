//! Other places for sources and downloads: `[mirrors]` of a profile, of the user's own settings, and `--mirror`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::document::{Keys, Node, Table};
use super::host::Mirror;
use super::problem::{Located, Place, Problem};
use super::types::InvalidValue;
use super::values::{Checked, file_stem, wrong};

/// `[mirrors]` as written, each name with its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawMirrors(pub(crate) BTreeMap<String, (Place, Located<Mirror>)>);

impl RawMirrors {
    pub(crate) fn read(table: Table, problems: &mut Vec<Problem>) -> Self {
        let mut mirrors = BTreeMap::new();
        for (name, node) in table.entries {
            if let Err(error) = file_stem(&name.value) {
                problems.push(Problem::at(&name.place, error.0));
            }
            if let Some(mirror) = mirror(node, problems) {
                mirrors.insert(name.value, (name.place, mirror));
            }
        }
        Self(mirrors)
    }

    pub(crate) fn over(self, mut parent: Self) -> Self {
        parent.0.extend(self.0);
        parent
    }

    pub(crate) fn into_mirrors(self) -> BTreeMap<String, Mirror> {
        self.0.into_iter().map(|(name, (_, mirror))| (name, mirror.value)).collect()
    }
}

fn mirror(node: Located<Node>, problems: &mut Vec<Problem>) -> Option<Located<Mirror>> {
    let place = node.place;
    let (url, keyring) = match node.value {
        Node::Text(value) => (Located { value, place: place.clone() }, None),
        Node::Table(table) => {
            let mut keys = Keys::new(table, problems);
            let at = keys.place();
            let (url, keyring) = (keys.text("url"), keys.text("keyring"));
            let has_url = keys.seen().contains(&"url");
            keys.finish();
            if !has_url {
                problems.push(Problem::at(&at, "needs `url`"));
            }
            (url?, keyring)
        }
        _ => {
            let hint = "`NAME = \"URL\"` or `NAME = { url = \"URL\", keyring = \"FILE\" }`";
            problems.push(Problem::at(&place, "is not a mirror").with_hint(hint));
            return None;
        }
    };
    if let Some(keyring) = keyring.as_ref().filter(|keyring| !is_path(&keyring.value)) {
        problems.push(Problem::at(&keyring.place, "is not the path of a keyring"));
    }
    match address(&url.value) {
        Ok(url) => {
            let keyring = keyring.map(|keyring| PathBuf::from(keyring.value));
            Some(Located { value: Mirror { url, keyring }, place })
        }
        Err(error) => {
            problems.push(Problem::at(&url.place, error.0));
            None
        }
    }
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control) && !text.contains("://")
}

/// An address that packages may come from: what is fetched is checked by signature or digest, so `http:` will do.
fn address(text: &str) -> Checked<String> {
    let odd = |c: char| c.is_whitespace() || c.is_control();
    let fits = match text.split_once("://") {
        Some(("https" | "http", rest)) => !rest.is_empty() && !rest.starts_with('/'),
        Some(("file", rest)) => rest.starts_with('/'),
        _ => false,
    };
    if fits && !text.contains(odd) {
        Ok(text.to_owned())
    } else {
        wrong("is not an `https:`, `http:` or `file:` address")
    }
}

/// Reads `NAME=URL` of the command line.
///
/// # Errors
/// What is wrong with it.
pub fn parse_argument(text: &str) -> Result<(String, Mirror), InvalidValue> {
    let Some((name, url)) = text.split_once('=') else {
        return wrong("is not `NAME=URL`");
    };
    Ok((file_stem(name)?, Mirror { url: address(url)?, keyring: None }))
}

/// The mirrors of both; where both name one, that of `over` counts.
pub fn merge(over: &BTreeMap<String, Mirror>, under: &BTreeMap<String, Mirror>) -> BTreeMap<String, Mirror> {
    let mut merged = under.clone();
    merged.extend(over.clone());
    merged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Mirror, merge, parse_argument};

    fn one(url: &str) -> BTreeMap<String, Mirror> {
        BTreeMap::from([("debian".to_owned(), Mirror { url: url.to_owned(), keyring: None })])
    }

    #[test]
    fn the_command_line_wins_over_the_profile_and_that_over_the_user() {
        let (line, profile, user) = (one("file:///a"), one("file:///b"), one("file:///c"));
        let none = BTreeMap::new();
        assert_eq!(merge(&line, &merge(&profile, &user)), line);
        assert_eq!(merge(&none, &merge(&profile, &user)), profile);
        assert_eq!(merge(&none, &merge(&none, &user)), user);
    }

    #[test]
    fn arguments_have_a_name_and_an_address() {
        let (name, mirror) = parse_argument("pxvirt=http://127.0.0.1:8080/x?a=b").expect("is one");
        assert_eq!((name.as_str(), mirror.url.as_str()), ("pxvirt", "http://127.0.0.1:8080/x?a=b"));
        for text in [
            "pxvirt",
            "=file:///x",
            "a/b=file:///x",
            "x=",
            "x=/srv",
            "x=ftp://y",
            "x=https:///y",
            "x=file://y",
        ] {
            assert!(parse_argument(text).is_err(), "{text}");
        }
    }
}
