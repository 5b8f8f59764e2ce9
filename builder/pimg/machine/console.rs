//! What the serial console of a node says: its steps, that it is finished, that it is beyond help.
//!
//! The kernel, systemd and the steps write to one console without asking each other, so a line of ours may stand
//! behind something else, be coloured, or be torn. What cannot be read is left out; the node's status file, which
//! is asked for now and then, says it again.

pub use crate::guest::node_status::StepState;

/// Something that a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A step came into a state.
    Step {
        /// Its name.
        name: String,
        /// The state.
        state: StepState,
        /// Why; may be empty.
        message: String,
    },
    /// All steps are done.
    Finished,
    /// The node has started once more: its harness is up.
    Up,
    /// It will never finish: what it says about it.
    Broken(String),
}

/// What kernel, initramfs and systemd say when a person has to come.
const BROKEN: [&str; 6] = [
    "Kernel panic - not syncing",
    "You are in emergency mode",
    "You are in rescue mode",
    "Dropping to a shell!",
    "UNEXPECTED INCONSISTENCY",
    "Unable to mount root fs",
];

/// What a line of the console says, if it says anything.
pub fn read_line(line: &[u8]) -> Option<Event> {
    let text = plain(&String::from_utf8_lossy(line));
    if let Some(words) = BROKEN.into_iter().find(|words| text.contains(words)) {
        let from = text.find(words).unwrap_or(0);
        return Some(Event::Broken(text.get(from..).unwrap_or_default().trim().to_owned()));
    }
    if text.contains("pimg-test: up") {
        return Some(Event::Up);
    }
    // the last one: a torn line may hold the beginning of another
    let mut found = None;
    for (at, prefix) in text.match_indices("pimg: ") {
        let rest = text.get(at + prefix.len()..).unwrap_or_default().trim();
        found = said(rest).or(found);
    }
    found
}

/// What follows `pimg: `.
fn said(rest: &str) -> Option<Event> {
    if rest == "finished" {
        return Some(Event::Finished);
    }
    let (name, rest) = rest.split_once(": ")?;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let (word, message) = rest.split_once(": ").unwrap_or((rest, ""));
    let state = StepState::of_word(word.trim_end_matches(':'))?;
    Some(Event::Step { name: name.to_owned(), state, message: message.trim().to_owned() })
}

/// The text without escape sequences (ECMA-48, sections 5.3 and 5.4) and other control characters.
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            shown.push(if c.is_control() { ' ' } else { c });
            continue;
        }
        match rest.next() {
            // a control sequence ends with a byte from 0x40 to 0x7e
            Some('[') => while rest.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
            // an operating system command ends with BEL or ESC \
            Some(']') => {
                while let Some(c) = rest.next() {
                    if c == '\u{7}' || (c == '\u{1b}' && rest.next_if_eq(&'\\').is_some()) {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Event, StepState, read_line};

    fn step(name: &str, state: StepState, message: &str) -> Option<Event> {
        Some(Event::Step { name: name.to_owned(), state, message: message.to_owned() })
    }

    #[test]
    fn reads_what_steps_say() {
        for (line, expected) in [
            ("pimg: zpool: running", step("zpool", StepState::Running, "")),
            ("pimg: zpool: done\r", step("zpool", StepState::Done, "")),
            (
                "pimg: cluster: waiting: k8sctl-pi5l does not answer: timeout",
                step("cluster", StepState::Waiting, "k8sctl-pi5l does not answer: timeout"),
            ),
            ("pimg: finished", Some(Event::Finished)),
            ("pimg-test: up", Some(Event::Up)),
            ("\u{1b}[0;1;31mpimg: tls: failed: refused\u{1b}[0m", step("tls", StepState::Failed, "refused")),
            ("[   12.345678] nvme0: pimg: zpool: done", step("zpool", StepState::Done, "")),
            ("pimg: zpopimg: tls: retrying: DNS", step("tls", StepState::Retrying, "DNS")),
            ("\u{1b}]0;title\u{7}pimg: finished", Some(Event::Finished)),
        ] {
            assert_eq!(read_line(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn passes_over_what_is_not_meant() {
        for line in [
            "",
            "pimg: ",
            "pimg: zpool",
            "pimg: zpool: do[   12.3] usb 1-1: new device",
            "pimg: ZPool: done",
            "systemd[1]: Started pimg-zpool.service - pimg: ZFS pool.",
            "pimg: finished soon",
        ] {
            assert_eq!(read_line(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn sees_that_a_node_is_beyond_help() {
        for line in [
            "[    3.141592] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            "You are in emergency mode. After logging in, type \"journalctl -xb\" to view",
            "ALERT!  PARTUUID=1-02 does not exist.  Dropping to a shell!",
            "/dev/vda2: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.",
        ] {
            assert!(matches!(read_line(line.as_bytes()), Some(Event::Broken(_))), "{line}");
        }
        let panic = read_line(b"[    3.1] Kernel panic - not syncing: Attempted to kill init!");
        assert_eq!(
            panic,
            Some(Event::Broken("Kernel panic - not syncing: Attempted to kill init!".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_stumble(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_line(&line);
        }
    }
}
