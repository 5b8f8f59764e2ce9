//! What is asked for.

use std::collections::BTreeMap;

use crate::preferences::Pin;

/// What is to be installed, removed, kept and preferred.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `name`, `name:arch`, `name=version` or `name/suite`.
    pub install: Vec<String>,
    /// Names (or `name:arch`) of packages that go if they are installed and do not come in otherwise.
    pub remove: Vec<String>,
    /// Patterns of installed packages that stay as they are unless asked for by name.
    pub hold: Vec<String>,
    /// Upgrade what is installed, with new packages where needed and without removing any.
    pub upgrade: bool,
    /// Install what packages recommend, too.
    pub recommends: bool,
    /// Versions by name and architecture that are taken where they still exist, such as those of a lock.
    pub prefer: BTreeMap<(String, String), String>,
    /// Pins besides apt's defaults.
    pub pins: Vec<Pin>,
}

/// One item of `install`, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish<'r> {
    pub(super) name: &'r str,
    pub(super) architecture: Option<&'r str>,
    pub(super) version: Option<&'r str>,
    pub(super) suite: Option<&'r str>,
}

impl<'r> Wish<'r> {
    /// Splits at the last `=` or, as versions hold no slash, `/`.
    pub(super) fn parse(text: &'r str) -> Self {
        let text = text.trim_ascii();
        let (full_name, version, suite) = if let Some((name, version)) = text.split_once('=') {
            (name, Some(version), None)
        } else if let Some((name, suite)) = text.split_once('/') {
            (name, None, Some(suite))
        } else {
            (text, None, None)
        };
        let (name, architecture) = match full_name.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (full_name, None),
        };
        Self { name, architecture, version, suite }
    }
}

/// Whether `text` matches a shell pattern of `*` and `?`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes(), text.as_bytes());
    // where to go on after the last star if what follows does not fit here
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => return true,
            (Some((b'*', rest)), _) => {
                retry = Some((rest, text));
                pattern = rest;
            }
            (Some((wanted, pattern_rest)), Some((byte, text_rest))) if *wanted == b'?' || wanted == byte => {
                (pattern, text) = (pattern_rest, text_rest);
            }
            _ => match retry.take().and_then(|(pattern, text)| Some((pattern, text.get(1..)?))) {
                Some((after_star, shorter)) => {
                    (pattern, text) = (after_star, shorter);
                    retry = Some((after_star, shorter));
                }
                None => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_name_a_version_a_suite_or_an_architecture() {
        let plain = Wish { name: "zsh", architecture: None, version: None, suite: None };
        assert_eq!(Wish::parse("zsh"), plain);
        assert_eq!(Wish::parse("zsh:armhf"), Wish { architecture: Some("armhf"), ..plain });
        assert_eq!(Wish::parse("zsh=1:5.9-8"), Wish { version: Some("1:5.9-8"), ..plain });
        assert_eq!(Wish::parse("zsh/trixie-backports"), Wish { suite: Some("trixie-backports"), ..plain });
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        assert!(matches("linux-image-*", "linux-image-arm64"));
        assert!(matches("*-rpi-*", "linux-headers-rpi-v8"));
        assert!(matches("l?d", "lsd"));
        assert!(!matches("linux-image-*", "linux-base"));
        assert!(!matches("*-rpi", "linux-rpi-v8"));
        assert!(!matches("", "zsh"));
    }
}
