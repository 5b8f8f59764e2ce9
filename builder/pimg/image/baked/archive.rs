//! A layer as a file: decoded, digested and read in one pass, entry by entry.
//!
//! Nothing of it is kept before all of it was seen: what does not have the digests and the length of the manifest is an
//! error at the end, and the blocks that were made of it go.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use pimg_fetch::digest::HashingReader;
use tar::{Archive, EntryType};

use super::entry::{Entry, Place};
use super::error::BakedError;
use super::layer::LayerFile;
use super::order::Order;
use super::pax;
use crate::progress::Reporter;

/// Bytes that are read from the file at once.
const PIECE: usize = 1 << 20;

/// Gives every entry of the layer to `take`, with its content.
///
/// # Errors
/// The file is not what its manifest says, an entry is none that a layer may hold, or `take` says so.
pub(super) fn walk(
    layer: &LayerFile,
    task: &str,
    reporter: &dyn Reporter,
    mut take: impl FnMut(&Entry, &mut dyn Read) -> Result<(), BakedError>,
) -> Result<(), BakedError> {
    let read_error = |source| BakedError::Read { path: layer.path.clone(), source };
    let file = File::open(&layer.path).map_err(read_error)?;
    let found = file.metadata().map_err(read_error)?.len();
    expect("length in bytes", &layer.size, &found)?;
    let file = BufReader::with_capacity(PIECE, HashingReader::new(file));
    let decoder = zstd::Decoder::with_buffer(file).map_err(read_error)?;
    let failed = Failed::default();
    let decoder = Noting { inner: decoder, failed: Rc::clone(&failed) };
    let task = reporter.begin(task, Some(layer.tar_size));
    let advance = |bytes| {
        reporter.advance(task, bytes);
        if reporter.interrupted() { Err(BakedError::Interrupted) } else { Ok(()) }
    };
    let decoder = read_archive(decoder, layer, advance, |entry, content| {
        take(entry, content).map_err(|error| {
            // whoever takes content that cannot be read takes that for a fault of what it is written to
            failed.borrow_mut().take().map_or(error, read_error)
        })
    })?;
    let mut file = decoder.inner.finish();
    io::copy(&mut file, &mut io::sink()).map_err(read_error)?;
    expect("sha256", &layer.sha256, &file.into_inner().finish().0)?;
    reporter.finish(task, &format!("{} entries", layer.entries));
    Ok(())
}

/// Reads the archive of a layer, decoded, from end to end, and keeps nothing of it: whether it is what its manifest says, and
/// could be applied.
///
/// # Errors
/// It is not, or cannot be read.
pub fn inspect(decoded: impl Read, layer: &LayerFile) -> Result<(), BakedError> {
    read_archive(decoded, layer, |_| Ok(()), |entry, _| entry.place().map(drop)).map(drop)
}

/// The same, for whoever wants to see where entries go to. Digests and the count are not compared.
///
/// # Errors
/// An entry is none that a layer may hold, or there is no archive.
pub fn paths(decoded: impl Read, layer: &LayerFile) -> Result<Vec<Vec<u8>>, BakedError> {
    let mut paths = Vec::new();
    let read = read_archive(
        decoded,
        layer,
        |_| Ok(()),
        |entry, content| {
            paths.push(match entry.place()? {
                Place::Root(path) => path,
                Place::Boot(path) => path.into_bytes(),
                Place::BootMount => b"/".to_vec(),
            });
            let at = |source| BakedError::Read { path: layer.path.clone(), source };
            io::copy(content, &mut io::sink()).map(drop).map_err(at)
        },
    );
    match read {
        Ok(_) | Err(BakedError::Differs { .. }) => Ok(paths),
        Err(error) => Err(error),
    }
}

/// Gives every entry of a decoded archive to `take`, and what was read to `advance`, in bytes. What it was read from comes back.
pub(super) fn read_archive<R: Read>(
    decoded: R,
    layer: &LayerFile,
    mut advance: impl FnMut(u64) -> Result<(), BakedError>,
    mut take: impl FnMut(&Entry, &mut dyn Read) -> Result<(), BakedError>,
) -> Result<R, BakedError> {
    let read_error = |source| BakedError::Read { path: layer.path.clone(), source };
    // a byte more than there should be, so that what is longer is seen and never decoded to its end
    let tar = HashingReader::new(decoded.take(layer.tar_size.saturating_add(1)));
    let mut archive = Archive::new(tar);
    let (mut order, mut records, mut count, mut told) = (Order::default(), None, 0_u64, 0);
    for entry in archive.entries().map_err(read_error)?.raw(true) {
        let mut entry = entry.map_err(read_error)?;
        advance(entry.raw_file_position().saturating_sub(told))?;
        told = entry.raw_file_position();
        if entry.header().entry_type() == EntryType::XHeader && records.is_none() {
            records = Some(read_records(&mut entry).map_err(read_error)??);
            continue;
        }
        let checked = Entry::new(entry.header(), records.take().unwrap_or_default(), layer.epoch)?;
        count += 1;
        if count > layer.entries {
            break;
        }
        order.take(&checked)?;
        take(&checked, &mut entry)?;
    }
    if records.is_some() {
        return Err(BakedError::Archive("ends with the header of an entry that does not come"));
    }
    let mut tar = archive.into_inner();
    let is_blank = drain(&mut tar).map_err(read_error)?;
    let (decoded, sha256, length) = tar.into_parts();
    // a bomb ends at the limit, and that is all that is known of its length
    expect("bytes of the archive", &layer.tar_size, &length)?;
    expect("digest of the archive", &layer.tar_sha256, &sha256)?;
    expect("entries", &layer.entries, &count)?;
    if !is_blank {
        return Err(BakedError::Archive("has something behind its end"));
    }
    Ok(decoded.into_inner())
}

/// Reads to the end: whether there is nothing but zeroes.
fn drain(tar: &mut impl Read) -> io::Result<bool> {
    let (mut piece, mut is_blank) = (vec![0; PIECE], true);
    loop {
        match tar.read(&mut piece) {
            Ok(0) => return Ok(is_blank),
            Ok(count) => is_blank &= piece[..count].iter().all(|byte| *byte == 0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The records before an entry; the inner error is about what they say.
fn read_records(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Result<pax::Records, BakedError>> {
    let path = entry.path_bytes().into_owned();
    if entry.size() > pax::LONGEST {
        let problem = format!("has an extended header of {} bytes", entry.size());
        return Ok(Err(BakedError::entry(&path, problem)));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(pax::parse(&bytes).map_err(|problem| BakedError::entry(&path, problem)))
}

/// Why the file could not be read or decoded, if that was so.
type Failed = Rc<RefCell<Option<io::Error>>>;

/// Passes on what is read, and notes why no more can be.
struct Noting<R> {
    inner: R,
    failed: Failed,
}

impl<R: Read> Read for Noting<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buf).inspect_err(|error| {
            *self.failed.borrow_mut() = Some(io::Error::new(error.kind(), error.to_string()));
        })
    }
}

fn expect<T: PartialEq + ToString>(what: &'static str, expected: &T, got: &T) -> Result<(), BakedError> {
    if expected == got {
        return Ok(());
    }
    Err(BakedError::Differs { what, expected: expected.to_string(), got: got.to_string() })
}
