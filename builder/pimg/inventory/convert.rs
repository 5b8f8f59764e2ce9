//! A variable's value as a profile has it. A secret becomes a reference, and is never shown.

use std::collections::BTreeMap;

use super::groups::{Assignment, Inventory};
use super::import::StoredSecret;
use super::playbook::{Meaning, environment_variable, is_template};
use super::secrets::{is_secret_name, is_secret_value};
use super::value::Value;
use crate::profile::draft::{stored, text};
use crate::profile::problem::Problem;
use crate::profile::values::is_variable_name;

/// What became of a value.
#[derive(Clone)]
pub(super) enum Converted {
    /// A value in TOML.
    Setting { value: String, is_secret: bool },
    /// Nothing, and why.
    Nothing(String),
}

/// Converts values, and keeps what was found on the way.
pub(super) struct Converter<'i> {
    inventory: &'i Inventory,
    pub(super) problems: Vec<Problem>,
    pub(super) notices: Vec<String>,
    pub(super) secrets: Vec<StoredSecret>,
    /// Name in `secrets.age` → value, to know whether two hosts have the same.
    values: BTreeMap<String, Value>,
    /// Keys whose value was wrong.
    failed: Vec<String>,
}

impl<'i> Converter<'i> {
    pub(super) fn new(inventory: &'i Inventory) -> Self {
        let (problems, notices, secrets) = (Vec::new(), Vec::new(), Vec::new());
        Self { inventory, problems, notices, secrets, values: BTreeMap::new(), failed: Vec::new() }
    }

    /// Whether there was a value for `key` and it was wrong, so that its absence is no news.
    pub(super) fn has_failed(&self, key: &str) -> bool {
        self.failed.iter().any(|failed| failed == key)
    }

    /// The value of an assignment for the node `host`.
    pub(super) fn convert(&mut self, at: usize, meaning: Meaning, host: &str) -> Converted {
        let inventory = self.inventory;
        let assignment = &inventory.assignments[at];
        let value = &assignment.value;
        if value.is_empty() {
            return Converted::Nothing("is empty".to_owned());
        }
        if is_template(value) {
            return match (meaning, value) {
                (Meaning::Secret(_), Value::Text(template)) => from_environment(template),
                _ => Converted::Nothing("a template, which Ansible fills in when it runs".to_owned()),
            };
        }
        match meaning {
            Meaning::Key(key, rule) => {
                if is_secret_value(value) {
                    return Converted::Nothing(format!("looks like a secret, which `{key}` cannot hold"));
                }
                let Some(plain) = self.plain(assignment) else {
                    return self.wrong(assignment, key, "is to be text or a number");
                };
                match rule(&plain) {
                    Ok(value) => Converted::Setting { value, is_secret: false },
                    Err(error) => self.wrong(assignment, key, &error.0),
                }
            }
            Meaning::Secret(_) => {
                let name = self.store(&assignment.name, assignment, value, host);
                Converted::Setting { value: stored(&name), is_secret: true }
            }
            Meaning::SecretTable(key) => self.table(assignment, key, host),
            Meaning::Nothing(why) | Meaning::NoSecret(why) => Converted::Nothing(why.to_owned()),
        }
    }

    /// The value as text, without the comment that people write behind it: for Ansible that is a part of the value.
    fn plain(&mut self, assignment: &Assignment) -> Option<String> {
        let plain = match &assignment.value {
            Value::List(list) => list.iter().map(Value::plain).collect::<Option<Vec<_>>>()?.join(" "),
            value => value.plain()?,
        };
        let Some((before, _)) = plain.split_once(" #").filter(|_| assignment.of_group) else {
            return Some(plain);
        };
        let notice = format!(
            "{}: the comment behind `{}` is left out; for Ansible it is a part of the value",
            assignment.place, assignment.name
        );
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
        Some(before.trim_end().to_owned())
    }

    /// `acme_env`: a dictionary, or the same as JSON.
    fn table(&mut self, assignment: &Assignment, key: &str, host: &str) -> Converted {
        let shape = "is to be a dictionary as JSON: `'{\"CF_Token\": \"…\"}'`";
        let entries: Vec<(String, Value)> = match &assignment.value {
            Value::Table(table) => {
                let entries = table.iter().map(|(name, value)| Some((name.plain()?, value.clone())));
                let Some(entries) = entries.collect::<Option<Vec<_>>>() else {
                    return self.wrong(assignment, key, shape);
                };
                entries
            }
            Value::Text(json) => {
                let Ok(entries) = serde_json::from_str::<BTreeMap<String, String>>(json) else {
                    return self.wrong(assignment, key, shape);
                };
                entries.into_iter().map(|(name, value)| (name, Value::Text(value))).collect()
            }
            _ => return self.wrong(assignment, key, shape),
        };
        let mut shown = Vec::new();
        for (name, value) in entries {
            if !is_variable_name(&name) || name.is_empty() || value.plain().is_none() {
                return self.wrong(assignment, key, shape);
            }
            let secret = self.store(&name.to_lowercase(), assignment, &value, host);
            shown.push(format!("{name} = {}", stored(&secret)));
        }
        Converted::Setting { value: format!("{{ {} }}", shown.join(", ")), is_secret: true }
    }

    /// Notes a secret; its name, which is another one where a host has a value of its own.
    fn store(&mut self, name: &str, assignment: &Assignment, value: &Value, host: &str) -> String {
        let own = format!("{name}_{}", host.replace('-', "_"));
        for candidate in [name.to_owned(), own.clone()] {
            match self.values.get(&candidate) {
                Some(known) if known == value => return candidate,
                Some(_) => {}
                None => {
                    self.values.insert(candidate.clone(), value.clone());
                    let line = assignment.place.line_column().0;
                    let variable = assignment.name.clone();
                    self.secrets.push(StoredSecret { name: candidate.clone(), variable, line });
                    return candidate;
                }
            }
        }
        own
    }

    /// A value that its key cannot have. The excerpt is shown where nothing else on the line may be a secret.
    fn wrong(&mut self, assignment: &Assignment, key: &str, message: &str) -> Converted {
        let line = assignment.place.line_column().0;
        let is_plain = |other: &Assignment| {
            super::playbook::meaning(&other.name).is_some_and(|meaning| matches!(meaning, Meaning::Key(..)))
                && !is_secret_name(&other.name)
                && !is_secret_value(&other.value)
        };
        let on_line = self.inventory.assignments.iter().filter(|other| other.place.line_column().0 == line);
        let problem = Problem::at(&assignment.value_place, message);
        let problem = if on_line.into_iter().all(is_plain) { problem } else { problem.without_excerpt() };
        self.problems.push(problem.with_hint(format!("`{}` becomes `{key}`", assignment.name)));
        self.failed.push(key.to_owned());
        Converted::Nothing(message.to_owned())
    }
}

fn from_environment(template: &str) -> Converted {
    match environment_variable(template) {
        Some(name) => Converted::Setting { value: format!("{{ env = {} }}", text(name)), is_secret: true },
        None => Converted::Nothing("a template, which Ansible fills in when it runs".to_owned()),
    }
}
