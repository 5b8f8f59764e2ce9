use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Progress, amount};
use crate::cli::args::ProgressArg;
use crate::cli::printer::{Printer, tests::Shared};
use crate::progress::Reporter;

fn progress(how: ProgressArg) -> (Progress, Shared, Arc<AtomicBool>) {
    let err = Shared::default();
    let printer = Printer::to(io::sink(), err.clone(), false);
    let interrupted = Arc::new(AtomicBool::new(false));
    (Progress::new(how, false, Arc::new(printer), interrupted.clone()), err, interrupted)
}

fn work(progress: &Progress) {
    let task = progress.begin("copy", Some(1000));
    let start = Instant::now();
    for second in 1..=10 {
        progress.advance_at(task, 100, start + Duration::from_secs(second));
    }
    progress.finish(task, "");
    progress.notice("a seed was made");
    let short = progress.begin("check", None);
    progress.finish(short, "7 files");
    let silent = progress.begin("plan", None);
    progress.finish(silent, "");
}

#[test]
fn plain_lines_come_now_and_then() {
    let (progress, err, _) = progress(ProgressArg::Auto);
    work(&progress);
    insta::assert_snapshot!(err.text(), @r"
    copy: 50 % of 1000 B
    copy: 100 % of 1000 B
    copy: done
    a seed was made
    check: 7 files
    ");
}

#[test]
fn json_lines_begin_with_their_version() {
    let (progress, err, _) = progress(ProgressArg::Json);
    let task = progress.begin("copy", Some(10));
    let start = Instant::now();
    for tenth in 1..=9 {
        progress.advance_at(task, 1, start + Duration::from_millis(100 * tenth));
    }
    progress.finish(task, "ok");
    progress.notice("hello");
    insta::assert_snapshot!(err.text(), @r#"
    {"event":"start","version":1}
    {"event":"begin","task":1,"name":"copy","total":10}
    {"event":"progress","task":1,"done":2,"total":10}
    {"event":"progress","task":1,"done":4,"total":10}
    {"event":"progress","task":1,"done":6,"total":10}
    {"event":"progress","task":1,"done":8,"total":10}
    {"event":"finish","task":1,"name":"copy","done":9,"outcome":"ok"}
    {"event":"notice","text":"hello"}
    "#);
}

/// Downloads three files.
fn download(progress: &Progress, outcome: &str) {
    let whole = progress.begin_many("packages", 3, Some(6000));
    let start = Instant::now();
    for (second, name) in (0..3).map(|index| (4 * index, format!("file-{index}.deb"))) {
        let part = progress.begin_part(&name, Some(2000));
        for half in 1..=2 {
            let now = start + Duration::from_secs(second + 2 * half);
            progress.advance_at(part, 1000, now);
            progress.advance_at(whole, 1000, now);
        }
        progress.finish(part, "");
        progress.part_done_at(whole, start + Duration::from_secs(second + 4));
    }
    progress.finish(whole, outcome);
}

#[test]
fn a_task_of_many_parts_is_a_few_plain_lines() {
    let (progress, err, _) = progress(ProgressArg::Plain);
    download(&progress, "");
    progress.finish(progress.begin_many("files", 9, None), "stopped");
    insta::assert_snapshot!(err.text(), @r"
    packages: 0 of 3, 0 B of 5.9 KiB
    packages: 1 of 3, 2.9 KiB of 5.9 KiB
    packages: 2 of 3, 5.9 KiB
    packages: 3 of 3, 5.9 KiB
    files: 0 of 9
    files: 0 of 9, stopped
    ");
}

#[test]
fn json_lines_tell_parts_from_wholes() {
    let (progress, err, _) = progress(ProgressArg::Json);
    download(&progress, "");
    let text = err.text();
    let is_later = |line: &str| line.contains("\"task\":3") || line.contains("\"task\":4");
    let lines: Vec<_> = text.lines().filter(|line| !is_later(line)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"event":"start","version":1}
    {"event":"begin","task":1,"name":"packages","total":6000,"parts":3}
    {"event":"begin","task":2,"name":"file-0.deb","total":2000,"part":true}
    {"event":"progress","task":2,"done":1000,"total":2000}
    {"event":"progress","task":1,"done":1000,"total":6000,"parts_done":0}
    {"event":"progress","task":2,"done":2000,"total":2000}
    {"event":"progress","task":1,"done":2000,"total":6000,"parts_done":0}
    {"event":"finish","task":2,"name":"file-0.deb","done":2000,"outcome":""}
    {"event":"progress","task":1,"done":3000,"total":6000,"parts_done":1}
    {"event":"progress","task":1,"done":4000,"total":6000,"parts_done":1}
    {"event":"progress","task":1,"done":5000,"total":6000,"parts_done":2}
    {"event":"progress","task":1,"done":6000,"total":6000,"parts_done":2}
    {"event":"finish","task":1,"name":"packages","done":6000,"parts_done":3,"outcome":""}
    "#);
}

#[test]
fn nothing_shows_notices_only() {
    let (progress, err, _) = progress(ProgressArg::None);
    work(&progress);
    assert_eq!(err.text(), "a seed was made\n");
}

#[test]
fn passes_the_interrupt_on() {
    let (progress, _, flag) = progress(ProgressArg::None);
    assert!(!progress.interrupted());
    flag.store(true, Ordering::Relaxed);
    assert!(progress.interrupted());
}

#[test]
fn amounts_survive_odd_totals() {
    assert_eq!(amount(5, None), "5 B");
    assert_eq!(amount(5, Some(0)), "5 B");
    assert_eq!(amount(u64::MAX, Some(u64::MAX)), "100 % of 16.0 EiB");
    assert_eq!(amount(20, Some(10)), "100 % of 10 B");
}
