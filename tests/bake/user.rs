//! A user of this machine who has a range of ids and no network, and runs one test of this program.

use std::path::Path;
use std::process::{Command, Output};

use crate::support;

/// Said to the test that it is the user.
const MARK: &str = "PIMG_TEST_IS_USER";
/// Nobody's number on any machine.
pub(crate) const USER: &str = "54321";
/// Nobody's name.
pub(crate) const NAME: &str = "pimg-tester";

/// Whether this process is the user.
pub(crate) fn is_user() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Runs the test `name` of this program as a user with this `/etc/subuid`, in `home`, which is given to the user.
pub(crate) fn run_as_user(name: &str, subordinate: &str, home: &Path) -> Option<Output> {
    Some(command_as_user(name, subordinate, home)?.output().expect("unshare runs"))
}

/// What [`run_as_user`] runs. To kill it is to kill the test itself.
pub(crate) fn command_as_user(name: &str, subordinate: &str, home: &Path) -> Option<Command> {
    let tools = ["unshare", "setpriv", "newuidmap", "mount", "chown"].iter().all(|tool| support::have(tool));
    if !tools || !is_root() {
        support::skip("only root can become somebody else");
        return None;
    }
    let table = home.join("subordinate");
    std::fs::write(&table, subordinate).expect("a table");
    std::os::unix::fs::chown(home, USER.parse().ok(), USER.parse().ok()).expect("a home");
    // newuidmap wants a name. What the tables of this machine say is nothing to the test, and nothing is written into them
    let accounts = home.join("passwd");
    let known = std::fs::read_to_string("/etc/passwd").expect("accounts");
    let own = format!("{known}{NAME}:x:{USER}:{USER}::{}:/bin/sh\n", home.display());
    std::fs::write(&accounts, own).expect("accounts");
    let script = r#"
        for file in subuid subgid; do mount --bind "$1" "/etc/$file"; done
        mount --bind "$2" /etc/passwd
        shift 2
        exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "sh", "-ec", script, "sh"]).arg(table).arg(accounts);
    command.args(["setpriv", &format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups"]);
    command.arg(std::env::current_exe().expect("this program")).args(["--exact", name, "--nocapture"]);
    command.env(MARK, "1").env("HOME", home).env("TMPDIR", home).current_dir(home);
    Some(command)
}

/// That the test was passed by the user as well.
pub(crate) fn expect_passed(output: &Output) {
    let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy);
    assert!(output.status.success(), "{}", said.join("\n"));
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout == b"0\n"
}
