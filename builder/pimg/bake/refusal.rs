//! Why a layer that somebody hands over is not taken.

/// What is wrong with a layer, as a fragment behind its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub(super) String);

impl Refusal {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// Two digests or lengths that should be the same.
    pub(super) fn differs(what: &str, expected: impl std::fmt::Display, got: impl std::fmt::Display) -> Self {
        Self(format!("{what}: expected {expected}, got {got}"))
    }
}
