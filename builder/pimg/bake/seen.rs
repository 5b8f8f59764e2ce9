//! Files of the plan that packages look at while they are installed.
//!
//! They lie between the base and what packages change, so that a package finds them, and so that they are no part of
//! the layer: the plan writes them into the image anyway, and may say something else tomorrow.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::host::error::HostError;
use crate::plan::change::{Action, Change, Content, Partition};

/// A file, and where its content is below the directory of these files.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) content: PathBuf,
}

/// Name of the list.
pub(super) const LIST: &str = "seen.json";

/// Tells an invoke-rc.d or deb-systemd-invoke that nothing may be started (`invoke-rc.d(8)`).
const POLICY: (&str, &str) = ("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n");
/// An initramfs for the node and not for the machine that it is made on, which has no disk of the node and may have a swap
/// device: the hooks `fsck` and `resume` would look there. The root file system of an image is ext4 ([`crate::image`]).
const INITRAMFS: (&str, &str) = (
    "/etc/initramfs-tools/conf.d/zz-pimg-bake",
    "MODULES=most\n\
     case ${FSTYPE:-auto} in auto) FSTYPE=ext4 ;; esac\n\
     case ${RESUME:-auto} in auto) RESUME=none ;; esac\n",
);

/// Writes the contents into `directory`, and a list of what goes where.
pub(super) fn write(directory: &Path, files: &[Change]) -> Result<(), HostError> {
    std::fs::create_dir_all(directory).map_err(HostError::file("create", directory))?;
    let mut list = Vec::new();
    let put = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, bytes).map_err(HostError::file("write", &path))
    };
    for ((path, text), mode) in [(POLICY, 0o755), (INITRAMFS, 0o644)] {
        let content = list.len().to_string();
        put(&content, text.as_bytes())?;
        list.push(Seen { path: path.to_owned(), mode, uid: 0, gid: 0, content: content.into() });
    }
    for change in files.iter().filter(|change| change.partition == Partition::Root) {
        let Action::PutFile { content, ownership } = &change.action else { continue };
        let name = list.len().to_string();
        match content {
            Content::Bytes(bytes) => put(&name, bytes)?,
            Content::HostFile { path, .. } => {
                put(&name, &std::fs::read(path).map_err(HostError::file("read", path))?)?;
            }
            // what a layer that is shared is made from is no secret
            Content::Secret(_) => continue,
        }
        list.push(Seen {
            path: change.path.as_str().to_owned(),
            mode: ownership.mode,
            uid: ownership.uid,
            gid: ownership.gid,
            content: name.into(),
        });
    }
    put(LIST, serde_json::to_string(&list).expect("paths and numbers can be written").as_bytes())
}
