//! Kernel modules that are built here rather than on the node: from the packages of a compiler, of a kernel's headers and
//! of the sources of ZFS to a Debian package with the modules.
//!
//! ```text
//! packages ──► tools ──────► build ─────► check ─────────► pack
//! (.deb files) a root tree   configure,   for this kernel  zfs-modules-KERNEL
//!              of them       make         and no other
//! ```
//! Which packages those are is decided in `packages::prebuilt`. Nothing is installed and no maintainer script runs: a tree
//! that only compiles needs neither. The build sees that tree and nothing of the host, so that the same packages give the
//! same bytes.

mod build;
mod check;
mod elf;
mod error;
mod fit;
mod pack;
mod probe;
mod symvers;
mod tools;

pub use build::{Recipe, build};
pub use check::{accept_package, headers_fit};
pub use elf::KernelModule;
pub use error::ModuleError;
pub use fit::{Range, compiler_of};
pub use pack::{package_name, package_version};
pub use probe::require_namespaces;
pub use tools::{Machine, TOOLS};
