//! What a host asks for, summed over its profile, its overlays and its base image.

use std::fmt::Write as _;

use pimg_deb::preferences::{self, Pin};
use pimg_fetch::digest::Sha256Digest;

use super::error::PackagesError;
use super::sources::{self, SourceSpec};
use crate::guest::base_files::BaseFiles;
use crate::overlay::{Download, Rendered};
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;
use crate::profile::host::{HostSpec, Upgrade};

/// Packages that start the node. They change only when somebody asks for them by name: modules that are built for
/// one kernel (ZFS) do not follow to the next.
const KERNELS: [&str; 4] = ["linux-image-*", "linux-headers-*", "linux-kbuild-*", "raspi-firmware"];

/// What a host asks for.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// The profile.
    pub profile: String,
    /// Packages to be installed.
    pub install: Vec<String>,
    /// Packages to be removed.
    pub remove: Vec<String>,
    /// Packages that stay at their version; shell patterns.
    pub hold: Vec<String>,
    /// Whether the base's own packages are upgraded.
    pub upgrade: bool,
    /// Whether recommended packages come too.
    pub recommends: bool,
    /// Whether the repository stays on the node.
    pub keep: bool,
    /// Where packages are looked for.
    pub sources: Vec<SourceSpec>,
    /// Which version is wanted where there are several.
    pub pins: Vec<Pin>,
    /// Answers to debconf.
    pub preseeds: Vec<String>,
    /// Those of them that depend on the host.
    pub own_answers: Vec<String>,
    /// Kernel modules that are built ahead: `zfs`, or nothing.
    pub modules: Vec<String>,
    /// Files that are no packages.
    pub downloads: Vec<Download>,
}

impl Wishes {
    /// Sums up what this host asks for.
    ///
    /// # Errors
    /// The base's own sources or pins cannot be read.
    pub fn of(host: &HostSpec, rendered: &Rendered, base: &dyn BaseFiles) -> Result<Self, PackagesError> {
        let asked = rendered.packages.with_profile(&host.packages);
        let mut hold = asked.hold;
        hold.extend(KERNELS.map(str::to_owned));
        hold.sort();
        hold.dedup();
        let mut pins = base_pins(base)?;
        for pin in &rendered.apt.pins {
            let text = pin.render();
            pins.extend(preferences::parse(text.as_bytes()).map_err(|source| PackagesError::Pin {
                origin: format!("overlays/{}/overlay.toml", pin.overlay),
                source,
            })?);
        }
        Ok(Self {
            profile: host.profile.clone(),
            install: asked.install,
            remove: asked.remove,
            hold,
            upgrade: asked.upgrade == Upgrade::Locked,
            recommends: asked.recommends,
            keep: asked.keep,
            sources: sources::all(&rendered.apt, base)?,
            pins,
            preseeds: rendered.preseeds.iter().map(|preseed| preseed.line.clone()).collect(),
            own_answers: rendered.own_answers(),
            modules: rendered.packages.modules.clone(),
            downloads: rendered.downloads.clone(),
        })
    }

    /// Whether nothing is asked of packages, so that no index is needed.
    pub fn no_packages(&self) -> bool {
        self.install.is_empty() && self.remove.is_empty() && !self.upgrade
    }

    /// Digest of everything that decides which packages are chosen, except for the base. A lock fits as long as it
    /// is the same.
    ///
    /// Mirrors are left out: the same lock serves everywhere. So are addresses of the base's own sources, which the
    /// digest of the base covers.
    pub fn request(&self) -> String {
        let mut text =
            format!("install {:?}\nremove {:?}\nhold {:?}\n", self.install, self.remove, self.hold);
        let _ = writeln!(text, "upgrade {} recommends {}", self.upgrade, self.recommends);
        for source in &self.sources {
            let _ = writeln!(
                text,
                "source {} {:?} {:?} {:?} {:?}",
                source.name, source.uris, source.suites, source.components, source.architectures
            );
        }
        for pin in &self.pins {
            let _ = writeln!(text, "pin {:?} {} {}", pin.packages, pin.versions, pin.priority);
        }
        Sha256Digest::of(text.as_bytes()).to_string()
    }
}

/// The pins in `/etc/apt/preferences` and `/etc/apt/preferences.d` of the base.
fn base_pins(base: &dyn BaseFiles) -> Result<Vec<Pin>, PackagesError> {
    let mut pins = Vec::new();
    for path in apt_files(base, "preferences", |name| {
        // apt_preferences(5): files have no extension, or `.pref`
        name.ends_with(".pref") || !name.contains('.')
    })? {
        if let Some(bytes) = base.read(Partition::Root, &path)? {
            pins.extend(
                preferences::parse(&bytes)
                    .map_err(|source| PackagesError::Pin { origin: path.to_string(), source })?,
            );
        }
    }
    Ok(pins)
}

/// `/etc/apt/NAME` and the files in `/etc/apt/NAME.d` whose names apt reads, in its order.
pub(super) fn apt_files(
    base: &dyn BaseFiles,
    name: &str,
    reads: impl Fn(&str) -> bool,
) -> Result<Vec<GuestPath>, PackagesError> {
    let path = |text: String| GuestPath::new(text).map_err(PackagesError::Path);
    let mut found = vec![path(format!("/etc/apt/{name}"))?];
    let directory = path(format!("/etc/apt/{name}.d"))?;
    for entry in base.list(Partition::Root, &directory)?.unwrap_or_default() {
        if reads(&entry) {
            found.push(path(format!("{directory}/{entry}"))?);
        }
    }
    Ok(found)
}
