//! A host's line as words: as Python's `shlex.split(line, comments=True)` has them, which is what Ansible uses.

use std::ops::Range;

/// A word, without its quotes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Where it stands in the line, with its quotes, in bytes.
    pub(super) span: Range<usize>,
}

/// A line that ends inside a quotation or behind a backslash.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfinished {
    /// Where the quotation, or the backslash, stands.
    pub(super) at: usize,
    pub(super) what: &'static str,
}

#[derive(Clone, Copy)]
enum State {
    Between,
    Word,
    Quoted(char, usize),
    /// Behind a backslash at this place; inside quotation marks that began there, if any.
    Escaped(usize, Option<(char, usize)>),
}

/// Splits a line. `#` ends it wherever it is not quoted, also inside a word.
pub(super) fn split(line: &str) -> Result<Vec<Word>, Unfinished> {
    let mut words = Vec::new();
    let mut word = Word { text: String::new(), span: 0..0 };
    let mut state = State::Between;
    for (at, c) in line.char_indices() {
        state = match state {
            State::Between | State::Word if c == '#' => {
                finish(&mut words, &mut word, state, at);
                return Ok(words);
            }
            State::Between | State::Word if matches!(c, ' ' | '\t' | '\r' | '\n') => {
                finish(&mut words, &mut word, state, at);
                State::Between
            }
            State::Between | State::Word => {
                if matches!(state, State::Between) {
                    word = Word { text: String::new(), span: at..at };
                }
                match c {
                    '\'' | '"' => State::Quoted(c, at),
                    '\\' => State::Escaped(at, None),
                    c => {
                        word.text.push(c);
                        State::Word
                    }
                }
            }
            State::Quoted(quote, _) if c == quote => State::Word,
            State::Quoted('"', start) if c == '\\' => State::Escaped(at, Some(('"', start))),
            State::Quoted(..) => {
                word.text.push(c);
                state
            }
            State::Escaped(_, quoted) => {
                // inside quotation marks a backslash stays, unless it hides one of those or itself
                if quoted.is_some_and(|(quote, _)| c != quote && c != '\\') {
                    word.text.push('\\');
                }
                word.text.push(c);
                quoted.map_or(State::Word, |(quote, start)| State::Quoted(quote, start))
            }
        };
    }
    match state {
        State::Quoted(_, at) => Err(Unfinished { at, what: "the quotation is not closed" }),
        State::Escaped(at, _) => Err(Unfinished { at, what: "nothing follows the backslash" }),
        State::Between | State::Word => {
            finish(&mut words, &mut word, state, line.len());
            Ok(words)
        }
    }
}

fn finish(words: &mut Vec<Word>, word: &mut Word, state: State, end: usize) {
    if matches!(state, State::Word) {
        let text = std::mem::take(&mut word.text);
        words.push(Word { text, span: word.span.start..end });
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    fn texts(line: &str) -> Vec<String> {
        split(line).map_or_else(
            |error| vec![error.what.into()],
            |words| words.into_iter().map(|word| word.text).collect(),
        )
    }

    #[test]
    fn quotes_escapes_and_comments() {
        for (line, expected) in [
            ("a b=1  c", vec!["a", "b=1", "c"]),
            ("a b='x y' c=\"it's\"", vec!["a", "b=x y", "c=it's"]),
            ("a b=x#y c", vec!["a", "b=x"]),
            ("a # b", vec!["a"]),
            ("a b='#'", vec!["a", "b=#"]),
            (r#"a b="\"\\\n" c=\n"#, vec!["a", r#"b="\\n"#, "c=n"]),
            ("a ''", vec!["a", ""]),
            ("a 'b", vec!["the quotation is not closed"]),
            ("a \\", vec!["nothing follows the backslash"]),
            ("é b=ü", vec!["é", "b=ü"]),
        ] {
            assert_eq!(texts(line), expected, "{line}");
        }
        assert_eq!(split("é  b='x'").expect("is fine")[1].span, 4..9);
    }
}
