//! What the ext4 tests share: images made by `mke2fs`, a device over a file, the judges, and a model of a tree.

#![allow(dead_code, reason = "every test binary uses a part of this")]
#![allow(unreachable_pub, reason = "shared between test binaries, exported from none")]

pub mod image;
pub mod kernel;
pub mod model;
pub mod op;

/// The clock of all editing sessions: 2025-01-02 03:04:05 UTC.
pub const CLOCK: i64 = 1_735_787_045;

/// Says what was not judged, or fails where everything must be.
#[expect(clippy::print_stderr, reason = "a person should see what was not judged")]
pub fn skip(what: &str) {
    #[expect(clippy::disallowed_methods, reason = "the one switch of all judges")]
    let must_run = std::env::var_os("CI").is_some();
    assert!(!must_run, "{what} is needed where CI is set");
    eprintln!("skipped: {what} is missing");
}
