//! Files of the boot partition. FAT keeps no owner and no mode.

use pimg_disk::fat::{self, Volume};

use super::merge;
use super::scope::Scope;
use super::text::{self, Lines};
use crate::command::Context;
use crate::command::outcome::{EntryKind, FileChange, FileSide};
use crate::failure::{Class, Failure};
use crate::guest::secrecy::is_secret_boot_file;
use crate::image::base::BaseImage;
use crate::plan::change::Partition;

/// The files that differ.
pub(super) fn compare(
    a: &BaseImage,
    b: &BaseImage,
    scope: &Scope,
    context: &Context<'_>,
) -> Result<Vec<FileChange>, Failure> {
    let (mut a, mut b) = (a.boot(), b.boot());
    let mut found = Vec::new();
    let mut directories = vec![(String::new(), true, true)];
    while let Some((directory, in_a, in_b)) = directories.pop() {
        context.check_interrupt()?;
        let (left, right) = (list(&mut a, &directory, in_a)?, list(&mut b, &directory, in_b)?);
        let mut below = Vec::new();
        for (left, right) in merge(left, right, |entry| entry.name.as_bytes()) {
            let name = left.as_ref().or(right.as_ref()).map_or("", |entry| entry.name.as_str());
            let path = format!("{directory}/{name}");
            let is_dir =
                |entry: &Option<fat::Entry>| entry.as_ref().is_some_and(|entry| entry.metadata.is_dir);
            if is_dir(&left) || is_dir(&right) {
                below.push((path.clone(), is_dir(&left), is_dir(&right)));
            }
            let (left, right) = (left.map(|entry| side(&entry)), right.map(|entry| side(&entry)));
            if !scope.has_on_boot(&path) {
                continue;
            }
            let differs = match (&left, &right) {
                (Some(left), Some(right)) => differences(left, right, &path, &mut a, &mut b)?,
                _ => Vec::new(),
            };
            if left.is_none() || right.is_none() || !differs.is_empty() {
                let is_content = left.is_none() || right.is_none() || differs.contains(&"content");
                let lines = if is_secret_boot_file(&path) {
                    Lines::Secret
                } else if is_content {
                    lines(&path, (&left, &mut a), (&right, &mut b))?
                } else {
                    Lines::None
                };
                found.push(change(path, left, right, differs, lines));
            }
        }
        directories.extend(below.into_iter().rev());
    }
    Ok(found)
}

fn change(
    path: String,
    mut a: Option<FileSide>,
    mut b: Option<FileSide>,
    differs: Vec<&'static str>,
    lines: Lines,
) -> FileChange {
    let secret = lines == Lines::Secret;
    if secret {
        [&mut a, &mut b].into_iter().flatten().for_each(|side| side.size = None);
    }
    let lines = if let Lines::Unified(text) = lines { Some(text) } else { None };
    FileChange { partition: Partition::Boot, path, a, b, differs, secret, lines }
}

/// The lines of two texts, a missing file being empty.
fn lines<'d>(
    path: &str,
    a: (&Option<FileSide>, &mut Volume<'d>),
    b: (&Option<FileSide>, &mut Volume<'d>),
) -> Result<Lines, Failure> {
    let mut contents = Vec::new();
    for (side, volume) in [a, b] {
        match side.as_ref().map(|side| side.size) {
            None => contents.push(Vec::new()),
            Some(Some(size)) if size <= text::LONGEST => {
                contents.push(volume.read(path, size).map_err(unreadable)?);
            }
            Some(_) => return Ok(Lines::None),
        }
    }
    match contents.as_slice() {
        [a, b] => Ok(text::lines(a, b)),
        _ => Ok(Lines::None),
    }
}

fn list(volume: &mut Volume<'_>, directory: &str, is_there: bool) -> Result<Vec<fat::Entry>, Failure> {
    if !is_there {
        return Ok(Vec::new());
    }
    let path = if directory.is_empty() { "/" } else { directory };
    let mut entries = volume.list(path).map_err(unreadable)?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn side(entry: &fat::Entry) -> FileSide {
    let is_dir = entry.metadata.is_dir;
    FileSide {
        kind: if is_dir { EntryKind::Directory } else { EntryKind::File },
        ownership: None,
        size: (!is_dir).then_some(entry.metadata.len),
        target: None,
        device: None,
        attributes: Vec::new(),
        links: Vec::new(),
    }
}

fn differences(
    left: &FileSide,
    right: &FileSide,
    path: &str,
    a: &mut Volume<'_>,
    b: &mut Volume<'_>,
) -> Result<Vec<&'static str>, Failure> {
    if left.kind != right.kind {
        return Ok(vec!["kind"]);
    }
    if left.size != right.size {
        return Ok(vec!["content"]);
    }
    let Some(size) = left.size else { return Ok(Vec::new()) };
    let is_same = a.read(path, size).map_err(unreadable)? == b.read(path, size).map_err(unreadable)?;
    Ok(if is_same { Vec::new() } else { vec!["content"] })
}

fn unreadable(error: fat::Error) -> Failure {
    Failure::caused_by(Class::Base, "cannot read the boot partition", error)
}
