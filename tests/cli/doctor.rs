//! `pimg doctor`: what this machine has and lacks.

use std::fs;

use super::Project;

#[test]
fn code_9_where_the_cache_cannot_be_written_and_a_table_says_so() {
    let project = Project::new();
    // a file is in the way, which stops root as well
    project.write("cache", "in the way");
    let output = project.run(&["doctor"]);
    let table = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(9), "{table}");
    let row = table.lines().find(|line| line.contains(" cache ")).expect("a row");
    assert!(row.starts_with("missing ") && row.contains("PIMG_CACHE"), "{row}");
    assert!(table.starts_with("STATE "), "{table}");
    fs::remove_file(project.path().join("cache")).expect("an own file");
    let output = project.run(&["doctor", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let checks = json["result"]["checks"].as_array().expect("a list");
    let cache = checks.iter().find(|check| check["what"] == "cache").expect("is looked for");
    assert_eq!(cache["state"], "ok");
}

#[test]
fn a_tool_is_needed_by_the_command_that_uses_it() {
    let project = Project::new();
    let doctor = |arguments: &[&str]| {
        let output = project.pimg(arguments).env("PATH", project.path()).output().expect("pimg runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (_, table) = doctor(&["doctor"]);
    let row = |table: &str| table.lines().find(|line| line.contains(" ssh ")).expect("a row").to_owned();
    assert!(row(&table).starts_with("optional "), "{table}");
    let (code, table) = doctor(&["doctor", "status"]);
    assert_eq!(code, Some(9));
    assert!(row(&table).starts_with("missing "), "{table}");
}

#[test]
fn code_2_a_command_that_there_is_not() {
    assert_eq!(Project::new().run(&["doctor", "tset"]).status.code(), Some(2));
}
