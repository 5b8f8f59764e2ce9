//! Points in time as they stand in messages: seconds since 1970 in, UTC out.

use std::fmt;

/// Seconds since 1970-01-01T00:00:00Z, printed as RFC 3339 does, `2026-08-19T08:12:01Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub i64);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&pimg_deb::date::format_rfc3339(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_print_as_the_calendar_has_them() {
        // by `date -u -d @… +%FT%TZ`
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_787_126_400, "2026-08-19T08:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(Instant(seconds).to_string(), text);
        }
        for extreme in [i64::MIN, i64::MAX] {
            assert!(Instant(extreme).to_string().ends_with('Z'));
        }
    }
}
