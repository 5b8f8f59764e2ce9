//! Commands on a small project: what is wrong with it is said with its place, and decides the exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::Project;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test\n";

const NODE: &str = r#"
hostname = "node-a"

[base]
source = "base.img"

[user]
name = "op"

[network]
address = "10.0.0.2/24"
gateway = "10.0.0.1"
dns = ["10.0.0.1"]
"#;

/// A project with one node, and a key for it.
fn project() -> Project {
    let project = Project::new();
    project.write("profiles/node-a.toml", NODE);
    project.write("key.pub", KEY);
    project
}

fn build(project: &Project, more: &[&str]) -> String {
    project.snapshot(&[&["build", "--profile", "node-a", "--ssh-key", "key.pub"], more].concat())
}

#[test]
fn a_project_in_order() {
    insta::assert_snapshot!(project().snapshot(&["check", "--ssh-key", "key.pub"]), @r"
    exit code 0
    --- stdout
    HOST    PROFILE  ADDRESS      OVERLAYS
    node-a  node-a   10.0.0.2/24
    ");
}

#[test]
fn code_2_a_time_that_is_none() {
    for (value, shown) in [("yesterday", "yesterday"), ("-1", "-1"), ("4294967296", "4294967296")] {
        let project = project();
        let mut command = project.pimg(&["build", "--profile", "node-a", "--ssh-key", "key.pub"]);
        let output = command.env("SOURCE_DATE_EPOCH", value).output().expect("pimg runs");
        let told = project.describe(&output);
        let expected = format!(
            "exit code 2\n--- stderr\nerror: `SOURCE_DATE_EPOCH` is `{shown}`, expected whole seconds since 1970, from 0 to \
             4294967295\n\nhint: `export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)` takes the time of the last commit\n\
             hint: `unset SOURCE_DATE_EPOCH` takes the time that the base has\n"
        );
        assert_eq!(told, expected);
    }
}

#[test]
fn code_2_options_of_a_rebuild_without_it() {
    let output = project().run(&["verify", "x.img", "--base", "base.img"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--rebuild"));
}

#[test]
fn code_3_every_mistake_of_a_profile_with_its_place() {
    let project = project();
    let wrong = NODE.replace("node-a", "node_a").replace("gateway", "gatway");
    project.write("profiles/node-a.toml", &wrong);
    insta::assert_snapshot!(project.snapshot(&["check", "--ssh-key", "key.pub", "--profile", "node-a"]), @r#"
    exit code 3
    --- stderr
    error: profile `node-a` is not valid (3 problems)

      profiles/node-a.toml:2:12
       2 | hostname = "node_a"
         |            ^^^^^^^^ `_` is not allowed in a host name

      profiles/node-a.toml:2:12
       2 | hostname = "node_a"
         |            ^^^^^^^^ needs `network.gateway`, which is not set

      profiles/node-a.toml:12:1
      12 | gatway …
         | ^^^^^^ unknown key
           hint: did you mean `gateway`?
    "#);
}

#[test]
fn code_3_a_profile_that_is_not_there() {
    insta::assert_snapshot!(project().snapshot(&["check", "--profile", "node-z"]), @r"
    exit code 3
    --- stderr
    error: profile `node-z` is not valid (1 problem)
      there is no profile `node-z`
      hint: did you mean `node-a`?
    ");
}

#[test]
fn code_3_a_node_that_nobody_could_log_in_to() {
    insta::assert_snapshot!(project().snapshot(&["check"]), @r"
    exit code 3
    --- stderr
    error: nobody could log in to `node-a`: it has neither an ssh key nor a password

    hint: make a key with `ssh-keygen -t ed25519`, or name one with `--ssh-key FILE`
    hint: or set `user.password_hash` in the profile
    ");
}

#[test]
fn code_4_locked_without_a_lock() {
    insta::assert_snapshot!(build(&project(), &["--locked"]), @r"
    exit code 4
    --- stderr
    error: there is no `pimg.lock`, and `--locked` asks for one

    hint: `pimg lock` makes one
    ");
}

#[test]
fn code_4_a_lock_of_a_later_version() {
    let project = project();
    project.write("pimg.lock", "version = 2\n");
    insta::assert_snapshot!(build(&project, &["--locked"]), @r"
    exit code 4
    --- stderr
    error: `pimg.lock` has version 2, this pimg reads version 1

    hint: use the pimg that wrote the lock, or a newer one
    ");
}

#[test]
fn code_4_a_lock_with_a_mistake_in_it() {
    let project = project();
    project.write("pimg.lock", "version = 1\n\n[base]\nurl = \"base.img\"\nsha256 = \"x\"\n");
    insta::assert_snapshot!(build(&project, &["--locked"]), @r"
    exit code 4
    --- stderr
    error: `pimg.lock`:5:10 `sha256` is to be a SHA-256 digest in lower-case hexadecimal, got `x`

    hint: `git checkout pimg.lock` brings back the last good one
    ");
}

#[test]
fn code_7_a_base_that_is_no_image() {
    let project = project();
    project.write("text.img", "hello");
    let said = build(&project, &["--base", "text.img"]);
    assert!(said.starts_with("exit code 7\n"), "{said}");
    assert!(!project.path().join("out").exists(), "a failed build leaves nothing");
}

#[test]
fn code_8_a_server_that_does_not_answer() {
    // nothing listens on port 1 of this machine
    let said = build(&project(), &["--base", "https://127.0.0.1:1/base.img"]);
    assert!(said.starts_with("exit code 8\n") && said.contains("hint: "), "{said}");
}

#[test]
fn code_9_a_seed_that_others_can_read() {
    let project = project();
    project.write("secrets/node-a.seed", &("ab".repeat(32) + "\n"));
    let path = project.path().join("secrets/node-a.seed");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("an own file");
    insta::assert_snapshot!(build(&project, &["--base", "base.img"]), @r"
    exit code 9
    --- stderr
    error: cannot prepare host `node-a`
      caused by: failed to open file `[PROJECT]/base.img`: No such file or directory (os error 2)

    hint: check that the file is there and that you may read it
    ");
}

#[test]
fn a_private_key_never_gets_into_an_image() {
    let project = project();
    project.write(
        "key.pub",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n-----END OPENSSH PRIVATE KEY-----\n",
    );
    let output = project.run(&["check", "--ssh-key", "key.pub"]);
    assert!(!output.status.success());
    assert!(!String::from_utf8_lossy(&output.stderr).contains("b3BlbnNz"));
}
