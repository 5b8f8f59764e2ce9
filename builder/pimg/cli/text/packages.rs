//! `pimg inspect --packages` as text.

use std::collections::BTreeMap;

use super::{Text, plural, row, table};
use crate::command::outcome::{PackageListing, PackageState};

/// A table of packages, and how many there are of each state.
pub(super) fn packages_text(listing: &PackageListing, verbose: bool) -> Text {
    let mut head = row(["NAME", "VERSION", "ARCHITECTURE"]);
    if verbose {
        head.extend(row(["SIZE", "SOURCE"]));
    }
    head.extend(row(["STATE"]));
    let mut rows = vec![head];
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for package in &listing.packages {
        let mut cells = row([&package.name, &package.version, &package.architecture]);
        if verbose {
            let size = package.installed_size.map_or_else(|| "-".to_owned(), |size| format!("{size} KiB"));
            cells.extend(row([&size, &package.source]));
        }
        cells.extend(row([&package.state.to_string()]));
        rows.push(cells);
        // all that went wrong together
        let state = match &package.state {
            PackageState::Broken(_) => "broken".to_owned(),
            state => state.to_string(),
        };
        *states.entry(state).or_default() += 1;
    }
    let counts: Vec<_> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let total = plural(listing.packages.len(), "package");
    let colon = if counts.is_empty() { "" } else { ": " };
    Text { out: table(&rows), err: format!("{total}{colon}{}\n", counts.join(", ")) }
}
