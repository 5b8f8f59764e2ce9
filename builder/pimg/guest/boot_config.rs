//! What the firmware and the kernel are told: config.txt, cmdline.txt, and the disk's identity in fstab.

use super::error::Error;
use super::inputs::{Changes, Inputs};
use super::seed;
use crate::plan::change::{Change, Origin, Partition};

const BEGIN: &str = "# pimg: begin";
const END: &str = "# pimg: end";
/// The firmware reads no more of a line (Raspberry Pi documentation, config.txt, "File format").
const MAX_CONFIG_LINE: usize = 98;
/// The first boot would grow the partition and draw a new disk id; both are done when the image is built.
/// `net.ifnames=0` would undo the predictable interface names.
const DROPPED_WORDS: [&str; 2] = ["resize", "net.ifnames=0"];
/// Containers want the memory controller, which the firmware's device tree turns off with `cgroup_disable=memory`.
const MEMORY_CGROUP: &str = "cgroup_enable=memory";
/// With this ext4 takes blocks as a file is written, and its journal holds a size only once the bytes are on the card
/// (`data=ordered`): a power cut then gives back a moment of the past. Without it files are there and empty, as scripts
/// of packages flush nothing (ext4(5), `auto_da_alloc`). The kernel refuses to change it on a mounted file system.
const ROOT_FLAG: &str = "nodelalloc";

/// The changes of this file.
///
/// # Errors
/// The base lacks one of the files, or a value of the profile has no place in it.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let mut changes = Changes::default();
    let host = inputs.host;
    let config = inputs.read_required(Partition::Boot, "/config.txt")?;
    // PVE and ZFS want 4 KiB pages; the Pi 5's own kernel has 16 KiB ones. `auto_initramfs=1` follows the name.
    let lines: Vec<_> =
        std::iter::once("kernel=kernel8.img".to_owned()).chain(host.boot.config.clone()).collect();
    changes.boot_file("/config.txt", config_txt(&config, &lines)?, inputs.key("boot.config"))?;

    let cmdline = inputs.read_text(Partition::Boot, "/cmdline.txt")?;
    let words: Vec<_> = std::iter::once(MEMORY_CGROUP.to_owned()).chain(host.boot.cmdline.clone()).collect();
    let cmdline = with_root_flag(&cmdline_txt(&cmdline, &words)?);
    let fstab = inputs.read_text(Partition::Root, "/etc/fstab")?;
    let (cmdline, fstab) = match inputs.base_disk_id {
        Some(old) => {
            let new = seed::disk_id(inputs.seed, &host.hostname);
            let (cmdline, fstab) = (with_disk_id(&cmdline, old, new), with_disk_id(&fstab, old, new));
            expect_root_on(new, old, &cmdline)?;
            (cmdline, fstab)
        }
        None => (cmdline, fstab),
    };
    changes.boot_file("/cmdline.txt", cmdline, inputs.key("boot.cmdline"))?;
    if inputs.base_disk_id.is_some() {
        changes.file("/etc/fstab", 0o644, fstab, Origin::Rule { rule: "disk identity" })?;
    }
    Ok(changes.0)
}

/// A kernel that waits for the root of another disk never boots.
fn expect_root_on(new: u32, old: u32, cmdline: &str) -> Result<(), Error> {
    let root = cmdline.split_whitespace().find_map(|word| word.strip_prefix("root=PARTUUID="));
    match root.filter(|root| !root.starts_with(&format!("{new:08x}-"))) {
        None => Ok(()),
        Some(root) => {
            let why =
                format!("root is `PARTUUID={root}`, but the disk signature of the image is `{old:08x}`");
            Err(Error::Malformed { path: "/cmdline.txt".to_owned(), line: 1, why })
        }
    }
}

/// config.txt with `lines` under an `[all]` of their own, in place of those of an earlier time.
///
/// # Errors
/// The firmware would cut a line off.
pub fn config_txt(config: &[u8], lines: &[String]) -> Result<Vec<u8>, Error> {
    if let Some(line) = lines.iter().find(|line| line.len() > MAX_CONFIG_LINE || line.contains(['\n', '\r']))
    {
        let why = format!(
            "is not one line of at most {MAX_CONFIG_LINE} characters, which is all the firmware reads"
        );
        return Err(Error::value("boot.config", line, why));
    }
    let mut kept = Vec::new();
    let mut ours = false;
    for line in config.split_inclusive(|&byte| byte == b'\n') {
        let trimmed = line.trim_ascii();
        if trimmed == BEGIN.as_bytes() {
            ours = true;
        } else if trimmed == END.as_bytes() {
            ours = false;
        } else if !ours {
            kept.extend_from_slice(line);
        }
    }
    if kept.last().is_some_and(|&byte| byte != b'\n') {
        kept.push(b'\n');
    }
    // a second [all] leaves no filter of the profile's lines in force for what is added by hand later
    for line in [BEGIN, "[all]"].into_iter().chain(lines.iter().map(String::as_str)).chain(["[all]", END]) {
        kept.extend_from_slice(line.as_bytes());
        kept.push(b'\n');
    }
    Ok(kept)
}

/// cmdline.txt, of which the firmware reads the first line, without what the finished image does not need and with
/// `words` that it does not have yet.
///
/// # Errors
/// A word holds a blank or nothing.
pub fn cmdline_txt(cmdline: &str, words: &[String]) -> Result<String, Error> {
    if let Some(word) = words.iter().find(|word| word.is_empty() || word.contains(char::is_whitespace)) {
        return Err(Error::value("boot.cmdline", word, "is not one word of a kernel command line"));
    }
    let line = cmdline.lines().next().unwrap_or_default();
    let mut all: Vec<&str> = line.split_whitespace().filter(|word| !DROPPED_WORDS.contains(word)).collect();
    for word in words {
        if !all.contains(&word.as_str()) {
            all.push(word);
        }
    }
    Ok(format!("{}\n", all.join(" ")))
}

/// A kernel command line whose root file system is mounted with `nodelalloc`, unless it says how blocks are allocated.
pub fn with_root_flag(cmdline: &str) -> String {
    // of several the last is heeded, by the kernel as by the initramfs
    let Some(at) = cmdline.rfind("rootflags=") else {
        return format!("{} rootflags={ROOT_FLAG}\n", cmdline.trim_end());
    };
    let (before, flags) = cmdline.split_at(at);
    let (flags, after) = flags.split_at(flags.find(char::is_whitespace).unwrap_or(flags.len()));
    if flags.contains("delalloc") {
        return cmdline.to_owned();
    }
    format!("{before}{flags},{ROOT_FLAG}{after}")
}

/// fstab or cmdline.txt with the partitions of the disk `old` called by those of the disk `new`.
pub fn with_disk_id(text: &str, old: u32, new: u32) -> String {
    let from = format!("PARTUUID={old:08x}-");
    let to = format!("PARTUUID={new:08x}-");
    text.replace(&from, &to).replace(&from.replace(&format!("{old:08x}"), &format!("{old:08X}")), &to)
}

#[cfg(test)]
mod tests {
    use super::{changes, cmdline_txt, config_txt, with_disk_id, with_root_flag};
    use crate::guest::test_support::{MapBase, at, host, inputs, put};
    use crate::plan::change::Partition;

    const CMDLINE: &str = "console=serial0,115200 console=tty1 root=PARTUUID=8a676486-02 rootfstype=ext4 \
                           fsck.repair=yes rootwait resize\n";

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn a_power_cut_leaves_no_empty_files() {
        for (before, after) in [
            ("a\n", "a rootflags=nodelalloc\n"),
            ("rootflags=commit=1 a\n", "rootflags=commit=1,nodelalloc a\n"),
            ("rootflags=a rootflags=b\n", "rootflags=a rootflags=b,nodelalloc\n"),
            ("rootflags=delalloc a\n", "rootflags=delalloc a\n"),
            ("a rootflags=nodelalloc\n", "a rootflags=nodelalloc\n"),
        ] {
            assert_eq!(with_root_flag(before), after);
        }
    }

    #[test]
    fn config_gets_its_own_section_once() {
        for (before, kept) in [
            ("arm_64bit=1\n[cm4]\notg_mode=1\n[all]\n", "arm_64bit=1\n[cm4]\notg_mode=1\n[all]\n"),
            ("[pi5]\r\nx=1\r\n", "[pi5]\r\nx=1\r\n"),
            ("x=1", "x=1\n"),
            ("", ""),
        ] {
            let once = config_txt(before.as_bytes(), &lines(&["kernel=kernel8.img"])).expect("fits");
            let expected = format!("{kept}# pimg: begin\n[all]\nkernel=kernel8.img\n[all]\n# pimg: end\n");
            assert_eq!(String::from_utf8_lossy(&once), expected);
            assert_eq!(config_txt(&once, &lines(&["kernel=kernel8.img"])).expect("fits"), once);
        }
        let error = config_txt(b"", &["x".repeat(99)]).expect_err("too long").to_string();
        assert!(error.contains("98 characters"), "{error}");
    }

    #[test]
    fn cmdline_stays_one_line_and_loses_the_first_boot() {
        for (before, after) in [
            ("a=1 rootwait resize\n", "a=1 rootwait cgroup_enable=memory\n"),
            ("a resize=no  net.ifnames=0 cgroup_enable=memory", "a resize=no cgroup_enable=memory\n"),
            ("a\nnever read\n", "a cgroup_enable=memory\n"),
        ] {
            assert_eq!(cmdline_txt(before, &lines(&["cgroup_enable=memory"])).expect("words"), after);
        }
        assert!(cmdline_txt("a", &lines(&["two words"])).is_err());
    }

    #[test]
    fn refuses_a_root_on_another_disk() {
        let cmdline = "root=PARTUUID=11111111-02 rootwait\n";
        let base =
            MapBase::default().boot("/cmdline.txt", cmdline).boot("/config.txt", "").file("/etc/fstab", "");
        let error = changes(&inputs(&host(), &base)).expect_err("another disk").to_string();
        assert!(error.contains("11111111-02") && error.contains("8a676486"), "{error}");
    }

    #[test]
    fn disk_identity_changes_in_fstab_and_cmdline_alike() {
        let fstab = "PARTUUID=8a676486-01  /boot/firmware  vfat\nPARTUUID=8A676486-02 / ext4\nPARTUUID=11111111-02 /x\n";
        let after = with_disk_id(fstab, 0x8a67_6486, 0x0000_beef);
        let expected = "PARTUUID=0000beef-01  /boot/firmware  vfat\nPARTUUID=0000beef-02 / ext4\nPARTUUID=11111111-02 /x\n";
        assert_eq!(after, expected);
        let base = MapBase::default()
            .boot("/cmdline.txt", CMDLINE)
            .boot("/config.txt", "")
            .file("/etc/fstab", fstab);
        let host = host();
        let changes = changes(&inputs(&host, &base)).expect("changes");
        assert_eq!(at(&changes, "/cmdline.txt").partition, Partition::Boot);
        let id = format!(
            "{:08x}",
            crate::guest::seed::disk_id(crate::guest::test_support::seed(), &host.hostname)
        );
        let expected = format!(
            "console=serial0,115200 console=tty1 root=PARTUUID={id}-02 rootfstype=ext4 fsck.repair=yes rootwait \
             cgroup_enable=memory panic=10 rootflags=nodelalloc\n"
        );
        assert_eq!(put(&changes, "/cmdline.txt").0, expected);
        assert!(put(&changes, "/etc/fstab").0.contains(&format!("PARTUUID={id}-01")));
        assert!(
            put(&changes, "/config.txt").0.contains("[all]\nkernel=kernel8.img\ndtparam=sd_cqe=0\n[all]\n")
        );
    }
}
