//! How the node boots: kernels, the kernel's command line word by word, `config.txt` by section.
//!
//! Reference: `config.txt` of Raspberry Pi's documentation: `[filter]` lines, later settings win, some come many times.

use super::{BaseReadError, Files, Item, lines};
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

pub(super) fn items(files: &Files<'_>) -> Result<Vec<Item>, BaseReadError> {
    let mut items = kernels(files)?;
    let command_line = files.text_on(Partition::Boot, "/cmdline.txt")?;
    for word in command_line.lines().next().unwrap_or_default().split_ascii_whitespace() {
        let (key, value) = word.split_once('=').unwrap_or((word, "given"));
        items.push(Item::new(format!("cmdline.txt {key}"), value));
    }
    let config = files.text_on(Partition::Boot, "/config.txt")?;
    let mut filter = "[all]";
    for line in lines(&config) {
        if line.starts_with('[') {
            filter = line;
        } else if let Some((key, value)) = line.split_once('=') {
            items.push(Item::new(format!("config.txt {filter} {}", key.trim()), value.trim()));
        } else {
            items.push(Item::new(format!("config.txt {filter} {line}"), "given"));
        }
    }
    Ok(items)
}

/// The kernels that have modules.
fn kernels(files: &Files<'_>) -> Result<Vec<Item>, BaseReadError> {
    let mut found = Vec::new();
    for directory in ["/usr/lib/modules", "/lib/modules"] {
        let Ok(path) = GuestPath::new(directory) else { continue };
        found = files.0.list(Partition::Root, &path)?.unwrap_or_default();
        if !found.is_empty() {
            break;
        }
    }
    Ok(found.into_iter().map(|version| Item::new(format!("kernel {version}"), "installed")).collect())
}

#[cfg(test)]
mod tests {
    use crate::guest::inventory::tests::told;
    use crate::guest::test_support::MapBase;

    #[test]
    fn words_and_sections() {
        let config =
            "# c\narm_64bit=1\ndtoverlay=a\n\n[cm5]\ndtoverlay=dwc2,dr_mode=host\n[all]\ndtoverlay=b\n";
        let image = MapBase::default()
            .boot("/cmdline.txt", "console=serial0,115200 console=tty1 rootwait\nnever read\n")
            .boot("/config.txt", config);
        assert_eq!(
            told(&image),
            [
                "boot: cmdline.txt console = serial0,115200 tty1",
                "boot: cmdline.txt rootwait = given",
                "boot: config.txt [all] arm_64bit = 1",
                "boot: config.txt [all] dtoverlay = a b",
                "boot: config.txt [cm5] dtoverlay = dwc2,dr_mode=host",
            ]
        );
    }
}
