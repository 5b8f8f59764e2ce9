//! Relations between packages: `Depends`, `Conflicts`, `Provides` and so on (Debian Policy 7.1).

use std::cmp::Ordering;
use std::fmt;

use crate::error::{Error, Result};
use crate::version::compare;

/// How a version relates to the one that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`, and `<` as dpkg reads it
    EarlierOrEqual,
    /// `=`, and no operator as dpkg reads it
    Equal,
    /// `>=`, and `>` as dpkg reads it
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Operator {
    /// Whether a version stands in this relation to the one that is named.
    pub fn holds(self, version: &str, named: &str) -> bool {
        let ordering = compare(version, named);
        match self {
            Self::Earlier => ordering == Ordering::Less,
            Self::EarlierOrEqual => ordering != Ordering::Greater,
            Self::Equal => ordering == Ordering::Equal,
            Self::LaterOrEqual => ordering != Ordering::Less,
            Self::Later => ordering == Ordering::Greater,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        })
    }
}

/// One package that is named, with what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Relation<'a> {
    /// Its name, which may be that of a virtual package.
    pub name: &'a str,
    /// Behind the colon: `any`, `native` or an architecture.
    pub qualifier: Option<&'a str>,
    /// Which versions will do; all where there is none.
    pub version: Option<(Operator, &'a str)>,
}

impl Relation<'_> {
    /// Whether a version is one of those asked for.
    pub fn accepts(&self, version: &str) -> bool {
        self.version.is_none_or(|(operator, named)| operator.holds(version, named))
    }
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        match self.version {
            Some((operator, version)) => write!(f, " ({operator} {version})"),
            None => Ok(()),
        }
    }
}

/// Reads a field: all of the outer list are meant, and of each inner one any.
///
/// Restrictions to architectures (`[arm64]`) and build profiles (`<!nocheck>`) are only in source packages, where
/// `dpkg-gencontrol` evaluates them; here they are read over. So are empty elements between commas.
///
/// # Errors
/// The first relation that is none, at its line of the field.
pub fn parse(field: &str) -> Result<Vec<Vec<Relation<'_>>>> {
    let mut groups = Vec::new();
    let mut line: usize = 1;
    for group in field.split(',') {
        if !group.trim_ascii().is_empty() {
            groups.push(alternatives(group, line)?);
        }
        line = line.saturating_add(newlines(group));
    }
    Ok(groups)
}

fn alternatives(group: &str, mut line: usize) -> Result<Vec<Relation<'_>>> {
    let mut relations = Vec::with_capacity(1);
    for text in group.split('|') {
        let bad = || {
            let blank =
                newlines(text.get(..text.len().saturating_sub(text.trim_ascii_start().len())).unwrap_or(""));
            let line = line.saturating_add(blank);
            Error::bad_value(
                line,
                "relation",
                "`name`, `name:arch` or `name (>= version)`",
                text.trim_ascii(),
            )
        };
        relations.push(relation(text.trim_ascii()).ok_or_else(bad)?);
        line = line.saturating_add(newlines(text));
    }
    Ok(relations)
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

fn relation(text: &str) -> Option<Relation<'_>> {
    let end = text.find(|c: char| c.is_ascii_whitespace() || "([<".contains(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (name, None),
    };
    if !is_package_name(name) || qualifier.is_some_and(|qualifier| !is_architecture(qualifier)) {
        return None;
    }
    let mut rest = rest.trim_ascii_start();
    let mut version = None;
    if let Some(inner) = rest.strip_prefix('(') {
        let (inner, behind) = inner.split_once(')')?;
        version = Some(restriction(inner.trim_ascii())?);
        rest = behind.trim_ascii_start();
    }
    while let Some(first) = rest.chars().next() {
        let close = match first {
            '[' => ']',
            '<' => '>',
            _ => return None,
        };
        rest = rest.split_once(close)?.1.trim_ascii_start();
    }
    Some(Relation { name, qualifier, version })
}

fn restriction(text: &str) -> Option<(Operator, &str)> {
    let operators = [
        ("<<", Operator::Earlier),
        ("<=", Operator::EarlierOrEqual),
        (">=", Operator::LaterOrEqual),
        (">>", Operator::Later),
        ("=", Operator::Equal),
        ("<", Operator::EarlierOrEqual),
        (">", Operator::LaterOrEqual),
        ("", Operator::Equal),
    ];
    let found = operators.iter().find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)));
    let (operator, version) = found?;
    let version = version.trim_ascii_start();
    is_version_text(version).then_some((operator, version))
}

/// dpkg's `pkg_name_is_illegal`.
pub(crate) fn is_package_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+._".contains(&byte))
}

/// dpkg's `dpkg_arch_name_is_illegal`.
pub(crate) fn is_architecture(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// What may stand where a version does: dpkg only warns of letters at the start and of other signs, so packages
/// with such versions exist. It is always safe as a part of a file name and as a word of a command.
pub(crate) fn is_version_text(version: &str) -> bool {
    version.starts_with(|first: char| first.is_ascii_alphanumeric())
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-~:_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(name: &str) -> Relation<'_> {
        Relation { name, qualifier: None, version: None }
    }

    #[test]
    fn a_field_is_an_and_of_alternatives() {
        let field = "libc6 (>= 2.38), default-mta | mail-transport-agent,\n python3:any (<< 3.14~),\n\tg++-14(=14.2.0-19)";
        let expected = vec![
            vec![Relation { version: Some((Operator::LaterOrEqual, "2.38")), ..plain("libc6") }],
            vec![plain("default-mta"), plain("mail-transport-agent")],
            vec![Relation {
                qualifier: Some("any"),
                version: Some((Operator::Earlier, "3.14~")),
                ..plain("python3")
            }],
            vec![Relation { version: Some((Operator::Equal, "14.2.0-19")), ..plain("g++-14") }],
        ];
        assert_eq!(parse(field), Ok(expected));
        assert_eq!(parse(""), Ok(Vec::new()));
        assert_eq!(parse(" ,a,\n"), Ok(vec![vec![plain("a")]]));
    }

    #[test]
    fn old_operators_and_source_restrictions_are_read() {
        for (text, operator) in [
            ("a (< 1)", Operator::EarlierOrEqual),
            ("a (<<1)", Operator::Earlier),
            ("a (> 1)", Operator::LaterOrEqual),
            ("a (>>1)", Operator::Later),
            ("a ( 1 )", Operator::Equal),
            ("a(= 1) [arm64 !amd64] <!nocheck> <cross>", Operator::Equal),
        ] {
            let expected = vec![vec![Relation { version: Some((operator, "1")), ..plain("a") }]];
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        assert_eq!(parse("a [arm64] | b<x>"), Ok(vec![vec![plain("a"), plain("b")]]));
    }

    #[test]
    fn what_is_no_relation_is_an_error_at_its_line() {
        for bad in
            ["a b", "a |", "| a", "a (", "a (>= )", "a (=> 1)", "a:", ":any", "a (1) b", "a [x", "-a", "é"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let error = parse("a,\n b |\n c d").expect_err("two names");
        let expected = "line 3: `relation` must be `name`, `name:arch` or `name (>= version)`, got `c d`";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn relations_say_which_versions_will_do() {
        let accepts = |text: &str, version| {
            let groups = parse(text).expect("a relation");
            groups[0][0].accepts(version)
        };
        for (text, below, same, above) in [
            ("a", true, true, true),
            ("a (<< 2)", true, false, false),
            ("a (<= 2)", true, true, false),
            ("a (= 2)", false, true, false),
            ("a (>= 2)", false, true, true),
            ("a (>> 2)", false, false, true),
        ] {
            let got = (accepts(text, "2~rc1"), accepts(text, "2-0"), accepts(text, "2-1"));
            assert_eq!(got, (below, same, above), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(
            groups in prop::collection::vec(prop::collection::vec(
                ("[a-z0-9][a-z0-9+.-]{0,8}", prop::option::of("any|native|arm64"),
                 prop::option::of(("<<|<=|=|>=|>>", "[0-9][a-z0-9:~.+-]{0,5}"))), 1..4), 0..4)
        ) {
            let print = |(name, qualifier, version): &(String, Option<String>, Option<(String, String)>)| {
                let qualifier = qualifier.as_ref().map(|word| format!(":{word}")).unwrap_or_default();
                let version = version.as_ref().map(|(sign, text)| format!(" ({sign} {text})")).unwrap_or_default();
                format!("{name}{qualifier}{version}")
            };
            let join = |group: &Vec<_>| group.iter().map(print).collect::<Vec<_>>().join(" | ");
            let text = groups.iter().map(join).collect::<Vec<_>>().join(", ");
            let read = parse(&text).expect("valid");
            let printed: Vec<_> = read.iter().map(|group| {
                group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
            }).collect();
            prop_assert_eq!(printed.join(", "), text);
        }

        #[test]
        fn garbage_never_panics(text in ".{0,60}", signs in "[a-z0-9:()<>=|,\\[\\] \n]{0,40}") {
            let _ = parse(&text);
            let _ = parse(&signs);
        }
    }
}
