//! What `pimg doctor` found.

use serde::Serialize;

/// `pimg doctor`
#[derive(Clone, Debug, Serialize)]
pub struct DoctorOutcome {
    /// One thing after the other.
    pub checks: Vec<DoctorCheck>,
}

impl DoctorOutcome {
    /// Whether everything that is needed is there.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.state != DoctorState::Missing)
    }
}

/// One thing that a machine has or lacks.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorCheck {
    /// What was looked for.
    pub what: String,
    /// Whether it is there.
    pub state: DoctorState,
    /// The commands that use it.
    pub needed_for: Vec<String>,
    /// What was found.
    pub found: String,
    /// What can be done, where it is not there.
    pub fix: Option<String>,
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DoctorState {
    /// It is.
    Ok,
    /// It is not, and nothing goes without it.
    Missing,
    /// It is not, and only the commands that use it miss it.
    Optional,
}
