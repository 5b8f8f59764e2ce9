//! The table of keys and the readers say the same.

use super::*;
use crate::profile::keys::PROFILE;
use crate::profile::schema::{Format, Key, Kind, Section};

/// The keys that a hint for one that does not exist lists.
pub(crate) fn listed(report: &str) -> Vec<String> {
    let hint = report.split("keys here are ").nth(1).unwrap_or_else(|| panic!("lists no keys: {report}"));
    let line = hint.lines().next().unwrap_or_default();
    line.split(", ").map(|key| key.trim_matches('`').to_owned()).collect()
}

/// The keys of a table: its own, and those of tables in it.
pub(crate) fn named(format: &Format, section: &Section) -> Vec<String> {
    let own = section.keys.iter().map(|key| key.name.to_owned());
    let inner = format.sections.iter().filter_map(|other| {
        let below = match section.path {
            "" => other.path,
            path => other.path.strip_prefix(path)?.strip_prefix('.')?,
        };
        let name = below.split('.').next()?.trim_end_matches("[]");
        (!name.is_empty()).then(|| name.to_owned())
    });
    let mut all: Vec<_> = own.chain(inner).collect();
    all.sort();
    all.dedup();
    all
}

fn is_open(section: &Section) -> bool {
    section.keys.iter().any(|key| key.name == "*")
}

#[test]
fn every_key_that_is_read_is_in_the_table_and_no_other() {
    for section in PROFILE.sections.iter().filter(|section| !is_open(section)) {
        let opens = if section.path.is_empty() { String::new() } else { format!("[{}]\n", section.path) };
        let report = Project::new(&[("a", &format!("{opens}q0q0q0 = 1"))]).report(&["a"]);
        let mut known = listed(&report);
        known.sort();
        assert_eq!(named(&PROFILE, section), known, "[{}]", section.path);
    }
}

#[test]
fn its_examples_are_a_profile_together() {
    let text: String = PROFILE.sections.iter().map(Section::example).collect();
    let text = text.replace("[\"raspios\"]", "[\"common\"]");
    Project::new(&[("common", COMMON), ("node-a", &text)]).load(&["node-a"]).unwrap_or_else(|error| {
        panic!("{}\n{text}", error.report());
    });
}

/// The value of a kind that no key of that kind takes.
fn wrong_value(key: &Key) -> &'static str {
    match key.kind {
        Kind::Text | Kind::Secret | Kind::Choice(_) => "[[1.5]]",
        _ => "{ x = 1.5 }",
    }
}

#[test]
fn a_value_of_another_kind_is_refused_and_choices_are_all() {
    for section in PROFILE.sections {
        for key in section.keys.iter().filter(|key| key.name != "*") {
            let opens = if section.path.is_empty() { String::new() } else { format!("[{}]\n", section.path) };
            let report = refused_raw(&format!("{opens}{} = {}\n", key.name, wrong_value(key)));
            assert!(report.contains("expected") || report.contains("secret"), "{}: {report}", key.name);
            if let Kind::Choice(choices) = key.kind {
                let report = refused(&format!("{opens}{} = 'q0'\n", key.name));
                let quoted: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
                assert!(report.contains(&format!("is none of {}\n", quoted.join(", "))), "{report}");
            }
        }
    }
}

fn refused_raw(text: &str) -> String {
    Project::new(&[("a", text)]).report(&["a"])
}

#[test]
fn the_schema_refuses_what_no_table_names() {
    let schema: serde_json::Value = serde_json::from_str(&PROFILE.json_schema()).expect("JSON");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["locale"]["properties"]["keyboard"]["additionalProperties"], false);
    assert_eq!(
        schema["properties"]["acme"]["properties"]["env"]["additionalProperties"]["anyOf"][0]["required"][0],
        "env"
    );
    assert_eq!(schema["properties"]["zfs"]["properties"]["wipe"]["enum"][1], "yes-destroy-data");
}
