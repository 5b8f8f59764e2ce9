//! What a machine must know to boot an image as its node: kernel, command line, names and addresses. All of it is read
//! from the image, so that an old image is booted as what it is.

use super::base_files::{BaseFiles, BaseReadError};
use super::facts::facts;
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;
use crate::profile::types::{Ipv4Interface, MacAddress};

/// What an image says about its node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootFacts {
    /// Short host name; empty where it has none.
    pub hostname: String,
    /// Address on the LAN with its prefix length.
    pub address: Option<Ipv4Interface>,
    /// Default router.
    pub gateway: Option<std::net::Ipv4Addr>,
    /// The interface that the LAN is on.
    pub interface: Option<String>,
    /// Address of the card of the backplane, where the profile named it.
    pub backplane_mac: Option<MacAddress>,
    /// The kernel's command line.
    pub command_line: Option<String>,
    /// The list of steps, `/usr/lib/pimg/steps.tsv`; empty where there is none.
    pub steps: String,
}

/// The arm64 kernel that starts on any board.
pub const KERNEL: &str = "/kernel8.img";

/// Its initramfs.
pub const INITRAMFS: &str = "/initramfs8";

/// Reads them.
///
/// # Errors
/// The image cannot be read.
pub fn boot_facts(image: &dyn BaseFiles) -> Result<BootFacts, BaseReadError> {
    let root = |path: &str| text(image, Partition::Root, path);
    let interfaces = root("/etc/network/interfaces")?;
    let known = facts(image)?;
    let known = |wanted: &str| known.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let link = root("/etc/systemd/network/10-pimg-backplane.link")?;
    Ok(BootFacts {
        hostname: known("hostname").unwrap_or_default(),
        address: word_after(&interfaces, "address ").and_then(|word| Ipv4Interface::new(&word).ok()),
        gateway: word_after(&interfaces, "gateway ").and_then(|word| word.parse().ok()),
        interface: word_after(&interfaces, "bridge-ports "),
        backplane_mac: word_after(&link, "PermanentMACAddress=").and_then(|word| MacAddress::new(&word).ok()),
        command_line: known("kernel_command_line"),
        steps: root("/usr/lib/pimg/steps.tsv")?,
    })
}

/// A file of the boot partition.
///
/// # Errors
/// The image cannot be read.
pub fn boot_file(image: &dyn BaseFiles, path: &str) -> Result<Option<Vec<u8>>, BaseReadError> {
    match GuestPath::new(path) {
        Ok(path) => image.read(Partition::Boot, &path),
        Err(_) => Ok(None),
    }
}

fn text(image: &dyn BaseFiles, partition: Partition, path: &str) -> Result<String, BaseReadError> {
    let Ok(path) = GuestPath::new(path) else { return Ok(String::new()) };
    let bytes = image.read(partition, &path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The word behind the first line that begins so.
fn word_after(text: &str, key: &str) -> Option<String> {
    let rest = text.lines().find_map(|line| line.trim().strip_prefix(key))?;
    rest.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{BootFacts, boot_facts};
    use crate::guest::network::{interfaces, link_file};
    use crate::guest::test_support::{MapBase, host};
    use crate::profile::types::MacAddress;

    #[test]
    fn an_image_says_which_node_it_is() {
        let mac = MacAddress([0, 0xe0, 0x4c, 0x68, 0, 1]);
        let mut host = host();
        host.network.backplane.as_mut().expect("has one").mac = Some(mac);
        let link = link_file(&host).expect("a link file").1;
        let image = MapBase::default()
            .file("/etc/hostname", "node-a\n")
            .file("/etc/network/interfaces", interfaces(&host))
            .file("/etc/systemd/network/10-pimg-backplane.link", link)
            .file("/usr/lib/pimg/steps.tsv", "zpool\tZFS pool\t-\t-\tno\n")
            .boot("/cmdline.txt", "console=tty1 root=PARTUUID=1-02\n");
        let facts = boot_facts(&image).expect("can be read");
        assert_eq!(facts.hostname, "node-a");
        assert_eq!(facts.address, Some(host.network.address));
        assert_eq!(facts.gateway, Some(host.network.gateway));
        assert_eq!(facts.interface.as_deref(), Some("end0"));
        assert_eq!(facts.backplane_mac, Some(mac));
        assert_eq!(facts.command_line.as_deref(), Some("console=tty1 root=PARTUUID=1-02"));
        assert!(facts.steps.starts_with("zpool\t"));
        assert_eq!(boot_facts(&MapBase::default()).expect("can be read"), BootFacts::default());
    }
}
