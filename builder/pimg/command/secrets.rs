//! `pimg secrets`

use std::path::{Path, PathBuf};

use super::outcome::{SecretNames, SecretsEdited, SecretsMade, SecretsOutcome};
use super::request::{SecretsRequest, Selection};
use super::{Context, hosts};
use crate::failure::Failure;
use crate::host::identity::{self, Identities};
use crate::host::private::{self, PrivateDir};
use crate::host::seed::load_or_create;
use crate::host::stored::{self, Stored};
use crate::host::{files, tools};
use crate::pipeline;

/// Longest `.gitignore`, in bytes.
const LONGEST_LIST: u64 = 1 << 20;

/// The name of the text in the editor: editors know by it that it is TOML.
const TEXT: &str = "secrets.toml";

/// Keeps the project's own secrets.
///
/// # Errors
/// The operator's key or the file cannot be used.
pub fn run(request: SecretsRequest, context: &Context<'_>) -> Result<SecretsOutcome, Failure> {
    match request {
        SecretsRequest::Init => init(context).map(SecretsOutcome::Init),
        SecretsRequest::Edit => edit(context).map(SecretsOutcome::Edit),
        SecretsRequest::ShowKeys => show_keys(context).map(SecretsOutcome::ShowKeys),
    }
}

fn init(context: &Context<'_>) -> Result<SecretsMade, Failure> {
    let mut outcome = SecretsMade { made: Vec::new(), kept: Vec::new(), recipient: String::new() };
    let mut note =
        |path: PathBuf, is_new: bool| if is_new { &mut outcome.made } else { &mut outcome.kept }.push(path);
    let key = identity::path(context.environment)?;
    note(key.clone(), identity::create_if_missing(&key)?);
    let own = identity::load(&key)?;
    let recipient = own.recipients().first().map(ToString::to_string).unwrap_or_default();
    let file = context.in_project(stored::FILE);
    let is_new = !file.exists();
    if is_new {
        stored::encrypt(&file, format!("{}you = \"{recipient}\"\n", stored::EMPTY).as_bytes(), &[], &own)?;
    }
    note(file, is_new);
    for name in seed_names(context)? {
        let seed = load_or_create(&context.project, &name)?;
        if seed.created {
            context.reporter.notice(&pipeline::made_seed(&seed.path));
        }
        note(seed.path, seed.created);
    }
    outcome.recipient = recipient;
    warn_of_git(context)?;
    Ok(outcome)
}

/// The seeds of all hosts, each once. A project may have none yet.
fn seed_names(context: &Context<'_>) -> Result<Vec<String>, Failure> {
    if files::list_directories(&context.project)?.iter().all(|directory| !directory.ends_with("profiles")) {
        return Ok(Vec::new());
    }
    let mut names: Vec<String> = Vec::new();
    if !hosts::buildable(context)?.is_empty() {
        names.extend(hosts::select(&Selection::All, context)?.iter().map(|host| host.seed_name().to_owned()));
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// The seeds are not encrypted: whoever has one is every host of its cluster.
fn warn_of_git(context: &Context<'_>) -> Result<(), Failure> {
    let list = files::read_optional(&context.project.join(".gitignore"), LONGEST_LIST)?.unwrap_or_default();
    let list = String::from_utf8_lossy(&list);
    let is_ignored =
        list.lines().any(|line| matches!(line.trim(), "secrets" | "secrets/" | "/secrets" | "/secrets/"));
    if !is_ignored {
        let text = "put the line `/secrets/` into `.gitignore`: seeds are not encrypted. `secrets.age` belongs into git";
        context.reporter.notice(text);
    }
    Ok(())
}

fn own_keys(context: &Context<'_>) -> Result<Identities, Failure> {
    Ok(identity::load(&identity::path(context.environment)?)?)
}

fn missing() -> Failure {
    stored::StoreError::NoFile(stored::FILE.into()).into()
}

fn edit(context: &Context<'_>) -> Result<SecretsEdited, Failure> {
    let file = context.in_project(stored::FILE);
    if !file.exists() {
        return Err(missing());
    }
    let own = own_keys(context)?;
    let before = stored::decrypt(&file, &own)?.ok_or_else(missing)?;
    let unfinished = context.in_project(format!("{}.unfinished", stored::FILE));
    let draft = stored::decrypt(&unfinished, &own)?;
    if draft.is_some() {
        context.reporter.notice(&format!("going on with the text in `{}`", unfinished.display()));
    }
    let start = draft.as_ref().unwrap_or(&before);
    let directory = PrivateDir::new(context.environment)?;
    let path = directory.write(TEXT, start)?;
    loop {
        let edited = tools::edit(context.environment.editor(), &path);
        let text = directory.read(TEXT)?;
        if let Err(error) = edited {
            let failure = Failure::from(error);
            return Err(if text == *start { failure } else { keep(&unfinished, &text, &own, failure) });
        }
        if text == before {
            private::wipe(&unfinished)?;
            return Ok(SecretsEdited { file, changed: false });
        }
        let error = match Stored::parse(&text) {
            Ok(stored) => {
                let recipients: Vec<String> = stored.recipients.into_values().collect();
                stored::encrypt(&file, &text, &recipients, &own)?;
                private::wipe(&unfinished)?;
                return Ok(SecretsEdited { file, changed: true });
            }
            Err(error) => error,
        };
        if context.reporter.confirm(&format!("{error}. Edit it again?")) != Some(true) {
            return Err(keep(&unfinished, &text, &own, error.into()));
        }
    }
}

/// Keeps a text that cannot be taken, encrypted, for the next time.
fn keep(path: &Path, text: &[u8], own: &Identities, failure: Failure) -> Failure {
    match stored::encrypt(path, text, &[], own) {
        Ok(()) => {
            failure.context(format!("`secrets.age` is as it was; your text is in `{}`", path.display()))
        }
        Err(error) => Failure::from(error).context("your text is lost"),
    }
}

fn show_keys(context: &Context<'_>) -> Result<SecretNames, Failure> {
    let file = context.in_project(stored::FILE);
    if !file.exists() {
        return Err(missing());
    }
    let own = own_keys(context)?;
    let text = stored::decrypt(&file, &own)?.ok_or_else(missing)?;
    let stored = Stored::parse(&text)?;
    let mut recipients = stored.recipients;
    for key in own.recipients() {
        let key = key.to_string();
        if !recipients.values().any(|known| *known == key) {
            recipients.insert(format!("({})", own.path.display()), key);
        }
    }
    Ok(SecretNames { file, names: stored.values.into_keys().collect(), recipients })
}
