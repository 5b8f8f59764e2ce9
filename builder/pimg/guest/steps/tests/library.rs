//! The library of steps, run by bash in a directory of its own.
#![expect(clippy::disallowed_methods, reason = "the library is run by bash")]

use std::path::Path;
use std::process::Command;

use super::super::LIBRARY;
use crate::guest::test_support::{skip, temporary};

pub(super) const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/builder/pimg/guest/steps");

/// A node in a directory.
pub(super) struct Node(tempfile::TempDir);

impl Node {
    /// With these lines of `steps.tsv`.
    pub(super) fn new(steps: &str) -> Self {
        let node = Self(temporary());
        for directory in ["lib", "firmware", "led", "state", "live", "conf"] {
            fs_err::create_dir(node.0.path().join(directory)).expect("a directory");
        }
        for (name, ..) in LIBRARY {
            fs_err::copy(Path::new(HERE).join(name), node.0.path().join("lib").join(name)).expect("a script");
        }
        node.write("lib/steps.tsv", steps);
        node.write("firmware/cmdline.txt", "root=x");
        // this boot has begun
        let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        node.write("state/boots", &format!("1 {boot}"));
        node.write("conf/node.conf", "node_name='k8'\nnode_address='10.0.0.7'\nnode_user='admin'\n");
        for (file, text) in
            [("led/trigger", ""), ("led/delay_on", ""), ("led/delay_off", ""), ("console", "")]
        {
            node.write(file, text);
        }
        node
    }

    pub(super) fn write(&self, file: &str, text: &str) {
        let path = self.0.path().join(file);
        fs_err::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs_err::write(path, text).expect("a file");
    }

    pub(super) fn read(&self, file: &str) -> String {
        fs_err::read_to_string(self.0.path().join(file)).unwrap_or_else(|_| "none".to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// What a script says, and how it ends.
    pub(super) fn run(&self, script: &str) -> Option<(i32, String)> {
        if !cfg!(target_os = "linux") {
            skip("Linux, which the library is for,");
            return None;
        }
        let mut command = Command::new("bash");
        command.args(["-c", script, "step"]).env("node", self.0.path());
        for (variable, place) in [
            ("lib", "lib"),
            ("state", "state"),
            ("logs", "log"),
            ("live", "live"),
            ("conf", "conf"),
            ("firmware", "firmware"),
            ("greetings", "run"),
            ("console", "console"),
            ("led", "led"),
            ("rtc", "rtc"),
            ("epoch", "epoch"),
        ] {
            command.env(format!("step_{variable}"), self.0.path().join(place));
        }
        let Ok(output) = command.output() else {
            skip("`bash`");
            return None;
        };
        let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        Some((output.status.code().unwrap_or(-1), told.into_owned()))
    }

    /// A step `x` that does this.
    fn step(&self, script: &str) -> Option<(i32, String)> {
        self.run(&format!("set -euo pipefail\n. \"$step_lib/step.sh\"\n{script}\n"))
    }

    /// State and message of a step, without the time.
    fn state(&self, name: &str) -> String {
        let line = self.read(&format!("state/state/{name}"));
        let words: Vec<_> = line.trim_end_matches('\n').split('\t').collect();
        format!("{}: {}", words.first().unwrap_or(&""), words.get(2).unwrap_or(&""))
    }
}

const ONE: &str = "x\tThe x\t-\t-\tno\n";

#[test]
fn a_step_is_stamped_when_it_is_verified_and_never_before() {
    let node = Node::new(ONE);
    let work = "apply() { echo one; }; verify() { echo two; (exit 7); echo three; }\nstep_run x apply verify";
    let Some((status, told)) = node.step(work) else { return };
    assert_eq!((status, told.as_str()), (7, "pimg: step x begins\none\ntwo\n"));
    assert_eq!((node.read("state/done/x"), node.read("log/x.log")), ("none".to_owned(), told));
    assert_eq!(node.state("x"), "retrying: two", "the last words are the reason");
    let work = "apply() { echo once; }; verify() { :; }\nstep_run x apply verify; step_run x apply verify";
    let (status, told) = node.step(work).expect("bash is here");
    assert_eq!((status, told.as_str()), (0, "pimg: step x begins\nonce\npimg: step x is done\n"));
    assert!(node.read("state/done/x").starts_with("20") && node.state("x") == "done: ");
    let console = node.read("console").replace("\n\n", "\n");
    assert!(console.ends_with("\npimg: x: done\n"), "{console}");
}

#[test]
fn the_reason_of_an_end_is_kept() {
    for (end, status, state) in [
        ("step_die 'no \"cable\"\tthere'", 1, "retrying: no \"cable\" there"),
        ("found=$(step_die inside); echo \"$found\"", 1, "retrying: inside"),
        ("step_stop 'put the other disk in'", 78, "failed: put the other disk in"),
        ("echo 'zpool: no such pool' >&2; exit 78", 78, "failed: zpool: no such pool"),
        ("kill -KILL $BASHPID", 137, "retrying: was interrupted by signal 9"),
    ] {
        let node = Node::new(ONE);
        let script = format!("apply() {{ {end}; }}; verify() {{ :; }}\nstep_run x apply verify");
        let Some((found, told)) = node.step(&script) else { return };
        assert_eq!((found, node.state("x").as_str()), (status, state), "{told}");
        assert_eq!(node.read("state/done/x"), "none");
    }
}

#[test]
fn a_full_card_is_said_to_be_full_also_where_the_program_made_room_again() {
    let node = Node::new(ONE);
    let full =
        "echo 'dpkg: cannot copy: No space left on device'; echo 'E: dpkg returned an error'; exit 100";
    let script = |end: &str| format!("apply() {{ {end}; }}; verify() {{ :; }}\nstep_run x apply verify");
    let Some((status, told)) = node.step(&script(full)) else { return };
    assert_eq!(status, 100, "{told}");
    let state = node.state("x");
    assert!(
        state.starts_with("retrying: the card is full, ") && state.ends_with("flash a larger one"),
        "{state}"
    );
    // the next attempt fails of something else
    node.step(&script("echo 'no network'; exit 1"));
    assert_eq!(node.state("x"), "retrying: no network");
}

#[test]
fn what_comes_first_is_stamped_first() {
    let node = Node::new("w\tThe w\t-\t-\tno\nx\tThe x\tv,w\t-\tno\n");
    node.write("state/done/v", "");
    let work = "work() { :; }\nstep_run x work work";
    let Some((status, _)) = node.step(work) else { return };
    assert_eq!((status, node.state("x").as_str()), (1, "retrying: step `w` comes first, and is not done"));
    node.write("state/done/w", "");
    assert_eq!(node.step(work).expect("bash is here").0, 0);
}

#[test]
fn a_step_says_what_it_waits_for() {
    let node = Node::new("x\tThe x\t-\tnetwork,time\tno\n");
    let work = "tries=0\nsleep() { cat \"$step_state/state/x\" | cut -f 1,3 >>\"$node/seen\"; }\n\
                step_network() { tries=$((tries + 1)); [ $tries = 3 ]; }\nstep_clock() { [ $tries = 3 ]; }\n\
                work() { :; }\nstep_run x work work";
    let Some((status, told)) = node.step(work) else { return };
    assert_eq!(status, 0, "{told}");
    let line = "waiting\tthe network: a cable, the address and an answer of the gateway\n";
    assert_eq!(node.read("seen"), line.repeat(2));
}

#[test]
fn a_clock_is_believed_that_is_not_behind_the_build() {
    let node = Node::new(ONE);
    let ask = "timedatectl() { echo no; }; touch -d @1000 \"$step_epoch\"\n\
               for rtc in 0 1000 1001 x; do echo $rtc >\"$step_rtc\"; step_clock 2>&- && echo \"$rtc is right\"; done\n\
               timedatectl() { echo yes; }; step_clock && echo told";
    let Some((_, told)) = node.run(&format!(". \"$step_lib/step.sh\"\n{ask}")) else { return };
    assert_eq!(told, "1001 is right\ntold\n");
}

#[test]
fn the_restart_waits_for_steps_at_work_and_never_returns() {
    let node = Node::new("w\tThe w\t-\t-\tno\nx\tThe x\t-\t-\tno\n");
    node.write("state/state/w", "running\t1\t\n");
    let work = "systemctl() { case $1 in show) cat \"$node/sub\" ;; *) echo \"systemctl $*\"; kill $$ ;; esac; }\n\
                sleep() { echo \"sleep $1\"; echo exited >\"$node/sub\"; }; echo start >\"$node/sub\"\n\
                apply() { step_reboot_needed; }; verify() { :; }\nstep_run x apply verify; echo on it goes";
    let Some((_, told)) = node.step(work) else { return };
    let told: Vec<_> = told.lines().filter(|line| !line.starts_with("pimg")).collect();
    assert_eq!(told, ["sleep 5", "systemctl reboot"]);
    assert_eq!(node.state("x"), "done: the node restarts");
    assert_ne!(node.read("state/done/x"), "none");
}

#[test]
fn units_are_enabled_together_and_only_where_they_are_not() {
    let systemctl =
        "systemctl() { echo \"$*\"; case $* in *' is-enabled on') ;; *is-enabled*) return 1 ;; esac; }\n";
    let Some((status, told)) = Node::new(ONE).step(&format!("{systemctl}step_enable on; step_enable a on b"))
    else {
        return;
    };
    let asked = ["on", "a", "on", "b"].map(|unit| format!("--quiet is-enabled {unit}\n")).concat();
    assert_eq!((status, told), (0, format!("{asked}enable a b\n")));
}

#[test]
fn a_command_is_tried_again_and_not_for_ever() {
    let script = "n=0\nsleep() { :; }\nwork() { n=$((n + 1)); [ $n = 3 ]; }\nstep_retry 4 9 work; echo \"$n\"\n\
                  step_retry 2 9 false || echo \"gave up: $?\"";
    let Some((status, told)) = Node::new(ONE).step(script) else { return };
    let count = |text: &str| told.matches(text).count();
    assert_eq!(
        (status, count("pimg: `work` ended with status 1, again in 9 s"), count("again in 9 s")),
        (0, 2, 3)
    );
    assert!(told.starts_with("3\ngave up: 1\n"), "{told}");
}

#[test]
fn secrets_are_found_and_forgotten() {
    let node = Node::new(ONE);
    node.write("state/secrets/acme.env.CF_Token", "hunter2");
    let script = "cat \"$(step_secret acme.env.CF_Token)\"; echo; step_secret other || echo none\n\
                  step_forget acme.env.CF_Token other; step_secret acme.env.CF_Token || echo gone\n\
                  echo a | step_commit \"$step_state/f\"; echo b | step_commit \"$step_state/g\" 0600\n\
                  stat -c %a \"$step_state/f\" \"$step_state/g\"";
    let Some((_, told)) = node.step(script) else { return };
    assert_eq!(told, "hunter2\nnone\ngone\n644\n600\n");
    assert_eq!(node.read("state/secrets/acme.env.CF_Token"), "none");
}
