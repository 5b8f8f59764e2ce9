//! Why something is not overwritten.

use std::path::PathBuf;

use super::usage::Use;
use crate::failure::{Class, Fault};
use crate::host::HostError;

/// Shows which disk is which.
const LIST: &str = if cfg!(target_os = "macos") {
    "`diskutil list` shows which disk is the card"
} else {
    "`lsblk -o NAME,SIZE,MODEL,SERIAL,MOUNTPOINTS` shows which disk is the card"
};

/// A card that is left alone.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The machine runs from it.
    #[error("refusing to overwrite `{}`: this machine runs from it ({used})", .path.display())]
    System {
        /// The disk.
        path: PathBuf,
        /// What it is used for.
        used: Use,
    },
    /// Something uses it.
    #[error("`{}` is in use: {used}", .path.display())]
    InUse {
        /// The disk.
        path: PathBuf,
        /// What it is used for.
        used: Use,
    },
    /// Something uses it that the system does not name, such as a ZFS pool or another pimg.
    #[error("`{}` is in use by another program", .0.display())]
    Busy(PathBuf),
    /// It is a part of a disk.
    #[error("`{}` is a partition of `{}`, and an image is for a whole disk", .path.display(), .whole.display())]
    Partition {
        /// The partition.
        path: PathBuf,
        /// The disk.
        whole: PathBuf,
    },
    /// It is built in, and was named only once.
    #[error("`{}`{} is no removable disk", .path.display(), in_brackets(.description))]
    BuiltIn {
        /// The disk.
        path: PathBuf,
        /// What it is.
        description: String,
    },
    /// The image does not fit.
    #[error("`{}` is too small: the image has {needed} bytes, and it has {size}", .path.display())]
    TooSmall {
        /// The disk.
        path: PathBuf,
        /// Its length in bytes.
        size: u64,
        /// The length of the image in bytes.
        needed: u64,
    },
    /// A card reader without a card.
    #[error("there is no card in `{}`", .0.display())]
    Empty(PathBuf),
    /// It cannot be written to.
    #[error("`{}` is write-protected", .0.display())]
    Locked(PathBuf),
    /// One card was named for two.
    #[error("`{}` and `{}` are the same", .other.display(), .path.display())]
    Twice {
        /// The second name.
        path: PathBuf,
        /// The first name.
        other: PathBuf,
    },
    /// It holds what is to be written.
    #[error("`{}` is the image itself", .0.display())]
    IsTheImage(PathBuf),
    /// There is no such device.
    #[error("there is no device `{}`", .0.display())]
    NoDevice(PathBuf),
    /// It is neither a disk nor a file.
    #[error("`{}` is neither a disk nor a file", .0.display())]
    NotADisk(PathBuf),
    /// What was named a second time was not named a first time.
    #[error("`--yes-wipe {}` names none of the cards", .0.display())]
    NotNamed(PathBuf),
    /// The operator may not write to it.
    #[error("you may not write to `{}`", .0.display())]
    Denied(PathBuf),
    /// What the system says of it cannot be understood, so that nobody knows whether it may be overwritten.
    #[error("cannot find out what `{}` is: {why}", .path.display())]
    Unknown {
        /// The disk.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// A file operation failed.
    #[error(transparent)]
    Host(#[from] HostError),
}

fn in_brackets(description: &str) -> String {
    if description.is_empty() { String::new() } else { format!(" ({description})") }
}

impl Fault for CardError {
    fn class(&self) -> Class {
        match self {
            Self::System { .. }
            | Self::Partition { .. }
            | Self::BuiltIn { .. }
            | Self::Twice { .. }
            | Self::IsTheImage(_)
            | Self::NoDevice(_)
            | Self::NotADisk(_)
            | Self::NotNamed(_) => Class::Usage,
            _ => Class::Host,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::InUse { used: Use::Mounted { at, .. }, path } => match cfg!(target_os = "macos") {
                true => format!("`diskutil unmountDisk {}`", path.display()),
                false => format!("`umount {at}`"),
            },
            Self::InUse { used: Use::Swap { device }, .. } => format!("`swapoff /dev/{device}`"),
            Self::Partition { whole, .. } => format!("name the disk: `{}`", whole.display()),
            Self::BuiltIn { path, .. } => {
                let twice = format!("if it is the right one, name it twice: `--yes-wipe {}`", path.display());
                return vec![LIST.to_owned(), twice];
            }
            Self::System { .. } | Self::NoDevice(_) | Self::NotADisk(_) | Self::Empty(_) => LIST.to_owned(),
            Self::Locked(_) => "see the switch at the edge of the card or of its adapter".to_owned(),
            Self::Denied(path) => {
                format!("until it is plugged in again it is yours with `sudo chown $USER {}`", path.display())
            }
            Self::Host(error) => return error.hints(),
            _ => return Vec::new(),
        };
        vec![hint]
    }
}
