//! Bad inputs of every kind, each with its exit code and what a person reads first: `snapshots/bad_inputs__table.snap`
//! is the table. None ends in a panic or an internal error, and `out/` and the cache keep what was in them.
//!
//! A case is a project with one thing wrong in it and a command. To add one, add a line to its room and look at what
//! `INSTA_UPDATE=always cargo test --test bad_inputs` makes of the table.
#![expect(clippy::disallowed_methods, reason = "tests run pimg and its judges")]

mod archives;
mod bases;
mod bench;
mod containers;
mod host;
#[path = "../support/layer.rs"]
mod layer;
mod layers;
mod locks;
mod overlays;
mod packages;
mod profiles;
mod secrets;
mod structures;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tiny_base.rs"]
mod tiny_base;
mod usage;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bench::{Bench, Outcome};

/// One thing that is wrong.
pub(crate) struct Case {
    /// What is wrong, in a few words.
    name: String,
    /// Makes it so.
    make: Box<dyn Fn(&Bench) + Send + Sync>,
    /// The command that meets it.
    command: Vec<String>,
}

impl Case {
    fn new(name: impl Into<String>, command: &str, make: impl Fn(&Bench) + Send + Sync + 'static) -> Self {
        let command = command.split(' ').map(str::to_owned).collect();
        Self { name: name.into(), make: Box::new(make), command }
    }
}

/// Reads profiles, overlays and templates.
const CHECK: &str = "check --profile tiny";
/// Reads everything there is.
const BUILD: &str = "build --profile tiny --base base.img --format raw";

#[test]
fn every_bad_input_has_an_exit_code_and_a_message() {
    let tools = ["mke2fs", "mkfs.vfat", "mcopy", "sfdisk", "debugfs", "xz", "zstd", "gzip"];
    if !tools.iter().all(|tool| support::have(tool)) {
        return;
    }
    let rooms: [(&str, Vec<Case>); 11] = [
        ("the command line", usage::cases()),
        ("profiles", profiles::cases()),
        ("overlays and templates", overlays::cases()),
        ("the lock", locks::cases()),
        ("bases as they are downloaded", containers::cases()),
        ("bases that are cut or damaged", structures::cases()),
        ("bases that hold something else", bases::cases()),
        ("archives that overlays unpack", archives::cases()),
        ("baked layers of somebody else", layers::cases()),
        ("keys, seeds and secrets", secrets::cases()),
        ("the machine: links, files in the way", host::cases()),
    ];
    let cases: Vec<(&str, &Case)> =
        rooms.iter().flat_map(|(room, cases)| cases.iter().map(move |case| (*room, case))).collect();
    let outcomes = run_all(&cases);
    let mut table = String::new();
    let mut problems = Vec::new();
    let mut last = "";
    for ((room, case), outcome) in cases.iter().zip(outcomes) {
        if *room != last {
            table += &format!("\n{room}\n");
            last = room;
        }
        // where structures are, and the disk's id, follows the programs that make bases
        let message =
            if room.starts_with("bases that") { numberless(&outcome.message) } else { outcome.message };
        table += &format!("{:<44} | {:>3} | {message}\n", case.name, outcome.code);
        problems.extend(outcome.problem.map(|problem| format!("{room}: {}: {problem}", case.name)));
    }
    table += "\npackages, by the library\n";
    for (name, code, message) in packages::outcomes() {
        table += &format!("{name:<44} | {code:>3} | {message}\n");
    }
    let count = table.lines().filter(|line| line.contains(" | ")).count();
    assert!(count >= 200, "only {count} cases");
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("table", table) });
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Numbers of two digits and more are left out, decimal and hexadecimal.
fn numberless(message: &str) -> String {
    let words = message.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let is_number = |word: &str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let shown = words.map(|word| {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let has_digit = bare.bytes().any(|byte| byte.is_ascii_digit());
        if has_digit && is_number(bare) { word.replace(bare, "N") } else { word.to_owned() }
    });
    shown.collect()
}

/// Each case in a project of its own, twice as many at a time as there are processors: half of their time is the disk's.
fn run_all(cases: &[(&str, &Case)]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes: Vec<Mutex<Option<Outcome>>> = cases.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            let Some((_, case)) = cases.get(nth) else { return };
            *outcomes[nth].lock().expect("a lock") = Some(Bench::new().run(case));
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(2, usize::from).min(4) * 2;
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    outcomes.into_iter().map(|one| one.into_inner().expect("a lock").expect("an outcome")).collect()
}
