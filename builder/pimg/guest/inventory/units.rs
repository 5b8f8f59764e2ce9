//! Units, by their files and by the links with which systemd remembers what is enabled, masked or called otherwise.
//!
//! Reference: `systemd.unit(5)`.

use std::collections::{BTreeMap, BTreeSet};

use crate::guest::base_files::{BaseFiles, BaseReadError, EntryKind};
use crate::guest::units::{CONFIGURATION, UnitName};
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// Where packages put units.
const PACKAGED: [&str; 2] = ["/usr/lib/systemd/system", "/usr/local/lib/systemd/system"];
/// Directories of dependency links, and what being in one is called.
const DEPENDENCIES: [(&str, &str); 3] =
    [(".wants", "wanted by"), (".requires", "required by"), (".upholds", "upheld by")];

/// How a unit stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether a file of its own says what it is.
    pub has_file: bool,
    /// What links say of it, sorted: `masked`, `wanted by multi-user.target`, `also called sshd.service`.
    pub links: BTreeSet<String>,
}

/// Every unit that has a file or a link, by name.
///
/// # Errors
/// The image cannot be read.
pub fn standing(image: &dyn BaseFiles) -> Result<BTreeMap<String, Standing>, BaseReadError> {
    let mut found: BTreeMap<String, Standing> = BTreeMap::new();
    for directory in PACKAGED {
        for (name, kind) in entries(image, directory)? {
            if matches!(kind, EntryKind::Directory) || UnitName::new(&name).is_err() {
                continue;
            }
            let unit = found.entry(name).or_default();
            match kind {
                // a package may mask a unit of another one, or one of its own
                EntryKind::Symlink(target) if is_mask(&target) => {
                    unit.links.insert("masked".to_owned());
                }
                _ => unit.has_file = true,
            }
        }
    }
    for (name, kind) in entries(image, CONFIGURATION)? {
        let mut say = |unit: &str, words: String| {
            found.entry(unit.to_owned()).or_default().links.insert(words);
        };
        match kind {
            EntryKind::Symlink(target) if is_mask(&target) => say(&name, "masked".to_owned()),
            EntryKind::Symlink(target) => {
                let unit = target.rsplit('/').next().unwrap_or_default();
                say(unit, format!("also called {name}"));
            }
            EntryKind::Directory => {
                let Some((owner, how)) = DEPENDENCIES
                    .iter()
                    .find_map(|(suffix, how)| name.strip_suffix(suffix).map(|owner| (owner, how)))
                else {
                    continue;
                };
                for (unit, _) in entries(image, &format!("{CONFIGURATION}/{name}"))? {
                    say(&unit, format!("{how} {owner}"));
                }
            }
            EntryKind::File if UnitName::new(&name).is_ok() => {
                let unit = found.entry(name).or_default();
                unit.has_file = true;
                // what an operator writes goes before what a package says
                unit.links.remove("masked");
            }
            EntryKind::File | EntryKind::Other => {}
        }
    }
    Ok(found)
}

/// Whether a link to this target says that there is no such unit.
fn is_mask(target: &str) -> bool {
    target == "/dev/null" || target.ends_with("../dev/null")
}

fn entries(image: &dyn BaseFiles, directory: &str) -> Result<Vec<(String, EntryKind)>, BaseReadError> {
    let Ok(path) = GuestPath::new(directory) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for name in image.list(Partition::Root, &path)?.unwrap_or_default() {
        // a name that no path can have is no unit either
        if let Ok(path) = GuestPath::new(format!("{directory}/{name}"))
            && let Some(kind) = image.kind(Partition::Root, &path)?
        {
            found.push((name, kind));
        }
    }
    Ok(found)
}
