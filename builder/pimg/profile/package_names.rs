//! How Debian packages are named in profiles and overlays (Debian policy 5.6.7 and 5.6.12, apt-get(8)).

use super::problem::{Located, Problem};
use super::raw::Texts;
use super::values::{Checked, wrong};

/// A package's name: at least two of lower-case letters, digits, `+`, `-` and `.`, a letter or digit first.
pub(crate) fn package(text: &str) -> Checked<String> {
    let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if text.contains(['*', '?', '[']) {
        return wrong("is a pattern, which only `hold` takes: name each package");
    }
    if text.len() < 2 || !text.starts_with(first) || !text.chars().all(|c| first(c) || "+-.".contains(c)) {
        return wrong("is not the name of a package: lower-case letters, digits, `+`, `-` and `.`");
    }
    Ok(text.to_owned())
}

/// What can be removed: `name` or `name:architecture`.
pub(crate) fn installed(text: &str) -> Checked<String> {
    if text.contains(['=', '/']) {
        return wrong("is more than a name: a package is removed whatever its version");
    }
    let (name, architecture) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
    package(name)?;
    architecture.map_or(Ok(()), self::architecture)?;
    Ok(text.to_owned())
}

/// What can be installed: `name`, `name:architecture`, and either with `=version` or `/suite`.
pub(crate) fn wanted(text: &str) -> Checked<String> {
    let end = text.find(['=', '/']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    installed(name)?;
    match rest.split_at_checked(1) {
        Some(("=", version)) => self::version(version)?,
        Some((_, suite)) => self::suite(suite)?,
        None => {}
    }
    Ok(text.to_owned())
}

/// What can be held: a name, in which `*` stands for any run of characters and `?` for any one.
pub(crate) fn held(text: &str) -> Checked<String> {
    let (name, architecture) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.*?".contains(c);
    if text.contains(['=', '/']) {
        return wrong("is more than a name: a package is held at the version that is there");
    }
    if name.is_empty() || name.starts_with(['+', '-', '.']) || !name.chars().all(allowed) {
        return wrong("is neither the name of a package nor a pattern such as `linux-image-*`");
    }
    architecture.map_or(Ok(()), self::architecture)?;
    Ok(text.to_owned())
}

fn architecture(text: &str) -> Checked<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(allowed) {
        Ok(())
    } else {
        wrong("has no architecture behind `:`, such as `arm64`")
    }
}

fn version(text: &str) -> Checked<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".+-~:".contains(c);
    if text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(allowed) {
        Ok(())
    } else {
        wrong("has no version behind `=`, such as `name=1.2-3`")
    }
}

fn suite(text: &str) -> Checked<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(allowed) {
        Ok(())
    } else {
        wrong("has no suite behind `/`, such as `name/trixie-backports`")
    }
}

/// The package that a wish speaks of: without version and suite, with its architecture.
pub(crate) fn name_of(wanted: &str) -> &str {
    wanted.split(['=', '/']).next().unwrap_or(wanted)
}

/// Three lists that name packages: `install`, `remove` and `hold`.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackageLists {
    pub(crate) install: Vec<Located<String>>,
    pub(crate) remove: Vec<Located<String>>,
    pub(crate) hold: Vec<Located<String>>,
}

impl PackageLists {
    /// Checks each name, and that no package is named twice or wanted and unwanted at once.
    pub(crate) fn check(
        install: Option<&Texts>,
        remove: Option<&Texts>,
        hold: Option<&Texts>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let lists = Self {
            install: checked(install, wanted, problems),
            remove: checked(remove, installed, problems),
            hold: checked(hold, held, problems),
        };
        for list in [&lists.install, &lists.remove, &lists.hold] {
            for (at, item) in list.iter().enumerate() {
                if list.iter().take(at).any(|other| name_of(&other.value) == name_of(&item.value)) {
                    problems.push(Problem::at(&item.place, "is in the list twice"));
                }
            }
        }
        for item in &lists.remove {
            if lists.install.iter().any(|other| name_of(&other.value) == item.value) {
                problems.push(Problem::at(&item.place, "is to be installed, too"));
            }
        }
        lists
    }
}

fn checked(
    list: Option<&Texts>,
    rule: fn(&str) -> Checked<String>,
    problems: &mut Vec<Problem>,
) -> Vec<Located<String>> {
    let items = list.map(|list| list.value.as_slice()).unwrap_or_default();
    let mut good = Vec::new();
    for item in items {
        match rule(&item.value) {
            Ok(value) => good.push(Located { value, place: item.place.clone() }),
            Err(error) => problems.push(Problem::at(&item.place, error.0)),
        }
    }
    good
}

#[cfg(test)]
mod tests {
    use super::{Checked, held, installed, wanted};

    fn accepts(rule: impl Fn(&str) -> Checked<String>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(rule(text).as_deref(), Ok(*text), "{text:?} should be accepted");
        }
        for text in bad {
            assert!(rule(text).is_err(), "{text:?} should be refused");
        }
    }

    #[test]
    fn names_as_debian_writes_them() {
        let good = [
            "zsh",
            "g++-14",
            "libc6:armhf",
            "zfs-dkms/trixie-backports",
            "a2=1:2.0~rc1-1+b2",
            "7zip:arm64=1",
        ];
        let bad = [
            "", "z", "Zsh", "-x", "zsh ", "a b", "linux-*", "li?", "a2=", "a2/", "a2=x", "a2=1/x", "a2:",
            "a2:ARM", "a2/../x", "a2=1\n2", "é2", "a2,b2",
        ];
        accepts(wanted, &good, &bad);
        accepts(installed, &["zsh", "libc6:armhf"], &["zsh=1", "zsh/sid", "zs*", ""]);
    }

    #[test]
    fn holds_take_patterns() {
        let good = ["linux-image-*", "*", "?sh", "raspi-firmware", "linux-*:arm64"];
        accepts(held, &good, &["", "-x", "A*", "x=1", "x/y", "x[0-9]", "a b", "x*:"]);
    }
}
