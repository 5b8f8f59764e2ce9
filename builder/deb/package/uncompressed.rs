//! A package with the same content, nothing of it compressed: for a machine that decompresses slower than it reads.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::{CONTROL_LIMIT, DATA_LIMIT, Error, Package, Problem, Result};

/// Length of the field with a member's size, and where it is in the header.
const SIZE_FIELD: u64 = 10;
const SIZE_AT: u64 = 48;

impl Package<'_> {
    /// Writes this package to `out` with `control.tar` and `data.tar` as they are, only decompressed: dpkg finds the same
    /// files in it, with the same digests.
    ///
    /// # Errors
    /// A part is damaged, or larger than is taken; `out` cannot be written.
    pub fn write_uncompressed(&self, out: &mut (impl Write + Seek)) -> Result<()> {
        let failed = |error| Error::new("package", Problem::Damaged(error));
        out.write_all(b"!<arch>\n").map_err(failed)?;
        out.write_all(&header("debian-binary", 4)).map_err(failed)?;
        out.write_all(b"2.0\n").map_err(failed)?;
        for (member, limit) in [(self.control, CONTROL_LIMIT), (self.data, DATA_LIMIT)] {
            let at = out.stream_position().map_err(failed)?;
            out.write_all(&header(member.name, 0)).map_err(failed)?;
            let mut reader = member.reader()?.take(limit.saturating_add(1));
            let damaged = |error| Error::new(member.name, Problem::Damaged(error));
            let size = io::copy(&mut reader, out).map_err(damaged)?;
            if size > limit {
                return Err(Error::new(member.name, Problem::TooLarge { limit }));
            }
            set_size(out, at, size).map_err(failed)?;
        }
        Ok(())
    }
}

/// The header of a member, as `deb(5)` has them.
fn header(name: &str, size: u64) -> Vec<u8> {
    format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).into_bytes()
}

/// Writes the size of the member whose header is at `at`, and goes to the end, which is at an even offset.
fn set_size(out: &mut (impl Write + Seek), at: u64, size: u64) -> io::Result<()> {
    out.seek(SeekFrom::Start(at.saturating_add(SIZE_AT)))?;
    let digits = format!("{size:<10}");
    if u64::try_from(digits.len()) != Ok(SIZE_FIELD) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    out.write_all(digits.as_bytes())?;
    out.seek(SeekFrom::End(0))?;
    if size % 2 == 1 { out.write_all(b"\n") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::super::Package;
    use super::header;

    /// A package of two compressed parts, `data.tar` of an odd length.
    fn package(data: &[u8]) -> Vec<u8> {
        let mut bytes = b"!<arch>\n".to_vec();
        let mut add = |name: &str, content: &[u8]| {
            bytes.extend(header(name, content.len() as u64));
            bytes.extend(content);
            if content.len() % 2 == 1 {
                bytes.push(b'\n');
            }
        };
        let gzip = |content: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(content).expect("memory");
            encoder.finish().expect("memory")
        };
        add("debian-binary", b"2.0\n");
        add("control.tar.gz", &gzip(&[7; 1024]));
        add("data.tar.zst", &zstd::encode_all(data, 1).expect("memory"));
        bytes
    }

    #[test]
    fn both_parts_are_what_they_were() {
        for data in [&[9; 1536][..], &[9; 11]] {
            let bytes = package(data);
            let mut out = Cursor::new(Vec::new());
            Package::open(&bytes).expect("a package").write_uncompressed(&mut out).expect("memory");
            let written = out.into_inner();
            let again = Package::open(&written).expect("a package");
            for (member, expected) in [(again.control, &[7; 1024][..]), (again.data, data)] {
                let mut content = Vec::new();
                member.reader().expect("not compressed").read_to_end(&mut content).expect("memory");
                assert_eq!(content, expected);
            }
            assert_eq!(written.len() % 2, 0);
        }
    }

    #[test]
    fn a_damaged_part_is_an_error() {
        let mut bytes = package(&[9; 4096]);
        let middle = bytes.len() - 4;
        bytes.truncate(middle);
        bytes.extend([0; 4]);
        let package = Package::open(&bytes).expect("its headers are whole");
        assert!(package.write_uncompressed(&mut Cursor::new(Vec::new())).is_err());
    }
}
