//! apt's package sources (`sources.list(5)`): `.sources` stanzas and one-line `sources.list`, read and written.

mod one_line;

use std::fmt;

use crate::deb822::{self, Comments, Field, Stanza};
use crate::error::{Error, Result};

pub use self::one_line::parse_list;

/// What a source offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Binary packages.
    Deb,
    /// Source packages.
    DebSrc,
}

/// Whose signature a source has to carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// Absolute paths of keyrings, and fingerprints of keys in them.
    Keys(Vec<String>),
    /// An armored certificate, by its lines.
    Inline(Vec<String>),
}

/// One stanza, or one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it offers.
    pub types: Vec<Kind>,
    /// Where the archives are.
    pub uris: Vec<String>,
    /// Suites such as `trixie-updates`; with a slash at its end an exact path, which has no components.
    pub suites: Vec<String>,
    /// Components such as `main`.
    pub components: Vec<String>,
    /// Architectures to get; empty for all that dpkg has.
    pub architectures: Vec<String>,
    /// Whose signature is needed; `None` leaves it to all keys that apt trusts.
    pub signed_by: Option<SignedBy>,
    /// Whether apt uses it.
    pub enabled: bool,
    /// All other options, by their deb822 names, as words.
    pub others: Vec<(String, Vec<String>)>,
}

/// Reads a `.sources` file.
///
/// # Errors
/// The first stanza that apt would refuse.
pub fn parse_sources(bytes: &[u8]) -> Result<Vec<Source>> {
    deb822::parse(bytes, Comments::Allowed)?.iter().map(source).collect()
}

fn source(stanza: &Stanza<'_>) -> Result<Source> {
    let enabled = stanza.get("Enabled").is_none_or(|value| !is_no(value));
    if enabled {
        for name in ["Types", "URIs", "Suites"] {
            stanza.require_words(name)?;
        }
    }
    let mut source = Source { enabled, ..Source::empty() };
    for field in stanza.fields() {
        let words = || field.words().map(str::to_owned).collect();
        match field.name().to_ascii_lowercase().as_str() {
            "types" => source.types = kinds(field)?,
            "uris" => source.uris = words(),
            "suites" => source.suites = words(),
            "components" => source.components = words(),
            "architectures" => source.architectures = words(),
            "signed-by" => source.signed_by = Some(signed_by(field)),
            "enabled" => {}
            _ => source.others.push((field.name().to_owned(), words())),
        }
    }
    source.check(stanza.line())?;
    Ok(source)
}

fn kinds(field: &Field<'_>) -> Result<Vec<Kind>> {
    field.words().map(|word| kind(field.line(), word)).collect()
}

fn kind(line: usize, word: &str) -> Result<Kind> {
    match word {
        "deb" => Ok(Kind::Deb),
        "deb-src" => Ok(Kind::DebSrc),
        other => Err(Error::bad_value(line, "Types", "`deb` or `deb-src`", other)),
    }
}

fn signed_by(field: &Field<'_>) -> SignedBy {
    if field.lines().iter().any(|line| line.contains("-----BEGIN PGP")) {
        let lines = field.lines().iter().map(|line| if *line == "." { "" } else { line });
        // the value starts behind the colon, usually with nothing
        let lines = lines.skip_while(|line| line.is_empty());
        return SignedBy::Inline(lines.map(str::to_owned).collect());
    }
    SignedBy::Keys(
        field
            .words()
            .flat_map(|word| word.split(','))
            .filter(|key| !key.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

/// The words that apt's `StringToBool` takes for no.
fn is_no(value: &str) -> bool {
    ["no", "false", "without", "off", "disable", "0"].iter().any(|no| value.eq_ignore_ascii_case(no))
}

impl Source {
    fn empty() -> Self {
        Self {
            types: Vec::new(),
            uris: Vec::new(),
            suites: Vec::new(),
            components: Vec::new(),
            architectures: Vec::new(),
            signed_by: None,
            enabled: true,
            others: Vec::new(),
        }
    }

    /// apt wants components exactly where a suite is no exact path.
    fn check(&self, line: usize) -> Result<()> {
        let exact = |suite: &&String| suite.ends_with('/');
        let bad = |expected, got: &str| Err(Error::bad_value(line, "Components", expected, got));
        match (self.suites.iter().find(exact), self.components.first()) {
            (Some(_), Some(component)) => bad("absent where a suite ends with `/`", component),
            (None, None) if self.enabled => bad("present unless the suite ends with `/`", ""),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deb => "deb",
            Self::DebSrc => "deb-src",
        })
    }
}

impl fmt::Display for Source {
    /// Writes a stanza for a `.sources` file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.enabled {
            writeln!(f, "Enabled: no")?;
        }
        let types: Vec<_> = self.types.iter().map(ToString::to_string).collect();
        let lists = [
            ("Types", &types),
            ("URIs", &self.uris),
            ("Suites", &self.suites),
            ("Components", &self.components),
            ("Architectures", &self.architectures),
        ];
        let others = self.others.iter().map(|(name, words)| (name.as_str(), words));
        for (name, words) in lists.into_iter().filter(|(_, words)| !words.is_empty()).chain(others) {
            writeln!(f, "{name}: {}", words.join(" "))?;
        }
        match &self.signed_by {
            None => Ok(()),
            Some(SignedBy::Keys(keys)) => writeln!(f, "Signed-By: {}", keys.join(" ")),
            Some(SignedBy::Inline(lines)) => {
                writeln!(f, "Signed-By:")?;
                lines.iter().try_for_each(|line| writeln!(f, " {}", if line.is_empty() { "." } else { line }))
            }
        }
    }
}

#[cfg(test)]
mod tests;
