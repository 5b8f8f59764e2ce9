//! What a lock says, as values. Reading and writing its text is next door; files are the caller's business.

use std::collections::BTreeMap;

use super::error::LockError;

/// `pimg.lock`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lockfile {
    /// The base images, one per URL.
    pub base: Vec<LockedBase>,
    /// The snapshots of the package repositories, one per name.
    pub repository: Vec<LockedRepository>,
    /// The keyrings that were fetched and pinned, one per source.
    pub keyring: Vec<LockedKeyring>,
    /// Files other than packages, one per name.
    pub download: Vec<LockedDownload>,
    /// What the profiles install. Profiles that ask for the same share a set.
    pub set: Vec<LockedSet>,
    /// Kernel modules that are built ahead, one per kernel and version.
    pub module: Vec<LockedModule>,
}

/// A base image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedBase {
    /// Where it comes from: a URL, or a path.
    pub url: String,
    /// SHA-256 of the file as it is published, in lower-case hexadecimal.
    pub sha256: String,
    /// SHA-256 of the raw image inside, in lower-case hexadecimal.
    pub raw_sha256: String,
}

/// A snapshot of a package repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedRepository {
    /// The name that the packages refer to.
    pub name: String,
    /// Where it was read.
    pub uri: String,
    /// The suite; one that ends in `/` is a flat repository.
    pub suite: String,
    /// The components.
    pub components: Vec<String>,
    /// The `Date` of its Release file, such as `2026-08-19T08:12:01Z`.
    pub date: String,
    /// SHA-256 of the file that held the signed Release text, in lower-case hexadecimal.
    pub sha256: String,
    /// Fingerprint of the key that signed it, 40 or 64 hexadecimal digits.
    pub signed_by: String,
}

/// A keyring that was fetched, and that everybody who has the lock gets unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedKeyring {
    /// Name of the source that it belongs to.
    pub name: String,
    /// Where it comes from.
    pub url: String,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// Fingerprints of its certificates, 40 or 64 hexadecimal digits each.
    pub fingerprints: Vec<String>,
    /// Length of the file in bytes.
    pub size: u64,
}

/// A file that is no package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedDownload {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub url: String,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// Length of the file in bytes.
    pub size: u64,
}

/// What some profiles install on one base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockedSet {
    /// The profiles.
    pub profiles: Vec<String>,
    /// SHA-256 of the raw base image that it was resolved for, in lower-case hexadecimal.
    pub base: String,
    /// SHA-256 of everything that was asked for, in lower-case hexadecimal.
    pub request: String,
    /// Packages of the base that go: `name` or `name:architecture`.
    pub remove: Vec<String>,
    /// Packages that are held: `name` or `name:architecture`.
    pub hold: Vec<String>,
    /// Packages that were asked for by name.
    pub manual: Vec<String>,
    /// The packages to be installed or brought to another version.
    pub package: Vec<LockedPackage>,
}

/// One package file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, `all` among them.
    pub architecture: String,
    /// Name of the [`LockedRepository`] that it comes from.
    pub repository: String,
    /// Its path below the repository's URI.
    pub file: String,
    /// Length of the file in bytes.
    pub size: u64,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// Why it is there, such as `asked for` or `needed by zfsutils-linux`.
    pub reason: String,
}

/// A kernel module that was built ahead, as a package of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockedModule {
    /// Name of the package.
    pub name: String,
    /// Version of the package.
    pub version: String,
    /// The profiles that install it.
    pub profiles: Vec<String>,
    /// The kernel's release, such as `6.12.47+rpt-rpi-v8`.
    pub kernel: String,
    /// Version of the package of that kernel.
    pub kernel_version: String,
    /// Version of the sources.
    pub zfs: String,
    /// The compiler and its version, such as `gcc-14 14.2.0-19`.
    pub compiler: String,
    /// Architecture of the machine that built it, such as `amd64`.
    pub machine: String,
    /// Name of the package's file.
    pub file: String,
    /// Where it can be downloaded, for who does not build it.
    pub url: Option<String>,
    /// Length of the file in bytes.
    pub size: u64,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// What it was built of: sources, headers, and compiler with all that it needs.
    pub package: Vec<LockedPackage>,
}

/// How much a lock names, every package file counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Package files.
    pub packages: usize,
    /// Their length together in bytes.
    pub size: u64,
}

impl Lockfile {
    /// A lock that names nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a profile installs.
    pub fn set_for(&self, profile: &str) -> Option<&LockedSet> {
        self.set.iter().find(|set| set.profiles.iter().any(|name| name == profile))
    }

    /// The modules that a profile installs.
    pub fn modules_for<'l>(&'l self, profile: &'l str) -> impl Iterator<Item = &'l LockedModule> {
        self.module.iter().filter(move |module| module.profiles.iter().any(|name| name == profile))
    }

    /// The base image of this URL or path.
    pub fn base_for(&self, url: &str) -> Option<&LockedBase> {
        self.base.iter().find(|base| base.url == url)
    }

    /// What the base of this URL or path is to be compared with. A lock with one base only says what every base
    /// is, wherever it is read from: digests tell whether it is the same.
    ///
    /// # Errors
    /// The lock does not name it.
    pub fn require_base(&self, url: &str) -> Result<&LockedBase, LockError> {
        let only = match self.base.as_slice() {
            [only] => Some(only),
            _ => None,
        };
        self.base_for(url).or(only).ok_or_else(|| LockError::NoBase { url: url.to_owned() })
    }

    /// The repository of this name.
    pub fn repository_for(&self, name: &str) -> Option<&LockedRepository> {
        self.repository.iter().find(|repository| repository.name == name)
    }

    /// The keyring of the source of this name.
    pub fn keyring_for(&self, name: &str) -> Option<&LockedKeyring> {
        self.keyring.iter().find(|keyring| keyring.name == name)
    }

    /// The download of this name.
    pub fn download_for(&self, name: &str) -> Option<&LockedDownload> {
        self.download.iter().find(|download| download.name == name)
    }

    /// How much all sets name together.
    pub fn totals(&self) -> Totals {
        totals(self.set.iter().flat_map(|set| &set.package))
    }
}

impl LockedSet {
    /// How much the set names.
    pub fn totals(&self) -> Totals {
        totals(&self.package)
    }
}

fn totals<'a>(packages: impl IntoIterator<Item = &'a LockedPackage>) -> Totals {
    let files: BTreeMap<&str, u64> =
        packages.into_iter().map(|package| (package.sha256.as_str(), package.size)).collect();
    Totals { packages: files.len(), size: files.values().fold(0, |sum, size| sum.saturating_add(*size)) }
}

impl LockedBase {
    /// Compares digests that were found, as far as they are known by now.
    ///
    /// # Errors
    /// The first that differs.
    pub fn compare(&self, sha256: Option<&str>, raw_sha256: Option<&str>) -> Result<(), LockError> {
        for (what, expected, got) in
            [("sha256", &self.sha256, sha256), ("raw_sha256", &self.raw_sha256, raw_sha256)]
        {
            if let Some(got) = got
                && got != expected
            {
                return Err(LockError::Differs { what, expected: expected.clone(), got: got.to_owned() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::lock) fn package(name: &str, version: &str) -> LockedPackage {
        LockedPackage {
            name: name.into(),
            version: version.into(),
            architecture: "arm64".into(),
            repository: "debian".into(),
            file: format!("pool/main/{name}_{version}_arm64.deb"),
            size: 1000,
            // a digest of its own for every name and version
            sha256: format!("{name}{version}").bytes().map(|byte| format!("{byte:02x}")).collect::<String>()
                + &"0".repeat(64),
            reason: "asked for".into(),
        }
        .with_digest_of_64_digits()
    }

    impl LockedPackage {
        fn with_digest_of_64_digits(mut self) -> Self {
            self.sha256.truncate(64);
            self
        }
    }

    pub(in crate::lock) fn base() -> LockedBase {
        let url = "https://example.com/base.img.xz".to_owned();
        LockedBase { url, sha256: "ab".repeat(32), raw_sha256: "cd".repeat(32) }
    }

    /// A lock that has one of everything, two packages among them.
    pub(in crate::lock) fn full() -> Lockfile {
        Lockfile {
            base: vec![base()],
            repository: vec![LockedRepository {
                name: "debian".into(),
                uri: "https://example.com/debian".into(),
                suite: "trixie".into(),
                components: vec!["main".into(), "contrib".into()],
                date: "2026-08-19T08:12:01Z".into(),
                sha256: "12".repeat(32),
                signed_by: "4D".repeat(20),
            }],
            keyring: vec![LockedKeyring {
                name: "pxvirt".into(),
                url: "https://example.com/key.gpg".into(),
                sha256: "34".repeat(32),
                fingerprints: vec!["5E".repeat(20)],
                size: 1187,
            }],
            download: vec![LockedDownload {
                name: "acme.sh".into(),
                url: "https://example.com/acme.tar.gz".into(),
                sha256: "56".repeat(32),
                size: 220_000,
            }],
            set: vec![LockedSet {
                profiles: vec!["node-a".into(), "node-b".into()],
                base: "cd".repeat(32),
                request: "78".repeat(32),
                remove: vec!["dphys-swapfile".into()],
                hold: Vec::new(),
                manual: vec!["zsh".into()],
                package: vec![package("zsh", "5.9-8+b15"), package("byobu", "6.11-2")],
            }],
            module: Vec::new(),
        }
    }

    #[test]
    fn compares_what_is_known() {
        assert_eq!(base().compare(None, Some(&"cd".repeat(32))), Ok(()));
        let other = "00".repeat(32);
        let error = base().compare(Some(&other), None).expect_err("differs");
        assert_eq!(error, LockError::Differs { what: "sha256", expected: "ab".repeat(32), got: other });
    }

    #[test]
    fn a_base_is_found_by_its_url_or_by_being_the_only_one() {
        let mut lock = full();
        assert_eq!(lock.require_base("/elsewhere/base.img.xz"), Ok(&base()));
        lock.base.push(LockedBase { url: "other.img".into(), ..base() });
        assert_eq!(lock.require_base("other.img").map(|base| base.url.as_str()), Ok("other.img"));
        assert_eq!(lock.require_base("x.img"), Err(LockError::NoBase { url: "x.img".into() }));
    }

    #[test]
    fn a_file_that_two_sets_name_counts_once() {
        let mut lock = full();
        lock.set.push(LockedSet { profiles: vec!["node-c".into()], ..lock.set[0].clone() });
        lock.set[1].package.push(package("git", "1:2.47"));
        assert_eq!(lock.totals(), Totals { packages: 3, size: 3000 });
        assert_eq!(lock.set_for("node-c").map(|set| set.totals().packages), Some(3));
        assert_eq!(lock.set_for("node-x"), None);
    }
}
