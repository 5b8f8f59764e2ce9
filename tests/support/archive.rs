//! Small signed repositories: packages made by `dpkg-deb`, indexes as Debian's archive has them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::signing::Key;
use super::site::{Site, digest};
use super::support;

/// A package to be made.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    control: String,
    files: BTreeMap<String, (String, u32)>,
}

/// A package as the archive holds it.
#[derive(Debug)]
struct Deb {
    file: String,
    control: String,
    bytes: Vec<u8>,
}

impl Package {
    /// A package for arm64 with a file of its own.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self::of(name, version, "arm64")
    }

    /// A package for this architecture.
    pub(crate) fn of(name: &str, version: &str, architecture: &str) -> Self {
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nSection: misc\nPriority: optional\n\
             Installed-Size: 16\nMaintainer: test <test@example.invalid>\nDescription: {name} for tests\n"
        );
        let readme = (format!("{name} {version}\n"), 0o644);
        Self { control, files: BTreeMap::from([(format!("usr/share/doc/{name}/README"), readme)]) }
    }

    /// With another field of its control file.
    pub(crate) fn with(mut self, field: &str, value: &str) -> Self {
        self.control = format!("{field}: {value}\n{}", self.control);
        self
    }

    /// With this many KiB when installed.
    pub(crate) fn installed_size(mut self, kib: u64) -> Self {
        self.control = self.control.replace("Installed-Size: 16", &format!("Installed-Size: {kib}"));
        self
    }

    /// With another file.
    pub(crate) fn file(mut self, path: &str, content: &str) -> Self {
        self.files.insert(path.to_owned(), (content.to_owned(), 0o644));
        self
    }

    fn value(&self, field: &str) -> &str {
        let mut lines = self.control.lines();
        lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(": ")).unwrap_or_default()
    }

    /// The package's file: the same package is made once.
    fn build(&self) -> Arc<Deb> {
        static MADE: Mutex<BTreeMap<String, Arc<Deb>>> = Mutex::new(BTreeMap::new());
        let key = format!("{self:?}");
        if let Some(deb) = MADE.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(deb);
        }
        let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let tree = work.path().join("tree");
        let control = ("DEBIAN/control".to_owned(), (self.control.clone(), 0o644));
        for (path, (content, mode)) in self.files.clone().into_iter().chain([control]) {
            let target = tree.join(path);
            fs::create_dir_all(target.parent().expect("a parent")).expect("a directory");
            fs::write(&target, content).expect("a file");
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).expect("a mode");
        }
        let deb = work.path().join("package.deb");
        let (tree, file) = (tree.to_str().expect("UTF-8"), deb.to_str().expect("UTF-8"));
        // the same bytes in every run
        let options =
            ["SOURCE_DATE_EPOCH=1764806400", "dpkg-deb", "--root-owner-group", "-Zxz", "-b", tree, file];
        support::run("env", &options);
        let (name, version) = (self.value("Package"), self.value("Version"));
        let version = version.split_once(':').map_or(version, |(_, rest)| rest);
        let deb = Arc::new(Deb {
            file: format!("{name}_{version}_{}.deb", self.value("Architecture")),
            control: self.control.clone(),
            bytes: fs::read(deb).expect("the package"),
        });
        MADE.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&deb));
        deb
    }
}

/// A repository to be published.
#[derive(Clone)]
pub(crate) struct Repository {
    root: String,
    suite: String,
    /// `Origin` of the Release file.
    pub(crate) origin: String,
    /// Seconds since 1970; an hour ago if not told.
    pub(crate) date: i64,
    /// Seconds since 1970.
    pub(crate) valid_until: Option<i64>,
    /// More lines of the Release file.
    pub(crate) more: String,
    packages: Vec<Package>,
}

/// How a repository says who made it.
#[derive(Clone, Copy)]
pub(crate) enum Signed<'a> {
    /// `InRelease` alone.
    Inline(&'a Key),
    /// `Release` and `Release.gpg`.
    Detached(&'a Key),
    /// `Release` alone.
    Not,
}

impl Repository {
    /// An empty suite below this path of a site.
    pub(crate) fn new(root: &str, suite: &str) -> Self {
        Self {
            root: root.to_owned(),
            suite: suite.to_owned(),
            origin: root.to_owned(),
            date: now() - 3600,
            valid_until: None,
            more: String::new(),
            packages: Vec::new(),
        }
    }

    /// With another package.
    pub(crate) fn with(mut self, package: Package) -> Self {
        self.packages.push(package);
        self
    }

    /// With its Release file made at this time, in seconds since 1970.
    pub(crate) fn dated(mut self, date: i64) -> Self {
        self.date = date;
        self
    }

    /// Puts everything on the site: packages, index and Release file.
    pub(crate) fn publish(&self, site: &Site, signed: Signed<'_>) {
        let mut index = String::new();
        for deb in self.packages.iter().map(Package::build) {
            let path = format!("pool/main/{}", deb.file);
            let _ = writeln!(
                index,
                "{}Filename: {path}\nSize: {}\nSHA256: {}\n",
                deb.control,
                deb.bytes.len(),
                digest(&deb.bytes)
            );
            site.put(&format!("{}/{path}", self.root), deb.bytes.clone());
        }
        self.publish_index(site, signed, &index);
    }

    /// Puts this index there, in every form and by its digests, and the Release file.
    pub(crate) fn publish_index(&self, site: &Site, signed: Signed<'_>, index: &str) {
        let mut files = String::new();
        let dists = format!("{}/dists/{}", self.root, self.suite);
        for (extension, content) in
            [("", index.as_bytes().to_vec()), (".gz", gzip(index)), (".xz", xz(index))]
        {
            let path = format!("main/binary-arm64/Packages{extension}");
            let sum = digest(&content);
            let _ = writeln!(files, " {sum} {} {path}", content.len());
            site.put(&format!("{dists}/main/binary-arm64/by-hash/SHA256/{sum}"), content.clone());
            site.put(&format!("{dists}/{path}"), content);
        }
        let release = self.release(&files);
        ["InRelease", "Release", "Release.gpg"]
            .iter()
            .for_each(|name| site.remove(&format!("{dists}/{name}")));
        match signed {
            Signed::Inline(key) => site.put(&format!("{dists}/InRelease"), key.clearsign(&release)),
            Signed::Detached(key) => {
                site.put(&format!("{dists}/Release.gpg"), key.detached(&release));
                site.put(&format!("{dists}/Release"), release);
            }
            Signed::Not => site.put(&format!("{dists}/Release"), release),
        }
    }

    fn release(&self, files: &str) -> String {
        let Self { origin, suite, more, .. } = self;
        let until = self.valid_until.map(|until| format!("Valid-Until: {}\n", date(until)));
        format!(
            "Origin: {origin}\nLabel: {origin}\nSuite: {suite}\nCodename: {suite}\nDate: {}\n{}\
             Acquire-By-Hash: yes\nArchitectures: arm64\nComponents: main\n{more}SHA256:\n{files}",
            date(self.date),
            until.unwrap_or_default()
        )
    }
}

/// Now, in seconds since 1970.
pub(crate) fn now() -> i64 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
    i64::try_from(seconds).expect("a clock before the end of time")
}

/// As in a Release file.
fn date(seconds: i64) -> String {
    let when = format!("@{seconds}");
    support::run("date", &["-u", "-R", "-d", &when]).trim().to_owned()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

fn xz(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    liblzma::read::XzEncoder::new(text.as_bytes(), 6).read_to_end(&mut bytes).expect("memory");
    bytes
}
