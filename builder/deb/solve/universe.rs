//! The packages there are: those installed and those of the indexes.

use crate::index::Entry;
use crate::policy::Archive;

/// Installed packages and indexes to choose from.
#[derive(Debug)]
pub struct Universe<'a> {
    pub(super) native: String,
    pub(super) foreign: Vec<String>,
    pub(super) installed: Vec<Entry<'a>>,
    pub(super) indexes: Vec<(Archive, Vec<Entry<'a>>)>,
}

impl<'a> Universe<'a> {
    /// A system of the architecture `native` on which those of `foreign` may be installed too.
    pub fn new(native: &str, foreign: &[String]) -> Self {
        Self {
            native: native.to_owned(),
            foreign: foreign.to_vec(),
            installed: Vec::new(),
            indexes: Vec::new(),
        }
    }

    /// Adds stanzas of dpkg's status; those of packages that are not installed do no harm.
    pub fn add_installed(&mut self, entries: Vec<Entry<'a>>) {
        self.installed.extend(entries);
    }

    /// Adds an index, in the order in which apt has its sources: where all else is equal, that order decides.
    pub fn add_index(&mut self, archive: Archive, entries: Vec<Entry<'a>>) {
        self.indexes.push((archive, entries));
    }

    /// The archives in the order in which they were added.
    pub fn archives(&self) -> impl Iterator<Item = &Archive> {
        self.indexes.iter().map(|(archive, _)| archive)
    }
}
