//! What a bake leaves that would differ from one bake to the next, or that no two nodes may share.
//!
//! `docs/explanation/baked-layers.md` has the same table, for people.

use std::path::Path;

use crate::guest::per_host::{self, Found, Left};

/// What becomes of a path of the upper tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is in the layer where it changed.
    Kept,
    /// It is not: a node has what the base had.
    LeftOut,
}

/// Paths that say when, where or how often something was done, and nothing that a node needs, in the terms of
/// [`per_host::is_meant`].
pub const VARYING: [(&str, &str); 24] = [
    ("run/**", "of a running system"),
    ("tmp/**", "of a running system"),
    ("var/tmp/**", "of a running system"),
    ("dev/**", "of a running system"),
    ("proc/**", "of a running system"),
    ("sys/**", "of a running system"),
    ("var/log/apt/**", "when what was installed"),
    ("var/log/dpkg.log", "when what was installed"),
    ("var/log/alternatives.log", "when what was installed"),
    ("var/log/bootstrap.log", "when what was installed"),
    ("var/log/fontconfig.log", "when what was installed"),
    ("var/cache/apt/**", "apt makes it anew"),
    ("var/lib/apt/lists/**", "of a repository that no node has"),
    ("var/lib/apt/periodic/**", "when apt ran last"),
    ("var/cache/debconf/*-old", "the state before the last package"),
    ("var/lib/dpkg/*-old", "the state before the last package"),
    ("var/lib/dpkg/lock*", "of a running system"),
    ("var/lib/dpkg/triggers/Lock", "of a running system"),
    ("var/cache/ldconfig/**", "inodes and times; ldconfig makes it anew"),
    ("var/cache/man/**", "times; `man-db.timer` makes it anew within a day"),
    ("var/cache/fontconfig/**", "times; made anew when a font is asked for"),
    ("var/cache/private/**", "of a running system"),
    ("root/.cache/**", "of a running system"),
    ("root/.gnupg/**", "keyrings that a script looked at"),
];

/// What becomes of `path`, where the upper tree has this. What one node alone may have is out of `guest/per_host.rs`.
pub(super) fn fate(path: &Path, found: Found<'_>) -> Fate {
    let name = path.to_string_lossy();
    let is_varying = VARYING.iter().any(|(pattern, _)| per_host::is_meant(pattern, &name));
    let is_own = per_host::check(&format!("/{name}"), found).is_err();
    if is_varying || is_own { Fate::LeftOut } else { Fate::Kept }
}

/// Whether it is about the content of `path` whether the layer has it.
pub(super) fn is_decided_by_content(path: &Path) -> bool {
    per_host::rule_for(&format!("/{}", path.display())).is_some_and(|rule| matches!(rule.left, Left::Text(_)))
}

/// Whether a file holds something that is put right.
pub(super) fn is_rewritten(path: &Path) -> bool {
    is_shadow(path) || is_compiled(path)
}

fn is_shadow(path: &Path) -> bool {
    ["etc/shadow", "etc/shadow-"].iter().any(|shadow| path == Path::new(shadow))
}

fn is_compiled(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "pyc")
}

/// The bytes of a file with nothing in them of when the bake was: `began` and `epoch` as days since 1970, `clamped` makes a
/// time of a file what it is in the layer.
pub(super) fn rewritten(
    path: &Path,
    bytes: &[u8],
    (began, epoch): (i64, i64),
    clamped: &dyn Fn(i64) -> i64,
) -> Vec<u8> {
    if is_shadow(path) {
        return shadow(bytes, began, epoch);
    }
    compiled(bytes, clamped)
}

/// `shadow(5)`: the third field is the day of the last change of a password. Accounts that packages made have the day of
/// the bake.
fn shadow(bytes: &[u8], began: i64, epoch: i64) -> Vec<u8> {
    let line = |line: &[u8]| {
        let mut fields: Vec<_> = line.split(|byte| *byte == b':').map(<[u8]>::to_vec).collect();
        if let Some(day) = fields.get_mut(2)
            && std::str::from_utf8(day)
                .ok()
                .and_then(|day| day.parse::<i64>().ok())
                .is_some_and(|day| day >= began)
        {
            *day = epoch.to_string().into_bytes();
        }
        fields.join(&b':')
    };
    bytes.split(|byte| *byte == b'\n').map(line).collect::<Vec<_>>().join(&b'\n')
}

/// A compiled module of Python knows the time of its source, 4 bytes at 8 where its flags, 4 bytes at 4, are 0 (PEP 552).
/// Python compiles anew, each time, what has another.
fn compiled(bytes: &[u8], clamped: &dyn Fn(i64) -> i64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.get(4..8) == Some(&[0; 4])
        && let Some(field) = bytes.get_mut(8..12)
    {
        let mut time = [0; 4];
        time.copy_from_slice(field);
        let time = clamped(u32::from_le_bytes(time).into());
        field.copy_from_slice(&u32::try_from(time).unwrap_or_default().to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Fate, VARYING, fate, rewritten};
    use crate::guest::per_host::Found;

    #[test]
    fn the_book_has_the_same_table() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/explanation/baked-layers.md");
        let page = fs_err::read_to_string(page).expect("the page");
        for (path, why) in &VARYING {
            let line = format!("| `/{path}` | {why} |\n");
            assert!(page.contains(&line), "docs/explanation/baked-layers.md lacks {line}");
        }
    }

    #[test]
    fn what_is_each_nodes_own_stays_out() {
        let file = Found::File(b"x");
        for (path, found, expected) in [
            ("etc/ssh/ssh_host_ed25519_key.pub", file, Fate::LeftOut),
            ("etc/ssh/sshd_config", file, Fate::Kept),
            ("etc/ssl/certs/2d5f0c2a.0", Found::Symlink("ssl-cert-snakeoil.pem"), Fate::LeftOut),
            ("etc/ssl/certs/2d5f0c2a.0", Found::Symlink("Some_CA.pem"), Fate::Kept),
            ("etc/iscsi/initiatorname.iscsi", file, Fate::LeftOut),
            ("etc/iscsi/initiatorname.iscsi", Found::File(b"GenerateName=yes\n"), Fate::Kept),
            ("var/lib/pve-cluster/config.db", file, Fate::LeftOut),
            // the directory has an owner and is a package's
            ("var/lib/pve-cluster", Found::Directory, Fate::Kept),
            ("var/cache/apt/archives/partial", Found::Directory, Fate::LeftOut),
            ("var/lib/dpkg/status-old", file, Fate::LeftOut),
            ("var/lib/dpkg/info/x-old", file, Fate::Kept),
            ("var/lib/dpkg/status", file, Fate::Kept),
        ] {
            assert_eq!(fate(Path::new(path), found), expected, "{path}");
        }
    }

    #[test]
    fn accounts_of_packages_have_the_day_of_the_image() {
        let text = "root:*:20000:0:99999:7:::\nsshd:!:20500::::::\nodd\n";
        let new = rewritten(Path::new("etc/shadow"), text.as_bytes(), (20_500, 19_000), &|time| time);
        assert_eq!(new, b"root:*:20000:0:99999:7:::\nsshd:!:19000::::::\nodd\n");
    }

    #[test]
    fn a_compiled_module_fits_the_clamped_source() {
        let module = Path::new("usr/lib/python3/dist-packages/__pycache__/x.cpython-313.pyc");
        let header = |flags: u8, time: u8| {
            [&[1, 2, 3, 4, flags, 0, 0, 0, time, 0, 0, 0, 9, 0, 0, 0][..], b"code"].concat()
        };
        let clamp = |time: i64| time.min(7);
        assert_eq!(rewritten(module, &header(0, 9), (0, 0), &clamp), header(0, 7));
        assert_eq!(rewritten(module, &header(0, 5), (0, 0), &clamp), header(0, 5));
        // the digest of the source is there
        assert_eq!(rewritten(module, &header(1, 9), (0, 0), &clamp), header(1, 9));
        assert_eq!(rewritten(module, b"cut", (0, 0), &clamp), b"cut");
    }
}
