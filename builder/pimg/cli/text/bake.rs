//! `pimg bake` as text: a table of layers, and how long it took.

use super::{Show, Text, human_bytes, plural, printable, row, table};
use crate::command::outcome::{BakeOutcome, BakedLayer};

impl Show for BakeOutcome {
    fn text(&self, verbose: bool) -> Text {
        let mut rows = vec![row(["LAYER", "HOSTS", "PACKAGES", "SIZE", "IN THE IMAGE", "STATE"])];
        rows.extend(self.layers.iter().map(|layer| layer_row(layer, verbose)));
        let out = if self.layers.is_empty() { String::new() } else { table(&rows) };
        let mut err = String::new();
        if !self.without.is_empty() {
            err += &format!("no packages, nothing to bake: {}\n", printable(&self.without.join(", ")));
        }
        err += &format!("{} in {:.1} s\n", plural(self.layers.len(), "layer"), self.elapsed.as_secs_f64());
        Text { out, err }
    }
}

fn layer_row(layer: &BakedLayer, verbose: bool) -> Vec<String> {
    let key = if verbose { &layer.key } else { layer.key.get(..12).unwrap_or_default() };
    let state = if layer.is_new { format!("made ({})", layer.emulator) } else { "in the cache".to_owned() };
    row([
        key,
        &layer.hosts.join(", "),
        &layer.packages.to_string(),
        &human_bytes(layer.size),
        &human_bytes(layer.content_size),
        &state,
    ])
}
