//! Keys, as text: the public half alone.

use std::fmt::Write;
use std::path::Path;

use super::{Show, Text, printable};
use crate::command::outcome::KeysOutcome;

fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

impl Show for KeysOutcome {
    fn text(&self, verbose: bool) -> Text {
        let mut text = Text::default();
        match self {
            Self::Init(init) => {
                text.out = format!("{}\n", init.public);
                for path in &init.made {
                    let _ = writeln!(text.err, "made `{}`", shown(path));
                }
                for path in &init.kept {
                    let _ = writeln!(text.err, "kept `{}`", shown(path));
                }
                let _ = writeln!(text.err, "key {}: `minisign.pub` belongs into git", init.key_id);
                if !init.made.iter().all(|path| path.ends_with("minisign.pub")) {
                    text.err += "keep a copy of the secret key, and keep it secret: a lost one cannot be made again\n";
                }
            }
            Self::Show(key) => {
                text.out = format!("{}\n", key.public);
                let _ = writeln!(text.err, "key {} in `{}`", key.key_id, shown(&key.file));
                match &key.secret {
                    Some(place) => {
                        let _ = writeln!(text.err, "your signing key is `{}`", printable(place));
                    }
                    None => text.err += "you have no signing key\n",
                }
                if verbose {
                    text.err += &key.pem;
                }
            }
        }
        text
    }
}
