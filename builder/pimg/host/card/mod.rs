//! Cards: disks and files that an image may be written to, what they are, and why one must not be overwritten.
//!
//! A wrong letter in `/dev/sdX` must not cost anybody a disk. So everything that the system knows about a disk is looked
//! at before it is opened for writing, and what cannot be found out counts as a reason to leave it alone.

mod error;
mod macos;
mod open;
mod sysfs;
mod usage;

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

pub use error::CardError;
pub use open::{AlignedBuffer, OpenCard};
pub use sysfs::Disk;

use super::error::HostError;
use super::files::parent;
use usage::Use;

/// Mount points that the operator's machine runs from.
const SYSTEM: [&str; 6] = ["/", "/boot", "/boot/efi", "/boot/firmware", "/usr", "/var"];

/// Something that an image may be written to.
#[derive(Clone, Debug)]
pub struct Card {
    /// As the operator named it.
    pub path: PathBuf,
    /// What is known of a disk; `None` for a file.
    pub disk: Option<Disk>,
    identity: Option<Identity>,
}

/// What tells a file or device from all others, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    /// The number of a device.
    Device(u64),
    /// The device of a file's file system, and its inode.
    File(u64, u64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        let kind = metadata.file_type();
        match kind.is_block_device() || kind.is_char_device() {
            true => Self::Device(metadata.rdev()),
            false => Self::File(metadata.dev(), metadata.ino()),
        }
    }
}

impl Card {
    /// Looks at what the operator named. Nothing is opened or written.
    ///
    /// # Errors
    /// It is neither a disk nor a file, or cannot be looked at.
    pub fn look(path: &Path) -> Result<Self, CardError> {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::new_file(path),
            Err(error) => return Err(HostError::file("look at", path)(error).into()),
        };
        let (kind, identity) = (metadata.file_type(), Identity::of(&metadata));
        let disk = if cfg!(target_os = "macos") && (kind.is_block_device() || kind.is_char_device()) {
            Some(macos::look(path)?)
        } else if kind.is_block_device() {
            Some(sysfs::look(path, metadata.rdev())?)
        } else if kind.is_file() {
            None
        } else {
            return Err(CardError::NotADisk(path.to_path_buf()));
        };
        Ok(Self { path: path.to_path_buf(), disk, identity: Some(identity) })
    }

    /// A file that is not there yet. A device that is not there is a slip of the pen, and no place for a file.
    fn new_file(path: &Path) -> Result<Self, CardError> {
        let directory = std::path::absolute(parent(path)).map_err(HostError::file("find", path))?;
        if directory.starts_with("/dev") {
            return Err(CardError::NoDevice(path.to_path_buf()));
        }
        if !directory.is_dir() {
            return Err(HostError::file("find", &directory)(io::ErrorKind::NotFound.into()).into());
        }
        Ok(Self { path: path.to_path_buf(), disk: None, identity: None })
    }

    /// What it is, for a person to recognise: `SanDisk Ultra, serial 4C53…`. Empty where nothing is known.
    pub fn description(&self) -> String {
        let Some(disk) = &self.disk else { return String::new() };
        let serial = disk.serial.as_ref().map(|serial| format!("serial {serial}"));
        let backing = disk.backing.as_ref().map(|file| format!("of `{}`", file.display()));
        let known = [disk.model.clone(), serial, backing];
        known.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Whether `path` is this card, or the file behind it.
    fn is(&self, path: &Path) -> bool {
        let identity = |path: &Path| std::fs::metadata(path).ok().map(|metadata| Identity::of(&metadata));
        let other = identity(path);
        let backing = self.disk.as_ref().and_then(|disk| identity(disk.backing.as_deref()?));
        other.is_some() && (other == self.identity || other == backing)
    }

    /// Refuses a disk that is in use, that the system runs from, that is no whole disk, or that is built in and not
    /// among those that the operator named a second time.
    fn judge(&self, confirmed: &[PathBuf]) -> Result<(), CardError> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let path = self.path.clone();
        if let Some(whole) = &disk.partition_of {
            return Err(CardError::Partition { path, whole: whole.clone() });
        }
        let of_system =
            |used: &&Use| matches!(used, Use::Mounted { at, .. } if SYSTEM.contains(&at.as_str()));
        if let Some(used) = disk.uses.iter().find(of_system) {
            return Err(CardError::System { path, used: used.clone() });
        }
        if let Some(used) = disk.uses.first() {
            return Err(CardError::InUse { path, used: used.clone() });
        }
        if disk.size == 0 {
            return Err(CardError::Empty(path));
        }
        if disk.read_only {
            return Err(CardError::Locked(path));
        }
        if !disk.removable && !confirmed.iter().any(|confirmed| self.is(confirmed)) {
            return Err(CardError::BuiltIn { path, description: self.description() });
        }
        Ok(())
    }
}

/// Looks at all that the operator named. `confirmed` is what was named a second time, `image` the file that is to be
/// written. What one card is refused for keeps all of them as they are.
///
/// # Errors
/// The first that must not be overwritten, or is named twice; something that was confirmed and is none of them.
pub fn look_at_all(
    paths: &[PathBuf],
    confirmed: &[PathBuf],
    image: Option<&Path>,
) -> Result<Vec<Card>, CardError> {
    let mut cards: Vec<Card> = Vec::new();
    for path in paths {
        let card = Card::look(path)?;
        let is_same = |other: &&Card| other.path == card.path || other.is(path);
        if let Some(other) = cards.iter().find(is_same) {
            return Err(CardError::Twice { path: path.clone(), other: other.path.clone() });
        }
        if image.is_some_and(|image| card.is(image)) {
            return Err(CardError::IsTheImage(path.clone()));
        }
        card.judge(confirmed)?;
        cards.push(card);
    }
    match confirmed.iter().find(|path| !cards.iter().any(|card| card.is(path))) {
        Some(path) => Err(CardError::NotNamed(path.clone())),
        None => Ok(cards),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Card, CardError, Disk, Use, look_at_all};

    fn card(disk: Disk) -> Card {
        Card { path: "/dev/sdx".into(), disk: Some(disk), identity: None }
    }

    fn stick() -> Disk {
        let (model, serial) = (Some("Ultra".to_owned()), Some("4C53".to_owned()));
        Disk { size: 1 << 30, model, serial, removable: true, ..Disk::default() }
    }

    #[test]
    fn every_reason_to_leave_a_disk_alone() {
        let mounted = |at: &str| Use::Mounted { device: "sdx2".into(), at: at.into() };
        assert!(card(stick()).judge(&[]).is_ok());
        let refused = |disk: Disk| card(disk).judge(&[]).expect_err("must not be overwritten").to_string();
        for (disk, words) in [
            (Disk { uses: vec![mounted("/media/op/x"), mounted("/boot")], ..stick() }, "runs from it"),
            (Disk { uses: vec![mounted("/media/op/x")], ..stick() }, "`sdx2` is mounted at `/media/op/x`"),
            (Disk { uses: vec![Use::Swap { device: "sdx3".into() }], ..stick() }, "`sdx3` is swap space"),
            (Disk { partition_of: Some("/dev/sdy".into()), ..stick() }, "is a partition of `/dev/sdy`"),
            (Disk { size: 0, ..stick() }, "there is no card in"),
            (Disk { read_only: true, ..stick() }, "write-protected"),
            (Disk { removable: false, ..stick() }, "(Ultra, serial 4C53) is no removable disk"),
        ] {
            let said = refused(disk);
            assert!(said.contains(words), "{words}: {said}");
        }
    }

    #[test]
    fn a_file_is_told_by_what_it_is_and_not_by_its_name() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("image"), "image")?;
        std::os::unix::fs::symlink("image", at("link"))?;
        let look = |paths: &[PathBuf], image: Option<&Path>| look_at_all(paths, &[], image);
        assert!(matches!(look(&[at("link")], Some(&at("image"))), Err(CardError::IsTheImage(_))));
        assert!(matches!(look(&[at("image"), at("link")], None), Err(CardError::Twice { .. })));
        assert!(matches!(look(&[at("new"), at("new")], None), Err(CardError::Twice { .. })));
        assert!(matches!(look(&[at("")], None), Err(CardError::NotADisk(_))), "a directory");
        assert!(look(&[at("new"), at("link")], None)?.iter().all(|card| card.disk.is_none()));
        assert!(look(&[at("no/new")], None).is_err(), "no directory");
        assert!(matches!(look(&["/dev/pimg-no-such".into()], None), Err(CardError::NoDevice(_))));
        let confirmed = look_at_all(&[at("new")], &[at("image")], None);
        assert!(matches!(confirmed, Err(CardError::NotNamed(_))));
        Ok(())
    }
}
