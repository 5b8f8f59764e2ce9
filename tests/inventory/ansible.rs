//! The judge: Ansible, and our reading of the same file in the shape of `ansible-inventory --list`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pimg::inventory::{Inventory, parse};
use serde_json::{Value, json};

/// Says why a test cannot judge here; in CI that is a failure.
#[expect(clippy::print_stderr, reason = "a person should know what was not looked at")]
fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}, and in CI nothing is skipped");
    eprintln!("skipped: {why}");
}

/// Shows every text to Ansible and to us.
pub(crate) fn compare(texts: &[String]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/judges/ansible/bin/python");
    if !python.is_file() {
        return skip("Ansible is missing: `scripts/setup judges` installs it");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let name = |at: usize| dir.path().join(format!("{at}.ini"));
    let paths: Vec<PathBuf> = (0..texts.len()).map(name).collect();
    for (path, text) in paths.iter().zip(texts) {
        fs::write(path, text).expect("a file");
    }
    let mut command = Command::new(python);
    command.arg(root.join("tests/inventory/ansible_list.py")).args(&paths);
    let output = command.env("HOME", dir.path()).current_dir(dir.path()).output().expect("Ansible runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let answers: BTreeMap<PathBuf, Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut wrong = Vec::new();
    let mut taken = 0;
    for (path, text) in paths.iter().zip(texts) {
        let theirs = answers.get(path).expect("an answer for each file");
        let theirs = (!theirs.is_null()).then(|| sorted(unmarked(theirs.clone())));
        let ours = parse("hosts.ini", text.as_bytes());
        match (&ours, theirs) {
            (Ok(inventory), Some(theirs)) => {
                taken += 1;
                let ours = listed(inventory);
                if ours != theirs {
                    wrong.push(format!("{text}\n  ours   {ours}\n  theirs {theirs}"));
                }
            }
            (Err(_), None) => {}
            (Ok(_), None) => wrong.push(format!("Ansible refuses what we take:\n{text}")),
            (Err(error), Some(_)) => {
                wrong.push(format!("Ansible takes what we refuse:\n{text}\n{}", error.report()))
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(
        taken > texts.len() / 3,
        "only {taken} of {} are inventories: the rest shows little",
        texts.len()
    );
}

/// Our reading, as `ansible-inventory --list` writes its own.
fn listed(inventory: &Inventory) -> Value {
    let mut object = serde_json::Map::new();
    for group in inventory.groups() {
        let mut shape = serde_json::Map::new();
        let hosts: Vec<&str> = inventory.hosts_of(group).collect();
        let mut children: Vec<&str> = inventory.children_of(group).collect();
        children.sort_unstable();
        if !hosts.is_empty() && group.name != "all" {
            shape.insert("hosts".to_owned(), json!(hosts));
        }
        if !children.is_empty() {
            shape.insert("children".to_owned(), json!(children));
        }
        if !shape.is_empty() {
            object.insert(group.name.clone(), Value::Object(shape));
        }
    }
    let mut hosts = serde_json::Map::new();
    for host in inventory.hosts() {
        let variables = inventory.variables(&host.name);
        let values: BTreeMap<&str, Value> =
            variables.into_iter().map(|(name, variable)| (name, json!(variable.value))).collect();
        if !values.is_empty() {
            hosts.insert(host.name.clone(), json!(values));
        }
    }
    object.insert("_meta".to_owned(), json!({ "hostvars": hosts }));
    Value::Object(object)
}

/// What was written as `b'…'` is marked in their listing.
fn unmarked(value: Value) -> Value {
    match value {
        Value::Object(mut object) if object.len() == 1 && object.contains_key("__ansible_unsafe") => {
            object.remove("__ansible_unsafe").unwrap_or_default()
        }
        Value::Object(object) => object.into_iter().map(|(key, value)| (key, unmarked(value))).collect(),
        Value::Array(list) => list.into_iter().map(unmarked).collect(),
        value => value,
    }
}

/// Their listing without its profile's name; the order of a group's children says nothing.
fn sorted(mut listing: Value) -> Value {
    for (name, group) in listing.as_object_mut().expect("an object") {
        if name == "_meta" {
            group.as_object_mut().expect("an object").remove("profile");
        } else if let Some(children) = group.get_mut("children").and_then(Value::as_array_mut) {
            children.sort_unstable_by_key(|child| child.as_str().map(str::to_owned));
        }
    }
    listing
}
