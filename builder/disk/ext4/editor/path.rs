//! From a path to a directory and a name in it.

use std::collections::VecDeque;

use super::session::{DIRECTORY, Editor, SYMLINK, conflict};
use crate::ext4::Error;
use crate::ext4::adapter::display;

/// The inode of `/`, by definition.
const ROOT: u32 = 2;
/// As many symbolic links as Linux follows in one path (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// Where the last name of a path lives.
#[derive(Debug)]
pub(super) struct Place {
    /// The inode of the directory.
    pub(super) parent: u32,
    /// The path of that directory without any symbolic link, `/` as an empty one.
    pub(super) parent_path: Vec<u8>,
    /// The last name.
    pub(super) name: Vec<u8>,
}

impl Place {
    /// The path without symbolic links among its parents.
    pub(super) fn canonical(&self) -> Vec<u8> {
        [&self.parent_path[..], b"/", &self.name].concat()
    }
}

/// A directory on the way.
struct Step {
    number: u32,
    path: Vec<u8>,
}

impl Step {
    fn root() -> Self {
        Self { number: ROOT, path: Vec::new() }
    }
}

impl Editor {
    /// Finds the directory that `path` names its last part in.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Conflict`] where a parent is missing or no directory, or where links
    /// go in a circle; [`Error::InvalidValue`] for a path that is not absolute or names no entry.
    pub(super) fn place(&mut self, path: &[u8]) -> Result<Place, Error> {
        let mut names = split(path)?;
        let Some(name) = names.pop_back().filter(|name| !matches!(&name[..], b"." | b"..")) else {
            return Err(Error::InvalidValue(format!("an entry called `{}`", display(path))));
        };
        let directory = self.walk(path, names)?;
        Ok(Place { parent: directory.number, parent_path: directory.path, name })
    }

    /// Follows `names` from the root, symbolic links included.
    fn walk(&mut self, path: &[u8], mut names: VecDeque<Vec<u8>>) -> Result<Step, Error> {
        let mut here = Step::root();
        let mut links = 0_usize;
        while let Some(name) = names.pop_front() {
            if name == b"." {
                continue;
            }
            let found = self.lookup(path, here.number, &name)?;
            let found = found.ok_or_else(|| Error::NotFound { path: display(path) })?;
            match found.kind {
                DIRECTORY => here.enter(found.number, &name),
                SYMLINK => {
                    links = links.saturating_add(1);
                    if links > MAX_LINKS {
                        return Err(conflict(path, "leads through too many symbolic links"));
                    }
                    let target = self.call(path, |fs| fs.read_link_ino(found.number))?;
                    if target.first() == Some(&b'/') {
                        here = Step::root();
                    }
                    for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                        names.push_front(part);
                    }
                }
                _ => return Err(conflict(path, "has a parent that is not a directory")),
            }
        }
        Ok(here)
    }
}

impl Step {
    fn enter(&mut self, number: u32, name: &[u8]) {
        self.number = number;
        if name == b".." {
            let parent_end = self.path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            self.path.truncate(parent_end);
        } else {
            self.path.push(b'/');
            self.path.extend_from_slice(name);
        }
    }
}

/// The names of an absolute path.
fn split(path: &[u8]) -> Result<VecDeque<Vec<u8>>, Error> {
    if path.first() != Some(&b'/') || path.contains(&0) {
        return Err(Error::InvalidValue(format!("the path `{}`, which is not absolute", display(path))));
    }
    let names: VecDeque<_> = parts(path).collect();
    if names.iter().any(|name| name.len() > 255) {
        return Err(Error::InvalidValue(format!("a name of over 255 bytes in `{}`", display(path))));
    }
    Ok(names)
}

fn parts(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_bytes() {
        assert_eq!(split(b"//a/./b/").unwrap(), [b"a".to_vec(), b".".to_vec(), b"b".to_vec()]);
        assert!(split(b"a").is_err());
        assert!(split(b"").is_err());
        assert!(split(b"/a\0b").is_err());
        assert!(split(&[b"/".to_vec(), vec![b'x'; 256]].concat()).is_err());
    }

    #[test]
    fn dot_dot_never_climbs_over_the_root() {
        let mut step = Step::root();
        step.enter(2, b"..");
        step.enter(12, b"usr");
        step.enter(13, b"lib");
        step.enter(12, b"..");
        assert_eq!(step.path, b"/usr");
        step.enter(2, b"..");
        assert_eq!(step.path, b"");
    }
}
