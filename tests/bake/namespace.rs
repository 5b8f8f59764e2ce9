//! pimg as the first process of namespaces of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use pimg::host::inside::{Inside, Mount};
use pimg::host::namespace::{Ids, run};

use crate::user::{expect_passed, is_user, run_as_user};

fn shell(script: &str) -> Inside {
    Inside {
        work: std::env::temp_dir(),
        hostname: "neutral".to_owned(),
        mounts: vec![Mount::Proc { to: "/proc".into() }],
        command: ["/bin/sh", "-ec", script].map(str::to_owned).to_vec(),
        environment: BTreeMap::from([("PATH".to_owned(), "/usr/sbin:/usr/bin:/sbin:/bin".to_owned())]),
        ..Inside::default()
    }
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pimg"))
}

/// What a script says inside, and its exit status.
fn said(ids: Ids, script: &str) -> (Vec<String>, Option<i32>) {
    let mut lines = Vec::new();
    let status = run(program(), ids, &shell(script), &mut |line| lines.push(line.to_owned()), &|| false);
    let status = status.unwrap_or_else(|error| panic!("{error}: {error:?}"));
    (lines, status.code())
}

const LOOK: &str = "id -u; uname -n; cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '; echo $$; env | sort | cut -d= -f1
    cd \"$(mktemp -d)\"; touch file; chown 42:43 file && stat -c %u:%g file; rm file; exit 7";

#[test]
fn root_sees_a_machine_of_its_own() {
    let (lines, code) = said(Ids::Range, LOOK);
    assert_eq!(code, Some(7), "{lines:?}");
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    assert!(matches!(lines[..], ["0", "neutral", "lo", _, "PATH", "PWD", "42:43"]), "{lines:?}");
    let pid: u32 = lines[3].parse().expect("a number");
    assert!(pid < 10, "the processes of the host are not seen: {lines:?}");
}

#[test]
fn a_user_sees_the_same() {
    if is_user() {
        let (lines, code) = said(Ids::Range, LOOK);
        assert_eq!((code, lines.last().map(String::as_str)), (Some(7), Some("42:43")), "{lines:?}");
        let (lines, code) = said(Ids::One, "id -u; unshare --mount true && echo mounts");
        assert_eq!((code, lines), (Some(0), vec!["0".to_owned(), "mounts".to_owned()]));
        return;
    }
    let home = tempfile::tempdir().expect("a home");
    let range = "pimg-tester:700000:65536\n";
    let Some(output) = run_as_user("namespace::a_user_sees_the_same", range, home.path()) else { return };
    expect_passed(&output);
}

#[test]
fn a_user_without_a_range_is_told_how_to_get_one() {
    if is_user() {
        let error = run(program(), Ids::Range, &shell("true"), &mut |_| {}, &|| false).expect_err("no range");
        assert_eq!(error.to_string(), "the user `pimg-tester` has no range of 65536 ids in `/etc/subuid`");
        let hints = pimg::failure::Fault::hints(&error);
        assert!(hints[0].contains("usermod --add-subuids 100000-165535"), "{hints:?}");
        return;
    }
    let home = tempfile::tempdir().expect("a home");
    let name = "namespace::a_user_without_a_range_is_told_how_to_get_one";
    let Some(output) = run_as_user(name, "other:700000:65536\n", home.path()) else { return };
    expect_passed(&output);
}

#[test]
fn all_inside_is_gone_once_it_is_to_stop() {
    let dir = tempfile::tempdir().expect("a directory");
    let beat = dir.path().join("beat");
    // a process that no parent waits for
    let script =
        format!("setsid sh -c 'while :; do date +%N >{}; sleep 0.05; done' & sleep 600", beat.display());
    let seen = || std::fs::read(&beat).is_ok_and(|text| !text.is_empty());
    let error = run(program(), Ids::Range, &shell(&script), &mut |_| {}, &seen).expect_err("it was to stop");
    assert_eq!(error.to_string(), "interrupted");
    let last = std::fs::read(&beat).expect("a beat");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(std::fs::read(&beat).expect("a beat"), last, "something still runs");
}
