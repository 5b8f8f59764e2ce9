//! Names and addresses: hosts, resolver, `interfaces(5)`, NetworkManager, netplan, systemd's `.link` and `.network` files.

use super::{BaseReadError, Files, Item, SECRET, lines, settings};
use crate::guest::secrecy::is_secret_setting;

/// Directories of files of sections and settings, and what their files are called here.
const SETTINGS: [(&str, &str); 5] = [
    ("/etc/NetworkManager/conf.d", "NetworkManager"),
    ("/etc/NetworkManager/system-connections", "connection"),
    ("/usr/lib/NetworkManager/conf.d", "NetworkManager (package)"),
    ("/etc/systemd/network", "systemd"),
    ("/etc/systemd/resolved.conf.d", "resolved"),
];
/// Files that are compared as a whole: what they hold may be a secret, and their format has no line of its own for it.
const WHOLE: [&str; 2] = ["/etc/netplan", "/etc/wpa_supplicant"];

pub(super) fn items(files: &Files<'_>) -> Result<Vec<Item>, BaseReadError> {
    let mut items = Vec::new();
    for line in lines(&files.text("/etc/hostname")?).take(1) {
        items.push(Item::new("hostname", line));
    }
    for line in lines(&files.text("/etc/hosts")?) {
        let words: Vec<&str> =
            line.split_ascii_whitespace().take_while(|word| !word.starts_with('#')).collect();
        if let Some((address, names)) = words.split_first() {
            items.push(Item::new(format!("hosts {address}"), names.join(" ")));
        }
    }
    for line in lines(&files.text("/etc/resolv.conf")?) {
        let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        items.push(Item::new(format!("resolv.conf {key}"), value.trim()));
    }
    items.extend(interfaces(&files.text("/etc/network/interfaces")?));
    for (_, path, is_private) in files.in_directory("/etc/network/interfaces.d")? {
        let text = files.text(&path)?;
        items.extend(if is_private {
            vec![Item::secret(path, SECRET, text.as_bytes())]
        } else {
            interfaces(&text)
        });
    }
    items.extend(settings("NetworkManager.conf", &files.text("/etc/NetworkManager/NetworkManager.conf")?));
    for (directory, called) in SETTINGS {
        for (name, path, is_private) in files.in_directory(directory)? {
            let (text, shown) = (files.text(&path)?, format!("{called} {name}"));
            if is_private {
                items.push(Item::secret(shown, SECRET, text.as_bytes()));
            } else {
                items.extend(settings(&shown, &text));
            }
        }
    }
    for directory in WHOLE {
        for (_, path, _) in files.in_directory(directory)? {
            let text = files.text(&path)?;
            items.push(Item::secret(path, "there", text.as_bytes()));
        }
    }
    Ok(items)
}

/// Stanzas of `interfaces(5)`: an interface with its options, and which are brought up.
fn interfaces(text: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut stanza: Option<String> = None;
    for line in lines(text) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "iface" => {
                let mut words = rest.split_ascii_whitespace();
                let (name, family) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                let method = words.collect::<Vec<_>>().join(" ");
                let name = format!("interface {name} {family}");
                items.push(Item::new(name.clone(), method));
                stanza = Some(name);
            }
            "mapping" | "source" | "source-directory" | "auto" => {
                items.push(Item::new(format!("interfaces {word}"), rest));
                stanza = None;
            }
            _ if word.starts_with("allow-") => {
                items.push(Item::new(format!("interfaces {word}"), rest));
                stanza = None;
            }
            _ => {
                let Some(stanza) = &stanza else { continue };
                let name = format!("{stanza} {word}");
                items.push(if is_secret_setting(word) {
                    Item::secret(name, SECRET, rest.as_bytes())
                } else {
                    Item::new(name, rest)
                });
            }
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::interfaces;
    use crate::guest::inventory::tests::told;
    use crate::guest::network::interfaces as written;
    use crate::guest::test_support::{MapBase, host};

    #[test]
    fn what_pimg_writes_is_read() {
        let items = interfaces(&written(&host()));
        let told: Vec<_> = items.iter().map(|item| format!("{} = {}", item.name, item.value)).collect();
        for expected in ["interface vmbr0 inet = static", "interface vmbr0 inet bridge-ports = end0"] {
            assert!(told.iter().any(|item| item == expected), "{expected}: {told:#?}");
        }
        assert_eq!(told.first().map(String::as_str), Some("interfaces auto = lo"));
    }

    #[test]
    fn every_file_has_its_say() {
        let image = MapBase::default()
            .file("/etc/hosts", "127.0.0.1 localhost # me\n127.0.1.1\tnode-a.lan node-a\n")
            .file("/etc/resolv.conf", "nameserver 10.0.0.1\nnameserver 10.0.0.2\n")
            .file("/etc/systemd/network/10-x.link", "[Match]\nPermanentMACAddress=00:11\n[Link]\nName=bp0\n")
            .file("/etc/network/interfaces.d/wifi", "iface wlan0 inet dhcp\n  wpa-psk hunter2\n");
        let told = told(&image);
        assert_eq!(
            told,
            [
                "network: hosts 127.0.0.1 = localhost",
                "network: hosts 127.0.1.1 = node-a.lan node-a",
                "network: resolv.conf nameserver = 10.0.0.1 10.0.0.2",
                "network: interface wlan0 inet = dhcp",
                "network: interface wlan0 inet wpa-psk = (secret)",
                "network: systemd 10-x.link [Match] PermanentMACAddress = 00:11",
                "network: systemd 10-x.link [Link] Name = bp0",
            ]
        );
    }
}
