//! What the installation needs that is no part of the image: a repository of uncompressed packages, lists, scripts.

use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pimg_deb::package::Package;
use pimg_fetch::digest::HashingWriter;

use super::error::BakeError;
use crate::guest::packages::{self, LocalPackage, PackageSet};
use crate::host::env::cores;
use crate::host::error::HostError;
use crate::host::namespace_error::NamespaceError;
use crate::plan::change::{Action, Content};
use crate::progress::{Reporter, TaskId};

/// Where the kit is seen inside.
pub(super) const PLACE: &str = "/run/pimg";
/// Where the step of the first boot has its repository and lists.
const ON_NODE: &str = "/var/lib/pimg";

/// The step's own library, in place of that of the first boot: no status, no clock, no card.
const LIBRARY: &str = include_str!("scripts/step.sh");
const SCRIPTS: [(&str, &str); 4] = [
    ("lib/step-dpkg.sh", include_str!("../guest/steps/step-dpkg.sh")),
    ("lib/step.sh", LIBRARY),
    ("install.bash", include_str!("scripts/install.bash")),
    ("update-initramfs", include_str!("scripts/update-initramfs.sh")),
];

/// Fills `kit`. The lists and the script are those of the first boot's step `packages`, so that both install alike.
///
/// # Errors
/// A package cannot be read, or is not what the set says; or the operator asked to stop.
pub(super) fn write(
    kit: &Path,
    set: &PackageSet,
    epoch: i64,
    reporter: &dyn Reporter,
) -> Result<(), BakeError> {
    let pool = kit.join("pool");
    fs::create_dir_all(&pool).map_err(HostError::file("create", &pool))?;
    let install = uncompressed(&set.install, &pool, reporter)?;
    let set = PackageSet { install, keep: true, ..set.clone() };
    for change in packages::changes(&set, u64::try_from(epoch).unwrap_or_default())? {
        let Action::PutFile { content, .. } = change.action else { continue };
        let path = change.path.as_str();
        let place = match path.strip_prefix(ON_NODE) {
            Some(below) => kit.join("state").join(below.trim_start_matches('/')),
            None if path.ends_with(".sources") => kit.join("embedded.sources"),
            None => continue,
        };
        match content {
            Content::HostFile { path, .. } => {
                parent_of(&place)?;
                fs::rename(&path, &place).map_err(HostError::file("write", &place))?;
            }
            Content::Bytes(bytes) if path.ends_with(".sources") => {
                let text = String::from_utf8_lossy(&bytes).replace(ON_NODE, &format!("{PLACE}/state"));
                put(&place, text.as_bytes())?;
            }
            Content::Bytes(bytes) => put(&place, &bytes)?,
            Content::Secret(_) => {}
        }
    }
    for (name, text) in SCRIPTS {
        put(&kit.join(name), text.as_bytes())?;
    }
    put(&kit.join("step.bash"), packages::step(Vec::new()).script.as_bytes())?;
    // what dpkg flushes to the disk goes away with a crash anyway; the repository is ours, so nobody has to be kept from it
    let apt = "APT::Status-Fd \"3\";\nAPT::Sandbox::User \"root\";\nDpkg::Options:: \"--force-unsafe-io\";\n";
    put(&kit.join("apt.conf"), apt.as_bytes())
}

/// The kernels that the installation has made an initramfs for.
///
/// # Errors
/// Whatever the system reports.
pub(super) fn kernels(kit: &Path) -> Result<Vec<String>, HostError> {
    let path = kit.join("state/kernels");
    let text = crate::host::files::read_optional(&path, 1 << 20)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
}

fn parent_of(path: &Path) -> Result<(), HostError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(HostError::file("create", parent))
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), BakeError> {
    parent_of(path)?;
    Ok(fs::write(path, bytes).map_err(HostError::file("write", path))?)
}

/// The same packages with nothing compressed in them, in `pool`, in the same order. Decompressing is most of what dpkg
/// does, and an emulator does it ten times slower.
fn uncompressed(
    install: &[LocalPackage],
    pool: &Path,
    reporter: &dyn Reporter,
) -> Result<Vec<LocalPackage>, BakeError> {
    let total = install.iter().map(|package| package.size).sum();
    let task = reporter.begin_many("decompressing packages", install.len(), Some(total));
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let work = || -> Result<(), BakeError> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(package) = install.get(index) else { return Ok(()) };
            if reporter.interrupted() {
                return Err(NamespaceError::Stopped.into());
            }
            let made = one(package, &pool.join(format!("{index}.deb")))?;
            advance(reporter, task, package.size);
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, made));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores().min(install.len())).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    reporter.finish(task, "");
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, package)| package).collect())
}

fn advance(reporter: &dyn Reporter, task: TaskId, bytes: u64) {
    reporter.advance(task, bytes);
    reporter.part_done(task);
}

fn one(package: &LocalPackage, to: &Path) -> Result<LocalPackage, BakeError> {
    let from = &package.file;
    let bytes = fs::read(from).map_err(HostError::file("read", from))?;
    let broken = |source| BakeError::Package { path: from.clone(), source };
    let opened = Package::open(&bytes).map_err(broken)?;
    let file = fs::File::create(to).map_err(HostError::file("create", to))?;
    let mut out = BufWriter::new(file);
    opened.write_uncompressed(&mut out).map_err(broken)?;
    out.into_inner().map_err(|error| HostError::file("write", to)(error.into_error()))?;
    let (size, sha256) = digest(to)?;
    Ok(LocalPackage { size, sha256, file: to.to_owned(), ..package.clone() })
}

fn digest(path: &Path) -> Result<(u64, String), BakeError> {
    let mut file = fs::File::open(path).map_err(HostError::file("open", path))?;
    let mut out = HashingWriter::new(std::io::sink());
    std::io::copy(&mut file, &mut out).map_err(HostError::file("read", path))?;
    let (_, sha256, size) = out.finish();
    Ok((size, sha256.to_string()))
}

/// Where a file of the kit is.
pub(super) fn inside(name: &str) -> PathBuf {
    Path::new(PLACE).join(name)
}
