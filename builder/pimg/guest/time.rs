//! The clock that a node without a battery starts with.
//!
//! The image room gives every file it writes the build's time, which is what these files are for: systemd takes
//! the clock up to the time of `/usr/lib/clock-epoch` before anything else runs (`systemd(1)`, "System Clock"),
//! `systemd-timesyncd` up to that of its own file (`systemd-timesyncd.service(8)`). Without them TLS and apt meet
//! certificates and indexes "of the future" until the network has told the time.

use pimg_deb::date;

use super::accounts::Table;
use super::error::Error;
use super::inputs::{Changes, Inputs};
use crate::plan::change::{Change, Content, Origin, Ownership};

/// The changes of this file.
///
/// # Errors
/// The base's list of users is malformed.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let mut changes = Changes::default();
    let origin = || Origin::Rule { rule: "clock starts at the build's time" };
    changes.file("/usr/lib/clock-epoch", 0o644, "", origin())?;
    let passwd = Table::parse("/etc/passwd", 7, &inputs.read("/etc/passwd")?.unwrap_or_default())?;
    if let Some((uid, gid)) = passwd.user_and_group("systemd-timesync") {
        let directory = "/var/lib/systemd/timesync";
        changes.directory(directory, Ownership { uid, gid, mode: 0o755 }, origin())?;
        let ownership = Ownership { uid, gid, mode: 0o644 };
        changes.owned_file(&format!("{directory}/clock"), ownership, Content::bytes(""), origin())?;
    }
    if inputs.kind("/usr/sbin/fake-hwclock")?.is_some() || inputs.kind("/sbin/fake-hwclock")?.is_some() {
        changes.file("/etc/fake-hwclock.data", 0o644, fake_hwclock(inputs.epoch), origin())?;
    }
    Ok(changes.0)
}

/// The time as fake-hwclock keeps it: `YYYY-MM-DD HH:MM:SS`, UTC.
pub fn fake_hwclock(epoch: u64) -> String {
    let date = date::format_rfc3339(i64::try_from(epoch).unwrap_or(i64::MAX));
    date.replace('T', " ").replace('Z', "\n")
}

#[cfg(test)]
mod tests {
    use super::{changes, fake_hwclock};
    use crate::guest::test_support::{EPOCH, MapBase, at, host, inputs, put, untouched};
    use crate::plan::change::Action;

    #[test]
    fn fake_hwclock_is_in_calendar_time() {
        for (epoch, expected) in [
            (0, "1970-01-01 00:00:00\n"),
            (951_782_400, "2000-02-29 00:00:00\n"),
            (1_764_859_613, "2025-12-04 14:46:53\n"),
            (4_107_542_399, "2100-02-28 23:59:59\n"),
            (4_107_542_400, "2100-03-01 00:00:00\n"),
            (EPOCH, "2025-12-05 00:00:00\n"),
        ] {
            assert_eq!(fake_hwclock(epoch), expected);
        }
    }

    #[test]
    fn timesyncd_can_touch_its_clock() {
        let base =
            MapBase::default().file("/etc/passwd", "systemd-timesync:x:997:996:t:/:/usr/sbin/nologin\n");
        let host = host();
        let found = changes(&inputs(&host, &base)).expect("changes");
        let Action::PutFile { ownership, .. } = &at(&found, "/var/lib/systemd/timesync/clock").action else {
            panic!("a file")
        };
        assert_eq!((ownership.uid, ownership.gid, ownership.mode), (997, 996, 0o644));
        assert!(untouched(&found, "/etc/fake-hwclock.data"));
        let with_fake = base.file("/usr/sbin/fake-hwclock", "");
        let found = changes(&inputs(&host, &with_fake)).expect("changes");
        assert_eq!(put(&found, "/etc/fake-hwclock.data").0, "2025-12-05 00:00:00\n");
    }
}
