//! What an image says about the node that it is for: read from the files that make it so.

use super::base_files::{BaseFiles, BaseReadError};
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// A name for programs, and a value.
pub type Fact = (String, String);

/// Uid of the first person on Debian (`/etc/adduser.conf`, `FIRST_UID`).
const FIRST_UID: &str = "1000";

/// Everything that is known of a node, in the order in which a person asks. What is not there is left out.
///
/// # Errors
/// The image cannot be read.
pub fn facts(image: &dyn BaseFiles) -> Result<Vec<Fact>, BaseReadError> {
    let root = |path: &str| text(image, Partition::Root, path);
    let passwd = root("/etc/passwd")?;
    let os_release = root("/etc/os-release")?;
    let found = [
        ("hostname", first_line(&root("/etc/hostname")?)),
        ("address", address(&root("/etc/network/interfaces")?)),
        ("user", first_user(&passwd)),
        ("machine_id", first_line(&root("/etc/machine-id")?)),
        ("ssh_host_key", first_line(&root("/etc/ssh/ssh_host_ed25519_key.pub")?)),
        ("timezone", first_line(&root("/etc/timezone")?)),
        ("os", assigned(&os_release, "PRETTY_NAME")),
        ("kernel_command_line", first_line(&text(image, Partition::Boot, "/cmdline.txt")?)),
    ];
    let known = found.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Ok(known.collect())
}

fn text(image: &dyn BaseFiles, partition: Partition, path: &str) -> Result<String, BaseReadError> {
    let Ok(path) = GuestPath::new(path) else { return Ok(String::new()) };
    let bytes = image.read(partition, &path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn first_line(text: &str) -> Option<String> {
    text.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned)
}

/// The first address of `/etc/network/interfaces`, without the prefix length.
fn address(interfaces: &str) -> Option<String> {
    let words = interfaces.lines().filter_map(|line| line.trim().strip_prefix("address "));
    words.map(|address| address.trim().split('/').next().unwrap_or_default().to_owned()).next()
}

fn first_user(passwd: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == FIRST_UID).then(|| name.to_owned())
    })
}

/// `KEY="value"` of os-release(5).
fn assigned(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::{address, assigned, first_user};

    #[test]
    fn reads_what_the_node_will_say() {
        let interfaces =
            "auto lo\niface lo inet loopback\nauto vmbr0\n\taddress 10.0.0.5/24\n\taddress 10.9.9.9/24\n";
        assert_eq!(address(interfaces).as_deref(), Some("10.0.0.5"));
        assert_eq!(
            first_user("root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/:/bin/sh\n").as_deref(),
            Some("ada")
        );
        assert_eq!(
            assigned("ID=debian\nPRETTY_NAME=\"Debian 13\"\n", "PRETTY_NAME").as_deref(),
            Some("Debian 13")
        );
    }
}
