//! Which of several versions apt prefers (`apt_preferences(5)`; apt, `apt-pkg/policy.cc`).
//!
//! Pins of `Package: *` give a priority to archives, and the first that fits an archive counts. Any other pin gives
//! a priority to versions of its packages, wherever else they are, and the first that fits a version counts. A
//! version without a pin has the highest priority of the archives that have it.

mod selector;

use std::cmp::Ordering;

use crate::preferences::{NEVER, Pin};
use crate::version::compare;
use selector::{Name, Selector};

/// Where versions come from: one index of a repository, or dpkg's status. What is not told is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    /// What we call it in reports.
    pub name: String,
    /// The host it is on; empty for a local one.
    pub site: String,
    /// `Origin` of its release.
    pub origin: String,
    /// `Label` of its release.
    pub label: String,
    /// `Suite` of its release.
    pub suite: String,
    /// `Codename` of its release.
    pub codename: String,
    /// `Version` of its release.
    pub version: String,
    /// The component that the index is of.
    pub component: String,
    /// The architecture that the index is of.
    pub architecture: String,
    /// `NotAutomatic` of its release.
    pub not_automatic: bool,
    /// `ButAutomaticUpgrades` of its release.
    pub but_automatic_upgrades: bool,
    /// This is dpkg's status.
    pub is_status: bool,
}

impl Archive {
    /// What apt makes of dpkg's status: an archive `now` of what is installed.
    pub fn status() -> Self {
        Self { name: "installed".to_owned(), suite: "now".to_owned(), is_status: true, ..Self::default() }
    }

    fn default_priority(&self) -> i16 {
        match (self.is_status || self.but_automatic_upgrades, self.not_automatic) {
            (true, _) => 100,
            (false, true) => 1,
            (false, false) => 500,
        }
    }
}

/// A version that pins may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Name of the package.
    pub package: &'a str,
    /// Name of its source package.
    pub source: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its architecture, if that is a foreign one: a pin without an architecture is about native packages, and
    /// those of `all` are native.
    pub foreign: Option<&'a str>,
}

/// Pins, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    archives: Vec<(Selector, i16)>,
    versions: Vec<(Vec<Name>, Selector, i16)>,
}

impl Policy {
    /// Takes pins in apt's order: `preferences` first, then the files of `preferences.d` by name.
    ///
    /// Regular expressions that are none match nothing, as in apt.
    pub fn new(pins: Vec<Pin>) -> Self {
        let mut policy = Self::default();
        for pin in pins {
            let Some(selector) = Selector::new(&pin.versions) else { continue };
            if pin.packages == ["*"] {
                policy.archives.push((selector, pin.priority));
            } else {
                let names = pin.packages.iter().filter_map(|name| Name::new(name)).collect();
                policy.versions.push((names, selector, pin.priority));
            }
        }
        policy
    }

    /// Priority of a native version that only this archive has.
    pub fn priority(&self, package: &str, source: &str, version: &str, archive: &Archive) -> i16 {
        self.version_priority(&Subject { package, source, version, foreign: None }, &[archive])
    }

    /// Priority of a version that all of these archives have; the status is one where it is installed.
    pub fn version_priority(&self, subject: &Subject<'_>, archives: &[&Archive]) -> i16 {
        let of_archives = archives.iter().map(|archive| self.archive_priority(archive)).max().unwrap_or(0);
        let fits = |(names, selector, _): &&(Vec<Name>, Selector, i16)| {
            names.iter().any(|name| name.matches(subject))
                && (selector.matches_version(subject.version)
                    || archives.iter().any(|archive| selector.matches_archive(archive)))
        };
        match self.versions.iter().find(fits) {
            // what is never to come from anywhere stays away
            Some((_, _, priority)) if of_archives != NEVER => *priority,
            _ => of_archives,
        }
    }

    /// Priority of an archive, which versions have that no other pin is about.
    pub fn archive_priority(&self, archive: &Archive) -> i16 {
        let mut found = None;
        for (selector, priority) in &self.archives {
            if (found.is_none() || *priority == NEVER) && selector.matches_archive(archive) {
                found = Some(*priority);
            }
        }
        found.unwrap_or_else(|| archive.default_priority())
    }
}

/// The version that apt would install, with what comes with it: of the highest priority, and of those the latest.
///
/// Nothing below priority 1 is a candidate, and nothing earlier than what is installed below priority 1000.
pub fn candidate<'v, T>(
    installed: Option<&str>,
    versions: impl IntoIterator<Item = (&'v str, i16, T)>,
) -> Option<(&'v str, T)> {
    let mut best: Option<(&str, i16, T)> = None;
    for (version, priority, with) in versions {
        let is_downgrade = installed.is_some_and(|installed| compare(version, installed) == Ordering::Less);
        if priority <= 0 || (is_downgrade && priority < 1000) {
            continue;
        }
        let is_better = best.as_ref().is_none_or(|(other, highest, _)| {
            priority.cmp(highest).then_with(|| compare(version, other)) == Ordering::Greater
        });
        if is_better {
            best = Some((version, priority, with));
        }
    }
    best.map(|(version, _, with)| (version, with))
}

#[cfg(test)]
mod tests;
