//! What `pimg verify --rebuild` found, as text: one word if all is well, else what differs and which input explains it.

use std::fmt::Write;

use super::{Show, Text, printable, row, table};
use crate::command::outcome::{Difference, RebuildOutcome};

/// Changes that are shown; `--json` has all.
const SHOWN: usize = 20;

impl Show for RebuildOutcome {
    fn text(&self, verbose: bool) -> Text {
        let (mut out, mut err) = (String::new(), String::new());
        let verdict = if self.difference.is_some() { "differs" } else { "identical" };
        let _ = writeln!(out, "{}: {verdict}", printable(&self.image.display().to_string()));
        for file in self.files.iter().skip(1) {
            let verdict = match file.identical {
                Some(true) => "identical",
                Some(false) => "differs",
                None => "not there",
            };
            if verbose || file.identical == Some(false) {
                let _ = writeln!(out, "  {}: {verdict}", printable(&file.file));
            }
        }
        if let Some(difference) = &self.difference {
            out += &where_it_differs(difference);
        }
        out += &self.explanation();
        if let Some(diff) = self.difference.as_ref().and_then(|difference| difference.diff.as_ref()) {
            let diff = diff.text(verbose);
            out += "\n";
            out += &diff.out;
            err += &diff.err;
        }
        Text { out, err }
    }
}

impl RebuildOutcome {
    /// The inputs and changes that differ.
    fn explanation(&self) -> String {
        let mut out = String::new();
        let inputs: Vec<_> = self
            .inputs
            .iter()
            .map(|input| {
                row([&format!("  input `{}`:", input.input), &short(&input.was), "->", &short(&input.is)])
            })
            .collect();
        out += &table(&inputs);
        let changes: Vec<_> = self
            .changes
            .iter()
            .take(SHOWN)
            .map(|change| {
                let path = format!("  change of `{}` ({}):", change.path, change.partition);
                row([&path, change.how, &change.origin])
            })
            .collect();
        out += &table(&changes);
        if self.changes.len() > SHOWN {
            let _ = writeln!(out, "  and {} more changes: `--json` has all", self.changes.len() - SHOWN);
        }
        if self.failed().is_some() && self.inputs.is_empty() && self.changes.is_empty() {
            out += "  no input that the manifest knows differs: it was changed after it was built, or a secret is another one\n";
        }
        out
    }
}

fn where_it_differs(difference: &Difference) -> String {
    let mut out = format!("  first byte of the file that differs: {}\n", difference.offset);
    match (&difference.unreadable, difference.raw_offset) {
        (Some(why), _) => {
            let _ = writeln!(out, "  the image cannot be read: {}", printable(why));
        }
        (None, Some(offset)) => {
            let _ = write!(out, "  first byte of the raw image that differs: {offset}");
            if let Some(place) = &difference.place {
                let _ = write!(out, ", {}", place.region);
                if let Some(file) = &place.file {
                    let _ = write!(out, ", `{}`", printable(file));
                }
            }
            out += "\n";
        }
        (None, None) => out += "  the raw images are identical: it was compressed in another way\n",
    }
    out
}

/// A digest by its beginning; anything else as it is.
fn short(value: &str) -> String {
    let is_digest = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    printable(if is_digest { &value[..12] } else { value })
}

#[cfg(test)]
mod tests {
    use super::super::Show;
    use crate::command::outcome::{
        ComparedFile, Difference, DifferencePlace, DifferentInput, RebuildOutcome,
    };

    #[test]
    fn one_word_or_what_differs() {
        let file = |file: &str, identical| ComparedFile { file: file.to_owned(), identical };
        let mut outcome = RebuildOutcome {
            image: "out/x/x-1.img.zst".into(),
            profile: "x".to_owned(),
            files: vec![file("x-1.img.zst", Some(true)), file("manifest.json", Some(true))],
            inputs: Vec::new(),
            changes: Vec::new(),
            difference: None,
        };
        assert_eq!(outcome.text(false).out, "out/x/x-1.img.zst: identical\n");
        let place = Some(DifferencePlace { region: "root partition", file: Some("/etc/motd".to_owned()) });
        outcome.difference =
            Some(Difference { offset: 9, raw_offset: Some(99), place, unreadable: None, diff: None });
        outcome.files[1].identical = Some(false);
        outcome.inputs.push(DifferentInput { input: "lock", was: "a".repeat(64), is: "b".repeat(64) });
        insta::assert_snapshot!(outcome.text(false).out, @r"
        out/x/x-1.img.zst: differs
          manifest.json: differs
          first byte of the file that differs: 9
          first byte of the raw image that differs: 99, root partition, `/etc/motd`
          input `lock`:  aaaaaaaaaaaa  ->  bbbbbbbbbbbb
        ");
    }
}
