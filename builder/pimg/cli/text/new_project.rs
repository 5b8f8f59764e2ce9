//! A new project, as text.

use std::fmt::Write;

use super::{Show, Text, plural, printable};
use crate::command::outcome::NewOutcome;

impl Show for NewOutcome {
    fn text(&self, verbose: bool) -> Text {
        let mut text = Text {
            out: format!("{}\n", printable(&self.directory.display().to_string())),
            err: String::new(),
        };
        for file in self.files.iter().filter(|file| verbose || is_profile(file)) {
            let _ = writeln!(text.err, "wrote {}", printable(&file.display().to_string()));
        }
        if !verbose {
            let more = self.files.iter().filter(|file| !is_profile(file)).count();
            let _ = writeln!(text.err, "wrote {} of overlays and the like", plural(more, "file"));
        }
        for file in &self.kept {
            let _ = writeln!(text.err, "kept {}", printable(&file.display().to_string()));
        }
        if !self.asked {
            text.err += "it is an example: change names and addresses in profiles/\n";
        }
        text.err += "next: `pimg check`, `pimg lock`, `pimg build --all`\n";
        text
    }
}

fn is_profile(file: &std::path::Path) -> bool {
    file.extension().is_some_and(|extension| extension == "toml")
        && file.parent().is_some_and(|dir| dir.ends_with("profiles"))
}
