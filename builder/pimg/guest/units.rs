//! systemd units: what `[Install]` asks for, as the very links that `systemctl --root` makes.
//!
//! Reference: `systemd.unit(5)`, `systemd.syntax(7)`, `systemctl(1)`. Drop-ins that change `[Install]` are not
//! looked at; no package of Raspberry Pi OS has one.

use std::collections::{BTreeMap, BTreeSet};

use super::base_files::{BaseFiles, EntryKind};
use super::error::Error;
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// Where systemd's own links go.
pub const CONFIGURATION: &str = "/etc/systemd/system";
/// Where units are looked for, the first wins (`systemd.unit(5)`, "Unit File Load Path").
const LOAD_PATH: [&str; 3] = [CONFIGURATION, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];
/// Directories of dependency links, with the key of `[Install]` that fills them.
const DEPENDENCIES: [(&str, &str); 3] =
    [("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds")];

/// One line of a unit file that sets something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Section, without brackets.
    pub section: String,
    /// Key.
    pub key: String,
    /// Value, continuation lines joined by blanks.
    pub value: String,
    /// Line of the file, from 1.
    pub line: usize,
}

/// A unit file, in the order in which it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitFile {
    /// All settings.
    pub settings: Vec<Setting>,
}

/// What is wrong with a unit file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct UnitSyntaxError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Where it is.
    pub path: GuestPath,
    /// Its text.
    pub target: String,
}

/// A unit's name, such as `ssh.service`, `getty@.service` (a template) or `getty@tty1.service` (its instance).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitName {
    prefix: String,
    /// `Some("")` is a template.
    instance: Option<String>,
    suffix: String,
}

impl UnitFile {
    /// Reads a unit file.
    ///
    /// # Errors
    /// The first line that is neither comment, section, setting nor continuation.
    pub fn parse(text: &str) -> Result<Self, UnitSyntaxError> {
        let mut settings: Vec<Setting> = Vec::new();
        let mut section: Option<String> = None;
        let mut continued = false;
        for (line, written) in (1..).zip(text.lines()) {
            let wrong = |why: &str| UnitSyntaxError { line, why: why.to_owned() };
            let trimmed = written.trim();
            if trimmed.starts_with(['#', ';']) || (trimmed.is_empty() && !continued) {
                continue;
            }
            let goes_on = written.ends_with('\\');
            let body = trimmed.trim_end_matches('\\').trim_end();
            if continued {
                let last = settings.last_mut().ok_or_else(|| wrong("continues nothing"))?;
                last.value = format!("{} {body}", last.value).trim_end().to_owned();
            } else if let Some(name) = trimmed.strip_prefix('[') {
                section =
                    Some(name.strip_suffix(']').ok_or_else(|| wrong("a section ends with `]`"))?.to_owned());
                continue;
            } else {
                let (key, value) = body.split_once('=').ok_or_else(|| wrong("is no `key=value`"))?;
                let section = section.clone().ok_or_else(|| wrong("stands before the first section"))?;
                let (key, value) = (key.trim_end().to_owned(), value.trim_start().to_owned());
                settings.push(Setting { section, key, value, line });
            }
            continued = goes_on;
        }
        Ok(Self { settings })
    }

    /// Words of a list setting of `[Install]`; an empty assignment empties the list.
    fn install_list<'a>(&'a self, key: &'a str) -> Vec<&'a str> {
        let mut words = Vec::new();
        for value in self.install_values(key) {
            if value.is_empty() {
                words.clear();
            }
            words.extend(value.split_whitespace());
        }
        words
    }

    fn install_values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let matching = move |setting: &&Setting| setting.section == "Install" && setting.key == key;
        self.settings.iter().filter(matching).map(|setting| setting.value.as_str())
    }
}

impl UnitName {
    /// Takes a name apart.
    ///
    /// # Errors
    /// It is not the name of a unit.
    pub fn new(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Unit { unit: text.to_owned(), why: why.to_owned() };
        let (stem, suffix) =
            text.rsplit_once('.').ok_or_else(|| wrong("its name has no type, such as `.service`"))?;
        let types = [
            "service",
            "socket",
            "device",
            "mount",
            "automount",
            "swap",
            "target",
            "path",
            "timer",
            "slice",
            "scope",
        ];
        if !types.contains(&suffix) {
            return Err(wrong("its name ends with no type of unit"));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if stem.is_empty() || stem.starts_with('@') || !stem.chars().all(allowed) || text.len() > 255 {
            return Err(wrong("its name has a character that no unit's name has"));
        }
        let (prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix.to_owned(), Some(instance.to_owned())),
            None => (stem.to_owned(), None),
        };
        Ok(Self { prefix, instance, suffix: suffix.to_owned() })
    }

    /// Whether it is a template without an instance.
    pub fn is_template(&self) -> bool {
        self.instance.as_deref() == Some("")
    }

    /// The name of the file that describes it: the template's for an instance.
    pub fn file_name(&self) -> String {
        self.with_instance(self.instance.as_ref().map(|_| "")).to_string()
    }

    fn with_instance(&self, instance: Option<&str>) -> Self {
        Self { instance: instance.map(str::to_owned), ..self.clone() }
    }

    /// Specifiers that `[Install]` may use (`systemd.unit(5)`, "Specifiers").
    fn expand(&self, text: &str) -> Option<String> {
        let mut output = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                output.push(character);
                continue;
            }
            match characters.next()? {
                'i' => output.push_str(self.instance.as_deref().unwrap_or_default()),
                'p' => output.push_str(&self.prefix),
                'j' => output.push_str(self.prefix.rsplit('-').next().unwrap_or_default()),
                'n' => output.push_str(&self.to_string()),
                'N' => output.push_str(self.to_string().trim_end_matches(&format!(".{}", self.suffix))),
                '%' => output.push('%'),
                _ => return None,
            }
        }
        Some(output)
    }
}

impl std::fmt::Display for UnitName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.instance {
            Some(instance) => write!(out, "{}@{instance}.{}", self.prefix, self.suffix),
            None => write!(out, "{}.{}", self.prefix, self.suffix),
        }
    }
}

/// The links that enable a unit whose file is known, and the units that its `Also=` names.
///
/// # Errors
/// The unit file asks for something that cannot be linked, or for nothing at all.
pub fn enable_file(
    name: &UnitName,
    path: &GuestPath,
    file: &UnitFile,
) -> Result<(Vec<Link>, Vec<String>), Error> {
    let wrong = |why: String| Error::Unit { unit: name.to_string(), why };
    let also: Vec<String> = file.install_list("Also").into_iter().map(str::to_owned).collect();
    let default = file.install_values("DefaultInstance").last().filter(|value| !value.is_empty());
    let enabled =
        if name.is_template() { name.with_instance(Some(default.unwrap_or_default())) } else { name.clone() };
    let expand = |word: &str| {
        let specifier = || wrong(format!("`{word}` of [Install] has a specifier that is not known here"));
        enabled.expand(word).ok_or_else(specifier)
    };
    let mut links = BTreeSet::new();
    for alias in file.install_list("Alias") {
        let alias = UnitName::new(&expand(alias)?)?;
        if alias.suffix != name.suffix {
            return Err(wrong(format!("its alias `{alias}` is of another type")));
        }
        links.insert(link(&alias.to_string(), path)?);
    }
    for (key, directory) in DEPENDENCIES {
        for dependent in file.install_list(key) {
            if enabled.is_template() {
                return Err(wrong("it is a template: name an instance, such as `x@y.service`".to_owned()));
            }
            let dependent = UnitName::new(&expand(dependent)?)?;
            links.insert(link(&format!("{dependent}.{directory}/{enabled}"), path)?);
        }
    }
    if links.is_empty() && also.is_empty() {
        return Err(wrong("its [Install] section names nothing that could want it".to_owned()));
    }
    Ok((links.into_iter().collect(), also))
}

fn link(below: &str, target: &GuestPath) -> Result<Link, Error> {
    Ok(Link { path: GuestPath::new(format!("{CONFIGURATION}/{below}"))?, target: target.as_str().to_owned() })
}

/// The links that enable a unit of the base, and all that its `Also=` names.
///
/// # Errors
/// It is not there, masked, an alias, or cannot be enabled.
pub fn enable(base: &dyn BaseFiles, name: &str) -> Result<Vec<Link>, Error> {
    let mut links = BTreeSet::new();
    for (unit, (path, file)) in with_also(base, name)? {
        // a unit that is only named by `Also=` of another need not be installable itself
        if unit == name || file.settings.iter().any(|setting| setting.section == "Install") {
            links.extend(enable_file(&UnitName::new(&unit)?, &path, &file)?.0);
        }
    }
    Ok(links.into_iter().collect())
}

/// What must go so that a unit is not started by itself: every link to it below `/etc/systemd/system`, its aliases,
/// and those of all that its `Also=` names. Nothing if the base has no such unit.
///
/// # Errors
/// The base cannot be read.
pub fn disable(base: &dyn BaseFiles, name: &str) -> Result<Vec<GuestPath>, Error> {
    let units = match with_also(base, name) {
        Ok(units) => units.into_keys().collect(),
        Err(Error::Unit { .. }) => vec![name.to_owned()],
        Err(error) => return Err(error),
    };
    let names = units.iter().map(|unit| UnitName::new(unit)).collect::<Result<Vec<_>, _>>()?;
    let is_one = |text: &str| {
        UnitName::new(text).is_ok_and(|found| {
            names
                .iter()
                .any(|name| found == *name || (name.is_template() && found.file_name() == name.to_string()))
        })
    };
    let mut gone = Vec::new();
    for entry in list(base, CONFIGURATION)? {
        let path = GuestPath::new(CONFIGURATION)?.join(&entry)?;
        match base.kind(Partition::Root, &path)? {
            Some(EntryKind::Symlink(target))
                if target.rsplit('/').next().is_some_and(is_one) && !is_one(&entry) =>
            {
                gone.push(path);
            }
            Some(EntryKind::Directory)
                if DEPENDENCIES.iter().any(|(_, dir)| entry.ends_with(&format!(".{dir}"))) =>
            {
                for dependency in list(base, path.as_str())? {
                    if is_one(&dependency) {
                        gone.push(path.join(&dependency)?);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(gone)
}

/// The link that masks a unit: nothing starts it, whoever wants it.
///
/// # Errors
/// It is not the name of a unit.
pub fn mask(name: &str) -> Result<Link, Error> {
    Ok(Link {
        path: GuestPath::new(format!("{CONFIGURATION}/{}", UnitName::new(name)?))?,
        target: "/dev/null".to_owned(),
    })
}

/// Whether the base has a unit file of this name.
///
/// # Errors
/// The base cannot be read.
pub fn exists(base: &dyn BaseFiles, name: &str) -> Result<bool, Error> {
    let file_name = UnitName::new(name)?.file_name();
    for directory in LOAD_PATH {
        if base.kind(Partition::Root, &GuestPath::new(format!("{directory}/{file_name}"))?)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn list(base: &dyn BaseFiles, path: &str) -> Result<Vec<String>, Error> {
    Ok(base.list(Partition::Root, &GuestPath::new(path)?)?.unwrap_or_default())
}

/// A unit of the base and all that `Also=` leads to.
fn with_also(base: &dyn BaseFiles, name: &str) -> Result<BTreeMap<String, (GuestPath, UnitFile)>, Error> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![name.to_owned()];
    while let Some(next) = waiting.pop() {
        if found.contains_key(&next) {
            continue;
        }
        let (path, file) = find(base, &UnitName::new(&next)?)?;
        waiting.extend(file.install_list("Also").into_iter().map(str::to_owned));
        found.insert(next, (path, file));
    }
    Ok(found)
}

/// Where the base keeps a unit file, and what is in it.
fn find(base: &dyn BaseFiles, name: &UnitName) -> Result<(GuestPath, UnitFile), Error> {
    let wrong = |why: String| Error::Unit { unit: name.to_string(), why };
    for directory in LOAD_PATH {
        let path = GuestPath::new(format!("{directory}/{}", name.file_name()))?;
        match base.kind(Partition::Root, &path)? {
            None => {}
            Some(EntryKind::File) => {
                let content = base.read(Partition::Root, &path)?.unwrap_or_default();
                let text = super::inputs::text(path.as_str(), content)?;
                let file = UnitFile::parse(&text).map_err(|error| wrong(format!("`{path}`, {error}")))?;
                return Ok((path, file));
            }
            Some(EntryKind::Symlink(target)) if target == "/dev/null" => {
                return Err(wrong(format!("`{path}` masks it")));
            }
            Some(_) => return Err(wrong(format!("`{path}` is an alias: name the unit itself"))),
        }
    }
    Err(wrong("the base has no unit file of this name".to_owned()))
}
