//! Files of a project that a command writes for the first time: tried before they are written, and all or none.

use std::path::{Path, PathBuf};

use super::shipped;
use crate::failure::{Class, Failure};
use crate::host::files;
use crate::host::new_files::{self, NewFile, Trial};
use crate::overlay::keys::OVERLAY;
use crate::profile::Profiles;
use crate::profile::draft::Draft;
use crate::profile::keys::PROFILE;

/// Longest profile of the base image, in bytes.
const LONGEST: u64 = 1 << 20;

/// The profiles of drafts, and what they need that the project at `dir` does not have.
///
/// # Errors
/// The profiles would not be valid: nothing is written yet.
pub(super) fn of_drafts(dir: &Path, drafts: &[Draft]) -> Result<Vec<NewFile>, Failure> {
    let mut new = Vec::new();
    for (name, text) in drafts.iter().flat_map(Draft::files) {
        new.push(NewFile::text(Path::new("profiles").join(name), text));
    }
    let base = files::read_optional(&dir.join("profiles/raspios.toml"), LONGEST)?;
    let mut trial = new.clone();
    match base {
        Some(bytes) => trial.push(NewFile { path: "profiles/raspios.toml".into(), bytes, executable: false }),
        None => {
            let shipped = shipped::below("profiles/raspios.toml");
            trial.extend(shipped.clone());
            new.extend(shipped);
        }
    }
    let mut overlays: Vec<String> =
        drafts.iter().flat_map(|draft| &draft.overlays).map(|name| format!("overlays/{name}")).collect();
    overlays.sort();
    overlays.dedup();
    for overlay in overlays.iter().filter(|overlay| !dir.join(overlay).exists()) {
        new.extend(shipped::below(overlay));
    }
    // shipped overlays name theirs, too
    for format in [PROFILE, OVERLAY].iter().filter(|format| !dir.join(format.schema_path()).exists()) {
        new.push(NewFile::text(format.schema_path(), format.json_schema()));
    }
    try_out(drafts, &trial, &overlays)?;
    Ok(new)
}

/// Loads the profiles as `pimg check` would.
fn try_out(drafts: &[Draft], files: &[NewFile], overlays: &[String]) -> Result<(), Failure> {
    let trial = Trial::new(files, overlays)?;
    let names: Vec<&str> =
        drafts.iter().flat_map(|draft| &draft.nodes).map(|node| node.name.as_str()).collect();
    let loaded = Profiles::open(trial.path()).and_then(|profiles| profiles.load(&names));
    loaded.map(drop).map_err(|error| Failure::from(error).context("nothing was written"))
}

/// Fails where one of the files is there.
///
/// # Errors
/// The names of those that are.
pub(super) fn require_free(dir: &Path, files: &[NewFile]) -> Result<(), Failure> {
    let taken = new_files::taken(dir, files);
    let Some(first) = taken.first() else { return Ok(()) };
    let more =
        if taken.len() == 1 { String::new() } else { format!(" and {} more of the files", taken.len() - 1) };
    let first = first.strip_prefix(".").unwrap_or(first);
    let message = format!("`{}`{more} are there already: nothing was written", first.display());
    let message = if taken.len() == 1 { message.replace(" are there", " is there") } else { message };
    Err(Failure::new(Class::Profile, message)
        .hint("move them away, or give another directory with `--project DIR`"))
}

/// Writes the files; their paths as a person would write them.
///
/// # Errors
/// Whatever the system reports: nothing is left of them.
pub(super) fn write(dir: &Path, files: &[NewFile]) -> Result<Vec<PathBuf>, Failure> {
    new_files::write_all(dir, files)?;
    let shown = |file: &NewFile| if dir == Path::new(".") { file.path.clone() } else { dir.join(&file.path) };
    Ok(files.iter().map(shown).collect())
}
