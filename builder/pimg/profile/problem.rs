//! What is wrong with a file that a person wrote, and where: the shape of every profile and overlay error.
//!
//! Problems are collected, not thrown, so that one run shows all of them. Some lines of such files must not be
//! shown again, because they hold what should have been a secret: a problem says how much of its line is safe.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A file that a person wrote, kept for excerpts.
pub struct SourceFile {
    name: String,
    text: String,
}

impl SourceFile {
    /// Keeps `text` under the name by which a person knows the file, such as `profiles/node-a.toml`.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// The name by which a person knows the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole file.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Shows the name only: the text may hold what should have been a secret.
impl fmt::Debug for SourceFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("SourceFile").field(&self.name).finish()
    }
}

/// A range of bytes in a file.
#[derive(Clone, Debug)]
pub struct Place {
    file: Arc<SourceFile>,
    span: Range<usize>,
}

impl Place {
    /// A range of bytes; what lies past the end of the file is cut off.
    pub fn new(file: &Arc<SourceFile>, span: Range<usize>) -> Self {
        let text = file.text();
        let end = floor_char(text, span.end);
        Self { file: Arc::clone(file), span: floor_char(text, span.start).min(end)..end }
    }

    /// Another range of the same file.
    pub fn narrowed(&self, span: Range<usize>) -> Self {
        Self::new(&self.file, span)
    }

    /// The file.
    pub fn file(&self) -> &SourceFile {
        &self.file
    }

    /// The range, in bytes.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Line and column of the first character, both counted from 1, columns in characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.file.text().get(..self.span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        (before.matches('\n').count() + 1, column + 1)
    }
}

fn floor_char(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(out, "{}:{line}:{column}", self.file.name)
    }
}

/// A value with the place that it was written at.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub place: Place,
}

/// How much of the line at fault may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excerpt {
    /// All of it.
    Line,
    /// Nothing behind the place: a misspelt key may be followed by a secret.
    UpToPlace,
    /// Nothing.
    Hidden,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    message: String,
    place: Option<Place>,
    hint: Option<String>,
    excerpt: Excerpt,
}

impl Problem {
    /// A problem of no place in a file, such as a file that is missing.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, hint: None, excerpt: Excerpt::Line }
    }

    /// A problem of a place in a file.
    pub fn at(place: &Place, message: impl Into<String>) -> Self {
        Self { place: Some(place.clone()), ..Self::new(message) }
    }

    /// Adds what the person can do.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Keeps what follows the place out of the excerpt.
    #[must_use]
    pub fn cut_after_place(self) -> Self {
        Self { excerpt: Excerpt::UpToPlace, ..self }
    }

    /// Keeps the file's text out of the excerpt altogether.
    #[must_use]
    pub fn without_excerpt(self) -> Self {
        Self { excerpt: Excerpt::Hidden, ..self }
    }

    /// What is wrong, as a lower-case fragment.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where, if it is a place in a file.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// What the person can do.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    fn key(&self) -> (&str, usize, &str) {
        let place = self.place.as_ref();
        (place.map_or("", |p| p.file.name()), place.map_or(0, |p| p.span.start), &self.message)
    }
}

/// Sorts by place and drops what was found twice, as happens to a file that several profiles extend.
pub(crate) fn tidy(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| a.key().cmp(&b.key()));
    problems.dedup_by(|a, b| a.key() == b.key());
    problems
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// A headline and its problems as plain text: place, excerpt, caret, hint.
pub struct Report<'a> {
    pub(crate) headline: String,
    pub(crate) problems: &'a [Problem],
}

/// Widest excerpt, in characters.
const EXCERPT_WIDTH: usize = 120;

impl fmt::Display for Report<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.headline)?;
        for problem in self.problems {
            writeln!(out)?;
            let Some(place) = &problem.place else {
                writeln!(out, "  {}", problem.message)?;
                hint(out, problem, 2)?;
                continue;
            };
            writeln!(out, "  {place}")?;
            if problem.excerpt == Excerpt::Hidden {
                writeln!(out, "  {}", problem.message)?;
                hint(out, problem, 2)?;
            } else {
                excerpt(out, problem, place)?;
            }
        }
        Ok(())
    }
}

fn hint(out: &mut fmt::Formatter<'_>, problem: &Problem, indent: usize) -> fmt::Result {
    match &problem.hint {
        Some(hint) => writeln!(out, "{:indent$}hint: {hint}", ""),
        None => Ok(()),
    }
}

fn excerpt(out: &mut fmt::Formatter<'_>, problem: &Problem, place: &Place) -> fmt::Result {
    let (number, column) = place.line_column();
    let line = place.file.text().lines().nth(number - 1).unwrap_or_default();
    let marked = place.file.text().get(place.span()).unwrap_or_default();
    let marked = marked.lines().next().unwrap_or_default().chars().count();

    let whole = problem.excerpt == Excerpt::Line;
    let shown = if whole { line.chars().count() } else { column - 1 + marked };
    let first = if shown > EXCERPT_WIDTH { (column - 1).saturating_sub(EXCERPT_WIDTH / 3) } else { 0 };
    let length = (shown - first.min(shown)).min(EXCERPT_WIDTH);
    let printable = |c: char| if c == '\t' { ' ' } else { c };
    let text: String = line.chars().skip(first).take(length).map(printable).collect();
    let text = text.replace(char::is_control, "\u{fffd}");
    let lead = if first > 0 { "…" } else { "" };
    let tail = if !whole || first + length < shown { " …" } else { "" };

    let gutter = number.to_string().len().max(2);
    writeln!(out, "  {:>gutter$} | {lead}{text}{tail}", number)?;
    let before = column - 1 - first + lead.chars().count();
    let carets = "^".repeat(marked.min(length).max(1));
    writeln!(out, "  {:>gutter$} | {:before$}{carets} {}", "", "", problem.message)?;
    hint(out, problem, gutter + 5)
}

#[cfg(test)]
mod tests {
    use super::{Place, Problem, Report, SourceFile, tidy};

    fn report(problems: Vec<Problem>) -> String {
        Report { headline: "it is wrong".into(), problems: &tidy(problems) }.to_string()
    }

    #[test]
    fn shows_place_excerpt_and_hint() {
        let file = SourceFile::new("profiles/a.toml", "a = 1\nhostname = \"node_a\"\n");
        let problem = Problem::at(&Place::new(&file, 17..25), "`_` is not allowed").with_hint("use `-`");
        insta::assert_snapshot!(report(vec![problem.clone(), problem]), @r#"
        it is wrong

          profiles/a.toml:2:12
           2 | hostname = "node_a"
             |            ^^^^^^^^ `_` is not allowed
               hint: use `-`
        "#);
    }

    #[test]
    fn hides_what_may_be_a_secret() {
        let file = SourceFile::new("profiles/a.toml", "auth_kye = \"tskey-1234\"\n");
        let cut = Problem::at(&Place::new(&file, 0..8), "unknown key").cut_after_place();
        let hidden = Problem::at(&Place::new(&file, 11..23), "not a reference").without_excerpt();
        let text = report(vec![cut.clone(), hidden.clone()]);
        assert!(!text.contains("tskey"), "{text}");
        assert!(text.contains("auth_kye …"), "{text}");
        for problem in [cut, hidden] {
            assert!(!format!("{problem:?}").contains("tskey"));
        }
    }

    #[test]
    fn survives_places_outside_the_file_and_long_lines() {
        let file = SourceFile::new("x", format!("é{}\u{7}", "y".repeat(10_000)));
        for span in [0..1, 1..2, 9_000..9_003, 50_000..60_000, 10_002..10_003] {
            let text = report(vec![Problem::at(&Place::new(&file, span), "bad")]);
            assert!(text.chars().count() < 500 && !text.contains('\u{7}'), "{text}");
        }
        let empty = SourceFile::new("x", "");
        assert!(report(vec![Problem::at(&Place::new(&empty, 0..9), "bad")]).contains("x:1:1"));
    }
}
