//! Interface names that follow from where a card sits.
//!
//! Raspberry Pi OS masks two of systemd's `.link` files, so that interfaces are called `eth0`, `eth1` as they come
//! up. The masks go. The initramfs has its own copies of them, taken from `/etc/systemd/network` to
//! `usr/lib/systemd/network` (udev's hook of initramfs-tools), and names interfaces first; `NamePolicy=keep` then
//! holds on to those names. So it gets the real files in a further cpio segment, with ours.

use super::cpio::{SegmentFile, append, segment};
use super::error::Error;
use super::inputs::{Changes, Inputs};
use super::network;
use crate::plan::change::{Change, Origin, Partition};
use crate::plan::path::GuestPath;

const MASKED: [&str; 2] = ["73-usb-net-by-mac.link", "99-default.link"];
const ADMINISTRATOR: &str = "/etc/systemd/network";
const VENDOR: &str = "/usr/lib/systemd/network";

/// The changes of this file.
///
/// # Errors
/// The base cannot be read.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let mut changes = Changes::default();
    let origin = || Origin::Rule { rule: "predictable interface names" };
    let mut links = Vec::new();
    for name in MASKED {
        let mask = format!("{ADMINISTRATOR}/{name}");
        if inputs.kind(&mask)?.is_some() {
            changes.remove(&mask, origin())?;
            if let Some(content) = inputs.read(&format!("{VENDOR}/{name}"))? {
                links.push((name.to_owned(), content));
            }
        }
    }
    links.extend(network::link_file(inputs.host).map(|(name, content)| (name, content.into_bytes())));
    if links.is_empty() {
        return Ok(changes.0);
    }
    let paths: Vec<_> = links.iter().map(|(name, _)| format!("{}/{name}", &VENDOR[1..])).collect();
    let files: Vec<_> =
        paths.iter().zip(&links).map(|(path, (_, content))| SegmentFile { path, content }).collect();
    let segment = segment(&files, u32::try_from(inputs.epoch).unwrap_or(u32::MAX))?;
    for name in inputs.base.list(Partition::Boot, &GuestPath::new("/")?)?.unwrap_or_default() {
        if name.starts_with("initramfs") {
            let path = format!("/{name}");
            let initramfs = inputs.read_required(Partition::Boot, &path)?;
            changes.boot_file(&path, append(&initramfs, &segment), origin())?;
        }
    }
    Ok(changes.0)
}

#[cfg(test)]
mod tests {
    use super::changes;
    use crate::guest::test_support::{MapBase, at, host, inputs, removed, untouched};
    use crate::plan::change::{Action, Content};
    use crate::profile::types::MacAddress;

    fn base() -> MapBase {
        MapBase::default()
            .symlink("/etc/systemd/network/99-default.link", "/dev/null")
            .symlink("/etc/systemd/network/73-usb-net-by-mac.link", "/dev/null")
            .file("/usr/lib/systemd/network/99-default.link", "[Match]\nOriginalName=*\n")
            .file("/usr/lib/systemd/network/73-usb-net-by-mac.link", "[Match]\nPath=*-usb-*\n")
            .boot("/initramfs8", "zstd!")
            .boot("/initramfs_2712", "zstd")
            .boot("/kernel8.img", "kernel")
    }

    fn bytes(changes: &[crate::plan::change::Change], path: &str) -> Vec<u8> {
        match &at(changes, path).action {
            Action::PutFile { content: Content::Bytes(bytes), .. } => bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn root_and_initramfs_agree() {
        let base = base();
        let mut host = host();
        host.network.backplane.as_mut().expect("has one").mac = Some(MacAddress([0, 0xe0, 0x4c, 0x68, 0, 1]));
        let found = changes(&inputs(&host, &base)).expect("changes");
        assert!(removed(&found, "/etc/systemd/network/99-default.link"));
        assert!(removed(&found, "/etc/systemd/network/73-usb-net-by-mac.link"));
        for (path, before) in [("/initramfs8", &b"zstd!\0\0\0"[..]), ("/initramfs_2712", b"zstd")] {
            let after = bytes(&found, path);
            let segment = after.strip_prefix(before).expect("the segment comes behind");
            let text = String::from_utf8_lossy(segment);
            for expected in [
                "usr/lib/systemd/network/99-default.link\0",
                "OriginalName=*",
                "usr/lib/systemd/network/73-usb-net-by-mac.link\0",
                "Path=*-usb-*",
                "usr/lib/systemd/network/10-pimg-backplane.link\0",
            ] {
                assert!(text.contains(expected), "{expected}");
            }
        }
        assert!(untouched(&found, "/kernel8.img"));
    }

    #[test]
    fn names_that_are_predictable_already_stay() {
        let base = base()
            .without("/etc/systemd/network/99-default.link")
            .without("/etc/systemd/network/73-usb-net-by-mac.link");
        assert!(changes(&inputs(&host(), &base)).expect("changes").is_empty());
    }
}
