//! Several new files at once: all of them, or none. A file that is there is never touched.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::HostError;

/// A file that is to be made.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// Its path below the directory.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Whether it may be executed.
    pub executable: bool,
}

impl NewFile {
    /// A text file.
    pub fn text(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), bytes: text.into().into_bytes(), executable: false }
    }
}

/// Those of the files that are there already, links that lead nowhere among them.
pub fn taken(dir: &Path, files: &[NewFile]) -> Vec<PathBuf> {
    let paths = files.iter().map(|file| dir.join(&file.path));
    paths.filter(|path| path.symlink_metadata().is_ok()).collect()
}

/// Makes the files below `dir`, with the directories that they need.
///
/// # Errors
/// One is there already, and whatever the system reports: then what was made is removed again.
pub fn write_all(dir: &Path, files: &[NewFile]) -> Result<(), HostError> {
    let (mut made, mut directories) = (Vec::new(), Vec::new());
    let written = files.iter().try_for_each(|file| {
        let path = dir.join(&file.path);
        make_directory(&super::files::parent(&path), &mut directories)?;
        let created = create(&path, file.executable).map_err(HostError::file("create", &path))?;
        made.push(path.clone());
        fill(created, &file.bytes).map_err(HostError::file("write", &path))
    });
    if written.is_err() {
        for path in made.iter().rev() {
            let _ = std::fs::remove_file(path);
        }
        // only empty ones go
        for directory in directories.iter().rev() {
            let _ = std::fs::remove_dir(directory);
        }
    }
    written
}

fn create(path: &Path, executable: bool) -> io::Result<File> {
    let mode = if executable { 0o755 } else { 0o644 };
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a directory and those above it; notes what was new.
fn make_directory(dir: &Path, made: &mut Vec<PathBuf>) -> Result<(), HostError> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(above) = dir.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_directory(above, made)?;
    }
    DirBuilder::new().create(dir).map_err(HostError::file("create", dir))?;
    made.push(dir.to_path_buf());
    Ok(())
}

/// A directory that looks like a project, to try files in. It vanishes with this value.
#[derive(Debug)]
pub struct Trial(TempDir);

impl Trial {
    /// Makes one with these files and empty directories.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn new(files: &[NewFile], directories: &[String]) -> Result<Self, HostError> {
        let dir =
            tempfile::tempdir().map_err(HostError::file("create a directory in", &std::env::temp_dir()))?;
        write_all(dir.path(), files)?;
        for name in directories {
            make_directory(&dir.path().join(name), &mut Vec::new())?;
        }
        Ok(Self(dir))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

#[cfg(test)]
mod tests {
    use super::{NewFile, taken, write_all};

    #[test]
    fn all_or_none() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let files = [NewFile::text("a/b/x", "1"), NewFile::text("y", "2"), NewFile::text("z/w", "3")];
        std::fs::write(dir.path().join("z"), "in the way")?;
        assert!(write_all(dir.path(), &files).is_err());
        assert_eq!(std::fs::read_dir(dir.path())?.count(), 1, "nothing is left but what was there");
        std::fs::write(dir.path().join("y"), "mine")?;
        assert_eq!(taken(dir.path(), &files), [dir.path().join("y")]);
        assert!(write_all(dir.path(), &files[..2]).is_err());
        assert_eq!(std::fs::read(dir.path().join("y"))?, b"mine");
        assert!(!dir.path().join("a").exists());
        Ok(())
    }
}
