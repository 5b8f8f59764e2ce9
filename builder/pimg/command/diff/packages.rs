//! Packages that are installed, and packages that the first boot installs.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use pimg_deb::version;

use crate::command::outcome::{InstalledVersion, PackageChange, PackageSide, PackageState};
use crate::command::packages::packages;
use crate::failure::Failure;
use crate::image::base::BaseImage;

type Key = (String, String);

/// The packages that differ, sorted by name and architecture.
pub(super) fn compare(a: &BaseImage, b: &BaseImage) -> Result<Vec<PackageChange>, Failure> {
    let (mut a, mut b) = (sides(a)?, sides(b)?);
    let keys: BTreeSet<Key> = a.keys().chain(b.keys()).cloned().collect();
    let changes = keys.into_iter().map(|key| {
        let (a, b) = (a.remove(&key), b.remove(&key));
        let downgrade = is_downgrade(a.as_ref(), b.as_ref());
        PackageChange { name: key.0, architecture: key.1, a, b, downgrade }
    });
    Ok(changes.filter(|change| change.a != change.b).collect())
}

fn is_downgrade(a: Option<&PackageSide>, b: Option<&PackageSide>) -> bool {
    let installed = |side: Option<&PackageSide>| Some(side?.installed.as_ref()?.version.clone());
    match (installed(a), installed(b)) {
        (Some(a), Some(b)) => version::compare(&b, &a) == Ordering::Less,
        _ => false,
    }
}

fn sides(image: &BaseImage) -> Result<BTreeMap<Key, PackageSide>, Failure> {
    let mut sides: BTreeMap<Key, PackageSide> = BTreeMap::new();
    for package in packages(image)? {
        let automatic = package.automatic;
        let side = sides.entry((package.name, package.architecture)).or_default();
        match package.state {
            PackageState::OnFirstBoot => side.on_first_boot = Some(package.version),
            state => {
                side.installed = Some(InstalledVersion { version: package.version, state, automatic });
            }
        }
    }
    Ok(sides)
}
