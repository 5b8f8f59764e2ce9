//! What a TOML file of pimg may hold, as a table of keys, and what is made of that table: a JSON Schema for editors and
//! the reference of the book.
//!
//! The readers (`raw.rs`, `overlay/manifest.rs`) decide what is right; a schema is for the one who types. Tests compare
//! the table with the readers: no key of one is missing in the other.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// A file format: all its tables, the topmost first.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its name in file names.
    pub(crate) name: &'static str,
    /// What a file of it is called.
    pub(crate) title: &'static str,
    /// What it is for, in one sentence.
    pub(crate) meaning: &'static str,
    /// Whether a file has to hold what is needed itself. A profile has not: it may inherit it.
    pub(crate) is_whole: bool,
    pub(crate) sections: &'static [Section],
}

/// One table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    /// Its keys from the top, with dots; `[]` behind a key is an array of tables, `*` is a key of the person's choice.
    pub(crate) path: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) keys: &'static [Key],
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Its name; `*` for any name of the person's choice.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What holds where it is left out; [`NEEDED`] if nothing does.
    pub(crate) silence: &'static str,
    pub(crate) meaning: &'static str,
    /// A value as TOML, or for `*` a key and a value.
    pub(crate) example: &'static str,
}

/// The [`Key::silence`] of a key that has to be there.
pub(crate) const NEEDED: &str = "needed";

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    Boolean,
    Integer,
    /// Bytes, or text with a unit.
    Size,
    Texts,
    TextOrTexts,
    Secret,
    /// An address, or a table of address and keyring.
    Mirror,
    /// A text, a number, a boolean or a list.
    Plain,
    /// A table of `Plain` values.
    Variables,
}

impl Kind {
    fn words(self) -> String {
        let words = match self {
            Self::Text => "text",
            Self::Choice(choices) => {
                let quoted: Vec<_> = choices.iter().map(|choice| format!("`\"{choice}\"`")).collect();
                return quoted.join(" or ");
            }
            Self::Boolean => "`true` or `false`",
            Self::Integer => "whole number",
            Self::Size => "size",
            Self::Texts => "list of texts",
            Self::TextOrTexts => "text or list of texts",
            Self::Secret => "secret reference",
            Self::Mirror => "address, or `{ url, keyring }`",
            Self::Plain => "text, number, boolean or list",
            Self::Variables => "table of variables",
        };
        words.to_owned()
    }

    fn schema(self) -> Value {
        let texts = json!({ "type": "array", "items": { "type": "string" } });
        match self {
            Self::Text => json!({ "type": "string" }),
            Self::Choice(choices) => json!({ "type": "string", "enum": choices }),
            Self::Boolean => json!({ "type": "boolean" }),
            Self::Integer => json!({ "type": "integer" }),
            Self::Size => json!({ "anyOf": [
                { "type": "string", "pattern": "^[0-9]+ *(KiB|MiB|GiB|TiB)?$" },
                { "type": "integer", "minimum": 0 },
            ] }),
            Self::Texts => texts,
            Self::TextOrTexts => json!({ "anyOf": [{ "type": "string" }, texts] }),
            Self::Secret => json!({ "anyOf": [
                reference("env", json!({ "type": "string" }), "environment variable of whoever builds"),
                reference("file", json!({ "type": "string" }), "file, from the project's directory"),
                reference("command", texts, "program and arguments that print it"),
                reference("secret", json!({ "type": "string" }), "name in secrets.age: `pimg secrets edit`"),
            ] }),
            Self::Mirror => {
                let text = || json!({ "type": "string" });
                let table = object(vec![("url", text()), ("keyring", text())], &["url"]);
                json!({ "anyOf": [text(), table] })
            }
            Self::Plain => json!({ "anyOf": [
                { "type": "string" }, { "type": "integer" }, { "type": "boolean" }, { "type": "array" },
            ] }),
            Self::Variables => json!({ "type": "object", "additionalProperties": Self::Plain.schema() }),
        }
    }
}

fn object(properties: Vec<(&str, Value)>, required: &[&str]) -> Value {
    let properties: Map<_, _> =
        properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    })
}

/// A secret reference that has this one key.
fn reference(key: &str, mut value: Value, meaning: &str) -> Value {
    value["description"] = meaning.into();
    object(vec![(key, value)], &[key])
}

impl Key {
    fn schema(&self) -> Value {
        let mut schema = self.kind.schema();
        let silence =
            if self.silence == NEEDED { String::new() } else { format!("\n\nDefault: {}", self.silence) };
        schema["description"] = format!("{}{silence}", plain(self.meaning)).into();
        schema
    }
}

/// Text for places that show no Markdown.
fn plain(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).collect()
}

impl Format {
    /// Where the schema is in a project.
    pub fn schema_path(&self) -> String {
        format!("docs/reference/{}.schema.json", self.name)
    }

    /// The line by which a file names its schema; `up` leads from its directory to the project's.
    pub(crate) fn directive(&self, up: &str) -> String {
        format!("#:schema {up}{}\n", self.schema_path())
    }

    /// A JSON Schema (draft 7, which every editor's TOML plug-in knows), with a line break at its end.
    pub fn json_schema(&self) -> String {
        let mut root = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": self.title,
        });
        for section in self.sections {
            let node = descend(&mut root, section.path);
            node["type"] = "object".into();
            node["description"] = plain(section.meaning).into();
            for key in section.keys {
                match key.name {
                    "*" => node["additionalProperties"] = key.schema(),
                    name => node["properties"][name] = key.schema(),
                }
            }
            let needed = section.keys.iter().filter(|key| key.silence == NEEDED && key.name != "*");
            let needed: Vec<_> = needed.map(|key| key.name).collect();
            if self.is_whole && !needed.is_empty() {
                node["required"] = needed.into();
            }
        }
        close(&mut root);
        format!("{root:#}\n")
    }

    /// The reference of all keys, as a page of the book.
    pub fn markdown(&self) -> String {
        let mut page = format!("# {}\n\n{}\n", self.title, self.meaning);
        for section in self.sections {
            let heading = match section.path {
                "" => "At the top".to_owned(),
                path => format!("`{}`", header(path)),
            };
            let _ = write!(page, "\n## {heading}\n\n{}.\n", plain(section.meaning));
            if !section.keys.is_empty() {
                page += "\n| key | holds | left out | meaning |\n| --- | --- | --- | --- |\n";
            }
            for key in section.keys {
                let name =
                    if key.name == "*" { "a name of yours".to_owned() } else { format!("`{}`", key.name) };
                let _ =
                    writeln!(page, "| {name} | {} | {} | {} |", key.kind.words(), key.silence, key.meaning);
            }
            let _ = write!(page, "\n```toml\n{}```\n", section.example());
        }
        page
    }
}

impl Section {
    /// The table with an example of every key.
    pub(crate) fn example(&self) -> String {
        let mut text = String::new();
        if !self.path.is_empty() {
            let _ = writeln!(text, "{}", header(self.path));
        }
        for key in self.keys {
            let _ = match key.name {
                "*" => writeln!(text, "{}", key.example),
                name => writeln!(text, "{name} = {}", key.example),
            };
        }
        text
    }
}

/// The line that opens a table: `[a.b]` or `[[a.b]]`.
fn header(path: &str) -> String {
    let keys = path.replace("[]", "").replace('*', "NAME");
    if path.ends_with("[]") { format!("[[{keys}]]") } else { format!("[{keys}]") }
}

/// The schema of the table at `path`, made where it is not there yet.
fn descend<'v>(root: &'v mut Value, path: &str) -> &'v mut Value {
    let mut node = root;
    for key in path.split('.').filter(|key| !key.is_empty()) {
        let (name, is_array) = key.strip_suffix("[]").map_or((key, false), |name| (name, true));
        node["type"] = "object".into();
        node = if name == "*" { &mut node["additionalProperties"] } else { &mut node["properties"][name] };
        if is_array {
            node["type"] = "array".into();
            node = &mut node["items"];
        }
    }
    node
}

/// Refuses in every table what it does not name.
fn close(node: &mut Value) {
    if let Some(map) = node.as_object_mut() {
        if map.get("type").is_some_and(|kind| kind == "object") && !map.contains_key("additionalProperties") {
            map.insert("additionalProperties".to_owned(), false.into());
        }
        if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
            properties.values_mut().for_each(close);
        }
        for key in ["items", "additionalProperties"] {
            map.get_mut(key).into_iter().for_each(close);
        }
    }
}
