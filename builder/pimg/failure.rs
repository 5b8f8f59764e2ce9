//! How every room says that something went wrong, without knowing who shows it.
//!
//! A room's own error type implements [`Fault`]: it names the class of the failure, which decides the exit
//! code, and offers hints. Commands return [`Failure`], into which `?` turns any such error.

use std::error::Error;
use std::fmt;

use serde::Serialize;

/// What kind of thing went wrong. `cli::exit_code` gives each class its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A fault of pimg itself.
    Internal,
    /// The command line asks for something that cannot be.
    Usage,
    /// A profile, an overlay or a template.
    Profile,
    /// The lock is missing or says something else than what was asked for.
    Lock,
    /// A digest or a signature does not match.
    Trust,
    /// No set of packages satisfies what was asked for.
    NoSolution,
    /// The base image is corrupt, or of a kind that pimg cannot edit.
    Base,
    /// The network.
    Network,
    /// The operator's machine: no space, no permission, a missing tool.
    Host,
    /// A first boot did not get to its end: of an image in a test, or of a node.
    BootTest,
    /// The operator asked to stop.
    Interrupted,
}

/// An error of a room, as the edge of the program needs it.
pub trait Fault: Error + Send + Sync + 'static {
    /// What kind of failure it is.
    fn class(&self) -> Class;

    /// What the operator can do about it: whole phrases, best with a command in backticks.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }

    /// Further lines for a person, shown below the message as they are: places with excerpts of the files
    /// that a person wrote, got and expected, both parties of a collision.
    fn details(&self) -> Option<String> {
        None
    }

    /// The same places for a program.
    fn places(&self) -> Vec<FaultyPlace> {
        Vec::new()
    }
}

/// A place in a file that a person wrote, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultyPlace {
    /// The file.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
}

/// Why a command did not do what it was asked to do.
pub struct Failure {
    fault: Box<dyn Fault>,
    contexts: Vec<String>,
    hints: Vec<String>,
}

impl Failure {
    /// A failure of which there is nothing more to say than `message`.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self::from(Plain { class, message: message.into(), source: None })
    }

    /// A failure with a cause that is no [`Fault`] itself.
    pub fn caused_by(
        class: Class,
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::from(Plain { class, message: message.into(), source: Some(source.into()) })
    }

    /// The operator asked to stop.
    pub fn interrupted() -> Self {
        Self::new(Class::Interrupted, "interrupted")
    }

    /// Says what was being done, such as "cannot build host `node-a`". The last context given is shown first.
    #[must_use]
    pub fn context(mut self, doing: impl Into<String>) -> Self {
        self.contexts.push(doing.into());
        self
    }

    /// Adds something that the operator can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What kind of failure it is.
    pub fn class(&self) -> Class {
        self.fault.class()
    }

    /// What happened, outermost first: contexts, the error, its causes.
    pub fn messages(&self) -> Vec<String> {
        let mut messages: Vec<String> = self.contexts.iter().rev().cloned().collect();
        messages.push(self.fault.to_string());
        let mut source = self.fault.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // a transparent wrapper says the same words as what it wraps
            if messages.last() != Some(&text) {
                messages.push(text);
            }
            source = cause.source();
        }
        messages
    }

    /// All hints, each once, in the order in which they were given.
    pub fn hints(&self) -> Vec<String> {
        let mut hints = Vec::new();
        for hint in self.fault.hints().into_iter().chain(self.hints.iter().cloned()) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        hints
    }

    /// Further lines for a person, without the message itself; empty where there are none. A blank first
    /// line stays.
    pub fn details(&self) -> String {
        let details = self.fault.details().unwrap_or_default();
        let rest = details.strip_prefix(&self.fault.to_string()).unwrap_or(&details);
        rest.strip_prefix('\n').unwrap_or(rest).trim_end_matches('\n').to_owned()
    }

    /// The places in files that the error points at.
    pub fn places(&self) -> Vec<FaultyPlace> {
        self.fault.places()
    }
}

impl<F: Fault> From<F> for Failure {
    fn from(fault: F) -> Self {
        Self { fault: Box::new(fault), contexts: Vec::new(), hints: Vec::new() }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}: {}", self.class(), self.messages().join(": "))
    }
}

/// A fault without a type of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Plain {
    class: Class,
    message: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault for Plain {
    fn class(&self) -> Class {
        self.class
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, Failure};

    #[test]
    fn tells_the_outermost_first_and_each_hint_once() {
        let cause = std::io::Error::other("disk on fire");
        let failure = Failure::caused_by(Class::Host, "cannot write `x`", cause)
            .context("cannot build host `node-a`")
            .context("cannot build the cluster")
            .hint("use water")
            .hint("use water");
        let expected =
            ["cannot build the cluster", "cannot build host `node-a`", "cannot write `x`", "disk on fire"];
        assert_eq!(failure.messages(), expected);
        assert_eq!(failure.hints(), ["use water"]);
        assert_eq!(failure.class(), Class::Host);
    }

    #[test]
    fn a_wrapper_that_repeats_its_cause_is_told_once() {
        let failure = Failure::caused_by(Class::Host, "no space", std::io::Error::other("no space"));
        assert_eq!(failure.messages(), ["no space"]);
    }
}
