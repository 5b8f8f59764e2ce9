//! `pimg status` against real sshds, each behind a ProxyCommand: no port is taken and any address can be a node's.

use std::fs;
use std::io::{BufRead, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use pimg::guest::keys::HostKeys;
use pimg::guest::prime_notes::NoNotes;
use pimg::profile::types::Hostname;
use pimg::secret::Secret;

use super::Project;

const SEED: [u8; 32] = [7; 32];

const CLUSTER: &str = r#"
[base]
source = "base.img"

[user]
name = "op"

[network]
gateway = "10.0.0.1"
dns = ["10.0.0.1"]

[cluster]
name = "lab"
nodes = ["node-a", "node-b", "node-c"]
"#;

const WORKING: &str = r#"{"node":"node-a","address":"10.0.0.2","state":"working","url":"https://10.0.0.2:8006",
"updated":1764806400,"boots":2,"later":{"x":1},"steps":[
{"name":"selfcheck","description":"Files of the card","state":"done","since":1764806100,"message":""},
{"name":"zpool","description":"ZFS pool","state":"running","since":1764806390,"message":""},
{"name":"tls","description":"Certificate","state":"pending","since":null,"message":""}]}"#;

const FINISHED: &str = r#"{"node":"node-b","address":"10.0.0.3","state":"finished","updated":1764806400,"boots":3,
"steps":[{"name":"selfcheck","description":"Files","state":"done","since":1764799200,"message":""}]}"#;

const FAILED: &str = r#"{"node":"node-c","address":"10.0.0.4","state":"failed","updated":1764806400,"boots":1,
"steps":[{"name":"zpool","description":"ZFS pool","state":"failed","since":1764806340,
"message":"\u001b[2Jdisk /dev/nvme1n1 is not there: \u202eplug it in"}]}"#;

/// A project with three nodes, and an `ssh` on the path that leads to sshds of this machine.
struct Lab {
    project: Project,
}

impl Lab {
    /// `None` where there is no ssh or no sshd.
    #[expect(clippy::print_stderr, reason = "a person should know what was not looked at")]
    fn new() -> Option<Self> {
        if !Path::new("/usr/sbin/sshd").exists() || which("ssh").is_none() {
            assert!(std::env::var_os("CI").is_none(), "openssh-server or ssh is missing, and CI is set");
            eprintln!("skipped: openssh-server or ssh is missing");
            return None;
        }
        let project = Project::new();
        project.write("profiles/lab.toml", CLUSTER);
        for (name, address) in [("node-a", "10.0.0.2"), ("node-b", "10.0.0.3"), ("node-c", "10.0.0.4")] {
            let profile =
                format!("extends = \"lab\"\nhostname = \"{name}\"\nnetwork.address = \"{address}/24\"\n");
            project.write(&format!("profiles/{name}.toml"), &profile);
        }
        let digits: String = SEED.iter().map(|byte| format!("{byte:02x}")).collect();
        project.write("secrets/lab.seed", &(digits + "\n"));
        let lab = Self { project };
        lab.make_private("secrets/lab.seed");
        let key = lab.path("client");
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &key]).status();
        assert!(made.expect("ssh-keygen runs").success());
        lab.write_ssh();
        // sshd looks for it when it runs as root, and systemd makes it only where it runs the service
        if Command::new("id").arg("-u").output().expect("id runs").stdout == b"0\n" {
            fs::create_dir_all("/run/sshd").expect("root may");
        }
        Some(lab)
    }

    fn path(&self, name: &str) -> String {
        self.project.path().join(name).display().to_string()
    }

    fn make_private(&self, name: &str) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).expect("an own file");
    }

    /// The operator's ssh, but for its settings, and for the user, who on this machine is the one of the test.
    fn write_ssh(&self) {
        let config = format!(
            "Host 10.0.0.*\n  ProxyCommand /usr/sbin/sshd -i -f {0}\n\
             Host 127.0.0.1\n  Port 1\n\
             Host *\n  IdentityFile {1}\n  IdentityAgent none\n  UserKnownHostsFile {2}\n  GlobalKnownHostsFile /dev/null\n",
            self.path("sshd-%h"),
            self.path("client"),
            self.path("known_hosts"),
        );
        self.project.write("ssh_config", &config);
        let real = which("ssh").expect("is there");
        let wrapper = format!(
            "#!/bin/sh\nexec {} -F {} -o User=$(id -un) \"$@\"\n",
            real.display(),
            self.path("ssh_config")
        );
        self.project.write("bin/ssh", &wrapper);
        fs::set_permissions(self.path("bin/ssh"), fs::Permissions::from_mode(0o755)).expect("an own file");
    }

    /// A node at `address` whose host key is that of `name`, with this status; its clock is always the same.
    fn node(&self, address: &str, name: &str, seed: [u8; 32], status: &str) {
        let host = Hostname::new(name).expect("a name");
        let keys = HostKeys::derive(&Secret::new(seed.to_vec()), &host, &NoNotes).expect("keys");
        let private = String::from_utf8(keys.ed25519.private.expose().to_vec()).expect("text");
        let (key, file) = (format!("key-{address}"), format!("status-{address}"));
        self.project.write(&key, &private);
        self.make_private(&key);
        if !status.is_empty() {
            self.project.write(&file, status);
        }
        // the command that pimg sends must be the one that a node understands
        let command = format!(
            "test \"$SSH_ORIGINAL_COMMAND\" = \"date +%s; cat /var/lib/pimg/status.json\" && echo 1764806400 && cat {}",
            self.path(&file)
        );
        self.project.write(&format!("command-{address}"), &format!("{command}\n"));
        let config = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n\
             PasswordAuthentication no\nForceCommand /bin/sh {}\n",
            self.path(&key),
            self.path("client.pub"),
            self.path(&format!("command-{address}")),
        );
        self.project.write(&format!("sshd-{address}"), &config);
    }

    fn cluster(&self) {
        self.node("10.0.0.2", "node-a", SEED, WORKING);
        self.node("10.0.0.3", "node-b", SEED, FINISHED);
        self.node("10.0.0.4", "node-c", SEED, FAILED);
    }

    fn pimg(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.pimg(arguments);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.path("bin")));
        command
    }

    fn snapshot(&self, arguments: &[&str]) -> String {
        self.project.describe(&self.pimg(arguments).output().expect("pimg runs"))
    }
}

fn which(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|place| place.join(program)).find(|path| path.is_file())
}

#[test]
fn a_node_of_a_profile() {
    let Some(lab) = Lab::new() else { return };
    lab.cluster();
    insta::assert_snapshot!(lab.snapshot(&["status", "node-a"]), @r"
    exit code 0
    --- stdout
    NODE    STATE    DONE    BOOTS  ADDRESS
    node-a  working  1 of 3  2      https://10.0.0.2:8006

    STEP       STATE    SINCE  MESSAGE
    selfcheck  done     5 min
    zpool      running  10 s
    tls        pending  -
    ");
}

#[test]
fn a_cluster_side_by_side_with_one_that_failed() {
    let Some(lab) = Lab::new() else { return };
    lab.cluster();
    insta::assert_snapshot!(lab.snapshot(&["status", "node-a", "--cluster"]), @r"
    exit code 10
    --- stdout
    NODE    STATE     DONE    BOOTS  ADDRESS
    node-a  working   1 of 3  2      https://10.0.0.2:8006
    node-b  finished  1 of 1  3      10.0.0.3
    node-c  failed    0 of 1  1      10.0.0.4

    STEP       node-a           node-b         node-c
    selfcheck  done      5 min  done      2 h  -
    zpool      running   10 s   -              failed    1 min
    tls        pending          -              -

    node-c: zpool:  \u{1b}[2Jdisk /dev/nvme1n1 is not there: \u{202e}plug it in
    ");
}

#[test]
fn one_object_with_json() {
    let Some(lab) = Lab::new() else { return };
    lab.cluster();
    insta::assert_snapshot!(lab.snapshot(&["status", "node-c", "--json"]), @r#"
    exit code 10
    --- stdout
    {
      "schema": 1,
      "command": "status",
      "result": {
        "nodes": [
          {
            "host": "node-c",
            "answered": true,
            "reason": null,
            "hint": null,
            "status": {
              "clock": 1764806400,
              "node": "node-c",
              "address": "10.0.0.4",
              "state": "failed",
              "url": null,
              "updated": 1764806400,
              "boots": 1,
              "steps": [
                {
                  "name": "zpool",
                  "description": "ZFS pool",
                  "state": "failed",
                  "since": 1764806340,
                  "message": "\\u{1b}[2Jdisk /dev/nvme1n1 is not there: \\u{202e}plug it in"
                }
              ]
            },
            "silence": null
          }
        ]
      }
    }
    "#);
}

#[test]
fn another_machine_at_the_address_is_refused() {
    let Some(lab) = Lab::new() else { return };
    lab.node("10.0.0.2", "node-a", [8; 32], WORKING);
    insta::assert_snapshot!(lab.snapshot(&["status", "node-a"]), @r"
    exit code 5
    --- stdout
    NODE    STATE      DONE  BOOTS  ADDRESS
    node-a  untrusted

    node-a:  it has another host key than expected
    --- stderr
    hint: `node-a`: another machine answers at this address, or the node was built with another seed than `secrets/lab.seed`
    ");
}

#[test]
fn an_address_needs_a_key_that_the_operator_knows() {
    let Some(lab) = Lab::new() else { return };
    lab.node("10.0.0.3", "node-b", SEED, FINISHED);
    insta::assert_snapshot!(lab.snapshot(&["status", "op@10.0.0.3"]), @r"
    exit code 5
    --- stdout
    NODE         STATE      DONE  BOOTS  ADDRESS
    op@10.0.0.3  untrusted

    op@10.0.0.3:  its host key is not known
    --- stderr
    hint: `op@10.0.0.3`: `ssh op@10.0.0.3` says more; a node of a profile is recognised by the profile's name
    ");
    let seed = Secret::new(SEED.to_vec());
    let key = pimg::guest::keys::host_public_key(&seed, &Hostname::new("node-b").expect("a name"));
    lab.project.write("known_hosts", &format!("10.0.0.3 {}\n", key.expect("a key")));
    assert!(lab.snapshot(&["status", "op@10.0.0.3"]).starts_with("exit code 0\n"));
}

#[test]
fn nodes_that_do_not_answer_and_how() {
    let Some(lab) = Lab::new() else { return };
    // no status yet, nobody who listens, a status that is none
    lab.node("10.0.0.2", "node-a", SEED, "");
    lab.node("10.0.0.4", "node-c", SEED, "{\"node\": 5}");
    let config = fs::read_to_string(lab.path("ssh_config")).expect("is there");
    let nobody = "Host 10.0.0.3\n  ProxyCommand none\n  HostName 127.0.0.1\n  Port 1\n";
    lab.project.write("ssh_config", &(nobody.to_owned() + &config));
    insta::assert_snapshot!(lab.snapshot(&["status", "--all", "op@127.0.0.1"]), @r"
    exit code 8
    --- stdout
    NODE          STATE        DONE  BOOTS  ADDRESS
    node-a        no status
    node-b        unreachable
    node-c        no status
    op@127.0.0.1  unreachable

    node-a:        cat: [PROJECT]/status-10.0.0.2: No such file or directory
    node-b:        ssh: connect to host 127.0.0.1 port 1: Connection refused
    node-c:        the status is not what this pimg reads: invalid type: integer `5`, expected a string at line 2 column 10
    op@127.0.0.1:  ssh: connect to host 127.0.0.1 port 1: Connection refused
    --- stderr
    hint: `node-a`: it answers, but has no status: has pimg built it, and has its first boot begun?
    hint: `node-b`: is it switched on, and its cable plugged? `pimg-status.txt` on its card says how far it got
    hint: `node-c`: was the node built by a newer pimg than this one?
    ");
    let typo = lab.snapshot(&["status", "nodea"]);
    assert!(typo.contains("hint: `nodea`: no profile of this project has this name"), "{typo}");
}

#[test]
fn an_interrupt_ends_watching() {
    let Some(lab) = Lab::new() else { return };
    lab.node("10.0.0.2", "node-a", SEED, WORKING);
    let mut command = lab.pimg(&["status", "node-a", "--watch"]);
    let mut watching = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("pimg runs");
    let mut said = std::io::BufReader::new(watching.stderr.take().expect("is piped"));
    let mut line = String::new();
    said.read_line(&mut line).expect("pimg says something");
    assert_eq!(line, "node-a: selfcheck: done\n");
    let pid = watching.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("pimg ends");
    assert_eq!(watching.wait().expect("pimg ends").code(), Some(130));
    assert!(rest.ends_with("error: interrupted\n"), "{rest}");
}

#[test]
fn watching_ends_when_the_node_is_finished() {
    let Some(lab) = Lab::new() else { return };
    lab.node("10.0.0.2", "node-a", SEED, WORKING);
    let mut command = lab.pimg(&["status", "node-a", "--watch", "--progress", "json"]);
    let watching = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("pimg runs");
    // whichever round sees it, it is told once and ends the watch
    std::thread::sleep(std::time::Duration::from_secs(2));
    lab.project.write("status-10.0.0.2.new", FINISHED);
    fs::rename(lab.path("status-10.0.0.2.new"), lab.path("status-10.0.0.2")).expect("a rename");
    let output = watching.wait_with_output().expect("pimg ends");
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    let last = "{\"event\":\"status\",\"node\":\"node-a\",\"state\":\"finished\",\"message\":\"\"}\n";
    assert!(told.ends_with(last) && told.matches("\"finished\"").count() == 1, "{told}");
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(table.contains("finished  1 of 1"), "{table}");
}

#[test]
fn watching_says_each_change_on_a_line_and_ends_when_a_node_failed() {
    let Some(lab) = Lab::new() else { return };
    lab.cluster();
    insta::assert_snapshot!(lab.snapshot(&["status", "--all", "--watch"]), @r"
    exit code 10
    --- stdout
    NODE    STATE     DONE    BOOTS  ADDRESS
    node-a  working   1 of 3  2      https://10.0.0.2:8006
    node-b  finished  1 of 1  3      10.0.0.3
    node-c  failed    0 of 1  1      10.0.0.4

    STEP       node-a           node-b         node-c
    selfcheck  done      5 min  done      2 h  -
    zpool      running   10 s   -              failed    1 min
    tls        pending          -              -

    node-c: zpool:  \u{1b}[2Jdisk /dev/nvme1n1 is not there: \u{202e}plug it in
    --- stderr
    node-a: selfcheck: done
    node-a: zpool: running
    node-a: working
    node-b: selfcheck: done
    node-b: finished
    node-c: zpool: failed: \u{1b}[2Jdisk /dev/nvme1n1 is not there: \u{202e}plug it in
    node-c: failed
    ");
}

#[test]
fn without_ssh_there_is_nothing_to_ask_with() {
    let Some(lab) = Lab::new() else { return };
    let output = lab.pimg(&["status", "node-a"]).env("PATH", lab.path("nowhere")).output();
    insta::assert_snapshot!(lab.project.describe(&output.expect("pimg runs")), @r"
    exit code 9
    --- stderr
    error: cannot run `ssh`
      caused by: No such file or directory (os error 2)

    hint: install `ssh`, or see whether it is in `$PATH`
    ");
}

#[test]
fn without_the_seed_the_node_is_not_recognised() {
    let Some(lab) = Lab::new() else { return };
    fs::remove_file(lab.path("secrets/lab.seed")).expect("is there");
    insta::assert_snapshot!(lab.snapshot(&["status", "node-a"]), @r"
    exit code 9
    --- stderr
    error: there is no `secrets/lab.seed`, from which the identity of the node follows

    hint: restore `secrets/lab.seed` from a backup: the build that made the node used it
    hint: `pimg status op@10.0.0.2` compares the node with your own known_hosts instead
    ");
    assert!(!Path::new(&lab.path("secrets/lab.seed")).exists(), "asking makes no new identity");
}
