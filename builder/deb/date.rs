//! Dates as `Release` files have them (RFC 2822 section 3.3), in seconds since 1970.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// 1 January 1970 was a Thursday.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const DAY: i64 = 86_400;

/// Reads `Sat, 21 Nov 2026 02:10:46 UTC`; the day of the week may be missing, the zone may be `GMT`, `Z` or `+0100`.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let [day, month, year, time, zone] = words[..] else { return None };
    let month = (1..).zip(MONTHS).find(|(_, name)| name.eq_ignore_ascii_case(month))?.0;
    let (year, day) = (number(year, 4)?, number(day, 2)?);
    if year < 1970 || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let mut parts = time.split(':').map(|part| number(part, 2));
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    // RFC 2822: 60 is a leap second
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let minutes = hour.checked_mul(60)?.checked_add(minute)?.checked_sub(zone_minutes(zone)?)?;
    let seconds = minutes.checked_mul(60)?.checked_add(second)?;
    days_from_civil(year, month, day)?.checked_mul(DAY)?.checked_add(seconds)
}

/// Writes a date as apt-ftparchive does, and as a changelog has it.
pub fn format(seconds: i64) -> String {
    let days = seconds.div_euclid(DAY);
    let time = seconds.rem_euclid(DAY);
    let (year, month, day) = civil_from_days(days);
    let name = |names: &[&'static str], index: i64| {
        usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or_default()
    };
    let weekday = name(&DAYS, days.rem_euclid(7));
    let month = name(&MONTHS, month.saturating_sub(1));
    let (hour, minute, second) =
        (time.div_euclid(3600), time.div_euclid(60).rem_euclid(60), time.rem_euclid(60));
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

/// Writes a date as `2026-08-19T08:12:01Z` (RFC 3339).
pub fn format_rfc3339(seconds: i64) -> String {
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY));
    let time = seconds.rem_euclid(DAY);
    let (hour, minute, second) =
        (time.div_euclid(3600), time.div_euclid(60).rem_euclid(60), time.rem_euclid(60));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads a date of that very form.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, between: char| {
        let numbers: Option<Vec<i64>> = text.split(between).map(|part| number(part, 4)).collect();
        <[i64; 3]>::try_from(numbers?).ok()
    };
    let ([year, month, day], [hour, minute, second]) = (numbers(date, '-')?, numbers(time, ':')?);
    let seconds = hour.checked_mul(60)?.checked_add(minute)?.checked_mul(60)?.checked_add(second)?;
    days_from_civil(year, month, day)?.checked_mul(DAY)?.checked_add(seconds)
}

fn number(text: &str, most_digits: usize) -> Option<i64> {
    let digits = (1..=most_digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Minutes east of Greenwich.
fn zone_minutes(zone: &str) -> Option<i64> {
    if ["UTC", "GMT", "UT", "Z"].iter().any(|name| zone.eq_ignore_ascii_case(name)) {
        return Some(0);
    }
    let east = zone.strip_prefix('+');
    let digits = east.or_else(|| zone.strip_prefix('-')).filter(|digits| digits.len() == 4)?;
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = number(hours, 2)?.checked_mul(60)?.checked_add(number(minutes, 2)?)?;
    if east.is_some() { Some(minutes) } else { minutes.checked_neg() }
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01. Years are taken to begin on 1 March, so that the leap day is their last.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let (year, month) =
        if month > 2 { (year, month.checked_sub(3)?) } else { (year.checked_sub(1)?, month.checked_add(9)?) };
    // 153 days in five months from March on
    let day_of_year =
        month.checked_mul(153)?.checked_add(2)?.div_euclid(5).checked_add(day)?.checked_sub(1)?;
    let leap_days =
        year.div_euclid(4).checked_sub(year.div_euclid(100))?.checked_add(year.div_euclid(400))?;
    let days = year.checked_mul(365)?.checked_add(leap_days)?.checked_add(day_of_year)?;
    // 1970-01-01 counted from 1 March of the year 0
    days.checked_sub(719_468)
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    // at most 400 steps of years and 12 of months from the start of a cycle of 400 years
    let mut year = days.div_euclid(146_097).saturating_mul(400).saturating_add(1970);
    let mut rest = days.rem_euclid(146_097);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if rest < length {
            break;
        }
        rest = rest.saturating_sub(length);
        year = year.saturating_add(1);
    }
    let mut month = 1;
    while rest >= days_in_month(year, month) {
        rest = rest.saturating_sub(days_in_month(year, month));
        month = month.saturating_add(1);
    }
    (year, month, rest.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_other_form_of_a_date() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2024-02-29T23:59:59Z", 1_709_251_199),
            ("2025-12-04T14:46:53Z", 1_764_859_613),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!((format_rfc3339(seconds).as_str(), parse_rfc3339(text)), (text, Some(seconds)));
        }
        assert_eq!((parse_rfc3339("2026-08"), parse_rfc3339("2026-08-19T08:12Z")), (None, None));
    }

    #[test]
    fn dates_are_what_date_says() {
        // each with `date -u -d TEXT +%s`
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0),
            ("Sat, 21 Nov 2026 02:10:46 UTC", 1_795_227_046),
            ("Sat, 12 Sep 2026 07:55:41 +0000", 1_789_199_741),
            ("29 Feb 2024 23:59 Z", 1_709_251_140),
            ("Sat,  1 Mar 2025 01:00:00 +0130", 1_740_785_400),
            ("Fri, 31 Dec 1999 23:59:60 GMT", 946_684_800),
            ("Sun, 28 Feb 2100 00:00:00 -0100", 4_107_459_600),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
        assert_eq!(format(1_795_227_046), "Sat, 21 Nov 2026 02:10:46 +0000");
        for bad in [
            "",
            "Sat",
            "29 Feb 2026 00:00:00 UTC",
            "31 Apr 2026 00:00:00 UTC",
            "0 Jan 2026 00:00:00 UTC",
            "1 Jan 2026 24:00:00 UTC",
            "1 Jan 2026 00:60:00 UTC",
            "1 Jan 2026 00:00:00 CET",
            "1 Jan 2026 00:00:00",
            "1 Jan 1969 00:00:00 UTC",
            "1 Jan 26000 00:00:00 UTC",
            "+1 Jan 2026 00:00:00 UTC",
            "1 Jan 2026 0:0:0:0 UTC",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in 0..253_402_300_800_i64) {
            prop_assert_eq!(parse(&format(seconds)), Some(seconds));
        }

        #[test]
        fn nothing_panics(seconds in any::<i64>(), text in "[0-9A-Za-z:+, -]{0,40}") {
            let _ = format(seconds);
            let _ = parse(&text);
        }
    }
}
