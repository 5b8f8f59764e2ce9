//! Secrets that are not in a published image: what such an image carries instead, and the archive that brings them.
//!
//! `pimg build --release` leaves every secret out and puts a note on the boot partition. `pimg seed` reads the note,
//! and puts all of them beside it as `pimg-seed.tar`. The node takes them over when it starts, before anything that
//! uses them, and overwrites and removes the archive.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::error::Error;
use super::inputs::{Changes, Inputs};
use super::keys::HostKeys;
use super::secrets::{DIRECTORY, SecretFile};
use super::units::{self, UnitFile, UnitName};
use crate::plan::change::{Change, Origin};
use crate::plan::path::GuestPath;
use crate::profile::host::HostSpec;
use crate::secret::Secret;

/// The archive on the boot partition.
pub const ARCHIVE: &str = "pimg-seed.tar";
/// The note on the boot partition.
pub const NOTE: &str = "pimg-release.txt";
/// Digests of all other entries: a card that was pulled out too early brings half an archive.
const SUMS: &str = "sha256sums";
/// The entry with the password, as `chpasswd -e` takes it.
const PASSWORD: &str = "password";
const UNIT: &str = "pimg-seed.service";
const RULE: &str = "an image without secrets";

/// Who an image was built for, as its note says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Name of the profile.
    pub profile: String,
    /// Host name.
    pub hostname: String,
    /// The node's public Ed25519 host key without comment: another secret seed would lead to another.
    pub host_key: String,
}

impl Note {
    /// The note of a host.
    pub fn of(host: &HostSpec, keys: &HostKeys) -> Self {
        Self {
            profile: host.profile.clone(),
            hostname: host.hostname.to_string(),
            host_key: keys.ed25519.public.clone(),
        }
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let Self { profile, hostname, host_key } = self;
        format!(
            "This image has no secrets in it, and the node waits for them on its first start.\n\
             Put them on this partition before the card goes into the node:\n\n    \
             pimg seed --profile {profile} THIS-PARTITION\n\n\
             profile = {profile}\nhostname = {hostname}\nhost key = {host_key}\n"
        )
    }

    /// Reads what [`Self::to_text`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(" = "));
            lines.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.trim().to_owned())
        };
        Some(Self { profile: value("profile")?, hostname: value("hostname")?, host_key: value("host key")? })
    }
}

/// The changes of this file: none unless secrets are left out.
///
/// # Errors
/// The keyring lacks the host.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let mut changes = Changes::default();
    if !inputs.release {
        return Ok(Vec::new());
    }
    let origin = || Origin::Rule { rule: RULE };
    let keys = inputs.keys_of(&inputs.host.hostname)?;
    changes.boot_file(&format!("/{NOTE}"), Note::of(inputs.host, keys).to_text(), origin())?;
    changes.file("/usr/lib/pimg/seed", 0o755, include_str!("seed_bundle/seed.bash"), origin())?;
    let text = include_str!("seed_bundle/pimg-seed.service");
    let path = format!("/usr/lib/systemd/system/{UNIT}");
    changes.file(&path, 0o644, text, origin())?;
    let wrong = |why: units::UnitSyntaxError| Error::Unit { unit: UNIT.to_owned(), why: why.to_string() };
    let unit = UnitFile::parse(text).map_err(wrong)?;
    let (links, _) = units::enable_file(&UnitName::new(UNIT)?, &GuestPath::new(path)?, &unit)?;
    for link in links {
        changes.symlink(link.path.as_str(), &link.target, origin())?;
    }
    Ok(changes.0)
}

/// The archive for a host: entries by their path on the node, all of them for root alone.
///
/// # Errors
/// A name is too long for an archive.
pub fn archive(
    host: &HostSpec,
    keys: &HostKeys,
    secrets: &[SecretFile],
    password_hash: Option<&Secret>,
) -> std::io::Result<Secret> {
    let mut entries: Vec<(String, &[u8])> = vec![
        ("etc/ssh/ssh_host_ed25519_key".to_owned(), keys.ed25519.private.expose()),
        ("etc/ssh/ssh_host_rsa_key".to_owned(), keys.rsa.private.expose()),
        ("root/.ssh/id_rsa".to_owned(), keys.root.private.expose()),
    ];
    let directory = DIRECTORY.trim_start_matches('/');
    entries
        .extend(secrets.iter().map(|secret| (format!("{directory}/{}", secret.name), secret.value.expose())));
    let mut password = Zeroizing::new(Vec::new());
    if let Some(hash) = password_hash {
        password.extend_from_slice(host.user.name.as_str().as_bytes());
        password.push(b':');
        password.extend_from_slice(hash.expose());
        password.push(b'\n');
        entries.push((PASSWORD.to_owned(), &password));
    }
    let sums: String =
        entries.iter().map(|(path, content)| format!("{}  {path}\n", sha256(content))).collect();
    // room for all of it at once: a buffer that grows leaves copies behind
    let room = entries.iter().map(|(_, content)| content.len() + 2048).sum::<usize>() + sums.len() + 8192;
    let mut builder = tar::Builder::new(Vec::with_capacity(room));
    for (path, content) in std::iter::once((SUMS.to_owned(), sums.as_bytes())).chain(entries.iter().cloned())
    {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o600);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content)?;
    }
    Ok(Secret::new(builder.into_inner()?))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Note, archive, changes};
    use crate::guest::secrets::SecretFile;
    use crate::guest::test_support::{MapBase, host, inputs, keyring, link, put};
    use crate::plan::change::Partition;
    use crate::secret::Secret;

    #[test]
    fn only_an_image_without_secrets_waits_for_them() {
        let (host, base) = (host(), MapBase::default());
        let mut inputs = inputs(&host, &base);
        assert!(changes(&inputs).expect("nothing to do").is_empty());
        inputs.release = true;
        let found = changes(&inputs).expect("changes");
        let wants = "/etc/systemd/system/sysinit.target.wants/pimg-seed.service";
        assert_eq!(link(&found, wants), "/usr/lib/systemd/system/pimg-seed.service");
        assert_eq!(put(&found, "/usr/lib/pimg/seed").1, 0o755);
        let (note, _) = put(&found, "/pimg-release.txt");
        assert!(found.iter().any(|change| change.partition == Partition::Boot));
        let keys = keyring().get(&host.hostname).expect("keys");
        assert_eq!(Note::parse(&note), Some(Note::of(&host, keys)));
        assert_eq!(Note::parse("profile = x\n"), None);
    }

    #[test]
    fn the_archive_is_the_same_every_time_and_names_what_it_holds() {
        let host = host();
        let keys = keyring().get(&host.hostname).expect("keys");
        let value = Secret::new(b"hunter2".to_vec());
        let secrets =
            [SecretFile { name: "tailscale.auth_key".to_owned(), key: "tailscale.auth_key", value }];
        let hash = Secret::new(b"$y$hash".to_vec());
        let packed = archive(&host, keys, &secrets, Some(&hash)).expect("an archive");
        assert_eq!(archive(&host, keys, &secrets, Some(&hash)).expect("again").expose(), packed.expose());
        let mut read = tar::Archive::new(packed.expose());
        let paths: Vec<String> = read
            .entries()
            .expect("entries")
            .map(|entry| entry.expect("an entry").path().expect("a path").to_string_lossy().into_owned())
            .collect();
        let expected = [
            "sha256sums",
            "etc/ssh/ssh_host_ed25519_key",
            "etc/ssh/ssh_host_rsa_key",
            "root/.ssh/id_rsa",
            "var/lib/pimg/secrets/tailscale.auth_key",
            "password",
        ];
        assert_eq!(paths, expected);
    }
}
