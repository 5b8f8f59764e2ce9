//! `.img.xz`: independent blocks in one stream.
use std::io;
use super::{Container, FrameEncoder};
pub(super) const BLOCK: u64 = 16 << 20;
pub(super) const MOST_WORKERS: usize = 3;
#[derive(Default)]
pub(super) struct Xz;
impl Container for Xz {
    fn codec(&self) -> String { String::new() }
    fn encoder(&self) -> io::Result<Box<dyn FrameEncoder>> { Err(io::Error::other("soon")) }
    fn head(&self) -> Vec<u8> { Vec::new() }
    fn note(&mut self, _frame: &[u8], _raw_len: usize) -> io::Result<()> { Ok(()) }
    fn tail(&self) -> io::Result<Vec<u8>> { Ok(Vec::new()) }
}
