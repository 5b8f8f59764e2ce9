//! apt's pins (`apt_preferences(5)`), written.

use std::fmt;

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
    /// The priority; below 0 never, above 1000 even as a downgrade.
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
        writeln!(f, "Pin-Priority: {}", self.priority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb822::{Comments, parse};

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
}
