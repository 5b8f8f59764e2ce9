//! Where the primes of a host's RSA keys were found, so that they need not be searched for at every build.
//!
//! A note has the distance of each prime from where its search starts, which says nothing to who does not know the
//! start, and a seal that only who has the seed can make: a note that anybody else wrote is as good as none. Losing it
//! costs time, never an identity.

use super::rsa::Distance;
use super::seed::{note_name, seal};
use crate::profile::types::Hostname;
use crate::secret::Secret;

/// Distances of a host's four primes: of its host key's, then of root's key.
pub(super) type Distances = [Distance; 4];

/// Keeps short texts that are no secrets.
pub trait Notes {
    /// The text that was kept under this name.
    fn recall(&self, name: &str) -> Option<String>;
    /// Keeps a text, if that can be done.
    fn keep(&self, name: &str, text: &str);
}

/// Keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNotes;

impl Notes for NoNotes {
    fn recall(&self, _name: &str) -> Option<String> {
        None
    }

    fn keep(&self, _name: &str, _text: &str) {}
}

/// The distances that a note of this host has, if who wrote it had the seed.
pub(super) fn recall(notes: &dyn Notes, seed: &Secret, host: &Hostname) -> Option<Distances> {
    let text = notes.recall(&note_name(seed, host))?;
    let (distances, written) = text.trim_end().rsplit_once(' ')?;
    if written != seal(seed, host, distances) {
        return None;
    }
    let numbers: Result<Vec<Distance>, _> = distances.split(' ').map(str::parse).collect();
    numbers.ok()?.try_into().ok()
}

/// Notes the distances of this host.
pub(super) fn keep(notes: &dyn Notes, seed: &Secret, host: &Hostname, distances: Distances) {
    let text = distances.map(|distance| distance.to_string()).join(" ");
    let seal = seal(seed, host, &text);
    notes.keep(&note_name(seed, host), &format!("{text} {seal}\n"));
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::{Notes, keep, recall};
    use crate::profile::types::Hostname;
    use crate::secret::Secret;

    #[derive(Default)]
    struct Memory(RefCell<BTreeMap<String, String>>);

    impl Notes for Memory {
        fn recall(&self, name: &str) -> Option<String> {
            self.0.borrow().get(name).cloned()
        }

        fn keep(&self, name: &str, text: &str) {
            self.0.borrow_mut().insert(name.to_owned(), text.to_owned());
        }
    }

    #[test]
    fn only_who_has_the_seed_can_write_a_note() {
        let (host, other) = (Hostname::new("left").expect("valid"), Hostname::new("right").expect("valid"));
        let (seed, wrong) = (Secret::new(vec![7; 32]), Secret::new(vec![8; 32]));
        let notes = Memory::default();
        assert_eq!(recall(&notes, &seed, &host), None);
        keep(&notes, &seed, &host, [1, 22, 333, 4444]);
        assert_eq!(recall(&notes, &seed, &host), Some([1, 22, 333, 4444]));
        assert_eq!((recall(&notes, &seed, &other), recall(&notes, &wrong, &host)), (None, None));

        let (name, text) =
            notes.0.borrow().first_key_value().map(|(a, b)| (a.clone(), b.clone())).expect("one");
        for forged in ["", "1 22 333", &text.replace("22", "23"), &text[..60], "1 22 333 4444", "\u{0}"] {
            notes.keep(&name, forged);
            assert_eq!(recall(&notes, &seed, &host), None, "{forged:?}");
        }
    }
}
