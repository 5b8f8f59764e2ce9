//! Progress as a person or a program wants it: bars on a terminal, plain lines, JSON lines, or nothing.
//!
//! JSON lines begin with `{"event":"start","version":1}`; then `begin`, `progress` (at most five a second and
//! task), `finish` and `notice`. Bytes are counted, times are not: a program has its own clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::args::ProgressArg;
use super::printer::Printer;
use super::text::{human_bytes, printable};
use crate::progress::{Reporter, TaskId};

/// Least time between two plain lines of a task: a log file is not to be flooded.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Least time between two JSON lines of a task.
const JSON_EVERY: Duration = Duration::from_millis(200);

/// Version of the JSON lines.
const EVENTS_VERSION: u32 = 1;

/// Shows what the rooms report.
pub(super) struct Progress {
    display: Display,
    printer: Arc<Printer>,
    next: AtomicU64,
    tasks: Mutex<BTreeMap<TaskId, Task>>,
    interrupted: Arc<AtomicBool>,
}

enum Display {
    Bars(MultiProgress),
    Plain,
    Json,
    Nothing,
}

struct Task {
    name: String,
    total: Option<u64>,
    done: u64,
    shown: Instant,
    was_shown: bool,
    bar: Option<ProgressBar>,
}

/// One JSON line.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'a> {
    Start { version: u32 },
    Begin { task: u64, name: &'a str, total: Option<u64> },
    Progress { task: u64, done: u64, total: Option<u64> },
    Finish { task: u64, name: &'a str, done: u64, outcome: &'a str },
    Notice { text: &'a str },
}

impl Progress {
    /// Progress in the way that was asked for. Once `interrupted` is set, every room is told to stop.
    pub(super) fn new(
        how: ProgressArg,
        is_terminal: bool,
        printer: Arc<Printer>,
        interrupted: Arc<AtomicBool>,
    ) -> Self {
        let display = match how {
            ProgressArg::Auto if is_terminal => {
                Display::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)))
            }
            ProgressArg::Auto | ProgressArg::Plain => Display::Plain,
            ProgressArg::Json => Display::Json,
            ProgressArg::None => Display::Nothing,
        };
        let progress = Self {
            display,
            printer,
            next: AtomicU64::new(1),
            tasks: Mutex::new(BTreeMap::new()),
            interrupted,
        };
        progress.event(&Event::Start { version: EVENTS_VERSION });
        progress
    }

    /// Takes all bars off the terminal, before the result or an error is printed.
    pub(super) fn end(&self) {
        if let Display::Bars(bars) = &self.display {
            for task in std::mem::take(&mut *self.lock()).into_values() {
                task.bar.inspect(ProgressBar::finish_and_clear);
            }
            // nothing is left to draw on a terminal that is gone
            let _ = bars.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, event: &Event<'_>) {
        if matches!(self.display, Display::Json)
            && let Ok(line) = serde_json::to_string(event)
        {
            self.printer.always(&(line + "\n"));
        }
    }

    fn line(&self, text: &str) {
        let text = printable(text) + "\n";
        match &self.display {
            Display::Bars(bars) => bars.suspend(|| self.printer.message(&text)),
            Display::Plain | Display::Nothing => self.printer.message(&text),
            Display::Json => {}
        }
    }

    /// Whether enough time went by since the task was shown last.
    fn is_due(&self, task: &Task, now: Instant) -> bool {
        let every = match self.display {
            Display::Plain => PLAIN_EVERY,
            Display::Json => JSON_EVERY,
            Display::Bars(_) | Display::Nothing => return false,
        };
        now.duration_since(task.shown) >= every
    }

    fn advance_at(&self, id: TaskId, bytes: u64, now: Instant) {
        let mut tasks = self.lock();
        let Some(task) = tasks.get_mut(&id) else { return };
        task.done = task.done.saturating_add(bytes);
        if let Some(bar) = &task.bar {
            bar.inc(bytes);
        }
        if self.is_due(task, now) {
            task.shown = now;
            task.was_shown = true;
            self.event(&Event::Progress { task: id.0, done: task.done, total: task.total });
            self.line(&format!("{}: {}", task.name, amount(task.done, task.total)));
        }
    }
}

impl Reporter for Progress {
    fn begin(&self, name: &str, total: Option<u64>) -> TaskId {
        let id = TaskId(self.next.fetch_add(1, Ordering::Relaxed));
        let bar = match &self.display {
            Display::Bars(bars) => Some(bars.add(bar(name, total, self.printer.has_color()))),
            _ => None,
        };
        self.event(&Event::Begin { task: id.0, name, total });
        let task =
            Task { name: name.to_owned(), total, done: 0, shown: Instant::now(), was_shown: false, bar };
        self.lock().insert(id, task);
        id
    }

    fn advance(&self, task: TaskId, bytes: u64) {
        self.advance_at(task, bytes, Instant::now());
    }

    fn finish(&self, id: TaskId, outcome: &str) {
        let Some(task) = self.lock().remove(&id) else { return };
        if let Some(bar) = &task.bar {
            bar.finish_and_clear();
        }
        self.event(&Event::Finish { task: id.0, name: &task.name, done: task.done, outcome });
        let silent = matches!(self.display, Display::Nothing);
        if !silent && (task.was_shown || !outcome.is_empty()) {
            let outcome = if outcome.is_empty() { "done" } else { outcome };
            self.line(&format!("{}: {outcome}", task.name));
        }
    }

    fn notice(&self, text: &str) {
        self.event(&Event::Notice { text });
        self.line(text);
    }

    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// How far a task is.
fn amount(done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) if total > 0 => {
            let percent = u128::from(done.min(total)) * 100 / u128::from(total);
            format!("{percent} % of {}", human_bytes(total))
        }
        _ => human_bytes(done),
    }
}

fn bar(name: &str, total: Option<u64>, color: bool) -> ProgressBar {
    let template = match (total, color) {
        (Some(_), true) => {
            "{msg:32!} {wide_bar:.cyan} {percent:>3} %  {binary_bytes_per_sec:>12}  {eta:>4} left"
        }
        (Some(_), false) => "{msg:32!} {wide_bar} {percent:>3} %  {binary_bytes_per_sec:>12}  {eta:>4} left",
        (None, _) => "{msg:32!} {spinner} {binary_bytes}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new).with_style(style);
    bar.set_message(printable(name));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
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
}
