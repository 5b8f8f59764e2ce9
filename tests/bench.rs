//! The benchmark of whole builds runs and prints; what it measures here says nothing.
#![expect(clippy::disallowed_methods, reason = "the benchmark is a program")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

const TOOLS: [&str; 10] =
    ["python3", "xz", "zstd", "debugfs", "e2fsck", "resize2fs", "sfdisk", "mcopy", "mke2fs", "mkfs.vfat"];

/// `scripts/bench --quick` with more arguments: what it prints, and its JSON. `None` where a tool is missing.
fn bench(directory: &Path, more: &[&str]) -> Option<(String, serde_json::Value)> {
    if !TOOLS.iter().all(|tool| support::have(tool)) {
        return None;
    }
    let json = directory.join("bench.json");
    let mut command = Command::new(support::repository().join("scripts/bench"));
    command.args(["--quick", "--pimg", env!("CARGO_BIN_EXE_pimg"), "--work"]).arg(directory);
    let output = command.arg("--json").arg(&json).args(more).output().expect("running the benchmark");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let text = fs::read_to_string(json).expect("the figures");
    let left = fs::read_dir(directory).expect("the directory").filter_map(Result::ok);
    let left: Vec<_> = left
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().starts_with("bench-"))
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    Some((String::from_utf8(output.stdout).expect("UTF-8"), serde_json::from_str(&text).expect("JSON")))
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

#[test]
fn every_case_has_its_row_and_every_ratio_its_bound() {
    let dir = directory();
    let Some((table, figures)) = bench(dir.path(), &["--xz"]) else { return };
    let cases = figures["cases"].as_object().expect("cases");
    for name in ["rootless", "mounted", "virt-customize", "xz-dc", "zstd", "cp", "xz-6"] {
        assert!(cases.contains_key(name), "no case `{name}`");
    }
    for name in ["cold", "second", "change", "flash", "large", "ten", "xz-cold", "xz-second"] {
        assert!(cases.contains_key(name), "no case `{name}`");
    }
    for (name, case) in cases {
        let title = case["title"].as_str().expect("a title");
        let row =
            table.lines().find(|line| line.starts_with(&format!("{title} "))).expect("a row of the table");
        // a case was measured, or says why not
        match case["skipped"].as_str() {
            Some(why) => assert!(row.ends_with(why), "{row}"),
            None => {
                for figure in ["wall", "cpu", "peak", "written"] {
                    assert_eq!(case[figure].as_array().map(Vec::len), Some(1), "{name}: {figure}");
                }
            }
        }
    }
    let ratios = figures["ratios"].as_array().expect("ratios");
    assert!(ratios.len() >= 15, "{ratios:?}");
    for ratio in ratios {
        let (name, verdict) =
            (ratio["name"].as_str().expect("a name"), ratio["verdict"].as_str().expect("a verdict"));
        let row = table.lines().find(|line| line.starts_with(&format!("{name} ")));
        assert!(row.expect("a row of the table").ends_with(verdict), "{name}: {verdict}");
        assert_eq!(ratio["value"].is_null(), verdict == "not measured", "{name}");
    }
}

#[test]
fn only_the_cases_asked_for_are_run() {
    let dir = directory();
    let Some((table, figures)) = bench(dir.path(), &["--only", "cold,zstd"]) else { return };
    let cases: Vec<_> = figures["cases"].as_object().expect("cases").keys().collect();
    assert_eq!(cases, ["cold", "zstd"], "{table}");
    assert!(!table.contains("debugfs"), "{table}");
}

#[test]
fn growing_hosts_are_measured_and_drawn() {
    let dir = directory();
    let svg = dir.path().join("hosts.svg");
    let Some((table, figures)) =
        bench(dir.path(), &["--hosts", "1,2", "--svg", svg.to_str().expect("UTF-8")])
    else {
        return;
    };
    assert_eq!(table.lines().filter(|line| line.trim_start().starts_with(['1', '2'])).count(), 2, "{table}");
    let points = figures["points"].as_array().expect("points");
    let hosts: Vec<_> = points.iter().filter_map(|point| point["hosts"].as_u64()).collect();
    assert_eq!(hosts, [1, 2]);
    let drawn = fs::read_to_string(svg).expect("a drawing");
    for text in ["<svg ", ">hosts<", ">seconds<", ">GiB on disk<", "</svg>"] {
        assert!(drawn.contains(text), "`{text}` is missing");
    }
}
