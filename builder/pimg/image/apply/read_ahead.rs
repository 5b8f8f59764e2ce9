//! A file of the host, read and digested by a thread of its own while what it read before is written.

use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use pimg_fetch::digest::{HashingReader, Sha256Digest};

/// Bytes that are read, digested and handed over at a time.
const PIECE: usize = 256 << 10;
/// Pieces that wait to be written: what is held in memory is a few more.
const AHEAD: usize = 3;

/// Lets `write` read the content of a file of `len` bytes. Gives what it returns, and the digest of the file as it was
/// read: `None` where the file has another length, or where `write` did not want all of it.
///
/// # Errors
/// The file cannot be read.
pub(super) fn with_content<T>(
    file: File,
    len: u64,
    write: impl FnOnce(&mut dyn Read) -> T,
) -> (T, io::Result<Option<Sha256Digest>>) {
    // a byte more than there should be, so that a file that grew is noticed
    let mut reader = HashingReader::new(file.take(len.saturating_add(1)));
    if len <= PIECE as u64 {
        let mut bytes = Vec::new();
        let read = reader.read_to_end(&mut bytes);
        let written = write(&mut bytes.as_slice());
        return (written, read.map(|_| digest_of(reader, len)));
    }
    thread::scope(|scope| {
        let (pieces, to_write) = sync_channel(AHEAD);
        let (used, to_fill) = sync_channel(AHEAD + 2);
        let reading = scope.spawn(move || {
            let read = read_pieces(&mut reader, &pieces, &to_fill);
            read.map(|()| digest_of(reader, len))
        });
        let mut content = Content { pieces: to_write, used, piece: Vec::new(), at: 0 };
        let written = write(&mut content);
        // a reader that still has something to hand over ends here
        drop(content);
        let panicked = |_| Err(io::Error::other("the thread that reads the file stopped"));
        (written, reading.join().unwrap_or_else(panicked))
    })
}

fn digest_of<R: Read>(reader: HashingReader<R>, len: u64) -> Option<Sha256Digest> {
    let (digest, read) = reader.finish();
    (read == len).then_some(digest)
}

/// Hands the content over until it ends or nobody wants more of it.
fn read_pieces(
    reader: &mut impl Read,
    pieces: &SyncSender<Vec<u8>>,
    used: &Receiver<Vec<u8>>,
) -> io::Result<()> {
    loop {
        let mut piece = used.try_recv().unwrap_or_default();
        // a piece that comes back is as long as it was, so that only new ones are zeroed
        piece.resize(PIECE, 0);
        let length = read_whole(reader, &mut piece)?;
        piece.truncate(length);
        if piece.is_empty() || pieces.send(piece).is_err() {
            return Ok(());
        }
    }
}

/// Fills `piece`, or as much of it as there is to read. Gives how much that was.
fn read_whole(reader: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The pieces as one stream.
struct Content {
    pieces: Receiver<Vec<u8>>,
    /// Where the memory of pieces goes back to.
    used: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Content {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            // the other side is gone at the end of the file
            let Ok(next) = self.pieces.recv() else { return Ok(0) };
            let piece = std::mem::replace(&mut self.piece, next);
            // nobody has to take it back
            let _ = self.used.try_send(piece);
            self.at = 0;
        }
        let count = self.piece.get(self.at..).unwrap_or_default().read(buf)?;
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use pimg_fetch::digest::Sha256Digest;

    use super::{PIECE, with_content};

    fn read(len: usize, planned: u64, wanted: u64) -> (Vec<u8>, Option<Sha256Digest>) {
        let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let write = |content: &mut dyn Read| {
            let mut got = Vec::new();
            content.take(wanted).read_to_end(&mut got).map(|_| got)
        };
        let (got, digest) = with_content(file.reopen().unwrap(), planned, write);
        (got.unwrap(), digest.unwrap())
    }

    #[test]
    fn content_arrives_whole_and_digested() {
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 9 * PIECE + 7] {
            let (got, digest) = read(len, len as u64, u64::MAX);
            assert_eq!(got.len(), len);
            assert_eq!(digest, Some(Sha256Digest::of(&got)), "{len} bytes");
        }
    }

    #[test]
    fn another_length_has_no_digest() {
        for len in [10, 3 * PIECE, 9 * PIECE] {
            let planned = len as u64;
            assert_eq!(read(len - 1, planned, planned).1, None, "shorter than {len}");
            assert_eq!(read(len + 1, planned, planned).1, None, "longer than {len}");
        }
    }

    #[test]
    fn a_writer_that_gives_up_stops_the_reader() {
        assert_eq!(read(40 * PIECE, 40 * PIECE as u64, 10), ((0..10).collect(), None));
    }

    #[test]
    fn a_file_that_cannot_be_read_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::open(dir.path()).unwrap();
        let (_, found) = with_content(file, 5 * PIECE as u64, |content| io::copy(content, &mut io::sink()));
        assert_eq!(found.unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
