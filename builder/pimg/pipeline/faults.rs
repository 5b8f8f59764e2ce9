//! What the failures of the other packages and of the image's steps mean for the operator.

use std::io::ErrorKind;

use crate::failure::{Class, Fault, FaultyPlace};
use crate::guest;
use crate::guest::base_files::BaseReadError;
use crate::image::apply::ApplyError;
use crate::image::base::is_of_the_disk;
use crate::image::emit::EmitError;
use crate::image::golden::GoldenError;
use crate::image::size::TooSmall;
use crate::image::working::WorkingError;
use crate::plan::merge::Collision;
use crate::profile::problem::{Problem, Report};
use pimg_disk::{ext4, fat, overlay, table};
use pimg_fetch::error as fetch;

impl Fault for fetch::Error {
    fn class(&self) -> Class {
        match fetch::Error::class(self) {
            fetch::Class::Usage => Class::Usage,
            fetch::Class::Trust => Class::Trust,
            fetch::Class::Network => Class::Network,
            fetch::Class::Corrupt => Class::Base,
            fetch::Class::Host => Class::Host,
            fetch::Class::Interrupted => Class::Interrupted,
        }
    }

    fn hints(&self) -> Vec<String> {
        use fetch::Error as E;
        let hint = match self {
            E::UnknownSource { .. } => "give a path, or a URL that begins with `https:` or `file:`",
            E::Unpinned { .. } => "use `https:`, or pin `base.sha256` in the profile",
            E::Offline { .. } => "run once without `--offline`, or give the image with `--base FILE`",
            E::Network { .. }
            | E::Status { .. }
            | E::Redirect { .. }
            | E::Protocol { .. }
            | E::Changing { .. } => {
                "try again later: what was received is kept; or give the image with `--base FILE`"
            }
            E::WebPage { .. } => "open the address in a browser, log in to the network, and try again",
            E::NotAnImage { .. } => "the base is to be an image: .img, .img.xz, .img.zst, .img.gz or .zip",
            E::TooLarge { .. } => "check that the file is a Raspberry Pi OS Lite image",
            E::Truncated { .. } | E::Decode { .. } => {
                "get the image again and compare its digest with the publisher's"
            }
            E::DigestMismatch { .. } => {
                "get the image again; to accept another one, change `base.sha256` and `base.raw_sha256` in its profile"
            }
            E::Untrusted { .. } => "compare the key with the one that its owner publishes",
            E::FileChanged { .. } => "try again when nobody writes to the file",
            E::NoSpace { .. } => "make room, or set `PIMG_CACHE` to a directory on a larger disk",
            E::Host(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::PermissionDenied => {
                    "check that the file is there and that you may read it"
                }
                _ => return Vec::new(),
            },
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

impl Fault for table::Error {
    fn class(&self) -> Class {
        match self {
            Self::Io(_) => Class::Host,
            _ => Class::Base,
        }
    }
}

impl Fault for guest::Error {
    fn class(&self) -> Class {
        match self {
            Self::Base(error) => error.class(),
            Self::Missing { .. } | Self::Malformed { .. } | Self::TooLong { .. } => Class::Base,
            Self::Value { .. } | Self::Unit { .. } | Self::Path(_) => Class::Profile,
            Self::Key { .. } => Class::Internal,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Missing { .. } => "the base is to be a Raspberry Pi OS Lite image for arm64",
            Self::Value { key, .. } => return vec![format!("change `{key}` in the profile")],
            Self::Unit { .. } => "check the unit's name and its `[Install]` section",
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

impl Fault for ApplyError {
    fn class(&self) -> Class {
        match self {
            Self::Boot { source, .. } | Self::BootVolume(source) => class_of_fat(source),
            Self::Root { source, .. } | Self::RootVolume(source) => class_of_ext4(source),
            Self::NotOnFat { .. } => Class::Profile,
            Self::HostFileChanged { .. } | Self::HostFile { .. } => Class::Host,
            Self::Interrupted => Class::Interrupted,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Root { source: ext4::Error::NoSpace(_), .. } => {
                "raise `image.size` or `image.free` in the profile"
            }
            Self::Boot { source: fat::Error::NoSpace(_), .. } => {
                "put large files into `rootfs/` of the overlay"
            }
            Self::NotOnFat { .. } => "links and owners belong into `rootfs/` of the overlay",
            Self::HostFileChanged { .. } => "try again when nobody writes to the file",
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

/// What is asked of a file system comes from the plan; what it is comes from the base.
fn class_of_ext4(error: &ext4::Error) -> Class {
    match error {
        ext4::Error::Io(_) => Class::Host,
        ext4::Error::Unsupported(_) | ext4::Error::Corrupt(_) => Class::Base,
        ext4::Error::NotFound { .. }
        | ext4::Error::Conflict { .. }
        | ext4::Error::InvalidValue(_)
        | ext4::Error::NoSpace(_) => Class::Profile,
    }
}

/// As [`class_of_ext4`].
fn class_of_fat(error: &fat::Error) -> Class {
    match error {
        fat::Error::Io(_) => Class::Host,
        fat::Error::NotFat(_)
        | fat::Error::Unsupported(_)
        | fat::Error::Corrupt(_)
        | fat::Error::NotClean => Class::Base,
        _ => Class::Profile,
    }
}

impl Fault for WorkingError {
    fn class(&self) -> Class {
        match self {
            // what is read there was read before: it is the disk below the working image that fails
            Self::Overlay(_) | Self::Table(table::Error::Io(_)) => Class::Host,
            Self::Table(_) | Self::NotAnMbr | Self::NotLast { .. } => Class::Base,
            Self::TooLong { .. } => Class::Profile,
            Self::Grow(source) => class_of_ext4(source),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::TooLong { .. } | Self::Grow(ext4::Error::NoSpace(_)) => {
                vec!["lower `image.size` in the profile".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

impl Fault for GoldenError {
    fn class(&self) -> Class {
        match self {
            Self::Working(error) => error.class(),
            Self::Apply(error) => error.class(),
            Self::Check(error) => error.class(),
            Self::Write(_) => Class::Host,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Working(error) => error.hints(),
            Self::Apply(error) => error.hints(),
            Self::Check(error) => error.hints(),
            Self::Write(overlay::Error::Io(error)) if error.kind() == std::io::ErrorKind::StorageFull => {
                vec!["make room with `pimg clean --cache --older-than 7d`".to_owned()]
            }
            Self::Write(_) => Vec::new(),
        }
    }
}

impl Fault for EmitError {
    fn class(&self) -> Class {
        match self {
            Self::Interrupted => Class::Interrupted,
            Self::Read(_) | Self::Write(_) | Self::Compress(_) => Class::Host,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Write(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                vec!["make room, or choose another place with `--out DIR`".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

impl Fault for TooSmall {
    fn class(&self) -> Class {
        Class::Profile
    }

    fn hints(&self) -> Vec<String> {
        let mebibytes = self.needed.div_ceil(1 << 20);
        vec![format!("set `image.size` to `{mebibytes}MiB` or more, or leave it out")]
    }
}

/// All collisions of a plan.
#[derive(Debug, thiserror::Error)]
#[error("two parts of the plan want the same path in {} {}", .0.len(), if .0.len() == 1 { "place" } else { "places" })]
pub(super) struct Collisions(pub(super) Vec<Collision>);

impl Fault for Collisions {
    fn class(&self) -> Class {
        Class::Profile
    }

    fn details(&self) -> Option<String> {
        Some(self.0.iter().map(|collision| format!("  {collision}\n")).collect())
    }

    fn hints(&self) -> Vec<String> {
        vec!["keep one of both; an overlay that is to win names the path in `[[replace]]`".to_owned()]
    }
}

impl Fault for crate::profile::Error {
    fn class(&self) -> Class {
        Class::Profile
    }

    fn details(&self) -> Option<String> {
        Some(below_the_headline(&self.report()))
    }

    fn places(&self) -> Vec<FaultyPlace> {
        self.problems().iter().filter_map(faulty_place).collect()
    }
}

impl Fault for crate::overlay::Error {
    fn class(&self) -> Class {
        Class::Profile
    }

    fn details(&self) -> Option<String> {
        Some(below_the_headline(&self.report()))
    }

    fn places(&self) -> Vec<FaultyPlace> {
        self.problems().iter().filter_map(faulty_place).collect()
    }
}

/// The headline is the error's own message, and shown as such.
fn below_the_headline(report: &Report<'_>) -> String {
    let text = report.to_string();
    let (_, details) = text.split_once('\n').unwrap_or_default();
    details.trim_end().to_owned()
}

fn faulty_place(problem: &Problem) -> Option<FaultyPlace> {
    let place = problem.place()?;
    let (line, column) = place.line_column();
    Some(FaultyPlace {
        file: place.file().name().to_owned(),
        line,
        column,
        message: problem.message().to_owned(),
        hint: problem.hint().map(str::to_owned),
    })
}

impl Fault for BaseReadError {
    fn class(&self) -> Class {
        let is_ext4 =
            matches!(self.source.downcast_ref(), Some(ext4::Error::Io(error)) if is_of_the_disk(error));
        let is_fat =
            matches!(self.source.downcast_ref(), Some(fat::Error::Io(error)) if is_of_the_disk(error));
        if is_ext4 || is_fat { Class::Host } else { Class::Base }
    }
}
