//! The image's own apt and dpkg on an overlay over the base, and how far they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::emulator::{Emulator, PROCESSOR};
use super::error::BakeError;
use super::kit;
use crate::guest::packages::PackageSet;
use crate::host::error::HostError;
use crate::host::inside::{Inside, Mount};
use crate::progress::{Reporter, TaskId};

/// What the machine is called inside where the base does not say.
const NAME: &str = "localhost";

pub(super) struct Installer<'a> {
    pub(super) work: &'a Path,
    pub(super) emulator: Option<&'a Emulator>,
    pub(super) epoch: i64,
}

impl Installer<'_> {
    /// What is run inside: the kit's script below the overlay, with nothing of the host but a few devices.
    pub(super) fn job(&self) -> Result<Inside, BakeError> {
        let root = PathBuf::from("root");
        let at = |place: &str| root.join(place);
        let mut mounts = vec![Mount::Proc { to: "/proc".into() }];
        if let Some(emulator) = self.emulator {
            mounts.push(Mount::Emulator { line: emulator.registration(), to: "emulators".into() });
        }
        mounts.extend([
            Mount::Overlay {
                lower: vec!["files".into(), "lower".into()],
                upper: "upper".into(),
                scratch: "scratch".into(),
                to: root.clone(),
            },
            Mount::Proc { to: at("proc") },
            Mount::Devices { to: at("dev") },
            Mount::Tmpfs { to: at("run"), mode: 0o755 },
            Mount::Tmpfs { to: at("run/lock"), mode: 0o1777 },
            Mount::Tmpfs { to: at("tmp"), mode: 0o1777 },
            Mount::Bind { from: "kit".into(), to: at("run/pimg") },
        ]);
        // hooks of kernels look whether something is mounted there before they copy to it
        if self.work.join("lower/boot/firmware").is_dir() {
            let boot = at("boot/firmware");
            mounts.push(Mount::Bind { from: boot.clone(), to: boot });
        }
        let environment = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("LC_ALL", "C.UTF-8"),
            ("QEMU_CPU", PROCESSOR),
        ];
        let mut environment: BTreeMap<_, _> =
            environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        environment.insert("pimg_epoch".to_owned(), self.epoch.to_string());
        let script = kit::inside("install.bash").display().to_string();
        Ok(Inside {
            work: self.work.to_owned(),
            hostname: self.hostname()?,
            mounts,
            root,
            command: vec!["/bin/bash".to_owned(), script],
            environment,
            task: String::new(),
        })
    }

    /// The base's own name.
    fn hostname(&self) -> Result<String, HostError> {
        let path = self.work.join("lower/etc/hostname");
        let text = crate::host::files::read_optional(&path, 1 << 10)?.unwrap_or_default();
        let name = String::from_utf8_lossy(&text).trim().to_owned();
        Ok(if name.is_empty() { NAME.to_owned() } else { name })
    }
}

/// How far the installation is, out of what apt says on its status line: `pmstatus:PACKAGE:PERCENT:TEXT`
/// (apt, `README.progress-reporting`).
pub(super) struct Progress<'a> {
    reporter: &'a dyn Reporter,
    task: TaskId,
    total: u64,
    shown: u64,
    /// Packages that were installed. A trigger has apt say it again, and of packages of the base as well.
    installed: BTreeSet<String>,
    wanted: BTreeSet<&'a str>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(reporter: &'a dyn Reporter, set: &'a PackageSet) -> Self {
        let total = set.install.iter().map(|package| package.size).sum();
        let wanted = set.install.iter().map(|package| package.name.as_str()).collect();
        let task = reporter.begin_many("installing packages", set.install.len(), Some(total));
        Self { reporter, task, total, shown: 0, installed: BTreeSet::new(), wanted }
    }

    /// Takes a line; whether it is one for people.
    pub(super) fn hear(&mut self, line: &str) -> bool {
        if let Some(kernel) = line.strip_prefix("pimg: initramfs ") {
            self.next(&format!("making the initramfs of {kernel}"));
        }
        let Some((package, percent, text)) = status(line) else { return true };
        // a part of a whole: 0 to 100, in a number that holds it
        let done = (percent * self.total as f64 / 100.0) as u64;
        let done = done.min(self.total);
        self.reporter.advance(self.task, done.saturating_sub(self.shown));
        self.shown = self.shown.max(done);
        let is_installed = text.starts_with("Installed ") && self.wanted.contains(package);
        if is_installed && self.installed.insert(package.to_owned()) {
            self.reporter.part_done(self.task);
        }
        line.starts_with("pmerror")
    }

    fn next(&mut self, task: &str) {
        self.end();
        self.task = self.reporter.begin(task, None);
        (self.total, self.shown) = (0, 0);
    }

    pub(super) fn end(&mut self) {
        self.reporter.finish(self.task, "");
    }
}

/// Package, percent and text of a status line, which may follow what another program began to print.
fn status(line: &str) -> Option<(&str, f64, &str)> {
    if line.contains("dlstatus:") {
        // nothing is downloaded
        return Some(("", 0.0, ""));
    }
    let mut fields = line.get(line.find("pmstatus:")?..)?.splitn(4, ':').skip(1);
    let package = fields.next()?;
    let percent = fields.next()?.parse().ok()?;
    Some((package, percent, fields.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn apt_says_how_far_it_is() {
        assert_eq!(
            status("pmstatus:zsh:41.6667:Unpacking zsh (arm64)"),
            Some(("zsh", 41.6667, "Unpacking zsh (arm64)"))
        );
        assert_eq!(
            status("(Reading database ... pmstatus:jq:5:Installed jq"),
            Some(("jq", 5.0, "Installed jq"))
        );
        assert_eq!(status("Setting up zsh ..."), None);
        assert_eq!(status("pmstatus:zsh:soon:x"), None);
    }
}
