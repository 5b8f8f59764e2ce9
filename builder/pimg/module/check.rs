//! Whether modules are for a kernel, by what they and it say: what the kernel itself looks at when it loads one
//! (`kernel/module/version.c`), looked at before a node has to.

use std::collections::BTreeMap;

use pimg_deb::package::Package;

use super::elf::KernelModule;
use super::error::ModuleError;
use super::pack::{MODULES, module_path};
use super::symvers;

/// What modules are compared with.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    /// The kernel's release.
    pub(super) kernel: &'a str,
    /// What a module of the image's own says; `None` where it has none.
    pub(super) own: Option<&'a KernelModule>,
    /// What kernel and modules of this build offer.
    pub(super) symbols: &'a BTreeMap<String, u32>,
}

impl Expected<'_> {
    /// Accepts the bytes of a module.
    ///
    /// # Errors
    /// It is none, or not for this kernel.
    pub(super) fn accept(&self, name: &str, bytes: &[u8]) -> Result<(), ModuleError> {
        let module = parse(name, bytes)?;
        self.same_kernel(name, &module)?;
        if module.has_versions() {
            compare(name, self.kernel, &module, self.symbols, true)?;
        }
        Ok(())
    }

    fn same_kernel(&self, name: &str, module: &KernelModule) -> Result<(), ModuleError> {
        let fits = match self.own {
            Some(own) => module.vermagic == own.vermagic,
            None => module.kernel() == self.kernel,
        };
        if fits {
            return Ok(());
        }
        let expected = self.own.map_or_else(|| self.kernel.to_owned(), |own| own.vermagic.clone());
        Err(ModuleError::OtherKernel { name: name.to_owned(), expected, got: module.vermagic.clone() })
    }
}

/// Whether headers are those of the image's kernel: `own` is a module of the image, `module_symvers` the `Module.symvers`
/// of the headers. A kernel may be built anew under the name of an earlier one.
///
/// # Errors
/// They are not.
pub fn headers_fit(kernel: &str, own: &KernelModule, module_symvers: &[u8]) -> Result<(), ModuleError> {
    let symbols = symvers::parse(&String::from_utf8_lossy(module_symvers));
    // modules of the kernel use each other, and not all of them need be in the file
    compare("a module of the image", kernel, own, &symbols, false)
}

fn compare(
    name: &str,
    kernel: &str,
    module: &KernelModule,
    symbols: &BTreeMap<String, u32>,
    all: bool,
) -> Result<(), ModuleError> {
    for (symbol, got) in &module.symbols {
        let expected = match symbols.get(symbol) {
            Some(expected) if expected == got => continue,
            Some(expected) => format!("{expected:08x}"),
            None if all => "none".to_owned(),
            None => continue,
        };
        let (name, symbol) = (name.to_owned(), symbol.clone());
        let (kernel, got) = (kernel.to_owned(), format!("{got:08x}"));
        return Err(ModuleError::OtherSymbol { name, kernel, symbol, got, expected });
    }
    Ok(())
}

/// Whether a finished package, which may come from elsewhere, has modules for this kernel. `own` is a module of the
/// image, where it has one. All of the package is read: its own checksums tell damage.
///
/// # Errors
/// It has none, or not for this kernel.
pub fn accept_package(
    name: &str,
    bytes: &[u8],
    kernel: &str,
    own: Option<&KernelModule>,
) -> Result<(), ModuleError> {
    let damaged = |source| ModuleError::Package { name: name.to_owned(), source };
    let package = Package::open(bytes).map_err(damaged)?;
    package.files().map_err(damaged)?.try_for_each(|file| file.map(drop)).map_err(damaged)?;
    let nothing = BTreeMap::new();
    let expected = Expected { kernel, own, symbols: &nothing };
    for module in MODULES {
        let path = module_path(kernel, module);
        let content = package.read_file(&path).map_err(damaged)?;
        let content =
            content.ok_or_else(|| ModuleError::NoFile { name: name.to_owned(), path: path.clone() })?;
        let module = parse(&path, &content)?;
        expected.same_kernel(&path, &module)?;
        if let Some(own) = own {
            // what both use has to be the same
            compare(&path, kernel, &module, &own.symbols, false)?;
        }
    }
    Ok(())
}

fn parse(name: &str, bytes: &[u8]) -> Result<KernelModule, ModuleError> {
    KernelModule::parse(bytes).map_err(|source| ModuleError::NoModule { name: name.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{KernelModule, compare, headers_fit};

    fn module(symbols: &[(&str, u32)]) -> KernelModule {
        KernelModule {
            vermagic: "6.12.1 SMP mod_unload modversions aarch64".to_owned(),
            symbols: symbols.iter().map(|(name, sum)| ((*name).to_owned(), *sum)).collect(),
            ..KernelModule::default()
        }
    }

    #[test]
    fn headers_of_a_kernel_that_was_built_anew_are_told() {
        let own = module(&[("module_layout", 0xab), ("of_another_module", 1)]);
        assert!(
            headers_fit("6.12.1", &own, b"0x000000ab\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n").is_ok()
        );
        let error = headers_fit("6.12.1", &own, b"0x000000ac\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n");
        insta::assert_snapshot!(error.expect_err("differs").to_string(),
            @"`a module of the image` does not fit the kernel 6.12.1: the symbol `module_layout` has the checksum 000000ab, the kernel has 000000ac");
    }

    #[test]
    fn a_symbol_that_the_kernel_does_not_have_is_told() {
        let offered = BTreeMap::from([("a".to_owned(), 1)]);
        assert!(compare("zfs.ko", "6.12.1", &module(&[("a", 1)]), &offered, true).is_ok());
        let error = compare("zfs.ko", "6.12.1", &module(&[("b", 2)]), &offered, true).expect_err("has no b");
        assert!(
            error.to_string().ends_with("the symbol `b` has the checksum 00000002, the kernel has none"),
            "{error}"
        );
    }
}
