//! `pimg flash` in words.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::{Show, Text, human_bytes, printable};
use crate::command::outcome::{FlashOutcome, Verdict};

impl Show for FlashOutcome {
    fn text(&self, _verbose: bool) -> Text {
        let mut text = Text::default();
        for card in &self.cards {
            let verdict = match card.verdict {
                Verdict::Failed(_) if card.blank => "failed, and has no partition table",
                Verdict::Failed(_) => "failed, do not use it",
                _ if self.verified => "written and verified",
                _ => "written, not verified",
            };
            let _ = writeln!(text.out, "{}: {verdict}", printable(&card.device.display().to_string()));
            let mut errors = card.errors.iter();
            if let Some(first) = errors.next() {
                let _ = writeln!(text.err, "{} {}", "error:".red().bold(), printable(first));
            }
            for cause in errors {
                let _ = writeln!(text.err, "  {} {}", "caused by:".bold(), printable(cause));
            }
            for hint in &card.hints {
                let _ = writeln!(text.err, "\n{} {}", "hint:".cyan().bold(), printable(hint));
            }
        }
        if self.failed().is_none() {
            let (mapped, all) = (human_bytes(self.mapped_size), human_bytes(self.raw_size));
            let _ = writeln!(text.err, "{mapped} of {all} were written: the rest of the image is free space");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Show;
    use crate::command::outcome::{FlashOutcome, FlashedCard, Verdict};
    use crate::failure::{Class, Failure};

    #[test]
    fn every_card_has_its_own_verdict() {
        let card = |device: &str| FlashedCard {
            device: device.into(),
            description: String::new(),
            size: Some(1 << 30),
            verdict: Verdict::Passed,
            blank: false,
            errors: Vec::new(),
            hints: Vec::new(),
        };
        let bad = || Failure::new(Class::Host, "cannot flush it").hint("try another one");
        let cards = vec![
            card("/dev/sdb").with(Ok(()), false),
            card("/dev/sdc").with(Err(bad()), true),
            card("/dev/sdd").with(Err(bad()), false),
        ];
        let outcome = FlashOutcome { raw_size: 3 << 30, mapped_size: 1 << 30, verified: true, cards };
        let text = outcome.text(false);
        let verdicts = [
            "/dev/sdb: written and verified\n",
            "/dev/sdc: failed, and has no partition table\n",
            "/dev/sdd: failed, do not use it\n",
        ];
        assert_eq!(text.out, verdicts.concat());
        let err = anstream::adapter::strip_str(&text.err).to_string();
        assert_eq!(err, "error: cannot flush it\n\nhint: try another one\n".repeat(2));
        assert_eq!(outcome.failed(), Some(Class::Host));
    }
}
