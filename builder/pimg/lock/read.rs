//! The text of a lock to values, every mistake with its line.
//!
//! `version` changes when an older pimg would misread the file, `revision` when something was added that it
//! may ignore. So keys that are unknown are an error in a revision that we know, and ignored in a later one.

use std::borrow::Cow;
use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{BELOW, Check, DATE, DIGEST, FINGERPRINT, WORDS};
use super::error::{LockError, Mistake};
use super::lockfile::{
    LockedBase, LockedDownload, LockedKeyring, LockedModule, LockedPackage, LockedRepository, LockedSet,
    Lockfile,
};
use super::write::{REVISION, VERSION};

type Result<T> = std::result::Result<T, LockError>;

impl Lockfile {
    /// Reads the text of a lock.
    ///
    /// # Errors
    /// It is no lock, or one of a version that this pimg does not know.
    pub fn parse(text: &str) -> Result<Self> {
        let document = DeTable::parse(text).map_err(|error| {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            LockError::Syntax { line, column, message: error.message().to_owned() }
        })?;
        let mut top = Entry { text, name: "the lock", at: 0, table: document.get_ref(), known: Vec::new() };
        let version = top.number("version")?;
        if version != VERSION {
            return Err(LockError::Version { got: version, expected: VERSION });
        }
        let revision = if top.get("revision").is_some() { top.number("revision")? } else { 0 };
        let is_strict = revision <= REVISION;
        let lock = Self {
            base: top.entries("base", is_strict, "base image", |base: &LockedBase| base.url.clone(), base)?,
            repository: top.entries(
                "repository",
                is_strict,
                "repository",
                |one| one.name.clone(),
                repository,
            )?,
            keyring: top.entries("keyring", is_strict, "keyring", |one| one.name.clone(), keyring)?,
            download: top.entries("download", is_strict, "download", |one| one.name.clone(), download)?,
            set: Vec::new(),
            module: Vec::new(),
        };
        let repositories: BTreeSet<&str> = lock.repository.iter().map(|one| one.name.as_str()).collect();
        let mut profiles = BTreeSet::new();
        let set = top.each("set", is_strict, |entry| {
            let set = set(entry, is_strict, &repositories)?;
            match set.profiles.iter().find(|&profile| !profiles.insert(profile.clone())) {
                Some(name) => entry.wrong(Mistake::Duplicate { what: "profile", name: name.clone() }),
                None => Ok(set),
            }
        })?;
        let name = |module: &LockedModule| format!("{} {}", module.name, module.version);
        let module = top
            .entries("module", is_strict, "module", name, |entry| module(entry, is_strict, &repositories))?;
        top.finish(is_strict)?;
        Ok(Self { set, module, ..lock })
    }
}

fn base(entry: &mut Entry<'_, '_>) -> Result<LockedBase> {
    Ok(LockedBase {
        url: entry.string("url", WORDS)?,
        sha256: entry.string("sha256", DIGEST)?,
        raw_sha256: entry.string("raw_sha256", DIGEST)?,
    })
}

fn repository(entry: &mut Entry<'_, '_>) -> Result<LockedRepository> {
    Ok(LockedRepository {
        name: entry.string("name", WORDS)?,
        uri: entry.string("uri", WORDS)?,
        suite: entry.string("suite", WORDS)?,
        components: entry.strings("components", WORDS)?,
        date: entry.string("date", DATE)?,
        sha256: entry.string("sha256", DIGEST)?,
        signed_by: entry.string("signed_by", FINGERPRINT)?,
    })
}

fn keyring(entry: &mut Entry<'_, '_>) -> Result<LockedKeyring> {
    Ok(LockedKeyring {
        name: entry.string("name", WORDS)?,
        url: entry.string("url", WORDS)?,
        sha256: entry.string("sha256", DIGEST)?,
        fingerprints: entry.strings("fingerprints", FINGERPRINT)?,
        size: entry.number("size")?,
    })
}

fn download(entry: &mut Entry<'_, '_>) -> Result<LockedDownload> {
    Ok(LockedDownload {
        name: entry.string("name", WORDS)?,
        url: entry.string("url", WORDS)?,
        sha256: entry.string("sha256", DIGEST)?,
        size: entry.number("size")?,
    })
}

fn set(entry: &mut Entry<'_, '_>, is_strict: bool, repositories: &BTreeSet<&str>) -> Result<LockedSet> {
    Ok(LockedSet {
        profiles: entry.strings("profiles", WORDS)?,
        base: entry.string("base", DIGEST)?,
        request: entry.string("request", DIGEST)?,
        remove: entry.strings("remove", WORDS)?,
        hold: entry.strings("hold", WORDS)?,
        manual: entry.strings("manual", WORDS)?,
        package: packages(entry, is_strict, repositories)?,
    })
}

fn module(entry: &mut Entry<'_, '_>, is_strict: bool, repositories: &BTreeSet<&str>) -> Result<LockedModule> {
    Ok(LockedModule {
        name: entry.string("name", WORDS)?,
        version: entry.string("version", WORDS)?,
        profiles: entry.strings("profiles", WORDS)?,
        kernel: entry.string("kernel", WORDS)?,
        kernel_version: entry.string("kernel_version", WORDS)?,
        zfs: entry.string("zfs", WORDS)?,
        compiler: entry.string("compiler", WORDS)?,
        machine: entry.string("machine", WORDS)?,
        file: entry.string("file", BELOW)?,
        url: entry.get("url").map(|value| entry.as_string(value, "url", WORDS)).transpose()?,
        size: entry.number("size")?,
        sha256: entry.string("sha256", DIGEST)?,
        package: packages(entry, is_strict, repositories)?,
    })
}

fn packages(
    entry: &mut Entry<'_, '_>,
    is_strict: bool,
    repositories: &BTreeSet<&str>,
) -> Result<Vec<LockedPackage>> {
    let read = |entry: &mut Entry<'_, '_>| {
        let package = package(entry)?;
        if repositories.contains(package.repository.as_str()) {
            return Ok(package);
        }
        let LockedPackage { name, repository, .. } = package;
        entry.wrong(Mistake::UnknownRepository { package: name, repository })
    };
    let key = |package: &LockedPackage| format!("{}:{}", package.name, package.architecture);
    entry.entries("package", is_strict, "package", key, read)
}

fn package(entry: &mut Entry<'_, '_>) -> Result<LockedPackage> {
    Ok(LockedPackage {
        name: entry.string("name", WORDS)?,
        version: entry.string("version", WORDS)?,
        architecture: entry.string("architecture", WORDS)?,
        repository: entry.string("repository", WORDS)?,
        file: entry.string("file", BELOW)?,
        size: entry.number("size")?,
        sha256: entry.string("sha256", DIGEST)?,
        reason: entry.string("reason", WORDS)?,
    })
}

/// A table of the lock, out of which keys are taken.
struct Entry<'a, 'i> {
    text: &'a str,
    name: &'static str,
    /// Where the table begins, in bytes.
    at: usize,
    table: &'a DeTable<'i>,
    known: Vec<&'static str>,
}

impl<'a, 'i> Entry<'a, 'i> {
    fn wrong_at<T>(&self, at: usize, mistake: Mistake) -> Result<T> {
        let (line, column) = position(self.text, at);
        Err(LockError::Invalid { line, column, mistake })
    }

    /// Something is wrong with the entry as a whole.
    fn wrong<T>(&self, mistake: Mistake) -> Result<T> {
        self.wrong_at(self.at, mistake)
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.known.push(key);
        self.table.get(key)
    }

    fn require(&mut self, key: &'static str) -> Result<&'a Spanned<DeValue<'i>>> {
        match self.get(key) {
            Some(value) => Ok(value),
            None => self.wrong(Mistake::MissingKey { table: self.name, key }),
        }
    }

    fn wrong_type<T>(&self, value: &Spanned<DeValue<'i>>, key: &str, expected: &'static str) -> Result<T> {
        self.wrong_at(value.span().start, Mistake::WrongType { key: key.to_owned(), expected })
    }

    fn as_string(&self, value: &Spanned<DeValue<'i>>, key: &'static str, check: Check) -> Result<String> {
        let DeValue::String(text) = value.get_ref() else { return self.wrong_type(value, key, "a text") };
        let (passes, expected) = check;
        if passes(text) {
            return Ok(text.clone().into_owned());
        }
        let got = text.clone().into_owned();
        self.wrong_at(value.span().start, Mistake::BadValue { key, expected, got })
    }

    fn string(&mut self, key: &'static str, check: Check) -> Result<String> {
        let value = self.require(key)?;
        self.as_string(value, key, check)
    }

    /// A list of texts; one that is empty may be left out.
    fn strings(&mut self, key: &'static str, check: Check) -> Result<Vec<String>> {
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(value) => match value.get_ref() {
                DeValue::Array(list) => list.iter().map(|item| self.as_string(item, key, check)).collect(),
                _ => self.wrong_type(value, key, "a list of texts"),
            },
        }
    }

    fn number(&mut self, key: &'static str) -> Result<u64> {
        let value = self.require(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        number.map_or_else(|| self.wrong_type(value, key, "a whole number"), Ok)
    }

    /// Reads every table of the list `key`, and refuses two of one name.
    fn entries<T>(
        &mut self,
        key: &'static str,
        is_strict: bool,
        what: &'static str,
        name: impl Fn(&T) -> String,
        read: impl Fn(&mut Entry<'a, 'i>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut names = BTreeSet::new();
        self.each(key, is_strict, |entry| {
            let one = read(entry)?;
            let name = name(&one);
            if names.contains(&name) {
                return entry.wrong(Mistake::Duplicate { what, name });
            }
            names.insert(name);
            Ok(one)
        })
    }

    /// Reads every table of the list `key`. A plain table is a list of one.
    fn each<T>(
        &mut self,
        key: &'static str,
        is_strict: bool,
        mut read: impl FnMut(&mut Entry<'a, 'i>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let items: &'a [Spanned<DeValue<'i>>] = match value.get_ref() {
            DeValue::Array(list) => list,
            DeValue::Table(_) => std::slice::from_ref(value),
            _ => return self.wrong_type(value, key, "a list of tables"),
        };
        let mut all = Vec::new();
        for item in items {
            let DeValue::Table(table) = item.get_ref() else {
                return self.wrong_type(item, key, "a list of tables");
            };
            let at = item.span().start;
            let mut entry = Entry { text: self.text, name: key, at, table, known: Vec::new() };
            all.push(read(&mut entry)?);
            entry.finish(is_strict)?;
        }
        Ok(all)
    }

    /// Refuses the keys that nobody asked for.
    fn finish(&self, is_strict: bool) -> Result<()> {
        let is_unknown = |key: &&Spanned<Cow<'_, str>>| !self.known.contains(&key.get_ref().as_ref());
        match self.table.keys().find(is_unknown) {
            Some(key) if is_strict => {
                let name = key.get_ref().as_ref().to_owned();
                self.wrong_at(key.span().start, Mistake::UnknownKey(name))
            }
            _ => Ok(()),
        }
    }
}

/// Line and column in characters of a byte, both from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}
