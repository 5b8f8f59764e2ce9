//! How layers fail on their way, and what can be done about it.

use pimg_fetch::artefact::{BadReference, Problem};

use super::store::Stopped;
use crate::bake::refusal::Refusal;
use crate::bake::vet::VetError;
use crate::failure::{Class, Fault};

/// A layer did not get where it should.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The cache has no such layer.
    #[error("there is no baked layer `{0}` in the cache")]
    Absent(String),
    /// Several layers begin with what was typed.
    #[error("`{0}` is the beginning of several layers")]
    Ambiguous(String),
    /// A text names no place.
    #[error("`{text}` names no place for layers")]
    Reference {
        /// As it was typed.
        text: String,
        /// Why.
        source: BadReference,
    },
    /// Nobody said where layers are.
    #[error("it is not said where layers are")]
    NoPlace,
    /// It is not said which layer.
    #[error("it is not said which layer")]
    NoLayer,
    /// A layer is not what it should be.
    #[error("refusing the layer of `{origin}`")]
    Refused {
        /// Where it came from.
        origin: String,
        /// Why.
        source: Refusal,
    },
    /// A layer of the cache is not what it should be.
    #[error("the baked layer `{key}` in the cache is damaged")]
    Damaged {
        /// Its key.
        key: String,
        /// Why.
        source: Refusal,
    },
    /// It is another layer than the one that was asked for.
    #[error("`{origin}` has the layer `{got}`, expected `{expected}`")]
    AnotherLayer {
        /// Where it came from.
        origin: String,
        /// The key that was asked for.
        expected: String,
        /// The key that it has.
        got: String,
    },
    /// Another key than the project's has signed.
    #[error("refusing the layer of `{origin}`: {why}")]
    Signature {
        /// Where it came from.
        origin: String,
        /// Got and expected.
        why: String,
    },
    /// Whoever is on the way can change what comes by plain HTTP.
    #[error(
        "refusing the layer of `{origin}`: it came by plain HTTP, and no key of the project vouches for it"
    )]
    Tampering {
        /// Where it came from.
        origin: String,
    },
    /// A place, or a file on the way there.
    #[error(transparent)]
    Place(pimg_fetch::Error),
    /// An account for a registry cannot be used.
    #[error("cannot log in to `{registry}`: {why}")]
    Account {
        /// The registry.
        registry: String,
        /// Why; nothing of the account is in it.
        why: String,
    },
    /// A file cannot be read or written.
    #[error("cannot read or write `{path}`")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl LayerError {
    /// A failure of reading a layer from `origin`.
    pub(super) fn of_vet(origin: &str, error: VetError) -> Self {
        match error {
            VetError::Refused(source) => Self::Refused { origin: origin.to_owned(), source },
            VetError::Read(source) if source.get_ref().is_some_and(|cause| cause.is::<Stopped>()) => {
                Self::Interrupted
            }
            VetError::Read(source) => Self::File { path: origin.to_owned(), source },
        }
    }
}

impl Fault for LayerError {
    fn class(&self) -> Class {
        match self {
            Self::Absent(_) | Self::Ambiguous(_) | Self::Reference { .. } | Self::NoPlace | Self::NoLayer => {
                Class::Usage
            }
            Self::Refused { .. }
            | Self::Damaged { .. }
            | Self::AnotherLayer { .. }
            | Self::Signature { .. }
            | Self::Tampering { .. } => Class::Trust,
            Self::Place(error) => Fault::class(error),
            Self::Account { .. } | Self::File { .. } => Class::Host,
            Self::Interrupted => Class::Interrupted,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Absent(_) => "`pimg layer list` shows those that are there, `pimg layer pull` gets one",
            Self::Ambiguous(_) => "`pimg layer list --json` has the whole keys",
            Self::Reference { .. } => {
                "`oci://ghcr.io/you/layers`, `https://example.org/layers/`, `s3://bucket/layers` and `file:///srv/layers` are such places"
            }
            Self::NoPlace => {
                "name it, as `oci://ghcr.io/you/layers`, or write it into the profile: `layers = \"oci://ghcr.io/you/layers\"`, or `export PIMG_LAYERS=oci://ghcr.io/you/layers`"
            }
            Self::NoLayer => "name a profile or the key of a layer, or a tag of a registry, or give `--all`",
            Self::Refused { .. } | Self::AnotherLayer { .. } => {
                "get it again from whoever baked it; the cache is as it was"
            }
            Self::Damaged { .. } => "`pimg clean --cache` removes it; pull or bake it again",
            Self::Signature { .. } => {
                "`pimg keys show` prints the project's key; ask whoever baked the layer to sign it with that one"
            }
            Self::Tampering { .. } => "use `https:`, or have the layer signed: `pimg keys init`",
            Self::Place(error) => return place_hints(error),
            Self::Account { .. } => {
                "`docker login`, or `export PIMG_REGISTRY_USER=… PIMG_REGISTRY_PASSWORD=…`"
            }
            Self::File { .. } | Self::Interrupted => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

fn place_hints(error: &pimg_fetch::Error) -> Vec<String> {
    use pimg_fetch::Error as E;
    let hint = match error {
        E::Place(error) => match error.problem {
            Problem::Denied => {
                "log in with `docker login`, or set `PIMG_REGISTRY_USER` and `PIMG_REGISTRY_PASSWORD`; for S3 `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`"
            }
            Problem::Unknown(_) => {
                "`pimg layer push` puts a layer there; compare the name with what was pushed"
            }
            Problem::ReadOnly => "push to the directory that the web server shows, as `file:///srv/layers`",
            Problem::Unusable(_) => return Vec::new(),
            Problem::Wrong(_) => "get it again from whoever baked it; the cache is as it was",
            _ => "try again later: what was received is kept",
        },
        E::DigestMismatch { .. } | E::SizeMismatch { .. } | E::Untrusted { .. } | E::TooLarge { .. } => {
            "remove it there, and push it again from where it was baked; the cache is as it was"
        }
        other => return other.hints(),
    };
    vec![hint.to_owned()]
}
