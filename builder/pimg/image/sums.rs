//! `SHA256SUMS`: the digests of all files of a directory, in the format of coreutils' `sha256sum`.

use pimg_fetch::digest::Sha256Digest;

/// The file's name.
pub const FILE: &str = "SHA256SUMS";

/// The file with the signature over it.
pub const SIGNATURE: &str = "SHA256SUMS.minisig";

/// A file and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Name of the file, which lies beside.
    pub name: String,
    /// Its digest.
    pub sha256: Sha256Digest,
}

/// The text of the file, in the order of `sums`.
pub fn render(sums: &[Sum]) -> String {
    sums.iter().map(|Sum { name, sha256 }| format!("{sha256}  {name}\n")).collect()
}

/// Reads the text. Names that lead out of the directory are refused: nobody but the signer should say which files of
/// this machine are read, and a signature comes after reading.
///
/// # Errors
/// The first line that is none of `sha256sum`, by its number.
pub fn parse(text: &str) -> Result<Vec<Sum>, String> {
    let line = |(index, line): (usize, &str)| {
        let wrong = |why: &str| format!("line {}: {why}", index + 1);
        let (digest, rest) =
            line.split_at_checked(64).ok_or_else(|| wrong("expected 64 hexadecimal digits and a name"))?;
        let sha256 = digest.parse().map_err(|_| wrong("expected 64 hexadecimal digits and a name"))?;
        // a blank and a blank, or `*` for "read as binary"
        let name = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"));
        let name = name.ok_or_else(|| wrong("expected two blanks behind the digest"))?;
        let is_plain = !name.contains(['/', '\\']) && !matches!(name, "" | "." | "..");
        if !is_plain || name.chars().any(char::is_control) {
            return Err(wrong("expected the name of a file in the same directory"));
        }
        Ok(Sum { name: name.to_owned(), sha256 })
    };
    text.lines().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use pimg_fetch::digest::Sha256Digest;

    use super::{Sum, parse, render};

    #[test]
    fn what_is_written_is_read_and_nothing_that_leads_away() {
        let sums =
            ["a.img.zst", "b c"].map(|name| Sum { name: name.to_owned(), sha256: Sha256Digest::of(b"") });
        let text = render(&sums);
        let digest = Sha256Digest::of(b"");
        assert_eq!(text, format!("{digest}  a.img.zst\n{digest}  b c\n"));
        assert_eq!(parse(&text).expect("is ours"), sums);
        assert_eq!(parse(&text.replace("  a", " *a")).expect("of `sha256sum --binary`"), sums);
        for (line, why) in [
            (format!("{digest}  ../x"), "the same directory"),
            (format!("{digest}  /etc/passwd"), "the same directory"),
            (format!("{digest}  "), "the same directory"),
            (format!("{digest}  a\u{1b}[2J"), "the same directory"),
            (format!("{digest} a"), "two blanks"),
            ("abc  a".to_owned(), "64 hexadecimal digits"),
            (format!("{}  a", "é".repeat(40)), "64 hexadecimal digits"),
        ] {
            let error = parse(&format!("{text}{line}\n")).expect_err(&line);
            assert!(error.starts_with("line 3: ") && error.contains(why), "{error}");
        }
    }
}
