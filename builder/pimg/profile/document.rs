//! TOML with the place of every key and value, and a table reader that collects problems.
//!
//! Deserialising into structs stops at the first mistake and knows one file only. Here a document is a tree of
//! located nodes; [`Keys`] takes the known keys out of a table by type and reports every wrong type and every
//! key left over.

use std::path::PathBuf;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::host::{SecretReference, SecretSource};
use super::problem::{Located, Place, Problem, SourceFile};
use super::values::size;

/// A value as written.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Located<Node>>),
    Table(Table),
    /// A float, a date or a number too large for 64 bits: nothing here takes one.
    Other(&'static str),
}

/// A table as written, in the order of the file.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) place: Place,
    pub(crate) entries: Vec<(Located<String>, Located<Node>)>,
}

/// Parses a file. The first syntax error ends it: what follows one is guesswork.
pub(crate) fn parse(file: &Arc<SourceFile>, problems: &mut Vec<Problem>) -> Option<Table> {
    match DeTable::parse(file.text()) {
        Ok(table) => Some(convert_table(file, Place::new(file, 0..0), table.into_inner())),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            problems.push(Problem::at(&Place::new(file, span), lower_first(error.message())));
            None
        }
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn convert_table(file: &Arc<SourceFile>, place: Place, table: DeTable<'_>) -> Table {
    let convert = |(key, value): (toml::Spanned<std::borrow::Cow<'_, str>>, toml::Spanned<DeValue<'_>>)| {
        let place = Place::new(file, key.span());
        let key = Located { value: key.into_inner().into_owned(), place };
        let node = convert_value(file, value, Some(&key.place));
        (key, node)
    };
    Table { place, entries: table.into_iter().map(convert).collect() }
}

fn convert_value(
    file: &Arc<SourceFile>,
    value: toml::Spanned<DeValue<'_>>,
    key: Option<&Place>,
) -> Located<Node> {
    let place = Place::new(file, value.span());
    let node = match value.into_inner() {
        DeValue::String(text) => Node::Text(text.into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Node::Integer(number),
            Err(_) => Node::Other("a number beyond 64 bits"),
        },
        DeValue::Boolean(value) => Node::Boolean(value),
        DeValue::Float(_) => Node::Other("a fraction"),
        DeValue::Datetime(_) => Node::Other("a date"),
        DeValue::Array(list) => {
            Node::List(list.into_iter().map(|item| convert_value(file, item, None)).collect())
        }
        DeValue::Table(table) => Node::Table(convert_table(file, key.unwrap_or(&place).clone(), table)),
    };
    Located { value: node, place }
}

impl Node {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}

/// Takes known keys out of a table.
pub(crate) struct Keys<'a> {
    table: Table,
    known: Vec<&'static str>,
    seen: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(table: Table, problems: &'a mut Vec<Problem>) -> Self {
        Self { table, known: Vec::new(), seen: Vec::new(), problems }
    }

    /// The place that speaks for the whole table.
    pub(crate) fn place(&self) -> Place {
        self.table.place.clone()
    }

    pub(crate) fn take(&mut self, key: &'static str) -> Option<Located<Node>> {
        self.known.push(key);
        let at = self.table.entries.iter().position(|(name, _)| name.value == key)?;
        self.seen.push(key);
        Some(self.table.entries.remove(at).1)
    }

    /// The keys taken so far that are there, whether or not their values are right.
    pub(crate) fn seen(&self) -> Vec<&'static str> {
        self.seen.clone()
    }

    fn wrong<T>(&mut self, node: &Located<Node>, expected: &str) -> Option<T> {
        let message = format!("expected {expected}, got {}", node.value.kind());
        self.problems.push(Problem::at(&node.place, message));
        None
    }

    pub(crate) fn text(&mut self, key: &'static str) -> Option<Located<String>> {
        let node = self.take(key)?;
        self.as_text(node)
    }

    fn as_text(&mut self, node: Located<Node>) -> Option<Located<String>> {
        match node.value {
            Node::Text(value) => Some(Located { value, place: node.place }),
            _ => self.wrong(&node, "text in quotes"),
        }
    }

    pub(crate) fn boolean(&mut self, key: &'static str) -> Option<Located<bool>> {
        let node = self.take(key)?;
        match node.value {
            Node::Boolean(value) => Some(Located { value, place: node.place }),
            _ => self.wrong(&node, "`true` or `false`"),
        }
    }

    pub(crate) fn integer(&mut self, key: &'static str) -> Option<Located<i64>> {
        let node = self.take(key)?;
        match node.value {
            Node::Integer(value) => Some(Located { value, place: node.place }),
            _ => self.wrong(&node, "a whole number"),
        }
    }

    pub(crate) fn size(&mut self, key: &'static str) -> Option<Located<u64>> {
        let node = self.take(key)?;
        match as_size(&node.value) {
            Ok(value) => Some(Located { value, place: node.place }),
            Err(message) => {
                self.problems.push(Problem::at(&node.place, message));
                None
            }
        }
    }

    pub(crate) fn texts(&mut self, key: &'static str) -> Option<Located<Vec<Located<String>>>> {
        let node = self.take(key)?;
        match node.value {
            Node::List(list) => {
                let value = list.into_iter().filter_map(|item| self.as_text(item)).collect();
                Some(Located { value, place: node.place })
            }
            _ => self.wrong(&node, "a list of texts"),
        }
    }

    /// A list, or one text for a list of one.
    pub(crate) fn text_or_texts(&mut self, key: &'static str) -> Option<Located<Vec<Located<String>>>> {
        let node = self.take(key)?;
        let place = node.place.clone();
        let list = match node.value {
            Node::List(list) => list,
            _ => vec![node],
        };
        Some(Located { value: list.into_iter().filter_map(|item| self.as_text(item)).collect(), place })
    }

    pub(crate) fn table(&mut self, key: &'static str) -> Option<Table> {
        let node = self.take(key)?;
        match node.value {
            Node::Table(table) => Some(table),
            _ => self.wrong(&node, "a table"),
        }
    }

    /// An array of tables, as `[[key]]` writes it.
    pub(crate) fn tables(&mut self, key: &'static str) -> Vec<Table> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let Node::List(list) = node.value else {
            self.wrong::<()>(&node, &format!("tables written as `[[…{key}]]`"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in list {
            match item.value {
                Node::Table(table) => tables.push(Table { place: item.place, ..table }),
                _ => drop(self.wrong::<()>(&item, "a table")),
            }
        }
        tables
    }

    pub(crate) fn secret(&mut self, key: &'static str) -> Option<Located<SecretReference>> {
        let node = self.take(key)?;
        secret_reference(node, self.problems)
    }

    /// Reports every key that nobody asked for.
    pub(crate) fn finish(self) {
        for (key, _) in &self.table.entries {
            let hint = match closest(&key.value, self.known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("keys here are `{}`", self.known.join("`, `")),
            };
            self.problems.push(Problem::at(&key.place, "unknown key").cut_after_place().with_hint(hint));
        }
    }
}

/// A size in bytes: a number, or text with a unit.
pub(crate) fn as_size(node: &Node) -> Result<u64, String> {
    match node {
        Node::Integer(number) => u64::try_from(*number).map_err(|_| "a size is not negative".to_owned()),
        Node::Text(text) => size(text).map_err(|error| error.0),
        other => Err(format!("expected a size such as `\"16GiB\"`, got {}", other.kind())),
    }
}

/// Reads `{ env = "…" }`, `{ file = "…" }`, `{ command = […] }` or `{ secret = "…" }`. Nothing of a wrong value is shown again.
pub(crate) fn secret_reference(
    node: Located<Node>,
    problems: &mut Vec<Problem>,
) -> Option<Located<SecretReference>> {
    const HINT: &str = "write `{ env = \"NAME\" }`, `{ file = \"PATH\" }`, `{ command = [\"PROGRAM\", \"ARGUMENT\"] }`, \
                        or `{ secret = \"NAME\" }` for one that `pimg secrets edit` keeps";
    let place = node.place;
    let refuse = |problems: &mut Vec<Problem>, message: &str| {
        problems.push(Problem::at(&place, message).without_excerpt().with_hint(HINT));
        None
    };
    let Node::Table(table) = node.value else {
        let why = "a secret is never written into a profile, because profiles are shared and kept in git: \
                   name the place it comes from";
        return refuse(problems, why);
    };
    if table.entries.len() != 1 {
        return refuse(
            problems,
            "a secret reference has exactly one key: `env`, `file`, `command` or `secret`",
        );
    }
    let found = problems.len();
    let mut keys = Keys::new(table, problems);
    let env = keys.text("env");
    let file = keys.text("file");
    let command = keys.texts("command");
    let stored = keys.text("secret");
    keys.finish();
    if problems.len() > found {
        return None;
    }
    let words = |list: Vec<Located<String>>| list.into_iter().map(|word| word.value).collect::<Vec<_>>();
    let source = match (env, file, command, stored) {
        (Some(name), ..) => SecretSource::Env(name.value),
        (_, Some(path), ..) => SecretSource::File(PathBuf::from(path.value)),
        (_, _, Some(list), _) => SecretSource::Command(words(list.value)),
        (.., Some(name)) => SecretSource::Stored(name.value),
        _ => return None,
    };
    let valid = match &source {
        SecretSource::Env(name) => super::values::is_variable_name(name),
        SecretSource::File(path) => !path.as_os_str().is_empty(),
        SecretSource::Command(words) => words.first().is_some_and(|program| !program.is_empty()),
        SecretSource::Stored(name) => !name.is_empty(),
    };
    if !valid {
        return refuse(problems, "this secret reference names nothing");
    }
    let value = SecretReference { source, place: place.to_string() };
    Some(Located { value, place })
}

/// The known word that a misspelt one most likely stands for.
pub(crate) fn closest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let near = known.into_iter().map(|other| (edit_distance(word, other), other));
    // nothing in common is not near, however short the words
    let similar = |distance, other: &str| distance <= limit && distance < word.len().max(other.len());
    near.filter(|(distance, other)| similar(*distance, other))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before_last[j - 1] + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{closest, edit_distance};

    #[test]
    fn counts_edits() {
        for (a, b, distance) in [
            ("", "", 0),
            ("abc", "", 3),
            ("hostname", "hostname", 0),
            ("adress", "address", 1),
            ("dsn", "dns", 1),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["gateway", "dns", "bridge"];
        assert_eq!(closest("gatway", known), Some("gateway"));
        assert_eq!(closest("dsn", known), Some("dns"));
        assert_eq!(closest("colour", known), None);
        assert_eq!(closest("x", ["a"]), None);
    }
}
