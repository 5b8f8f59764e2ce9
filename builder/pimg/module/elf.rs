//! What a kernel module says of itself: the sections `.modinfo` and `__versions` of its ELF file (`include/linux/module.h`,
//! `struct modversion_info`).

use std::collections::BTreeMap;

use elf::ElfBytes;
use elf::endian::AnyEndian;

/// A checksum of 8 bytes and a name of 56, where a `long` has 64 bits.
const VERSION_ENTRY: usize = 64;

/// What a kernel module says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelModule {
    /// The kernel that it is for, such as `6.12.47+rpt-rpi-v8 SMP preempt mod_unload modversions aarch64`.
    pub vermagic: String,
    /// Its own version, where it has one.
    pub version: Option<String>,
    /// Checksums of the symbols that it takes from the kernel and from other modules; empty without `modversions`.
    pub symbols: BTreeMap<String, u32>,
}

/// A file that is no kernel module.
#[derive(Debug, thiserror::Error)]
pub enum NoModule {
    /// It is no ELF file, or a damaged one.
    #[error("it is no ELF file")]
    Elf(#[from] elf::ParseError),
    /// Something that every module has is missing.
    #[error("it has no {0}")]
    Missing(&'static str),
}

impl KernelModule {
    /// Reads the bytes of a `.ko` file.
    ///
    /// # Errors
    /// They are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoModule> {
        let file = ElfBytes::<AnyEndian>::minimal_parse(bytes)?;
        let info = section(&file, ".modinfo")?.ok_or(NoModule::Missing("section `.modinfo`"))?;
        let said = |key: &str| {
            let mut pairs = info.split(|byte| *byte == 0).map(String::from_utf8_lossy);
            pairs.find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=').map(str::to_owned))
        };
        let vermagic = said("vermagic").ok_or(NoModule::Missing("`vermagic`"))?;
        let versions = section(&file, "__versions")?.unwrap_or_default();
        let symbols = versions.chunks_exact(VERSION_ENTRY).filter_map(|entry| {
            let (sum, name) = entry.split_at_checked(8)?;
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let sum = u32::from_le_bytes(sum.first_chunk().copied()?);
            Some((String::from_utf8_lossy(name).into_owned(), sum))
        });
        Ok(Self {
            vermagic: vermagic.trim().to_owned(),
            version: said("version"),
            symbols: symbols.collect(),
        })
    }

    /// The release of its kernel: what `uname -r` says there.
    pub fn kernel(&self) -> &str {
        self.vermagic.split(' ').next().unwrap_or_default()
    }

    /// Whether symbols are compared one by one when it is loaded.
    pub fn has_versions(&self) -> bool {
        self.vermagic.split(' ').any(|word| word == "modversions")
    }
}

fn section<'d>(file: &ElfBytes<'d, AnyEndian>, name: &str) -> Result<Option<&'d [u8]>, elf::ParseError> {
    let Some(header) = file.section_header_by_name(name)? else { return Ok(None) };
    Ok(Some(file.section_data(&header)?.0))
}

#[cfg(test)]
mod tests {
    use super::{KernelModule, NoModule};

    #[test]
    fn what_is_no_module_is_told() {
        assert!(matches!(KernelModule::parse(b"\x7fELF"), Err(NoModule::Elf(_))));
        assert!(matches!(KernelModule::parse(b""), Err(NoModule::Elf(_))));
        assert!(matches!(KernelModule::parse(&[0; 4096]), Err(NoModule::Elf(_))));
    }
}
