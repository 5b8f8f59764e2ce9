//! `[[step]]`: what the node does on its first boot, each a script of the overlay.

use std::collections::BTreeSet;
use std::path::Path;

use crate::guest::steps::{is_description, is_name};
use crate::plan::change::Origin;
use crate::profile::document::{Keys, Table, closest};
use crate::profile::problem::{Located, Problem, SourceFile};

use super::files::read_plain_file;
use super::manifest::Manifest;
use super::step_graph::{Declared, Steps};
use super::tree::SKIPPED;

/// The directory of scripts in an overlay.
pub(crate) const DIRECTORY: &str = "steps";

/// A step as an overlay writes it.
#[derive(Clone, Debug)]
pub(crate) struct StepRule {
    pub(crate) name: Located<String>,
    pub(crate) when: Option<Located<String>>,
    pub(crate) after: Vec<Located<String>>,
    description: Option<Located<String>>,
    script: Option<Located<String>>,
    needs_network: bool,
    needs_time: bool,
    reboot_after: bool,
}

impl StepRule {
    pub(crate) fn read(table: Table, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut keys = Keys::new(table, problems);
        let at = keys.place();
        let [name, script, description, when] =
            ["name", "script", "description", "when"].map(|key| keys.text(key));
        let after = keys.texts("after").map(|list| list.value).unwrap_or_default();
        let [needs_network, needs_time, reboot_after] = ["needs-network", "needs-time", "reboot-after"]
            .map(|key| keys.boolean(key).is_some_and(|flag| flag.value));
        let has_name = keys.seen().contains(&"name");
        keys.finish();
        if !has_name {
            problems.push(Problem::at(&at, "needs `name`"));
        }
        let name = name?;
        if !is_name(&name.value) {
            let message = "is not a name for a step: a letter, then letters, digits and `-`, all lower case, at \
                           most 32; `boot`, `finished` and `seed` are pimg's own";
            problems.push(Problem::at(&name.place, message));
        }
        if let Some(text) = description.as_ref().filter(|text| !is_description(&text.value)) {
            problems.push(Problem::at(&text.place, "is not one line of text"));
        }
        Some(Self { name, when, after, description, script, needs_network, needs_time, reboot_after })
    }

    /// Its script below the overlay's directory.
    fn file(&self) -> String {
        match &self.script {
            Some(script) => script.value.clone(),
            None => format!("{DIRECTORY}/{}", self.name.value),
        }
    }
}

/// The steps of one overlay, which `applies` to the host or not, with `holds` to tell of each condition whether it does. Scripts are looked at whether or not
/// their step applies.
pub(crate) fn collect(
    overlay: &str,
    directory: &Path,
    manifest: &Manifest,
    applies: bool,
    mut holds: impl FnMut(&Located<String>, &mut Vec<Problem>) -> bool,
    steps: &mut Steps,
    problems: &mut Vec<Problem>,
) {
    let mut used = BTreeSet::new();
    for rule in &manifest.steps {
        let file = rule.file();
        used.insert(file.clone());
        let script = script(directory, rule, &file, problems).unwrap_or_default();
        let applies = applies && rule.when.as_ref().is_none_or(|when| holds(when, problems));
        let description = rule.description.as_ref().unwrap_or(&rule.name).value.clone();
        let declared = Declared {
            name: rule.name.clone(),
            after: rule.after.clone(),
            applies,
            overlay: overlay.to_owned(),
            description,
            needs_network: rule.needs_network,
            needs_time: rule.needs_time,
            reboot_after: rule.reboot_after,
            script,
            origin: Origin::Overlay { overlay: overlay.to_owned(), file },
        };
        steps.add(declared, problems);
    }
    unnamed(overlay, directory, &used, problems);
}

/// The text of a script that is what the engine can run.
fn script(directory: &Path, rule: &StepRule, file: &str, problems: &mut Vec<Problem>) -> Option<String> {
    let place = rule.script.as_ref().map_or(&rule.name.place, |script| &script.place);
    let name = &rule.name.value;
    let wrong = |message: String| Problem::at(place, message);
    let mut refuse = |problem: Problem| -> Option<String> {
        problems.push(problem);
        None
    };
    let below = file.strip_prefix("steps/").filter(|name| !name.is_empty() && !name.contains('/'));
    if below.is_none_or(|name| name.starts_with('.')) {
        return refuse(wrong(format!("the script of a step is a file in `{DIRECTORY}/`, got `{file}`")));
    }
    let bytes = match read_plain_file(directory, file) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return refuse(wrong(format!("there is no `{file}` in the overlay"))),
        Err(error) => return refuse(wrong(format!("`{file}` cannot be read: {error}"))),
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return refuse(wrong(format!("`{file}` is not UTF-8 text")));
    };
    if text.lines().next() != Some("#!/bin/bash") || text.starts_with("#!/bin/bash\r") {
        let found = text.lines().next().unwrap_or_default().replace(char::is_control, "\u{fffd}");
        return refuse(wrong(format!("`{file}` does not begin with the line `#!/bin/bash`, but `{found}`")));
    }
    // the library stamps a step by this name: another one would never be done
    let runs: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("step_run ")).collect();
    let is_own = |rest: &str| {
        let first = rest.split_whitespace().next().unwrap_or_default();
        first == name || first.contains(['$', '"', '\''])
    };
    if !runs.iter().any(|rest| is_own(rest)) {
        let hint = format!("its last line is `step_run {name} APPLY VERIFY`");
        return refuse(wrong(format!("`{file}` never says that step `{name}` is done")).with_hint(hint));
    }
    Some(text)
}

/// Reports scripts that no step runs: a table that was forgotten, or misspelt.
fn unnamed(overlay: &str, directory: &Path, used: &BTreeSet<String>, problems: &mut Vec<Problem>) {
    let Ok(entries) = fs_err::read_dir(directory.join(DIRECTORY)) else { return };
    let mut names: Vec<_> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    for name in names {
        let file = format!("{DIRECTORY}/{name}");
        if used.contains(&file) || SKIPPED.contains(&name.as_str()) {
            continue;
        }
        let shown = name.replace(char::is_control, "\u{fffd}");
        let near = closest(&name, used.iter().filter_map(|file| file.strip_prefix("steps/")));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`, which a `[[step]]` names?"),
            None => {
                format!("write `[[step]]` with `name = \"{shown}\"` into overlay.toml, or remove the file")
            }
        };
        let message = format!("`overlays/{overlay}/{DIRECTORY}/{shown}` is the script of no step");
        problems.push(Problem::new(message).with_hint(hint));
    }
}

/// The names of the steps of every overlay of a project, whether a host has it or not. What is wrong with an overlay
/// that nobody asked for is not said here.
pub(crate) fn of_project(overlays_dir: &Path) -> Vec<String> {
    let Ok(entries) = fs_err::read_dir(overlays_dir) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Ok(Some(bytes)) = read_plain_file(&entry.path(), "overlay.toml") else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let manifest = Manifest::read(&SourceFile::new("overlay.toml", text), &mut Vec::new());
        found.extend(manifest.steps.into_iter().map(|rule| rule.name.value));
    }
    found.sort();
    found
}
