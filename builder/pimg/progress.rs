//! What the rooms tell about long work, as data. Only `cli` turns it into something to look at.

use zeroize::Zeroizing;

/// Receives what happens, and says when to stop.
pub trait Reporter: Send + Sync {
    /// A long task begins. `total` is in bytes where it is known.
    fn begin(&self, task: &str, total: Option<u64>) -> TaskId;
    /// A long task begins that consists of `parts` smaller ones, such as the files of a download.
    fn begin_many(&self, task: &str, parts: usize, total: Option<u64>) -> TaskId {
        let _ = parts;
        self.begin(task, total)
    }
    /// One more of the parts of a task is complete.
    fn part_done(&self, task: TaskId) {
        let _ = task;
    }
    /// A part of another task begins, whose bytes that one counts too. Worth to be seen while it lasts, and no
    /// word when it is over.
    fn begin_part(&self, part: &str, total: Option<u64>) -> TaskId {
        self.begin(part, total)
    }
    /// A task moved on by this many bytes.
    fn advance(&self, task: TaskId, bytes: u64);
    /// A task is over. `outcome` is a few words such as `1.6 GiB, 68 blocks`; may be empty.
    fn finish(&self, task: TaskId, outcome: &str);
    /// Something a person should know that is no error.
    fn notice(&self, text: &str);
    /// Asks a person a question that yes or no answers; `None` where nobody can be asked.
    fn confirm(&self, _question: &str) -> Option<bool> {
        None
    }
    /// Asks a person for a password, which is not shown; `None` where nobody can be asked.
    fn password(&self, _what: &str) -> Option<Zeroizing<String>> {
        None
    }
    /// Asks a person a question that words answer; an empty answer stands for `default`. `None` where nobody can be
    /// asked, or where nobody answers.
    fn ask(&self, _question: &str, _default: &str) -> Option<String> {
        None
    }
    /// Whether the person asked to stop: long loops ask and end with an "interrupted" error.
    fn interrupted(&self) -> bool;
}

/// Names a task between [`Reporter::begin`] and [`Reporter::finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u64);

/// Says nothing and never interrupts.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Reporter for Silent {
    fn begin(&self, _task: &str, _total: Option<u64>) -> TaskId {
        TaskId(0)
    }
    fn advance(&self, _task: TaskId, _bytes: u64) {}
    fn finish(&self, _task: TaskId, _outcome: &str) {}
    fn notice(&self, _text: &str) {}
    fn interrupted(&self) -> bool {
        false
    }
}
