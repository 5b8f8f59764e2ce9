//! The units and the table that come of steps, judged by systemd.

mod library;
mod status;

use super::{Step, changes, is_name, without};
use crate::guest::packages;
use crate::guest::test_support::{judge, link, put, temporary};
use crate::plan::change::{Action, Change, Content, Origin};

fn step(name: &str, after: &[&str]) -> Step {
    Step {
        name: name.to_owned(),
        description: format!("100 % {name}"),
        after: after.iter().map(|&name| name.to_owned()).collect(),
        needs_network: name == "cluster",
        needs_time: name == "cluster",
        reboot_after: name == "restart",
        script: "#!/bin/bash\n".to_owned(),
        origin: Origin::Rule { rule: "a test" },
    }
}

fn steps() -> Vec<Step> {
    vec![
        packages::step(Vec::new()),
        step("restart", &["packages"]),
        step("cluster", &["packages", "restart"]),
    ]
}

#[test]
fn a_step_becomes_a_unit_that_waits_for_others() {
    let found = changes(&steps()).expect("valid steps");
    let (unit, mode) = put(&found, "/usr/lib/systemd/system/pimg-cluster.service");
    for line in [
        "Description=pimg: 100 %% cluster",
        "After=multi-user.target pimg-boot.service pimg-seed.service pimg-packages.service pimg-restart.service",
        "Requires=pimg-packages.service pimg-restart.service",
        "ConditionPathExists=!/var/lib/pimg/done/cluster",
        "ExecStart=/usr/lib/pimg/steps/cluster",
        "RestartMode=direct",
        "RestartPreventExitStatus=78",
        "TimeoutStartSec=infinity",
    ] {
        assert!(unit.lines().any(|found| found == line), "no `{line}` in:\n{unit}");
    }
    assert_eq!(mode, 0o644);
    let enabled = "/etc/systemd/system/pimg-finished.target.requires/pimg-cluster.service";
    assert_eq!(link(&found, enabled), "/usr/lib/systemd/system/pimg-cluster.service");
    for (unit, wanted_by) in [
        ("pimg-finished.target", "multi-user.target"),
        ("pimg-boot.service", "multi-user.target"),
        ("pimg-finished.service", "pimg-finished.target"),
    ] {
        let enabled = format!("/etc/systemd/system/{wanted_by}.wants/{unit}");
        assert_eq!(link(&found, &enabled), format!("/usr/lib/systemd/system/{unit}"));
    }
    assert_eq!(put(&found, "/usr/lib/pimg/steps/packages").1, 0o755);
    assert_eq!(put(&found, "/usr/lib/pimg/status").1, 0o755);
    assert_eq!(put(&found, "/usr/lib/pimg/step.sh").1, 0o644);
    let table = "packages\tPackages of the image\t-\t-\tno\nrestart\t100 % restart\tpackages\t-\tyes\n\
                 cluster\t100 % cluster\tpackages,restart\tnetwork,time\tno\n";
    assert_eq!(put(&found, "/usr/lib/pimg/steps.tsv").0, table);
}

#[test]
fn a_node_without_steps_says_so() {
    let found = changes(&[]).expect("no steps");
    assert_eq!(put(&found, "/usr/lib/pimg/steps.tsv").0, "");
    assert!(put(&found, "/usr/lib/systemd/system/pimg-finished.service").0.contains("status finished"));
}

#[test]
fn what_comes_after_a_step_that_is_dropped_keeps_its_place() {
    let mut all = steps();
    all.insert(0, step("grow", &[]));
    all[1].after = vec!["grow".to_owned()];
    let left = without(all, packages::STEP);
    let after: Vec<_> = left.iter().map(|step| (step.name.as_str(), step.after.join(" "))).collect();
    let expected = [("grow", ""), ("restart", "grow"), ("cluster", "restart grow")];
    assert_eq!(after, expected.map(|(name, after)| (name, after.to_owned())));
}

#[test]
fn what_would_be_read_as_something_else_is_refused() {
    for name in ["", "a b", "A", "../x", "-x", "x-", "boot", "finished", "seed", "1x", &"x".repeat(33)] {
        assert!(!is_name(name), "{name}");
        assert!(changes(&[step(name, &[])]).is_err(), "{name}");
    }
    for description in ["", " ", "a\nExecStart=/x", "a\tb", "a\\"] {
        let step = Step { description: description.to_owned(), ..step("x", &[]) };
        assert!(changes(&[step]).is_err(), "{description}");
    }
}

fn text(change: &Change) -> Option<&[u8]> {
    match &change.action {
        Action::PutFile { content: Content::Bytes(bytes), .. } => Some(bytes),
        _ => None,
    }
}

#[test]
fn systemd_has_no_complaint_about_the_units() {
    let directory = temporary();
    for change in &changes(&steps()).expect("valid steps") {
        let Some(bytes) = text(change) else { continue };
        if change.path.as_str().starts_with("/usr/lib/systemd/system/") {
            let unit = String::from_utf8_lossy(bytes).replace("/usr/lib/pimg/", "/bin/true ");
            fs_err::write(directory.path().join(change.path.name()), unit).expect("a unit");
        }
    }
    let target = directory.path().join("pimg-finished.target");
    let command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=yes"];
    let Some(said) = judge(&command, &target) else { return };
    // younger than the systemd of some machines that build
    let young = ["RestartMode", "RestartSteps", "RestartMaxDelaySec"];
    let ours =
        said.lines().filter(|line| line.contains("pimg") && !young.iter().any(|key| line.contains(key)));
    assert_eq!(ours.collect::<Vec<_>>(), Vec::<&str>::new(), "{said}");
}
