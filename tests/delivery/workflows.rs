//! The workflows and the action, before those who know GitHub: the schemas of check-jsonschema, zizmor for what is
//! dangerous, shellcheck for the shell in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{TARGETS, directory, in_repository, script, support, told};

const WORKFLOWS: [&str; 3] = ["ci.yml", "images.yml", "release.yml"];

/// A program of the judges' own Python.
fn judge(name: &str) -> Option<PathBuf> {
    let path = support::repository().join("target/judges/workflows/bin").join(name);
    if !path.is_file() {
        support::skip(&format!("`{name}` is not installed: `scripts/setup judges`"));
        return None;
    }
    Some(path)
}

/// The workflows as text, by name; and the action as `action.yml`.
fn files() -> Vec<(String, String)> {
    let mut found: Vec<_> = WORKFLOWS
        .iter()
        .map(|name| ((*name).to_owned(), in_repository(&format!(".github/workflows/{name}"))))
        .collect();
    found.push(("action.yml".to_owned(), in_repository("action.yml")));
    found
}

/// What the judges say of a file; empty where they accept it, `None` where one is missing.
fn complaints(name: &str, text: &str) -> Option<String> {
    if !support::have("shellcheck") {
        return None;
    }
    let (schemas, zizmor) = (judge("check-jsonschema")?, judge("zizmor")?);
    let dir = directory();
    let (schema, path) = match name {
        "action.yml" => ("vendor.github-actions", dir.path().join(name)),
        _ => ("vendor.github-workflows", dir.path().join(".github/workflows").join(name)),
    };
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(&path, text).expect("a file");
    let mut all = String::new();
    let mut ask = |command: &mut Command| {
        let output = command.output().expect("running a judge");
        if !output.status.success() {
            all += &told(&output);
        }
    };
    ask(Command::new(schemas).args(["--builtin-schema", schema]).arg(&path));
    ask(Command::new(zizmor).args(["--quiet", "--offline", "--persona", "regular"]).arg(&path));
    for (number, block) in run_blocks(text).into_iter().enumerate() {
        let file = dir.path().join(format!("{number}.sh"));
        // GitHub runs it by `bash -e`, with its own variables
        fs::write(&file, format!("#!/bin/bash\nset -eo pipefail\n{block}")).expect("a file");
        ask(Command::new("shellcheck").args(["--severity=style", "--exclude=SC2016"]).arg(&file));
    }
    Some(all)
}

/// The shell of `run:` keys, whether it is on the line or in a block below it.
fn run_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let bare = line.trim_start().trim_start_matches("- ");
        let Some(value) = bare.strip_prefix("run: ") else { continue };
        if !value.starts_with('|') {
            blocks.push(format!("{value}\n"));
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let mut block = String::new();
        let is_inside = |next: &&str| next.trim().is_empty() || next.len() - next.trim_start().len() > indent;
        while let Some(next) = lines.next_if(is_inside) {
            block += next.trim_start();
            block.push('\n');
        }
        blocks.push(block);
    }
    blocks
}

#[test]
fn workflows_and_the_action_please_their_judges() {
    for (name, text) in files() {
        let Some(complaints) = complaints(&name, &text) else { return };
        assert!(complaints.is_empty(), "{name}:\n{complaints}");
    }
}

#[test]
fn what_is_broken_or_dangerous_is_refused() {
    let checkout = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2";
    let cases = [
        ("images.yml", "    runs-on: ubuntu-24.04\n", "", "runs-on"),
        ("images.yml", "workflow_call:", "workflow_cal:", "workflow_cal"),
        ("images.yml", checkout, "actions/checkout@v6", "unpinned-uses"),
        ("images.yml", "persist-credentials: false", "fetch-depth: 1", "artipacked"),
        ("images.yml", "publish \"$address\"", "publish ${{ inputs.tag }}", "template-injection"),
        (
            "ci.yml",
            "    permissions:\n      contents: read\n",
            "    permissions: write-all\n",
            "excessive-permissions",
        ),
        ("ci.yml", "  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
        ("release.yml", "test \"$GITHUB_REF_NAME\"", "test $GITHUB_REF_NAME", "SC2086"),
        ("action.yml", "  using: composite", "  using: compost", "compost"),
        ("action.yml", "\"${arguments[@]}\"", "${arguments[@]}", "SC2068"),
    ];
    for (name, from, to, expected) in cases {
        let (_, text) = files().into_iter().find(|(file, _)| file == name).expect("a file");
        assert!(text.contains(from), "{name} has no `{from}`");
        let Some(complaints) = complaints(name, &text.replace(from, to)) else { return };
        assert!(complaints.contains(expected), "{name} with `{to}`:\n{complaints}");
    }
}

#[test]
fn no_expression_is_in_a_shell_and_every_action_is_pinned_by_commit() {
    for (name, text) in files() {
        for block in run_blocks(&text) {
            assert!(!block.contains("${{"), "{name}: {block}");
        }
        for line in
            text.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("uses: "))
        {
            let pin = line.split_once('@').map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
            let is_commit = |pin: &str| pin.len() == 40 && pin.chars().all(|c| c.is_ascii_hexdigit());
            assert!(line.starts_with("./") || pin.is_some_and(is_commit), "{name}: {line}");
        }
    }
}

/// The scripts that shell calls, each with its first argument: `scripts/release`, `build`.
fn calls(shell: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, _) in shell.match_indices("scripts/") {
        let words: Vec<_> = shell[at + 8..].split_whitespace().take(2).collect();
        let clean =
            |word: &&str| word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-').to_owned();
        if let [name, argument] = &words[..] {
            found.push((clean(name), clean(argument)));
        }
    }
    found
}

#[test]
fn workflows_call_what_the_scripts_have() {
    let mut seen = 0;
    for (name, text) in files() {
        for (called, argument) in run_blocks(&text).iter().flat_map(|block| calls(block)) {
            let path = support::repository().join("scripts").join(&called);
            assert!(path.is_file(), "{name} calls scripts/{called}");
            // a variable of the shell, or another line
            if !["release", "package"].contains(&called.as_str()) || argument == "arguments" {
                continue;
            }
            let output = script(&called).arg("--help").output().expect("running a script");
            let usage = told(&output);
            let has = usage.lines().any(|line| line.trim_start().starts_with(&argument));
            assert!(has, "{name} calls `scripts/{called} {argument}`:\n{usage}");
            seen += 1;
        }
    }
    assert!(seen >= 6, "{seen} calls");
}

#[test]
fn a_release_has_every_target() {
    let text = in_repository(".github/workflows/release.yml");
    let listed = text.lines().filter_map(|line| line.trim().strip_prefix("- {target: ")?.split(',').next());
    let mut listed: Vec<_> = listed.collect();
    listed.sort_unstable();
    assert_eq!(listed, TARGETS);
}

#[test]
fn secrets_reach_only_the_steps_that_use_them() {
    for (name, text) in files() {
        for line in text.lines().filter(|line| line.contains("${{ secrets.")) {
            // the environment of a step is indented deeper than that of a job or of the workflow
            let indent = line.len() - line.trim_start().len();
            assert!(indent >= 10, "{name}: {line}");
        }
        assert!(Path::new(&name).extension().is_some_and(|extension| extension == "yml"));
    }
}
