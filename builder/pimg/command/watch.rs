//! Progress of the fetch package on its way to a reporter: one task at a time there, named tasks here.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pimg_fetch::Watch;

use crate::progress::{Reporter, TaskId};

/// Passes progress on.
pub(crate) struct WatchReporter<'a> {
    reporter: &'a dyn Reporter,
    is_part: bool,
    task: Mutex<Option<TaskId>>,
}

impl<'a> WatchReporter<'a> {
    /// Passes progress on to `reporter`.
    pub(crate) fn new(reporter: &'a dyn Reporter) -> Self {
        Self { reporter, is_part: false, task: Mutex::new(None) }
    }

    /// Passes progress on to `reporter` as that of parts of another task: one of the watches of a batch.
    pub(crate) fn of_part(reporter: &'a dyn Reporter) -> Self {
        Self { reporter, is_part: true, task: Mutex::new(None) }
    }

    fn task(&self) -> MutexGuard<'_, Option<TaskId>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for WatchReporter<'_> {
    fn begin(&self, task: &str, total: Option<u64>) {
        let id = if self.is_part {
            self.reporter.begin_part(task, total)
        } else {
            self.reporter.begin(task, total)
        };
        *self.task() = Some(id);
    }

    fn begin_many(&self, task: &str, parts: usize, total: Option<u64>) {
        *self.task() = Some(self.reporter.begin_many(task, parts, total));
    }

    fn part_done(&self) {
        if let Some(task) = *self.task() {
            self.reporter.part_done(task);
        }
    }

    fn advance(&self, bytes: u64) {
        if let Some(task) = *self.task() {
            self.reporter.advance(task, bytes);
        }
    }

    fn finish(&self, outcome: &str) {
        if let Some(task) = self.task().take() {
            self.reporter.finish(task, outcome);
        }
    }

    fn interrupted(&self) -> bool {
        self.reporter.interrupted()
    }
}
