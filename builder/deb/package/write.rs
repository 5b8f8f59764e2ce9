//! A binary package, written: the same content gives the same bytes, whoever packs it, where and when.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use liblzma::stream::{Check, Stream};
use liblzma::write::XzEncoder;
use md5::{Digest, Md5};
use tar::{EntryType, Header};

/// Preset of xz for both parts, as `dpkg-deb` takes it: more costs memory on the node and saves nothing on small files.
const PRESET: u32 = 6;

/// What a package is made of. It belongs to root, and nothing in it may be written by others.
#[derive(Debug, Clone, Default)]
pub struct NewPackage {
    /// The text of `control`, one stanza with a newline at its end. `Installed-Size` is put in by [`Self::to_bytes`].
    pub control: String,
    /// Maintainer scripts by their names, such as `postinst`.
    pub scripts: BTreeMap<&'static str, String>,
    /// Contents by path, without a slash at the start. Directories come by themselves.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Time of everything in it, in seconds since 1970.
    pub mtime: u64,
}

impl NewPackage {
    /// The package as a file.
    ///
    /// # Errors
    /// A path is too long for a tar archive, or the encoder has no memory.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut sums = String::new();
        for (path, content) in &self.files {
            let digest = Md5::digest(content);
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            sums.push_str(&format!("{hex}  {path}\n"));
        }
        let mut control = Tar::new(self.mtime)?;
        control.file("./control", 0o644, self.control_with_size().as_bytes())?;
        control.file("./md5sums", 0o644, sums.as_bytes())?;
        for (name, text) in &self.scripts {
            control.file(&format!("./{name}"), 0o755, text.as_bytes())?;
        }
        let mut data = Tar::new(self.mtime)?;
        let mut made = BTreeSet::new();
        for (path, content) in &self.files {
            for (at, _) in path.match_indices('/') {
                let directory = path.get(..at).unwrap_or_default();
                if made.insert(directory) {
                    data.directory(&format!("./{directory}/"))?;
                }
            }
            data.file(&format!("./{path}"), 0o644, content)?;
        }
        let mut package = b"!<arch>\n".to_vec();
        // `deb(5)`: these members in this order
        self.member(&mut package, "debian-binary", b"2.0\n")?;
        self.member(&mut package, "control.tar.xz", &control.finish()?)?;
        self.member(&mut package, "data.tar.xz", &data.finish()?)?;
        Ok(package)
    }

    /// What it takes on the disk, in KiB as Debian's policy 5.6.20 counts: files rounded up, 1 for each directory.
    fn control_with_size(&self) -> String {
        let of_file = |content: &Vec<u8>| u64::try_from(content.len()).unwrap_or(u64::MAX).div_ceil(1024);
        let directories: BTreeSet<&str> = self
            .files
            .keys()
            .flat_map(|path| path.match_indices('/').filter_map(|(at, _)| path.get(..at)))
            .collect();
        let directories = u64::try_from(directories.len()).unwrap_or(u64::MAX);
        let size = self.files.values().map(of_file).fold(directories, u64::saturating_add);
        let mut text = String::new();
        for line in self.control.split_inclusive('\n') {
            // the description is the last field
            if line.starts_with("Description:") {
                text.push_str(&format!("Installed-Size: {size}\n"));
            }
            text.push_str(line);
        }
        text
    }

    fn member(&self, package: &mut Vec<u8>, name: &str, content: &[u8]) -> io::Result<()> {
        let (mtime, size) = (self.mtime, content.len());
        writeln!(package, "{name:<16}{mtime:<12}{:<6}{:<6}{:<8}{size:<10}`", 0, 0, "100644")?;
        package.write_all(content)?;
        if !content.len().is_multiple_of(2) {
            package.push(b'\n');
        }
        Ok(())
    }
}

/// A compressed tar archive that is being written.
struct Tar {
    archive: tar::Builder<XzEncoder<Vec<u8>>>,
    mtime: u64,
}

impl Tar {
    fn new(mtime: u64) -> io::Result<Self> {
        // one thread: the number of cores would be seen in the bytes
        let stream = Stream::new_easy_encoder(PRESET, Check::Crc64).map_err(io::Error::other)?;
        let mut tar = Self { archive: tar::Builder::new(XzEncoder::new_stream(Vec::new(), stream)), mtime };
        tar.directory("./")?;
        Ok(tar)
    }

    fn directory(&mut self, path: &str) -> io::Result<()> {
        self.entry(path, EntryType::Directory, 0o755, &[])
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.entry(path, EntryType::Regular, mode, content)
    }

    fn entry(&mut self, path: &str, kind: EntryType, mode: u32, content: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root")?;
        header.set_groupname("root")?;
        header.set_mtime(self.mtime);
        header.set_size(u64::try_from(content.len()).unwrap_or(u64::MAX));
        // by hand: the crate would leave out the `./` that all packages of Debian have
        let name = header.as_gnu_mut().and_then(|gnu| gnu.name.get_mut(..path.len()));
        let name = name.ok_or_else(|| io::Error::other(format!("the path `{path}` is too long")))?;
        name.copy_from_slice(path.as_bytes());
        header.set_cksum();
        self.archive.append(&header, content)
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        self.archive.into_inner()?.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Kind, Package};

    const CONTROL: &str = "Package: x\nVersion: 1\nArchitecture: arm64\nDescription: short\n long\n";

    fn package() -> NewPackage {
        NewPackage {
            control: CONTROL.to_owned(),
            scripts: BTreeMap::from([("postinst", "#!/bin/sh\n".to_owned())]),
            files: BTreeMap::from([
                ("usr/lib/a".to_owned(), vec![7; 1025]),
                ("usr/share/doc/x/copyright".to_owned(), b"free\n".to_vec()),
            ]),
            mtime: 1_764_806_400,
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let bytes = package().to_bytes().expect("a package");
        let read = Package::open(&bytes).expect("a package");
        let control = read.control_text().expect("a control file");
        // 2 + 1 for the files, 1 for each of five directories
        assert_eq!(control, CONTROL.replace("Description", "Installed-Size: 8\nDescription"));
        assert_eq!(read.read_file("usr/lib/a").expect("a file"), Some(vec![7; 1025]));
        let sums = read.read_control("md5sums").expect("sums").expect("a file");
        assert!(String::from_utf8_lossy(&sums).contains("  usr/share/doc/x/copyright\n"), "{sums:?}");
        let entries: Vec<_> = read
            .files()
            .expect("files")
            .map(|file| file.expect("an entry"))
            .map(|e| (e.path, e.kind))
            .collect();
        assert_eq!(entries[0], (String::new(), Kind::Directory));
        assert_eq!(entries[1], ("usr".to_owned(), Kind::Directory));
        assert_eq!(entries.len(), 8);
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        assert_eq!(package().to_bytes().expect("a package"), package().to_bytes().expect("a package"));
        let later = NewPackage { mtime: 1, ..package() };
        assert_ne!(later.to_bytes().expect("a package"), package().to_bytes().expect("a package"));
    }

    #[test]
    fn a_path_that_does_not_fit_is_an_error() {
        let mut long = package();
        long.files.insert("a".repeat(101), Vec::new());
        assert!(long.to_bytes().expect_err("too long").to_string().contains("is too long"));
    }
}
