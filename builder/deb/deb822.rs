//! Stanzas of fields: the syntax of control files (Debian Policy 5.1, `deb822(5)`).

use std::fmt;

use crate::error::{Error, Problem, Result, utf8};

/// Whether lines that start with `#` are comments. They are in files that people write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comments {
    /// They are left out, also between the lines of a value.
    Allowed,
    /// They are an error, as in everything that dpkg writes.
    Refused,
}

/// One field of a stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
    line: usize,
}

impl<'a> Field<'a> {
    /// The name as it is written.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The lines of the value: the one behind the colon, which may be empty, then the continuation lines without
    /// the space or tab that marks them. A line ` .`, which stands for an empty one, is still `.`.
    pub fn lines(&self) -> &[&'a str] {
        &self.lines
    }

    /// The first line of the value.
    pub fn value(&self) -> &'a str {
        self.lines.first().copied().unwrap_or_default()
    }

    /// All words of the value, over all its lines.
    pub fn words(&self) -> impl Iterator<Item = &'a str> {
        self.lines.iter().flat_map(|line| line.split_ascii_whitespace())
    }

    /// The line of the input in which the field starts, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        if !self.value().is_empty() {
            write!(f, " {}", self.value())?;
        }
        f.write_str("\n")?;
        self.lines.iter().skip(1).try_for_each(|line| writeln!(f, " {line}"))
    }
}

/// Fields up to an empty line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stanza<'a> {
    fields: Vec<Field<'a>>,
}

impl<'a> Stanza<'a> {
    /// All fields in the order of the input.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// The field of this name, in whatever case it is written.
    pub fn field(&self, name: &str) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The first line of the value of this field.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.field(name).map(Field::value)
    }

    /// The value of a field that has to be there and not be empty.
    ///
    /// # Errors
    /// `MissingField`, at the line where the stanza starts.
    pub fn require(&self, name: &'static str) -> Result<&'a str> {
        let value = self.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Error::new(self.line(), Problem::MissingField { field: name }))
    }

    /// Makes sure that a field is there and holds a word on some line.
    ///
    /// # Errors
    /// `MissingField`, at the line where the stanza starts.
    pub(crate) fn require_words(&self, name: &'static str) -> Result<()> {
        let word = self.field(name).and_then(|field| field.words().next());
        let missing = || Error::new(self.line(), Problem::MissingField { field: name });
        word.map(|_| ()).ok_or_else(missing)
    }

    /// The line of the input in which the stanza starts, counted from 1.
    pub fn line(&self) -> usize {
        self.fields.first().map_or(1, Field::line)
    }

    fn push(&mut self, field: Field<'a>) -> Result<()> {
        if self.field(field.name).is_some() {
            let problem = Problem::DuplicateField { field: field.name.to_owned() };
            return Err(Error::new(field.line, problem));
        }
        self.fields.push(field);
        Ok(())
    }
}

impl fmt::Display for Stanza<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields.iter().try_for_each(|field| field.fmt(f))
    }
}

/// Reads all stanzas.
///
/// # Errors
/// The first line that is no field, stands twice, or is not UTF-8.
pub fn parse(bytes: &[u8], comments: Comments) -> Result<Vec<Stanza<'_>>> {
    let mut stanzas = Vec::new();
    let mut stanza = Stanza::default();
    for (line, text) in (1..).zip(utf8(bytes)?.lines()) {
        if comments == Comments::Allowed && text.starts_with('#') {
            continue;
        }
        if text.trim_ascii().is_empty() {
            // policy: lines of spaces and tabs separate stanzas too
            if !stanza.fields.is_empty() {
                stanzas.push(std::mem::take(&mut stanza));
            }
        } else if let Some(continuation) = text.strip_prefix([' ', '\t']) {
            let field = stanza.fields.last_mut();
            let field = field.ok_or_else(|| Error::new(line, Problem::StrayContinuation))?;
            field.lines.push(continuation.trim_ascii_end());
        } else {
            stanza.push(parse_field(line, text)?)?;
        }
    }
    if !stanza.fields.is_empty() {
        stanzas.push(stanza);
    }
    Ok(stanzas)
}

fn parse_field(line: usize, text: &str) -> Result<Field<'_>> {
    let valid = |name: &str| {
        // policy: printable ASCII except colon, not starting with `#` or `-`
        !name.is_empty() && !name.starts_with(['#', '-']) && name.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match text.split_once(':') {
        Some((name, value)) if valid(name) => Ok(Field { name, lines: vec![value.trim_ascii()], line }),
        _ => Err(Error::new(line, Problem::NoField { got: text.to_owned() })),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
# a comment
Package: one
Description: short
 long
 .
# between
\tmore
Empty:

  \t
package: two
";

    #[test]
    fn fields_have_lines_and_places() {
        let stanzas = parse(TEXT.as_bytes(), Comments::Allowed).expect("two stanzas");
        assert_eq!(stanzas.len(), 2);
        let description = stanzas[0].field("DESCRIPTION").expect("a field");
        assert_eq!(description.lines(), ["short", "long", ".", "more"]);
        assert_eq!(description.words().collect::<Vec<_>>(), ["short", "long", ".", "more"]);
        assert_eq!((description.line(), stanzas[1].line()), (3, 11));
        assert_eq!(stanzas[0].get("empty"), Some(""));
        assert_eq!(stanzas[1].require("Package"), Ok("two"));
        let missing = stanzas[1].require("Version").expect_err("not there");
        assert_eq!(missing.to_string(), "line 11: the stanza has no field `Version`");
    }

    #[test]
    fn what_is_no_field_is_an_error_at_its_line() {
        let cases: [(&[u8], &str); 7] = [
            (b"A: 1\n# no comment", "line 2: expected `Field: value`, got `# no comment`"),
            (b"A: 1\nno colon", "line 2: expected `Field: value`, got `no colon`"),
            (b"A b: 1", "line 1: expected `Field: value`, got `A b: 1`"),
            (b": 1", "line 1: expected `Field: value`, got `: 1`"),
            (b"A: 1\n\n lost", "line 3: a continuation line without a field before it"),
            (b"A: 1\nB: 2\na: 3", "line 3: field `a` stands twice in one stanza"),
            (b"A: 1\nB: \xff", "line 2: not valid UTF-8"),
        ];
        for (bytes, expected) in cases {
            let error = parse(bytes, Comments::Refused).expect_err(expected);
            assert_eq!(error.to_string(), expected);
        }
        assert_eq!(parse(b"\n\n# only\n", Comments::Allowed), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(
            stanzas in prop::collection::vec(
                prop::collection::btree_map("[A-Z][a-z]{0,8}", ("[!-~]{0,9}", prop::collection::vec("[!-~]( ?[!-~]){0,9}", 0..4)), 1..5),
                0..4,
            )
        ) {
            let field = |(name, (value, more)): (&'_ String, &'_ (String, Vec<String>))| {
                let lines = std::iter::once(value).chain(more).map(|line| format!(" {line}\n"));
                format!("{name}:{}", lines.collect::<String>())
            };
            let texts: Vec<String> = stanzas.iter().map(|fields| fields.iter().map(field).collect()).collect();
            let text = texts.join("\n").replace(": \n", ":\n");
            let read = parse(text.as_bytes(), Comments::Refused).expect("valid");
            let printed: Vec<String> = read.iter().map(ToString::to_string).collect();
            prop_assert_eq!(printed.join("\n"), &text[..]);
            prop_assert_eq!(read.len(), stanzas.len());
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes, Comments::Allowed);
            let _ = parse(&bytes, Comments::Refused);
        }
    }
}
