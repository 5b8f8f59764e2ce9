//! Extended headers of a tar: `LENGTH KEY=VALUE\n`, one record after another (POSIX.1-2024, `pax`, "pax Header Block").
//!
//! The `tar` crate has a reader of these, which takes every line break for the end of a record. Values of attributes are
//! bytes and may hold one: the access control list of a group 10 does.

/// Longest extended header that is read, in bytes: attributes of one file fit a block of the file system.
pub const LONGEST: u64 = 256 << 10;

/// How the names of attributes begin, by the convention of star that GNU tar and OCI follow.
const XATTR: &str = "SCHILY.xattr.";

/// What records say of the entry behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<i64>,
    /// Length of the content in bytes.
    pub(super) size: Option<u64>,
    /// Extended attributes, in the order of the records.
    pub(super) xattrs: Vec<(String, Vec<u8>)>,
}

/// Reads the records of one extended header. Says what is wrong with them.
pub(super) fn parse(bytes: &[u8]) -> Result<Records, String> {
    let mut records = Records::default();
    for record in fields(bytes) {
        let (key, value) = record.map_err(|unreadable| format!("has {unreadable}"))?;
        let text = || std::str::from_utf8(value).ok();
        let number = || text().and_then(|text| text.parse::<u64>().ok());
        let wrong = || format!("has `{key}` of an extended header that is no number");
        match key {
            "path" => records.path = Some(value.to_vec()),
            "linkpath" => records.link = Some(value.to_vec()),
            "uid" => records.uid = Some(number().ok_or_else(wrong)?),
            "gid" => records.gid = Some(number().ok_or_else(wrong)?),
            "size" => records.size = Some(number().ok_or_else(wrong)?),
            "mtime" => {
                records.mtime = Some(text().and_then(|text| text.parse().ok()).ok_or_else(wrong)?);
            }
            _ => match key.strip_prefix(XATTR) {
                Some(name) if records.xattrs.iter().all(|(other, _)| other != name) => {
                    records.xattrs.push((name.to_owned(), value.to_vec()));
                }
                Some(name) => return Err(format!("has the attribute `{name}` twice")),
                None => return Err(format!("has an extended header with `{key}`, which no layer has")),
            },
        }
    }
    Ok(records)
}

/// What is in the way of reading an extended header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an extended header that cannot be read")]
pub struct Unreadable;

/// The records of an extended header, whatever they say: keys and values. Nothing comes behind one that cannot be read.
pub fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Result<(&str, &[u8]), Unreadable>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let Some((key, value, rest)) = record(bytes) else {
            bytes = &[];
            return Some(Err(Unreadable));
        };
        bytes = rest;
        Some(Ok((key, value)))
    })
}

/// The first record: its key, its value, and what comes behind it.
fn record(bytes: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let digits = std::str::from_utf8(bytes.get(..space)?).ok()?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (record, rest) = bytes.split_at_checked(digits.parse().ok()?)?;
    let body = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    let key = std::str::from_utf8(body.get(..equals)?).ok()?;
    Some((key, body.get(equals + 1..)?, rest))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn values_are_bytes_line_breaks_among_them() {
        let records =
            parse(b"12 path=a/b\n31 SCHILY.xattr.user.x=\n\0\xff=\n\n\n\n9 uid=70\n").expect("records");
        assert_eq!(records.path.as_deref(), Some(&b"a/b"[..]));
        assert_eq!(records.xattrs, [("user.x".to_owned(), b"\n\0\xff=\n\n\n".to_vec())]);
        assert_eq!((records.uid, records.mtime), (Some(70), None));
        assert_eq!(parse(b""), Ok(super::Records::default()));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for bad in [
            &b"11 path=a/b"[..],
            b"13 path=a/b\n",
            b"10 path=a/b\n",
            b"0 path=a/b\n",
            b"-1 path=a/b\n",
            b"99999999999999999999 path=a\n",
            b"9 path/b\n",
            b"x",
            b"\n",
            b"9 uid=-1\n",
            b"12 size=1e9\n",
            b"15 mtime=1.500\n",
            b"15 comment=hey\n",
            b"12 path=a/b\nx",
            b"25 SCHILY.xattr.user.x=a\n25 SCHILY.xattr.user.x=b\n",
        ] {
            assert!(parse(bad).is_err(), "{}", bad.escape_ascii());
        }
    }
}
