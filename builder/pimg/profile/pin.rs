//! Moving the pin of a base image in the text of a profile: three values change, and not one byte else.

use toml_edit::{DocumentMut, Item, Value};

/// The base image that a profile is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasePin {
    /// Where it is.
    pub source: String,
    /// SHA-256 of the file as it is published, in lower-case hexadecimal.
    pub sha256: String,
    /// SHA-256 of the raw image inside, in lower-case hexadecimal.
    pub raw_sha256: String,
}

/// The text of a profile that names a base, naming `pin` instead. A digest that it does not have yet comes behind the
/// others.
///
/// # Errors
/// The text is no TOML, or has no `[base]` with a `source`.
pub fn with_base(text: &str, pin: &BasePin) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    let base = document.get_mut("base").and_then(Item::as_table_like_mut);
    let base = base.filter(|base| base.contains_key("source")).ok_or("it has no `[base]` with a `source`")?;
    for (key, value) in [("source", &pin.source), ("sha256", &pin.sha256), ("raw_sha256", &pin.raw_sha256)] {
        match base.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) => {
                // what stands around a value, such as a comment behind it, stays
                let decor = old.decor().clone();
                *old = Value::from(value.as_str());
                *old.decor_mut() = decor;
            }
            None => {
                base.insert(key, Item::Value(Value::from(value.as_str())));
            }
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::{BasePin, with_base};

    fn pin() -> BasePin {
        BasePin {
            source: "https://x/new.img.xz".into(),
            sha256: "cd".repeat(32),
            raw_sha256: "ef".repeat(32),
        }
    }

    #[test]
    fn three_values_change_and_nothing_else() {
        let text = "# head\n\n[base] # why\nsource  =  \"https://x/old.img.xz\"\nsha256 = 'ab'     # published\n\
                    raw_sha256 = \"ab\"\t# raw\n\n[user]\nname=\"op\"  # me\n";
        let expected = text
            .replace("https://x/old.img.xz", "https://x/new.img.xz")
            .replace("'ab'", &format!("\"{}\"", "cd".repeat(32)))
            .replace("\"ab\"", &format!("\"{}\"", "ef".repeat(32)));
        assert_eq!(with_base(text, &pin()).as_deref(), Ok(expected.as_str()));
        let dotted = with_base("base.source = \"x\" # c\nhostname = \"a\"\n", &pin()).expect("has a source");
        assert!(dotted.starts_with("base.source = \"https://x/new.img.xz\" # c\n"), "{dotted}");
        assert!(dotted.contains(&"ef".repeat(32)), "{dotted}");
    }

    #[test]
    fn the_repositorys_own_pin_can_be_moved() {
        let text = include_str!("../../../profiles/raspios.toml");
        let moved = with_base(text, &pin()).expect("has a source");
        let lines: Vec<_> = text.lines().zip(moved.lines()).filter(|(old, new)| old != new).collect();
        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert_eq!(text.lines().count(), moved.lines().count());
    }

    #[test]
    fn no_base_no_pin() {
        for text in ["", "[base]\nsha256 = \"x\"\n", "base = 1\n", "[base\n"] {
            assert!(with_base(text, &pin()).is_err(), "{text}");
        }
    }
}
