//! apt's pins (`apt_preferences(5)`), read and written. [`crate::policy`] says what they mean.

use std::fmt;

use crate::deb822::{self, Comments, Field, Stanza};
use crate::error::{Error, Result, utf8};

/// The priority `never`, which keeps away all that comes from somewhere, whatever other pins say.
pub const NEVER: i16 = i16::MIN;

/// What versions a pin is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// Those of releases with these properties, such as `n=trixie-backports` or `o=Debian`.
    Release(Vec<String>),
    /// Those from this host; empty for local files.
    Origin(String),
    /// Those that match this pattern.
    Matching(String),
}

/// One stanza of a preferences file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Why, for whoever reads the file; one line.
    pub explanation: Option<String>,
    /// Package names and patterns; `*` for all.
    pub packages: Vec<String>,
    /// What versions of them.
    pub versions: Versions,
    /// The priority; below 0 never, from 1000 on even as a downgrade; [`NEVER`].
    pub priority: i16,
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(properties) => write!(f, "release {}", properties.join(",")),
            Self::Origin(host) => write!(f, "origin \"{host}\""),
            Self::Matching(pattern) => write!(f, "version {pattern}"),
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(explanation) = &self.explanation {
            writeln!(f, "Explanation: {explanation}")?;
        }
        writeln!(f, "Package: {}", self.packages.join(" "))?;
        writeln!(f, "Pin: {}", self.versions)?;
        match self.priority {
            NEVER => writeln!(f, "Pin-Priority: never"),
            priority => writeln!(f, "Pin-Priority: {priority}"),
        }
    }
}

/// Reads a preferences file. What apt reads over is left out: stanzas without `Pin`, of an unknown kind, or with a
/// version for all packages.
///
/// # Errors
/// The first stanza that apt would refuse: one without packages, or with a priority that is 0 or none.
pub fn parse(bytes: &[u8]) -> Result<Vec<Pin>> {
    let text = with_one_explanation(utf8(bytes)?);
    deb822::parse(text.as_bytes(), Comments::Allowed)?
        .iter()
        .filter_map(|stanza| pin(stanza).transpose())
        .collect()
}

/// The text with every `Explanation` but the first of a stanza made a comment: apt_preferences(5) itself writes
/// long ones as several fields.
fn with_one_explanation(text: &str) -> String {
    let mut explained = false;
    let lines = text.split_inclusive('\n').map(|line| {
        let is_one = line.get(..12).is_some_and(|name| name.eq_ignore_ascii_case("explanation:"));
        let again = is_one && explained;
        explained = is_one || (explained && !line.trim_ascii().is_empty());
        if again { format!("#{line}") } else { line.to_owned() }
    });
    lines.collect()
}

fn pin(stanza: &Stanza<'_>) -> Result<Option<Pin>> {
    stanza.require_words("Package")?;
    let packages: Vec<String> = match stanza.field("Package") {
        Some(field) => field.words().map(str::to_owned).collect(),
        None => Vec::new(),
    };
    let all = packages == ["*"];
    let value = stanza.get("Pin").unwrap_or_default();
    let (kind, rest) = value.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((value, ""));
    let rest = rest.trim_ascii();
    let versions = match kind.to_ascii_lowercase().as_str() {
        "release" => Versions::Release(rest.split(',').map(|part| part.trim_ascii().to_owned()).collect()),
        "origin" => Versions::Origin(unquoted(rest).to_owned()),
        "version" if !all => Versions::Matching(rest.to_owned()),
        _ => return Ok(None),
    };
    let Some(field) = stanza.field("Pin-Priority") else {
        stanza.require("Pin-Priority")?;
        return Ok(None);
    };
    let priority = priority(field, all)?;
    let explanation = stanza.get("Explanation").map(str::to_owned);
    Ok(Some(Pin { explanation, packages, versions, priority }))
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

fn priority(field: &Field<'_>, all: bool) -> Result<i16> {
    let bad = |expected| Error::bad_value(field.line(), "Pin-Priority", expected, field.value());
    match (field.value(), field.value().parse()) {
        ("never", _) if all => Ok(NEVER),
        ("never", _) => Err(bad("a number where `Package` is not `*`")),
        // only the word means never
        (_, Ok(NEVER)) => Ok(NEVER.saturating_add(1)),
        (_, Ok(0)) | (_, Err(_)) => Err(bad("a number from -32768 to 32767 and not 0")),
        (_, Ok(priority)) => Ok(priority),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb822::{Comments, parse};

    #[test]
    fn an_explanation_may_take_several_fields() {
        let text = "Explanation: a\nExplanation: b\nPackage: x\nPin: release a=y\nPin-Priority: 5\n\n\
                    Explanation: c\nPackage: y\nPin: release a=y\nPin-Priority: 6\n";
        let pins = super::parse(text.as_bytes()).expect("as the manual has it");
        let told: Vec<_> = pins.iter().map(|pin| (pin.explanation.as_deref(), pin.priority)).collect();
        assert_eq!(told, [(Some("a"), 5), (Some("c"), 6)]);
    }

    #[test]
    fn a_pin_is_a_stanza_of_apt() {
        let zfs = Pin {
            explanation: Some("ZFS that fits the kernel".to_owned()),
            packages: vec!["zfs-dkms".to_owned(), "libzfs*".to_owned()],
            versions: Versions::Release(vec!["o=Debian".to_owned(), "n=trixie-backports".to_owned()]),
            priority: 990,
        };
        let text = zfs.to_string();
        let expected = "\
Explanation: ZFS that fits the kernel
Package: zfs-dkms libzfs*
Pin: release o=Debian,n=trixie-backports
Pin-Priority: 990
";
        assert_eq!(text, expected);
        assert_eq!(parse(text.as_bytes(), Comments::Refused).expect("a stanza").len(), 1);

        let never = Pin {
            explanation: None,
            packages: vec!["*".to_owned()],
            versions: Versions::Origin(String::new()),
            priority: -1,
        };
        assert_eq!(never.to_string(), "Package: *\nPin: origin \"\"\nPin-Priority: -1\n");
    }

    #[test]
    fn pins_are_read_as_apt_reads_them() {
        let text = "\
# from somebody
Explanation: why
Package: zfs-dkms
  src:zfs-linux
Pin:   release  a=stable-backports , o=Debian
Pin-Priority: 990

Package: *
Pin: Origin \"\"
Pin-Priority: never

Package: bash
Pin: version 5.2*
Pin-Priority: -32768

Package: *
Pin: version 1
Pin-Priority: 1

Package: x
Pin: moon full
Pin-Priority: 1

Package: no pin
";
        let read = super::parse(text.as_bytes()).expect("three pins");
        let pin = |explanation: Option<&str>, packages: &[&str], versions, priority| Pin {
            explanation: explanation.map(str::to_owned),
            packages: packages.iter().map(|name| (*name).to_owned()).collect(),
            versions,
            priority,
        };
        let properties = ["a=stable-backports", "o=Debian"].map(str::to_owned).to_vec();
        let expected = [
            pin(Some("why"), &["zfs-dkms", "src:zfs-linux"], Versions::Release(properties), 990),
            pin(None, &["*"], Versions::Origin(String::new()), NEVER),
            pin(None, &["bash"], Versions::Matching("5.2*".to_owned()), -32767),
        ];
        assert_eq!(read, expected);
        let printed = read.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert_eq!(super::parse(printed.as_bytes()), Ok(read));
        assert!(printed.contains("Pin-Priority: never\n"));
    }

    #[test]
    fn what_apt_refuses_is_an_error() {
        let cases = [
            ("Pin: release a=b\nPin-Priority: 1", "line 1: the stanza has no field `Package`"),
            ("Package: a\nPin: release a=b", "line 1: the stanza has no field `Pin-Priority`"),
            (
                "Package: a\nPin: release a=b\nPin-Priority: 0",
                "line 3: `Pin-Priority` must be a number from -32768 to 32767 and not 0, got `0`",
            ),
            (
                "Package: a\nPin: release a=b\nPin-Priority: 32768",
                "line 3: `Pin-Priority` must be a number from -32768 to 32767 and not 0, got `32768`",
            ),
            (
                "Package: a\nPin: release a=b\nPin-Priority: never",
                "line 3: `Pin-Priority` must be a number where `Package` is not `*`, got `never`",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(super::parse(text.as_bytes()).expect_err(expected).to_string(), expected);
        }
    }
}
