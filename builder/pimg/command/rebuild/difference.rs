//! Where two images begin to differ.

use pimg_disk::block::BlockRead;
use pimg_disk::ext4::{self, Kind};

use crate::command::Context;
use crate::command::outcome::DifferencePlace;
use crate::failure::{Class, Failure};
use crate::image::base::BaseImage;

/// Bytes that are compared at once.
const PIECE: usize = 1 << 20;

/// The offset of the first byte that two devices do not have in common; of a longer one, that behind the shorter.
///
/// # Errors
/// One cannot be read, or an interruption.
pub(super) fn first_difference(
    a: &dyn BlockRead,
    b: &dyn BlockRead,
    context: &Context<'_>,
) -> Result<Option<u64>, Failure> {
    let length = a.len().min(b.len());
    let task = context.reporter.begin("comparing", Some(length));
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut offset = 0;
    let mut found = (a.len() != b.len()).then_some(length);
    while offset < length {
        context.check_interrupt()?;
        let count = usize::try_from(length - offset).map_or(PIECE, |rest| rest.min(PIECE));
        let (left, right) = (&mut left[..count], &mut right[..count]);
        read(a, offset, left)?;
        read(b, offset, right)?;
        if left != right {
            let same = left.iter().zip(&*right).take_while(|(left, right)| left == right).count();
            found = Some(offset + same as u64);
            break;
        }
        offset += count as u64;
        context.reporter.advance(task, count as u64);
    }
    context.reporter.finish(task, if found.is_some() { "they differ" } else { "identical" });
    Ok(found)
}

fn read(device: &dyn BlockRead, offset: u64, buffer: &mut [u8]) -> Result<(), Failure> {
    device
        .read_at(offset, buffer)
        .map_err(|error| Failure::caused_by(Class::Host, "cannot read what is to be compared", error))
}

/// What is at a byte of an image.
pub(super) fn place_of(image: &BaseImage, offset: u64) -> DifferencePlace {
    let (boot, root) = (image.boot_partition(), image.root_partition());
    let within = |start: u64, length: u64| offset >= start && offset - start < length;
    if within(root.start, root.length) {
        let file = file_at(image, offset - root.start).ok().flatten();
        DifferencePlace { region: "root partition", file }
    } else if within(boot.start, boot.length) {
        DifferencePlace { region: "boot partition", file: None }
    } else if offset < boot.start.min(root.start) {
        DifferencePlace { region: "partition table", file: None }
    } else {
        DifferencePlace { region: "outside of both partitions", file: None }
    }
}

/// The file of the root file system that has its contents at this byte of the partition; none where its own structures
/// or free blocks are.
fn file_at(image: &BaseImage, offset: u64) -> Result<Option<String>, ext4::Error> {
    let reader = image.root();
    let block = offset / u64::from(reader.superblock().block_size);
    let mut found = None;
    reader.walk(|path, inode| {
        if found.is_none() && inode.kind()? == Kind::Regular {
            let file = reader.file(inode.ino)?;
            let has_it = |extent: &ext4::Extent| {
                block >= extent.start && block - extent.start < u64::from(extent.length)
            };
            if file.extents().iter().any(has_it) {
                found = Some(String::from_utf8_lossy(path).into_owned());
            }
        }
        Ok::<_, ext4::Error>(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use pimg_disk::block::MemoryDevice;

    use super::{PIECE, first_difference};
    use crate::command::Context;
    use crate::host::env::Environment;
    use crate::progress::Silent;

    #[test]
    fn the_first_byte_that_differs_is_found_in_every_piece() {
        let environment = Environment::default();
        let context = Context { reporter: &Silent, environment: &environment, project: ".".into() };
        let bytes = vec![7; 2 * PIECE + 100];
        let compare = |a: &[u8], b: &[u8]| {
            let (a, b) = (MemoryDevice::new(a.to_vec()), MemoryDevice::new(b.to_vec()));
            first_difference(&a, &b, &context).expect("memory")
        };
        assert_eq!(compare(&bytes, &bytes), None);
        for at in [0, 1, PIECE - 1, PIECE, bytes.len() - 1] {
            let mut other = bytes.clone();
            other[at] = 8;
            assert_eq!(compare(&bytes, &other), Some(at as u64));
        }
        assert_eq!(compare(&bytes, &bytes[..PIECE]), Some(PIECE as u64), "a longer one");
        assert_eq!(compare(&bytes[..5], &bytes), Some(5));
    }
}
