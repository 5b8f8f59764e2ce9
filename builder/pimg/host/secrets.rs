//! Turns a reference to a secret into its value. No error shows any part of a value.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::env::{Environment, expand_home};
use super::error::HostError;
use super::files::read_limited;
use super::tools::{self, ToolError};
use crate::failure::{Class, Fault};
use crate::profile::host::SecretReference;
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
}

impl Fault for SecretError {
    fn class(&self) -> Class {
        Class::Host
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotSet(name) => vec![format!("`export {name}=…` before the build")],
            Self::Empty(_) => Vec::new(),
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

/// Gets the value that `reference` names. Files are looked for and commands run in `project`.
/// One line break at the end of a file or of a command's output is not part of the value.
///
/// # Errors
/// There is no value, or an empty one.
pub fn resolve(
    reference: &SecretReference,
    project: &Path,
    environment: &Environment,
) -> Result<Resolved, SecretError> {
    let (mut bytes, warning) = match reference {
        SecretReference::Env(name) => {
            let value = environment.variable(name).ok_or_else(|| SecretError::NotSet(name.clone()))?;
            (value.as_bytes().to_vec(), None)
        }
        SecretReference::File(path) => {
            read_file(&project.join(expand_home(path, environment.home().as_deref())))?
        }
        SecretReference::Command(command) => (tools::run(command, project, COMMAND_TIMEOUT)?.to_vec(), None),
    };
    if !matches!(reference, SecretReference::Env(_)) && bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(SecretError::Empty(describe(reference)));
    }
    Ok(Resolved { secret: Secret::new(bytes), warning })
}

fn describe(reference: &SecretReference) -> String {
    match reference {
        SecretReference::Env(name) => format!("environment variable `{name}`"),
        SecretReference::File(path) => format!("secret file `{}`", path.display()),
        SecretReference::Command(command) => {
            format!("the output of `{}`", command.first().map_or("", String::as_str))
        }
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

    use super::{SecretError, resolve};
    use crate::host::env::Environment;
    use crate::profile::host::SecretReference;

    #[test]
    fn takes_values_from_all_three_places() -> Result<(), Box<dyn std::error::Error>> {
        let project = tempfile::tempdir()?;
        fs::write(project.path().join("token"), "from file\n\n")?;
        let environment = Environment::new([("TOKEN", "from env\n")]);
        let command = ["cat", "token"].map(str::to_owned).to_vec();
        for (reference, expected) in [
            (SecretReference::Env("TOKEN".into()), "from env\n"),
            (SecretReference::File("token".into()), "from file\n"),
            (SecretReference::Command(command), "from file\n"),
        ] {
            let resolved = resolve(&reference, project.path(), &environment)?;
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
            let reference = SecretReference::File("token".into());
            let resolved = resolve(&reference, project.path(), &Environment::default())?;
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
            (SecretReference::Env("NOT".into()), "environment variable `NOT` is not set"),
            (SecretReference::Env("EMPTY".into()), "environment variable `EMPTY` is empty"),
            (SecretReference::File("empty".into()), "secret file `empty` is empty"),
            (SecretReference::Command(fails), "`sh` failed (exit status: 1)"),
        ] {
            let error = resolve(&reference, project.path(), &environment).expect_err("has no value");
            assert_eq!(error.to_string(), expected);
        }
        let missing = SecretReference::File("missing".into());
        let error = resolve(&missing, project.path(), &environment).expect_err("is not there");
        assert!(matches!(error, SecretError::File(_)), "{error}");
        Ok(())
    }
}
