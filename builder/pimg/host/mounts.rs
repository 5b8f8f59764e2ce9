//! Mounts inside of namespaces. Nothing of it is seen outside, and all of it goes with the last process inside.
#![cfg(target_os = "linux")]

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, mount as attach, mount_bind_recursive};

use super::inside::Mount;

/// What programs expect in `/dev`, and may have.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Mounts one thing.
///
/// # Errors
/// Whatever the system reports.
pub(super) fn mount(mount: &Mount) -> io::Result<()> {
    match mount {
        Mount::Bind { from, to } => bind(from, to),
        Mount::Proc { to } => file_system("proc", to, "", MountFlags::NOSUID | MountFlags::NODEV),
        Mount::Tmpfs { to, mode } => tmpfs(to, *mode),
        Mount::Devices { to } => devices(to),
        Mount::Overlay { lower, upper, scratch, to } => {
            for directory in [upper, scratch] {
                fs::create_dir_all(directory)?;
            }
            overlay(lower, upper, scratch, to)
        }
        Mount::Emulator { line, to } => emulator(line, to),
    }
}

fn file_system(kind: &str, to: &Path, options: &str, flags: MountFlags) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let options = CString::new(options)?;
    attach(kind, to, kind, flags, Some(options.as_c_str())).map_err(io::Error::from)
}

fn tmpfs(to: &Path, mode: u32) -> io::Result<()> {
    file_system("tmpfs", to, &format!("mode={mode:o}"), MountFlags::NOSUID | MountFlags::NODEV)
}

fn bind(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
    } else if !to.exists() {
        fs::write(to, "")?;
    }
    Ok(mount_bind_recursive(from, to)?)
}

fn devices(to: &Path) -> io::Result<()> {
    file_system("tmpfs", to, "mode=0755", MountFlags::NOSUID)?;
    for name in DEVICES {
        bind(&Path::new("/dev").join(name), &to.join(name))?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        std::os::unix::fs::symlink(target, to.join(name))?;
    }
    tmpfs(&to.join("shm"), 0o1777)?;
    file_system("devpts", &to.join("pts"), "newinstance,ptmxmode=0666,mode=0620", MountFlags::NOSUID)
}

/// `userxattr`, as only that is allowed to who is not root of the host; `volatile`, as what a crash leaves is thrown
/// away anyway, and a package's thousand calls of fsync cost most of the time.
fn overlay(lower: &[PathBuf], upper: &Path, scratch: &Path, to: &Path) -> io::Result<()> {
    let lower: Vec<_> = lower.iter().map(|path| path.display().to_string()).collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr,volatile",
        lower.join(":"),
        upper.display(),
        scratch.display()
    );
    file_system("overlay", to, &options, MountFlags::empty())
}

fn emulator(line: &[u8], to: &Path) -> io::Result<()> {
    match file_system("binfmt_misc", to, "", MountFlags::empty()) {
        // before Linux 6.7 it is root's of the host alone
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        other => other?,
    }
    fs::write(to.join("register"), line)
}
