//! The benchmark runs, and says what it measured. What it measured is nobody's business here: that depends on the machine.
#![expect(clippy::disallowed_methods, reason = "the benchmark is a program")]

use std::fs;
use std::process::Command;

use serde_json::Value;

#[path = "support/mod.rs"]
mod support;

const TOOLS: [&str; 9] =
    ["python3", "xz", "zstd", "debugfs", "e2fsck", "resize2fs", "sfdisk", "mcopy", "mkfs.vfat"];

#[test]
fn the_quick_benchmark_prints_its_table_and_writes_its_figures() {
    if !TOOLS.iter().all(|tool| support::have(tool)) {
        return;
    }
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let figures = work.path().join("bench.json");
    let mut command = Command::new(support::repository().join("scripts/bench"));
    command.args(["--quick", "--pimg", env!("CARGO_BIN_EXE_pimg"), "--work"]).arg(work.path());
    let output = command.arg("--json").arg(&figures).output().expect("running the benchmark");
    let (table, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{table}{told}");
    for row in
        ["pimg, cold", "pimg, second host", "pimg, ten hosts", "pimg flash", "(a) xz, debugfs", "cp of"]
    {
        assert!(table.lines().any(|line| line.contains(row)), "no row `{row}`:\n{table}");
    }
    let figures: Value =
        serde_json::from_slice(&fs::read(figures).expect("the figures")).expect("figures in JSON");
    for key in ["base", "cases", "cores", "quick", "ratios", "rounds"] {
        assert!(!figures[key].is_null(), "no `{key}` in {figures}");
    }
}
