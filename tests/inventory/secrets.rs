//! Whatever slip of the pen an inventory has, nothing of its secrets is told or written.

use pimg::inventory::{import, parse};

use super::table::EXAMPLE;

/// What every secret of the example has in it.
const MARK: &str = "hunter2";

/// All that a person or a file gets to see.
fn told(text: &str) -> String {
    let inventory = match parse("hosts.ini", text.as_bytes()) {
        Ok(inventory) => inventory,
        Err(error) => return format!("{}{error:?}", error.report()),
    };
    match import(&inventory) {
        Ok(imported) => {
            let files: Vec<_> = imported.drafts.iter().flat_map(|draft| draft.files()).collect();
            format!("{inventory:?}{files:?}{imported:?}")
        }
        Err(error) => format!("{}{error:?}", error.report()),
    }
}

#[test]
fn one_character_more_or_less_anywhere_shows_no_secret() {
    assert!(EXAMPLE.matches(MARK).count() >= 3);
    let mut seen = 0;
    for (at, c) in EXAMPLE.char_indices() {
        let (before, after) = EXAMPLE.split_at(at);
        let without = format!("{before}{}", &after[c.len_utf8()..]);
        let with = ["\n", "'", "\"", "=", "#", "[", "]", ":", " ", "\\"]
            .map(|more| format!("{before}{more}{after}"));
        for text in [without].into_iter().chain(with) {
            let told = told(&text);
            assert!(!told.contains(MARK), "{text}\n---\n{told}");
            seen += 1;
        }
    }
    assert!(seen > 5_000, "{seen}");
}
