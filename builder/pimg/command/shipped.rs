//! What the program brings along: the overlays of its repository, and the profile of the base image. `builder/embed.rs` puts
//! them in.

use crate::host::new_files::NewFile;

/// Path, whether it may be executed, content; sorted.
type Shipped = (&'static str, bool, &'static [u8]);

const FILES: &[Shipped] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// All files at or below a path of the repository, such as `overlays/zfs` or `profiles/raspios.toml`.
pub(super) fn below(path: &str) -> Vec<NewFile> {
    let is_below =
        |name: &str| name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let found = FILES.iter().filter(|(name, _, _)| is_below(name));
    found
        .map(|(name, executable, bytes)| NewFile {
            path: (*name).into(),
            bytes: bytes.to_vec(),
            executable: *executable,
        })
        .collect()
}

/// The features that there are.
pub(super) fn overlays() -> Vec<&'static str> {
    let names = FILES.iter().filter_map(|(name, _, _)| name.strip_prefix("overlays/")?.split_once('/'));
    let mut names: Vec<_> = names.map(|(name, _)| name).collect();
    names.dedup();
    names
}
