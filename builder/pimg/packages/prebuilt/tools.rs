//! The tools that a module is built with on this machine: a compiler with all that it needs, and the programs of kbuild.

use std::cmp::Ordering;

use pimg_deb::solve::{self, Request, Universe};
use pimg_deb::version;

use super::super::error::PackagesError;
use super::super::kernel::major_minor;
use super::super::options::Update;
use super::super::resolve::locked_entry;
use super::super::snapshots::Index;
use super::resolve::Wanted;
use crate::failure::Failure;
use crate::lock::lockfile::LockedPackage;
use crate::module::{Machine, TOOLS};

impl Wanted<'_> {
    /// Compiler and programs for this machine.
    pub(super) fn tools(
        &self,
        there: &There<'_, '_>,
        compiler: &str,
        headers: &LockedPackage,
    ) -> Result<Vec<LockedPackage>, Failure> {
        let native: Vec<&Index<'_>> = there.of(there.machine.architecture).collect();
        let mut universe = Universe::new(there.machine.architecture, &[]);
        for index in &native {
            universe.add_index(index.archive(), index.entries()?);
        }
        let mut install: Vec<String> = TOOLS.map(str::to_owned).to_vec();
        install.extend(there.machine.compiler(compiler));
        install.push(self.kbuild(&native, &headers.version)?);
        let keeps = !matches!(self.update, Update::Packages);
        let before = self.before.into_iter().flat_map(|lock| &lock.module).filter(|_| keeps);
        let before = before.flat_map(|module| &module.package);
        let prefer = before.map(|one| ((one.name.clone(), one.architecture.clone()), one.version.clone()));
        let request = Request {
            install,
            prefer: prefer.collect(),
            pins: self.settling.wishes.pins.clone(),
            ..Request::default()
        };
        let solution = solve::solve(&universe, &request).map_err(|why| PackagesError::Guard {
            what: format!(
                "the tools that build the module cannot be had: {}",
                why.lines().first().map_or("they are nowhere", |line| line.trim())
            ),
            hint: "a source of Debian's own has them: see the sources of the base image".to_owned(),
        })?;
        let locked = |chosen: &solve::Chosen<'_>| {
            locked_entry(chosen.entry, native.get(chosen.archive).copied(), chosen.reason.to_string())
        };
        Ok(solution.packages.iter().map(locked).collect())
    }

    /// The package with the programs of kbuild for this machine. Raspberry Pi's archive has them for arm64 alone; those of
    /// another kernel of the same series read and write the same files.
    fn kbuild(&self, native: &[&Index<'_>], version: &str) -> Result<String, Failure> {
        let series = |text: &str| major_minor(text.split_once(':').map_or(text, |(_, plain)| plain));
        let wanted = series(&self.kernel.release);
        let mut best: Option<(bool, String, String)> = None;
        for index in native {
            for entry in index.entries()? {
                let Some(of) = entry.package.strip_prefix("linux-kbuild-") else { continue };
                if series(of) != wanted || wanted.is_none() {
                    continue;
                }
                let candidate =
                    (entry.version == version, entry.version.to_owned(), entry.package.to_owned());
                let is_better =
                    best.as_ref().is_none_or(|best| better(&candidate, best) == Ordering::Greater);
                if is_better {
                    best = Some(candidate);
                }
            }
        }
        let missing = || {
            PackagesError::Guard {
            what: format!(
                "no source has `linux-kbuild-…` of the kernel {} or its series for this machine",
                self.kernel.release
            ),
            hint: "build the module on an arm64 machine, with `pimg module build --url URL`, or set `[vars.zfs] module = \"dkms\"`"
                .to_owned(),
        }
        };
        Ok(best.map(|(_, _, name)| name).ok_or_else(missing)?)
    }
}

fn better(one: &(bool, String, String), other: &(bool, String, String)) -> Ordering {
    one.0.cmp(&other.0).then_with(|| version::compare(&one.1, &other.1))
}

/// The indexes that there are.
pub(super) struct There<'i, 's> {
    pub(super) indexes: &'i [Index<'s>],
    pub(super) machine: Machine,
}

impl<'i, 's> There<'i, 's> {
    /// Those of an architecture, and of all.
    pub(super) fn of(&self, architecture: &'static str) -> impl Iterator<Item = &'i Index<'s>> {
        let fits =
            move |index: &&Index<'_>| index.architecture == architecture || index.architecture == "all";
        self.indexes.iter().filter(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::better;

    #[test]
    fn programs_of_the_very_kernel_are_better_than_newer_ones() {
        let of = |same, version: &str| (same, version.to_owned(), String::new());
        assert!(better(&of(true, "6.12.1-1"), &of(false, "6.12.9-1")).is_gt());
        assert!(better(&of(false, "6.12.10-1"), &of(false, "6.12.9-1")).is_gt());
    }
}
