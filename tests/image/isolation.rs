//! A build needs nothing of the host but files: no root, no mount, no loop device, no other program, little
//! memory, and it leaves nothing behind when it is stopped.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::support::{self, Project, have};

/// A user that exists everywhere and owns nothing.
const NOBODY: &str = "65534";

#[test]
fn an_ordinary_user_builds_without_mount_loop_device_or_foreign_program() {
    let Some(base) = support::base_image("pios") else { return };
    if !have("strace") || !have("setpriv") {
        return;
    }
    let project = Project::without_packages();
    let trace = project.join("trace");
    // the cache of another user may be closed to nobody
    let own_base = project.join("base.img.xz");
    fs::copy(&base, &own_base).expect("copying the base");
    let is_root = support::run("id", &["-u"]).trim() == "0";
    let mut command = if is_root { as_nobody(&project) } else { Command::new("strace") };
    command.args([
        "-f",
        "-qq",
        "-e",
        "trace=execve,execveat,mount,umount2,fsopen,unshare,clone,ioctl,openat",
    ]);
    command.arg("-o").arg(&trace).arg(env!("CARGO_BIN_EXE_pimg"));
    command.args(["build", "--profile", "k8sctl-pi5l", "--format", "raw", "--ssh-key", "test.pub", "--base"]);
    command.arg(&own_base).current_dir(project.path()).env("PIMG_CACHE", project.join("cache"));
    command.env("HOME", project.path()).stdin(Stdio::null());
    let output = command.output().expect("running strace");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let trace = fs::read_to_string(trace).expect("the trace");
    let calls = |name: &str| trace.lines().filter(|line| line.contains(&format!(" {name}("))).count();
    assert_eq!(calls("execveat"), 0);
    let programs = trace.lines().filter_map(|line| line.split_once(" execve(\"")?.1.split_once('"'));
    let others: Vec<_> =
        programs.filter(|(path, _)| !["pimg", "git"].iter().any(|name| path.ends_with(name))).collect();
    assert!(
        others.is_empty(),
        "pimg itself, and git to say at which commit the project is, and no other: {others:?}"
    );
    for call in ["mount", "umount2", "fsopen", "unshare"] {
        assert_eq!(calls(call), 0, "{call}");
    }
    assert!(!trace.contains("/dev/loop"), "no loop device is opened");
    assert!(!trace.contains("LOOP_"), "no loop device is set up");
}

/// Runs strace as a user who may write to the project and to nothing else.
fn as_nobody(project: &Project) -> Command {
    support::run("chown", &["-R", &format!("{NOBODY}:{NOBODY}"), project.path().to_str().expect("UTF-8")]);
    let mut command = Command::new("setpriv");
    let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
    command.args(ids).args(["--clear-groups", "--no-new-privs", "strace"]);
    command
}

#[test]
fn an_interrupt_leaves_out_and_the_cache_as_they_were() {
    let Some(base) = support::base_image("pios") else { return };
    let project = Project::without_packages();
    let earlier = project.build_raw("k8sctl-pi5l", &base);
    let before = listing(&project.join("out"));
    let digest = crate::mount::sha256_of(&earlier);
    for delay in [30, 200, 700, 1500, 3000] {
        let base = base.to_str().expect("UTF-8");
        let arguments = ["build", "--all", "--base", base, "--format", "xz", "--ssh-key", "test.pub"];
        let mut command = project.pimg(&arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starting pimg");
        sleep(Duration::from_millis(delay));
        support::run("kill", &["-INT", &child.id().to_string()]);
        let status = child.wait().expect("waiting");
        // before pimg listens for it, the signal itself ends the process, which a shell reports as 130 too
        let code = status.code().or(status.signal().map(|signal| 128 + signal));
        assert_eq!(code, Some(130), "interrupted after {delay} ms");
        assert_eq!(listing(&project.join("out")), before, "interrupted after {delay} ms");
    }
    assert_eq!(crate::mount::sha256_of(&earlier), digest);
    project.build_raw("k8sctl-pi5l", &base);
}

fn listing(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(path).expect("a directory") {
            let entry = entry.expect("an entry");
            names.push(entry.path().display().to_string());
            if entry.file_type().expect("a type").is_dir() {
                pending.push(entry.path());
            }
        }
    }
    names.sort();
    names
}
