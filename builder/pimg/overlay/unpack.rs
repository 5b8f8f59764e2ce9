//! Turns a download into changes: the file itself, or the members of a tar archive.
//!
//! An archive is checked as a whole before anything of it counts: no member leaves the directory that it is unpacked
//! into, none is written through a link, and none is anything but a file, a directory or a link inside.

use std::collections::BTreeMap;
use std::io::{self, Read};

use tar::{Archive, Entry, EntryType};

use crate::plan::change::{Action, Change, Content, Origin, Ownership};
use crate::plan::path::GuestPath;

use super::downloads::{Download, Place};
use super::error::Error;

/// Most members of an archive, links and directories among them.
const MOST_MEMBERS: usize = 50_000;

/// Most bytes that all files of an archive may have, and also the tar inside it.
const LARGEST: u64 = 256 << 20;

/// What is left of a member's permission bits: no set-id, and nothing that others may write.
const PERMISSIONS: u16 = 0o755;

/// The changes that put a download into an image, sorted by path.
///
/// # Errors
/// It is no tar archive that could be unpacked safely, and that has anything in it.
pub fn unpack(download: &Download, bytes: &[u8]) -> Result<Vec<Change>, Error> {
    let origin =
        Origin::Overlay { overlay: download.overlay.clone(), file: format!("download {}", download.name) };
    match &download.place {
        Place::File { path, ownership } => {
            let action = Action::PutFile { content: Content::bytes(bytes), ownership: *ownership };
            Ok(vec![Change::root(path.clone(), action, origin).shared()])
        }
        Place::Unpack { directory, strip, ownership } => {
            let mut members =
                Members { directory, strip: *strip, ownership: *ownership, bytes: 0, found: BTreeMap::new() };
            let read = members.read(bytes);
            let members =
                read.map(|()| members.found).map_err(|message| Error::unpacking(download, message))?;
            let change = |(path, action)| Change::root(path, action, origin.clone()).shared();
            Ok(members.into_iter().map(change).collect())
        }
    }
}

struct Members<'d> {
    directory: &'d GuestPath,
    strip: u32,
    ownership: Ownership,
    /// Bytes of all files so far.
    bytes: u64,
    found: BTreeMap<GuestPath, Action>,
}

impl Members<'_> {
    fn read(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut archive = Archive::new(opened(bytes)?.take(LARGEST + 1));
        let entries = archive.entries().map_err(|error| no_tar(&error))?;
        for (count, entry) in entries.enumerate() {
            let mut entry = entry.map_err(|error| no_tar(&error))?;
            if count >= MOST_MEMBERS {
                return Err(format!("it has more than {MOST_MEMBERS} members"));
            }
            self.grow(entry.size())?;
            self.member(&mut entry)?;
        }
        // the checksum of a compressed archive is behind the end of the tar
        io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|error| no_tar(&error))?;
        if self.found.is_empty() {
            return Err(format!("nothing is in it below {} leading directories", self.strip));
        }
        self.check_parents()
    }

    /// Counts what a member holds, before any of it is read.
    fn grow(&mut self, bytes: u64) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > LARGEST {
            return Err(format!("what is in it has more than {} MiB", LARGEST >> 20));
        }
        Ok(())
    }

    fn member(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<(), String> {
        let kind = entry.header().entry_type();
        // comments for all members, such as the commit in archives that `git archive` makes
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let name = text(&entry.path_bytes())?;
        let Some(path) = self.place(&name)? else { return Ok(()) };
        let mode = entry.header().mode().map_err(|error| no_tar(&error))?;
        let mode = u16::try_from(mode & u32::from(PERMISSIONS)).unwrap_or(PERMISSIONS);
        let ownership = Ownership { mode, ..self.ownership };
        let action = match kind {
            EntryType::Directory => Action::MakeDir { ownership },
            // sparse files are left out: one can be of any size, whatever the archive's own
            EntryType::Regular | EntryType::Continuous => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).map_err(|error| no_tar(&error))?;
                Action::PutFile { content: Content::bytes(content), ownership }
            }
            EntryType::Symlink => Action::Symlink { target: self.link(&name, &path, entry)? },
            EntryType::Link => self.hard_link(&name, entry)?,
            _ => return Err(format!("member `{name}` is neither a file nor a directory nor a link")),
        };
        let earlier = self.found.get(&path);
        if earlier.is_some_and(|earlier| !is_directory(earlier) || !is_directory(&action)) {
            return Err(format!("member `{name}` is in it twice"));
        }
        self.found.insert(path, action);
        Ok(())
    }

    /// Where a member goes; `None` for the directories that are dropped.
    fn place(&self, name: &str) -> Result<Option<GuestPath>, String> {
        if name.starts_with('/') {
            return Err(format!("member `{name}` has an absolute path"));
        }
        let mut parts: Vec<&str> = Vec::new();
        for part in name.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part == ".." {
                return Err(format!("member `{name}` leaves the directory"));
            }
            parts.push(part);
        }
        let kept = usize::try_from(self.strip).ok().and_then(|strip| parts.get(strip..)).unwrap_or_default();
        if kept.is_empty() {
            return Ok(None);
        }
        let mut path = self.directory.clone();
        for part in kept {
            path =
                path.join(part).map_err(|_| format!("member `{name}` has a name that no file can have"))?;
        }
        Ok(Some(path))
    }

    /// The text of a symbolic link that stays inside.
    fn link(&self, name: &str, path: &GuestPath, entry: &Entry<'_, impl Read>) -> Result<String, String> {
        let target =
            entry.link_name_bytes().ok_or_else(|| format!("member `{name}` is a link to nothing"))?;
        let target = text(&target)?;
        let below = path.as_str().strip_prefix(self.directory.as_str()).unwrap_or_default();
        let mut depth = below.trim_start_matches('/').matches('/').count();
        let mut leaves = target.is_empty() || target.starts_with('/');
        let mut descended = false;
        for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part == ".." {
                // what lies above `x` in `x/..` is known only where `x` is no link itself
                leaves |= depth == 0 || descended;
                depth = depth.saturating_sub(1);
            } else {
                descended = true;
            }
        }
        if leaves {
            Err(format!("member `{name}` is a link out of the directory, to `{target}`"))
        } else {
            Ok(target)
        }
    }

    /// A hard link becomes a copy of the member that it names, which comes earlier.
    fn hard_link(&mut self, name: &str, entry: &Entry<'_, impl Read>) -> Result<Action, String> {
        let target =
            entry.link_name_bytes().ok_or_else(|| format!("member `{name}` is a link to nothing"))?;
        let target = text(&target)?;
        let path = self.place(&target)?;
        let Some(Action::PutFile { content, ownership }) =
            path.and_then(|path| self.found.get(&path)).cloned()
        else {
            return Err(format!(
                "member `{name}` is a hard link to `{target}`, which is no earlier file of it"
            ));
        };
        self.grow(content.len())?;
        Ok(Action::PutFile { content, ownership })
    }

    /// Adds the directories that the archive does not list, and refuses members below what is no directory.
    fn check_parents(&mut self) -> Result<(), String> {
        let paths: Vec<GuestPath> = self.found.keys().cloned().collect();
        for path in paths {
            let mut parent = path.parent();
            while let Some(at) = parent.filter(|at| at != self.directory && at.is_within(self.directory)) {
                let missing = Action::MakeDir { ownership: self.ownership };
                if !is_directory(self.found.entry(at.clone()).or_insert(missing)) {
                    return Err(format!("`{path}` would be written through `{at}`, which is no directory"));
                }
                parent = at.parent();
            }
        }
        Ok(())
    }
}

fn is_directory(action: &Action) -> bool {
    matches!(action, Action::MakeDir { .. })
}

fn text(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control));
    text.map(str::to_owned).ok_or_else(|| {
        format!("a member's name is no text: `{}`", String::from_utf8_lossy(bytes).escape_debug())
    })
}

fn no_tar(error: &io::Error) -> String {
    format!("it is no whole tar archive: {error}")
}

/// The tar in an archive, whose kind its first bytes tell.
fn opened<'b>(bytes: &'b [u8]) -> Result<Box<dyn Read + 'b>, String> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(flate2::read::MultiGzDecoder::new(bytes)));
    }
    if bytes.starts_with(b"\xfd7zXZ\0") {
        return Ok(Box::new(liblzma::read::XzDecoder::new_multi_decoder(bytes)));
    }
    // POSIX ustar and GNU tar both have it there
    if bytes.get(257..262) == Some(b"ustar") {
        return Ok(Box::new(bytes));
    }
    let what = if bytes.starts_with(b"PK") { "a zip archive" } else { "something else" };
    Err(format!("it is neither `.tar`, `.tar.gz` nor `.tar.xz`, but {what}"))
}
