//! Build script: puts `overlays/` and the profile of the base image into the program, so that `pimg new` can write them for
//! somebody who has the program alone.
#![expect(clippy::print_stdout, reason = "this is how a build script talks to cargo")]

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What is put in, from the top of the repository.
const SHIPPED: [&str; 3] = ["overlays", "profiles/README.md", "profiles/raspios.toml"];

#[expect(clippy::disallowed_methods, reason = "cargo says in the environment where the result goes")]
fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for name in SHIPPED {
        println!("cargo::rerun-if-changed={name}");
        collect(&root.join(name), &mut files)?;
    }
    files.sort();
    let mut code = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(root).map_err(io::Error::other)?;
        let is_executable = fs::metadata(&file)?.permissions().mode() & 0o100 != 0;
        let _ = writeln!(code, "    ({name:?}, {is_executable}, include_bytes!({file:?})),");
    }
    code.push_str("]\n");
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets no OUT_DIR"))?;
    fs::write(Path::new(&out).join("shipped.rs"), code)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}
