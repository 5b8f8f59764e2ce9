//! The error of this room: everything that is wrong with a host's overlays, or with a download of theirs.

use std::fmt;

use crate::profile::problem::{Problem, Report, tidy};

use super::downloads::Download;

/// Overlays or a download that cannot be used, with every reason.
#[derive(Debug)]
pub struct Error {
    subject: String,
    problems: Vec<Problem>,
}

impl Error {
    pub(crate) fn new(host: impl Into<String>, problems: Vec<Problem>) -> Self {
        let subject = format!("the overlays of host `{}` are not valid", host.into());
        Self { subject, problems: tidy(problems) }
    }

    /// A download that is not what can be unpacked.
    pub(crate) fn unpacking(download: &Download, message: String) -> Self {
        let subject =
            format!("download `{}` of overlay `{}` cannot be unpacked", download.name, download.overlay);
        Self { subject, problems: vec![Problem::new(message)] }
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
        write!(out, "{} ({count} problem{s})", self.subject)
    }
}

impl std::error::Error for Error {}
