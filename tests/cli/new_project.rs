//! `pimg new`: a project for somebody who has the program alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Project;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test\n";

/// A directory with nothing but a home.
fn empty() -> Project {
    let project = Project::new();
    for name in ["profiles", "overlays"] {
        fs::remove_dir(project.path().join(name)).expect("an empty directory");
    }
    project.write("home/.ssh/id_ed25519.pub", KEY);
    project
}

fn read(project: &Project, name: &str) -> String {
    fs::read_to_string(project.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_example_passes_check_at_once() {
    let project = empty();
    insta::assert_snapshot!(project.snapshot(&["new", "mine"]));
    insta::assert_snapshot!(read(&project, "mine/profiles/k8sctl.toml"));
    insta::assert_snapshot!(read(&project, "mine/README.md"));
    insta::assert_snapshot!(project.snapshot(&["check", "--project", "mine"]));
    let ignored = read(&project, "mine/.gitignore");
    assert!(ignored.contains("/secrets/\n") && ignored.contains("/out/\n"), "{ignored}");
}

#[test]
fn it_brings_the_overlays_of_the_repository_as_they_are() {
    fn compare(ours: &Path, theirs: &Path) -> usize {
        let entries = fs::read_dir(ours).expect("a directory").map(|entry| entry.expect("an entry").path());
        entries
            .map(|path| {
                let copy = theirs.join(path.file_name().expect("a name"));
                if path.is_dir() {
                    return compare(&path, &copy);
                }
                assert!(
                    fs::read(&path).expect("a file") == fs::read(&copy).expect("a copy"),
                    "{}",
                    copy.display()
                );
                let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o100;
                assert_eq!(mode(&path), mode(&copy), "{}", copy.display());
                1
            })
            .sum()
    }
    let project = empty();
    assert!(project.run(&["new"]).status.success());
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("overlays");
    assert!(compare(&repository, &project.path().join("overlays")) > 60);
}

#[test]
fn options_are_answers_and_wrong_ones_are_usage_errors() {
    let project = empty();
    let options = [
        "--node",
        "a=192.168.1.10/24",
        "--node",
        "b=192.168.1.11/24",
        "--user",
        "op",
        "--pve",
        "none",
        "--features",
        "shell",
    ];
    let output = project.run(&[&["new", "--cluster", "lab", "--yes"], options.as_slice()].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    insta::assert_snapshot!(project.snapshot(&["check"]), @r"
    exit code 0
    --- stdout
    HOST  PROFILE  ADDRESS          OVERLAYS
    a     a        192.168.1.10/24  raspios, shell
    b     b        192.168.1.11/24  raspios, shell
    ");
    let everything = [
        "new",
        "all",
        "--features",
        "zfs,cluster,talos-vm,tailscale,tls,rpi-connect,shell",
        "--pve",
        "proxmox",
    ];
    assert!(project.run(&everything).status.success());
    assert!(project.run(&["check", "--project", "all"]).status.success());

    for wrong in [
        ["--cluster", "a name with spaces"],
        ["--node", "a"],
        ["--node", "a=10.0.0.1"],
        ["--node", "a=10.0.0.0/24"],
        ["--node", "Upper=10.0.0.1/24"],
        ["--gateway", "10.9.9.9"],
        ["--user", "root"],
        ["--pve", "esxi"],
        ["--features", "talos-vm"],
        ["--features", "nope"],
    ] {
        let output = project.run(&[&["new", "wrong", "--yes"], wrong.as_slice()].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {said}");
        assert!(said.contains(wrong[0]), "{said}");
        assert!(!project.path().join("wrong").exists(), "{wrong:?}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let project = empty();
    project.write("profiles/mine.toml", "# mine\n");
    insta::assert_snapshot!(project.snapshot(&["new"]), @r"
    exit code 3
    --- stderr
    error: `profiles` is there already: nothing was written

    hint: move them away, or give another directory with `--project DIR`
    ");
    project.write("other/README.md", "mine\n");
    assert!(project.run(&["new", "other"]).status.success());
    assert_eq!(read(&project, "other/README.md"), "mine\n");
}

#[test]
fn a_person_is_asked_on_a_terminal_and_again_where_the_answer_is_wrong() {
    let Ok(script) = Command::new("script").arg("--version").output() else { return };
    assert!(script.status.success());
    let project = empty();
    // util-linux's script gives the program a terminal and types what it reads
    let mut command = Command::new("script");
    command.args(["-qec", &format!("{} new asked", env!("CARGO_BIN_EXE_pimg")), "/dev/null"]);
    command.current_dir(project.path()).env("HOME", project.path().join("home")).env_remove("CI");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script runs");
    let answers = "my lab\nlab\nleft right\n10.0.0.300/24\n10.0.0.5/24\n\n\n\nlab.example.org\nroot\nop\nnone\nshell zfs\n";
    std::io::Write::write_all(child.stdin.as_mut().expect("is piped"), answers.as_bytes())
        .expect("script listens");
    let output = child.wait_with_output().expect("ends");
    let said = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    assert!(output.status.success(), "{said}");
    assert!(said.contains("name of the cluster [k8sctl]:"), "{said}");
    assert!(said.contains("a cluster name has letters") && said.contains("root is locked"), "{said}");
    let shared = read(&project, "asked/profiles/lab.toml");
    assert!(
        shared.contains("gateway = \"10.0.0.1\"") && shared.contains("domain = \"lab.example.org\""),
        "{shared}"
    );
    assert!(read(&project, "asked/profiles/right.toml").contains("10.0.0.6/24"));
    let checked = project.snapshot(&["check", "--project", "asked"]);
    assert!(checked.starts_with("exit code 0"), "{checked}");
}
