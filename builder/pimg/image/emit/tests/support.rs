//! Images to write, and ways to write them.
#![expect(clippy::disallowed_methods, reason = "tests ask stock tools what they make of an image")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use pimg_disk::Named;
use pimg_disk::block::{BlockRead, BlockWrite, MemoryDevice};
use pimg_disk::overlay::{MemoryStore, Overlay};
use pimg_fetch::digest::Sha256Digest;

use crate::image::emit::{Carried, Emitted, Emitter};
use crate::image::format::ImageFormat;
use crate::image::frames::FrameCache;
use crate::progress::Silent;

/// 37 MiB and a bit: text, a hole of many pieces, noise.
pub(super) fn base() -> Arc<dyn BlockRead> {
    static BASE: OnceLock<Arc<dyn BlockRead>> = OnceLock::new();
    Arc::clone(BASE.get_or_init(make_base))
}

fn make_base() -> Arc<dyn BlockRead> {
    let length = (37 << 20) + 12_345;
    let device = MemoryDevice::new(vec![0; length]);
    let noise: Vec<u8> = (0..6_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let text: Vec<u8> = (0..900_000_u32).flat_map(|i| format!("line {}\n", i % 9973).into_bytes()).collect();
    device.write_at(1000, &text).expect("fits");
    device.write_at((length - noise.len()) as u64, &noise).expect("fits");
    let digest = *Sha256Digest::of(&device.to_vec()).as_bytes();
    Arc::new(Named::new(Holey(device), digest))
}

/// A device that knows its holes, megabyte by megabyte.
struct Holey(MemoryDevice);

impl BlockRead for Holey {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        self.0.read_at(offset, buf)
    }

    fn next_data(&self, offset: u64) -> std::io::Result<Option<std::ops::Range<u64>>> {
        let mut piece = vec![0; 1 << 20];
        let mut at = offset;
        while at < self.len() {
            let length = (self.len() - at).min(1 << 20);
            let part = &mut piece[..usize::try_from(length).expect("a megabyte")];
            self.0.read_at(at, part)?;
            if part.iter().any(|byte| *byte != 0) {
                return Ok(Some(at..at + length));
            }
            at += length;
        }
        Ok(None)
    }
}

/// A host's image: some blocks of the base changed, and a few MiB longer.
pub(super) fn host(name: &str) -> Overlay {
    host_over(base(), name)
}

/// The same over another device.
pub(super) fn host_over(base: Arc<dyn BlockRead>, name: &str) -> Overlay {
    let length = base.len() + (5 << 20);
    let overlay = Overlay::new(base, length, MemoryStore::new()).expect("longer than its base");
    for offset in [440, 9 << 20, (20 << 20) + 77] {
        overlay.write_at(offset, name.as_bytes()).expect("fits");
    }
    overlay
}

/// Writes an image: the bytes of the file, and what is said of it.
pub(super) fn write(
    image: &dyn BlockRead,
    format: ImageFormat,
    frames: Option<&FrameCache>,
    workers: usize,
) -> (Vec<u8>, Emitted) {
    write_by(image, format, &Emitter { frames, carried: None, workers, reporter: &Silent })
}

/// Writes a `.img.xz` with blocks of the base's own.
pub(super) fn write_over(
    image: &dyn BlockRead,
    carried: Option<&Carried>,
    frames: Option<&FrameCache>,
) -> (Vec<u8>, Emitted) {
    write_by(image, ImageFormat::Xz, &Emitter { frames, carried, workers: 2, reporter: &Silent })
}

fn write_by(image: &dyn BlockRead, format: ImageFormat, emitter: &Emitter<'_>) -> (Vec<u8>, Emitted) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let emitted = emitter.emit(image, format, file.reopen().expect("a file"), file.path()).expect("writes");
    let bytes = fs::read(file.path()).expect("a file");
    assert_eq!((emitted.size, emitted.sha256), (bytes.len() as u64, Sha256Digest::of(&bytes)));
    let raw = content(image);
    assert_eq!((emitted.raw_size, emitted.raw_sha256), (image.len(), Sha256Digest::of(&raw)));
    (bytes, emitted)
}

pub(super) fn content(image: &dyn BlockRead) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(image.len()).expect("small")];
    image.read_at(0, &mut bytes).expect("memory");
    bytes
}

/// What another program makes of `input`, or `None` where it is not installed.
pub(super) fn judge(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        assert!(std::env::var_os("CI").is_none(), "`{program}` has to be there where CI is set");
        return None;
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("it ends")
    });
    assert!(output.status.success(), "`{program}` refuses the file");
    Some(output.stdout)
}
