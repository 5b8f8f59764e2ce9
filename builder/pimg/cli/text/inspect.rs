//! `pimg inspect` of a whole image as text: a table for each subject.

use std::fmt::Write as _;

use super::{human_bytes, plural, printable, row, table};
use crate::command::outcome::{BuiltFrom, ImageSummary, PartitionSummary, SectionSummary};

/// The image and its partitions, then everything that it says about itself.
pub(super) fn image_text(image: &ImageSummary, verbose: bool) -> String {
    let mut facts = vec![
        row(["image", &image.image.display().to_string()]),
        row(["size", &format!("{} ({} bytes)", human_bytes(image.raw_size), image.raw_size)]),
        row(["partition table", &format!("{}, disk {}", image.partition_table, image.disk_id)]),
    ];
    facts.extend(image.identity.iter().map(|(label, value)| row([label, value])));
    let counts: Vec<_> = image.packages.iter().map(|(state, count)| format!("{count} {state}")).collect();
    if !counts.is_empty() {
        facts.push(row(["packages", &counts.join(", ")]));
    }
    let mut parts = vec![table(&facts)];
    if !image.partitions.is_empty() {
        parts.push(partitions_text(&image.partitions, verbose));
    }
    parts.extend(image.manifest.as_ref().map(manifest_text));
    // the table of partitions says that already
    let sections = image.sections.iter().filter(|section| section.name != "partitions");
    parts.extend(sections.filter(|section| !section.facts.is_empty()).map(section_text));
    if !image.units.is_empty() {
        let mut rows = vec![row(["UNITS", "STANDING"])];
        rows.extend(image.units.iter().map(|unit| row([&unit.unit, &unit.links.join(", ")])));
        parts.push(table(&rows));
    }
    parts.join("\n")
}

fn partitions_text(partitions: &[PartitionSummary], verbose: bool) -> String {
    let mut rows =
        vec![row(["NUMBER", "START", "SIZE", "USED", "FREE", "TYPE", "FILE SYSTEM", "LABEL", "UUID"])];
    for partition in partitions {
        let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        rows.push(row([
            &partition.number.to_string(),
            &partition.start_sector.to_string(),
            &human_bytes(partition.size),
            &partition.used.map_or_else(|| "-".to_owned(), human_bytes),
            &partition.free.map_or_else(|| "-".to_owned(), human_bytes),
            &partition.kind,
            &or_dash(&partition.file_system),
            &or_dash(&partition.label),
            &or_dash(&partition.uuid),
        ]));
    }
    let mut text = table(&rows);
    if verbose {
        for partition in partitions.iter().filter(|partition| !partition.features.is_empty()) {
            let features = printable(&partition.features.join(" "));
            let _ = write!(text, "\npartition {} has the features\n  {features}\n", partition.number);
        }
    }
    text
}

fn manifest_text(built: &BuiltFrom) -> String {
    let lock = built.lock_sha256.as_deref().unwrap_or("none");
    let mut rows = vec![
        row(["MANIFEST", "SAYS"]),
        row(["built by", &format!("pimg {}, {}", built.pimg, plural(built.changes, "change"))]),
        row(["profile", &format!("{}, version {}", built.profile, built.version)]),
        row(["base", &built.base]),
        row(["base, raw sha256", &built.base_raw_sha256]),
    ];
    if let Some(layer) = &built.layer {
        rows.push(row(["baked layer", &format!("{}, {}", layer.key, plural(layer.packages, "package"))]));
        rows.push(row(["baked layer sha256", &layer.sha256]));
    }
    rows.push(row(["lock sha256", lock]));
    table(&rows)
}

fn section_text(section: &SectionSummary) -> String {
    let mut rows = vec![row([&section.name.to_uppercase(), "SAYS"])];
    rows.extend(section.facts.iter().map(|fact| row([&fact.name, &fact.value])));
    table(&rows)
}
