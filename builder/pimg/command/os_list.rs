//! The hosts that were built into a directory, and the lists of them for Raspberry Pi Imager beside them.

use std::path::{Path, PathBuf};

use url::Url;

use super::Context;
use crate::failure::{Class, Failure};
use crate::host::files;
use crate::image::manifest;
use crate::image::os_list::{BuiltHost, DOUBLE_CLICK, Entry, ICON, ICON_SVG, LIST, double_click, list};

/// A directory that a build published, and what its manifest says.
pub(super) struct Built {
    pub(super) directory: PathBuf,
    pub(super) host: Result<BuiltHost, serde_json::Error>,
}

/// What builds have published in `out`, in the order of the hosts' names.
///
/// # Errors
/// A directory or file cannot be read.
pub(super) fn built(out: &Path) -> Result<Vec<Built>, Failure> {
    let mut found = Vec::new();
    for directory in files::list_directories(out)? {
        if let Some(text) = files::read_optional(&directory.join("manifest.json"), manifest::LONGEST)? {
            found.push(Built { host: serde_json::from_slice(&text), directory });
        }
    }
    Ok(found)
}

/// Brings the lists in `out` up to what has been built there, with links to this machine's own files, and returns the
/// one that a double click opens; `None` where nothing can be listed. Where `tell`, what is left out is said.
///
/// # Errors
/// Something cannot be read or written.
pub(super) fn refresh(out: &Path, tell: bool, context: &Context<'_>) -> Result<Option<PathBuf>, Failure> {
    let mut tell = tell;
    loop {
        let entries = local_entries(out, context, tell)?;
        tell = false;
        if entries.is_empty() {
            return Ok(None);
        }
        let mut changed = files::write_if_changed(&out.join(ICON), ICON_SVG)?;
        changed |= files::write_if_changed(&out.join(LIST), &list(&entries))?;
        changed |= files::write_if_changed(&out.join(DOUBLE_CLICK), &double_click(&entries))?;
        // another build into `out` may have published meanwhile, and its list been overwritten: look again
        if !changed {
            return Ok(Some(out.join(DOUBLE_CLICK)));
        }
    }
}

fn local_entries(out: &Path, context: &Context<'_>, tell: bool) -> Result<Vec<Entry>, Failure> {
    let icon = file_url(&out.join(ICON))?;
    let mut entries = Vec::new();
    for built in built(out)? {
        let listed = match &built.host {
            Err(error) => Err(format!("its manifest is damaged: {error}")),
            Ok(host) => {
                let image = built.directory.join(&host.image.file);
                let url = file_url(&image)?;
                let is_there = files::length(&image).is_ok_and(|length| length == host.image.size);
                let entry = Entry::new(host, &url, &icon);
                match (is_there, entry) {
                    (false, _) => Err(format!("`{}` is not as its manifest says", image.display())),
                    (true, None) => Err("an older pimg built it".to_owned()),
                    (true, Some(entry)) => Ok(entry),
                }
            }
        };
        match listed {
            Ok(entry) => entries.push(entry),
            Err(why) if tell => {
                let directory = built.directory.display();
                context.reporter.notice(&format!("`{LIST}` leaves out `{directory}`: {why}"));
            }
            Err(_) => {}
        }
    }
    Ok(entries)
}

/// The `file:` address of a path, whatever characters are in it.
fn file_url(path: &Path) -> Result<Url, Failure> {
    let absolute = std::path::absolute(path).ok();
    absolute.and_then(|absolute| Url::from_file_path(absolute).ok()).ok_or_else(|| {
        Failure::new(Class::Host, format!("`{}` cannot be made an absolute path", path.display()))
    })
}
