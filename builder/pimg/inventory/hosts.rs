//! The first word of a host's line: a name or a range of names, and maybe a port.

use std::net::Ipv6Addr;

/// Most hosts of one inventory: a range with a digit too many would fill the memory.
pub(super) const MOST: usize = 4096;

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The names, and the port.
///
/// # Errors
/// What is wrong with the pattern, in words.
pub(super) fn expand(word: &str) -> Result<(Vec<String>, Option<u64>), String> {
    let (pattern, port) = match with_port(word) {
        Some((pattern, port)) if is_address(&pattern) => (pattern, Some(port)),
        _ => (word.to_owned(), None),
    };
    let port =
        port.map(|port| port.parse::<u64>()).transpose().map_err(|_| "the port has too many digits")?;
    let mut names = Vec::new();
    expand_ranges(&pattern, &mut names)?;
    if word.trim().ends_with(':') && port.is_none() {
        return Err("a host ends in `:` only before a port".to_owned());
    }
    if names.iter().any(|name| name.trim() == "---") {
        return Err("`---` begins a YAML file, and this is to be an INI inventory".to_owned());
    }
    if names.iter().any(String::is_empty) {
        return Err("a host has no name".to_owned());
    }
    Ok((names, port))
}

/// Splits `host:22` and `[host]:22`; colons inside brackets belong to a range.
fn with_port(word: &str) -> Option<(String, &str)> {
    let (before, port) = word.rsplit_once(':')?;
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let inner =
        before.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|inner| !inner.is_empty());
    if let Some(inner) = inner {
        // as Ansible does: the inside may have a port of its own, which then counts
        return Some(with_port(inner).unwrap_or_else(|| (inner.to_owned(), port)));
    }
    let mut in_range = false;
    for c in before.chars() {
        match c {
            '[' if in_range => {}
            '[' => in_range = true,
            ']' if in_range => in_range = false,
            ']' => return None,
            ':' if !in_range => return None,
            _ => {}
        }
    }
    (!in_range).then(|| (before.to_owned(), port))
}

/// Whether Ansible takes it for a name or an address, with ranges in it.
fn is_address(text: &str) -> bool {
    is_host_name(text) || is_ipv6(text)
}

/// Labels with dots between them; an IPv4 address is such a name, too.
fn is_host_name(text: &str) -> bool {
    let mut rest = text;
    loop {
        let mut last = None;
        while !rest.is_empty() && !rest.starts_with('.') {
            if let Some(length) = range_length(rest, false) {
                rest = rest.get(length..).unwrap_or_default();
                last = Some(']');
                continue;
            }
            let Some(c) = rest.chars().next() else { break };
            let fits = c.is_alphanumeric() || c == '_' || c == '-' && last.is_some();
            if !fits {
                return false;
            }
            last = Some(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        match last {
            None | Some('-' | '_') => return false,
            Some(_) if rest.is_empty() => return true,
            Some(_) => rest = rest.get(1..).unwrap_or_default(),
        }
    }
}

/// An IPv6 address, any part of which may be a range.
fn is_ipv6(text: &str) -> bool {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match range_length(rest, true) {
            Some(length) => {
                plain.push('1');
                rest = rest.get(length..).unwrap_or_default();
            }
            None => {
                plain.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }
    plain.parse::<Ipv6Addr>().is_ok()
}

/// The length of the range that `text` begins with, such as `[01:20:2]`.
fn range_length(text: &str, hexadecimal: bool) -> Option<usize> {
    let inner = text.strip_prefix('[')?.split(']').next()?;
    let length = inner.len() + 2;
    (text.len() >= length).then_some(())?;
    let mut bounds = inner.split(':');
    let (begin, end, step) = (bounds.next()?, bounds.next()?, bounds.next());
    let digits = |text: &str, radix: u32| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    let letter = |text: &str| text.len() == 1 && text.chars().all(|c| c.is_ascii_alphabetic());
    let fits = if hexadecimal {
        digits(begin, 16) && digits(end, 16)
    } else {
        digits(begin, 10) && digits(end, 10) || letter(begin) && letter(end)
    };
    (fits && step.is_none_or(|step| digits(step, 10)) && bounds.next().is_none()).then_some(length)
}

fn expand_ranges(pattern: &str, names: &mut Vec<String>) -> Result<(), String> {
    if !pattern.contains('[') {
        if names.len() >= MOST {
            return Err(format!("these are more than {MOST} hosts"));
        }
        names.push(pattern.to_owned());
        return Ok(());
    }
    // the first of each bracket, whatever stands between them
    let marked = pattern.replacen('[', "|", 1).replacen(']', "|", 1);
    let parts: Vec<&str> = marked.split('|').collect();
    let [head, range, tail] = parts.as_slice() else {
        return Err("a range is written `[BEGIN:END]` or `[BEGIN:END:STEP]`".to_owned());
    };
    for middle in sequence(range)? {
        let name = format!("{head}{middle}{tail}");
        expand_ranges(&name, names)?;
    }
    Ok(())
}

/// What a range runs through.
fn sequence(range: &str) -> Result<Box<dyn Iterator<Item = String>>, String> {
    let bounds: Vec<&str> = range.split(':').collect();
    let (begin, end, step) = match bounds.as_slice() {
        [begin, end] => (*begin, *end, "1"),
        [begin, end, step] => (*begin, *end, *step),
        _ => return Err("a range is written `[BEGIN:END]` or `[BEGIN:END:STEP]`".to_owned()),
    };
    let begin = if begin.is_empty() { "0" } else { begin };
    if end.is_empty() {
        return Err("the range has no end".to_owned());
    }
    let width = if begin.starts_with('0') && begin.len() > 1 { begin.len() } else { 0 };
    if width > 0 && end.len() != begin.len() {
        return Err("both ends of a range with leading zeros have the same length".to_owned());
    }
    let step = whole_number(step);
    // Python's `index` finds a piece of the alphabet, too: `ab` is where `a` is
    if let (Some(first), Some(last)) = (LETTERS.find(begin), LETTERS.find(end)) {
        if first > last {
            return Err("the range ends before it begins".to_owned());
        }
        return match step {
            Some(step) if step > 0 => {
                let step = usize::try_from(step).unwrap_or(usize::MAX);
                let letters = LETTERS.get(first..=last).unwrap_or_default();
                Ok(Box::new(
                    letters.chars().step_by(step).map(move |letter| filled(&letter.to_string(), width)),
                ))
            }
            Some(0) | None => Err("the step of the range is not a number from 1".to_owned()),
            Some(_) => Ok(Box::new(std::iter::empty())),
        };
    }
    let (Some(first), Some(last)) = (whole_number(begin), whole_number(end)) else {
        return Err("a range runs from a number to a number, or from a letter to a letter".to_owned());
    };
    match step {
        Some(step) if step > 0 => {
            let numbers = std::iter::successors(Some(first), move |number| number.checked_add(step));
            Ok(Box::new(
                numbers
                    .take_while(move |number| *number <= last)
                    .map(move |number| filled(&number.to_string(), width)),
            ))
        }
        Some(step) if step < 0 => {
            let numbers = std::iter::successors(Some(first), move |number| number.checked_add(step));
            let limit = last.saturating_add(1);
            Ok(Box::new(
                numbers
                    .take_while(move |number| *number > limit)
                    .map(move |number| filled(&number.to_string(), width)),
            ))
        }
        _ => Err("the step of the range is not a number from 1".to_owned()),
    }
}

/// As Python's `zfill`: zeros go behind a sign.
fn filled(number: &str, width: usize) -> String {
    match number.strip_prefix('-') {
        Some(digits) => format!("-{digits:0>width$}", width = width.saturating_sub(1)),
        None => format!("{number:0>width$}"),
    }
}

/// As Python's `int`, for numbers that fit 64 bits.
fn whole_number(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number =
        digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if is_number { text.replace('_', "").parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn ranges_and_ports() {
        for (word, expected, port) in [
            ("a", "a", None),
            ("a:22", "a", Some(22)),
            ("10.0.0.1:22", "10.0.0.1", Some(22)),
            ("[::1]:22", "::1", Some(22)),
            ("::1", "::1", None),
            ("n[1:3]", "n1 n2 n3", None),
            ("n[01:05:2]:22", "n01 n03 n05", Some(22)),
            ("n[08:10]-x", "n08-x n09-x n10-x", None),
            ("[a:c]", "a b c", None),
            ("n[:2]", "n0 n1 n2", None),
            ("n[1:2]-[a:b]", "n1-a n1-b n2-a n2-b", None),
            ("n[3:1]", "", None),
            ("n-:22", "n-:22", None),
        ] {
            let (names, got) = expand(word).unwrap_or_else(|error| panic!("{word}: {error}"));
            assert_eq!((names.join(" ").as_str(), got), (expected, port), "{word}");
        }
        for word in [
            "n[1:",
            "n[1]",
            "n[1:]",
            "n[01:3]",
            "n[c:a]",
            "n[1:3:0]",
            "n[a:3]",
            "n:",
            "---",
            "",
            "n[0:99999]",
            "n[1:2:3:4]",
        ] {
            assert!(expand(word).is_err(), "{word}");
        }
    }
}
