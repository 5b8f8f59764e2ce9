//! Text as words of a shell script.

/// One word of POSIX sh that stands for exactly this text, whatever is in it.
pub fn word(text: &str) -> String {
    // within single quotes nothing is special but the quote that ends them
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the shell is asked what it makes of a word")]

    use std::process::Command;

    use super::word;
    use crate::guest::test_support::skip;

    #[test]
    fn a_shell_reads_back_what_was_written() {
        for text in ["", "a", "it's", "''", "$(reboot) `id` \\ \"x\" * ~ !", "two\nlines\t", "größe"] {
            let script = format!("printf %s {}", word(text));
            let Ok(output) = Command::new("bash").args(["-c", &script]).output() else {
                return skip("`bash`");
            };
            assert_eq!(String::from_utf8_lossy(&output.stdout), text);
        }
    }
}
