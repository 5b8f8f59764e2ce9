//! What a machine has and lacks, as text.

use super::{Show, Text, plural, row, table};
use crate::command::outcome::{DoctorOutcome, DoctorState};

impl Show for DoctorOutcome {
    fn text(&self, _verbose: bool) -> Text {
        let mut rows = vec![row(["STATE", "WHAT", "FOR", "FOUND", "WHAT TO DO"])];
        for check in &self.checks {
            let state = match check.state {
                DoctorState::Ok => "ok",
                DoctorState::Missing => "missing",
                DoctorState::Optional => "optional",
            };
            let fix = check.fix.as_deref().unwrap_or_default();
            rows.push(row([state, &check.what, &check.needed_for.join(", "), &check.found, fix]));
        }
        let missing = self.checks.iter().filter(|check| check.state == DoctorState::Missing).count();
        let err = match missing {
            0 => "everything that is needed is there\n".to_owned(),
            count => format!("{} missing\n", plural(count, "thing")),
        };
        Text { out: table(&rows), err }
    }
}
