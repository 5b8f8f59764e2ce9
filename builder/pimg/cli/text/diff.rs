//! `pimg diff` as text: one line of sums, then a table of what differs for each subject, then the lines of texts.

use std::fmt::Write as _;

use super::{Show, Text, human_bytes, owner_and_mode, partition_name, plural, printable, row, table};
use crate::command::outcome::{
    DiffOutcome, EntryKind, FactChange, FileChange, FileSide, InstalledVersion, PackageChange, PackageSide,
    PackageState, UnitChange,
};
use crate::plan::change::Partition;

/// Most lines of one text that are shown unless all are asked for.
const LINES_OF_ONE: usize = 20;
/// Most lines of all texts that are shown unless all are asked for.
const LINES_OF_ALL: usize = 200;

impl Show for DiffOutcome {
    fn text(&self, verbose: bool) -> Text {
        let mut parts = vec![self.summary()];
        let mut tables = vec![("IDENTITY", self.identity.iter().map(fact_row).collect::<Vec<_>>())];
        let names: Vec<_> = self.sections.iter().map(|section| section.name.to_uppercase()).collect();
        for (section, name) in self.sections.iter().zip(&names) {
            tables.push((name, section.changes.iter().map(fact_row).collect()));
        }
        tables.push(("UNIT", self.units.iter().map(unit_row).collect()));
        tables.push(("PACKAGE", self.packages.iter().map(package_row).collect()));
        for (what, rows) in tables {
            if !rows.is_empty() {
                let head = row(["CHANGE", what, "FROM", "TO"]);
                parts.push(table(&[vec![head], rows].concat()));
            }
        }
        if !self.files.is_empty() {
            let mut rows = vec![row(["CHANGE", "PARTITION", "FILE", "HOW"])];
            rows.extend(self.files.iter().map(file_row));
            parts.push(table(&rows));
        }
        parts.extend(self.lines());
        let err = if verbose && self.unread > 0 {
            format!("{} of files lie in the same, equal blocks and were not read\n", human_bytes(self.unread))
        } else {
            String::new()
        };
        Text { out: parts.join("\n"), err }
    }
}

impl DiffOutcome {
    /// What differs, counted, in one line.
    pub(super) fn summary(&self) -> String {
        let facts =
            self.identity.len() + self.sections.iter().map(|section| section.changes.len()).sum::<usize>();
        let counts = [
            (facts, "fact"),
            (self.units.len(), "unit"),
            (self.packages.len(), "package"),
            (self.files.len(), "file"),
        ];
        let said: Vec<_> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| plural(*count, what)).collect();
        let total: usize = counts.iter().map(|(count, _)| count).sum();
        let said = match total {
            0 => "the images hold the same".to_owned(),
            1 => format!("{} differs", said.join(", ")),
            _ => format!("{} differ", said.join(", ")),
        };
        let (a, b) = (self.a.display().to_string(), self.b.display().to_string());
        format!("{} -> {}: {said}\n", printable(&a), printable(&b))
    }

    /// The sums, and the packages.
    pub(super) fn brief(&self) -> String {
        let rows: Vec<_> = self.packages.iter().map(package_row).collect();
        if rows.is_empty() {
            return self.summary();
        }
        let head = row(["CHANGE", "PACKAGE", "FROM", "TO"]);
        format!("{}\n{}", self.summary(), table(&[vec![head], rows].concat()))
    }

    /// The lines of texts, as many as a person reads.
    fn lines(&self) -> Vec<String> {
        let mut left = if self.full { usize::MAX } else { LINES_OF_ALL };
        let most = if self.full { usize::MAX } else { LINES_OF_ONE };
        let (mut parts, mut left_out) = (Vec::new(), 0);
        for file in &self.files {
            let Some(lines) = &file.lines else { continue };
            if !self.full && !is_configuration(file) {
                left_out += 1;
                continue;
            }
            let count = lines.lines().count();
            if left == 0 {
                left_out += 1;
                continue;
            }
            let shown = count.min(most).min(left);
            left -= shown;
            let place = if file.partition == Partition::Boot { "/boot/firmware" } else { "" };
            let path = printable(&format!("{place}{}", file.path));
            let side = |is_there: bool, letter: char| {
                if is_there { format!("{letter}{path}") } else { "/dev/null".to_owned() }
            };
            let mut text =
                format!("--- {}\n+++ {}\n", side(file.a.is_some(), 'a'), side(file.b.is_some(), 'b'));
            for line in lines.lines().take(shown) {
                // tabs are text, whatever else a terminal might obey
                let parts: Vec<_> = line.split('\t').map(printable).collect();
                let _ = writeln!(text, "{}", parts.join("\t"));
            }
            if shown < count {
                let _ = writeln!(text, "… {} more: --full", plural(count - shown, "line"));
            }
            parts.push(text);
        }
        if left_out > 0 {
            parts.push(format!("… lines of {} more: --full\n", plural(left_out, "text")));
        }
        parts
    }
}

/// What a person changes and reads: `/etc` and the texts of the boot partition. A new file of a whole is no change.
fn is_configuration(file: &FileChange) -> bool {
    file.partition == Partition::Boot || file.path.starts_with("/etc/")
}

fn fact_row(fact: &FactChange) -> Vec<String> {
    let change = change_name(fact.a.is_some(), fact.b.is_some());
    let to = or_dash(fact.b.as_deref());
    let to = if fact.secret && fact.a == fact.b { format!("{to}, another one") } else { to.to_owned() };
    row([change, &fact.name, or_dash(fact.a.as_deref()), &to])
}

fn unit_row(unit: &UnitChange) -> Vec<String> {
    let said = |words: &[String], is_there: bool| match (words, is_there) {
        ([], true) => "not enabled".to_owned(),
        (words, _) => or_nothing(words),
    };
    row([unit_change(unit), &unit.unit, &said(&unit.a, unit.in_a), &said(&unit.b, unit.in_b)])
}

fn package_row(package: &PackageChange) -> Vec<String> {
    let version = |side: &Option<PackageSide>| Some(side.as_ref()?.installed.as_ref()?.version.clone());
    let (a, b) = (version(&package.a), version(&package.b));
    let change = match (&package.a, &package.b) {
        (Some(_), Some(_)) if package.downgrade => "downgraded",
        (Some(_), Some(_)) if a.is_some() && b.is_some() && a != b => "upgraded",
        (a, b) => change_name(a.is_some(), b.is_some()),
    };
    let mark = |side: &Option<PackageSide>| Some(side.as_ref()?.installed.as_ref()?.automatic);
    let shows_marks = mark(&package.a) != mark(&package.b);
    let side = |side: &Option<PackageSide>| package_side(side.as_ref(), shows_marks);
    row([change, &format!("{}:{}", package.name, package.architecture), &side(&package.a), &side(&package.b)])
}

fn change_name(in_a: bool, in_b: bool) -> &'static str {
    match (in_a, in_b) {
        (false, _) => "added",
        (true, false) => "removed",
        (true, true) => "changed",
    }
}

fn or_dash(value: Option<&str>) -> &str {
    value.unwrap_or("-")
}

fn or_nothing(words: &[String]) -> String {
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

fn unit_change(unit: &UnitChange) -> &'static str {
    let is_masked = |words: &[String]| words.iter().any(|word| word == "masked");
    match (is_masked(&unit.a), is_masked(&unit.b)) {
        (false, true) => "masked",
        (true, false) => "unmasked",
        _ if !unit.in_a && unit.in_b && unit.a.is_empty() => "added",
        _ if unit.in_a && !unit.in_b && unit.b.is_empty() => "removed",
        _ if unit.a == unit.b => "changed",
        _ if unit.a.is_empty() => "enabled",
        _ if unit.b.is_empty() => "disabled",
        _ => "changed",
    }
}

fn package_side(side: Option<&PackageSide>, shows_mark: bool) -> String {
    let Some(side) = side else { return "-".to_owned() };
    let mut said = Vec::new();
    said.extend(side.installed.as_ref().map(|installed| installed_version(installed, shows_mark)));
    said.extend(side.on_first_boot.as_ref().map(|version| format!("{version} (on first boot)")));
    said.join(", ")
}

fn installed_version(installed: &InstalledVersion, shows_mark: bool) -> String {
    let InstalledVersion { version, state, automatic } = installed;
    let mut remarks = Vec::new();
    if *state != PackageState::Installed {
        remarks.push(state.to_string());
    }
    if *automatic && shows_mark {
        remarks.push("automatic".to_owned());
    }
    if remarks.is_empty() { version.clone() } else { format!("{version} ({})", remarks.join(", ")) }
}

fn file_row(file: &FileChange) -> Vec<String> {
    let change = change_name(file.a.is_some(), file.b.is_some());
    let how = match (&file.a, &file.b) {
        (Some(a), Some(b)) => {
            file.differs.iter().map(|what| difference(what, a, b)).collect::<Vec<_>>().join(", ")
        }
        (Some(only), None) | (None, Some(only)) => description(only),
        (None, None) => String::new(),
    };
    let how = if file.secret { format!("{how} (secret)") } else { how };
    row([change, partition_name(file.partition), &file.path, &how])
}

fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Directory => "directory",
        EntryKind::Symlink => "link",
        EntryKind::CharDevice => "character device",
        EntryKind::BlockDevice => "block device",
        EntryKind::Fifo => "pipe",
        EntryKind::Socket => "socket",
    }
}

fn description(side: &FileSide) -> String {
    let mut said = vec![kind_name(side.kind).to_owned()];
    if side.ownership.is_some() {
        let (owner, mode) = owner_and_mode(side.ownership);
        said.extend([mode, owner]);
    }
    said.extend(side.size.map(human_bytes));
    said.extend(side.target.as_ref().map(|target| format!("-> {target}")));
    said.extend(side.device.map(|(major, minor)| format!("{major}:{minor}")));
    said.extend(side.attributes.iter().cloned());
    if !side.links.is_empty() {
        said.push(format!("also {}", side.links.join(" ")));
    }
    said.join(" ")
}

fn difference(what: &str, a: &FileSide, b: &FileSide) -> String {
    let ((a_owner, a_mode), (b_owner, b_mode)) = (owner_and_mode(a.ownership), owner_and_mode(b.ownership));
    match what {
        "kind" => format!("{} -> {}", kind_name(a.kind), kind_name(b.kind)),
        "owner" => format!("owner {a_owner} -> {b_owner}"),
        "mode" => format!("mode {a_mode} -> {b_mode}"),
        "target" => {
            format!("target {} -> {}", or_dash(a.target.as_deref()), or_dash(b.target.as_deref()))
        }
        "content" => match (a.size, b.size) {
            (Some(a), Some(b)) if a != b => format!("content, {a} -> {b} bytes"),
            _ => "content".to_owned(),
        },
        "device" => {
            let number = |side: &FileSide| {
                side.device.map_or_else(|| "-".to_owned(), |(major, minor)| format!("{major}:{minor}"))
            };
            format!("device {} -> {}", number(a), number(b))
        }
        "attributes" => {
            format!("attributes {} -> {}", or_nothing(&a.attributes), or_nothing(&b.attributes))
        }
        "links" => {
            let names = |side: &FileSide| {
                if side.links.is_empty() { "-".to_owned() } else { side.links.join(" ") }
            };
            format!("other names {} -> {}", names(a), names(b))
        }
        other => other.to_owned(),
    }
}
