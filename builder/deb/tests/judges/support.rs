//! The judges: programs of others, and directories that they work in.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether all of these programs are there. Where one is missing the test is to return, but in CI that is a failure.
pub(crate) fn have(programs: &[&str]) -> bool {
    #[expect(clippy::disallowed_methods, reason = "tests have no host room")]
    let (path, in_ci) = (std::env::var_os("PATH").unwrap_or_default(), std::env::var_os("CI").is_some());
    let places: Vec<_> = std::env::split_paths(&path).collect();
    let is_there = |program: &&&str| places.iter().any(|place| place.join(program).is_file());
    let missing: Vec<_> = programs.iter().filter(|program| !is_there(program)).collect();
    assert!(missing.is_empty() || !in_ci, "missing judges: {missing:?}");
    if !missing.is_empty() {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: no {}", missing.iter().map(|name| **name).collect::<Vec<_>>().join(", "));
        }
    }
    missing.is_empty()
}

/// What a program writes to its stdout; it has to succeed.
pub(crate) fn run(program: &str, arguments: &[&str], input: &str) -> Vec<u8> {
    #[expect(clippy::disallowed_methods, reason = "tests have no host room")]
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C.UTF-8").env("TZ", "UTC").env_remove("APT_CONFIG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect(program);
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect(program);
    writer.join().expect("no panic").expect("the program reads its input");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {stderr}");
    output.stdout
}

/// As `run`, but text.
pub(crate) fn text(program: &str, arguments: &[&str], input: &str) -> String {
    String::from_utf8(run(program, arguments, input)).expect("UTF-8")
}

/// An empty directory of a test of this name.
pub(crate) fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deb-judges").join(name);
    if path.exists() {
        fs::remove_dir_all(&path).expect("a directory of an earlier run");
    }
    fs::create_dir_all(&path).expect("a directory to work in");
    path
}

/// A path as an argument.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Writes a file and the directories above it.
pub(crate) fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(path, content).expect("a file");
}

/// Options that give apt a root of its own below this directory, for arm64 with armhf beside it.
pub(crate) fn apt_root(root: &Path) -> Vec<String> {
    for directory in
        ["etc/preferences.d", "etc/sources.list.d", "state/lists/partial", "cache/archives/partial"]
    {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    for file in ["status", "etc/sources.list", "etc/preferences"] {
        if !root.join(file).exists() {
            write(&root.join(file), "");
        }
    }
    let root = argument(root);
    [
        "Dir=/nowhere".to_owned(),
        "Dir::Etc::main=/nowhere".to_owned(),
        "Dir::Etc::parts=/nowhere".to_owned(),
        format!("Dir::Etc={root}/etc"),
        format!("Dir::Etc::sourcelist={root}/etc/sources.list"),
        format!("Dir::State={root}/state"),
        format!("Dir::State::status={root}/status"),
        format!("Dir::Cache={root}/cache"),
        "Dir::Bin::methods=/usr/lib/apt/methods".to_owned(),
        "APT::Architecture=arm64".to_owned(),
        "APT::Architectures::=arm64".to_owned(),
        "APT::Architectures::=armhf".to_owned(),
        "APT::Sandbox::User=root".to_owned(),
        "Acquire::Languages=none".to_owned(),
    ]
    .into_iter()
    .flat_map(|option| ["-o".to_owned(), option])
    .collect()
}
