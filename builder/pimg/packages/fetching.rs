//! What it means when something that a lock or a source names cannot be had.

use pimg_fetch::{Refusal, SignatureProblem, error as fetch};

use crate::failure::{Class, Fault};

/// A package, an index, a key or a download cannot be had or trusted.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct FetchingError(#[from] fetch::Error);

impl Fault for FetchingError {
    fn class(&self) -> Class {
        match &self.0 {
            fetch::Error::NotOffered { .. } => Class::Profile,
            // bytes that are no image are not asked for here
            error if error.class() == fetch::Class::Corrupt => Class::Trust,
            error => Fault::class(error),
        }
    }

    fn hints(&self) -> Vec<String> {
        use fetch::Error as E;
        let hint = match &self.0 {
            E::Offline { .. } => {
                "run `pimg fetch` while the network is there, or give a vault with `--vault DIR`"
            }
            E::Status { code: 404 | 410, .. } => {
                "its publisher may have replaced it: `pimg lock --update packages` takes what there is today, \
                 a vault (`pimg fetch --vault DIR`) keeps what there was"
            }
            E::Network { .. }
            | E::Status { .. }
            | E::Redirect { .. }
            | E::Protocol { .. }
            | E::Changing { .. } => {
                "try again later: what was received is kept; or take another mirror with `--mirror NAME=URL`"
            }
            E::DigestMismatch { .. } | E::SizeMismatch { .. } => {
                "somebody changed the file: take another mirror with `--mirror NAME=URL`, or, if its publisher did, \
                 `pimg lock --update packages`"
            }
            E::Unpinned { .. } => "use an `https:` address",
            E::NotOffered { .. } => "change the suite or the components of the source in its overlay",
            E::Refused { refusal, .. } => return vec![refusal_hint(refusal)],
            error => return Fault::hints(error),
        };
        vec![hint.to_owned()]
    }
}

fn refusal_hint(refusal: &Refusal) -> String {
    let hint = match refusal {
        Refusal::Unsigned => {
            "nothing from an unsigned repository can be trusted; ask its owner for `InRelease`"
        }
        Refusal::Signature(SignatureProblem::WrongKey { .. }) => {
            "compare the keys with what the publisher says; a mirror with a key of its own needs `--keyring NAME=FILE`"
        }
        Refusal::Stale { .. } | Refusal::Downgrade { .. } => {
            "the mirror stands still or holds updates back: take another one with `--mirror NAME=URL`"
        }
        Refusal::FromTheFuture { .. } | Refusal::Signature(SignatureProblem::NotYetLive { .. }) => {
            "see whether the clock of this machine is right: `date`"
        }
        Refusal::WrongSuite { .. } => "change the suite of the source in its overlay, or the mirror",
        _ => "somebody on the way may have changed it: take another mirror with `--mirror NAME=URL`",
    };
    hint.to_owned()
}
