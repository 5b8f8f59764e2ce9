//! `[[apt.source]]` and `[[apt.pin]]` as an overlay writes them, checked as far as `overlay.toml` alone allows.

use crate::plan::path::GuestPath;
use crate::profile::document::{Keys, Table};
use crate::profile::problem::{Located, Place, Problem};
use crate::profile::values;

use super::apt::{AptPin, Uris};
use super::manifest::rule_name;

/// A source as an overlay writes it.
#[derive(Clone, Debug)]
pub(crate) struct SourceRule {
    pub(crate) name: Located<String>,
    pub(crate) when: Option<Located<String>>,
    pub(crate) uris: Uris,
    pub(crate) suites: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) architectures: Vec<String>,
    pub(crate) keyring: Option<KeyringRule>,
}

/// A keyring as an overlay writes it.
#[derive(Clone, Debug)]
pub(crate) struct KeyringRule {
    pub(crate) path: GuestPath,
    /// Below the overlay's directory.
    pub(crate) file: Option<Located<String>>,
    pub(crate) url: Option<String>,
    pub(crate) fingerprints: Vec<String>,
    pub(crate) sha256: Option<Located<String>>,
}

/// A pin as an overlay writes it.
#[derive(Clone, Debug)]
pub(crate) struct PinRule {
    pub(crate) place: Place,
    pub(crate) when: Option<Located<String>>,
    pub(crate) pin: AptPin,
}

impl SourceRule {
    pub(crate) fn read(table: Table, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut keys = Keys::new(table, problems);
        let at = keys.place();
        let name = keys.text("name");
        let when = keys.text("when");
        let uris = keys.text_or_texts("uris");
        let lists = ["suites", "components", "architectures"].map(|key| keys.text_or_texts(key));
        let keyring = keys.table("keyring");
        keys.finish();

        let [suites, components, architectures] =
            lists.map(|list| list.map(|list| words(list.value, problems)));
        for (key, list) in [("suites", &suites), ("components", &components)] {
            if list.as_ref().is_none_or(Vec::is_empty) {
                problems.push(Problem::at(&at, format!("needs `{key}`")));
            }
        }
        let uris = read_uris(uris, &at, problems);
        let keyring = keyring.map(|table| KeyringRule::read(table, name.as_ref(), problems));
        if keyring.is_none() && matches!(uris, Some(Uris::List(_))) {
            let hint = "`keyring = { url = \"https://…\" }`, or `file = \"keys/NAME.gpg\"` in the overlay";
            let message = "needs `keyring`: apt trusts no source without one";
            problems.push(Problem::at(&at, message).with_hint(hint));
        }
        Some(Self {
            name: rule_name(name, &at, problems)?,
            when,
            uris: uris?,
            suites: suites?,
            components: components?,
            architectures: architectures.unwrap_or_else(|| vec!["arm64".to_owned()]),
            keyring: keyring.flatten(),
        })
    }
}

fn read_uris(
    uris: Option<Located<Vec<Located<String>>>>,
    at: &Place,
    problems: &mut Vec<Problem>,
) -> Option<Uris> {
    let Some(uris) = uris else {
        problems
            .push(Problem::at(at, "needs `uris`: addresses, or `\"base\"` for the mirror of the base image"));
        return None;
    };
    let uris = words(uris.value, problems);
    if uris == ["base"] {
        return Some(Uris::Base);
    }
    if uris.is_empty() || !uris.iter().all(|uri| uri.starts_with("https://") || uri.starts_with("http://")) {
        problems.push(Problem::at(at, "`uris` are `http:` or `https:` addresses, or `\"base\"` alone"));
        return None;
    }
    Some(Uris::List(uris))
}

/// Words of a deb822 field, where a space ends a word and a line break the field.
fn words(list: Vec<Located<String>>, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut words = Vec::new();
    for item in list {
        if item.value.is_empty() || item.value.contains(|c: char| c.is_whitespace() || c.is_control()) {
            problems.push(Problem::at(&item.place, "is not one word"));
        } else {
            words.push(item.value);
        }
    }
    words
}

impl KeyringRule {
    fn read(table: Table, source: Option<&Located<String>>, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut keys = Keys::new(table, problems);
        let at = keys.place();
        let [path, file, url, sha256] = ["path", "file", "url", "sha256"].map(|key| keys.text(key));
        let fingerprints = keys.text_or_texts("fingerprint");
        keys.finish();

        let mut check = |raw: Option<Located<String>>, rule: fn(&str) -> values::Checked<String>| {
            let raw = raw?;
            match rule(&raw.value) {
                Ok(value) => Some(Located { value, place: raw.place }),
                Err(error) => {
                    problems.push(Problem::at(&raw.place, error.0));
                    None
                }
            }
        };
        let sha256 = check(sha256, values::sha256);
        let url = check(url, values::https).map(|url| url.value);
        let fingerprints = fingerprints.map(|list| list.value).unwrap_or_default();
        let fingerprints = fingerprints.into_iter().filter_map(|text| check(Some(text), fingerprint));
        let fingerprints = fingerprints.map(|text| text.value).collect();
        let file = check(file, overlay_file);
        // a keyring of the base image is known by its path only
        let own = source.filter(|_| file.is_some() || url.is_some());
        let path =
            path.unwrap_or_else(|| Located { value: own.map_or_else(String::new, own_path), place: at });
        let path = check(Some(path), keyring_path)?;
        Some(Self { path: GuestPath::new(path.value).ok()?, file, url, fingerprints, sha256 })
    }
}

/// Where the keyring of a source goes unless the overlay says so.
fn own_path(source: &Located<String>) -> String {
    format!("/usr/share/keyrings/{}-archive-keyring.gpg", source.value)
}

/// An OpenPGP fingerprint of version 4 or 6.
fn fingerprint(text: &str) -> values::Checked<String> {
    let digits: String = text.chars().filter(|c| *c != ' ').collect::<String>().to_ascii_uppercase();
    if matches!(digits.len(), 40 | 64) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(digits)
    } else {
        values::wrong("is not a whole fingerprint, which has 40 or 64 hexadecimal digits")
    }
}

fn overlay_file(text: &str) -> values::Checked<String> {
    let odd = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains(char::is_control);
    if text.split('/').any(odd) {
        return values::wrong("is not a path below the overlay's directory, such as `keys/name.gpg`");
    }
    Ok(text.to_owned())
}

/// sources.list(5): `Signed-By` keyrings belong there, and apt tells their form by the extension.
fn keyring_path(text: &str) -> values::Checked<String> {
    let folder =
        ["/usr/share/keyrings/", "/etc/apt/keyrings/"].iter().find_map(|folder| text.strip_prefix(folder));
    let fits = folder.is_some_and(|name| {
        let extension = [".gpg", ".pgp", ".asc"].iter().find_map(|extension| name.strip_suffix(extension));
        extension.is_some_and(|stem| values::file_stem(stem).is_ok())
    });
    if fits {
        Ok(text.to_owned())
    } else {
        values::wrong("`path` of a keyring is `/usr/share/keyrings/NAME.gpg` (or `.asc` where it is armored)")
    }
}

impl PinRule {
    pub(crate) fn read(table: Table, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut keys = Keys::new(table, problems);
        let at = keys.place();
        let name = keys.text("name");
        let when = keys.text("when");
        let packages = keys.text_or_texts("packages");
        let pin = keys.text("pin");
        let priority = keys.integer("priority");
        let description = keys.text("description");
        keys.finish();

        let packages = packages.map(|list| words(list.value, problems)).unwrap_or_default();
        if packages.is_empty() {
            problems.push(Problem::at(&at, "needs `packages`"));
        }
        let kinds = ["release ", "version ", "origin "];
        if !pin.as_ref().is_some_and(|pin| kinds.iter().any(|kind| pin.value.starts_with(kind))) {
            let place = pin.as_ref().map_or(&at, |pin| &pin.place);
            problems.push(Problem::at(place, "`pin` starts with `release`, `version` or `origin`"));
        }
        for text in
            [&pin, &description].into_iter().flatten().filter(|text| text.value.contains(char::is_control))
        {
            problems.push(Problem::at(&text.place, "is more than one line"));
        }
        let place = priority.as_ref().map_or(&at, |priority| &priority.place);
        let number =
            priority.as_ref().and_then(|priority| i16::try_from(priority.value).ok()).filter(|p| *p != 0);
        if number.is_none() {
            problems.push(Problem::at(place, "`priority` is a number from -32768 to 32767, and not 0"));
        }
        let name = rule_name(name, &at, problems)?;
        let pin = AptPin {
            name: name.value,
            overlay: String::new(),
            packages,
            pin: pin?.value,
            priority: number?,
            description: description.map(|text| text.value),
        };
        Some(Self { place: name.place, when, pin })
    }
}
