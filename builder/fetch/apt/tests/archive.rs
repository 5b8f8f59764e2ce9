//! Repositories as publishers make them: packages by dpkg-deb, indexes by dpkg-scanpackages, `Release` by
//! apt-ftparchive, signatures by gpg.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::test_gpg::{Gpg, have, now, tool};
use crate::test_server::{Reply, Request, Server, impatient_client};
use crate::watch::Silent;

/// A repository in a directory, its key, and a cache.
pub(super) struct Archive {
    pub(super) gpg: Gpg,
    pub(super) key: Fingerprint,
    pub(super) root: tempfile::TempDir,
    pub(super) cache: Cache,
    _cache_root: tempfile::TempDir,
}

pub(super) const ARM64: &str = "main/binary-arm64/Packages";

impl Archive {
    /// `None` where the tools are missing.
    pub(super) fn new() -> Option<Self> {
        let gpg = Gpg::new()?;
        if !have(&["dpkg-deb", "dpkg-scanpackages", "apt-ftparchive"]) {
            return None;
        }
        let (root, cache_root) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir());
        let cache_root = cache_root.expect("a directory");
        let cache = Cache::open(cache_root.path()).expect("a cache");
        let archive = Self { key: gpg.good_key("Archive"), gpg, root, cache, _cache_root: cache_root };
        for (name, architecture) in [("hello", "arm64"), ("hello-data", "all"), ("hello", "armhf")] {
            archive.package(name, architecture);
        }
        for architecture in ["arm64", "armhf"] {
            let packages = archive.scan(architecture, "pool");
            archive.index(&format!("main/binary-{architecture}/Packages"), &packages);
        }
        archive.index("contrib/binary-arm64/Packages", b"");
        archive.publish(&archive.release());
        Some(archive)
    }

    fn package(&self, name: &str, architecture: &str) {
        let tree = self.gpg.path("package");
        let _ = fs::remove_dir_all(&tree);
        fs::create_dir_all(tree.join("DEBIAN")).expect("made");
        let control = format!(
            "Package: {name}\nVersion: 1:1.0-1\nArchitecture: {architecture}\nMaintainer: Test <t@example.org>\n\
             Description: a package\n"
        );
        fs::write(tree.join("DEBIAN/control"), control).expect("written");
        let deb = self.root.path().join(format!("pool/{name}_1.0-1_{architecture}.deb"));
        fs::create_dir_all(deb.parent().expect("a directory")).expect("made");
        let arguments = ["--root-owner-group", "--build", "package", deb.to_str().expect("a test's path")];
        tool(tree.parent().expect("a directory"), "dpkg-deb", &arguments);
    }

    /// `Packages` of the packages below `directory`.
    pub(super) fn scan(&self, architecture: &str, directory: &str) -> Vec<u8> {
        tool(self.root.path(), "dpkg-scanpackages", &["--arch", architecture, "--multiversion", directory])
    }

    pub(super) fn file(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join("dists/trixie").join(path)
    }

    /// Writes an index in all its forms.
    pub(super) fn index(&self, path: &str, content: &[u8]) {
        write(&self.file(path), content);
        write(&self.file(&format!("{path}.xz")), &liblzma::encode_all(content, 6).expect("memory"));
        write(&self.file(&format!("{path}.zst")), &zstd::encode_all(content, 3).expect("memory"));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut gzip, content).expect("memory");
        write(&self.file(&format!("{path}.gz")), &gzip.finish().expect("memory"));
    }

    /// `Release` of what is there now.
    pub(super) fn release(&self) -> String {
        for old in ["Release", "InRelease", "Release.gpg"] {
            let _ = fs::remove_file(self.file(old));
        }
        let options = [
            "Origin=Test",
            "Label=Test",
            "Suite=stable",
            "Codename=trixie",
            "Components=main contrib",
            "Architectures=arm64 armhf",
        ];
        let options = options.map(|option| format!("-oAPT::FTPArchive::Release::{option}"));
        let options: Vec<&str> =
            options.iter().map(String::as_str).chain(["release", "dists/trixie"]).collect();
        String::from_utf8(tool(self.root.path(), "apt-ftparchive", &options)).expect("text")
    }

    /// Signs and publishes a `Release`.
    pub(super) fn publish(&self, release: &str) {
        let signed = self.gpg.clearsign(release.as_bytes(), &[&self.key], now(), &[]);
        write(&self.file("InRelease"), &signed);
    }

    /// Publishes a `Release` and a signature of its own.
    pub(super) fn publish_detached(&self, release: &str, signed: &str) {
        let _ = fs::remove_file(self.file("InRelease"));
        write(&self.file("Release"), release.as_bytes());
        let signature = self.gpg.detach(signed.as_bytes(), &[&self.key], now(), &["--armor"]);
        write(&self.file("Release.gpg"), &signature);
    }

    /// The compressed index also under its digest, and no longer under its name.
    pub(super) fn move_to_hash(&self, path: &str) {
        let file = self.file(path);
        let digest = Sha256Digest::of(&fs::read(&file).expect("there"));
        let by_hash = file.with_file_name("by-hash").join("SHA256").join(digest.to_string());
        fs::create_dir_all(by_hash.parent().expect("a directory")).expect("made");
        fs::rename(file, by_hash).expect("moved");
    }

    /// Serves the directory.
    pub(super) fn serve(&self) -> Server {
        self.serve_with(|_, reply| reply)
    }

    /// Serves the directory with changes.
    pub(super) fn serve_with(
        &self,
        change: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let root = self.root.path().to_owned();
        Server::new(move |request| {
            let reply = match fs::read(root.join(request.path.trim_start_matches('/'))) {
                Ok(content) => Reply::file(request, &format!("\"{}\"", Sha256Digest::of(&content)), &content),
                Err(_) => Reply::new("404 Not Found", b"no"),
            };
            change(request, reply)
        })
    }

    /// The repository as a source names it, below a server or as a directory.
    pub(super) fn repository(&self, server: Option<&Server>) -> Repository {
        let uri = match server {
            Some(server) => server.url("").to_string(),
            None => format!("file:{}", self.root.path().display()),
        };
        Repository {
            name: "test".to_owned(),
            uris: vec![uri],
            suite: "trixie".to_owned(),
            components: vec!["main".to_owned()],
            architectures: vec!["arm64".to_owned()],
            foreign: Vec::new(),
            keyring: Arc::new(self.gpg.keyring(&[&self.key])),
            fingerprints: vec![self.key.clone()],
            not_before: None,
            check_valid_until: true,
        }
    }

    pub(super) fn snapshot(&self, repository: &Repository) -> Result<Snapshot> {
        let client = impatient_client();
        self.fetcher(Some(&client)).snapshot(repository)
    }

    pub(super) fn offline(&self, repository: &Repository) -> Result<Snapshot> {
        self.fetcher(None).snapshot(repository)
    }

    pub(super) fn fetcher<'a>(&'a self, client: Option<&'a Client>) -> ArchiveFetcher<'a> {
        ArchiveFetcher { cache: &self.cache, client, now: now(), watch: &Silent }
    }
}

pub(super) fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    fs::write(path, content).expect("written");
}

/// The paths asked for, without what is before the suite.
pub(super) fn asked(server: &Server) -> Vec<String> {
    let beside = |path: &str| path.trim_start_matches("/dists/trixie/").to_owned();
    server.requests().iter().map(|request| beside(&request.path)).collect()
}

/// The text of each index.
pub(super) fn contents(snapshot: &Snapshot) -> Vec<(String, String, String)> {
    let read = |index: &IndexFile| fs::read_to_string(&index.path).expect("in the cache");
    let of = |index: &IndexFile| (index.component.clone(), index.architecture.clone(), read(index));
    snapshot.indexes.iter().map(of).collect()
}
