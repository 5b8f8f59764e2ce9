//! `pimg lock` as text: a table of what changed, and a line of sums.

use super::{Show, Text, human_bytes, plural, printable, row, table};
use crate::command::outcome::{ChangeKind, LockChange, LockOutcome};

impl Show for LockOutcome {
    fn text(&self, verbose: bool) -> Text {
        let path = printable(&self.path.display().to_string());
        let sum = format!("{}, {}", plural(self.packages, "package"), human_bytes(self.size));
        if self.changes.is_empty() {
            let state = if self.written { "was written anew, nothing in it moved" } else { "is up to date" };
            return Text { out: String::new(), err: format!("{path} {state}; {sum}\n") };
        }
        let mut rows = vec![row(["WHAT", "NAME", "FROM", "TO", "WHY"])];
        rows.extend(self.changes.iter().map(change_row));
        let mut err = format!("{}; {sum}\n", counts(&self.changes));
        if verbose {
            let sets = self.sets.iter().map(|set| {
                let packages = plural(set.packages, "package");
                row([&format!("{}:", set.profiles.join(", ")), &packages, &human_bytes(set.size)])
            });
            err.push_str(&table(&sets.collect::<Vec<_>>()));
        }
        Text { out: table(&rows), err }
    }
}

fn kind_name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Base => "base",
        ChangeKind::Repository => "repository",
        ChangeKind::Keyring => "keyring",
        ChangeKind::Download => "download",
        ChangeKind::Profile => "profile",
        ChangeKind::Package => "package",
        ChangeKind::Module => "module",
        ChangeKind::Remove => "remove",
        ChangeKind::Hold => "hold",
    }
}

fn change_row(change: &LockChange) -> Vec<String> {
    let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
    let why = match change.profiles.as_slice() {
        [] => change.note.clone(),
        profiles if change.note.is_empty() => format!("for {}", profiles.join(", ")),
        profiles => format!("{} (for {})", change.note, profiles.join(", ")),
    };
    row([kind_name(change.kind), &change.name, &side(&change.old), &side(&change.new), &why])
}

/// `3 added, 12 upgraded, 1 removed`, of packages; other things are counted only where no package moved.
fn counts(changes: &[LockChange]) -> String {
    let packages: Vec<_> = changes.iter().filter(|change| change.kind == ChangeKind::Package).collect();
    let count = |is_counted: fn(&LockChange) -> bool| packages.iter().filter(|c| is_counted(c)).count();
    let all = [
        (count(|c| c.old.is_none()), "added"),
        (count(|c| c.old.is_some() && c.new.is_some()), "changed"),
        (count(|c| c.new.is_none()), "removed"),
    ];
    let said: Vec<_> =
        all.iter().filter(|(count, _)| *count > 0).map(|(count, verb)| format!("{count} {verb}")).collect();
    if said.is_empty() { plural(changes.len(), "change") } else { said.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::{ChangeKind, LockChange, LockOutcome, Show};

    fn change(kind: ChangeKind, name: &str, old: &str, new: &str, note: &str) -> LockChange {
        let side = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        LockChange {
            kind,
            name: name.into(),
            profiles: Vec::new(),
            old: side(old),
            new: side(new),
            note: note.into(),
        }
    }

    fn outcome(changes: Vec<LockChange>) -> LockOutcome {
        LockOutcome {
            path: "pimg.lock".into(),
            written: !changes.is_empty(),
            changes,
            sets: Vec::new(),
            packages: 189,
            size: 165_675_008,
        }
    }

    #[test]
    fn what_changed_is_a_table_and_the_sums_are_a_remark() {
        let mut foreign = change(ChangeKind::Package, "zsh", "", "5.9-8", "asked for");
        foreign.profiles = vec!["node-a".into()];
        let changes = vec![
            change(ChangeKind::Repository, "debian", "2026-08-19T08:12:01Z", "2026-09-01T00:00:00Z", ""),
            change(ChangeKind::Package, "libnvpair3linux", "2.3.2-2", "2.3.9-1", "needed by zfsutils-linux"),
            change(ChangeKind::Package, "nano", "8.4-1", "", "no longer needed"),
            foreign,
        ];
        let text = outcome(changes).text(false);
        insta::assert_snapshot!(text.out, @r"
        WHAT        NAME             FROM                  TO                    WHY
        repository  debian           2026-08-19T08:12:01Z  2026-09-01T00:00:00Z
        package     libnvpair3linux  2.3.2-2               2.3.9-1               needed by zfsutils-linux
        package     nano             8.4-1                 -                     no longer needed
        package     zsh              -                     5.9-8                 asked for (for node-a)
        ");
        assert_eq!(text.err, "1 added, 1 changed, 1 removed; 189 packages, 158.0 MiB\n");
    }

    #[test]
    fn nothing_moved() {
        let text = outcome(Vec::new()).text(false);
        assert_eq!(
            (text.out.as_str(), text.err.as_str()),
            ("", "pimg.lock is up to date; 189 packages, 158.0 MiB\n")
        );
    }
}
