//! systemd units that overlays want on or off.

use crate::guest::units::UnitName;
use crate::plan::change::Origin;
use crate::profile::document::{Keys, Table};
use crate::profile::problem::{Located, Problem};

/// A unit and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitRequest {
    /// Full name, such as `ssh.service`.
    pub unit: String,
    /// Where the request comes from.
    pub origin: Origin,
}

/// What the overlays of a host ask of systemd, in the overlays' order, each unit once a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitRequests {
    /// As `systemctl enable`.
    pub enable: Vec<UnitRequest>,
    /// As `systemctl disable`.
    pub disable: Vec<UnitRequest>,
    /// As `systemctl mask`.
    pub mask: Vec<UnitRequest>,
}

/// The `[units]` table of one overlay.
#[derive(Clone, Debug, Default)]
pub(crate) struct Units {
    pub(crate) enable: Vec<Located<String>>,
    pub(crate) disable: Vec<Located<String>>,
    pub(crate) mask: Vec<Located<String>>,
}

impl Units {
    pub(crate) fn read(table: Table, problems: &mut Vec<Problem>) -> Self {
        let mut keys = Keys::new(table, problems);
        let [enable, disable, mask] = ["enable", "disable", "mask"].map(|key| keys.texts(key));
        keys.finish();
        let [enable, disable, mask] = [enable, disable, mask].map(|list| {
            let units = list.map(|list| list.value).unwrap_or_default();
            for unit in units.iter().filter(|unit| UnitName::new(&unit.value).is_err()) {
                problems
                    .push(Problem::at(&unit.place, "is not the full name of a unit, such as `ssh.service`"));
            }
            units
        });
        Self { enable, disable, mask }
    }
}

impl UnitRequests {
    /// Adds what one overlay asks; reports what contradicts an earlier request.
    pub(crate) fn add(&mut self, overlay: &str, units: &Units, problems: &mut Vec<Problem>) {
        for (at, list) in [&units.enable, &units.disable, &units.mask].into_iter().enumerate() {
            for unit in list {
                self.add_one(at, overlay, unit, problems);
            }
        }
    }

    fn add_one(&mut self, list: usize, overlay: &str, unit: &Located<String>, problems: &mut Vec<Problem>) {
        const VERBS: [&str; 3] = ["enables", "disables", "masks"];
        let lists = [&mut self.enable, &mut self.disable, &mut self.mask];
        for (other, verb) in VERBS.iter().enumerate() {
            // disabling and masking agree: the unit stays off
            let contradicts = (list == 0) != (other == 0);
            if let Some(earlier) =
                lists[other].iter().find(|earlier| contradicts && earlier.unit == unit.value)
            {
                let message = format!("{} `{}`, but {} {verb} it", VERBS[list], unit.value, earlier.origin);
                problems.push(Problem::at(&unit.place, message));
            }
        }
        if !lists[list].iter().any(|earlier| earlier.unit == unit.value) {
            let origin = Origin::Overlay { overlay: overlay.to_owned(), file: "overlay.toml".to_owned() };
            lists[list].push(UnitRequest { unit: unit.value.clone(), origin });
        }
    }
}
