//! What became of an inventory, as text.

use std::fmt::Write;
use std::path::Path;

use super::{Show, Text, printable, row, table};
use crate::command::outcome::{ImportOutcome, Row, RowKind};

impl Show for ImportOutcome {
    fn text(&self, _verbose: bool) -> Text {
        let mut text = Text::default();
        if self.written {
            let mut shown: Vec<String> = self.files.iter().map(|file| short(file)).collect();
            shown.dedup();
            for file in shown {
                let _ = writeln!(text.out, "{}", printable(&file));
            }
            let told: Vec<&Row> = self
                .variables
                .iter()
                .filter(|row| !matches!(row.kind, RowKind::Mapped | RowKind::Secret))
                .collect();
            if !told.is_empty() {
                let _ = writeln!(text.err, "not taken from the inventory as it is:\n{}", variables(&told));
            }
        } else {
            text.out = variables(&self.variables.iter().collect::<Vec<_>>());
        }
        for notice in &self.notices {
            let _ = writeln!(text.err, "{}", printable(notice));
        }
        if !self.secrets.is_empty() {
            text.err += "store each secret: `pimg secrets init`, then `pimg secrets edit`, and there\n";
            for secret in &self.secrets {
                let line =
                    format!("  {} = \"…\"  # `{}`, line {}", secret.name, secret.variable, secret.line);
                let _ = writeln!(text.err, "{}", printable(&line));
            }
        }
        text
    }
}

/// An overlay is shown as the directory that it is.
fn short(file: &Path) -> String {
    let overlays =
        file.ancestors().find(|path| path.parent().is_some_and(|above| above.ends_with("overlays")));
    match overlays.filter(|overlay| *overlay != file) {
        Some(overlay) => format!("{}/", overlay.display()),
        None => file.display().to_string(),
    }
}

fn variables(variables: &[&Row]) -> String {
    let mut rows = vec![row(["LINE", "VARIABLE", "OF", "PROFILE KEY", "VALUE"])];
    for variable in variables {
        let line = variable.line.map_or_else(|| "-".to_owned(), |line| line.to_string());
        let why = variable.why.as_deref().unwrap_or_default();
        let shown = |value: &Option<String>| value.clone().unwrap_or_default();
        let value = match variable.kind {
            RowKind::Mapped | RowKind::Secret => shown(&variable.value),
            RowKind::Assumed => format!("{} ({why})", shown(&variable.value)),
            RowKind::NotMapped => format!("not mapped: {why}"),
            RowKind::Unknown => format!("unknown: {why}"),
        };
        let (name, key) =
            (variable.variable.as_deref().unwrap_or("-"), variable.key.as_deref().unwrap_or("-"));
        rows.push(row([&line, name, &variable.of, key, &value]));
    }
    table(&rows)
}
