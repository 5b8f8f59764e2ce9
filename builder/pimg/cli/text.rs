//! Outcomes as text for people: aligned tables on stdout, remarks on stderr.

use std::fmt::Write;

use serde::Serialize;

use crate::command::outcome::{
    BuildOutcome, CheckOutcome, CleanOutcome, EntryKind, FileContent, InspectOutcome, Layer, ListedEntry,
    Listing, PlanOutcome, PlannedAction, PlannedChange, Verdict, VerifyOutcome,
};
use crate::plan::change::{Ownership, Partition};

mod bake;
mod bump;
mod diff;
mod doctor;
mod fetch;
mod flash;
mod import;
mod inspect;
mod keys;
mod layer;
mod lock;
mod module;
mod new_project;
mod packages;
mod publish;
mod rebuild;
mod secrets;
pub(super) mod status;
mod test;

/// An outcome as text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    /// The result, for stdout.
    pub(super) out: String,
    /// Remarks, for stderr.
    pub(super) err: String,
}

/// What can be shown to people and to programs.
pub(super) trait Show: Serialize {
    /// The outcome as text; with more in it if `verbose`.
    fn text(&self, verbose: bool) -> Text;
}

/// Text that came from elsewhere, with nothing in it that drives a terminal.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// A number of bytes in binary units, such as `1.6 GiB`.
pub(super) fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut scaled = bytes as f64;
    let mut name = "B";
    for unit in UNITS {
        // 1023.95 and more would round to 1024.0
        if scaled < 1023.95 {
            break;
        }
        scaled /= 1024.0;
        name = unit;
    }
    if name == "B" { format!("{bytes} B") } else { format!("{scaled:.1} {name}") }
}

/// Rows with their columns aligned, two spaces between them; the last column is not padded.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(printable).to_vec()
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn owner_and_mode(ownership: Option<Ownership>) -> (String, String) {
    match ownership {
        Some(Ownership { uid, gid, mode }) => (format!("{uid}:{gid}"), format!("{mode:04o}")),
        None => ("-".to_owned(), "-".to_owned()),
    }
}

fn partition_name(partition: Partition) -> &'static str {
    match partition {
        Partition::Boot => "boot",
        Partition::Root => "root",
    }
}

impl Show for BuildOutcome {
    fn text(&self, verbose: bool) -> Text {
        let mut text = Text::default();
        let mut rows = Vec::new();
        for image in &self.images {
            let _ = writeln!(text.out, "{}", printable(&image.image.display().to_string()));
            let size = format!("{} ({} on a card)", human_bytes(image.size), human_bytes(image.raw_size));
            let changes = plural(image.changes, "change");
            let time = format!("{:.1} s", image.elapsed.as_secs_f64());
            let mut cells = row([&format!("{}:", image.host), &size, &changes, &time]);
            if verbose {
                cells.push(format!("sha256 {}", image.sha256));
            }
            rows.push(cells);
        }
        text.err = table(&rows);
        if let Some(key) = self.images.iter().find_map(|image| image.key_id.as_ref()) {
            let _ = writeln!(text.err, "signed by key {key}");
        }
        if self.images.iter().any(|image| image.needs_seed) {
            text.err +=
                "there are no secrets in it: `pimg seed --profile NAME PARTITION` puts them on each card\n";
        }
        if let Some(opened) = &self.imager_manifest {
            let path = printable(&opened.display().to_string());
            let _ = writeln!(text.err, "Raspberry Pi Imager opens `{path}`");
        }
        text
    }
}

impl Show for CheckOutcome {
    fn text(&self, _verbose: bool) -> Text {
        let mut rows = vec![row(["HOST", "PROFILE", "ADDRESS", "OVERLAYS"])];
        for host in &self.hosts {
            rows.push(row([&host.host, &host.profile, &host.address, &host.overlays.join(", ")]));
        }
        let mut err = String::new();
        for warning in &self.warnings {
            let _ = writeln!(err, "warning: {}", printable(warning));
        }
        Text { out: table(&rows), err }
    }
}

fn action_name(action: PlannedAction) -> &'static str {
    match action {
        PlannedAction::PutFile => "put file",
        PlannedAction::MakeDir => "make dir",
        PlannedAction::Symlink => "symlink",
        PlannedAction::Remove => "remove",
        PlannedAction::SetOwnership => "set owner",
    }
}

fn planned_row(change: &PlannedChange, verbose: bool) -> Vec<String> {
    let path = match &change.target {
        Some(target) => format!("{} -> {target}", change.path),
        None => change.path.clone(),
    };
    let layer = match change.layer {
        Layer::Golden => "golden",
        Layer::Host => "host",
    };
    let mut cells = row([partition_name(change.partition), action_name(change.action), layer]);
    if verbose {
        let (owner, mode) = owner_and_mode(change.ownership);
        let size = change.size.map_or_else(|| "-".to_owned(), |size| size.to_string());
        let digest = change.sha256.as_deref().and_then(|digest| digest.get(..12)).unwrap_or("-");
        cells.extend([
            owner,
            mode,
            if change.secret { "secret".to_owned() } else { size },
            digest.to_owned(),
        ]);
    }
    cells.extend(row([&path, &change.origin]));
    cells
}

impl Show for PlanOutcome {
    fn text(&self, verbose: bool) -> Text {
        let mut head = row(["PARTITION", "ACTION", "LAYER"]);
        if verbose {
            head.extend(row(["OWNER", "MODE", "SIZE", "SHA256"]));
        }
        head.extend(row(["PATH", "ORIGIN"]));
        let mut rows = vec![head];
        rows.extend(self.changes.iter().map(|change| planned_row(change, verbose)));
        let size =
            self.raw_size.map_or_else(String::new, |size| format!(", {} on a card", human_bytes(size)));
        let mut err = format!("{}: {}{size}\n", printable(&self.host), plural(self.changes.len(), "change"));
        if let Some(baked) = &self.baked {
            let state = if baked.is_cached { "in the cache" } else { "not made yet" };
            let _ = writeln!(err, "packages are in the baked layer {}, {state}", printable(&baked.key));
        }
        Text { out: table(&rows), err }
    }
}

impl Show for InspectOutcome {
    fn text(&self, verbose: bool) -> Text {
        let out = match self {
            Self::Packages(listing) => return packages::packages_text(listing, verbose),
            Self::Image(image) => inspect::image_text(image, verbose),
            Self::Listing(listing) => listing_text(listing),
            // shown by streaming its bytes
            Self::File(FileContent { .. }) => String::new(),
        };
        Text { out, err: String::new() }
    }
}

fn listing_text(listing: &Listing) -> String {
    let rows: Vec<Vec<String>> = listing.entries.iter().map(entry_row).collect();
    table(&rows)
}

fn entry_row(entry: &ListedEntry) -> Vec<String> {
    let kind = match entry.kind {
        EntryKind::File => "-",
        EntryKind::Directory => "d",
        EntryKind::Symlink => "l",
        EntryKind::CharDevice => "c",
        EntryKind::BlockDevice => "b",
        EntryKind::Fifo => "p",
        EntryKind::Socket => "s",
    };
    let (owner, mode) = owner_and_mode(entry.ownership);
    let path = match &entry.target {
        Some(target) => format!("{} -> {target}", entry.path),
        None => entry.path.clone(),
    };
    row([kind, &mode, &owner, &entry.size.to_string(), &path])
}

impl Show for VerifyOutcome {
    fn text(&self, verbose: bool) -> Text {
        let mut out = String::new();
        let rows: Vec<_> = self
            .checks
            .iter()
            .map(|check| {
                let note = check.note.as_deref().unwrap_or_default();
                row([&format!("{}:", check.name), &check.verdict.to_string(), note])
            })
            .collect();
        let aligned = table(&rows);
        for (line, check) in aligned.lines().zip(&self.checks) {
            let _ = writeln!(out, "{line}");
            let is_failed = matches!(check.verdict, Verdict::Failed(_));
            for detail in check.details.iter().filter(|_| verbose || is_failed) {
                let _ = writeln!(out, "  {}", printable(detail));
            }
        }
        Text { out, err: String::new() }
    }
}

impl Show for CleanOutcome {
    fn text(&self, _verbose: bool) -> Text {
        let rows: Vec<_> = self
            .removed
            .iter()
            .map(|removed| row([&human_bytes(removed.size), &removed.path.display().to_string()]))
            .collect();
        let err = format!("freed {} in {}\n", human_bytes(self.freed), plural(self.removed.len(), "place"));
        Text { out: table(&rows), err }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Show, human_bytes, printable, table};
    use crate::command::outcome::{
        BuildOutcome, BuiltImage, Check, EntryKind, InspectOutcome, Layer, ListedEntry, Listing, PlanOutcome,
        PlannedAction, PlannedChange, Verdict, VerifyOutcome,
    };
    use crate::failure::Class;
    use crate::plan::change::{Ownership, Partition};

    #[test]
    fn bytes_in_binary_units() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (1_717_986_918, "1.6 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(human_bytes(bytes), expected);
        }
    }

    #[test]
    fn tables_align_and_leave_no_blanks_behind() {
        let rows =
            vec![vec!["a".into(), "é".into(), String::new()], vec!["bbb".into(), "c".into(), "d".into()]];
        assert_eq!(table(&rows), "a    é\nbbb  c  d\n");
        assert_eq!(printable("a\u{1b}[0m\tb"), "a\\u{1b}[0m\\tb");
    }

    #[test]
    fn a_build_prints_paths_only_on_stdout() {
        let image = BuiltImage {
            host: "node-a".into(),
            image: "out/node-a/node-a-1.img.zst".into(),
            sha256_file: "x".into(),
            bmap: "x".into(),
            manifest: "x".into(),
            sbom: "x".into(),
            provenance: "x".into(),
            sums: "x".into(),
            signature: Some("x".into()),
            key_id: Some("00FF".into()),
            sha256: "ab".into(),
            size: 700 << 20,
            raw_size: 3 << 30,
            changes: 212,
            base_sha256: "cd".into(),
            needs_seed: false,
            elapsed: Duration::from_millis(41_234),
        };
        let text = BuildOutcome { images: vec![image], imager_manifest: Some("out/x".into()) }.text(true);
        assert_eq!(text.out, "out/node-a/node-a-1.img.zst\n");
        assert_eq!(
            text.err,
            "node-a:  700.0 MiB (3.0 GiB on a card)  212 changes  41.2 s  sha256 ab\nsigned by key 00FF\nRaspberry Pi Imager opens `out/x`\n"
        );
    }

    #[test]
    fn a_plan_names_every_origin_and_shows_no_secret() {
        let change = PlannedChange {
            partition: Partition::Root,
            action: PlannedAction::PutFile,
            path: "/etc/hostname".into(),
            ownership: Some(Ownership::root(0o644)),
            size: Some(7),
            sha256: Some("0123456789abcdef".into()),
            target: None,
            secret: false,
            origin: "profile `node-a`, key `hostname`".into(),
            layer: Layer::Host,
        };
        let secret = PlannedChange {
            path: "/etc/token".into(),
            ownership: Some(Ownership::root(0o600)),
            size: None,
            sha256: None,
            secret: true,
            layer: Layer::Golden,
            ..change.clone()
        };
        let outcome =
            PlanOutcome { host: "node-a".into(), raw_size: None, changes: vec![change, secret], baked: None };
        insta::assert_snapshot!(outcome.text(true).out, @r"
        PARTITION  ACTION    LAYER   OWNER  MODE  SIZE    SHA256        PATH           ORIGIN
        root       put file  host    0:0    0644  7       0123456789ab  /etc/hostname  profile `node-a`, key `hostname`
        root       put file  golden  0:0    0600  secret  -             /etc/token     profile `node-a`, key `hostname`
        ");
        assert_eq!(outcome.text(false).err, "node-a: 2 changes\n");
    }

    #[test]
    fn a_listing_shows_foreign_names_safely() {
        let entry = ListedEntry {
            path: "bin\u{1b}[2J".into(),
            kind: EntryKind::Symlink,
            ownership: None,
            size: 7,
            target: Some("usr/bin".into()),
        };
        let listing = Listing { partition: Partition::Boot, path: "/".into(), entries: vec![entry] };
        assert_eq!(
            InspectOutcome::Listing(listing).text(false).out,
            "l  -  -  7  bin\\u{1b}[2J -> usr/bin\n"
        );
    }

    #[test]
    fn details_are_shown_where_something_is_wrong() {
        let check = |name: &str, verdict| Check {
            name: name.into(),
            verdict,
            note: None,
            details: vec!["more".into()],
        };
        let checks =
            vec![check("boot partition", Verdict::Passed), check("root", Verdict::Failed(Class::Base))];
        let outcome = VerifyOutcome { image: "x.img".into(), checks };
        assert_eq!(outcome.text(false).out, "boot partition:  passed\nroot:            failed\n  more\n");
        assert_eq!(outcome.failed(), Some(Class::Base));
    }
}
