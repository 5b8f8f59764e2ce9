//! Units that are there, enabled, masked or called otherwise in one of two images only.

use std::collections::BTreeSet;

use crate::command::outcome::UnitChange;
use crate::failure::Failure;
use crate::guest::inventory::units::{Standing, standing};
use crate::image::base::BaseImage;

/// The units that stand differently, sorted by name.
pub(super) fn compare(a: &BaseImage, b: &BaseImage) -> Result<Vec<UnitChange>, Failure> {
    let (mut a, mut b) = (standing(a)?, standing(b)?);
    let names: BTreeSet<String> = a.keys().chain(b.keys()).cloned().collect();
    let changes = names.into_iter().filter_map(|unit| {
        let (a, b) = (a.remove(&unit).unwrap_or_default(), b.remove(&unit).unwrap_or_default());
        let said = |side: &Standing| side.links.iter().cloned().collect();
        (a != b).then(|| UnitChange { a: said(&a), b: said(&b), in_a: a.has_file, in_b: b.has_file, unit })
    });
    Ok(changes.collect())
}
