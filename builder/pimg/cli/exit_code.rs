//! Exit codes: an interface for scripts. A number never changes its meaning.

use crate::failure::Class;

/// What the program's exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done
    Done = 0,
    /// An internal error: please report it
    Internal = 1,
    /// The command line is wrong
    Usage = 2,
    /// A profile, an overlay or a template is wrong
    Profile = 3,
    /// The lock is missing or out of date
    Lock = 4,
    /// A digest or a signature does not match
    Trust = 5,
    /// No set of packages satisfies what was asked for
    NoSolution = 6,
    /// The base image is corrupt or of an unsupported kind
    Base = 7,
    /// The network failed
    Network = 8,
    /// The host failed: no space, no permission, a missing tool
    Host = 9,
    /// A first boot failed, in a test or on a node
    BootTest = 10,
    /// Interrupted by ctrl-C or a signal
    Interrupted = 130,
}

impl ExitCode {
    /// All codes, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::Internal,
        Self::Usage,
        Self::Profile,
        Self::Lock,
        Self::Trust,
        Self::NoSolution,
        Self::Base,
        Self::Network,
        Self::Host,
        Self::BootTest,
        Self::Interrupted,
    ];

    /// The number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The meaning, for help texts and manuals.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Internal => "a fault of pimg itself: please report it",
            Self::Usage => "usage",
            Self::Profile => "a profile, an overlay or a template",
            Self::Lock => "the lock is missing or out of date",
            Self::Trust => "trust: a digest or a signature does not match",
            Self::NoSolution => "no set of packages fits",
            Self::Base => "the base image is corrupt or unsupported",
            Self::Network => "network",
            Self::Host => "this machine: no space, no permission, a missing tool",
            Self::BootTest => "a first boot failed: in `pimg test`, or on a node that `pimg status` asked",
            Self::Interrupted => "interrupted",
        }
    }

    /// All codes as a Markdown table, as the manual and the README show it.
    pub fn markdown() -> String {
        let rows = Self::ALL.map(|code| format!("| {} | {} |\n", code.number(), code.meaning()));
        format!("| code | meaning |\n| --- | --- |\n{}", rows.concat())
    }
}

impl From<Class> for ExitCode {
    fn from(class: Class) -> Self {
        match class {
            Class::Internal => Self::Internal,
            Class::Usage => Self::Usage,
            Class::Profile => Self::Profile,
            Class::Lock => Self::Lock,
            Class::Trust => Self::Trust,
            Class::NoSolution => Self::NoSolution,
            Class::Base => Self::Base,
            Class::Network => Self::Network,
            Class::Host => Self::Host,
            Class::BootTest => Self::BootTest,
            Class::Interrupted => Self::Interrupted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode;

    #[test]
    fn the_numbers_stay() {
        let numbers = ExitCode::ALL.map(ExitCode::number);
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130]);
    }

    #[test]
    fn the_table_has_a_row_a_code() {
        assert!(ExitCode::markdown().contains("| 5 | trust: a digest or a signature does not match |\n"));
        assert_eq!(ExitCode::markdown().lines().count(), ExitCode::ALL.len() + 2);
    }
}
