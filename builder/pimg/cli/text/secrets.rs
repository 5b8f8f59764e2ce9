//! What became of secrets, as text.

use std::fmt::Write;
use std::path::Path;

use super::{Show, Text, plural, printable, row, table};
use crate::command::outcome::{SecretsOutcome, SeedOutcome};

fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

impl Show for SecretsOutcome {
    fn text(&self, _verbose: bool) -> Text {
        let mut text = Text::default();
        match self {
            Self::Init(init) => {
                for path in &init.made {
                    let _ = writeln!(text.out, "{}", shown(path));
                }
                for path in &init.kept {
                    let _ = writeln!(text.err, "kept `{}`", shown(path));
                }
                let _ = writeln!(text.err, "your public key is {}", printable(&init.recipient));
            }
            Self::Edit(edit) if edit.changed => text.out = format!("{}\n", shown(&edit.file)),
            Self::Edit(_) => text.err = "nothing changed\n".to_owned(),
            Self::ShowKeys(keys) => {
                let mut rows = vec![row(["KIND", "NAME", "PUBLIC KEY"])];
                rows.extend(keys.names.iter().map(|name| row(["secret", name, ""])));
                rows.extend(keys.recipients.iter().map(|(name, key)| row(["recipient", name, key])));
                text.out = table(&rows);
            }
        }
        text
    }
}

impl Show for SeedOutcome {
    fn text(&self, verbose: bool) -> Text {
        let mut err = format!("{}: ssh keys and {}\n", self.host, plural(self.secrets.len(), "secret"));
        if verbose {
            for name in &self.secrets {
                let _ = writeln!(err, "  {}", printable(name));
            }
        }
        Text { out: format!("{}\n", shown(&self.target)), err }
    }
}
