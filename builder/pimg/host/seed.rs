//! The secret seed of a cluster: `secrets/<name>.seed` in the project, 64 hexadecimal digits and a line break.
//!
//! Everything that identifies a host (ssh host keys, machine-id, root key) derives from it, so a host that
//! is built and flashed again keeps its identity. The first build makes the file; nothing ever changes it.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::HostError;
use super::{private, random};
use crate::secret::Secret;

/// Length of a seed in bytes.
const SEED_LEN: usize = 32;

/// The secret seed of a cluster, or of a host without a cluster.
#[derive(Debug)]
pub struct Seed {
    /// 32 bytes.
    pub secret: Secret,
    /// The file that holds it.
    pub path: PathBuf,
    /// Whether it was made just now: the operator is to keep a copy.
    pub created: bool,
}

/// Where the seed `name` of the project is, whether or not it is there.
pub fn path(project: &Path, name: &str) -> PathBuf {
    let dir = project.join("secrets");
    // the path is shown to the operator, who is in `.`
    dir.strip_prefix(".").unwrap_or(&dir).join(format!("{name}.seed"))
}

/// Reads the seed `name` of the project, which is made where it is missing. Builds that run at the same
/// time get the same seed.
///
/// # Errors
/// Others than the owner can read the file, it holds no seed, or the system reports an error.
pub fn load_or_create(project: &Path, name: &str) -> Result<Seed, HostError> {
    let path = path_of(project, name)?;
    if let Some(secret) = load(&path)? {
        return Ok(Seed { secret, path, created: false });
    }
    let created = private::create_if_missing(&path, &encode(&*random::bytes()?))?;
    // another build may have been first: what is in the file counts
    let secret =
        load(&path)?.ok_or_else(|| HostError::file("open", &path)(io::ErrorKind::NotFound.into()))?;
    Ok(Seed { secret, path, created })
}

/// Reads the seed `name` of the project, which must be there: who asks for an identity that a node has already is
/// not helped by a new one.
///
/// # Errors
/// There is none, others than the owner can read the file, it holds no seed, or the system reports an error.
pub fn load_existing(project: &Path, name: &str) -> Result<Seed, HostError> {
    let path = path_of(project, name)?;
    match load(&path)? {
        Some(secret) => Ok(Seed { secret, path, created: false }),
        None => Err(HostError::NoSeed(path)),
    }
}

/// The text of a seed's file.
pub fn text(seed: &Secret) -> Secret {
    let digits = seed.expose().first_chunk().map(encode);
    Secret::new(digits.map(|digits| digits.to_vec()).unwrap_or_default())
}

fn path_of(project: &Path, name: &str) -> Result<PathBuf, HostError> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(HostError::BadSeedName(name.to_owned()));
    }
    Ok(path(project, name))
}

fn load(path: &Path) -> Result<Option<Secret>, HostError> {
    let Some(text) = private::read_if_there(path, 1 << 10)? else { return Ok(None) };
    let secret = decode(&text).ok_or_else(|| HostError::BadSeed(path.to_path_buf()))?;
    Ok(Some(secret))
}

fn encode(bytes: &[u8; SEED_LEN]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(SEED_LEN * 2 + 1));
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(nibble.into(), 16).map_or(b'?', |digit| digit as u8));
        }
    }
    text.push(b'\n');
    text
}

fn decode(text: &[u8]) -> Option<Secret> {
    let digits = text.strip_suffix(b"\n").unwrap_or(text);
    if digits.len() != SEED_LEN * 2 {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut bytes = Vec::with_capacity(SEED_LEN);
    for pair in digits.as_chunks::<2>().0 {
        bytes.push(nibble(pair[0])? << 4 | nibble(pair[1])?);
    }
    Some(Secret::new(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::load_or_create;
    use crate::host::error::HostError;

    #[test]
    fn is_made_once_private_and_stays() -> Result<(), Box<dyn std::error::Error>> {
        let project = tempfile::tempdir()?;
        let first = load_or_create(project.path(), "k8sctl")?;
        let second = load_or_create(project.path(), "k8sctl")?;
        assert!(first.created && !second.created);
        assert_eq!(first.secret.expose(), second.secret.expose());
        assert_eq!(first.secret.expose().len(), 32);
        assert_eq!(first.path, project.path().join("secrets/k8sctl.seed"));
        assert_eq!(first.path.metadata()?.permissions().mode() & 0o7777, 0o600);
        assert_eq!(first.path.metadata()?.len(), 65);
        assert_ne!(load_or_create(project.path(), "other")?.secret.expose(), first.secret.expose());
        assert_eq!(fs::read_dir(project.path().join("secrets"))?.count(), 2, "no work file is left");
        Ok(())
    }

    #[test]
    fn builds_at_the_same_time_agree() -> Result<(), Box<dyn std::error::Error>> {
        let project = tempfile::tempdir()?;
        let seeds: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| load_or_create(project.path(), "k8sctl").expect("a seed")))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(seeds.windows(2).all(|pair| pair[0].secret.expose() == pair[1].secret.expose()));
        assert_eq!(seeds.iter().filter(|seed| seed.created).count(), 1);
        Ok(())
    }

    #[test]
    fn refuses_what_others_can_read_and_what_is_no_seed() -> Result<(), Box<dyn std::error::Error>> {
        let project = tempfile::tempdir()?;
        let path: PathBuf = load_or_create(project.path(), "k8sctl")?.path;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640))?;
        let error = load_or_create(project.path(), "k8sctl").expect_err("group-readable");
        assert!(matches!(error, HostError::Readable { mode: 0o640, .. }), "{error}");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        fs::write(&path, "zz\n")?;
        assert!(matches!(load_or_create(project.path(), "k8sctl"), Err(HostError::BadSeed(_))));
        assert!(matches!(load_or_create(project.path(), "../x"), Err(HostError::BadSeedName(_))));
        Ok(())
    }
}
