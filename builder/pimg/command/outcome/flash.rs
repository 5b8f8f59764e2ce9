//! What became of cards.

use std::path::PathBuf;

use serde::Serialize;

use super::Verdict;
use crate::failure::{Class, Failure};

/// `pimg flash`
#[derive(Clone, Debug, Serialize)]
pub struct FlashOutcome {
    /// Size of the image on a card in bytes.
    pub raw_size: u64,
    /// How many of them had to be written; the others belong to nothing.
    pub mapped_size: u64,
    /// Whether the cards were read back.
    pub verified: bool,
    /// One entry a card, in the order in which they were named.
    pub cards: Vec<FlashedCard>,
}

/// A card that was written to.
#[derive(Clone, Debug, Serialize)]
pub struct FlashedCard {
    /// As the operator named it.
    pub device: PathBuf,
    /// Model and serial number, as far as they are known.
    pub description: String,
    /// Size of the card in bytes; `None` for a file.
    pub size: Option<u64>,
    /// What came out.
    pub verdict: Verdict,
    /// Of a card that failed, whether it was seen to have no partition table, so that nothing boots from it.
    pub blank: bool,
    /// What went wrong, outermost first.
    pub errors: Vec<String>,
    /// What can be done about it.
    pub hints: Vec<String>,
}

impl FlashedCard {
    /// Says what became of the card, and whether it was seen to be `blank`.
    #[must_use]
    pub fn with(mut self, result: Result<(), Failure>, blank: bool) -> Self {
        if let Err(failure) = result {
            self.blank = blank;
            self.verdict = Verdict::Failed(failure.class());
            self.errors = failure.messages();
            self.hints = failure.hints();
        }
        self
    }
}

impl FlashOutcome {
    /// The class of the failure that decides the exit code: an interruption, or the first card that failed.
    pub fn failed(&self) -> Option<Class> {
        let failed = || {
            self.cards.iter().filter_map(|card| match card.verdict {
                Verdict::Failed(class) => Some(class),
                Verdict::Passed | Verdict::Skipped => None,
            })
        };
        failed().find(|class| *class == Class::Interrupted).or_else(|| failed().next())
    }
}
