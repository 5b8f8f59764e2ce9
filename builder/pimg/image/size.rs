//! How large the image has to be, so that the node needs no more room on its card while its packages are installed.
//!
//! The step `grow-root` takes the rest of the card before that, and a node where it cannot (a partition behind the root)
//! finishes all the same. What is free beyond that is only for logs: every byte of an image, also of a hole, is digested
//! for each host and written by whoever flashes without a block map.

use crate::plan::change::{Action, Change, Partition};
use crate::profile::host::ImageSpec;

/// Partitions of Raspberry Pi OS start and end at multiples of this many bytes (pi-gen, export-image).
pub const ALIGNMENT: u64 = 8 << 20;

/// Block of the root file system, in bytes: every file takes whole ones.
const BLOCK: u64 = 4096;

/// The profile asks for an image that cannot hold what goes into it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`image.size` is too small: got {got} bytes, and files and packages need {needed} bytes")]
pub struct TooSmall {
    /// Bytes asked for.
    pub got: u64,
    /// Bytes needed.
    pub needed: u64,
}

/// What the base has, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct BaseSizes {
    /// Where the root partition starts.
    pub root_start: u64,
    /// Bytes in use on the root file system, its own structures among them.
    pub root_used: u64,
    /// Length of the base image.
    pub image_len: u64,
}

/// Length of the finished image in bytes: what the profile fixes, or what the files need plus the free space
/// that the profile asks for. Never shorter than the base.
///
/// `growth` is what the node itself adds when it installs its packages, in bytes.
///
/// # Errors
/// The profile fixes a length that is too small.
pub fn image_length(
    base: BaseSizes,
    changes: &[Change],
    growth: u64,
    image: &ImageSpec,
) -> Result<u64, TooSmall> {
    // a sum beyond 64 bits stays the largest there is, which no partition table holds: it is refused there
    let files = changes.iter().map(space_on_root).fold(0, u64::saturating_add);
    let content = base.root_used.saturating_add(growth).saturating_add(files);
    let needed = base.root_start.saturating_add(with_structures(content)).max(base.image_len);
    match image.size {
        Some(got) if got < needed => Err(TooSmall { got, needed }),
        Some(got) => Ok(got / 512 * 512),
        None => {
            let wanted = base.root_start.saturating_add(with_structures(content.saturating_add(image.free)));
            let largest = u64::MAX / ALIGNMENT * ALIGNMENT;
            Ok(wanted.max(base.image_len).checked_next_multiple_of(ALIGNMENT).unwrap_or(largest))
        }
    }
}

/// Groups of 128 MiB bring inode tables of 2 MiB and bitmaps of their own: 2 % covers them.
fn with_structures(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 50)
}

fn space_on_root(change: &Change) -> u64 {
    if change.partition != Partition::Root {
        return 0;
    }
    let length = match &change.action {
        Action::PutFile { content, .. } => content.len(),
        Action::MakeDir { .. } => BLOCK,
        Action::Symlink { .. } | Action::Remove | Action::SetOwnership { .. } => 0,
    };
    length.next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::{ALIGNMENT, BaseSizes, TooSmall, image_length};
    use crate::profile::host::ImageSpec;

    const BASE: BaseSizes = BaseSizes { root_start: 520 << 20, root_used: 800 << 20, image_len: 1544 << 20 };

    fn spec(size: Option<u64>, free: u64) -> ImageSpec {
        ImageSpec { size, free, version: "1".to_owned() }
    }

    #[test]
    fn grows_by_what_the_profile_wants_free() {
        let length = image_length(BASE, &[], 0, &spec(None, 4 << 30)).expect("fits");
        assert!(length >= (520 << 20) + (800 << 20) + (4 << 30));
        assert_eq!(length % ALIGNMENT, 0);
    }

    #[test]
    fn free_space_beyond_all_disks_does_not_become_little() {
        for free in [u64::MAX, u64::MAX - (1 << 30), u64::MAX / 51 * 50] {
            let length = image_length(BASE, &[], 1 << 30, &spec(None, free)).expect("a length");
            assert!(length > 1 << 63 && length.is_multiple_of(ALIGNMENT), "{length}");
        }
    }

    #[test]
    fn never_shrinks_and_never_promises_what_does_not_fit() {
        assert_eq!(image_length(BASE, &[], 0, &spec(None, 0)), Ok(BASE.image_len));
        let refused = image_length(BASE, &[], 0, &spec(Some(1 << 30), 0));
        assert_eq!(refused, Err(TooSmall { got: 1 << 30, needed: BASE.image_len }));
    }
}
