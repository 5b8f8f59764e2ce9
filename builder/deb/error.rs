//! What is wrong with control data, and where.

/// Result of this package.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A problem in a line of the input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Error {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Control data is UTF-8 (Debian Policy 5.1).
    #[error("not valid UTF-8")]
    NotUtf8,
    /// Neither a field nor the continuation of one.
    #[error("expected `Field: value`, got `{got}`")]
    NoField {
        /// The line.
        got: String,
    },
    /// A continuation line with nothing to continue.
    #[error("a continuation line without a field before it")]
    StrayContinuation,
    /// A field stands twice in one stanza.
    #[error("field `{field}` stands twice in one stanza")]
    DuplicateField {
        /// Name of the field.
        field: String,
    },
    /// A stanza lacks a field.
    #[error("the stanza has no field `{field}`")]
    MissingField {
        /// Name of the field.
        field: &'static str,
    },
    /// A file that is one stanza has another.
    #[error("one stanza is all there may be")]
    SecondStanza,
    /// A value is not what its field allows.
    #[error("`{field}` must be {expected}, got `{got}`")]
    BadValue {
        /// Name of the field or of the part of a line.
        field: &'static str,
        /// What is allowed.
        expected: &'static str,
        /// The value.
        got: String,
    },
}

impl Error {
    pub(crate) fn new(line: usize, problem: Problem) -> Self {
        Self { line, problem }
    }

    pub(crate) fn bad_value(line: usize, field: &'static str, expected: &'static str, got: &str) -> Self {
        Self::new(line, Problem::BadValue { field, expected, got: got.to_owned() })
    }
}

/// The lines of `bytes`, counted from 1, without their ends.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    (1..).zip(lines)
}

/// Text, or the line in which it is none.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = valid.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
        Error::new(line, Problem::NotUtf8)
    })
}
