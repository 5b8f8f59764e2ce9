//! Baked layers, as text: keys on stdout, remarks on stderr.

use std::fmt::Write;

use super::{Show, Text, human_bytes, printable, table};
use crate::command::outcome::{LayerFacts, LayerOutcome};

/// As much of a key as tells layers apart.
fn short(key: &str) -> &str {
    key.get(..12).unwrap_or(key)
}

fn packages(layer: &LayerFacts) -> String {
    if layer.packages == 1 { "1 package".to_owned() } else { format!("{} packages", layer.packages) }
}

fn row(layer: &LayerFacts, verbose: bool) -> Vec<String> {
    let key = if verbose { layer.key.as_str() } else { short(&layer.key) };
    let mut row = vec![
        key.to_owned(),
        human_bytes(layer.size),
        packages(layer),
        printable(&layer.emulator),
        if layer.signed { "signed" } else { "not signed" }.to_owned(),
    ];
    if verbose {
        row.push(format!("sha256:{}", layer.sha256));
        row.push(format!("base sha256:{}", layer.base_raw_sha256));
    }
    row
}

fn signer(key_id: Option<&String>) -> String {
    key_id.map_or_else(|| "not signed".to_owned(), |key| format!("signed by key {}", printable(key)))
}

impl Show for LayerOutcome {
    fn text(&self, verbose: bool) -> Text {
        let mut text = Text::default();
        match self {
            Self::List(list) if list.layers.is_empty() => {
                text.err = "no baked layer is in the cache\n".to_owned();
            }
            Self::List(list) => {
                text.out = table(&list.layers.iter().map(|layer| row(layer, verbose)).collect::<Vec<_>>());
            }
            Self::Exported(made) => {
                let file = printable(&made.file.display().to_string());
                text.out = format!("{file}\n");
                let (key, signer) = (short(&made.layer.key), signer(made.key_id.as_ref()));
                let _ = writeln!(text.err, "layer {key}: {}, {signer}", human_bytes(made.layer.size));
            }
            Self::Taken(taken) => {
                for one in &taken.layers {
                    let _ = writeln!(text.out, "{}", one.layer.key);
                    let had = if one.was_there { ", was in the cache already" } else { "" };
                    let verified = match &one.verified_by {
                        Some(key) => format!("signed by key {}", printable(key)),
                        None if one.layer.signed => "signed, not checked".to_owned(),
                        None => "not signed".to_owned(),
                    };
                    let origin = printable(&one.origin);
                    let size = human_bytes(one.layer.size);
                    let _ = writeln!(
                        text.err,
                        "layer {} of `{origin}`: {size}, {verified}{had}",
                        short(&one.layer.key)
                    );
                }
            }
            Self::Pushed(pushed) => {
                for one in &pushed.layers {
                    let place = printable(&one.place);
                    let _ = writeln!(text.out, "{place}");
                    let (sent, kept) = (human_bytes(one.sent), human_bytes(one.kept));
                    let signer = signer(one.key_id.as_ref());
                    let key = short(&one.layer.key);
                    let _ = writeln!(text.err, "layer {key}: {sent} sent, {kept} were there, {signer}");
                }
            }
        }
        text
    }
}
