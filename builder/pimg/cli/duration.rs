//! Lengths of time on the command line.

use std::time::Duration;

/// `90s`, `60m`, `3h`, `7d`, or a number of seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a whole number with `s`, `m`, `h` or `d`, such as `60m`".to_owned();
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, text.get(number.len()..).unwrap_or_default()),
        None => (text, "s"),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    let unit = match unit {
        "d" => 24 * 3600,
        "h" => 3600,
        "m" => 60,
        _ => 1,
    };
    let seconds = number.checked_mul(unit).filter(|&seconds| seconds > 0);
    seconds.map(Duration::from_secs).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [("90s", 90), ("60m", 3600), ("3h", 10_800), ("7d", 604_800), ("45", 45)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "m", "0", "-1s", "1.5h", "9999999999999999999h", "5w", "é"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
