//! How long work tells where it stands, and learns that nobody waits for it any more. Nothing here prints.

/// Receives progress and answers whether to go on.
///
/// One task runs at a time: `begin`, any number of `advance`, `finish`.
pub trait Watch: Sync {
    /// A task begins. `total` is in bytes, where it is known.
    fn begin(&self, task: &str, total: Option<u64>);
    /// A task begins that consists of `parts` smaller ones, such as the files of a batch.
    fn begin_many(&self, task: &str, parts: usize, total: Option<u64>) {
        let _ = parts;
        self.begin(task, total);
    }
    /// One more of the parts is complete.
    fn part_done(&self) {}
    /// The task moved on by this many bytes.
    fn advance(&self, bytes: u64);
    /// The task is over; `outcome` is a few words, may be empty.
    fn finish(&self, outcome: &str);
    /// Whether the work should stop; asked at least ten times a second.
    fn interrupted(&self) -> bool;
}

/// Says nothing and never interrupts.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Watch for Silent {
    fn begin(&self, _task: &str, _total: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn finish(&self, _outcome: &str) {}
    fn interrupted(&self) -> bool {
        false
    }
}
