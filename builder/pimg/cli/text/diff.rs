//! `pimg diff` as text: a table for identity, units, packages and files each, of what differs.

use super::{Show, Text, human_bytes, owner_and_mode, partition_name, plural, row, table};
use crate::command::outcome::{
    DiffOutcome, EntryKind, FileChange, FileSide, InstalledVersion, PackageSide, PackageState, UnitChange,
};

impl Show for DiffOutcome {
    fn text(&self, _verbose: bool) -> Text {
        let identity = self.identity.iter().map(|fact| {
            let change = change_name(fact.a.is_some(), fact.b.is_some());
            row([change, &fact.name, or_dash(fact.a.as_deref()), or_dash(fact.b.as_deref())])
        });
        let units = self
            .units
            .iter()
            .map(|unit| row([unit_change(unit), &unit.unit, &or_nothing(&unit.a), &or_nothing(&unit.b)]));
        let packages = self.packages.iter().map(|package| {
            let change = change_name(package.a.is_some(), package.b.is_some());
            let name = format!("{}:{}", package.name, package.architecture);
            row([change, &name, &package_side(package.a.as_ref()), &package_side(package.b.as_ref())])
        });
        let tables = [
            ("IDENTITY", identity.collect::<Vec<_>>()),
            ("UNIT", units.collect()),
            ("PACKAGE", packages.collect()),
        ];
        let mut parts = Vec::new();
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
        Text { out: parts.join("\n"), err: self.summary() }
    }
}

impl DiffOutcome {
    fn summary(&self) -> String {
        let counts = [
            (self.identity.len(), "fact"),
            (self.units.len(), "unit"),
            (self.packages.len(), "package"),
            (self.files.len(), "file"),
        ];
        let said: Vec<_> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| plural(*count, what)).collect();
        match said.as_slice() {
            [] => "the images hold the same\n".to_owned(),
            _ if counts.iter().map(|(count, _)| count).sum::<usize>() == 1 => {
                format!("{} differs\n", said.join(", "))
            }
            _ => format!("{} differ\n", said.join(", ")),
        }
    }
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
        _ if unit.a.is_empty() => "enabled",
        _ if unit.b.is_empty() => "disabled",
        _ => "changed",
    }
}

fn package_side(side: Option<&PackageSide>) -> String {
    let Some(side) = side else { return "-".to_owned() };
    let mut said = Vec::new();
    said.extend(side.installed.as_ref().map(|InstalledVersion { version, state }| match state {
        PackageState::Installed => version.clone(),
        state => format!("{version} ({state})"),
    }));
    said.extend(side.on_first_boot.as_ref().map(|version| format!("{version} (on first boot)")));
    said.join(", ")
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
        other => other.to_owned(),
    }
}
