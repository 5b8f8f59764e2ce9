//! Kernel modules that were built ahead, as text: a line for each package.

use std::fmt::Write;

use super::{Show, Text, printable};
use crate::command::outcome::ModuleOutcome;

impl Show for ModuleOutcome {
    fn text(&self, verbose: bool) -> Text {
        let mut text = Text::default();
        for module in &self.modules {
            let _ = writeln!(text.out, "{}", printable(&module.file.display().to_string()));
            let _ = writeln!(
                text.err,
                "zfs {} for the kernel {}, built with {}",
                module.zfs, module.kernel, module.compiler
            );
            if verbose {
                let _ = writeln!(text.err, "  sha256 {} ({} bytes)", module.sha256, module.size);
            }
            match &module.url {
                Some(url) => {
                    let _ = writeln!(text.err, "  put it where `{}` says that it is", printable(url));
                }
                None => text.err += "  only Linux can build it again: `--url` tells others where it is\n",
            }
        }
        if self.written {
            let _ = writeln!(text.err, "wrote `{}`", printable(&self.lock.display().to_string()));
        }
        text
    }
}
