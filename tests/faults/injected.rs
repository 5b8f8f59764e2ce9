//! Each system call that changes a disk, or reads the base, fails once.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{BUILD, Site, Tree, expected, have_tools, names_a_file};

/// A call, what it fails with, and of how many calls one fails in a plain run.
const WRITES: [(&str, &str, usize); 13] = [
    ("write", "EIO", 7),
    ("write", "ENOSPC", 9),
    ("pwrite64", "EIO", 17),
    ("pwrite64", "ENOSPC", 23),
    ("fsync", "EIO", 3),
    ("renameat", "EIO", 3),
    ("renameat2", "EIO", 1),
    ("ftruncate", "EFBIG", 1),
    ("mkdir", "ENOSPC", 5),
    ("fchmod", "EIO", 1),
    ("unlinkat", "EIO", 2),
    ("linkat", "EIO", 1),
    ("openat", "EIO", 29),
];

/// Reads of what is on the disk: the base itself, and its decoded form in the cache.
const READS: [(&str, &str, usize); 2] = [("read", "EIO", 41), ("pread64", "EIO", 701)];

/// What is injected: the call, the error and which call of a thread it is.
#[derive(Clone, Copy)]
struct Fault {
    call: &'static str,
    error: &'static str,
    nth: usize,
}

/// How a build with one fault ended.
enum End {
    /// There were fewer calls than that.
    NoSuchCall,
    /// It was not a file of this project that failed.
    Elsewhere,
    /// As it has to be: with an error, or without since the build can do without.
    Refused,
    Unharmed,
    Wrong(String),
}

fn every() -> Option<usize> {
    std::env::var("PIMG_FAULTS_EVERY").ok()?.parse().ok()
}

#[test]
fn no_failing_write_loses_anything() {
    if have_tools() {
        run(&WRITES);
    }
}

#[test]
fn no_failing_read_loses_anything() {
    if have_tools() {
        run(&READS);
    }
}

/// Lets calls fail one after another, some builds at a time, and tells how they ended.
fn run(calls: &[(&'static str, &'static str, usize)]) {
    let report = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    expected();
    let work = || {
        loop {
            let Some((call, error, step)) = calls.get(next.fetch_add(1, Ordering::Relaxed)).copied() else {
                return;
            };
            let (mut refused, mut unharmed, mut wrong) = (0, 0, Vec::new());
            let mut nth = 1;
            // a read of the base is far behind those of the libraries, so the first may be missed and is nothing
            loop {
                match inject(Fault { call, error, nth }) {
                    End::NoSuchCall => break,
                    End::Elsewhere => {}
                    End::Refused => refused += 1,
                    End::Unharmed => unharmed += 1,
                    End::Wrong(why) => wrong.push(format!("{call} {nth} with {error}: {why}")),
                }
                nth += every().unwrap_or(step);
            }
            let line = format!("{call:<10} {error:<7} {refused:>4} refused {unharmed:>4} unharmed");
            report.lock().expect("a lock").push((line, wrong));
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(2, usize::from).min(4);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let report = report.into_inner().expect("a lock");
    report.iter().for_each(|(line, _)| println!("{line}"));
    let wrong: Vec<String> = report.into_iter().flat_map(|(_, wrong)| wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn inject(fault: Fault) -> End {
    let Fault { call, error, nth } = fault;
    let site = Site::new();
    let (before, trace) = (site.out(), site.join("trace"));
    let mut command = site.command("strace");
    command.args(["-f", "-y", "-q", "-e", &format!("trace={call}")]);
    command.args(["-e", &format!("inject={call}:error={error}:when={nth}"), "-o"]).arg(&trace);
    let output = command.arg(env!("CARGO_BIN_EXE_pimg")).args(BUILD).output().expect("running strace");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let trace = String::from_utf8_lossy(&fs::read(trace).expect("a trace")).into_owned();
    let injected: Vec<&str> = trace.lines().filter(|line| line.contains("(INJECTED)")).collect();
    let Some(first) = injected.first() else { return End::NoSuchCall };
    // pipes, sockets and libraries are no files of this project; `AT_FDCWD<…>` is the project's directory
    let is_ours = |line: &&&str| {
        // what is printed names files as well
        if line.contains("<pipe:") {
            return false;
        }
        let directory = site.join("").display().to_string();
        let place = line.replace(&format!("AT_FDCWD<{}>", directory.trim_end_matches('/')), "");
        place.contains(&directory)
            || place.contains(crate::base().to_str().expect("UTF-8"))
            || ["\"out", "\"./", "\"pimg", "\"profiles", "\"overlays", "\"base.img"]
                .iter()
                .any(|name| place.contains(name))
    };
    if !injected.iter().any(|line| is_ours(&line)) {
        return End::Elsewhere;
    }
    let describe = |what: &str| End::Wrong(format!("{what}\n  {first}\n  {told}"));
    if told.contains("panicked") || told.contains("internal error") {
        return describe("a panic");
    }
    let after = without_leftover(call, site.out());
    let end = match output.status.code() {
        Some(0) if after == *expected() => End::Unharmed,
        Some(0) => return describe("another image, and no error"),
        Some(9) if after != before && is_listing_failed(&told) => {
            if site.tree("out/tiny") != expected_host() {
                return describe("the lists failed, and the host's files are not those of a whole build");
            }
            End::Refused
        }
        _ if after != before => return describe("`out` was changed"),
        Some(9) if !names_a_file(&told) => return describe("no file is named"),
        // what an operator wrote and that cannot be read is answered as what is wrong with it
        Some(3 | 9) => End::Refused,
        code => return describe(&format!("exit code {code:?}")),
    };
    let again = site.build();
    if !again.status.success() {
        return describe(&format!("the next build fails: {}", String::from_utf8_lossy(&again.stderr)));
    }
    if site.out() != *expected() {
        return describe("the next build makes another image");
    }
    end
}

/// The lists of all hosts are made from their manifests after the hosts' directories are complete and in place.
fn is_listing_failed(told: &str) -> bool {
    let first = told.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    ["out/os_list.json", "out/pimg.rpi-imager-manifest", "out/pimg.svg", "out/tiny/manifest.json"]
        .iter()
        .any(|name| first.contains(name))
        || first.ends_with(" `out`")
}

/// The part of `out/` that is the host's.
fn expected_host() -> Tree {
    let below = expected().iter().filter_map(|(name, what)| {
        let name = if name == "tiny" { "" } else { name.strip_prefix("tiny/")? };
        Some((name.to_owned(), what.clone()))
    });
    below.collect()
}

/// `out/` but for the work directory, which stays until the next build where removing itself fails: to remove a directory
/// is to open it first.
fn without_leftover(call: &str, mut out: Tree) -> Tree {
    if ["openat", "unlinkat"].contains(&call) {
        out.retain(|name, _| !name.starts_with(".pimg-"));
    }
    out
}
