//! All that is printed during a bake, in a file; it stays where a bake fails.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::host::error::HostError;

/// How many lines an error shows.
const SHOWN: usize = 12;

pub(super) struct Log {
    path: PathBuf,
    state: RefCell<(File, Vec<String>)>,
}

impl Log {
    /// Begins a new one.
    pub(super) fn new(path: &Path) -> Result<Self, HostError> {
        let file = File::create(path).map_err(HostError::file("create", path))?;
        Ok(Self { path: path.to_owned(), state: RefCell::new((file, Vec::new())) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn line(&self, line: &str) {
        let (file, last) = &mut *self.state.borrow_mut();
        // a full disk takes the log away, and then the bake itself
        let _ = writeln!(file, "{line}");
        if !line.trim().is_empty() {
            last.push(line.chars().filter(|c| !c.is_control()).take(200).collect());
        }
        if last.len() > SHOWN {
            last.remove(0);
        }
    }

    pub(super) fn last_lines(&self) -> Vec<String> {
        self.state.borrow().1.clone()
    }

    /// A bake that worked needs none.
    pub(super) fn remove(&self) -> Result<(), HostError> {
        std::fs::remove_file(&self.path).map_err(HostError::file("remove", &self.path))
    }
}
