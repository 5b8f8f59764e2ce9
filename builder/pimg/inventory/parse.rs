//! The lines of an inventory: sections, hosts, variables, groups of groups.
//!
//! A line may hold a secret. The excerpt of an error shows its first word, or nothing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use num_bigint::BigInt;

use super::groups::{ALL, Assignment, Host, Inventory, UNGROUPED};
use super::value::Value;
use super::words::{self, Word};
use super::{hosts, literal};
use crate::profile::Error;
use crate::profile::problem::{Place, Problem, SourceFile};

/// Where Python's `splitlines` ends a line.
const LINE_ENDS: [char; 10] =
    ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];

/// What the lines of a section are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hosts,
    Variables,
    Children,
}

/// A group that was named before it was declared.
struct Pending {
    place: Place,
    /// The groups that it is to be a child of; `None` where only its variables were seen.
    parents: Option<Vec<usize>>,
}

/// Reads an inventory that people know under this name.
///
/// # Errors
/// Everything in it that Ansible would stop at.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Inventory, Error> {
    let mut problems = Vec::new();
    let file = SourceFile::new(name, text_of(name, bytes, &mut problems));
    let mut reader = Reader {
        file: Arc::clone(&file),
        inventory: Inventory::new(),
        pending: BTreeMap::new(),
        section: (UNGROUPED, Kind::Hosts),
        problems,
    };
    let mut start = if file.text().starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    for line in file.text().get(start..).unwrap_or_default().split_inclusive(LINE_ENDS) {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        reader.line(start + indent..start + indent + text.len());
        start += line.len();
    }
    reader.finish()
}

/// The file as text. What is no UTF-8 may stand in comments, as with Ansible.
fn text_of(name: &str, bytes: &[u8], problems: &mut Vec<Problem>) -> String {
    let mut text = String::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let lossy = String::from_utf8_lossy(line);
        if std::str::from_utf8(line).is_err() && !line.starts_with(b"#") && !line.starts_with(b";") {
            let file = SourceFile::new(name, format!("{text}{lossy}"));
            let place = Place::new(&file, text.len()..text.len());
            problems.push(Problem::at(&place, "the line is not UTF-8 text").without_excerpt());
        }
        text.push_str(&lossy);
    }
    text
}

struct Reader {
    file: Arc<SourceFile>,
    inventory: Inventory,
    /// By group.
    pending: BTreeMap<String, Pending>,
    section: (usize, Kind),
    problems: Vec<Problem>,
}

impl Reader {
    fn place(&self, span: Range<usize>) -> Place {
        Place::new(&self.file, span)
    }

    /// A problem with an excerpt that shows no value.
    fn problem(&self, line: &Range<usize>, span: Range<usize>, message: impl Into<String>) -> Problem {
        let before = self.file.text().get(line.start..span.start).unwrap_or_default();
        let is_first_word = !before.contains(|c: char| c == '=' || c.is_whitespace());
        let problem = Problem::at(&self.place(span), message);
        if is_first_word { problem.cut_after_place() } else { problem.without_excerpt() }
    }

    fn report(&mut self, line: &Range<usize>, span: Range<usize>, message: impl Into<String>) {
        let problem = self.problem(line, span, message);
        self.problems.push(problem);
    }

    fn line(&mut self, line: Range<usize>) {
        let file = Arc::clone(&self.file);
        let text = file.text().get(line.clone()).unwrap_or_default();
        if text.is_empty() || text.starts_with(['#', ';']) {
            return;
        }
        if let Some((name, kind)) = section(text) {
            return self.header(&line, name, kind);
        }
        if text.starts_with('[') && text.ends_with(']') {
            let hint = "a section is `[GROUP]`, `[GROUP:vars]` or `[GROUP:children]`, without spaces";
            self.problems.push(Problem::at(&self.place(line), "is not a section").with_hint(hint));
            return;
        }
        let (group, kind) = self.section;
        match kind {
            Kind::Hosts => self.hosts(&line, text, group),
            Kind::Variables => self.variable(&line, text, group),
            Kind::Children => self.child(&line, text, group),
        }
    }

    fn header(&mut self, line: &Range<usize>, name: &str, kind: Option<&str>) {
        let span = line.start + 1..line.start + 1 + name.len();
        let kind = match kind {
            None | Some("hosts") => Kind::Hosts,
            Some("vars") => Kind::Variables,
            Some("children") => Kind::Children,
            Some(other) => {
                let at = span.end + 1..span.end + 1 + other.len();
                let problem = Problem::at(&self.place(at), "is no kind of section");
                self.problems.push(problem.with_hint("the kinds are `vars` and `children`"));
                Kind::Hosts
            }
        };
        let group = self.inventory.group(name);
        if group.is_none() && kind == Kind::Variables && !self.pending.contains_key(name) {
            self.pending.insert(name.to_owned(), Pending { place: self.place(span), parents: None });
        }
        let group = group.unwrap_or_else(|| self.inventory.add_group(name));
        if kind != Kind::Variables
            && let Some(pending) = self.pending.remove(name)
        {
            for parent in pending.parents.unwrap_or_default() {
                self.link(parent, group, &pending.place);
            }
        }
        self.section = (group, kind);
    }

    fn link(&mut self, parent: usize, child: usize, place: &Place) {
        if child == ALL {
            self.problems.push(Problem::at(place, "`all` holds every group, and is in none"));
        } else if !self.inventory.link(parent, child) {
            let parent = &self.inventory.groups[parent].name;
            self.problems
                .push(Problem::at(place, format!("holds `{parent}` itself: groups are in a circle")));
        }
    }

    fn child(&mut self, line: &Range<usize>, text: &str, parent: usize) {
        let length = text.find(|c: char| c == ':' || c == ']' || c.is_whitespace()).unwrap_or(text.len());
        let (name, rest) = text.split_at(length);
        let span = line.start..line.start + length;
        if name.is_empty() || !is_comment(rest) {
            let hint = "a line of a `:children` section is the name of one group";
            let problem = self.problem(line, span, "is not the name of a group").with_hint(hint);
            self.problems.push(problem);
            return;
        }
        let place = self.place(span);
        match (self.inventory.group(name), self.pending.get_mut(name)) {
            (Some(child), _) => self.link(parent, child, &place),
            (None, Some(pending)) => pending.parents.get_or_insert_default().push(parent),
            (None, None) => {
                self.pending.insert(name.to_owned(), Pending { place, parents: Some(vec![parent]) });
            }
        }
    }

    fn variable(&mut self, line: &Range<usize>, text: &str, group: usize) {
        let Some((name, value)) = text.split_once('=') else {
            let end = text.find(|c: char| c.is_whitespace() || c == ':').unwrap_or(text.len());
            let problem = Problem::at(&self.place(line.start..line.start + end), "is not `NAME=VALUE`");
            // without its sign the line may be nothing but a value
            self.problems.push(problem.without_excerpt());
            return;
        };
        let value_at = line.start + name.len() + 1 + (value.len() - value.trim_start().len());
        let (name, value) = (name.trim_end(), value.trim());
        let places = (line.start..line.start + name.len(), value_at..value_at + value.len());
        let owner = self.inventory.groups[group].name.clone();
        let Some(at) = self.assign(line, name, value, owner, true, places) else { return };
        self.set_of_group(line, group, at);
    }

    /// Keeps what was written; its number.
    fn assign(
        &mut self,
        line: &Range<usize>,
        name: &str,
        value: &str,
        owner: String,
        of_group: bool,
        (name_at, value_at): (Range<usize>, Range<usize>),
    ) -> Option<usize> {
        let Ok(value) = literal::value_of(value) else {
            self.report(line, name_at, "a list, set or dictionary cannot be a key in a dictionary");
            return None;
        };
        let (place, value_place) = (self.place(name_at), self.place(value_at));
        let assignment = Assignment { name: name.to_owned(), value, owner, of_group, place, value_place };
        self.inventory.assignments.push(assignment);
        Some(self.inventory.assignments.len() - 1)
    }

    fn set_of_group(&mut self, line: &Range<usize>, group: usize, at: usize) {
        let Assignment { name, value, place, .. } = &self.inventory.assignments[at];
        if name != "ansible_group_priority" {
            let name = name.clone();
            self.inventory.groups[group].variables.insert(name, at);
            return;
        }
        match priority(value) {
            Some(priority) => self.inventory.groups[group].priority = priority,
            None => {
                let span = place.span();
                self.report(line, span, "is to be a whole number");
            }
        }
    }

    fn hosts(&mut self, line: &Range<usize>, text: &str, group: usize) {
        let words = match words::split(text) {
            Ok(words) => words,
            Err(error) => {
                let at = line.start + error.at;
                self.report(line, at..at + 1, error.what);
                return;
            }
        };
        let Some((pattern, variables)) = words.split_first() else { return };
        let span = line.start + pattern.span.start..line.start + pattern.span.end;
        let (names, port) = match hosts::expand(&pattern.text) {
            Ok(expanded) => expanded,
            Err(message) => {
                self.report(line, span, message);
                return;
            }
        };
        if self.inventory.hosts.len() + names.len() > hosts::MOST {
            let message = format!("with these there are more than {} hosts", hosts::MOST);
            self.report(line, span, message);
            return;
        }
        let port = port.filter(|port| *port > 0);
        for name in &names {
            self.host(name, group, &span, port);
        }
        for word in variables {
            self.host_variable(line, word, &pattern.text, &names);
        }
    }

    fn host(&mut self, name: &str, group: usize, span: &Range<usize>, port: Option<u64>) {
        let host = self.inventory.host(name).unwrap_or_else(|| {
            let place = self.place(span.clone());
            let mut variables = BTreeMap::new();
            if let Some(port) = port {
                let (value, value_place) = (Value::Integer(BigInt::from(port)), place.clone());
                let (owner, name) = (name.to_owned(), "ansible_port".to_owned());
                variables.insert(name.clone(), self.inventory.assignments.len());
                let place = place.clone();
                self.inventory.assignments.push(Assignment {
                    name,
                    value,
                    owner,
                    of_group: false,
                    place,
                    value_place,
                });
            }
            self.inventory.hosts.push(Host { name: name.to_owned(), place, variables });
            self.inventory.hosts.len() - 1
        });
        let hosts = &mut self.inventory.groups[group].hosts;
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }

    fn host_variable(&mut self, line: &Range<usize>, word: &Word, owner: &str, names: &[String]) {
        let span = line.start + word.span.start..line.start + word.span.end;
        let Some((name, value)) = word.text.split_once('=') else {
            let problem =
                Problem::at(&self.place(span), "is not `NAME=VALUE`, as all behind a host has to be");
            self.problems
                .push(problem.without_excerpt().with_hint("quote a value with spaces: `NAME='a b'`"));
            return;
        };
        // with quotes before the sign the places are those of the whole word
        let written = self.file.text().get(span.clone()).unwrap_or_default();
        let places = match written.starts_with(&format!("{name}=")) {
            true => (span.start..span.start + name.len(), span.start + name.len() + 1..span.end),
            false => (span.clone(), span.clone()),
        };
        let Some(at) = self.assign(line, name, value, owner.to_owned(), false, places) else { return };
        for host in names {
            // Ansible looks for a group of that name first
            if let Some(group) = self.inventory.group(host) {
                self.set_of_group(line, group, at);
            } else if let Some(host) = self.inventory.host(host) {
                self.inventory.hosts[host].variables.insert(name.to_owned(), at);
            }
        }
    }

    fn finish(mut self) -> Result<Inventory, Error> {
        for (name, pending) in &self.pending {
            let message = match pending.parents {
                None => format!("there is no group `{name}` to have variables: no section `[{name}]`"),
                Some(_) => format!("there is no group `{name}`: no section `[{name}]`"),
            };
            let known = self.inventory.groups.iter().filter(|group| group.name != *name);
            let near = crate::profile::document::closest(name, known.map(|group| group.name.as_str()));
            let problem = Problem::at(&pending.place, message);
            self.problems.push(match near {
                Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
                None => problem,
            });
        }
        if !self.problems.is_empty() {
            let subject = format!("`{}` is not an inventory that Ansible would take", self.file.name());
            return Err(Error::new(subject, self.problems));
        }
        self.inventory.settle();
        Ok(self.inventory)
    }
}

/// `[name]` or `[name:kind]`, with nothing behind it but a comment.
fn section(text: &str) -> Option<(&str, Option<&str>)> {
    let (inner, rest) = text.strip_prefix('[')?.split_once(']')?;
    let (name, kind) = match inner.split_once(':') {
        Some((name, kind)) => (name, Some(kind)),
        None => (inner, None),
    };
    let is_word = |kind: &str| !kind.is_empty() && kind.chars().all(|c| c.is_alphanumeric() || c == '_');
    let fits = !name.is_empty() && !name.contains(char::is_whitespace) && kind.is_none_or(is_word);
    (fits && is_comment(rest)).then_some((name, kind))
}

/// Whether there is nothing but blanks and a comment.
fn is_comment(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with('#')
}

/// As Python's `int`.
fn priority(value: &Value) -> Option<i64> {
    match value {
        Value::Boolean(value) => Some(i64::from(*value)),
        Value::Integer(number) => i64::try_from(number).ok(),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn every_mistake_is_told_with_its_place_and_without_values() {
        let text = "\
[nodes]
a ansible_host='10.0.0.1
b[1 token=secret1
c secret2
[nodes:wars]
[nodes:vars]
password: secret3
x={[1]: 'secret4'}
[nope:vars]
y=secret5
[up:children]
nodes
down
[nodes:children]
up
[two words]
";
        let error = parse("hosts.ini", text.as_bytes()).expect_err("is wrong");
        let report = error.report().to_string();
        assert!(!report.contains("secret"), "{report}");
        let places = error.problems().iter().filter_map(|problem| problem.place());
        let places: Vec<_> = places.map(|place| place.line_column()).collect();
        let expected = [(2, 16), (3, 1), (4, 3), (5, 8), (7, 1), (8, 1), (9, 2), (13, 1), (15, 1), (16, 1)];
        assert_eq!(places, expected, "{report}");
    }

    #[test]
    fn bytes_that_are_no_text_are_for_comments_only() {
        assert!(parse("x", b"# caf\xe9\na\n").is_ok());
        assert!(parse("x", b"a b=caf\xe9\n").is_err());
    }
}
