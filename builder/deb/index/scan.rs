//! Goes over the text of an index and picks the fields that are wanted.

use super::Fault;
use crate::error::Problem;

/// A value, and the byte of the text where its field starts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Value<'a> {
    pub(super) text: &'a str,
    offset: usize,
    seen: bool,
}

impl Value<'_> {
    pub(super) fn bad(self, field: &'static str, expected: &'static str) -> Fault {
        let problem = Problem::BadValue { field, expected, got: self.text.to_owned() };
        Fault { offset: self.offset, problem }
    }
}

/// The wanted fields of one stanza, trimmed; empty where they are not there.
#[derive(Debug, Default)]
pub(super) struct Draft<'a> {
    pub(super) offset: usize,
    pub(super) stanza: &'a str,
    pub(super) package: Value<'a>,
    pub(super) version: Value<'a>,
    pub(super) architecture: Value<'a>,
    pub(super) source: Value<'a>,
    pub(super) multi_arch: Value<'a>,
    pub(super) essential: Value<'a>,
    pub(super) protected: Value<'a>,
    pub(super) important: Value<'a>,
    pub(super) priority: Value<'a>,
    pub(super) section: Value<'a>,
    pub(super) pre_depends: Value<'a>,
    pub(super) depends: Value<'a>,
    pub(super) recommends: Value<'a>,
    pub(super) suggests: Value<'a>,
    pub(super) conflicts: Value<'a>,
    pub(super) breaks: Value<'a>,
    pub(super) replaces: Value<'a>,
    pub(super) provides: Value<'a>,
    pub(super) installed_size: Value<'a>,
    pub(super) filename: Value<'a>,
    pub(super) size: Value<'a>,
    pub(super) sha256: Value<'a>,
    pub(super) status: Value<'a>,
}

impl<'a> Draft<'a> {
    /// Where the value of this field goes, in whatever case its name is written.
    fn slot(&mut self, name: &str) -> Option<&mut Value<'a>> {
        let mut lower = [0; 16];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"package" => &mut self.package,
            b"version" => &mut self.version,
            b"architecture" => &mut self.architecture,
            b"source" => &mut self.source,
            b"multi-arch" => &mut self.multi_arch,
            b"essential" => &mut self.essential,
            b"protected" => &mut self.protected,
            b"important" => &mut self.important,
            b"priority" => &mut self.priority,
            b"section" => &mut self.section,
            b"pre-depends" => &mut self.pre_depends,
            b"depends" => &mut self.depends,
            b"recommends" => &mut self.recommends,
            b"suggests" => &mut self.suggests,
            b"conflicts" => &mut self.conflicts,
            b"breaks" => &mut self.breaks,
            b"replaces" => &mut self.replaces,
            b"provides" => &mut self.provides,
            b"installed-size" => &mut self.installed_size,
            b"filename" => &mut self.filename,
            b"size" => &mut self.size,
            b"sha256" => &mut self.sha256,
            b"status" => &mut self.status,
            _ => return None,
        })
    }
}

/// A place in the text, always at the start of a line.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, offset: 0 }
    }

    /// The next stanza, if there is one.
    pub(super) fn stanza(&mut self) -> Result<Option<Draft<'a>>, Fault> {
        while self.at_blank_line() {
            self.offset = self.line_end(self.offset).saturating_add(1);
        }
        if self.offset >= self.text.len() {
            return Ok(None);
        }
        let mut draft = Draft { offset: self.offset, ..Draft::default() };
        let mut end = self.offset;
        while self.offset < self.text.len() && !self.at_blank_line() {
            end = self.field(&mut draft)?;
            self.offset = end.saturating_add(1);
        }
        draft.stanza = self.slice(draft.offset, end);
        Ok(Some(draft))
    }

    /// Reads one field with its continuation lines and tells where it ends.
    fn field(&mut self, draft: &mut Draft<'a>) -> Result<usize, Fault> {
        let offset = self.offset;
        let fault = |problem| Err(Fault { offset, problem });
        let first_end = self.line_end(offset);
        let line = self.slice(offset, first_end);
        if line.starts_with([' ', '\t']) {
            return fault(Problem::StrayContinuation);
        }
        let colon = line.bytes().position(|byte| byte == b':' || !byte.is_ascii_graphic());
        let name = match colon.and_then(|colon| line.split_at_checked(colon)) {
            Some((name, rest))
                if rest.starts_with(':') && !name.is_empty() && !name.starts_with(['#', '-']) =>
            {
                name
            }
            _ => return fault(Problem::NoField { got: line.to_owned() }),
        };
        let end = self.value_end(first_end);
        if let Some(value) = draft.slot(name) {
            if value.seen {
                return fault(Problem::DuplicateField { field: name.to_owned() });
            }
            let start = offset.saturating_add(name.len()).saturating_add(1);
            *value = Value { text: self.slice(start, end).trim_ascii(), offset, seen: true };
        }
        Ok(end)
    }

    /// Where a value ends whose first line ends here: before the first line that does not continue it.
    fn value_end(&self, mut end: usize) -> usize {
        loop {
            let next = end.saturating_add(1);
            let continues = matches!(self.text.as_bytes().get(next), Some(b' ' | b'\t'));
            if !continues || self.is_blank(next) {
                return end;
            }
            end = self.line_end(next);
        }
    }

    fn at_blank_line(&self) -> bool {
        match self.text.as_bytes().get(self.offset) {
            Some(b'\n') => true,
            Some(b' ' | b'\t' | b'\r') => self.is_blank(self.offset),
            _ => false,
        }
    }

    /// Policy: lines of spaces and tabs separate stanzas too.
    fn is_blank(&self, start: usize) -> bool {
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let line = rest.iter().take_while(|byte| **byte != b'\n');
        line.copied().all(|byte| byte.is_ascii_whitespace())
    }

    /// Where the line ends that holds this place: at its newline, or at the end of the text.
    fn line_end(&self, offset: usize) -> usize {
        let rest = self.text.get(offset..).unwrap_or_default();
        rest.find('\n').map_or(self.text.len(), |length| offset.saturating_add(length))
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }
}
