//! What this machine has: facts for `pimg doctor`, which judges them. Nothing is changed by looking.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access};

use super::card::Card;
use super::env::Environment;
use super::files::{free_space, read_head, read_optional};
use super::{namespace_error, ssh_keys, tools};

/// Longest file of facts, in bytes.
const LONGEST: u64 = 1 << 20;

/// Where the certificates of certification authorities are, by system.
const CERTIFICATES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
];

/// Facts about the machine.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// `/etc/os-release`; empty where there is none.
    pub os_release: String,
    /// Whether this is macOS.
    pub is_mac: bool,
    /// Programs that were looked for, and where they are.
    pub programs: BTreeMap<&'static str, Option<PathBuf>>,
    /// The operator's editor: its first word, and where that is.
    pub editor: (String, Option<PathBuf>),
    /// The cache; `None` where the environment names no place.
    pub cache: Option<Directory>,
    /// Where images go.
    pub out: Option<Directory>,
    /// `/dev/kvm`.
    pub kvm: Device,
    /// Disks that can be taken out, and whether they may be written.
    pub cards: Vec<(PathBuf, String, bool)>,
    /// Why a user may make no namespaces, as commands that allow them; empty where nothing is known to forbid it.
    pub no_namespaces: Vec<&'static str>,
    /// Memory in bytes, where it is known.
    pub memory: Option<u64>,
    /// How many files a process may have open, where it is known.
    pub open_files: Option<u64>,
    /// The certificates that the system trusts.
    pub certificates: Option<PathBuf>,
    /// How many public keys there are in `~/.ssh`.
    pub ssh_keys: usize,
}

/// A directory that is written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Its path.
    pub path: PathBuf,
    /// Whether files can be made in it, or it can be made itself.
    pub writable: bool,
    /// Bytes that are free there, where that is known.
    pub free: Option<u64>,
}

/// Whether a device can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// There is none.
    #[default]
    Missing,
    /// It may not be opened.
    Denied,
    /// It can be used.
    Usable,
}

/// Looks at the machine.
pub fn look(environment: &Environment, project: &Path, wanted: &[&'static str]) -> Survey {
    let text = |path: &str| {
        let bytes = read_optional(Path::new(path), LONGEST).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let find = |program: &str| find(environment, program);
    let editor = environment.editor().split_whitespace().next().unwrap_or_default().to_owned();
    let editor = (editor.clone(), find(&editor));
    let is_mac = cfg!(target_os = "macos");
    Survey {
        os_release: text("/etc/os-release"),
        is_mac,
        programs: wanted.iter().map(|program| (*program, find(program))).collect(),
        editor,
        cache: environment.cache_dir().map(|path| directory(&path)),
        out: Some(directory(&project.join("out"))),
        kvm: device(Path::new("/dev/kvm")),
        cards: cards(),
        no_namespaces: namespace_error::obstacles(),
        memory: if is_mac { memory_of_mac() } else { memory(&text("/proc/meminfo")) },
        open_files: open_files(&limits()),
        certificates: certificates(environment),
        ssh_keys: environment
            .home()
            .and_then(|home| ssh_keys::of_operator(&home).ok())
            .map_or(0, |keys| keys.len()),
    }
}

/// Where a program is: a path as it stands, a name among the directories of `PATH`.
fn find(environment: &Environment, program: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(is_program);
    }
    let path = environment.variable("PATH")?;
    std::env::split_paths(path).map(|dir| dir.join(program)).find(is_program)
}

fn directory(path: &Path) -> Directory {
    // one that is not there is made in the first that is
    let nearest = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let nearest = nearest
        .ancestors()
        .find(|dir| dir.symlink_metadata().is_ok())
        .unwrap_or(Path::new("/"))
        .to_path_buf();
    let writable = nearest.is_dir() && access(&nearest, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    Directory { path: path.to_path_buf(), writable, free: free_space(&nearest).ok() }
}

fn device(path: &Path) -> Device {
    if !path.exists() {
        return Device::Missing;
    }
    if access(path, Access::READ_OK | Access::WRITE_OK).is_ok() { Device::Usable } else { Device::Denied }
}

/// Disks with a card in them that are made to be taken out.
fn cards() -> Vec<(PathBuf, String, bool)> {
    let disks = super::files::list_names(Path::new("/sys/block")).unwrap_or_default();
    let paths = disks.into_iter().map(|(name, _)| Path::new("/dev").join(name));
    let cards = paths.filter_map(|path| Card::look(&path).ok());
    let cards = cards.filter(|card| card.disk.as_ref().is_some_and(|disk| disk.removable && disk.size > 0));
    let may_write = |card: &Card| access(&card.path, Access::WRITE_OK).is_ok();
    cards.map(|card| (card.path.clone(), card.description(), may_write(&card))).collect()
}

fn memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn memory_of_mac() -> Option<u64> {
    let command = ["sysctl", "-n", "hw.memsize"].map(str::to_owned);
    let said = tools::run(&command, Path::new("/"), Duration::from_secs(5)).ok()?;
    String::from_utf8_lossy(&said).trim().parse().ok()
}

/// What Linux says of this process. The file has no length, so that its beginning is read.
fn limits() -> String {
    let bytes = read_head(Path::new("/proc/self/limits"), LONGEST).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn certificates(environment: &Environment) -> Option<PathBuf> {
    let named = environment.variable("SSL_CERT_FILE").map(PathBuf::from);
    let known = CERTIFICATES.iter().map(PathBuf::from);
    named
        .into_iter()
        .chain(known)
        .find(|path| path.metadata().is_ok_and(|found| found.is_file() && found.len() > 0))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Environment, directory, find, memory, open_files};

    #[test]
    fn reads_what_the_kernel_says() {
        assert_eq!(memory("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 << 20));
        assert_eq!(memory("nothing"), None);
        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024      4096    files\n";
        assert_eq!(open_files(limits), Some(1024));
    }

    #[test]
    fn finds_programs_and_directories_that_are_not_there_yet() -> std::io::Result<()> {
        let environment = Environment::new([("PATH", "/nowhere:/bin")]);
        assert_eq!(find(&environment, "sh").as_deref(), Some(Path::new("/bin/sh")));
        assert_eq!(find(&environment, "no-such-program"), None);
        let dir = tempfile::tempdir()?;
        let found = directory(&dir.path().join("a/b"));
        assert!(found.writable && found.free.is_some());
        std::fs::write(dir.path().join("file"), "")?;
        assert!(!directory(&dir.path().join("file/b")).writable);
        Ok(())
    }
}
