//! The file `<name>.minisig`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{COMMENT, ED25519, KeyId, PREHASHED, SignatureError, decode, split};

const TRUSTED_COMMENT: &str = "trusted comment: ";

/// A signature over a file and a comment. Reading one says nothing about whether it is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub(super) key_id: KeyId,
    pub(super) of_file: [u8; 64],
    pub(super) trusted_comment: String,
    pub(super) of_comment: [u8; 64],
}

impl Signature {
    /// Reads the four lines of the file.
    ///
    /// # Errors
    /// It is no such text, or a signature of minisign's older form.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let malformed = SignatureError::Malformed;
        let mut lines = text.lines();
        if !lines.next().is_some_and(|line| line.starts_with(COMMENT)) {
            return Err(malformed("the first line is no untrusted comment"));
        }
        let bytes: [u8; 74] =
            lines.next().and_then(decode).ok_or(malformed("the second line is no signature"))?;
        let comment = lines.next().and_then(|line| line.strip_prefix(TRUSTED_COMMENT));
        let comment = comment.ok_or(malformed("the third line is no trusted comment"))?;
        let of_comment = lines.next().and_then(decode).ok_or(malformed("the fourth line is no signature"))?;
        let (kind, rest) = split(&bytes).ok_or(malformed("it is too short"))?;
        let (id, rest) = split(rest).ok_or(malformed("it is too short"))?;
        let (of_file, _) = split(rest).ok_or(malformed("it is too short"))?;
        match kind {
            PREHASHED => {}
            ED25519 => {
                return Err(malformed("it is of the form `Ed` of before 2022: sign anew, without `-l`"));
            }
            _ => return Err(malformed("it is of a kind that is not known")),
        }
        Ok(Self { key_id: KeyId(id), of_file, trusted_comment: comment.to_owned(), of_comment })
    }

    /// The key that it names.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// What the signer said about the file; true only once the signature was found good.
    pub fn trusted_comment(&self) -> &str {
        &self.trusted_comment
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let line = STANDARD.encode([&PREHASHED[..], &self.key_id.0, &self.of_file].concat());
        let comment = &self.trusted_comment;
        let last = STANDARD.encode(self.of_comment);
        format!(
            "{COMMENT}signature of pimg by key {}\n{line}\n{TRUSTED_COMMENT}{comment}\n{last}\n",
            self.key_id
        )
    }
}
