//! What the lines `Package` and `Pin` of a pin are about (apt, `pkgPolicy::CreatePin` and `apt-pkg/versionmatch.cc`).

use super::{Archive, Subject};
use crate::pattern::{Pattern, is_pattern};
use crate::preferences::Versions;

/// A word of `Package`: `[src:]NAME[:ARCHITECTURE]`.
#[derive(Debug, Clone)]
pub(super) struct Name {
    of_source: bool,
    name: Wanted,
    architecture: Option<String>,
}

#[derive(Debug, Clone)]
enum Wanted {
    Exactly(String),
    Like(Pattern),
}

impl Name {
    /// Nothing where it is a regular expression that is none.
    pub(super) fn new(word: &str) -> Option<Self> {
        let (of_source, word) = match word.strip_prefix("src:") {
            Some(name) => (true, name),
            None => (false, word),
        };
        let (name, architecture) = match word.rsplit_once(':') {
            Some((name, architecture)) => (name, Some(architecture.to_owned())),
            None => (word, None),
        };
        let name = match is_pattern(name) {
            true => Wanted::Like(Pattern::parse(name).ok()?),
            false => Wanted::Exactly(name.to_owned()),
        };
        Some(Self { of_source, name, architecture })
    }

    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        let name = if self.of_source { subject.source } else { subject.package };
        let by_name = match &self.name {
            Wanted::Exactly(wanted) => wanted == name,
            Wanted::Like(pattern) => pattern.matches(name),
        };
        let by_architecture = match (self.architecture.as_deref(), subject.foreign) {
            (Some("any"), _) | (None, None) => true,
            (Some(wanted), Some(foreign)) => wanted == foreign,
            (Some(_), None) | (None, Some(_)) => false,
        };
        by_name && by_architecture
    }
}

/// What `Pin` is about.
#[derive(Debug, Clone)]
pub(super) enum Selector {
    /// `release *`
    Everything,
    Release(Box<Properties>),
    /// A host.
    Site(Pattern),
    /// No host, but not the status either.
    Local,
    Version(Number),
}

/// Properties of a release; all that are asked for have to match.
#[derive(Debug, Clone, Default)]
pub(super) struct Properties {
    /// A word of its own: the suite or the codename.
    either: Option<Pattern>,
    suite: Option<Pattern>,
    codename: Option<Pattern>,
    origin: Option<Pattern>,
    label: Option<Pattern>,
    component: Option<Pattern>,
    architecture: Option<Pattern>,
    version: Option<Number>,
}

/// A version; with a star at the end what starts with it.
#[derive(Debug, Clone)]
pub(super) struct Number {
    text: String,
    is_start: bool,
    pattern: Pattern,
}

impl Selector {
    /// Nothing where it could match nothing.
    pub(super) fn new(versions: &Versions) -> Option<Self> {
        Some(match versions {
            Versions::Release(properties) if *properties == ["*"] => Self::Everything,
            Versions::Release(properties) => Self::Release(Box::new(Properties::new(properties)?)),
            Versions::Origin(site) if site.is_empty() => Self::Local,
            Versions::Origin(site) => Self::Site(Pattern::parse(site).ok()?),
            Versions::Matching(version) => Self::Version(Number::new(version)?),
        })
    }

    pub(super) fn matches_version(&self, version: &str) -> bool {
        matches!(self, Self::Version(number) if number.matches(version))
    }

    pub(super) fn matches_archive(&self, archive: &Archive) -> bool {
        match self {
            Self::Everything => true,
            Self::Release(properties) => properties.match_archive(archive),
            Self::Site(pattern) => pattern.matches(&archive.site),
            Self::Local => archive.site.is_empty() && !archive.is_status,
            Self::Version(_) => false,
        }
    }
}

impl Properties {
    fn new(words: &[String]) -> Option<Self> {
        let mut properties = Self::default();
        if let [word] = words
            && !word.contains('=')
        {
            if word.starts_with(|first: char| first.is_ascii_digit()) {
                properties.version = Some(Number::new(word)?);
            } else if word.is_empty() {
                return None;
            } else {
                properties.either = Some(Pattern::parse(word).ok()?);
            }
            return Some(properties);
        }
        let mut any = false;
        for word in words {
            // apt reads over what it does not know
            let Some((key, value)) = word.split_once('=').filter(|(_, value)| !value.is_empty()) else {
                continue;
            };
            let slot = match key.to_ascii_lowercase().as_str() {
                "a" => &mut properties.suite,
                "n" => &mut properties.codename,
                "o" => &mut properties.origin,
                "l" => &mut properties.label,
                "c" => &mut properties.component,
                "b" => &mut properties.architecture,
                "v" => {
                    properties.version = Some(Number::new(value)?);
                    any = true;
                    continue;
                }
                _ => continue,
            };
            *slot = Some(Pattern::parse(value).ok()?);
            any = true;
        }
        any.then_some(properties)
    }

    fn match_archive(&self, archive: &Archive) -> bool {
        let fits = |pattern: &Pattern, value: &str| !value.is_empty() && pattern.matches(value);
        let pairs = [
            (&self.suite, &archive.suite),
            (&self.codename, &archive.codename),
            (&self.origin, &archive.origin),
            (&self.label, &archive.label),
            (&self.component, &archive.component),
            (&self.architecture, &archive.architecture),
        ];
        let either = |pattern: &Pattern| fits(pattern, &archive.suite) || fits(pattern, &archive.codename);
        pairs.iter().all(|(pattern, value)| pattern.as_ref().is_none_or(|pattern| fits(pattern, value)))
            && self.either.as_ref().is_none_or(either)
            && self.version.as_ref().is_none_or(|number| number.matches(&archive.version))
    }
}

impl Number {
    fn new(text: &str) -> Option<Self> {
        let (text, is_start) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        Some(Self { text: text.to_owned(), is_start, pattern: Pattern::parse(text).ok()? })
    }

    fn matches(&self, version: &str) -> bool {
        if version.is_empty() {
            return false;
        }
        let start = version.get(..self.text.len());
        let starts = start.is_some_and(|start| start.eq_ignore_ascii_case(&self.text));
        (starts && (self.is_start || version.len() == self.text.len())) || self.pattern.matches(version)
    }
}
