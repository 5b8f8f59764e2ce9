//! Why there are no namespaces, and what can be done about it.

use std::io;
use std::path::Path;

use super::error::HostError;
use super::tools::ToolError;
use crate::failure::{Class, Fault};

/// Why nothing runs in namespaces.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// Another system.
    #[error("this needs namespaces, which only Linux has")]
    NotLinux,
    /// `unshare` is missing.
    #[error("cannot run `unshare`")]
    NoUnshare(#[source] io::Error),
    /// What leads to the namespaces does not work.
    #[error("cannot start anything in a namespace")]
    Start(#[source] io::Error),
    /// Linux does not let this user have namespaces.
    #[error("this user may not make namespaces here: {said}")]
    Refused {
        /// What `unshare` said.
        said: String,
        /// Settings of the host that forbid it.
        because: Vec<&'static str>,
    },
    /// The user has no ids to give away.
    #[error("the user `{user}` has no range of 65536 ids in `{file}`")]
    NoRange {
        /// The user.
        user: String,
        /// The file where it would be.
        file: &'static str,
    },
    /// `newuidmap` and the like.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A file of the host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The operator asked to stop.
    #[error("interrupted")]
    Stopped,
}

/// What in `/proc/sys` forbids namespaces: the value that does, and a command that allows them.
const SETTINGS: [(&str, &str, &str); 3] = [
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor forbids it here, as on Ubuntu: `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0` allows it",
    ),
    (
        "kernel/unprivileged_userns_clone",
        "0",
        "only root may make them here: `sudo sysctl kernel.unprivileged_userns_clone=1` allows it",
    ),
    (
        "user/max_user_namespaces",
        "0",
        "there may be none here: `sudo sysctl user.max_user_namespaces=65536` allows them",
    ),
];

/// Commands that allow namespaces where a setting of this machine forbids them.
pub(super) fn obstacles() -> Vec<&'static str> {
    let forbids = |(name, value, _): &&(&str, &str, &str)| {
        let path = Path::new("/proc/sys").join(name);
        std::fs::read_to_string(path).is_ok_and(|found| found.trim() == *value)
    };
    SETTINGS.iter().filter(forbids).map(|(_, _, hint)| *hint).collect()
}

impl NamespaceError {
    pub(super) fn refused(said: String) -> Self {
        Self::Refused { said, because: obstacles() }
    }
}

impl Fault for NamespaceError {
    fn class(&self) -> Class {
        if matches!(self, Self::Stopped) { Class::Interrupted } else { Class::Host }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NotLinux => "take a Linux machine, a virtual one or one of a CI service",
            Self::NoUnshare(_) => "install `unshare`, Debian's package `util-linux`",
            Self::Refused { because, .. } if because.is_empty() => {
                "in a container, allow it user namespaces, mounts and an unmasked /proc, or take the machine itself"
            }
            Self::Refused { because, .. } => return because.iter().map(|hint| (*hint).to_owned()).collect(),
            Self::NoRange { user, .. } => {
                let command = "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535";
                return vec![format!("`{command} {user}` gives it one that nobody else has")];
            }
            Self::Tool(ToolError::Start { .. }) => {
                "install `newuidmap` and `newgidmap`, Debian's package `uidmap`"
            }
            Self::Tool(error) => return error.hints(),
            Self::Host(error) => return error.hints(),
            Self::Start(_) | Self::Stopped => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}
