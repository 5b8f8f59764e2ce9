//! Nodes in folders: the stand-ins for Proxmox's commands run with `STANDIN_ROOT`, and stubs between them play ssh.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support;

/// What a command said and how it ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The command did what it was asked for.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// The command refused, with this status and with these words among others.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, words: &str) {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        assert!(self.err.contains(words), "`{words}` is not in: {}", self.err);
    }
}

/// `n1`, `n2`, …, each with two addresses, a pool `data`, and the others' keys.
pub(crate) struct Nodes {
    dir: tempfile::TempDir,
}

impl Nodes {
    /// As many nodes as asked for, none in a cluster; `None` where a tool is missing.
    pub(crate) fn new(count: usize) -> Option<Self> {
        if !["python3", "openssl", "ssh-keygen", "bash"].iter().all(|tool| support::have(tool)) {
            return None;
        }
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let nodes = Self { dir };
        fs::create_dir(nodes.dir.path().join("net")).expect("a folder");
        for node in 1..=count {
            nodes.make(node, count);
            nodes.plug(node);
        }
        let keys: String =
            (1..=count).map(|node| nodes.read(node, "root/.ssh/id_rsa.pub")).collect::<Vec<_>>().concat();
        for node in 1..=count {
            nodes.write(node, "root/.ssh/authorized_keys", &keys);
            nodes.on(node, "pmxcfs", &[]).ok();
            nodes.on(node, "pvecm", &["updatecerts"]).ok();
        }
        Some(nodes)
    }

    /// What an image has when it starts for the first time; the ssh keys are the profile's, so they stay the same.
    pub(crate) fn make(&self, node: usize, count: usize) {
        let known: String = (1..=count)
            .map(|n| format!("10.0.0.{n} ssh-rsa HOST{n}\n10.1.0.{n} ssh-rsa HOST{n}\n"))
            .collect();
        let hosts: String = (1..=count).map(|n| format!("10.0.0.{n} n{n}\n")).collect();
        self.write(node, "etc/hosts", &hosts);
        self.write(node, "etc/hostname", &format!("n{node}\n"));
        self.write(node, "etc/addresses", &format!("10.0.0.{node} 10.1.0.{node}\n"));
        self.write(node, "etc/ssh/ssh_known_hosts", &known);
        self.write(node, "etc/ssh/ssh_host_rsa_key.pub", &format!("ssh-rsa HOST{node} root\n"));
        self.write(node, "etc/ssh/sshd_config", "#PermitRootLogin prohibit-password\n");
        self.write(node, "pools", "data\n");
        self.write(node, "var/lib/vz/.keep", "");
        let key = self.root(node).join("root/.ssh/id_rsa");
        fs::create_dir_all(key.parent().expect("a folder")).expect("a folder");
        support::run(
            "ssh-keygen",
            &["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", key.to_str().expect("UTF-8")],
        );
    }

    /// The node's folder.
    pub(crate) fn root(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("n{node}"))
    }

    /// The node answers on both of its addresses.
    pub(crate) fn plug(&self, node: usize) {
        for net in 0..=1 {
            symlink(self.root(node), self.dir.path().join(format!("net/10.{net}.0.{node}"))).expect("a link");
        }
    }

    /// The node answers no more.
    pub(crate) fn unplug(&self, node: usize) {
        for net in 0..=1 {
            fs::remove_file(self.dir.path().join(format!("net/10.{net}.0.{node}"))).expect("a link");
        }
    }

    pub(crate) fn read(&self, node: usize, name: &str) -> String {
        let path = self.root(node).join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn write(&self, node: usize, name: &str, text: &str) {
        let path = self.root(node).join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("writing");
    }

    /// Runs one of the commands on a node.
    #[expect(clippy::disallowed_methods, reason = "the commands are what is tested")]
    pub(crate) fn on(&self, node: usize, command: &str, arguments: &[&str]) -> Said {
        let commands = support::repository().join("scripts/repositories/commands");
        let stubs = support::repository().join("tests/repositories/stubs");
        let path = std::env::var("PATH").expect("a path");
        let output = Command::new(commands.join(command))
            .args(arguments)
            .current_dir(Path::new("/"))
            .stdin(Stdio::null())
            .env("PATH", format!("{}:{path}", stubs.display()))
            .env("STANDIN_ROOT", self.root(node))
            .env("STANDIN_NET", self.dir.path().join("net"))
            .env("STANDIN_COMMANDS", commands)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .expect("running a command");
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command given as words in one line.
    pub(crate) fn line(&self, node: usize, line: &str) -> Said {
        let words: Vec<_> = line.split_whitespace().collect();
        self.on(node, words[0], &words[1..])
    }
}
