//! cpio archives in the kernel's `newc` format, for a further segment behind an initramfs.
//!
//! Reference: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`. Segments follow each
//! other with zero bytes between them, each at a multiple of four bytes; a later segment's file takes the place of
//! an earlier one's, also where that is a symbolic link (`clean_path` in `init/initramfs.c` removes what is there
//! if its type differs).

use super::error::Error;

/// A file of a segment.
#[derive(Clone, Copy, Debug)]
pub struct SegmentFile<'a> {
    /// Path without a leading slash.
    pub path: &'a str,
    /// Content.
    pub content: &'a [u8],
}

/// `initramfs` with `segment` behind it; unchanged where it ends with that very segment.
pub fn append(initramfs: &[u8], segment: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(initramfs.len() + segment.len() + 3);
    output.extend_from_slice(initramfs);
    if !initramfs.ends_with(segment) {
        pad(&mut output);
        output.extend_from_slice(segment);
    }
    output
}

/// An archive of files owned by root with mode 0644, and of the directories that lead to them. `mtime` is in
/// seconds since 1970.
///
/// # Errors
/// A file is longer than the format can say (4 GiB).
pub fn segment(files: &[SegmentFile<'_>], mtime: u32) -> Result<Vec<u8>, Error> {
    let mut output = Vec::new();
    let mut inode = 0;
    let mut entry = |output: &mut Vec<u8>,
                     path: &str,
                     mode: u32,
                     links: u32,
                     content: &[u8]|
     -> Result<(), Error> {
        inode += 1;
        let length =
            |length: usize| u32::try_from(length).map_err(|_| Error::TooLong { path: path.to_owned() });
        let fields =
            [inode, mode, 0, 0, links, mtime, length(content.len())?, 0, 0, 0, 0, length(path.len() + 1)?, 0];
        output.extend_from_slice(b"070701");
        fields.iter().for_each(|field| output.extend_from_slice(format!("{field:08X}").as_bytes()));
        output.extend_from_slice(path.as_bytes());
        output.push(0);
        pad(output);
        output.extend_from_slice(content);
        pad(output);
        Ok(())
    };
    let mut made: Vec<&str> = Vec::new();
    for file in files {
        for (slash, _) in file.path.match_indices('/') {
            let directory = file.path.get(..slash).unwrap_or_default();
            if !made.contains(&directory) {
                entry(&mut output, directory, 0o040_755, 2, &[])?;
                made.push(directory);
            }
        }
        entry(&mut output, file.path, 0o100_644, 1, file.content)?;
    }
    entry(&mut output, "TRAILER!!!", 0, 1, &[])?;
    Ok(output)
}

fn pad(output: &mut Vec<u8>) {
    output.resize(output.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::{SegmentFile, append, segment};
    use crate::guest::test_support::{judge, temporary};

    fn two_files() -> Vec<u8> {
        let files = [
            SegmentFile { path: "usr/lib/a.link", content: b"[Match]\n" },
            SegmentFile { path: "usr/lib/b.link", content: b"odd" },
        ];
        segment(&files, 1_764_859_613).expect("short")
    }

    #[test]
    fn cpio_reads_it() {
        let directory = temporary();
        let path = directory.path().join("segment");
        fs_err::write(&path, two_files()).expect("write");
        let Some(listed) = judge(&["cpio", "-tv", "--quiet", "-F"], &path) else { return };
        for expected in
            ["drwxr-xr-x   2 root     root            0", "-rw-r--r--   1 root     root            3"]
        {
            assert!(listed.contains(expected), "{listed}");
        }
        let names: Vec<_> = listed.lines().filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(names, ["usr", "usr/lib", "usr/lib/a.link", "usr/lib/b.link"]);
        let at = format!("--directory={}", directory.path().display());
        judge(&["cpio", "-i", "--quiet", &at, "-F"], &path).expect("cpio is there");
        assert_eq!(fs_err::read(directory.path().join("usr/lib/b.link")).expect("read"), b"odd");
    }

    #[test]
    fn a_segment_is_appended_once_and_aligned() {
        let segment = two_files();
        assert_eq!(segment.len() % 4, 0);
        for length in 0..9 {
            let before = vec![0xfd; length];
            let after = append(&before, &segment);
            let start = length.next_multiple_of(4);
            assert!(after.starts_with(&before) && after[length..start].iter().all(|&byte| byte == 0));
            assert_eq!(after[start..], segment);
            assert_eq!(append(&after, &segment), after);
        }
    }
}
