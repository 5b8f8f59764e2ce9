//! Hosts at the same time: some at once, results in the order asked for, and one failure stops all.
//!
//! A host takes under 300 MiB whatever the length of its image, so `--jobs` bounds memory too. Each compresses with all
//! cores, for the hosts of a build wait for each other's frames; what runs side by side is the rest, above all
//! the digests, which are one long chain on one core.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::command::Context;
use crate::failure::{Class, Failure};
use crate::host::env;
use crate::progress::{Reporter, TaskId};

/// Hosts at the same time where nobody said how many: more would mostly wait for the disk.
const MOST: usize = 4;

/// How many hosts are built at the same time.
pub(super) fn count(asked: Option<NonZero<usize>>, hosts: usize) -> usize {
    asked.map_or_else(|| env::cores().min(MOST), NonZero::get).min(hosts).max(1)
}

/// Does `work` for every item, `jobs` at a time; the results are in the order of the items.
///
/// `name` says whose work a task is, where several are shown at once.
///
/// # Errors
/// The first failure to happen; work under way is told to stop.
pub(super) fn run<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    context: &Context<'_>,
    name: impl Fn(&T) -> String + Sync,
    work: impl Fn(&T, &Context<'_>) -> Result<R, Failure> + Sync,
) -> Result<Vec<R>, Failure> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let first_failure: Mutex<Option<Failure>> = Mutex::default();
    let results: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::default()).collect();
    let worker = || {
        while !stop.load(Ordering::SeqCst) {
            let at = next.fetch_add(1, Ordering::SeqCst);
            let (Some(item), Some(place)) = (items.get(at), results.get(at)) else { return };
            let prefix = if jobs > 1 { format!("{}: ", name(item)) } else { String::new() };
            let reporter = Member { inner: context.reporter, prefix, stop: &stop };
            let (environment, project) = (context.environment, context.project.clone());
            match work(item, &Context { reporter: &reporter, environment, project }) {
                Ok(result) => *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(result),
                Err(failure) => {
                    let mut first = first_failure.lock().unwrap_or_else(PoisonError::into_inner);
                    // those that are told to stop fail too, later
                    first.get_or_insert(failure);
                    stop.store(true, Ordering::SeqCst);
                }
            }
        }
    };
    if jobs > 1 {
        // a worker that panics is passed on when the scope ends
        thread::scope(|scope| (0..jobs).for_each(|_| drop(scope.spawn(worker))));
    } else {
        worker();
    }
    if let Some(failure) = first_failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(failure);
    }
    let results = results.into_iter().map(|place| place.into_inner().unwrap_or_else(PoisonError::into_inner));
    let all: Option<Vec<R>> = results.collect();
    all.ok_or_else(|| Failure::new(Class::Internal, "a host has no result"))
}

/// What one of several reports.
struct Member<'a> {
    inner: &'a dyn Reporter,
    prefix: String,
    stop: &'a AtomicBool,
}

impl Member<'_> {
    fn named(&self, text: &str) -> String {
        format!("{}{text}", self.prefix)
    }
}

impl Reporter for Member<'_> {
    fn begin(&self, task: &str, total: Option<u64>) -> TaskId {
        self.inner.begin(&self.named(task), total)
    }
    fn begin_many(&self, task: &str, parts: usize, total: Option<u64>) -> TaskId {
        self.inner.begin_many(&self.named(task), parts, total)
    }
    fn part_done(&self, task: TaskId) {
        self.inner.part_done(task);
    }
    fn begin_part(&self, part: &str, total: Option<u64>) -> TaskId {
        self.inner.begin_part(&self.named(part), total)
    }
    fn advance(&self, task: TaskId, bytes: u64) {
        self.inner.advance(task, bytes);
    }
    fn finish(&self, task: TaskId, outcome: &str) {
        self.inner.finish(task, outcome);
    }
    fn notice(&self, text: &str) {
        self.inner.notice(&self.named(text));
    }
    fn confirm(&self, question: &str) -> Option<bool> {
        self.inner.confirm(&self.named(question))
    }
    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::SeqCst) || self.inner.interrupted()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::run;
    use crate::command::Context;
    use crate::failure::{Class, Failure};
    use crate::host::env::Environment;
    use crate::progress::Silent;

    fn in_context<R>(test: impl FnOnce(&Context<'_>) -> R) -> R {
        let environment = Environment::new([("HOME", "/nowhere")]);
        test(&Context { reporter: &Silent, environment: &environment, project: PathBuf::new() })
    }

    #[test]
    fn results_have_the_order_of_the_items_and_no_more_run_than_asked_for() {
        for jobs in [1, 2, 3] {
            let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let work = |item: &u64, _: &Context<'_>| {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(*item));
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(*item)
            };
            let results = in_context(|context| run(&[9, 1, 5, 2], jobs, context, u64::to_string, work));
            assert_eq!(results.expect("none fails"), [9, 1, 5, 2]);
            assert!(most.into_inner() <= jobs);
        }
    }

    #[test]
    fn the_first_failure_is_told_and_the_others_stop() {
        let begun = AtomicUsize::new(0);
        let work = |item: &u32, context: &Context<'_>| {
            begun.fetch_add(1, Ordering::SeqCst);
            if *item == 1 {
                while begun.load(Ordering::SeqCst) < 2 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                return Err(Failure::new(Class::Host, "the disk is full"));
            }
            while !context.reporter.interrupted() {
                std::thread::sleep(Duration::from_millis(1));
            }
            context.check_interrupt()
        };
        let failure = in_context(|context| run(&[0, 1, 2, 3], 2, context, u32::to_string, work));
        assert_eq!(failure.expect_err("one fails").messages(), ["the disk is full"]);
        assert_eq!(begun.into_inner(), 2);
    }
}
