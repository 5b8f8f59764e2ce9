//! `pimg bump` as text: bases that move, then what the lock says, then in what the bases differ.

use super::{Show, Text, row, table};
use crate::command::outcome::BumpOutcome;

impl Show for BumpOutcome {
    fn text(&self, verbose: bool) -> Text {
        let lock = self.lock.text(verbose);
        let mut parts = Vec::new();
        if !self.bases.is_empty() {
            let mut rows = vec![row(["BASE OF", "FROM", "TO", "SHA256"])];
            rows.extend(self.bases.iter().map(|base| {
                let sha256 = if verbose { &base.sha256 } else { base.sha256.get(..12).unwrap_or_default() };
                row([&base.profile.display().to_string(), &base.old_date, &base.new_date, sha256])
            }));
            parts.push(table(&rows));
        }
        if !lock.out.is_empty() {
            parts.push(lock.out);
        }
        parts.extend(
            self.base_diff.iter().map(|diff| if verbose { diff.text(false).out } else { diff.brief() }),
        );
        let mut err = String::new();
        if !self.bases.is_empty() {
            err += "the new base is believed as far as https says who named its digest: its publisher signs nothing\n";
        }
        err += &lock.err;
        if self.check && (!self.bases.is_empty() || !self.lock.changes.is_empty()) {
            err += "nothing was written: leave `--check` out to move\n";
        }
        Text { out: parts.join("\n"), err }
    }
}
