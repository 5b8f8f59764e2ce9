//! `secrets.age`: the project's own secrets, encrypted with age, so that they can be kept in git.
//!
//! Inside is TOML: `name = "value"`, and a table `[recipients]` of those who can open the file, `name = "age1…"`. The
//! list is inside so that nobody can put himself on it who cannot read the file anyway. Nothing of the text is shown in
//! an error.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use age::x25519::Recipient;
use age::{Decryptor, Encryptor};
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::error::HostError;
use super::files::{read_optional, write_atomic};
use super::identity::Identities;
use crate::failure::{Class, Fault};
use crate::secret::Secret;

/// The file's name in the project.
pub const FILE: &str = "secrets.age";

/// The text of a new file.
pub const EMPTY: &str = "\
# One secret a line: name = \"value\". A profile takes it with { secret = \"name\" }.
# A value of several lines stands between ''' and '''.


# Who can open this file: name = \"age1…\", the public key that `pimg secrets init` shows.
[recipients]
";

/// Longest file, in bytes.
const LONGEST: u64 = 16 << 20;

/// The project's secrets cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such file.
    #[error("there is no `{}`", .0.display())]
    NoFile(PathBuf),
    /// The environment does not say where the operator's key is.
    #[error("no place for your age key: neither `PIMG_AGE_IDENTITY` nor `HOME` is set")]
    NoHome,
    /// The operator has no key.
    #[error("there is no age key at `{}`", .0.display())]
    NoIdentity(PathBuf),
    /// The key file holds something else.
    #[error("`{}` is not a file of age keys: expected lines `AGE-SECRET-KEY-1…`", .0.display())]
    BadIdentity(PathBuf),
    /// The file is encrypted for others.
    #[error("`{}` is not encrypted for your key in `{}`", .file.display(), .identity.display())]
    NotForUs {
        /// The encrypted file.
        file: PathBuf,
        /// The file with the keys that were tried.
        identity: PathBuf,
        /// The public half of the first of them.
        recipient: String,
    },
    /// The file is no age file, or was changed.
    #[error("`{}` is damaged: it is not what age wrote", .0.display())]
    Damaged(PathBuf),
    /// The text in it is not as expected.
    #[error("line {line}, column {column} of the text in `secrets.age`: {why}")]
    Text {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// It could not be encrypted.
    #[error("cannot encrypt `{}`", .0.display())]
    Encrypt(PathBuf),
    /// A file operation failed.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Fault for StoreError {
    fn class(&self) -> Class {
        match self {
            Self::Text { .. } => Class::Profile,
            _ => Class::Host,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NoFile(_) => "`pimg secrets init` makes it, `pimg secrets edit` fills it".to_owned(),
            Self::NoHome => "`export PIMG_AGE_IDENTITY=FILE` names the file of your key".to_owned(),
            Self::NoIdentity(_) => {
                "`pimg secrets init` makes one; `export PIMG_AGE_IDENTITY=FILE` names one that you have"
                    .to_owned()
            }
            Self::BadIdentity(_) => {
                "the file is to be as `pimg secrets init` or `age-keygen` makes it, without a passphrase"
                    .to_owned()
            }
            Self::NotForUs { recipient, .. } => format!(
                "ask somebody who can open it to put `{recipient}` under `[recipients]` with `pimg secrets edit`"
            ),
            Self::Damaged(path) => format!("`git checkout {}` brings back the last good one", path.display()),
            Self::Text { .. } => "`pimg secrets edit` shows the text".to_owned(),
            Self::Encrypt(_) => return Vec::new(),
            Self::Host(error) => return error.hints(),
        };
        vec![hint]
    }
}

/// What the text says.
#[derive(Debug, Default)]
pub struct Stored {
    /// Values by name.
    pub values: BTreeMap<String, Secret>,
    /// Public keys by the names of their owners.
    pub recipients: BTreeMap<String, String>,
}

impl Stored {
    /// Reads the text.
    ///
    /// # Errors
    /// The first thing in it that is neither a secret nor a recipient.
    pub fn parse(bytes: &[u8]) -> Result<Self, StoreError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes.iter().take(error.valid_up_to()).filter(|&&byte| byte == b'\n').count() + 1;
            StoreError::Text { line, column: 1, why: "is not UTF-8".to_owned() }
        })?;
        let wrong = |at: usize, why: &str| {
            let before = text.get(..at).unwrap_or_default();
            let start = before.rfind('\n').map_or(0, |end| end + 1);
            let column = before.get(start..).unwrap_or_default().chars().count() + 1;
            StoreError::Text { line: before.matches('\n').count() + 1, column, why: why.to_owned() }
        };
        let table = DeTable::parse(text)
            .map_err(|error| wrong(error.span().map_or(0, |span| span.start), "is not TOML"))?;
        let mut stored = Self::default();
        for (key, value) in table.into_inner() {
            let (name, at) = (key.get_ref().to_string(), value.span().start);
            match value.into_inner() {
                DeValue::Table(table) if name == "recipients" => {
                    for (key, value) in table {
                        let at = value.span().start;
                        let DeValue::String(recipient) = value.into_inner() else {
                            return Err(wrong(at, "a recipient is text in quotes: `\"age1…\"`"));
                        };
                        recipient
                            .parse::<Recipient>()
                            .map_err(|_| wrong(at, "is not the public key of an age key: `\"age1…\"`"))?;
                        stored.recipients.insert(key.into_inner().into_owned(), recipient.into_owned());
                    }
                }
                DeValue::String(value) if name != "recipients" && !value.is_empty() => {
                    stored.values.insert(name, Secret::new(value.into_owned().into_bytes()));
                }
                DeValue::String(_) if name != "recipients" => return Err(wrong(at, "the value is empty")),
                _ if name == "recipients" => {
                    return Err(wrong(at, "recipients are a table: `name = \"age1…\"` below `[recipients]`"));
                }
                _ => return Err(wrong(at, "a secret is text in quotes: `name = \"value\"`")),
            }
        }
        Ok(stored)
    }
}

/// Decrypts a file; `None` where there is none.
///
/// # Errors
/// It is damaged, or for others.
pub fn decrypt(path: &Path, identities: &Identities) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let Some(bytes) = read_optional(path, LONGEST)? else { return Ok(None) };
    let damaged = || StoreError::Damaged(path.to_path_buf());
    let decryptor = Decryptor::new(bytes.as_slice()).map_err(|_| damaged())?;
    let keys = identities.keys.iter().map(|key| key as &dyn age::Identity);
    let mut reader = decryptor.decrypt(keys).map_err(|error| match error {
        age::DecryptError::NoMatchingKeys => StoreError::NotForUs {
            file: path.to_path_buf(),
            identity: identities.path.clone(),
            recipient: identities.recipients().first().map(ToString::to_string).unwrap_or_default(),
        },
        _ => damaged(),
    })?;
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len()));
    reader.read_to_end(&mut text).map_err(|_| damaged())?;
    Ok(Some(text))
}

/// Encrypts `text` for all its recipients and for the operator, and puts it in place of `path` as a whole.
///
/// # Errors
/// Whatever the system reports; the old file is as it was.
pub fn encrypt(path: &Path, text: &[u8], recipients: &[String], own: &Identities) -> Result<(), StoreError> {
    let failed = || StoreError::Encrypt(path.to_path_buf());
    let mut all = own.recipients();
    for recipient in recipients {
        let recipient: Recipient = recipient.parse().map_err(|_| failed())?;
        if !all.contains(&recipient) {
            all.push(recipient);
        }
    }
    let encryptor = Encryptor::with_recipients(all.iter().map(|key| key as &dyn age::Recipient));
    let mut bytes = Vec::new();
    let mut writer = encryptor.map_err(|_| failed())?.wrap_output(&mut bytes).map_err(|_| failed())?;
    writer.write_all(text).map_err(|_| failed())?;
    writer.finish().map_err(|_| failed())?;
    Ok(write_atomic(path, &bytes)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{EMPTY, StoreError, Stored, decrypt, encrypt};
    use crate::host::identity::{create_if_missing, load};

    #[test]
    fn opens_for_its_recipients_and_for_nobody_else() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let keys = ["own", "other", "stranger"].map(|name| {
            let path = dir.path().join(name);
            create_if_missing(&path).expect("a key");
            load(&path).expect("just made")
        });
        let file = dir.path().join("secrets.age");
        assert!(decrypt(&file, &keys[0])?.is_none());
        encrypt(&file, b"cf = \"hunter2\"\n", &[keys[1].recipients()[0].to_string()], &keys[0])?;
        assert!(!fs::read(&file)?.windows(7).any(|part| part == b"hunter2"));
        for reader in &keys[..2] {
            assert_eq!(decrypt(&file, reader)?.expect("is there").as_slice(), b"cf = \"hunter2\"\n");
        }
        let error = decrypt(&file, &keys[2]).expect_err("not for this key");
        assert!(matches!(&error, StoreError::NotForUs { .. }), "{error}");

        let mut bytes = fs::read(&file)?;
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&file, bytes)?;
        assert!(matches!(decrypt(&file, &keys[0]), Err(StoreError::Damaged(_))));
        Ok(())
    }

    #[test]
    fn says_where_the_text_is_wrong_and_shows_nothing_of_it() {
        for (text, line) in [
            ("a = \"hunter2\"\nb = hunter2\n", 2),
            ("a = 7\n", 1),
            ("a = \"hunter2\n", 1),
            ("a = \"\"\n", 1),
            ("recipients = \"hunter2\"\n", 1),
            ("[recipients]\nme = \"hunter2\"\n", 2),
            ("[recipients]\nme = 2\n", 2),
            ("[hunter2]\na = \"x\"\n", 1),
            ("a = \"hunter2\"\na = \"hunter2\"\n", 2),
        ] {
            let error = Stored::parse(text.as_bytes()).expect_err(text);
            assert!(error.to_string().starts_with(&format!("line {line}, ")), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        let stored = Stored::parse(b"a = '''\nx\ny\n'''\n\"b c\" = \"1\"\n").expect("valid");
        assert_eq!(stored.values["a"].expose(), b"x\ny\n");
        assert!(!format!("{stored:?}").contains('x') && stored.values.contains_key("b c"));
        assert!(Stored::parse(EMPTY.as_bytes()).expect("valid").values.is_empty());
    }
}
