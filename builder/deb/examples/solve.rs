//! Solves for the packages named with the files of a private root of apt, as `scripts/bench-solve` compares it.
//!
//! `solve ROOT [--upgrade] [--recommends] [PACKAGE…] [PACKAGE-…]`; what is to go ends in `-`, as for apt.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example is a program of its own")]

#[path = "../tests/support/apt_root.rs"]
mod apt_root;

use std::path::Path;
use std::process::ExitCode;

use pimg_deb::preferences;
use pimg_deb::solve::{Request, solve};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let Some((root, names)) = arguments.split_first() else { return ExitCode::from(2) };
    let root = Path::new(root);
    let mut request = Request::default();
    for name in names {
        match (name.as_str(), name.strip_suffix('-')) {
            ("--upgrade", _) => request.upgrade = true,
            ("--recommends", _) => request.recommends = true,
            (_, Some(name)) => request.remove.push(name.to_owned()),
            (name, None) => request.install.push(name.to_owned()),
        }
    }
    let pins = std::fs::read(root.join("etc/apt/preferences")).unwrap_or_default();
    request.pins = preferences::parse(&pins).expect("pins");
    let files = apt_root::AptRoot::new(root).files(&[]);
    let start = std::time::Instant::now();
    let universe = files.universe();
    let parsed = start.elapsed();
    let result = solve(&universe, &request);
    let solved = start.elapsed() - parsed;
    match result {
        Ok(solution) => {
            for chosen in &solution.packages {
                let entry = chosen.entry;
                println!(
                    "Inst {}:{} {} {:?} {}",
                    entry.package, entry.architecture, entry.version, chosen.action, chosen.reason
                );
            }
            for removed in &solution.removed {
                println!(
                    "Remv {}:{} {} {}",
                    removed.name, removed.architecture, removed.version, removed.reason
                );
            }
            println!("# read in {parsed:?}, solved in {solved:?}");
            ExitCode::SUCCESS
        }
        Err(unsolvable) => {
            println!("{unsolvable}\nhints: {:?}", unsolvable.hints());
            println!("# read in {parsed:?}, solved in {solved:?}");
            ExitCode::FAILURE
        }
    }
}
