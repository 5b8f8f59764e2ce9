//! The operator's own age key, which opens the `secrets.age` of every project it is a recipient of.
//!
//! The file is one of `age-keygen`: lines with `#` are comments, each other line is a key (age(1), "Identity files").

use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};
use zeroize::Zeroizing;

use super::env::Environment;
use super::private;
use super::stored::StoreError;

/// Longest key file, in bytes.
const LONGEST: u64 = 64 << 10;

/// The keys of a file.
pub struct Identities {
    /// The file.
    pub path: PathBuf,
    pub(super) keys: Vec<Identity>,
}

impl Identities {
    /// The public halves, in the order of the file.
    pub fn recipients(&self) -> Vec<Recipient> {
        self.keys.iter().map(Identity::to_public).collect()
    }
}

/// Where the key is: `PIMG_AGE_IDENTITY`, else `identity.txt` in the user's configuration directory.
///
/// # Errors
/// The environment says neither.
pub fn path(environment: &Environment) -> Result<PathBuf, StoreError> {
    let named = environment.variable("PIMG_AGE_IDENTITY").filter(|path| !path.is_empty()).map(PathBuf::from);
    let own = || environment.config_dir().map(|directory| directory.join("identity.txt"));
    named.or_else(own).ok_or(StoreError::NoHome)
}

/// Reads the keys.
///
/// # Errors
/// There is no such file, others than its owner can read it, or it holds something else than keys.
pub fn load(path: &Path) -> Result<Identities, StoreError> {
    let bytes =
        private::read_if_there(path, LONGEST)?.ok_or_else(|| StoreError::NoIdentity(path.to_path_buf()))?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Result<Vec<Identity>, _> = lines.map(str::parse).collect();
    match keys {
        Ok(keys) if !keys.is_empty() => Ok(Identities { path: path.to_path_buf(), keys }),
        _ => Err(StoreError::BadIdentity(path.to_path_buf())),
    }
}

/// Makes a key where there is no file yet: whether this call made it.
///
/// # Errors
/// Whatever the system reports.
pub fn create_if_missing(path: &Path) -> Result<bool, StoreError> {
    let key = Identity::generate();
    let text =
        Zeroizing::new(format!("# public key: {}\n{}\n", key.to_public(), key.to_string().expose_secret()));
    Ok(private::create_if_missing(path, text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::{create_if_missing, load, path};
    use crate::host::env::Environment;
    use crate::host::error::HostError;
    use crate::host::stored::StoreError;

    #[test]
    fn is_made_once_and_for_its_owner_only() -> Result<(), Box<dyn std::error::Error>> {
        let home = tempfile::tempdir()?;
        let file = home.path().join("new/identity.txt");
        assert!(matches!(load(&file), Err(StoreError::NoIdentity(_))));
        assert!(create_if_missing(&file)? && !create_if_missing(&file)?);
        assert_eq!(file.metadata()?.permissions().mode() & 0o7777, 0o600);
        let text = fs::read_to_string(&file)?;
        let recipients = load(&file)?.recipients();
        assert_eq!(text.lines().next(), Some(format!("# public key: {}", recipients[0]).as_str()));

        fs::set_permissions(&file, fs::Permissions::from_mode(0o640))?;
        assert!(matches!(load(&file), Err(StoreError::Host(HostError::Readable { mode: 0o640, .. }))));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        fs::write(&file, "# nothing\n")?;
        assert!(matches!(load(&file), Err(StoreError::BadIdentity(_))));
        Ok(())
    }

    #[test]
    fn the_environment_says_where_it_is() {
        let at = |variables: &[(&str, &str)]| path(&Environment::new(variables.iter().copied())).ok();
        assert_eq!(at(&[("HOME", "/home/op")]), Some(PathBuf::from("/home/op/.config/pimg/identity.txt")));
        assert_eq!(at(&[("HOME", "/home/op"), ("PIMG_AGE_IDENTITY", "/k")]), Some(PathBuf::from("/k")));
        assert_eq!(at(&[]), None);
    }
}
