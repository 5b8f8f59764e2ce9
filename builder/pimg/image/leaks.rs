//! Secrets in an image that is meant for others.
//!
//! Two questions: does a value that the project knows stand anywhere in the image, in a file or in free space; and does
//! a file outside of packages look like a secret, whoever put it there. A finding names the place and never the value.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use pimg_disk::ext4::{self, Kind, Reader};
use pimg_disk::fat;

use super::base::BaseImage;
use crate::failure::{Class, Failure};
use crate::plan::change::Partition;
use crate::progress::Reporter;
use crate::secret::Secret;

mod marks;

use marks::{Mark, marks};

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// A shorter value, such as `1234`, stands in many files by chance.
pub const SHORTEST: usize = 8;

/// Longest file of the boot partition that is read: FAT has no larger ones.
const LONGEST: u64 = 4 << 30;

/// A value that must not be in the image.
#[derive(Debug)]
pub struct Known {
    /// What it is, such as ``secret `cf_token` ``.
    pub name: String,
    /// The value.
    pub value: Secret,
}

/// A secret in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// Where: a file and its partition, or a place in free space.
    pub place: String,
    /// What it holds.
    pub what: String,
}

/// Everything secret that the image holds.
///
/// # Errors
/// The image cannot be read, or the person asked to stop.
pub fn find(image: &BaseImage, known: &[Known], reporter: &dyn Reporter) -> Result<Vec<Leak>, Failure> {
    let (root, boot) = (image.root().superblock().used_bytes(), image.boot_partition().length);
    let task = reporter.begin("looking for secrets", Some(root + boot + image.device().len()));
    let mut search = Search::new(known, reporter)?;
    search.boot(image, "")?;
    search.root(image.root())?;
    search.device(image)?;
    reporter.finish(task, "");
    Ok(search.found)
}

/// Everything that is looked for.
struct Search<'a> {
    known: &'a [Known],
    marks: Vec<Mark>,
    /// Finds the known values, each by its index, or a part of each.
    values: AhoCorasick,
    /// Finds what secrets look like.
    looks: AhoCorasick,
    longest: usize,
    reporter: &'a dyn Reporter,
    found: Vec<Leak>,
    /// Values that stand in a file.
    known_found: BTreeSet<usize>,
}

/// What of a value is looked for. Of a text of several lines that may have been indented or cut, the longest line; of a
/// key file the line in the middle, since such files of one kind begin alike.
fn needle(value: &[u8]) -> Option<&[u8]> {
    let lines: Vec<&[u8]> = value.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).collect();
    let lines: Vec<&[u8]> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    let line = match lines.first()? {
        first if first.starts_with(b"-----BEGIN ") => *lines.get(lines.len() / 2)?,
        _ => *lines.iter().max_by_key(|line| line.len())?,
    };
    (line.len() >= SHORTEST).then_some(line)
}

impl<'a> Search<'a> {
    fn new(known: &'a [Known], reporter: &'a dyn Reporter) -> Result<Self, Failure> {
        let needles: Vec<&[u8]> =
            known.iter().map(|known| needle(known.value.expose()).unwrap_or(NOTHING)).collect();
        let marks = marks();
        let looks: Vec<&[u8]> = marks.iter().map(|mark| mark.bytes).collect();
        let longest = needles.iter().chain(&looks).map(|needle| needle.len()).max().unwrap_or(1);
        let build = |needles: Vec<&[u8]>| {
            let built = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(needles);
            built.map_err(|error| Failure::caused_by(Class::Internal, "cannot look for secrets", error))
        };
        let (values, looks) = (build(needles)?, build(looks)?);
        Ok(Self {
            known,
            marks,
            values,
            looks,
            longest,
            reporter,
            found: Vec::new(),
            known_found: BTreeSet::new(),
        })
    }

    fn check_interrupt(&self) -> Result<(), Failure> {
        if self.reporter.interrupted() { Err(Failure::interrupted()) } else { Ok(()) }
    }

    fn add(&mut self, place: String, what: String) {
        let leak = Leak { place, what };
        if !self.found.contains(&leak) {
            self.found.push(leak);
        }
    }

    /// The boot partition is small: its files are read whole.
    fn boot(&mut self, image: &BaseImage, directory: &str) -> Result<(), Failure> {
        let unreadable =
            |error: fat::Error| Failure::caused_by(Class::Base, "cannot read the boot partition", error);
        let entries = image.boot().list(directory).map_err(unreadable)?;
        for entry in entries.into_iter().filter(|entry| !matches!(entry.name.as_str(), "." | "..")) {
            let path = format!("{directory}/{}", entry.name);
            if entry.metadata.is_dir {
                self.boot(image, &path)?;
                continue;
            }
            let content = image.boot().read(&path, LONGEST).map_err(unreadable)?;
            self.file(Partition::Boot, &path, &mut |offset, buffer| {
                let rest = content.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            })?;
        }
        Ok(())
    }

    fn root(&mut self, root: &Reader<'_>) -> Result<(), Failure> {
        let unreadable = |path: &str, error: ext4::Error| {
            Failure::caused_by(Class::Base, format!("cannot read `{path}` of the image"), error)
        };
        root.walk(|path, inode| {
            let path = String::from_utf8_lossy(path);
            if inode.kind().map_err(|error| Walk(unreadable(&path, error)))? != Kind::Regular {
                return Ok(());
            }
            let file = root.file(inode.ino).map_err(|error| Walk(unreadable(&path, error)))?;
            let mut read = |offset, buffer: &mut [u8]| {
                file.read_at(offset, buffer).map_err(|error| unreadable(&path, error))
            };
            self.file(Partition::Root, &path, &mut read).map_err(Walk)
        })
        .map_err(|Walk(failure)| failure)
    }

    /// Looks through one file.
    fn file(&mut self, partition: Partition, path: &str, read: &mut Read<'_>) -> Result<(), Failure> {
        let place = || format!("`{path}` ({} partition)", partition.name());
        if let Some(what) = marks::by_path(partition, path) {
            self.add(place(), what.to_owned());
        }
        let is_whole = marks::is_read_whole(partition, path);
        let is_ours = marks::is_ours(partition, path);
        let (mut whole, mut values, mut looks) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        pieces(self.longest, read, &mut |bytes, new| {
            self.check_interrupt()?;
            values.extend(self.values.find_iter(bytes).map(|hit| hit.pattern().as_usize()));
            if is_ours {
                looks.extend(self.looks.find_iter(bytes).map(|hit| hit.pattern().as_usize()));
            }
            if is_whole {
                whole.extend_from_slice(bytes.get(new..).unwrap_or_default());
            }
            Ok(())
        })?;
        for index in values {
            if let Some(known) = self.known.get(index) {
                self.known_found.insert(index);
                self.add(place(), format!("holds {}", known.name));
            }
        }
        for index in looks {
            if let Some(mark) = self.marks.get(index).filter(|mark| path.contains(mark.path)) {
                self.add(place(), mark.what.to_owned());
            }
        }
        if is_whole {
            for what in marks::in_text(path, &String::from_utf8_lossy(&whole)) {
                self.add(place(), what);
            }
        }
        Ok(())
    }

    /// Looks for the known values in what no file has: what was written once and removed is still there.
    fn device(&mut self, image: &BaseImage) -> Result<(), Failure> {
        let device = image.device();
        let unreadable = |error| Failure::caused_by(Class::Host, "cannot read the image", error);
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(range) = device.next_data(at).map_err(unreadable)? {
            let mut read = |offset: u64, buffer: &mut [u8]| {
                let left = range.end - (range.start + offset);
                let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
                device.read_at(range.start + offset, &mut buffer[..count]).map_err(unreadable)?;
                Ok(count)
            };
            let mut read_to = range.start;
            pieces(self.longest, &mut read, &mut |bytes, new| {
                self.check_interrupt()?;
                let start = read_to - new as u64;
                for hit in self.values.find_iter(bytes) {
                    found.push((hit.pattern().as_usize(), start + hit.start() as u64));
                }
                read_to += (bytes.len() - new) as u64;
                Ok(())
            })?;
            at = range.end;
        }
        for (index, at) in found {
            // the places of files are told by name
            if let Some(known) = self.known.get(index).filter(|_| !self.known_found.contains(&index)) {
                self.add(
                    format!("free space at byte {at} of the raw image"),
                    format!("holds {}", known.name),
                );
            }
        }
        Ok(())
    }
}

/// Stands for a value that is not looked for; an empty pattern would be everywhere.
const NOTHING: &[u8] = b"\0pimg: nothing is looked for in place of a value that is too short\0";

/// Reads at an offset as much as there is room for; nothing at the end.
type Read<'a> = dyn FnMut(u64, &mut [u8]) -> Result<usize, Failure> + 'a;

/// Looks through a piece whose first bytes, as many as are told, it has seen before.
type Look<'a> = dyn FnMut(&[u8], usize) -> Result<(), Failure> + 'a;

/// An error on the way through the tree.
struct Walk(Failure);

impl From<ext4::Error> for Walk {
    fn from(error: ext4::Error) -> Self {
        Self(Failure::caused_by(Class::Base, "cannot walk the root file system", error))
    }
}

/// Reads to the end, and gives `look` pieces that overlap, so that nothing of `longest` bytes is cut in two. `look` is
/// told how many bytes at the beginning of a piece it has seen before.
fn pieces(longest: usize, read: &mut Read<'_>, look: &mut Look<'_>) -> Result<(), Failure> {
    let mut buffer = vec![0; PIECE + longest];
    let (mut seen, mut offset) = (0, 0);
    loop {
        let count = read(offset, &mut buffer[seen..])?;
        if count == 0 {
            return Ok(());
        }
        let end = seen + count;
        look(&buffer[..end], seen)?;
        offset += count as u64;
        seen = end.min(longest - 1);
        buffer.copy_within(end - seen..end, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::{needle, pieces};

    #[test]
    fn nothing_is_cut_in_two() {
        let content: Vec<u8> = (0..40_u8).collect();
        for step in [1, 2, 3, 7, 40] {
            let mut seen = 0;
            let mut read = |offset: u64, buffer: &mut [u8]| {
                let rest = &content[usize::try_from(offset).expect("small")..];
                let count = rest.len().min(buffer.len()).min(step);
                buffer[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            };
            let mut all = Vec::new();
            pieces(5, &mut read, &mut |bytes, old| {
                seen += usize::from(bytes.windows(5).any(|window| window == [17, 18, 19, 20, 21]));
                all.extend_from_slice(&bytes[old..]);
                Ok(())
            })
            .expect("memory");
            assert!(seen > 0, "in steps of {step}");
            assert_eq!(all, content);
        }
    }

    #[test]
    fn what_stands_for_a_value() {
        assert_eq!(needle(b"hunter22\n"), Some(&b"hunter22"[..]));
        assert_eq!(needle(b"1234"), None);
        assert_eq!(needle(b""), None);
        assert_eq!(needle(b"a: 1\n  token: abcdef\nb: 2\n"), Some(&b"token: abcdef"[..]));
        let key = b"-----BEGIN OPENSSH PRIVATE KEY-----\nthe same for all of a kind\nits own\xffpart\n-----END-----\n";
        assert_eq!(needle(key), Some(&b"its own\xffpart"[..]));
    }
}
