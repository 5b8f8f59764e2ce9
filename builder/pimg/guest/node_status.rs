//! `/var/lib/pimg/status.json`: what a node says about its first boot.
//!
//! The bytes come from another machine. Fields that are not known are skipped; nothing that drives a terminal
//! or turns text around is let in, so every room behind this one may print what it is given.

use serde::{Deserialize, Deserializer, Serialize};

/// Where a node keeps it.
pub const PATH: &str = "/var/lib/pimg/status.json";

/// Longest file that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// Most steps that a node may have.
const MOST_STEPS: usize = 200;

/// Longest text of a field, in characters; what is behind is cut off.
const LONGEST_TEXT: usize = 1000;

/// What a node says about its first boot.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct NodeStatus {
    /// Short host name.
    #[serde(deserialize_with = "text")]
    pub node: String,
    /// Address on the ordinary network; empty while it has none.
    #[serde(default, deserialize_with = "text")]
    pub address: String,
    /// All steps together.
    pub state: OverallState,
    /// Where its web interface is.
    #[serde(default, deserialize_with = "optional_text")]
    pub url: Option<String>,
    /// When this was written, in seconds since 1970 by the node's clock.
    #[serde(default)]
    pub updated: u64,
    /// How often it has booted.
    #[serde(default)]
    pub boots: u64,
    /// In the order in which they may run.
    pub steps: Vec<StepStatus>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct StepStatus {
    /// Its name, as in `pimg-NAME.service`.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// What it is about.
    #[serde(default, deserialize_with = "text")]
    pub description: String,
    /// Where it stands.
    pub state: StepState,
    /// Since when, in seconds since 1970 by the node's clock.
    #[serde(default)]
    pub since: Option<u64>,
    /// Why, for a person; may be empty.
    #[serde(default, deserialize_with = "text_or_null")]
    pub message: String,
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OverallState {
    /// A step runs.
    Working,
    /// What is left waits for something, such as the network.
    Waiting,
    /// A step gave up until somebody mends something; it tries again at the next boot.
    Failed,
    /// Every step is done.
    Finished,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Others come first.
    Pending,
    /// It runs.
    Running,
    /// It waits for something outside.
    Waiting,
    /// It failed and will try again.
    Retrying,
    /// It gave up until somebody mends something.
    Failed,
    /// It has verified its own effect.
    Done,
}

impl StepState {
    const ALL: [Self; 6] =
        [Self::Pending, Self::Running, Self::Waiting, Self::Retrying, Self::Failed, Self::Done];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }

    /// The state that a word means.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

impl std::fmt::Display for StepState {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.word())
    }
}

/// An answer is no status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// It is longer than a status can be.
    #[error("the status has {0} bytes, more than the {LONGEST} that are read")]
    TooLong(usize),
    /// It has more steps than a node can have.
    #[error("the status has {0} steps, more than the {MOST_STEPS} that a node may have")]
    TooManySteps(usize),
    /// It is no JSON, or not of the expected shape.
    #[error("the status is not what this pimg reads: {0}")]
    Shape(String),
}

/// Reads the file.
///
/// # Errors
/// It is too long, no JSON, or lacks what every status has.
pub fn parse(bytes: &[u8]) -> Result<NodeStatus, StatusError> {
    if bytes.len() > LONGEST {
        return Err(StatusError::TooLong(bytes.len()));
    }
    let status: NodeStatus =
        serde_json::from_slice(bytes).map_err(|error| StatusError::Shape(clean(&error.to_string())))?;
    if status.steps.len() > MOST_STEPS {
        return Err(StatusError::TooManySteps(status.steps.len()));
    }
    Ok(status)
}

/// `text` on one line, without anything that drives a terminal, hides or turns the text around it.
pub fn clean(text: &str) -> String {
    let mut shown = String::new();
    for c in text.trim().chars().take(LONGEST_TEXT) {
        match c {
            '\n' | '\r' | '\t' => shown.push(' '),
            c if c.is_control() || is_invisible(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// Format characters of Unicode that change how what is around them is shown (Unicode Standard Annex 9), or that
/// cannot be seen.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| clean(&text))
}

fn text_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    optional_text(deserializer).map(Option::unwrap_or_default)
}

fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| clean(&text)).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{OverallState, StepState, clean, parse};

    const STATUS: &str = r#"{
        "node": "node-a", "address": "10.0.0.2", "state": "waiting", "url": "https://10.0.0.2:8006",
        "updated": 1764806400, "boots": 2, "colour": "green",
        "steps": [
            {"name": "zpool", "description": "ZFS pool", "state": "done", "since": 1764806300, "message": ""},
            {"name": "tls", "description": "Certificate", "state": "waiting", "since": null,
             "message": "no network", "icon": 7}
        ]}"#;

    #[test]
    fn takes_what_it_knows_and_skips_the_rest() {
        let status = parse(STATUS.as_bytes()).expect("a status");
        assert_eq!((status.node.as_str(), status.state, status.boots), ("node-a", OverallState::Waiting, 2));
        assert_eq!(status.url.as_deref(), Some("https://10.0.0.2:8006"));
        let tls = &status.steps[1];
        assert_eq!((tls.state, tls.since, tls.message.as_str()), (StepState::Waiting, None, "no network"));
    }

    #[test]
    fn says_what_is_wrong_with_a_status() {
        for (from, to, expected) in [
            ("\"waiting\", \"url\"", "\"asleep\", \"url\"", "unknown variant `asleep`"),
            ("\"name\": \"tls\",", "", "missing field `name`"),
            ("\"boots\": 2", "\"boots\": -2", "invalid value: integer `-2`"),
            ("\"steps\": [", "\"steps\": [[", "at line"),
        ] {
            let error = parse(STATUS.replace(from, to).as_bytes()).expect_err("is wrong").to_string();
            assert!(error.starts_with("the status is not what this pimg reads: "), "{error}");
            assert!(error.contains(expected), "{error}");
        }
        assert!(parse(&vec![b' '; (1 << 20) + 1]).is_err());
        let step = r#"{"name":"x","state":"done"},"#.repeat(201);
        let many = format!(r#"{{"node":"n","state":"working","steps":[{}]}}"#, step.trim_end_matches(','));
        assert_eq!(
            parse(many.as_bytes()).expect_err("too many").to_string(),
            "the status has 201 steps, more than the 200 that a node may have"
        );
    }

    #[test]
    fn what_drives_a_terminal_stays_outside() {
        let evil = STATUS
            .replace("no network", "\\u001b[2J\\u009b31m\\u202egnp.exe\\nsecond\\u0007")
            .replace("node-a", "\\u001b]0;title\\u0007");
        let status = parse(evil.as_bytes()).expect("a status");
        assert_eq!(status.steps[1].message, "\\u{1b}[2J\\u{9b}31m\\u{202e}gnp.exe second\\u{7}");
        assert_eq!(status.node, "\\u{1b}]0;title\\u{7}");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(clean(&"é".repeat(5000)).chars().count(), 1000);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn nothing_unprintable_comes_through(text in any::<String>()) {
            prop_assert!(!clean(&text).chars().any(|c| c.is_control() || super::is_invisible(c)));
        }
    }
}
