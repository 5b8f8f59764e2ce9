//! Python's literals: what `ast.literal_eval` takes, and so what Ansible makes of a value in an inventory.
//!
//! Anything else is text, as it stands. Left out are complex numbers and characters by name (`\N{…}`): they stay text.

use num_bigint::BigInt;

use super::value::Value;

/// Deepest nesting: Python's own parser takes no more brackets inside each other.
const DEEPEST: usize = 200;

/// Most digits of a decimal number that Python reads (`sys.int_info.default_max_str_digits`).
const MOST_DIGITS: usize = 4300;

/// A list or dictionary that was used as a key: Ansible stops there, too.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unhashable;

/// What `text` means.
pub(super) fn value_of(text: &str) -> Result<Value, Unhashable> {
    let mut parser = Parser { rest: text, depth: 0, unhashable: false };
    match parser.whole() {
        Some(_) if parser.unhashable => Err(Unhashable),
        Some(value) => Ok(value),
        None => Ok(Value::Text(text.to_owned())),
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
    unhashable: bool,
}

/// A value, and whether Python could use it as a key.
struct Item {
    value: Value,
    hashable: bool,
}

impl Item {
    fn plain(value: Value) -> Self {
        Self { value, hashable: true }
    }
}

impl<'t> Parser<'t> {
    /// A literal, or several with commas between them, and nothing else but a comment.
    fn whole(&mut self) -> Option<Value> {
        let (mut items, comma) = self.items("")?;
        if items.is_empty() || !self.rest.is_empty() && !self.rest.starts_with('#') {
            return None;
        }
        if comma { Some(Value::List(values(items))) } else { items.pop().map(|item| item.value) }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\u{c}']);
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip_blanks();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn at_end(&mut self, close: &str) -> bool {
        self.skip_blanks();
        if close.is_empty() {
            self.rest.is_empty() || self.rest.starts_with('#')
        } else {
            self.rest.starts_with(close)
        }
    }

    /// Items up to `close`, which stays; and whether there was a comma.
    fn items(&mut self, close: &str) -> Option<(Vec<Item>, bool)> {
        let (mut items, mut comma) = (Vec::new(), false);
        while !self.at_end(close) {
            items.push(self.item()?);
            if self.eat(",") {
                comma = true;
            } else {
                break;
            }
        }
        Some((items, comma))
    }

    fn item(&mut self) -> Option<Item> {
        self.skip_blanks();
        let first = self.rest.chars().next()?;
        match first {
            '(' | '[' | '{' => self.nested(first),
            '\'' | '"' => self.strings(),
            '+' | '-' => self.signed(),
            '0'..='9' => self.number().map(Item::plain),
            '.' if self.rest.starts_with("...") => {
                self.rest = self.rest.get(3..)?;
                Some(Item::plain(Value::Text("...".to_owned())))
            }
            '.' => self.number().map(Item::plain),
            _ => self.word(),
        }
    }

    fn nested(&mut self, open: char) -> Option<Item> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        self.rest = self.rest.get(1..)?;
        let item = match open {
            '(' => self.round(),
            '[' => {
                let (items, _) = self.items("]")?;
                self.eat("]").then(|| Item { value: Value::List(values(items)), hashable: false })
            }
            _ => self.curly(),
        };
        self.depth -= 1;
        item
    }

    /// A tuple, or one item in parentheses.
    fn round(&mut self) -> Option<Item> {
        let (mut items, comma) = self.items(")")?;
        if !self.eat(")") {
            return None;
        }
        if items.len() == 1 && !comma {
            return items.pop();
        }
        let hashable = items.iter().all(|item| item.hashable);
        Some(Item { value: Value::List(values(items)), hashable })
    }

    /// A dictionary, or a set.
    fn curly(&mut self) -> Option<Item> {
        let (mut table, mut set) = (Vec::<(Value, Value)>::new(), Vec::new());
        while !self.at_end("}") {
            let key = self.item()?;
            self.unhashable |= !key.hashable;
            let is_pair = self.eat(":");
            if is_pair && set.is_empty() {
                let value = self.item()?.value;
                match table.iter_mut().find(|(known, _)| is_same_key(known, &key.value)) {
                    Some((_, old)) => *old = value,
                    None => table.push((key.value, value)),
                }
            } else if !is_pair && table.is_empty() {
                if !set.iter().any(|known| is_same_key(known, &key.value)) {
                    set.push(key.value);
                }
            } else {
                return None;
            }
            if !self.eat(",") {
                break;
            }
        }
        let value = if set.is_empty() { Value::Table(table) } else { Value::List(set) };
        self.eat("}").then_some(Item { value, hashable: false })
    }

    fn signed(&mut self) -> Option<Item> {
        let negative = self.rest.starts_with('-');
        self.rest = self.rest.get(1..)?;
        self.skip_blanks();
        let value = match self.number()? {
            Value::Integer(number) if negative => Value::Integer(-number),
            Value::Float(number) if negative => Value::Float(-number),
            number => number,
        };
        Some(Item::plain(value))
    }

    /// `None`, `True`, `False`, `set()`, or the prefix of a string.
    fn word(&mut self) -> Option<Item> {
        let length = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        let value = match word {
            "None" => Value::None,
            "True" => Value::Boolean(true),
            "False" => Value::Boolean(false),
            "set" => {
                self.rest = rest;
                let is_empty_set = self.eat("(") && self.eat(")");
                return is_empty_set.then_some(Item { value: Value::List(Vec::new()), hashable: false });
            }
            _ if rest.starts_with(['\'', '"']) => return self.strings(),
            _ => return None,
        };
        self.rest = rest;
        Some(Item::plain(value))
    }

    fn number(&mut self) -> Option<Value> {
        let (value, length) = number(self.rest)?;
        let rest = self.rest.get(length..)?;
        // `5x` is no number, and neither is `5.x`
        if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
            return None;
        }
        self.rest = rest;
        Some(value)
    }

    /// One string or several that follow each other: they are one.
    fn strings(&mut self) -> Option<Item> {
        let (mut text, mut kinds) = (String::new(), Vec::new());
        loop {
            let length = self.rest.find(['\'', '"']).unwrap_or(0);
            let prefix = self.rest.get(..length)?.to_ascii_lowercase();
            let (raw, bytes) = match prefix.as_str() {
                "" | "u" => (false, false),
                "r" => (true, false),
                "b" => (false, true),
                "br" | "rb" => (true, true),
                _ if kinds.is_empty() => return None,
                _ => break,
            };
            if self.rest.get(length..)?.is_empty() {
                break;
            }
            let (part, used) = string(self.rest.get(length..)?, raw, bytes)?;
            text.push_str(&part);
            kinds.push(bytes);
            self.rest = self.rest.get(length + used..)?;
            self.skip_blanks();
            if !self.rest.contains(['\'', '"']) {
                break;
            }
            let next = self.rest.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            if !next.starts_with(['\'', '"']) {
                break;
            }
        }
        let same = kinds.windows(2).all(|pair| pair.first() == pair.last());
        (same && !kinds.is_empty()).then(|| Item::plain(Value::Text(text)))
    }
}

/// Python's `==` between keys: `1`, `1.0` and `True` are one.
fn is_same_key(a: &Value, b: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Boolean(value) => Some(BigInt::from(u8::from(*value))),
        Value::Integer(number) => Some(number.clone()),
        // beyond this a fraction has no places behind the point, and no exact value either
        Value::Float(float) if float.fract() == 0.0 && float.abs() < 1e15 => {
            format!("{float:.0}").parse().ok()
        }
        _ => None,
    };
    a == b || number(a).is_some() && number(a) == number(b)
}

fn values(items: Vec<Item>) -> Vec<Value> {
    items.into_iter().map(|item| item.value).collect()
}

/// The number that `text` begins with, and its length.
fn number(text: &str) -> Option<(Value, usize)> {
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        let start = text.get(..2).unwrap_or_default();
        if start.eq_ignore_ascii_case(prefix) {
            // an underscore may follow the prefix
            let body = text.get(2..)?.strip_prefix('_').unwrap_or(text.get(2..)?);
            let length = digits(body, radix)?;
            let plain = body.get(..length)?.replace('_', "");
            let number = BigInt::parse_bytes(plain.as_bytes(), radix)?;
            return Some((Value::Integer(number), text.len() - body.len() + length));
        }
    }
    let whole = digits(text, 10).unwrap_or(0);
    let mut length = whole;
    let mut is_float = false;
    if text.get(length..)?.starts_with('.') {
        let fraction = digits(text.get(length + 1..)?, 10).unwrap_or(0);
        if whole == 0 && fraction == 0 {
            return None;
        }
        is_float = true;
        length += 1 + fraction;
    }
    if whole == 0 && !is_float {
        return None;
    }
    let exponent = text
        .get(length..)?
        .strip_prefix(['e', 'E'])
        .map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
    if let Some(count) =
        exponent.and_then(|rest| digits(rest, 10).map(|count| text.len() - rest.len() + count))
    {
        is_float = true;
        length = count;
    }
    let plain = text.get(..length)?.replace('_', "");
    if is_float {
        return Some((Value::Float(plain.parse().ok()?), length));
    }
    let leading_zero = plain.starts_with('0') && plain.bytes().any(|digit| digit != b'0');
    if leading_zero || plain.len() > MOST_DIGITS {
        return None;
    }
    Some((Value::Integer(BigInt::parse_bytes(plain.as_bytes(), 10)?), length))
}

/// How many characters are digits, with single underscores between them; `None` where there is none.
fn digits(text: &str, radix: u32) -> Option<usize> {
    let mut length = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next_is_digit = chars.peek().is_some_and(|(_, next)| next.is_digit(radix));
        if c.is_digit(radix) && c.is_ascii() || c == '_' && at > 0 && next_is_digit {
            length = at + 1;
        } else {
            break;
        }
    }
    (length > 0).then_some(length)
}

/// A string that begins with its quotation marks, and its length.
fn string(text: &str, raw: bool, bytes: bool) -> Option<(String, usize)> {
    let quote = text.get(..1)?;
    let triple = quote.repeat(3);
    let close = if text.starts_with(&triple) { triple.as_str() } else { quote };
    let mut rest = text.get(close.len()..)?;
    let mut value = Vec::new();
    while !rest.starts_with(close) {
        let c = rest.chars().next()?;
        if c == '\n' && close.len() == 1 || bytes && !c.is_ascii() {
            return None;
        }
        rest = rest.get(c.len_utf8()..)?;
        if c != '\\' {
            push(&mut value, c);
        } else if raw {
            value.push(b'\\');
            let hidden = rest.chars().next()?;
            push(&mut value, hidden);
            rest = rest.get(hidden.len_utf8()..)?;
        } else {
            rest = escape(rest, bytes, &mut value)?;
        }
    }
    let length = text.len() - rest.len() + close.len();
    Some((String::from_utf8(value).ok()?, length))
}

fn push(value: &mut Vec<u8>, c: char) {
    value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// What follows a backslash; the rest behind it.
fn escape<'t>(rest: &'t str, bytes: bool, value: &mut Vec<u8>) -> Option<&'t str> {
    let c = rest.chars().next()?;
    let behind = rest.get(c.len_utf8()..)?;
    let simple = match c {
        '\\' | '\'' | '"' => Some(c),
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        _ => None,
    };
    if let Some(simple) = simple {
        push(value, simple);
        return Some(behind);
    }
    let (code, behind) = match c {
        '0'..='7' => {
            let length = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            (u32::from_str_radix(rest.get(..length)?, 8).ok()?, rest.get(length..)?)
        }
        'x' => hex(behind, 2)?,
        'u' if !bytes => hex(behind, 4)?,
        'U' if !bytes => hex(behind, 8)?,
        'N' if !bytes => return None,
        // a backslash that hides nothing is one
        other => {
            value.push(b'\\');
            push(value, other);
            return Some(behind);
        }
    };
    if bytes {
        value.push(u8::try_from(code & 0xff).ok()?);
    } else {
        push(value, char::from_u32(code)?);
    }
    Some(behind)
}

fn hex(text: &str, length: usize) -> Option<(u32, &str)> {
    let digits = text.get(..length).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some((u32::from_str_radix(digits, 16).ok()?, text.get(length..)?))
}

#[cfg(test)]
mod tests {
    use super::value_of;

    fn json(text: &str) -> String {
        value_of(text).map_or_else(
            |_| "unhashable".to_owned(),
            |value| serde_json::to_string(&value).expect("plain values"),
        )
    }

    #[test]
    fn literals_are_values_and_all_else_is_text() {
        for (text, expected) in [
            ("5", "5"),
            ("-5", "-5"),
            ("010", "\"010\""),
            ("0_0", "0"),
            ("1_000", "1000"),
            ("0x_fF", "255"),
            ("1.", "1.0"),
            (".5e1", "5.0"),
            ("1e", "\"1e\""),
            ("5 # five", "5"),
            ("True", "true"),
            ("true", "\"true\""),
            ("None", "null"),
            ("'a' \"b\"", "\"ab\""),
            ("'a' # b", "\"a\""),
            ("'a' b", "\"'a' b\""),
            (r"'\x41\u00e9\n\q'", r#""Aé\n\\q""#),
            (r"r'\n'", r#""\\n""#),
            ("b'x'", "\"x\""),
            ("f'x'", "\"f'x'\""),
            ("[1, 'a', (2,)]", "[1,\"a\",[2]]"),
            ("1, 2", "[1,2]"),
            ("()", "[]"),
            ("(1)", "1"),
            ("{'a': 1, 'b': [2], 'a': 3}", "{\"a\":3,\"b\":[2]}"),
            ("{}", "{}"),
            ("{1: 'a', True: 'b', 1.0: 'c', -0.0: 'd', 0: 'e'}", "{\"1\":\"c\",\"-0.0\":\"e\"}"),
            ("{1}", "[1]"),
            ("{'a': b}", "\"{'a': b}\""),
            ("{[1]: 2}", "unhashable"),
            ("{(1,): 2}", "{\"\":2}"),
            ("10.10.80.50", "\"10.10.80.50\""),
            ("en_AU.UTF-8 # G'day", "\"en_AU.UTF-8 # G'day\""),
            ("--5", "\"--5\""),
            ("...", "\"...\""),
            ("", "\"\""),
            ("#", "\"#\""),
            ("'", "\"'\""),
            ("u'", "\"u'\""),
            ("'a'b", "\"'a'b\""),
        ] {
            assert_eq!(json(text), expected, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(json(&deep).len(), deep.len() + 2);
    }
}
