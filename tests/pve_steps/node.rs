//! A node in a folder: scripts with their absolute paths moved into it, and commands that record how they were called.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

/// What the steps name by absolute paths; everything else is this machine's.
const MOVED: [&str; 11] = [
    "/etc/",
    "/var/",
    "/usr/lib/pimg",
    "/usr/share/",
    "/dev/disk",
    "/dev/nvme",
    "/sys/",
    "/run/",
    "/root/",
    "/root",
    "/lib/modules",
];

/// A node, and how a step ended on it.
pub(crate) struct Node {
    directory: tempfile::TempDir,
}

/// How a step ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit status: 0 done, 78 a person is needed, anything else is tried again.
    pub(crate) status: i32,
    /// Everything that the step and its commands printed.
    pub(crate) log: String,
}

impl Ended {
    pub(crate) fn done(&self) {
        assert_eq!(self.status, 0, "{}", self.log);
    }

    /// Stopped for good, with these words in what it says.
    pub(crate) fn stopped(&self, words: &[&str]) {
        assert_eq!(self.status, 78, "{}", self.log);
        self.says(words);
    }

    /// Will be tried again, with these words in what it says.
    pub(crate) fn retries(&self, words: &[&str]) {
        assert!(![0, 78].contains(&self.status), "{}", self.log);
        self.says(words);
    }

    /// Was waiting when it was ended, for these words.
    pub(crate) fn waited(&self, words: &[&str]) {
        let waits: Vec<_> = self.log.lines().filter(|line| line.contains("pimg: waiting: ")).collect();
        assert!(!waits.is_empty(), "{}", self.log);
        assert!(
            words.iter().all(|word| waits.iter().any(|wait| wait.contains(word))),
            "{words:?}: {waits:#?}"
        );
    }

    fn says(&self, words: &[&str]) {
        let last = self.log.lines().rev().find(|line| line.starts_with("pimg: ")).unwrap_or_default();
        assert!(words.iter().all(|word| last.contains(word)), "{words:?}: {last}\n{}", self.log);
    }
}

impl Node {
    /// A node with the library of steps and these overlays' files.
    pub(crate) fn new(overlays: &[&str]) -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let node = Self { directory };
        for place in ["stubs", "steps", "etc/pimg", "run", "var/lib/pimg", "root/.ssh", "etc/pve"] {
            fs::create_dir_all(node.path(place)).expect("a folder");
        }
        let library = node.path("usr/lib/pimg");
        node.copy(&project.join("builder/pimg/guest/steps"), &library);
        for overlay in overlays {
            let overlay = project.join("overlays").join(overlay);
            node.copy(&overlay.join("rootfs/usr/lib/pimg"), &library);
            node.copy(&overlay.join("steps"), &node.path("steps"));
        }
        let step = library.join("step.sh");
        let text = fs::read_to_string(&step).expect("the library of steps");
        fs::write(step, format!("{text}\nPATH={}:$PATH\n", node.path("stubs").display())).expect("writes");
        node.stub("sync", "");
        node.stub("systemctl", "");
        // a step that waits for ever is ended after a few rounds
        node.stub("sleep", "[ ! -e $root/on-sleep ] || . $root/on-sleep; n=$(cat $root/slept 2>/dev/null || echo 0); echo $((n + 1)) >$root/slept; [ $n -lt $(cat $root/patience 2>/dev/null || echo 6) ] || kill -9 $PPID");
        node
    }

    /// Where a path of the node is; without a leading `/`.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// The node's folder as text.
    pub(crate) fn root(&self) -> String {
        self.directory.path().display().to_string()
    }

    pub(crate) fn put(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("is below the node")).expect("a folder");
        fs::write(path, text).expect("writes");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).expect("is there");
    }

    /// Puts bash in the place of a command; `$root` is the node's folder.
    pub(crate) fn stub(&self, name: &str, body: &str) {
        let text = format!("#!/bin/bash\nroot={}\necho \"{name} $*\" >>$root/calls\n{body}\n", self.root());
        let path = self.path("stubs").join(name);
        fs::write(&path, text).expect("writes");
        fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("is ours");
    }

    /// The calls so far, oldest first.
    pub(crate) fn calls(&self) -> String {
        self.read("calls").replace(&self.root(), "")
    }

    pub(crate) fn called(&self, start: &str) -> bool {
        self.calls().lines().any(|call| call.starts_with(start))
    }

    pub(crate) fn forget_calls(&self) {
        self.put("calls", "");
        self.put("slept", "0");
    }

    /// Whether the step has its stamp.
    pub(crate) fn is_done(&self, step: &str) -> bool {
        self.has(&format!("var/lib/pimg/done/{step}"))
    }

    /// Runs a step.
    #[expect(clippy::disallowed_methods, reason = "the step is a program")]
    pub(crate) fn run(&self, step: &str) -> Ended {
        self.put("slept", "0");
        let mut command = std::process::Command::new("bash");
        let output = command.arg(self.path("steps").join(step)).current_dir(self.directory.path()).output();
        let output = output.expect("bash runs");
        let mut log = String::from_utf8_lossy(&output.stdout).into_owned();
        write!(log, "{}", String::from_utf8_lossy(&output.stderr)).expect("a string takes it");
        let log = log.replace(&self.root(), "");
        let status = output.status.code().unwrap_or(-1);
        assert_eq!(
            status == 0,
            self.is_done(step),
            "a stamp says that the step is done, and nothing else: {log}"
        );
        Ended { status, log }
    }

    fn copy(&self, from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("a folder");
        let Ok(entries) = fs::read_dir(from) else { return };
        for entry in entries {
            let entry = entry.expect("is readable");
            if !entry.path().is_file() || entry.path().extension().is_some_and(|kind| kind == "rs") {
                continue;
            }
            let text = fs::read_to_string(entry.path()).expect("is text");
            fs::write(to.join(entry.file_name()), self.moved(&text)).expect("writes");
        }
    }

    /// The text with absolute paths below the node's folder.
    fn moved(&self, text: &str) -> String {
        let root = self.root();
        let mut moved = String::with_capacity(text.len() * 2);
        let mut before = ' ';
        for (at, c) in text.char_indices() {
            let rest = &text[at..];
            let is_start = c == '/' && !before.is_alphanumeric() && !"/}.*-_".contains(before);
            if is_start && MOVED.iter().any(|path| rest.starts_with(path)) {
                moved.push_str(&root);
            }
            moved.push(c);
            before = c;
        }
        moved
    }
}
