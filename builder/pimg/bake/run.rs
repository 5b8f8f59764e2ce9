//! A bake from its inputs to `layer.tar.zst` and `layer.json`.

use std::path::Path;

use super::error::BakeError;
use super::manifest::LayerManifest;
use crate::guest::packages::PackageSet;
use crate::image::base::BaseImage;
use crate::plan::change::Change;
use crate::progress::Reporter;

/// What a bake is made from. Two jobs that are equal but for `program`, `path` and `work` give the same bytes.
pub struct BakeJob<'a> {
    /// The base that packages are installed into.
    pub base: &'a BaseImage,
    /// Digest of its raw image, in lower-case hexadecimal.
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
    /// Where trees may be made, some GiB: a directory on a file system with owners and extended attributes. What a killed bake left
    /// there goes first; nothing but the log of a failed one stays.
    pub work: &'a Path,
    /// pimg itself, which is the first process inside ([`crate::host::env::program`]).
    pub program: &'a Path,
    /// Directories of the host's programs, as in `$PATH`.
    pub path: &'a std::ffi::OsStr,
}

/// Installs the packages of `job` over its base and writes `layer.tar.zst` and `layer.json` into the directory `into`,
/// which is there. Nothing is written into it before all is checked. Whoever else bakes in the same `work` is to be kept
/// away by the caller.
///
/// # Errors
/// The host cannot make namespaces, a package does not install, what it made is not whole, or the operator asked to stop.
pub fn bake(job: &BakeJob<'_>, into: &Path, reporter: &dyn Reporter) -> Result<LayerManifest, BakeError> {
    let _ = (job, into, reporter);
    Err(BakeError::NotLinux)
}
