//! Where the changed blocks of a working image live: an unnamed file, so that memory stays small whatever is
//! written into the image, and nothing stays behind whatever happens to the build.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pimg_disk::overlay::{BLOCK_SIZE, Block, BlockStore};

/// Blocks in an unnamed temporary file, one after another.
#[derive(Debug)]
pub struct FileStore {
    file: File,
    /// Where the file has its blocks: all that can be said of it, since it has no name.
    directory: PathBuf,
    slots: Mutex<u32>,
}

impl FileStore {
    /// An empty store in a directory of the host.
    ///
    /// # Errors
    /// The directory cannot be written to.
    pub fn in_directory(directory: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(directory)?;
        Ok(Self { file, directory: directory.to_path_buf(), slots: Mutex::new(0) })
    }

    /// Says where it happened.
    fn failed(&self, error: io::Error) -> io::Error {
        let place = format!("{error} (a work file in `{}`)", self.directory.display());
        io::Error::new(error.kind(), place)
    }
}

fn offset(slot: u32) -> u64 {
    u64::from(slot) * BLOCK_SIZE as u64
}

impl BlockStore for FileStore {
    fn append(&self, blocks: &[Block]) -> io::Result<u32> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *slots;
        let count = u32::try_from(blocks.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let next = first.checked_add(count).ok_or(io::ErrorKind::FileTooLarge)?;
        self.file.write_all_at(blocks.as_flattened(), offset(first)).map_err(|error| self.failed(error))?;
        *slots = next;
        Ok(first)
    }

    fn read_slots(&self, first: u32, blocks: &mut [Block]) -> io::Result<()> {
        self.file.read_exact_at(blocks.as_flattened_mut(), offset(first)).map_err(|error| self.failed(error))
    }

    fn write_slot(&self, slot: u32, block: &Block) -> io::Result<()> {
        self.file.write_all_at(block, offset(slot)).map_err(|error| self.failed(error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::path::Path;
    use std::sync::Mutex;

    use pimg_disk::overlay::{BLOCK_SIZE, BlockStore};

    use super::FileStore;

    #[test]
    fn a_disk_that_is_full_is_named() {
        // Linux' own device for this: every write to it finds no space
        let Ok(file) = OpenOptions::new().read(true).write(true).open("/dev/full") else { return };
        let store = FileStore { file, directory: Path::new("out/work").to_path_buf(), slots: Mutex::new(0) };
        let error = store.append(&[[0; BLOCK_SIZE]]).expect_err("it is full");
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        assert!(error.to_string().ends_with("(a work file in `out/work`)"), "{error}");
    }
}
