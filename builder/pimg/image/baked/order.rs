//! Which entry may stand where: each path once, a directory before what is in it, a link behind what it names, and
//! deletions that speak of the base alone.

use std::collections::{HashMap, HashSet};

use super::entry::{Entry, Kind};
use super::error::BakedError;

/// Most bytes of all paths that are remembered: a million files have 100 MB. A deep path counts with all directories above.
const MOST_PATHS: usize = 512 << 20;

/// What was at a path of the layer so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Directory,
    /// What a hard link may name.
    Linkable,
    Gone,
}

/// The entries so far.
#[derive(Debug, Default)]
pub(super) struct Order {
    seen: HashMap<Vec<u8>, Seen>,
    /// Directories whose content was spoken of.
    entered: HashSet<Vec<u8>>,
    /// Bytes of the paths in both.
    kept: usize,
}

impl Order {
    /// Takes one more entry, or says why it may not come here.
    pub(super) fn take(&mut self, entry: &Entry) -> Result<(), BakedError> {
        let path = &entry.path[..];
        let refuse = |problem: &str| Err(BakedError::entry(path, problem));
        if entry.kind == Kind::Opaque {
            if self.seen.get(path) != Some(&Seen::Directory) {
                return refuse("hides what is below it, and is no directory of the layer");
            }
            if self.entered.contains(path) {
                return refuse("hides what is below it behind what the layer has there");
            }
            // the mark counts as content, so that there is no second one
            self.entered.insert(path.to_vec());
            return Ok(());
        }
        if self.seen.contains_key(path) {
            return refuse("is there twice");
        }
        if self.entered.contains(path) {
            return refuse("comes behind what is in it");
        }
        self.enter(path)?;
        if let Kind::HardLink(target) = &entry.kind
            && self.seen.get(target) != Some(&Seen::Linkable)
        {
            return refuse("is a link to what did not come before it");
        }
        let seen = match entry.kind {
            Kind::Directory => Seen::Directory,
            Kind::Whiteout => Seen::Gone,
            _ => Seen::Linkable,
        };
        self.seen.insert(path.to_vec(), seen);
        self.keep(path)
    }

    /// Counts a path that is remembered.
    fn keep(&mut self, path: &[u8]) -> Result<(), BakedError> {
        self.kept += path.len();
        if self.kept > MOST_PATHS {
            return Err(BakedError::entry(
                path,
                format!("is one path too many: all paths may have {MOST_PATHS} bytes"),
            ));
        }
        Ok(())
    }

    /// Notes that the content of all directories above `path` was spoken of.
    fn enter(&mut self, path: &[u8]) -> Result<(), BakedError> {
        let cuts = path.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/').map(|(cut, _)| cut);
        for above in cuts.map(|cut| &path[..cut]) {
            match self.seen.get(above) {
                None | Some(Seen::Directory) => {}
                Some(Seen::Gone) => return Err(BakedError::entry(path, "lies below what the layer deletes")),
                Some(Seen::Linkable) => {
                    return Err(BakedError::entry(path, "lies below what is no directory"));
                }
            }
            if !self.entered.insert(above.to_vec()) {
                break; // and so was all that is above
            }
            self.keep(above)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Kind, Order};
    use crate::plan::change::Ownership;

    fn take(entries: &[(&str, Kind)]) -> Result<(), String> {
        let mut order = Order::default();
        entries.iter().try_for_each(|(path, kind)| {
            let entry = Entry {
                path: path.as_bytes().to_vec(),
                kind: kind.clone(),
                ownership: Ownership::root(0o644),
                mtime: 0,
                xattrs: Vec::new(),
            };
            order.take(&entry).map_err(|error| error.to_string())
        })
    }

    fn link(target: &str) -> Kind {
        Kind::HardLink(target.as_bytes().to_vec())
    }

    #[test]
    fn what_a_bake_writes_is_in_order() {
        use Kind::{Directory, File, Opaque, Whiteout};
        let entries = [
            ("etc/motd", Whiteout),
            ("etc/new", Directory),
            ("etc/new", Opaque),
            ("etc/new/a", File(1)),
            ("etc/new-er", File(1)),
            ("etc/new/b", link("etc/new/a")),
            ("etc/new/c", link("etc/new/b")),
        ];
        assert_eq!(take(&entries), Ok(()));
    }

    /// One deep path is short in an archive and long with all directories above it.
    #[test]
    fn paths_that_would_fill_the_memory_are_refused() {
        let deep = "d/".repeat(2000);
        let entries: Vec<(String, Kind)> =
            (0..400).map(|number| (format!("{number}/{deep}f"), Kind::File(0))).collect();
        let entries: Vec<(&str, Kind)> =
            entries.iter().map(|(path, kind)| (path.as_str(), kind.clone())).collect();
        assert_eq!(take(&entries[..10]), Ok(()));
        assert!(take(&entries).expect_err("too much").contains("one path too many"));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        use Kind::{Directory, File, Opaque, Whiteout};
        let cases: [(&[(&str, Kind)], &str); 11] = [
            (&[("a", File(1)), ("a", File(1))], "twice"),
            (&[("a", Directory), ("a", Whiteout)], "twice"),
            (&[("a/b", File(1)), ("a", Directory)], "behind what is in it"),
            (&[("a/b/c", File(1)), ("a", Whiteout)], "behind what is in it"),
            (&[("a", Whiteout), ("a/b", File(1))], "below what the layer deletes"),
            (&[("a", File(1)), ("a/b/c", File(1))], "no directory"),
            (&[("a", Opaque)], "no directory of the layer"),
            (&[("a", Directory), ("a/b", File(1)), ("a", Opaque)], "behind what the layer has there"),
            (&[("a", Directory), ("a", Opaque), ("a", Opaque)], "behind"),
            (&[("a", link("b")), ("b", File(1))], "did not come before"),
            (&[("a", Directory), ("b", link("a"))], "did not come before"),
        ];
        for (entries, expected) in cases {
            let refused = take(entries).expect_err(expected);
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
