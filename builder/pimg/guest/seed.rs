//! Identities out of the cluster's secret seed.
//!
//! Every value is `HKDF-SHA256` (RFC 5869) with the seed as input key material, the salt `pimg`, and the info
//! `v1/PURPOSE/HOST`, where PURPOSE is the text of [`Purpose::label`] and HOST the short host name. Neither
//! holds a slash, so no two infos are equal. This is a format: a node that is built again from the same seed
//! must come out with the identity that its peers and its operator's `known_hosts` remember.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::profile::types::Hostname;
use crate::secret::Secret;

/// What a derived value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `/etc/machine-id`: 16 bytes.
    MachineId,
    /// Ed25519 host key: the 32-byte secret of RFC 8032.
    HostEd25519,
    /// RSA host key, where the search for the first prime starts: 192 bytes.
    HostRsaP,
    /// RSA host key, where the search for the second prime starts: 192 bytes.
    HostRsaQ,
    /// Root's RSA key, where the search for the first prime starts: 192 bytes.
    RootRsaP,
    /// Root's RSA key, where the search for the second prime starts: 192 bytes.
    RootRsaQ,
    /// Disk signature of the MBR: 4 bytes, little-endian.
    DiskId,
    /// Name of the note that says where the primes are: 16 bytes.
    PrimeNote,
    /// UUID of the interim connection on the ordinary network: 16 bytes.
    ConnectionLan,
    /// UUID of the interim connection on the backplane: 16 bytes.
    ConnectionBackplane,
}

impl Purpose {
    /// The purpose as it stands in the info.
    pub fn label(self) -> &'static str {
        match self {
            Self::MachineId => "machine-id",
            Self::HostEd25519 => "ssh-host-ed25519",
            Self::HostRsaP => "ssh-host-rsa-3072-p",
            Self::HostRsaQ => "ssh-host-rsa-3072-q",
            Self::RootRsaP => "ssh-root-rsa-3072-p",
            Self::RootRsaQ => "ssh-root-rsa-3072-q",
            Self::DiskId => "mbr-disk-id",
            Self::PrimeNote => "prime-note",
            Self::ConnectionLan => "connection-lan",
            Self::ConnectionBackplane => "connection-backplane",
        }
    }
}

/// `N` bytes (at most 8160) for one purpose of one host.
pub fn derive<const N: usize>(seed: &Secret, purpose: Purpose, host: &Hostname) -> Zeroizing<[u8; N]> {
    expand(seed, &format!("v1/{}/{host}", purpose.label()))
}

/// What only who has the seed can say of a text that is no secret: 64 hexadecimal digits.
///
/// The info `v1/note/HOST/TEXT` has a slash more than any other.
pub(super) fn seal(seed: &Secret, host: &Hostname, text: &str) -> String {
    hexadecimal(expand::<32>(seed, &format!("v1/note/{host}/{text}")).as_slice())
}

/// Name of the note that says where a host's primes are: tells nothing of the seed.
pub(super) fn note_name(seed: &Secret, host: &Hostname) -> String {
    hexadecimal(derive::<16>(seed, Purpose::PrimeNote, host).as_slice())
}

fn expand<const N: usize>(seed: &Secret, info: &str) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32, "HKDF-SHA256 yields no more") };
    let mut output = Zeroizing::new([0; N]);
    let expanded =
        Hkdf::<Sha256>::new(Some(b"pimg"), seed.expose()).expand(info.as_bytes(), output.as_mut_slice());
    expanded.expect("the length is within what HKDF yields");
    output
}

/// Machine id (`machine-id(5)`): 32 lower-case hexadecimal digits, shaped as a version 4 UUID.
pub fn machine_id(seed: &Secret, host: &Hostname) -> String {
    hexadecimal(&version_4(*derive(seed, Purpose::MachineId, host)))
}

/// Disk signature of the MBR; never zero, which would mean "none".
pub fn disk_id(seed: &Secret, host: &Hostname) -> u32 {
    u32::from_le_bytes(*derive(seed, Purpose::DiskId, host)).max(1)
}

/// A version 4 UUID in its text form.
pub fn uuid(seed: &Secret, purpose: Purpose, host: &Hostname) -> String {
    let digits = hexadecimal(&version_4(*derive(seed, purpose, host)));
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range).unwrap_or_default());
    parts.join("-")
}

/// Version and variant bits of RFC 9562, as systemd sets them on every id it makes.
fn version_4(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Purpose, derive, disk_id, machine_id, uuid};
    use crate::profile::types::Hostname;
    use crate::secret::Secret;

    fn host(name: &str) -> Hostname {
        Hostname::new(name).expect("valid")
    }

    #[test]
    fn stays_what_it_was() {
        // computed apart from this program, with HMAC-SHA256 alone (RFC 5869 section 2)
        let seed = Secret::new(vec![7; 32]);
        let k = host("k8sctl-pi5l");
        assert_eq!(machine_id(&seed, &k), "77ac78d577e649c8b1c418c59590a882");
        assert_eq!(format!("{:08x}", disk_id(&seed, &k)), "4cb9b12e");
        assert_eq!(uuid(&seed, Purpose::ConnectionLan, &k), "39a1e7c2-537c-4619-9b8f-b5b51c6ce42e");
    }

    #[test]
    fn differs_by_host_seed_and_purpose() {
        let (one, two) = (Secret::new(vec![1; 32]), Secret::new(vec![2; 32]));
        let of = |seed: &Secret, purpose, name: &str| *derive::<32>(seed, purpose, &host(name));
        let first = of(&one, Purpose::HostEd25519, "a");
        assert_ne!(first, of(&two, Purpose::HostEd25519, "a"));
        assert_ne!(first, of(&one, Purpose::HostEd25519, "b"));
        assert_ne!(first, of(&one, Purpose::HostRsaP, "a"));
        assert_eq!(first, of(&one, Purpose::HostEd25519, "a"));
    }
}
