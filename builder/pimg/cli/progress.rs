//! Progress as a person or a program wants it: bars on a terminal, plain lines, JSON lines, or nothing.
//!
//! A task of many parts is one bar with those of the parts under way below it, or a few plain lines: where it
//! stands and not what each part did.
//!
//! JSON lines begin with `{"event":"start","version":1}`; then `begin`, `progress` (at most five a second and
//! task), `finish` and `notice`. A task of many parts says `parts` and `parts_done`, and each of these is a task
//! with `"part":true`, whose bytes are among those of the other. `status` says that a watched node, or the step of
//! one, got into another state. Times are not told: a program has its own clock.

mod bar;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use zeroize::Zeroizing;

use self::bar::{Role, bar};
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
    role: Role,
    /// Of a task of many: how many there are and how many are complete.
    parts: Option<Parts>,
    shown: Instant,
    was_shown: bool,
    bar: Option<ProgressBar>,
}

#[derive(Clone, Copy)]
struct Parts {
    all: usize,
    done: usize,
}

impl Task {
    /// What it is, and of a task of many which part it is at.
    fn title(&self) -> String {
        match self.parts {
            Some(Parts { all, done }) => format!("{}: {done} of {all}", self.name),
            None => self.name.clone(),
        }
    }

    /// Where it stands.
    fn line(&self) -> String {
        match (self.parts, self.total) {
            (None, total) => format!("{}: {}", self.name, amount(self.done, total)),
            (Some(_), Some(total)) if self.done < total => {
                format!("{}, {} of {}", self.title(), human_bytes(self.done), human_bytes(total))
            }
            // what is compiled or unpacked has no bytes
            (Some(_), None) if self.done == 0 => self.title(),
            (Some(_), _) => format!("{}, {}", self.title(), human_bytes(self.done)),
        }
    }
}

/// One JSON line.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'a> {
    Start {
        version: u32,
    },
    Begin {
        task: u64,
        name: &'a str,
        total: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        parts: Option<usize>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        part: bool,
    },
    Progress {
        task: u64,
        done: u64,
        total: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        parts_done: Option<usize>,
    },
    Finish {
        task: u64,
        name: &'a str,
        done: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        parts_done: Option<usize>,
        outcome: &'a str,
    },
    Notice {
        text: &'a str,
    },
    Status {
        node: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<&'a str>,
        state: &'a str,
        message: &'a str,
    },
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

    /// Lines that stay where they are and change, as long as the board lives. `None` where there is no terminal.
    pub(super) fn board(&self) -> Option<ProgressBar> {
        let Display::Bars(bars) = &self.display else { return None };
        let board = bars.add(ProgressBar::no_length());
        board.set_style(
            ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Some(board)
    }

    /// `text` with its colours, or without them where they are not wanted.
    pub(super) fn colored(&self, text: &str) -> String {
        match self.printer.has_color() {
            true => text.to_owned(),
            false => anstream::adapter::strip_str(text).to_string(),
        }
    }

    /// A watched node, or a step of it, got into another state.
    pub(super) fn changed(&self, node: &str, step: Option<&str>, state: &str, message: &str) {
        self.event(&Event::Status { node, step, state, message });
        if matches!(self.display, Display::Plain) {
            let said = [Some(node), step, Some(state), Some(message)].into_iter().flatten();
            let said: Vec<_> = said.filter(|text| !text.is_empty()).collect();
            self.line(&said.join(": "));
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
        self.show_if_due(id, task, now);
    }

    fn part_done_at(&self, id: TaskId, now: Instant) {
        let mut tasks = self.lock();
        let Some(task) = tasks.get_mut(&id) else { return };
        if let Some(parts) = &mut task.parts {
            parts.done += 1;
        }
        if let Some(bar) = &task.bar {
            bar.set_message(printable(&task.title()));
        }
        self.show_if_due(id, task, now);
    }

    fn show_if_due(&self, id: TaskId, task: &mut Task, now: Instant) {
        if !self.is_due(task, now) {
            return;
        }
        task.shown = now;
        task.was_shown = true;
        let (done, total, parts_done) = (task.done, task.total, task.parts.map(|parts| parts.done));
        self.event(&Event::Progress { task: id.0, done, total, parts_done });
        if task.role != Role::Part {
            self.line(&task.line());
        }
    }

    fn begin_as(&self, name: &str, total: Option<u64>, role: Role, parts: Option<usize>) -> TaskId {
        let id = TaskId(self.next.fetch_add(1, Ordering::Relaxed));
        self.event(&Event::Begin { task: id.0, name, total, parts, part: role == Role::Part });
        let parts = parts.map(|all| Parts { all, done: 0 });
        let (name, shown) = (name.to_owned(), Instant::now());
        let mut task = Task { name, total, done: 0, role, parts, shown, was_shown: false, bar: None };
        match &self.display {
            Display::Bars(bars) => {
                let bar = bars.add(bar(printable(&task.title()), total, role, self.printer.has_color()));
                bar::start(&bar);
                task.bar = Some(bar);
            }
            Display::Plain if role == Role::Whole => self.line(&task.line()),
            _ => {}
        }
        self.lock().insert(id, task);
        id
    }
}

impl Reporter for Progress {
    fn begin(&self, name: &str, total: Option<u64>) -> TaskId {
        self.begin_as(name, total, Role::Single, None)
    }

    fn begin_many(&self, name: &str, parts: usize, total: Option<u64>) -> TaskId {
        self.begin_as(name, total, Role::Whole, Some(parts))
    }

    fn part_done(&self, task: TaskId) {
        self.part_done_at(task, Instant::now());
    }

    fn begin_part(&self, name: &str, total: Option<u64>) -> TaskId {
        self.begin_as(name, total, Role::Part, None)
    }

    fn advance(&self, task: TaskId, bytes: u64) {
        self.advance_at(task, bytes, Instant::now());
    }

    fn finish(&self, id: TaskId, outcome: &str) {
        let Some(task) = self.lock().remove(&id) else { return };
        if let Some(bar) = &task.bar {
            bar.finish_and_clear();
        }
        let (done, parts_done) = (task.done, task.parts.map(|parts| parts.done));
        self.event(&Event::Finish { task: id.0, name: &task.name, done, parts_done, outcome });
        if matches!(self.display, Display::Nothing) {
            return;
        }
        match task.role {
            Role::Part => {}
            Role::Whole if outcome.is_empty() => self.line(&task.line()),
            Role::Whole => self.line(&format!("{}, {outcome}", task.line())),
            Role::Single if outcome.is_empty() && !task.was_shown => {}
            Role::Single if outcome.is_empty() => self.line(&format!("{}: done", task.name)),
            Role::Single => self.line(&format!("{}: {outcome}", task.name)),
        }
    }

    fn notice(&self, text: &str) {
        self.event(&Event::Notice { text });
        self.line(text);
    }

    fn confirm(&self, question: &str) -> Option<bool> {
        let Display::Bars(bars) = &self.display else { return None };
        bars.suspend(|| self.printer.ask(question))
    }

    fn password(&self, what: &str) -> Option<Zeroizing<String>> {
        match &self.display {
            Display::Bars(bars) => bars.suspend(|| self.printer.ask_password(what)),
            _ => self.printer.ask_password(what),
        }
    }

    fn ask(&self, question: &str, default: &str) -> Option<String> {
        let Display::Bars(bars) = &self.display else { return None };
        bars.suspend(|| self.printer.ask_for(question, default))
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

#[cfg(test)]
mod tests;
