//! A bake from its inputs to `layer.tar.zst` and `layer.json`.
//!
//! ```text
//! the .debs, uncompressed  →  a repository of them     (this process, all cores)
//! the base, extracted      →  WORK/lower               (inside, as only root of a namespace can give files to others)
//! apt, on an overlay       →  WORK/upper               (inside, below a new root, through the emulator)
//! what changed, an archive →  WORK/out → INTO          (inside)
//! ```

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::emulator::Emulator;
use super::error::BakeError;
use super::inside::Task;
use super::install::{Installer, Progress};
use super::log::Log;
use super::manifest::{BakedPackage, LAYER, LayerManifest, MANIFEST, RECIPE, SCHEMA};
use super::{kit, seen};
use crate::guest::packages::PackageSet;
use crate::host::error::HostError;
use crate::host::inside::Inside;
use crate::host::namespace::{self, Ids};
use crate::host::namespace_error::NamespaceError;
use crate::plan::change::Change;
use crate::progress::Reporter;

/// What a bake is made from. Two jobs that are equal but for `program`, `path` and `work` give the same bytes.
#[derive(Clone, Copy)]
pub struct BakeJob<'a> {
    /// The raw image of the base that packages are installed into: a file.
    pub base: &'a Path,
    /// Digest of the raw image, in lower-case hexadecimal.
    pub base_raw_sha256: &'a str,
    /// The packages, each with its `.deb`, and what else is to be done with packages. Of the answers to debconf only
    /// those that no host decides.
    pub packages: &'a PackageSet,
    /// Files of the root file system that packages look at, such as `/etc/initramfs-tools/conf.d/…`. They are seen,
    /// and are in the layer only where a package changed them. Anything but a file of known content is passed by.
    pub files: &'a [Change],
    /// The layer's name.
    pub key: &'a str,
    /// Seconds since 1970 that times are clamped to.
    pub epoch: i64,
    /// Where trees may be made, some GiB: a directory on a file system with owners and extended attributes. What a
    /// killed bake left there goes first; nothing but the log of a failed one stays.
    pub work: &'a Path,
    /// pimg itself, which is the first process inside ([`crate::host::env::program`]).
    pub program: &'a Path,
    /// Directories of the host's programs, as in `$PATH`.
    pub path: &'a OsStr,
}

/// Installs the packages of `job` over its base and writes `layer.tar.zst` and `layer.json` into the directory `into`,
/// which is there. Nothing is written into it before all is checked. Whoever else bakes in the same `work` is to be kept
/// away by the caller.
///
/// # Errors
/// The host cannot make namespaces, a package does not install, what it made is not whole, or the operator asked to stop.
pub fn bake(job: &BakeJob<'_>, into: &Path, reporter: &dyn Reporter) -> Result<LayerManifest, BakeError> {
    let bake = Bake::new(job, reporter)?;
    bake.clear()?;
    let done = bake.make(into);
    // a run that was stopped or failed has said why; the next one clears up as well
    let cleared = bake.clear();
    let manifest = done?;
    cleared?;
    bake.log.remove()?;
    Ok(manifest)
}

/// What the archive of changes turned out to be; written inside.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Packed {
    pub(super) layer_sha256: String,
    pub(super) layer_size: u64,
    pub(super) tar_sha256: String,
    pub(super) tar_size: u64,
    pub(super) content_size: u64,
    pub(super) entries: u64,
}

/// Directories below the work directory that a bake fills.
pub(super) const TREES: [&str; 8] = ["lower", "files", "upper", "scratch", "root", "kit", "out", "emulators"];

struct Bake<'a> {
    job: &'a BakeJob<'a>,
    reporter: &'a dyn Reporter,
    work: PathBuf,
    log: Log,
    emulator: Option<Emulator>,
}

impl<'a> Bake<'a> {
    fn new(job: &'a BakeJob<'a>, reporter: &'a dyn Reporter) -> Result<Self, BakeError> {
        if !cfg!(target_os = "linux") {
            return Err(NamespaceError::NotLinux.into());
        }
        let emulator = Emulator::find(job.path)?;
        std::fs::create_dir_all(job.work).map_err(HostError::file("create", job.work))?;
        let work = std::path::absolute(job.work).map_err(HostError::file("find", job.work))?;
        Ok(Self { job, reporter, log: Log::new(&work.join("bake.log"))?, work, emulator })
    }

    fn make(&self, into: &Path) -> Result<LayerManifest, BakeError> {
        kit::write(&self.work.join("kit"), self.job.packages, self.job.epoch, self.reporter)?;
        seen::write(&self.work.join("kit/seen"), self.job.files)?;
        let base = std::path::absolute(self.job.base).map_err(HostError::file("find", self.job.base))?;
        self.task("extracting the base", Task::Extract { base })?;
        self.install()?;
        self.task("packing the layer", Task::Pack { epoch: self.job.epoch })?;
        self.publish(into)
    }

    /// Does a task inside; `doing` names it.
    fn task(&self, doing: &'static str, task: Task) -> Result<(), BakeError> {
        let task = serde_json::to_string(&task).expect("paths and numbers can be written");
        let job = Inside { work: self.work.clone(), task, ..Inside::default() };
        let shown = self.reporter.begin(doing, None);
        self.run(doing, &job, &mut |_| true)?;
        self.reporter.finish(shown, "");
        Ok(())
    }

    fn install(&self) -> Result<(), BakeError> {
        let installer =
            Installer { work: &self.work, emulator: self.emulator.as_ref(), epoch: self.job.epoch };
        let mut progress = Progress::new(self.reporter, self.job.packages);
        let done = self.run("installing packages", &installer.job()?, &mut |line| progress.hear(line));
        progress.end();
        done
    }

    /// Runs a job inside, logs each line for which `hear` says that it is for people, and demands success.
    fn run(
        &self,
        doing: &'static str,
        job: &Inside,
        hear: &mut dyn FnMut(&str) -> bool,
    ) -> Result<(), BakeError> {
        self.log.line(&format!("== {doing}"));
        let mut listen = |line: &str| {
            if hear(line) {
                self.log.line(line);
            }
        };
        let stop = || self.reporter.interrupted();
        let status = namespace::run(self.job.program, Ids::Range, job, &mut listen, &stop)?;
        if status.success() {
            return Ok(());
        }
        Err(BakeError::Inside { doing, last: self.log.last_lines(), log: self.log.path().to_owned() })
    }

    /// Removes what a bake leaves: files of owners that only root of a namespace may touch.
    fn clear(&self) -> Result<(), BakeError> {
        if TREES.iter().all(|tree| !self.work.join(tree).exists()) {
            return Ok(());
        }
        let task = serde_json::to_string(&Task::Clear).expect("a word can be written");
        let job = Inside { work: self.work.clone(), task, ..Inside::default() };
        // also after the operator asked to stop
        let status =
            namespace::run(self.job.program, Ids::Range, &job, &mut |line| self.log.line(line), &|| false)?;
        if status.success() {
            return Ok(());
        }
        let doing = "removing the trees of a bake";
        Err(BakeError::Inside { doing, last: self.log.last_lines(), log: self.log.path().to_owned() })
    }

    fn publish(&self, into: &Path) -> Result<LayerManifest, BakeError> {
        let out = self.work.join("out");
        let read = |path: PathBuf| std::fs::read(&path).map_err(HostError::file("read", &path));
        let packed = read(out.join("packed.json"))?;
        let bad = |_| HostError::file("read", &out)(std::io::ErrorKind::InvalidData.into());
        let packed: Packed = serde_json::from_slice(&packed).map_err(bad)?;
        let manifest = self.manifest(packed, &kit::kernels(&self.work.join("kit"))?);
        let layer = into.join(LAYER);
        let from = out.join(LAYER);
        // `into` may be on another disk
        if std::fs::rename(&from, &layer).is_err() {
            std::fs::copy(&from, &layer).map_err(HostError::file("write", &layer))?;
        }
        let text = serde_json::to_string_pretty(&manifest).expect("a manifest can be written") + "\n";
        let path = into.join(MANIFEST);
        std::fs::write(&path, text).map_err(HostError::file("write", &path))?;
        Ok(manifest)
    }

    fn manifest(&self, packed: Packed, kernels: &[String]) -> LayerManifest {
        let baked = self.job.packages.install.iter().map(|package| BakedPackage {
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            sha256: package.sha256.clone(),
        });
        let mut packages: Vec<_> = baked.collect();
        packages.sort();
        let Packed { layer_sha256, layer_size, tar_sha256, tar_size, content_size, entries } = packed;
        LayerManifest {
            schema: SCHEMA,
            key: self.job.key.to_owned(),
            base_raw_sha256: self.job.base_raw_sha256.to_owned(),
            recipe: RECIPE,
            epoch: self.job.epoch,
            layer_sha256,
            layer_size,
            tar_sha256,
            tar_size,
            content_size,
            entries,
            packages,
            kernels: kernels.to_vec(),
            emulator: self.emulator.as_ref().map_or_else(|| "native".to_owned(), |e| e.version.clone()),
            builder: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
