//! What `pimg fetch` got, as text.

use super::{Show, Text, human_bytes, plural, printable};
use crate::command::outcome::FetchOutcome;

impl Show for FetchOutcome {
    fn text(&self, _verbose: bool) -> Text {
        let mut err =
            format!("{}, {}, are in the cache\n", plural(self.files, "file"), human_bytes(self.size));
        let mut out = String::new();
        if let Some(vault) = &self.vault {
            let vault = printable(&vault.display().to_string());
            out = format!("{vault}\n");
            err += "the vault also has the base images and the lock: `pimg build --locked --offline --vault DIR`\n";
        }
        Text { out, err }
    }
}
