//! The kernels of the base image, as far as a module that is built for them cares.

use std::io::{self, Read};

use pimg_deb::index;

use super::super::error::PackagesError;
use super::super::kernel::Kernel;
use crate::failure::{Class, Failure};
use crate::guest::base_files::BaseFiles;
use crate::module::KernelModule;
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// Most bytes of a module that is looked at.
const LONGEST: u64 = 64 << 20;

const STATUS: &str = "/var/lib/dpkg/status";

/// A kernel that the image can start, and that a package brought.
pub(super) struct ImageKernel {
    /// What `uname -r` says when it runs.
    pub(super) release: String,
    /// Version of its package.
    pub(super) version: String,
    /// What a module of its own says; `None` where the image has none.
    pub(super) own: Option<KernelModule>,
}

/// All kernels of the image.
///
/// # Errors
/// It has none, or cannot be read.
pub(super) fn kernels(base: &dyn BaseFiles) -> Result<Vec<ImageKernel>, Failure> {
    let mut found = Vec::new();
    for Kernel { release, .. } in Kernel::of(base).map_err(PackagesError::from)? {
        // what another one left behind has no package
        if let Some(version) = installed_version(base, &format!("linux-image-{release}"))? {
            let own = own_module(base, &release)?;
            found.push(ImageKernel { release, version, own });
        }
    }
    if found.is_empty() {
        let guard = PackagesError::Guard {
            what: "the base image has no kernel of a package `linux-image-…`, which a module could be for".to_owned(),
            hint: "take a base image with a kernel of Debian or Raspberry Pi OS, or set `[vars.zfs] module = \"dkms\"`"
                .to_owned(),
        };
        return Err(guard.into());
    }
    Ok(found)
}

/// The version of a package that is installed in the image.
///
/// # Errors
/// The image cannot be read.
pub(super) fn installed_version(base: &dyn BaseFiles, name: &str) -> Result<Option<String>, Failure> {
    let status = read(base, STATUS)?.unwrap_or_default();
    let entries = index::entries(&status)
        .map_err(|source| PackagesError::BaseFile { path: STATUS.to_owned(), source })?;
    let mut installed =
        entries.iter().filter(|entry| entry.package == name && entry.status.ends_with(" installed"));
    Ok(installed.next().map(|entry| entry.version.to_owned()))
}

fn own_module(base: &dyn BaseFiles, release: &str) -> Result<Option<KernelModule>, Failure> {
    let directory = format!("/usr/lib/modules/{release}");
    let listed = read(base, &format!("{directory}/modules.dep"))?.unwrap_or_default();
    let listed = String::from_utf8_lossy(&listed).into_owned();
    // what somebody else has built says nothing of the kernel
    let Some(first) =
        listed.lines().filter_map(|line| line.split(':').next()).find(|path| path.starts_with("kernel/"))
    else {
        return Ok(None);
    };
    let path = format!("{directory}/{first}");
    let Some(bytes) = read(base, &path)? else { return Ok(None) };
    let damaged = |error: Box<dyn std::error::Error + Send + Sync>| {
        Failure::caused_by(Class::Base, format!("`{path}` of the base image is damaged"), error)
    };
    let bytes = decompressed(&path, &bytes).map_err(|error| damaged(error.into()))?;
    KernelModule::parse(&bytes).map(Some).map_err(|error| damaged(error.into()))
}

/// The kernel's build compresses modules as it was told to (`CONFIG_MODULE_COMPRESS`).
fn decompressed(path: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let reader: Box<dyn Read + '_> = match path.rsplit('.').next() {
        Some("xz") => Box::new(liblzma::read::XzDecoder::new(bytes)),
        Some("gz") => Box::new(flate2::read::GzDecoder::new(bytes)),
        Some("zst") => Box::new(zstd::Decoder::new(bytes)?),
        _ => Box::new(bytes),
    };
    let mut plain = Vec::new();
    reader.take(LONGEST).read_to_end(&mut plain)?;
    Ok(plain)
}

fn read(base: &dyn BaseFiles, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    let path = GuestPath::new(path).map_err(PackagesError::Path)?;
    Ok(base.read(Partition::Root, &path).map_err(PackagesError::from)?)
}
