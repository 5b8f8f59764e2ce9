//! Secrets as files that only root can read: `/var/lib/pimg/secrets/<key of the profile>`. The step that uses one takes
//! it away.

use super::error::Error;
use super::inputs::{Changes, Inputs};
use crate::plan::change::{Change, Content, Ownership};
use crate::secret::Secret;

/// Where they are on the node.
pub const DIRECTORY: &str = "/var/lib/pimg/secrets";

/// A secret whose value is known.
#[derive(Clone, Debug)]
pub struct SecretFile {
    /// The file's name: the dotted key of the profile, such as `acme.env.CF_Token`.
    pub name: String,
    /// The part of it that every profile has, such as `acme.env`.
    pub key: &'static str,
    /// What it holds.
    pub value: Secret,
}

/// The changes of this file: none where there are no secrets.
///
/// # Errors
/// A name is no file name.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let mut changes = Changes::default();
    let Some(first) = inputs.secrets.first() else { return Ok(Vec::new()) };
    changes.directory(DIRECTORY, Ownership::root(0o700), inputs.key(first.key))?;
    for secret in inputs.secrets {
        let content = Content::Secret(secret.value.clone());
        let path = format!("{DIRECTORY}/{}", secret.name);
        changes.owned_file(&path, Ownership::root(0o600), content, inputs.key(secret.key))?;
    }
    Ok(changes.0)
}

#[cfg(test)]
mod tests {
    use super::{DIRECTORY, SecretFile, changes};
    use crate::guest::test_support::{MapBase, at, host, inputs, put};
    use crate::plan::change::Action;
    use crate::secret::Secret;

    #[test]
    fn each_is_a_file_for_root_alone() {
        let (host, base) = (host(), MapBase::default());
        let mut inputs = inputs(&host, &base);
        assert!(changes(&inputs).expect("nothing to do").is_empty());
        let secret = |name: &str, key| SecretFile {
            name: name.to_owned(),
            key,
            value: Secret::new(b"hunter2\n".to_vec()),
        };
        let secrets =
            [secret("acme.env.CF_Token", "acme.env"), secret("tailscale.auth_key", "tailscale.auth_key")];
        inputs.secrets = &secrets;
        let found = changes(&inputs).expect("changes");
        assert!(
            matches!(&at(&found, DIRECTORY).action, Action::MakeDir { ownership } if ownership.mode == 0o700)
        );
        for secret in &secrets {
            let (content, mode) = put(&found, &format!("{DIRECTORY}/{}", secret.name));
            assert_eq!((content.as_str(), mode), ("hunter2\n", 0o600));
        }
        assert_eq!(found.len(), 3);
        assert!(!format!("{found:?}").contains("hunter2"), "secrets do not print");
    }
}
