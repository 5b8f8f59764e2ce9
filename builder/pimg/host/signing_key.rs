//! The operator's own signing key: where its text and its password are. What the text means, `fetch::minisign` knows.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::env::Environment;
use super::error::HostError;
use super::private;
use crate::secret::Secret;

/// Names the key: a file, or the text of the key itself, as CI systems hand out their secrets.
pub const VARIABLE: &str = "PIMG_SIGNING_KEY";

/// Holds the password of the key.
pub const PASSWORD: &str = "PIMG_SIGNING_KEY_PASSWORD";

/// Longest key file, in bytes.
const LONGEST: u64 = 4 << 10;

/// How every secret key of minisign begins: algorithm, and scrypt or nothing.
const BEGINNINGS: [&str; 3] = ["untrusted comment:", "RWRTY0Iy", "RWQAAEIy"];

/// Where the key is.
#[derive(Debug)]
pub enum Place {
    /// The environment has the text of the key.
    Text(Secret),
    /// The environment names this file.
    Named(PathBuf),
    /// Nothing is said: this is where the key is kept, if there is one.
    Default(PathBuf),
}

impl Place {
    /// The place by this environment; `None` where it says nothing, not even where the user's home is.
    pub fn of(environment: &Environment) -> Option<Self> {
        let set = environment.variable(VARIABLE).filter(|value| !value.is_empty());
        Some(match set {
            Some(value) if is_text(value) => Self::Text(Secret::new(value.as_bytes().to_vec())),
            Some(path) => Self::Named(PathBuf::from(path)),
            None => Self::Default(environment.config_dir()?.join("minisign.key")),
        })
    }

    /// The file, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Text(_) => None,
            Self::Named(path) | Self::Default(path) => Some(path),
        }
    }

    /// The place as a person reads it.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(_) => format!("${VARIABLE}"),
            Self::Named(path) | Self::Default(path) => path.display().to_string(),
        }
    }

    /// The text of the key; `None` where there is no such file.
    ///
    /// # Errors
    /// Others than its owner can read the file, and whatever the system reports.
    pub fn read(&self) -> Result<Option<Secret>, HostError> {
        let path = match self {
            Self::Text(text) => return Ok(Some(text.clone())),
            Self::Named(path) | Self::Default(path) => path,
        };
        Ok(private::read_if_there(path, LONGEST)?.map(|bytes| Secret::new(bytes.to_vec())))
    }
}

fn is_text(value: &OsStr) -> bool {
    let value = value.to_string_lossy();
    BEGINNINGS.iter().any(|beginning| value.trim_start().starts_with(beginning))
}

/// The password, where the environment has one.
pub fn password(environment: &Environment) -> Option<Secret> {
    let value = environment.variable(PASSWORD).filter(|value| !value.is_empty())?;
    Some(Secret::new(value.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::Place;
    use crate::host::env::Environment;
    use crate::host::error::HostError;
    use crate::host::private::create_if_missing;

    #[test]
    fn the_environment_names_a_file_or_has_the_key_itself() {
        let shown = |value: &str| {
            let place = Place::of(&Environment::new([("HOME", "/home/op"), ("PIMG_SIGNING_KEY", value)]));
            place.expect("HOME is set").shown()
        };
        assert_eq!(shown(""), "/home/op/.config/pimg/minisign.key");
        assert_eq!(shown("keys/ci.key"), "keys/ci.key");
        for text in
            ["RWQAAEIyAAAA", "RWRTY0IyAAAA", "untrusted comment: x\nRWQ=", "\nuntrusted comment: x RWQ="]
        {
            assert_eq!(shown(text), "$PIMG_SIGNING_KEY");
        }
        assert!(Place::of(&Environment::default()).is_none());
    }

    #[test]
    fn is_made_once_and_is_for_its_owner_only() -> Result<(), Box<dyn std::error::Error>> {
        let home = tempfile::tempdir()?;
        let path = home.path().join("new/minisign.key");
        let place = Place::Named(path.clone());
        assert!(place.read()?.is_none());
        assert!(create_if_missing(&path, b"key")? && !create_if_missing(&path, b"other")?);
        assert_eq!(place.read()?.expect("is there").expose(), b"key");
        assert_eq!(path.metadata()?.permissions().mode() & 0o7777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640))?;
        assert!(matches!(place.read(), Err(HostError::Readable { mode: 0o640, .. })));
        Ok(())
    }
}
