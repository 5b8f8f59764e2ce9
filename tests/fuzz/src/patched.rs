//! Disk images with some bytes changed. An image is too long to be an input itself, so the input is a list of changes:
//! sector, offset and bytes. Sectors are counted among those that hold something.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use pimg_disk::block::{BlockRead, BlockWrite, MemoryDevice};
use pimg_disk::overlay::{MemoryStore, Overlay};

const SECTOR: usize = 512;
/// Most bytes of one change.
const LONGEST: usize = 64;

/// Most inputs to begin with that are made of one image.
const SEEDS: usize = 24;

/// A directory with what `seeds` made: images, and a keyring.
pub fn made() -> PathBuf {
    std::env::var_os("PIMG_FUZZ_BASES").expect("PIMG_FUZZ_BASES is a directory").into()
}

/// An image in order.
pub struct Image {
    pub bytes: Vec<u8>,
    /// Where sectors that hold something begin.
    sectors: Vec<usize>,
    device: Arc<MemoryDevice>,
}

impl Image {
    pub fn new(bytes: Vec<u8>) -> Self {
        let used =
            bytes.chunks(SECTOR).enumerate().filter(|(_, sector)| sector.iter().any(|byte| *byte != 0));
        let sectors = used.map(|(index, _)| index * SECTOR).collect();
        Self { sectors, device: Arc::new(MemoryDevice::new(bytes.clone())), bytes }
    }

    /// Inputs that change nothing: from these the fuzzer knows what the bytes are. Some of them, since each is a run
    /// through the whole image.
    pub fn seeds(&self, number: u8) -> Vec<Vec<u8>> {
        let windows = self.sectors.iter().take(400).enumerate().flat_map(|(nth, start)| {
            (0..SECTOR).step_by(LONGEST).map(move |offset| (nth, offset, start + offset))
        });
        let inputs = windows.filter_map(move |(nth, offset, at)| {
            let bytes = self.bytes.get(at..at + LONGEST)?;
            let place =
                [number].into_iter().chain((nth as u16).to_le_bytes()).chain((offset as u16).to_le_bytes());
            let is_used = bytes.iter().any(|byte| *byte != 0);
            is_used.then(|| place.chain([LONGEST as u8 - 1]).chain(bytes.iter().copied()).collect())
        });
        let all: Vec<Vec<u8>> = inputs.collect();
        let step = all.len().div_ceil(SEEDS).max(1);
        all.into_iter().step_by(step).collect()
    }
}

/// The images `<kind>-0.img`, `<kind>-1.img` and so on, read once.
pub fn images(kind: &str, cell: &'static OnceLock<Vec<Image>>) -> &'static [Image] {
    cell.get_or_init(|| {
        let files = (0..).map(|number| made().join(format!("{kind}-{number}.img")));
        files.map_while(|file| std::fs::read(file).ok()).map(Image::new).collect()
    })
}

/// The image that an input names, changed as it says, `longer` bytes longer, and a device that can be written.
pub fn damaged(images: &'static [Image], input: &[u8], longer: u64) -> Option<Arc<Overlay>> {
    let (number, mut rest) = input.split_first()?;
    let image = images.get(usize::from(*number) % images.len().max(1))?;
    let base: Arc<dyn BlockRead> = image.device.clone();
    let length = base.len() + longer;
    let device = Overlay::new(base, length, MemoryStore::new()).expect("an overlay");
    while let [a, b, c, d, length, behind @ ..] = rest {
        let sector = usize::from(u16::from_le_bytes([*a, *b])) % image.sectors.len();
        let offset = usize::from(u16::from_le_bytes([*c, *d])) % SECTOR;
        let wanted = usize::from(*length) % LONGEST + 1;
        let wanted = wanted.min(SECTOR - offset).min(behind.len());
        let (bytes, after) = behind.split_at(wanted);
        device.write_at((image.sectors[sector] + offset) as u64, bytes).expect("writing to memory");
        rest = after;
    }
    Some(Arc::new(device))
}
