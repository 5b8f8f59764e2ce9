//! Progress of the fetch package on its way to a reporter: one task at a time there, named tasks here.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pimg_fetch::Watch;

use crate::progress::{Reporter, TaskId};

/// Passes progress on.
pub(crate) struct WatchReporter<'a> {
    reporter: &'a dyn Reporter,
    task: Mutex<Option<TaskId>>,
}

impl<'a> WatchReporter<'a> {
    /// Passes progress on to `reporter`.
    pub(crate) fn new(reporter: &'a dyn Reporter) -> Self {
        Self { reporter, task: Mutex::new(None) }
    }

    fn task(&self) -> MutexGuard<'_, Option<TaskId>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for WatchReporter<'_> {
    fn begin(&self, task: &str, total: Option<u64>) {
        *self.task() = Some(self.reporter.begin(task, total));
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
