//! `[[download]]`: files that are no packages, fetched at build time and pinned by digest.

use crate::plan::change::{Ownership, Partition};
use crate::plan::path::GuestPath;
use crate::profile::document::{Keys, Table};
use crate::profile::problem::{Located, Problem};
use crate::profile::values;

use super::layers::locate;
use super::ownership::Owner;
use super::template::Templates;
use super::tree::hidden;

/// One `[[download]]` that applies to the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// The overlay that brings it.
    pub overlay: String,
    /// Its name, of which each host has one only: what the lock and mirrors know it by.
    pub name: String,
    /// Where it is fetched: an `https:` address.
    pub url: String,
    /// SHA-256 of the file, in lower-case hexadecimal. Where it is left out, the lock pins it.
    pub sha256: Option<String>,
    /// Where it goes.
    pub place: Place,
    /// What it is for.
    pub description: Option<String>,
}

/// Where a download goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file itself.
    File {
        /// Its path on the root file system.
        path: GuestPath,
        /// Owner and mode.
        ownership: Ownership,
    },
    /// What is in the archive that it is.
    Unpack {
        /// The directory, on the root file system, that the members go below.
        directory: GuestPath,
        /// How many leading directories of each member are dropped.
        strip: u32,
        /// Owner and group of all members, and the mode of directories that the archive does not list.
        ownership: Ownership,
    },
}

/// A download as an overlay writes it: address and digest are templates.
#[derive(Clone, Debug)]
pub(crate) struct DownloadRule {
    pub(crate) name: Located<String>,
    pub(crate) when: Option<Located<String>>,
    url: Located<String>,
    sha256: Option<Located<String>>,
    place: Place,
    description: Option<String>,
}

impl DownloadRule {
    pub(crate) fn read(table: Table, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut keys = Keys::new(table, problems);
        let at = keys.place();
        let name = keys.text("name");
        let when = keys.text("when");
        let [url, sha256, description] = ["url", "sha256", "description"].map(|key| keys.text(key));
        let [path, unpack] = ["path", "unpack"].map(|key| keys.text(key));
        let strip = keys.integer("strip");
        let (owner, seen) = (Owner::take(&mut keys), keys.seen());
        keys.finish();

        if !seen.contains(&"url") {
            problems.push(Problem::at(&at, "needs `url`"));
        }
        let owner = owner.check(problems);
        let mode = owner.mode;
        let owned = |mode| owner.over(Ownership::root(mode));
        let place = match (path, unpack) {
            (Some(path), None) => {
                if let Some(strip) = &strip {
                    problems.push(Problem::at(&strip.place, "goes with `unpack`: nothing is unpacked here"));
                }
                target(path, problems).map(|path| Place::File { path, ownership: owned(0o644) })
            }
            (None, Some(directory)) => {
                if mode.is_some() {
                    problems.push(Problem::at(&at, "has `mode`, but what is unpacked keeps its own"));
                }
                let strip = levels(strip, problems);
                target(directory, problems).map(|directory| Place::Unpack {
                    directory,
                    strip,
                    ownership: owned(0o755),
                })
            }
            (Some(_), Some(unpack)) => {
                problems.push(Problem::at(&unpack.place, "`path` says already where the file goes"));
                None
            }
            (None, None) if seen.contains(&"path") || seen.contains(&"unpack") => None,
            (None, None) => {
                let message =
                    "needs `path`, for the file itself, or `unpack`, the directory for what is in it";
                problems.push(Problem::at(&at, message));
                None
            }
        };
        let Some(name) = name else {
            problems.push(Problem::at(&at, "needs `name`"));
            return None;
        };
        if let Err(error) = values::file_stem(&name.value) {
            problems.push(Problem::at(&name.place, error.0));
        }
        let description = description.map(|text| text.value);
        Some(Self { name, when, url: url?, sha256, place: place?, description })
    }

    /// The download for one host; `None` where problems were found.
    pub(crate) fn render(
        &self,
        overlay: &str,
        templates: &Templates,
        problems: &mut Vec<Problem>,
    ) -> Option<Download> {
        let url = rendered(&self.url, templates, values::https, problems);
        let sha256 = match &self.sha256 {
            Some(text) => Some(rendered(text, templates, digest, problems)?),
            None => None,
        };
        Some(Download {
            overlay: overlay.to_owned(),
            name: self.name.value.clone(),
            url: url?,
            sha256: sha256.filter(|digest| !digest.is_empty()),
            place: self.place.clone(),
            description: self.description.clone(),
        })
    }
}

fn rendered(
    text: &Located<String>,
    templates: &Templates,
    rule: fn(&str) -> values::Checked<String>,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let value = templates.render_value(text).and_then(|value| {
        rule(&value).map_err(|error| match value == text.value {
            true => Problem::at(&text.place, error.0),
            false => Problem::at(&text.place, format!("{}, got `{value}`", error.0)),
        })
    });
    value.map_err(|problem| problems.push(problem)).ok()
}

/// A digest, or nothing where a template has none.
fn digest(text: &str) -> values::Checked<String> {
    if text.is_empty() { Ok(String::new()) } else { values::sha256(text) }
}

/// A place on the root file system that is seen on the node.
fn target(path: Located<String>, problems: &mut Vec<Problem>) -> Option<GuestPath> {
    let problem = match GuestPath::new(path.value) {
        Ok(guest) if guest.as_str() == "/" => "is the whole root file system".to_owned(),
        Ok(guest) if !matches!(locate(&guest), Some((Partition::Root, _))) => {
            "is on the boot partition, which is too small for downloads".to_owned()
        }
        Ok(guest) => match hidden(&guest) {
            None => return Some(guest),
            Some(why) => why,
        },
        Err(error) => error.to_string(),
    };
    problems.push(Problem::at(&path.place, problem));
    None
}

fn levels(strip: Option<Located<i64>>, problems: &mut Vec<Problem>) -> u32 {
    let Some(strip) = strip else { return 0 };
    match u32::try_from(strip.value) {
        Ok(levels @ 0..=16) => levels,
        _ => {
            problems.push(Problem::at(&strip.place, "is a number of directories, from 0 to 16"));
            0
        }
    }
}

/// Why another download cannot have this name.
pub(crate) fn taken(name: &str, earlier: &[Download]) -> Option<String> {
    let found = earlier.iter().find(|download| download.name == name)?;
    Some(format!("overlay `{}` has a download of this name already", found.overlay))
}
