//! `pimg keys`

use pimg_fetch::minisign::{Protection, SecretKey};

use super::Context;
use super::outcome::{KeysMade, KeysOutcome, KeysShown};
use super::request::KeysRequest;
use crate::failure::{Class, Failure};
use crate::host::signing_key::{self, Place};
use crate::host::{files, private, random};
use crate::pipeline::{self, PROJECT_KEY, SigningError};
use crate::secret::Secret;

/// Makes or shows the key that signs what is built.
///
/// # Errors
/// A key is there that cannot be used, or another one than the project's.
pub fn run(request: KeysRequest, context: &Context<'_>) -> Result<KeysOutcome, Failure> {
    match request {
        KeysRequest::Init { password } => init(password, context).map(KeysOutcome::Init),
        KeysRequest::Show => show(context).map(KeysOutcome::Show),
    }
}

fn place(context: &Context<'_>) -> Result<Place, Failure> {
    Ok(Place::of(context.environment).ok_or(SigningError::NoHome)?)
}

/// Nothing that is there is written over: a lost key is lost for everybody who has its public half.
fn init(wants_password: bool, context: &Context<'_>) -> Result<KeysMade, Failure> {
    let place = place(context)?;
    let file = context.in_project(PROJECT_KEY);
    let expected = pipeline::project_key(context)?;
    let is_new = place.path().is_some_and(|path| !path.exists());
    if let (true, Some(expected)) = (is_new, &expected) {
        let message = format!(
            "the project has key {} in `{}`, and there is no `{}`: a new key would not be the project's",
            expected.id(),
            file.display(),
            place.shown()
        );
        return Err(Failure::new(Class::Trust, message)
            .hint("`export PIMG_SIGNING_KEY=FILE` names the project's key, or bring it there from a backup")
            .hint(format!(
                "if it is lost, remove `{PROJECT_KEY}` first, and tell those who have it of the new one"
            )));
    }
    let mut outcome =
        KeysMade { made: Vec::new(), kept: Vec::new(), key_id: String::new(), public: String::new() };
    if let (true, Some(path)) = (is_new, place.path()) {
        let key = SecretKey::new(&*random::bytes()?);
        let password = if wants_password {
            Some(new_password(context)?)
        } else {
            signing_key::password(context.environment)
        };
        let salt = *random::bytes()?;
        let protection = password.as_ref().map(|password| Protection { password: password.expose(), salt });
        let text =
            key.to_text(protection).map_err(|source| SigningError::Key { place: place.shown(), source })?;
        if private::create_if_missing(path, text.as_bytes())? {
            outcome.made.push(path.to_path_buf());
        }
        finish(&key, outcome, context)
    } else {
        let path = place.path().map(ToOwned::to_owned).unwrap_or_default();
        let text = place.read()?.ok_or(SigningError::Missing(path))?;
        let key = pipeline::open_key(&text, &place, context)?;
        let got = key.public();
        if let Some(expected) = expected.filter(|expected| *expected != got) {
            let (got, expected) = (got.id(), expected.id());
            return Err(SigningError::NotOfProject { place: place.shown(), got, expected }.into());
        }
        outcome.kept.extend(place.path().map(ToOwned::to_owned));
        finish(&key, outcome, context)
    }
}

/// Puts the public half into the project.
fn finish(key: &SecretKey, mut outcome: KeysMade, context: &Context<'_>) -> Result<KeysMade, Failure> {
    let file = context.in_project(PROJECT_KEY);
    let public = key.public();
    if file.exists() {
        outcome.kept.push(file);
    } else {
        files::write_atomic(&file, public.to_text().as_bytes())?;
        outcome.made.push(file);
    }
    outcome.key_id = public.id().to_string();
    outcome.public = public.to_line();
    Ok(outcome)
}

/// The password of a new key: that of the environment, or one that a person types twice.
fn new_password(context: &Context<'_>) -> Result<Secret, Failure> {
    let first = pipeline::password("password for the new key", context).ok_or_else(|| {
        Failure::new(Class::Host, "there is nobody to ask for a password")
            .hint("`export PIMG_SIGNING_KEY_PASSWORD=…`")
    })?;
    let again = pipeline::password("the same again", context);
    if first.expose().is_empty() || again.is_none_or(|again| again.expose() != first.expose()) {
        return Err(Failure::new(Class::Usage, "the passwords are not the same, or empty"));
    }
    Ok(first)
}

fn show(context: &Context<'_>) -> Result<KeysShown, Failure> {
    let file = context.in_project(PROJECT_KEY);
    let key = pipeline::project_key(context)?.ok_or_else(|| {
        let message = format!("there is no `{}`", file.display());
        Failure::new(Class::Host, message).hint("`pimg keys init` makes it")
    })?;
    let place = place(context)?;
    // opening it might ask for a password
    let secret = place.path().is_none_or(std::path::Path::exists).then(|| place.shown());
    Ok(KeysShown { file, key_id: key.id().to_string(), public: key.to_line(), pem: key.to_pem(), secret })
}
