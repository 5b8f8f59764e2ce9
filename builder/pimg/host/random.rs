//! Random numbers of the operating system: for keys that are made once and kept, never for what is built.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use super::error::HostError;

/// As many random bytes as are asked for.
///
/// # Errors
/// The system gives none.
pub fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, HostError> {
    let random = Path::new("/dev/urandom");
    let mut bytes = Zeroizing::new([0; N]);
    let mut source = File::open(random).map_err(HostError::file("open", random))?;
    source.read_exact(&mut *bytes).map_err(HostError::file("read", random))?;
    Ok(bytes)
}
