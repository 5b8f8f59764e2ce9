//! A large file for a person, which appears whole or not at all; and reading one.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::HostError;
use super::files::{open, parent, sync_dir};

/// A file that has its name once it is finished.
#[derive(Debug)]
pub struct WholeFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    /// Begins a file that is to be `path`. Directories that are missing are made.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn create(path: &Path) -> Result<Self, HostError> {
        let dir = parent(path);
        std::fs::create_dir_all(&dir).map_err(HostError::file("create", &dir))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".pimg-").permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        let file = builder.tempfile_in(&dir).map_err(HostError::file("create a file in", &dir))?;
        Ok(Self { file, path: path.to_path_buf() })
    }

    /// Gives it its name, in place of what was there, once it is safely on the disk.
    ///
    /// # Errors
    /// Whatever the system reports; what was there is as it was.
    pub fn finish(self) -> Result<(), HostError> {
        self.file.as_file().sync_all().map_err(HostError::file("flush", &self.path))?;
        self.file.persist(&self.path).map_err(|error| HostError::file("write", &self.path)(error.error))?;
        sync_dir(&parent(&self.path))
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opens a file for reading, and refuses a pipe.
///
/// # Errors
/// It is not there, may not be read, or is none.
pub fn open_file(path: &Path) -> Result<File, HostError> {
    open(path).map_err(HostError::file("open", path))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::WholeFile;

    #[test]
    fn a_file_that_is_given_up_leaves_what_was_there() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("new/layer.tar");
        for (content, is_finished, expected) in
            [("one", true, "one"), ("two", false, "one"), ("three", true, "three")]
        {
            let mut file = WholeFile::create(&path)?;
            file.write_all(content.as_bytes())?;
            if is_finished {
                file.finish()?;
            } else {
                drop(file);
            }
            assert_eq!(std::fs::read_to_string(&path)?, expected);
            assert_eq!(std::fs::read_dir(dir.path().join("new"))?.count(), 1);
        }
        Ok(())
    }
}
