//! The error of this room: everything that is wrong with the profiles of one run.

use std::fmt;

use super::problem::{Problem, Report, tidy};

/// Profiles that cannot be used, with every reason.
#[derive(Debug)]
pub struct Error {
    subject: String,
    problems: Vec<Problem>,
}

impl Error {
    pub(crate) fn new(subject: String, problems: Vec<Problem>) -> Self {
        Self { subject, problems: tidy(problems) }
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
        write!(out, "{} ({count} problem{})", self.subject, if count == 1 { "" } else { "s" })
    }
}

impl std::error::Error for Error {}
