//! Extended attributes in the words of the programs that set them: `getcap`, `getfacl`.
//!
//! References: `include/uapi/linux/capability.h` (`vfs_cap_data`, `vfs_ns_cap_data`, the numbers),
//! `include/uapi/linux/posix_acl_xattr.h`, `cap_to_text(3)`, `acl(5)`.

use std::fmt::Write as _;

/// Names by number.
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// An attribute as text: `capability cap_net_raw=ep`, `acl user:1000:r--`, else its name and its bytes.
pub fn to_text(name: &[u8], value: &[u8]) -> String {
    let known = match name {
        b"security.capability" => capabilities(value).map(|text| format!("capability {text}")),
        b"system.posix_acl_access" => acl(value).map(|text| format!("acl {text}")),
        b"system.posix_acl_default" => acl(value).map(|text| format!("default acl {text}")),
        _ => None,
    };
    known.unwrap_or_else(|| format!("{}={}", String::from_utf8_lossy(name), plain_or_hex(value)))
}

fn plain_or_hex(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if text.chars().all(|c| !c.is_control()) => format!("\"{text}\""),
        _ => value.iter().fold("0x".to_owned(), |mut text, byte| {
            // writing to a string does not fail
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn capabilities(value: &[u8]) -> Option<String> {
    let magic = word(value, 0)?;
    let (words, has_root) = match (magic >> 24, value.len()) {
        (1, 12) => (1, false),
        (2, 20) => (2, false),
        (3, 24) => (2, true),
        _ => return None,
    };
    let set = |first: usize| -> Option<u64> {
        let high = if words == 2 { word(value, first + 8)? } else { 0 };
        Some(u64::from(high) << 32 | u64::from(word(value, first)?))
    };
    let (permitted, inheritable) = (set(4)?, set(8)?);
    let is_effective = magic & 1 == 1;
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for number in 0..64_usize {
        let has = |set: u64| set >> number & 1 == 1;
        if !has(permitted) && !has(inheritable) {
            continue;
        }
        let mut flags = String::new();
        for (flag, is_set) in [('e', is_effective), ('i', has(inheritable)), ('p', has(permitted))] {
            if is_set {
                flags.push(flag);
            }
        }
        let name = CAPABILITIES.get(number).map_or_else(|| number.to_string(), |name| format!("cap_{name}"));
        match groups.iter_mut().find(|(known, _)| *known == flags) {
            Some((_, names)) => names.push(name),
            None => groups.push((flags, vec![name])),
        }
    }
    let mut text: Vec<_> =
        groups.iter().map(|(flags, names)| format!("{}={flags}", names.join(","))).collect();
    if has_root {
        text.push(format!("[rootid={}]", word(value, 20)?));
    }
    Some(text.join(" "))
}

/// The form of the system calls: version 2, eight bytes an entry.
fn acl(value: &[u8]) -> Option<String> {
    let entries = value.get(4..).filter(|entries| word(value, 0) == Some(2) && entries.len() % 8 == 0)?;
    let text: Option<Vec<String>> = entries.chunks(8).map(acl_entry).collect();
    text.map(|text| text.join(","))
}

fn acl_entry(entry: &[u8]) -> Option<String> {
    let (tag, permissions, id) = (word(entry, 0)? & 0xffff, word(entry, 0)? >> 16, word(entry, 4)?);
    let who = match tag {
        0x01 => "user:".to_owned(),
        0x02 => format!("user:{id}"),
        0x04 => "group:".to_owned(),
        0x08 => format!("group:{id}"),
        0x10 => "mask:".to_owned(),
        0x20 => "other:".to_owned(),
        _ => return None,
    };
    let letter = |bit: u32, letter| if permissions & bit == 0 { '-' } else { letter };
    Some(format!("{who}:{}{}{}", letter(4, 'r'), letter(2, 'w'), letter(1, 'x')))
}

#[cfg(test)]
mod tests {
    use super::to_text;

    #[test]
    fn as_the_programs_say_it() {
        // setcap cap_net_raw,cap_bpf+ep
        let mut ping = vec![1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(to_text(b"security.capability", &ping), "capability cap_net_raw,cap_bpf=ep");
        ping.truncate(19);
        assert!(to_text(b"security.capability", &ping).starts_with("security.capability=0x0100"));
        let mut acl = vec![2, 0, 0, 0];
        for (tag, permissions, id) in [(1_u8, 6_u8, u32::MAX), (2, 4, 1000), (0x10, 7, u32::MAX)] {
            acl.extend([tag, 0, permissions, 0]);
            acl.extend(id.to_le_bytes());
        }
        assert_eq!(to_text(b"system.posix_acl_access", &acl), "acl user::rw-,user:1000:r--,mask::rwx");
        assert_eq!(to_text(b"user.note", b"x y"), "user.note=\"x y\"");
        assert_eq!(to_text(b"user.note", &[0, 255]), "user.note=0x00ff");
    }
}
