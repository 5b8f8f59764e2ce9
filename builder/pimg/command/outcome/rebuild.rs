//! What `pimg verify --rebuild` found.

use std::path::PathBuf;

use serde::Serialize;

use super::DiffOutcome;
use crate::failure::Class;

/// `pimg verify --rebuild`
#[derive(Clone, Debug, Serialize)]
pub struct RebuildOutcome {
    /// The image.
    pub image: PathBuf,
    /// The profile that it was built from again.
    pub profile: String,
    /// The files that a build makes, the image first.
    pub files: Vec<ComparedFile>,
    /// Inputs that are others than the manifest says.
    pub inputs: Vec<DifferentInput>,
    /// Changes to the base that are others than the manifest says.
    pub changes: Vec<DifferentChange>,
    /// In what the image differs.
    pub difference: Option<Difference>,
}

/// A file that a build makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComparedFile {
    /// Its name.
    pub file: String,
    /// Whether it has the same bytes; nothing where it is not beside the image.
    pub identical: Option<bool>,
}

/// An input of a build that is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DifferentInput {
    /// Which.
    pub input: &'static str,
    /// What it was: a digest, a version, a name.
    pub was: String,
    /// What it is.
    pub is: String,
}

/// A change to the base that is not as the manifest says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DifferentChange {
    /// `boot` or `root`.
    pub partition: String,
    /// The path on that partition.
    pub path: String,
    /// `differs`, `only in this image` or `only in the rebuilt image`.
    pub how: &'static str,
    /// Where the change comes from.
    pub origin: String,
}

/// In what two images differ.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The first byte of the files that differs.
    pub offset: u64,
    /// The first byte of the raw images that differs; nothing where they are equal or cannot be read.
    pub raw_offset: Option<u64>,
    /// What is there.
    pub place: Option<DifferencePlace>,
    /// Why the image cannot be read at all.
    pub unreadable: Option<String>,
    /// What of files, packages and units differs: `a` is the image, `b` the rebuilt one.
    pub diff: Option<DiffOutcome>,
}

/// What is at a byte of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DifferencePlace {
    /// The partition, or what is in front of it.
    pub region: &'static str,
    /// The file whose contents are there.
    pub file: Option<String>,
}

impl RebuildOutcome {
    /// The class of the failure, where the image is not what its inputs make.
    ///
    /// What lies beside an identical image may differ only where an input tells why: a lock that has grown since has
    /// another digest.
    pub fn failed(&self) -> Option<Class> {
        let differs = self.files.iter().any(|file| file.identical == Some(false));
        (self.difference.is_some() || differs && self.inputs.is_empty()).then_some(Class::Trust)
    }
}

#[cfg(test)]
mod tests {
    use super::{ComparedFile, DifferentInput, RebuildOutcome};
    use crate::failure::Class;

    #[test]
    fn a_file_beside_the_image_may_differ_where_an_input_tells_why() {
        let file = |identical| ComparedFile { file: "manifest.json".to_owned(), identical };
        let mut outcome = RebuildOutcome {
            image: "x.img".into(),
            profile: "x".to_owned(),
            files: vec![file(Some(true)), file(None)],
            inputs: Vec::new(),
            changes: Vec::new(),
            difference: None,
        };
        assert_eq!(outcome.failed(), None);
        outcome.files.push(file(Some(false)));
        assert_eq!(outcome.failed(), Some(Class::Trust));
        outcome.inputs.push(DifferentInput { input: "lock", was: "a".to_owned(), is: "b".to_owned() });
        assert_eq!(outcome.failed(), None);
    }
}
