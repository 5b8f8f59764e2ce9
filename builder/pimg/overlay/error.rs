//! The error of this room: everything that is wrong with a host's overlays.

use std::fmt;

use crate::profile::problem::{Problem, Report, tidy};

/// Overlays that cannot be used, with every reason.
#[derive(Debug)]
pub struct Error {
    host: String,
    problems: Vec<Problem>,
}

impl Error {
    pub(crate) fn new(host: impl Into<String>, problems: Vec<Problem>) -> Self {
        Self { host: host.into(), problems: tidy(problems) }
    }

    /// Every problem, sorted by file and place.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The error as text of several lines with excerpts; no colour.
    pub fn report(&self) -> Report<'_> {
        Report { headline: self.to_string(), problems: &self.problems }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let s = if count == 1 { "" } else { "s" };
        write!(out, "the overlays of host `{}` are not valid ({count} problem{s})", self.host)
    }
}

impl std::error::Error for Error {}
