//! What runs the programs of the image where the host is no arm64 machine itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::BakeError;
use crate::host::files::read_head;
use crate::host::tools;

/// Names that QEMU's user-mode emulator has, static ones first.
const NAMES: [&str; 2] = ["qemu-aarch64-static", "qemu-aarch64"];
/// Where it may be besides `$PATH`.
const PLACES: [&str; 2] = ["/usr/bin", "/usr/local/bin"];

/// The processor that is emulated: the oldest that Raspberry Pi OS for arm64 runs on. QEMU's own choice has pointer authentication,
/// which it emulates so slowly that everything takes twice as long.
pub(super) const PROCESSOR: &str = "cortex-a72";

/// An emulator that works wherever it is asked for, as it needs no library.
#[derive(Clone, Debug)]
pub(super) struct Emulator {
    /// The program.
    pub(super) program: PathBuf,
    /// What it calls itself, such as `qemu-aarch64 10.0.2`.
    pub(super) version: String,
}

impl Emulator {
    /// Looks for one in the directories of `path`. Nothing on an arm64 machine, which needs none.
    ///
    /// # Errors
    /// There is none, or only one that needs libraries.
    pub(super) fn find(path: &OsStr) -> Result<Option<Self>, BakeError> {
        if cfg!(target_arch = "aarch64") {
            return Ok(None);
        }
        let places: Vec<_> = std::env::split_paths(path).chain(PLACES.map(PathBuf::from)).collect();
        let found = NAMES.iter().flat_map(|name| places.iter().map(move |place| place.join(name)));
        let mut shared = None;
        for program in found.filter(|program| program.is_file()) {
            if is_static(&read_head(&program, 64 << 10)?) {
                let version = version(&program)?;
                return Ok(Some(Self { program, version }));
            }
            shared.get_or_insert(program);
        }
        Err(BakeError::NoEmulator { shared })
    }

    /// The line of `binfmt.d(5)` that has the kernel start it for programs for arm64. `F`: it is opened now, and the
    /// image need not have it; `P`: programs see their own name as it was typed; `O`: programs that may be executed and
    /// not read work too.
    pub(super) fn registration(&self) -> Vec<u8> {
        // the first 20 bytes of a 64-bit little-endian ELF program or library (types 2 and 3) for AArch64 (machine 183)
        let magic = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
        let mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
        format!(":pimg-aarch64:M::{magic}:{mask}:{}:OPF", self.program.display()).into_bytes()
    }
}

fn version(program: &Path) -> Result<String, BakeError> {
    let command = [program.display().to_string(), "--version".to_owned()];
    let said = tools::run(&command, Path::new("/"), Duration::from_secs(60))?;
    let said = String::from_utf8_lossy(&said).into_owned();
    let words: Vec<_> = said.lines().next().unwrap_or_default().split_whitespace().collect();
    let number = words.iter().position(|word| *word == "version").and_then(|at| words.get(at + 1));
    Ok(format!("qemu-aarch64 {}", number.unwrap_or(&"of an unknown version")))
}

/// Whether an ELF program asks for no interpreter (`PT_INTERP`, 3, in no program header).
fn is_static(head: &[u8]) -> bool {
    let number = |at: usize, length: usize| {
        let bytes = head.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0_usize, |number, byte| number << 8 | usize::from(*byte)))
    };
    // e_phoff, e_phentsize, e_phnum of a 64-bit header
    let (Some(first), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else {
        return false;
    };
    let types = (0..count).map(|index| number(first.saturating_add(index * size), 4));
    head.starts_with(b"\x7fELF\x02\x01") && types.into_iter().all(|kind| kind.is_some_and(|kind| kind != 3))
}

#[cfg(test)]
mod tests {
    use super::{Emulator, is_static};

    fn program(kinds: &[u8]) -> Vec<u8> {
        let mut head = vec![0; 64];
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (head[32], head[54], head[56]) = (64, 56, u8::try_from(kinds.len()).expect("few"));
        for kind in kinds {
            head.push(*kind);
            head.extend([0; 55]);
        }
        head
    }

    #[test]
    fn only_what_needs_no_library_is_taken() {
        assert!(is_static(&program(&[1, 1, 2])));
        assert!(!is_static(&program(&[6, 3, 1])));
        assert!(!is_static(b"#!/bin/sh\n"));
        assert!(!is_static(&program(&[1, 1])[..120]), "a header that is cut off");
    }

    #[test]
    fn where_there_is_none_that_is_said() {
        if cfg!(target_arch = "x86_64") && !std::path::Path::new("/usr/bin/qemu-aarch64-static").exists() {
            assert!(Emulator::find("/nowhere".as_ref()).is_err());
        }
    }
}
