//! `overlay.toml` as typed values: variables, conditions, ownership, units, files to remove, packages and where
//! they come from, downloads, steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plan::path::GuestPath;
use crate::profile::check::plain_value;
use crate::profile::document::{self, Keys, Node, Table, as_size, closest};
use crate::profile::problem::{Located, Place, Problem, SourceFile};
use crate::profile::values::{file_stem, is_variable_name, size};

use super::apt_rules::{PinRule, SourceRule};
use super::downloads::DownloadRule;
use super::ownership::OwnRule;
use super::packages::{PackageRule, PreseedRule};
use super::pattern::Pattern;
use super::steps::StepRule;
use super::units::Units;

/// An overlay's settings, checked as far as the file alone allows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manifest {
    /// The whole overlay applies only where this expression is true.
    pub(crate) when: Option<Located<String>>,
    pub(crate) variables: BTreeMap<String, Variable>,
    pub(crate) own: Vec<OwnRule>,
    /// Files that apply only where an expression is true.
    pub(crate) files: Vec<(Pattern, Place, Option<Located<String>>)>,
    /// Files of earlier overlays that this one may replace.
    pub(crate) replace: Vec<(Pattern, Place)>,
    pub(crate) remove: Vec<Located<GuestPath>>,
    pub(crate) units: Units,
    pub(crate) sources: Vec<SourceRule>,
    pub(crate) pins: Vec<PinRule>,
    pub(crate) packages: Vec<PackageRule>,
    pub(crate) preseeds: Vec<PreseedRule>,
    pub(crate) downloads: Vec<DownloadRule>,
    pub(crate) steps: Vec<StepRule>,
}

/// A value that a profile can set.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) place: Place,
    pub(crate) kind: VariableKind,
    pub(crate) default: Option<toml::Value>,
    pub(crate) description: Option<String>,
}

/// The type of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VariableKind {
    Text,
    Boolean,
    Integer,
    /// In bytes; written with a unit.
    Size,
    List,
}

impl Manifest {
    pub(crate) fn read(file: &Arc<SourceFile>, problems: &mut Vec<Problem>) -> Self {
        let Some(table) = document::parse(file, problems) else { return Self::default() };
        let mut keys = Keys::new(table, problems);
        keys.text("description");
        let when = keys.text("when");
        let variables = keys.table("variables");
        let own = keys.tables("own");
        let files = keys.tables("file");
        let replace = keys.tables("replace");
        let remove = keys.texts("remove");
        let units = keys.table("units");
        let apt = keys.table("apt");
        let packages = keys.table("packages");
        let downloads = keys.tables("download");
        let steps = keys.tables("step");
        keys.finish();

        let apt = apt.map(|table| {
            let mut keys = Keys::new(table, problems);
            let tables = (keys.tables("source"), keys.tables("pin"), keys.tables("preseed"));
            keys.finish();
            tables
        });
        let (sources, pins, preseeds) = apt.unwrap_or_default();
        let remove = remove.map(|list| list.value).unwrap_or_default();
        Self {
            when,
            variables: variables.map(|table| read_variables(table, problems)).unwrap_or_default(),
            own: own.into_iter().filter_map(|table| OwnRule::read(table, problems)).collect(),
            files: files.into_iter().filter_map(|table| read_file_rule(table, problems)).collect(),
            replace: replace.into_iter().filter_map(|table| read_replace(table, problems)).collect(),
            remove: remove.into_iter().filter_map(|path| guest_path(path, problems)).collect(),
            units: units.map(|table| Units::read(table, problems)).unwrap_or_default(),
            sources: sources.into_iter().filter_map(|table| SourceRule::read(table, problems)).collect(),
            pins: pins.into_iter().filter_map(|table| PinRule::read(table, problems)).collect(),
            packages: packages.map(|table| PackageRule::read_all(table, problems)).unwrap_or_default(),
            preseeds: preseeds.into_iter().filter_map(|table| PreseedRule::read(table, problems)).collect(),
            downloads: downloads
                .into_iter()
                .filter_map(|table| DownloadRule::read(table, problems))
                .collect(),
            steps: steps.into_iter().filter_map(|table| StepRule::read(table, problems)).collect(),
        }
    }
}

fn read_variables(table: Table, problems: &mut Vec<Problem>) -> BTreeMap<String, Variable> {
    let mut variables = BTreeMap::new();
    for (name, node) in table.entries {
        let Node::Table(table) = node.value else {
            let hint = format!("`[variables.{}]` with `type`, `default` and `description`", name.value);
            problems.push(Problem::at(&node.place, "a variable is declared by a table").with_hint(hint));
            continue;
        };
        if name.value.is_empty() || !is_variable_name(&name.value) {
            problems.push(Problem::at(
                &name.place,
                "is not a name that a template can use: letters, digits and `_`",
            ));
        }
        let mut keys = Keys::new(table, problems);
        let kind = keys.text("type");
        let default = keys.take("default");
        let description = keys.text("description").map(|text| text.value);
        keys.finish();
        if let Some(kind) = read_kind(kind, &name.place, problems) {
            let default = default.and_then(|default| read_default(kind, &default, problems));
            variables.insert(name.value, Variable { place: name.place, kind, default, description });
        }
    }
    variables
}

fn read_kind(
    kind: Option<Located<String>>,
    name: &Place,
    problems: &mut Vec<Problem>,
) -> Option<VariableKind> {
    const KINDS: [(&str, VariableKind); 5] = [
        ("string", VariableKind::Text),
        ("bool", VariableKind::Boolean),
        ("integer", VariableKind::Integer),
        ("size", VariableKind::Size),
        ("list", VariableKind::List),
    ];
    let names = KINDS.map(|(name, _)| name);
    let types = format!("types are `{}`", names.join("`, `"));
    let Some(kind) = kind else {
        problems.push(Problem::at(name, "needs a `type`").with_hint(types));
        return None;
    };
    let found = KINDS.iter().find(|(name, _)| *name == kind.value);
    if found.is_none() {
        let hint = closest(&kind.value, names).map_or(types, |near| format!("did you mean `{near}`?"));
        problems.push(Problem::at(&kind.place, "is not a type of variable").with_hint(hint));
    }
    found.map(|(_, kind)| *kind)
}

fn read_default(
    kind: VariableKind,
    node: &Located<Node>,
    problems: &mut Vec<Problem>,
) -> Option<toml::Value> {
    if kind == VariableKind::Size
        && let Err(message) = as_size(&node.value)
    {
        problems.push(Problem::at(&node.place, message));
        return None;
    }
    let value = plain_value(&node.value).and_then(|value| kind.convert(&value).ok());
    if value.is_none() {
        problems.push(Problem::at(&node.place, format!("is not {}", kind.words())));
    }
    value
}

impl VariableKind {
    /// What a value of this type is called.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Boolean => "`true` or `false`",
            Self::Integer => "a whole number",
            Self::Size => "a size such as `16GiB`",
            Self::List => "a list",
        }
    }

    /// The value as templates see it: sizes as numbers of bytes.
    pub(crate) fn convert(self, value: &toml::Value) -> Result<toml::Value, ()> {
        match (self, value) {
            (Self::Text, toml::Value::String(_))
            | (Self::Boolean, toml::Value::Boolean(_))
            | (Self::Integer, toml::Value::Integer(_))
            | (Self::List, toml::Value::Array(_)) => Ok(value.clone()),
            (Self::Size, toml::Value::Integer(bytes)) if *bytes >= 0 => Ok(value.clone()),
            (Self::Size, toml::Value::String(text)) => {
                let bytes = size(text).ok().and_then(|bytes| i64::try_from(bytes).ok());
                bytes.map(toml::Value::Integer).ok_or(())
            }
            _ => Err(()),
        }
    }
}

fn read_file_rule(
    table: Table,
    problems: &mut Vec<Problem>,
) -> Option<(Pattern, Place, Option<Located<String>>)> {
    let mut keys = Keys::new(table, problems);
    let at = keys.place();
    let path = keys.text("path");
    let when = keys.text("when");
    keys.finish();
    if when.is_none() {
        problems.push(Problem::at(&at, "needs `when`, which says where the file applies"));
    }
    path_pattern(path, &at, problems).map(|(path, place)| (path, place, when))
}

fn read_replace(table: Table, problems: &mut Vec<Problem>) -> Option<(Pattern, Place)> {
    let mut keys = Keys::new(table, problems);
    let at = keys.place();
    let path = keys.text("path");
    keys.finish();
    path_pattern(path, &at, problems)
}

/// The `path` of a rule.
pub(crate) fn path_pattern(
    path: Option<Located<String>>,
    table: &Place,
    problems: &mut Vec<Problem>,
) -> Option<(Pattern, Place)> {
    let Some(path) = path else {
        problems.push(Problem::at(table, "needs `path`"));
        return None;
    };
    match Pattern::new(&path.value) {
        Ok(pattern) => Some((pattern, path.place)),
        Err(message) => {
            problems.push(Problem::at(&path.place, message));
            None
        }
    }
}

fn guest_path(path: Located<String>, problems: &mut Vec<Problem>) -> Option<Located<GuestPath>> {
    match GuestPath::new(path.value) {
        Ok(value) if value.as_str() != "/" => Some(Located { value, place: path.place }),
        Ok(_) => {
            problems.push(Problem::at(&path.place, "is the whole root file system"));
            None
        }
        Err(error) => {
            problems.push(Problem::at(&path.place, error.to_string()));
            None
        }
    }
}

/// A name that becomes a file name, such as of an apt source.
pub(crate) fn rule_name(
    name: Option<Located<String>>,
    table: &Place,
    problems: &mut Vec<Problem>,
) -> Option<Located<String>> {
    let Some(name) = name else {
        problems.push(Problem::at(table, "needs `name`"));
        return None;
    };
    // apt ignores files with other characters, and those that end in an unknown extension
    if file_stem(&name.value).is_err() || name.value.contains('.') {
        let message = "is not a name: a letter or digit, then letters, digits, `_` and `-`";
        problems.push(Problem::at(&name.place, message));
        return None;
    }
    Some(name)
}
