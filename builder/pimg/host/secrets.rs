//! Turns a reference to a secret into its value. No error shows any part of a value.

use std::cell::RefCell;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::env::{Environment, expand_home};
use super::error::HostError;
use super::files::read_limited;
use super::identity;
use super::stored::{self, StoreError, Stored};
use super::tools::{self, ToolError};
use crate::failure::{Class, Fault};
use crate::profile::host::SecretSource;
use crate::secret::Secret;

/// Longest value from a file, in bytes: machine configurations are the largest.
const MAX_SECRET: u64 = 16 << 20;

/// A command may ask the operator for a finger on a key.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);

/// A secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment has no such variable.
    #[error("environment variable `{0}` is not set")]
    NotSet(String),
    /// Whatever the reference names holds nothing.
    #[error("{0} is empty")]
    Empty(String),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] HostError),
    /// The command failed.
    #[error(transparent)]
    Command(#[from] ToolError),
    /// The project's own secrets cannot be had.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The project's own secrets have no such name.
    #[error("`secrets.age` has no secret `{name}`")]
    NoSuchName {
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
}

impl Fault for SecretError {
    fn class(&self) -> Class {
        match self {
            Self::NoSuchName { .. } => Class::Profile,
            Self::Store(error) => error.class(),
            _ => Class::Host,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotSet(name) => vec![format!("`export {name}=…` before the build")],
            Self::Empty(_) => vec!["fill it, or leave the key out of the profile".to_owned()],
            Self::NoSuchName { .. } => vec!["`pimg secrets edit` adds it".to_owned()],
            Self::Store(error) => error.hints(),
            Self::File(error) => error.hints(),
            Self::Command(error) => error.hints(),
        }
    }
}

/// A secret's value, and what the operator should know about where it came from.
#[derive(Debug)]
pub struct Resolved {
    /// The value.
    pub secret: Secret,
    /// Something to put right, such as a file that everybody can read.
    pub warning: Option<String>,
}

/// Turns references into values. Each is asked for once, however many hosts share it: a command may want a finger on
/// a key.
pub struct Resolver<'a> {
    project: &'a Path,
    environment: &'a Environment,
    known: RefCell<Vec<(SecretSource, Secret)>>,
    stored: RefCell<Option<Stored>>,
}

impl<'a> Resolver<'a> {
    /// Files are looked for and commands run in `project`, whose `secrets.age` is read when it is needed.
    pub fn new(project: &'a Path, environment: &'a Environment) -> Self {
        Self { project, environment, known: RefCell::default(), stored: RefCell::default() }
    }

    /// Gets the value that `source` names. One line break at the end of a file or of a command's output is not part of
    /// the value.
    ///
    /// # Errors
    /// There is no value, or an empty one.
    pub fn resolve(&self, source: &SecretSource) -> Result<Resolved, SecretError> {
        if let Some((_, secret)) = self.known.borrow().iter().find(|(known, _)| known == source) {
            return Ok(Resolved { secret: secret.clone(), warning: None });
        }
        let resolved = self.look_up(source)?;
        self.known.borrow_mut().push((source.clone(), resolved.secret.clone()));
        Ok(resolved)
    }

    fn look_up(&self, source: &SecretSource) -> Result<Resolved, SecretError> {
        let (mut bytes, warning) = match source {
            SecretSource::Stored(name) => return self.stored(name),
            SecretSource::Env(name) => {
                let value =
                    self.environment.variable(name).ok_or_else(|| SecretError::NotSet(name.clone()))?;
                (value.as_bytes().to_vec(), None)
            }
            SecretSource::File(path) => {
                read_file(&self.project.join(expand_home(path, self.environment.home().as_deref())))?
            }
            SecretSource::Command(command) => {
                (tools::run(command, self.project, COMMAND_TIMEOUT)?.to_vec(), None)
            }
        };
        if !matches!(source, SecretSource::Env(_)) && bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        if bytes.is_empty() {
            return Err(SecretError::Empty(describe(source)));
        }
        Ok(Resolved { secret: Secret::new(bytes), warning })
    }

    /// All of the project's own secrets by their names; none where it has none.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn all_stored(&self) -> Result<Vec<(String, Secret)>, SecretError> {
        if !self.project.join(stored::FILE).exists() {
            return Ok(Vec::new());
        }
        let stored = load_stored(self.project, self.environment)?;
        Ok(stored.values.into_iter().collect())
    }

    fn stored(&self, name: &str) -> Result<Resolved, SecretError> {
        let mut stored = self.stored.borrow_mut();
        let stored = match stored.as_mut() {
            Some(stored) => stored,
            None => stored.insert(load_stored(self.project, self.environment)?),
        };
        match stored.values.get(name) {
            Some(secret) => Ok(Resolved { secret: secret.clone(), warning: None }),
            None => {
                let known = stored.values.keys().cloned().collect();
                Err(SecretError::NoSuchName { name: name.to_owned(), known })
            }
        }
    }
}

/// The project's own secrets.
fn load_stored(project: &Path, environment: &Environment) -> Result<Stored, StoreError> {
    let path = project.join(stored::FILE);
    // without the file a key is of no use: that is what to say first
    if !path.exists() {
        return Err(StoreError::NoFile(stored::FILE.into()));
    }
    let identities = identity::load(&identity::path(environment)?)?;
    let text = stored::decrypt(&path, &identities)?.ok_or_else(|| StoreError::NoFile(stored::FILE.into()))?;
    Stored::parse(&text)
}

fn describe(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("environment variable `{name}`"),
        SecretSource::File(path) => format!("secret file `{}`", path.display()),
        SecretSource::Command(command) => {
            format!("the output of `{}`", command.first().map_or("", String::as_str))
        }
        SecretSource::Stored(name) => format!("secret `{name}`"),
    }
}

fn read_file(path: &PathBuf) -> Result<(Vec<u8>, Option<String>), HostError> {
    let file = std::fs::File::open(path).map_err(HostError::file("open", path))?;
    let metadata = file.metadata().map_err(HostError::file("read", path))?;
    let mode = metadata.permissions().mode() & 0o7777;
    let warning = (mode & 0o044 != 0).then(|| {
        let path = path.display();
        format!("secret file `{path}` can be read by others (mode {mode:04o}): `chmod 600 {path}`")
    });
    Ok((read_limited(file, path, MAX_SECRET)?, warning))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{Resolver, SecretError};
    use crate::host::env::Environment;
    use crate::host::{identity, stored};
    use crate::profile::host::SecretSource;

    #[test]
    fn takes_values_from_all_three_places() -> Result<(), Box<dyn std::error::Error>> {
        let project = tempfile::tempdir()?;
        fs::write(project.path().join("token"), "from file\n\n")?;
        let environment = Environment::new([("TOKEN", "from env\n")]);
        let command = ["cat", "token"].map(str::to_owned).to_vec();
        for (reference, expected) in [
            (SecretSource::Env("TOKEN".into()), "from env\n"),
            (SecretSource::File("token".into()), "from file\n"),
            (SecretSource::Command(command), "from file\n"),
        ] {
            let resolved = Resolver::new(project.path(), &environment).resolve(&reference)?;
            assert_eq!(resolved.secret.expose(), expected.as_bytes(), "{reference:?}");
            assert!(!format!("{resolved:?}").contains("from"), "{resolved:?}");
        }
        Ok(())
    }

    #[test]
    fn warns_of_a_file_that_others_can_read() -> Result<(), Box<dyn std::error::Error>> {
        let project = tempfile::tempdir()?;
        let path = project.path().join("token");
        fs::write(&path, "x")?;
        for (mode, warned) in [(0o600, false), (0o640, true), (0o604, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            let reference = SecretSource::File("token".into());
            let resolved = Resolver::new(project.path(), &Environment::default()).resolve(&reference)?;
            assert_eq!(resolved.warning.is_some(), warned, "{mode:o}");
        }
        Ok(())
    }

    #[test]
    fn errors_show_no_value() -> Result<(), Box<dyn std::error::Error>> {
        let project = tempfile::tempdir()?;
        fs::write(project.path().join("empty"), "\n")?;
        let environment = Environment::new([("EMPTY", "")]);
        let fails = ["sh", "-c", "echo hunter2; exit 1"].map(str::to_owned).to_vec();
        for (reference, expected) in [
            (SecretSource::Env("NOT".into()), "environment variable `NOT` is not set"),
            (SecretSource::Env("EMPTY".into()), "environment variable `EMPTY` is empty"),
            (SecretSource::File("empty".into()), "secret file `empty` is empty"),
            (SecretSource::Command(fails), "`sh` failed (exit status: 1)"),
        ] {
            let error =
                Resolver::new(project.path(), &environment).resolve(&reference).expect_err("has no value");
            assert_eq!(error.to_string(), expected);
        }
        let missing = SecretSource::File("missing".into());
        let error = Resolver::new(project.path(), &environment).resolve(&missing).expect_err("is not there");
        assert!(matches!(error, SecretError::File(_)), "{error}");
        Ok(())
    }

    #[test]
    fn a_command_is_asked_once() -> Result<(), Box<dyn std::error::Error>> {
        let project = tempfile::tempdir()?;
        let environment = Environment::default();
        let resolver = Resolver::new(project.path(), &environment);
        let counts = ["sh", "-c", "echo x >>asked; cat asked"].map(str::to_owned).to_vec();
        for _ in 0..2 {
            let resolved = resolver.resolve(&SecretSource::Command(counts.clone()))?;
            assert_eq!(resolved.secret.expose(), b"x");
        }
        Ok(())
    }

    #[test]
    fn takes_values_out_of_the_encrypted_file() -> Result<(), Box<dyn std::error::Error>> {
        let project = tempfile::tempdir()?;
        let key = project.path().join("identity");
        let environment = Environment::new([("PIMG_AGE_IDENTITY", &key)]);
        let source = |name: &str| SecretSource::Stored(name.to_owned());
        let resolve = |name: &str| Resolver::new(project.path(), &environment).resolve(&source(name));
        let error = resolve("cf_token").expect_err("no file");
        assert_eq!(error.to_string(), "there is no `secrets.age`");
        identity::create_if_missing(&key)?;
        let identities = identity::load(&key)?;
        stored::encrypt(&project.path().join(stored::FILE), b"cf_token = \"hunter2\"\n", &[], &identities)?;
        assert_eq!(resolve("cf_token")?.secret.expose(), b"hunter2");
        let error = resolve("cf_tokn").expect_err("another name");
        assert!(matches!(&error, SecretError::NoSuchName { known, .. } if known == &["cf_token"]), "{error}");
        Ok(())
    }
}
