//! Linters and promises about the repository itself, as tests.
#![expect(clippy::disallowed_methods, reason = "linters are programs, and CI makes them obligatory")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What may lie at the top of the repository. A new name is a decision: write it here and in the README.
const TOP_LEVEL: [&str; 22] = [
    ".cargo",
    ".ci",
    ".git",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "action.yml",
    "builder",
    "clippy.toml",
    "deny.toml",
    "docs",
    "overlays",
    "profiles",
    "rustfmt.toml",
    "scripts",
    "tests",
];

/// Where shell scripts are looked for: every file with a shell's shebang counts, whatever its name, and every `.sh`.
const SHELL_DIRS: [&str; 5] = ["scripts", ".ci", "overlays", "tests", "builder"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files that git knows, or that it would add.
fn files_of_the_repository() -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .ok()
        .filter(|output| output.status.success());
    let Some(output) = output else {
        skip("git");
        return None;
    };
    let names = String::from_utf8(output.stdout).expect("file names are UTF-8");
    let exists = |name: &&str| root().join(name).exists();
    Some(names.split_terminator('\0').filter(exists).map(str::to_owned).collect())
}

/// A judge that is missing is a skip on a laptop and a failure in CI.
#[expect(clippy::print_stderr, reason = "a person should know what was not looked at")]
fn skip(tool: &str) {
    assert!(std::env::var_os("CI").is_none(), "`{tool}` is missing, and CI is set");
    eprintln!("skipped: `{tool}` is missing");
}

fn shell_scripts() -> Vec<PathBuf> {
    let Some(files) = files_of_the_repository() else { return Vec::new() };
    let in_dirs = |name: &&String| SHELL_DIRS.iter().any(|dir| name.starts_with(&format!("{dir}/")));
    let is_shell = |path: &PathBuf| {
        let start = fs::read(path).unwrap_or_default();
        let first = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        let is_library = path.extension().is_some_and(|extension| extension == "sh");
        is_library
            || first.starts_with("#!")
                && ["/sh", "/bash", " bash", " sh"].iter().any(|shell| first.ends_with(shell))
    };
    files.iter().filter(in_dirs).map(|name| root().join(name)).filter(is_shell).collect()
}

#[test]
fn shellcheck_has_no_complaint() {
    let scripts = shell_scripts();
    if scripts.is_empty() {
        return;
    }
    // sources are followed from the script's own directory, and to the library of steps; SC2016 is wrong about the formats of dpkg-query and
    // apt-get, which have to be written as `'${…}'`
    let arguments = [
        "--external-sources",
        "--source-path=SCRIPTDIR",
        "--source-path=builder/pimg/guest/steps",
        "--severity=style",
        "--exclude=SC2016",
        "--format=gcc",
    ];
    match Command::new("shellcheck").args(arguments).args(&scripts).current_dir(root()).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(_) => skip("shellcheck"),
    }
}

#[test]
fn nothing_unexpected_lies_at_the_top() {
    let Some(files) = files_of_the_repository() else { return };
    for name in files {
        let top = name.split('/').next().unwrap_or_default();
        // only a marker of `out/` and the lock are written by people and pimg
        let is_ours = TOP_LEVEL.contains(&top) || name == "out/.gitkeep" || name == "pimg.lock";
        assert!(is_ours, "`{name}`: nobody said what `{top}` at the top is for");
    }
}

#[test]
fn secrets_and_results_stay_out_of_git() {
    let ignored =
        ["secrets/k8sctl.seed", "profiles/x.seed", "out/node-a/node-a-1.img.zst", "target/debug/pimg"];
    for path in ignored {
        match Command::new("git").args(["check-ignore", "--quiet", path]).current_dir(root()).status() {
            Ok(status) if status.code() == Some(128) => return skip("git"),
            Ok(status) => assert!(status.success(), "git would take `{path}`"),
            Err(_) => return skip("git"),
        }
    }
}

#[test]
fn the_map_and_the_pipeline_list_the_same_steps() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("a file of the repository");
    let (map, pipeline) = (read("builder/README.md"), read("builder/pimg/pipeline.rs"));
    let rows = map.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let number: usize = cells.next()?.parse().ok()?;
        Some(format!("{number}. {}", cells.next()?))
    });
    let listed = pipeline.lines().filter_map(|line| {
        let text = line.strip_prefix("//! ")?.trim_start();
        text.starts_with(|c: char| c.is_ascii_digit()).then(|| text.to_owned())
    });
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), 14);
    assert_eq!(rows, listed.collect::<Vec<_>>());
}
