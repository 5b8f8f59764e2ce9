//! Who signs what is built: the operator's key, if it is the project's.
//!
//! The public half, `minisign.pub`, belongs to the project and into git. A project without one is not signed, whatever
//! key the operator has; whoever names a key in the environment wants it to be used.

use std::path::PathBuf;

use pimg_fetch::minisign::{KeyError, KeyId, PublicKey, SecretKey, StoredKey};

use crate::command::Context;
use crate::failure::{Class, Fault};
use crate::host::signing_key::{self, Place};
use crate::host::{HostError, files};
use crate::secret::Secret;

/// The project's public key.
pub const PROJECT_KEY: &str = "minisign.pub";

/// Longest file of a public key or signature, in bytes.
const LONGEST: u64 = 4 << 10;

/// What was built cannot be signed, or a signature not be checked.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A key cannot be used.
    #[error("cannot use the key `{place}`")]
    Key {
        /// Where it is.
        place: String,
        /// Why.
        source: KeyError,
    },
    /// The environment names a file that is not there.
    #[error("there is no key `{}`", .0.display())]
    Missing(PathBuf),
    /// The environment does not say where the key is.
    #[error("no place for your signing key: neither `PIMG_SIGNING_KEY` nor `HOME` is set")]
    NoHome,
    /// The operator's key is not that of the project.
    #[error("`{place}` is key {got}, but `{PROJECT_KEY}` of the project is key {expected}")]
    NotOfProject {
        /// Where the operator's key is.
        place: String,
        /// The operator's.
        got: KeyId,
        /// The project's.
        expected: KeyId,
    },
    /// A file of the operator's machine.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Fault for SigningError {
    fn class(&self) -> Class {
        match self {
            Self::NotOfProject { .. } => Class::Trust,
            _ => Class::Host,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Key { source: KeyError::Locked, .. } => {
                "`export PIMG_SIGNING_KEY_PASSWORD=…` where nobody can be asked"
            }
            Self::Key { source: KeyError::WrongPassword, .. } => {
                "try again, and see whether `PIMG_SIGNING_KEY_PASSWORD` is set"
            }
            Self::Key { source: KeyError::NotPublic, .. } => {
                "`pimg keys show` prints the project's public key"
            }
            Self::Key { .. } => "the file is to be as `pimg keys init` or `minisign -G` makes it",
            Self::Missing(_) => "`pimg keys init` makes it",
            Self::NoHome => "`export PIMG_SIGNING_KEY=FILE` names the file of your key",
            Self::NotOfProject { .. } => {
                return vec![
                    "`export PIMG_SIGNING_KEY=FILE` names the project's key".to_owned(),
                    format!(
                        "to sign with another key from now on, remove `{PROJECT_KEY}`, `pimg keys init`, and tell those who have the old one"
                    ),
                ];
            }
            Self::Host(error) => return error.hints(),
        };
        vec![hint.to_owned()]
    }
}

/// Why nothing signs.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unsigned {
    /// The project has no public key: it does not mean to be signed.
    #[error("the project has no `{PROJECT_KEY}`: `pimg keys init` makes one")]
    NotMeant,
    /// It has one, and this machine has no key that fits.
    #[error("{0}")]
    Hindered(String),
}

/// The project's public key, where it has one.
///
/// # Errors
/// The file is something else.
pub fn project_key(context: &Context<'_>) -> Result<Option<PublicKey>, SigningError> {
    let path = context.in_project(PROJECT_KEY);
    let Some(bytes) = files::read_optional(&path, LONGEST)? else { return Ok(None) };
    let place = path.display().to_string();
    let key = PublicKey::parse(&String::from_utf8_lossy(&bytes));
    key.map(Some).map_err(|source| SigningError::Key { place, source })
}

/// The key that signs what is built, or why nothing does.
///
/// # Errors
/// A key was asked for and cannot be had, or is not the project's.
pub fn signer(context: &Context<'_>) -> Result<Result<SecretKey, Unsigned>, SigningError> {
    let expected = project_key(context)?;
    let Some(place) = Place::of(context.environment) else {
        let why = "there is no place for a key".to_owned();
        return Ok(Err(if expected.is_some() { Unsigned::Hindered(why) } else { Unsigned::NotMeant }));
    };
    let is_asked_for = !matches!(place, Place::Default(_));
    if expected.is_none() && !is_asked_for {
        return Ok(Err(Unsigned::NotMeant));
    }
    let Some(text) = place.read()? else {
        return match place {
            Place::Named(path) => Err(SigningError::Missing(path)),
            place => Ok(Err(Unsigned::Hindered(format!("there is no key `{}`", place.shown())))),
        };
    };
    let key = open_key(&text, &place, context)?;
    let got = key.public();
    match expected {
        Some(expected) if expected != got && is_asked_for => {
            let (got, expected) = (got.id(), expected.id());
            Err(SigningError::NotOfProject { place: place.shown(), got, expected })
        }
        Some(expected) if expected != got => Ok(Err(Unsigned::Hindered(format!(
            "`{}` is key {}, and `{PROJECT_KEY}` is key {}",
            place.shown(),
            got.id(),
            expected.id()
        )))),
        _ => Ok(Ok(key)),
    }
}

/// Opens a key, with its password where it has one: that of the environment, or one that a person is asked for.
///
/// # Errors
/// It is no key, or there is no password that opens it.
pub fn open_key(text: &Secret, place: &Place, context: &Context<'_>) -> Result<SecretKey, SigningError> {
    let wrong = |source| SigningError::Key { place: place.shown(), source };
    let text = std::str::from_utf8(text.expose()).map_err(|_| wrong(KeyError::NotSecret))?;
    let stored = StoredKey::parse(text).map_err(wrong)?;
    if !stored.is_locked() {
        return stored.open(None).map_err(wrong);
    }
    let password = password(&format!("password of `{}`", place.shown()), context);
    stored.open(password.as_ref().map(Secret::expose)).map_err(wrong)
}

/// The password that the environment has, or one that a person is asked for; `None` where nobody can be asked.
pub fn password(question: &str, context: &Context<'_>) -> Option<Secret> {
    let asked = || Some(Secret::new(context.reporter.password(question)?.as_bytes().to_vec()));
    signing_key::password(context.environment).or_else(asked)
}
