//! Units, by the links with which systemd remembers what is enabled, masked or called otherwise.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::outcome::UnitChange;
use crate::failure::Failure;
use crate::guest::base_files::{BaseFiles, BaseReadError, EntryKind};
use crate::image::base::BaseImage;
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// Where systemd's own links go (`systemd.unit(5)`).
const CONFIGURATION: &str = "/etc/systemd/system";
/// Directories of dependency links, and what being in one is called.
const DEPENDENCIES: [(&str, &str); 3] =
    [(".wants", "wanted by"), (".requires", "required by"), (".upholds", "upheld by")];

/// How units stand: every unit that has a link, and what its links say.
type Standing = BTreeMap<String, BTreeSet<String>>;

/// The units that stand differently, sorted by name.
pub(super) fn compare(a: &BaseImage, b: &BaseImage) -> Result<Vec<UnitChange>, Failure> {
    let (a, b) = (standing(a)?, standing(b)?);
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let said = |side: &Standing, name: &str| -> Vec<String> {
        side.get(name).into_iter().flatten().cloned().collect()
    };
    let changes =
        names.into_iter().map(|name| UnitChange { unit: name.clone(), a: said(&a, name), b: said(&b, name) });
    Ok(changes.filter(|change| change.a != change.b).collect())
}

fn standing(image: &dyn BaseFiles) -> Result<Standing, BaseReadError> {
    let mut found = Standing::new();
    let mut say = |unit: &str, words: String| {
        found.entry(unit.to_owned()).or_default().insert(words);
    };
    for (name, kind) in entries(image, CONFIGURATION)? {
        match kind {
            EntryKind::Symlink(target) if target == "/dev/null" => say(&name, "masked".to_owned()),
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
            EntryKind::File | EntryKind::Other => {}
        }
    }
    Ok(found)
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
