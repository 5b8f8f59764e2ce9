//! How a program is installed, by system.

/// A family of systems that name their packages alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Debian,
    Fedora,
    Arch,
    Mac,
    Other,
}

impl Family {
    /// By `/etc/os-release` (os-release(5)): what the system is, or what it is like.
    pub(super) fn of(os_release: &str, is_mac: bool) -> Self {
        if is_mac {
            return Self::Mac;
        }
        let value = |key: &str| os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let names = [value("ID"), value("ID_LIKE")].into_iter().flatten();
        let mut names = names.flat_map(|names| names.trim_matches(['"', '\'']).split_whitespace());
        names
            .find_map(|name| match name {
                "debian" | "ubuntu" | "raspbian" => Some(Self::Debian),
                "fedora" | "rhel" | "centos" => Some(Self::Fedora),
                "arch" | "archlinux" => Some(Self::Arch),
                _ => None,
            })
            .unwrap_or(Self::Other)
    }

    /// The command that installs what `program` is in.
    pub(super) fn install(self, program: &str) -> String {
        let column = match self {
            Self::Debian => 0,
            Self::Fedora => 1,
            Self::Arch => 2,
            Self::Mac => 3,
            Self::Other => return format!("install `{program}`"),
        };
        let row = PACKAGES.iter().find(|(known, _)| *known == program);
        let package = row.and_then(|(_, names)| names.get(column).copied()).unwrap_or(program);
        match self {
            _ if package.is_empty() => format!("`{program}` is part of the system"),
            Self::Debian => format!("sudo apt install {package}"),
            Self::Fedora => format!("sudo dnf install {package}"),
            Self::Arch => format!("sudo pacman -S {package}"),
            _ => format!("brew install {package}"),
        }
    }
}

/// Program → its package on Debian and Ubuntu, Fedora, Arch, Homebrew. An empty name is part of the system.
const PACKAGES: [(&str, [&str; 4]); 7] = [
    ("qemu-system-aarch64", ["qemu-system-arm", "qemu-system-aarch64-core", "qemu-system-aarch64", "qemu"]),
    ("ssh", ["openssh-client", "openssh-clients", "openssh", ""]),
    ("ssh-keygen", ["openssh-client", "openssh-clients", "openssh", ""]),
    ("git", ["git", "git", "git", "git"]),
    ("shellcheck", ["shellcheck", "ShellCheck", "shellcheck", "shellcheck"]),
    ("unshare", ["util-linux", "util-linux", "util-linux", ""]),
    ("ca-certificates", ["ca-certificates", "ca-certificates", "ca-certificates", ""]),
];

#[cfg(test)]
mod tests {
    use super::Family;

    #[test]
    fn systems_are_known_by_what_they_are_like() {
        for (text, expected) in [
            ("ID=debian\n", Family::Debian),
            ("NAME=x\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Family::Debian),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Family::Fedora),
            ("ID=manjaro\nID_LIKE=arch\n", Family::Arch),
            ("ID=nixos\n", Family::Other),
            ("", Family::Other),
        ] {
            assert_eq!(Family::of(text, false), expected, "{text}");
        }
        assert_eq!(Family::of("", true), Family::Mac);
        assert_eq!(Family::Debian.install("qemu-system-aarch64"), "sudo apt install qemu-system-arm");
        assert_eq!(Family::Fedora.install("ssh"), "sudo dnf install openssh-clients");
        assert_eq!(Family::Mac.install("ssh"), "`ssh` is part of the system");
    }
}
