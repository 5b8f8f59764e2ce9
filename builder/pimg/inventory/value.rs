//! What a variable of an inventory is.

use std::fmt;

use num_bigint::BigInt;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A value, as Python's `ast.literal_eval` makes it of text; text is what that takes no literal for.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// `True` or `False`
    Boolean(bool),
    /// A whole number of any size.
    Integer(BigInt),
    /// A fraction.
    Float(f64),
    /// Text.
    Text(String),
    /// A list, a tuple or a set.
    List(Vec<Self>),
    /// A dictionary, in the order in which it was written.
    Table(Vec<(Self, Self)>),
}

impl Value {
    /// The value as text, where it is no list or dictionary.
    pub(super) fn plain(&self) -> Option<String> {
        match self {
            Self::None | Self::List(_) | Self::Table(_) => None,
            Self::Boolean(true) => Some("True".to_owned()),
            Self::Boolean(false) => Some("False".to_owned()),
            Self::Integer(number) => Some(number.to_string()),
            // as Python shows it: `1.0`, not `1`
            Self::Float(number) => Some(format!("{number:?}")),
            Self::Text(text) => Some(text.clone()),
        }
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::None => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Table(table) => table.is_empty(),
            _ => false,
        }
    }
}

/// Tells the kind only: the value may be a secret.
impl fmt::Debug for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::None => "None",
            Self::Boolean(_) => "Boolean",
            Self::Integer(_) => "Integer",
            Self::Float(_) => "Float",
            Self::Text(_) => "Text",
            Self::List(_) => "List",
            Self::Table(_) => "Table",
        })
    }
}

/// As `ansible-inventory --list` writes it.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_unit(),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Integer(number) => match (i64::try_from(number), number.to_string().parse()) {
                (Ok(number), _) => serializer.serialize_i64(number),
                (Err(_), Ok(number)) => serializer.serialize_f64(number),
                (Err(_), Err(_)) => serializer.collect_str(number),
            },
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => serializer.collect_seq(list),
            Self::Table(table) => {
                let mut map = serializer.serialize_map(Some(table.len()))?;
                for (key, value) in table {
                    map.serialize_entry(&key_text(key), value)?;
                }
                map.end()
            }
        }
    }
}

/// A dictionary's key as JSON has it.
fn key_text(key: &Value) -> String {
    match key {
        Value::None => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        other => other.plain().unwrap_or_default(),
    }
}
