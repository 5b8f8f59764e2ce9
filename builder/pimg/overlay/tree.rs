//! Walks an overlay's directory: what is in it, in sorted order, and nothing that leads out of it.

use std::fs::{FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::plan::change::Partition;
use crate::plan::path::GuestPath;
use crate::profile::document::closest;
use crate::profile::problem::Problem;

/// Where the boot partition is on the node.
pub(crate) const BOOT_MOUNT: &str = "/boot/firmware";

/// Files that keep a directory in git or that a file manager leaves: never part of an image.
pub(crate) const SKIPPED: [&str; 3] = [".gitkeep", ".gitignore", ".DS_Store"];

/// One entry of an overlay.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) partition: Partition,
    /// On its partition, without `.j2`.
    pub(crate) path: GuestPath,
    /// Below the overlay's directory, such as `rootfs/etc/motd.j2`.
    pub(crate) file: String,
    pub(crate) kind: Kind,
}

/// What an entry is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    File { host: PathBuf, len: u64, executable: bool, template: bool },
    Symlink { target: String },
    Directory { empty: bool },
}

impl Entry {
    /// The path as the running node sees it, which is what rules of `overlay.toml` name.
    pub(crate) fn node_path(&self) -> String {
        match (self.partition, self.path.as_str()) {
            (Partition::Root, path) => path.to_owned(),
            (Partition::Boot, path) => format!("{BOOT_MOUNT}{path}"),
        }
    }
}

/// Lists the entries below `rootfs/` and `boot/` of an overlay, each parent before its children.
pub(crate) fn walk(overlay: &str, directory: &Path, problems: &mut Vec<Problem>) -> Vec<Entry> {
    const KNOWN: [&str; 6] = ["rootfs", "boot", "keys", "steps", "overlay.toml", "README.md"];
    let mut entries = Vec::new();
    let mut walk = Walk { overlay, problems };
    for (name, _) in walk.list(directory, "") {
        if !KNOWN.contains(&name.as_str()) && !SKIPPED.contains(&name.as_str()) {
            let hint = match closest(&name, KNOWN) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("an overlay holds `{}`", KNOWN.join("`, `")),
            };
            walk.report(&name, "is no part of an overlay", Some(hint));
        }
    }
    for (top, partition) in [("rootfs", Partition::Root), ("boot", Partition::Boot)] {
        match fs_err::symlink_metadata(directory.join(top)) {
            Ok(found) if found.is_dir() => walk.descend(directory, top, partition, &mut entries),
            Ok(_) => walk.report(top, "is not a directory", None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => walk.report(top, &error.to_string(), None),
        }
    }
    entries
}

struct Walk<'w> {
    overlay: &'w str,
    problems: &'w mut Vec<Problem>,
}

impl Walk<'_> {
    fn report(&mut self, file: &str, what: &str, hint: Option<String>) {
        let shown = file.replace(char::is_control, "\u{fffd}");
        let problem = Problem::new(format!("`overlays/{}/{shown}` {what}", self.overlay));
        self.problems.push(match hint {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        });
    }

    /// Names and kinds in a directory, sorted by bytes.
    fn list(&mut self, directory: &Path, below: &str) -> Vec<(String, FileType)> {
        let mut names = Vec::new();
        let listed = fs_err::read_dir(directory).and_then(|entries| {
            for entry in entries {
                let entry = entry?;
                names.push((entry.file_name(), entry.file_type()?));
            }
            Ok(())
        });
        if let Err(error) = listed {
            self.report(below, &format!("cannot be listed: {error}"), None);
        }
        let mut checked = Vec::new();
        for (name, kind) in names {
            match name.into_string() {
                Ok(name) => checked.push((name, kind)),
                Err(name) => {
                    let file = format!("{below}/{}", name.to_string_lossy());
                    self.report(&file, "has a name that is not UTF-8", None);
                }
            }
        }
        checked.sort_by(|a, b| a.0.cmp(&b.0));
        checked
    }

    fn descend(&mut self, directory: &Path, top: &str, partition: Partition, entries: &mut Vec<Entry>) {
        let Ok(root) = GuestPath::new("/") else { return };
        let mut open = vec![(directory.join(top), top.to_owned(), root)];
        let first = entries.len();
        while let Some((host, file, guest)) = open.pop() {
            let names = self.list(&host, &file);
            let names: Vec<_> =
                names.into_iter().filter(|(name, _)| !SKIPPED.contains(&name.as_str())).collect();
            if guest.as_str() != "/" {
                let kind = Kind::Directory { empty: names.is_empty() };
                entries.push(Entry { partition, path: guest.clone(), file: file.clone(), kind });
            }
            for (name, found) in names {
                let (host, file) = (host.join(&name), format!("{file}/{name}"));
                let template = found.is_file() && name.len() > ".j2".len() && name.ends_with(".j2");
                let name = name.strip_suffix(".j2").filter(|_| template).unwrap_or(&name);
                let path = match guest.join(name) {
                    Ok(path) => path,
                    Err(error) => {
                        self.report(&file, &format!("cannot be in an image: {error}"), None);
                        continue;
                    }
                };
                if let Some(why) = misplaced(partition, &path, name) {
                    self.report(&file, &why, None);
                } else if found.is_dir() {
                    open.push((host, file, path));
                } else if let Some(kind) = self.leaf(&host, &file, &path, partition, found, template) {
                    entries.push(Entry { partition, path, file, kind });
                }
            }
        }
        if let Some(walked) = entries.get_mut(first..) {
            walked.sort_by(|a, b| a.path.cmp(&b.path));
        }
    }

    fn leaf(
        &mut self,
        host: &Path,
        file: &str,
        path: &GuestPath,
        partition: Partition,
        found: FileType,
        template: bool,
    ) -> Option<Kind> {
        if found.is_file() {
            let metadata: Metadata = fs_err::symlink_metadata(host)
                .map_err(|error| self.report(file, &format!("cannot be read: {error}"), None))
                .ok()?;
            let executable = metadata.permissions().mode() & 0o111 != 0;
            return Some(Kind::File { host: host.to_owned(), len: metadata.len(), executable, template });
        }
        if !found.is_symlink() {
            let kind = match () {
                () if found.is_socket() => "a socket",
                () if found.is_fifo() => "a pipe",
                () => "a device",
            };
            self.report(
                file,
                &format!("is {kind}: an overlay has files, directories and symbolic links"),
                None,
            );
            return None;
        }
        if partition == Partition::Boot {
            self.report(file, "is a symbolic link, which FAT does not have", None);
            return None;
        }
        let target = fs_err::read_link(host)
            .map_err(|error| self.report(file, &format!("cannot be read: {error}"), None))
            .ok()?;
        match target.into_os_string().into_string() {
            Ok(target) if !escapes(path, &target) => Some(Kind::Symlink { target }),
            Ok(target) => {
                self.report(file, &format!("leads out of the tree: it points to `{target}`"), None);
                None
            }
            Err(_) => {
                self.report(file, "points to a name that is not UTF-8", None);
                None
            }
        }
    }
}

/// Whether a relative link climbs above the root of its partition. An absolute one is a path on the node.
fn escapes(link: &GuestPath, target: &str) -> bool {
    if target.starts_with('/') {
        return false;
    }
    let mut depth = link.as_str().matches('/').count() - 1;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// Why a path of the root file system would not be seen on the node, or would be written through a link.
pub(crate) fn hidden(path: &GuestPath) -> Option<String> {
    let mut at = Some(path.clone());
    while let Some(here) = at {
        if let Some(why) = misplaced(Partition::Root, &here, here.name()) {
            return Some(why);
        }
        at = here.parent();
    }
    None
}

/// Why a path of the tree would not be seen on the node.
fn misplaced(partition: Partition, path: &GuestPath, name: &str) -> Option<String> {
    if partition == Partition::Boot {
        // the characters that FAT long names cannot have
        let bad = name.chars().find(|c| "\"*:<>?\\|".contains(*c) || c.is_control());
        let bad = bad.is_some() || name.ends_with(['.', ' ']);
        return bad.then(|| "has a name that FAT cannot hold".to_owned());
    }
    let text = path.as_str();
    if text == BOOT_MOUNT {
        return Some(
            "would be hidden by the boot partition: put its files under `boot/` of the overlay".to_owned(),
        );
    }
    if ["/dev", "/proc", "/run", "/sys", "/tmp"].contains(&text) {
        return Some(format!("would not be seen on the node, where something else is mounted at `{text}`"));
    }
    if ["/bin", "/lib", "/sbin"].contains(&text) {
        return Some(format!(
            "would be written through the link `{text}` of Debian: put it under `rootfs/usr{text}`"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{GuestPath, escapes};

    #[test]
    fn links_may_climb_to_the_root_and_no_further() {
        for (link, target, expected) in [
            ("/etc/x", "../usr/y", false),
            ("/etc/x", "../../y", true),
            ("/x", "y", false),
            ("/x", "../y", true),
            ("/a/b/x", "./../../y", false),
            ("/a/b/x", "c/../../../..", true),
            ("/a/x", "/etc/shadow", false),
        ] {
            assert_eq!(escapes(&GuestPath::new(link).expect("valid"), target), expected, "{link} {target}");
        }
    }
}
