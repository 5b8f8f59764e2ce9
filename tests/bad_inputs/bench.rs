//! A project of one small node, a command in it, and what is demanded of every end.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Case;
use crate::support::run;
use crate::tiny_base::TinyBase;

/// A command that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Address space of a command in KiB: nothing here explains more.
const MEMORY: u64 = 2 << 20;
/// Exit codes that a bad input may end with: all but done, internal and those of other commands.
const DOCUMENTED: [i32; 8] = [2, 3, 4, 5, 6, 7, 8, 9];
/// Longest message in the table.
const SHOWN: usize = 400;

pub(crate) const NODE: &str = r#"hostname = "tiny"
overlays = ["one"]

[base]
source = "base.img"

[image]
free = "16MiB"

[user]
name = "op"
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test"]

[locale]
default = "en_AU.UTF-8"
timezone = "Australia/Sydney"

[network]
address = "10.0.0.2/24"
gateway = "10.0.0.1"
dns = ["10.0.0.1"]
"#;

/// How a case ended.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    /// The error and its causes on one line.
    pub(crate) message: String,
    /// What is not as it must be.
    pub(crate) problem: Option<String>,
}

/// A project of one node, with the results of an earlier build.
pub(crate) struct Bench {
    dir: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let bench = Self { dir };
        bench.write("profiles/tiny.toml", NODE);
        bench.write("overlays/one/overlay.toml", "description = \"one\"\n");
        bench.write("overlays/one/rootfs/etc/motd", "hello\n");
        bench.write("out/tiny/tiny-0.img", "an earlier image\n");
        bench.write("out/tiny/manifest.json", "{}\n");
        bench
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and the directories above it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    }

    /// The profile with other text.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        assert!(NODE.contains(from), "{from}");
        self.write("profiles/tiny.toml", NODE.replacen(from, to, 1));
    }

    pub(crate) fn link(&self, name: &str, target: impl AsRef<Path>) {
        let path = self.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::os::unix::fs::symlink(target, path).expect("a link");
    }

    pub(crate) fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.join(name), fs::Permissions::from_mode(mode)).expect("a mode");
    }

    pub(crate) fn fifo(&self, name: &str) {
        fs::create_dir_all(self.join(name).parent().expect("a parent")).expect("a directory");
        run("mkfifo", &[self.join(name).to_str().expect("UTF-8")]);
    }

    /// A base in order: one for all, since nobody writes to it.
    pub(crate) fn base(&self) {
        self.link("base.img", sound_base());
    }

    /// A base of its own, to be damaged.
    pub(crate) fn own_base(&self) -> fs::File {
        let (from, to) = (sound_base(), self.join("base.img"));
        let [from, to] = [&from, &to].map(|path| path.to_str().expect("UTF-8"));
        run("cp", &["--sparse=always", "--reflink=auto", from, to]);
        fs::OpenOptions::new().read(true).write(true).open(to).expect("the base")
    }

    /// Runs the case and judges its end.
    pub(crate) fn run(&self, case: &Case) -> Outcome {
        (case.make)(self);
        let (out, cache) = (self.listing("out"), self.listing("cache"));
        // a limit of the shell's, since nothing else here may be unsafe
        let limited = format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"");
        let mut command = Command::new("bash");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_pimg"), "--progress", "none"]).args(&case.command);
        command.current_dir(self.dir.path()).stdin(Stdio::null()).env("NO_COLOR", "1");
        command.env("PIMG_CACHE", self.join("cache")).env("HOME", self.dir.path());
        command.env_remove("SOURCE_DATE_EPOCH").env_remove("XDG_CONFIG_HOME");
        command.stdout(fs::File::create(self.join("stdout")).expect("a file"));
        command.stderr(fs::File::create(self.join("stderr")).expect("a file"));
        let mut child = command.spawn().expect("starting pimg");
        let started = Instant::now();
        let status = loop {
            match child.try_wait().expect("asking for pimg") {
                Some(status) => break Some(status),
                None if started.elapsed() > PATIENCE => {
                    child.kill().expect("ending pimg");
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let told = String::from_utf8_lossy(&fs::read(self.join("stderr")).expect("stderr")).into_owned();
        let code = status.and_then(|status| status.code()).unwrap_or(-1);
        let kept = cache.iter().all(|(path, what)| self.listing("cache").get(path) == Some(what));
        let left: Vec<String> =
            self.listing("cache").into_keys().filter(|path| path.contains("/.")).collect();
        let problem = match code {
            _ if status.is_none() => Some("does not end".to_owned()),
            code if !DOCUMENTED.contains(&code) => Some(format!("exit code {code}: {told}")),
            _ if told.contains("panicked") || told.contains("internal error") => Some(told.clone()),
            _ if !told.contains("error: ") => Some(format!("no error is told: {told}")),
            _ if self.listing("out") != out => Some(format!("`out` was changed: {told}")),
            _ if !kept => Some(format!("the cache lost something: {told}")),
            _ if !left.is_empty() => Some(format!("the cache has unfinished work in it: {left:?}")),
            _ => None,
        };
        Outcome { code, message: self.message(&told), problem }
    }

    /// Everything below a directory of the project: paths, and what is there.
    fn listing(&self, name: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut pending = vec![self.join(name)];
        while let Some(path) = pending.pop() {
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            let kind = metadata.file_type();
            let what = if kind.is_dir() {
                pending.extend(
                    fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()),
                );
                "a directory".to_owned()
            } else if kind.is_symlink() {
                format!("a link to {}", fs::read_link(&path).expect("a link").display())
            } else if kind.is_fifo() {
                "a pipe".to_owned()
            } else if metadata.len() < 1 << 20 {
                format!("{:?}", fs::read(&path).expect("a file"))
            } else {
                format!("{} bytes", metadata.len())
            };
            // locks stay, and are empty
            if path.file_name().is_none_or(|name| name != ".lock") {
                found.insert(path.strip_prefix(self.dir.path()).expect("below").display().to_string(), what);
            }
        }
        found
    }

    /// The error, its causes and the problems it lists on one line, without what differs from run to run.
    fn message(&self, told: &str) -> String {
        let start = told.find("error: ").unwrap_or(0);
        let text = told[start..].replace(self.dir.path().to_str().expect("UTF-8"), "[PROJECT]");
        let text = text.split("\nhint: ").next().unwrap_or_default();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let joined = lines.collect::<Vec<_>>().join(" / ").replace("caused by: ", "");
        let words = joined.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let shown: String = words.map(redacted).collect();
        let short: String = shown.chars().take(SHOWN).collect();
        short.trim_end().to_owned() + if short.len() < shown.len() { "…" } else { "" }
    }
}

/// Checksums and digests follow the versions of the programs that make bases.
fn redacted(word: &str) -> String {
    let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let digits = bare.strip_prefix("0x").unwrap_or(bare);
    let is_sum = (bare.starts_with("0x") && digits.len() >= 4) || digits.len() >= 12;
    if is_sum && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        word.replace(bare, "[SUM]")
    } else {
        word.to_owned()
    }
}

/// The base in order.
pub(crate) fn sound_base() -> PathBuf {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let directory =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bad-inputs-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let mut base = TinyBase::new();
        base.script = "printf 'ea_set /etc/hosts user.note value\\n' | debugfs -w -f /dev/stdin \"$root\" >/dev/null 2>&1";
        base.make(&directory, "base.img")
    };
    BASE.get_or_init(make).clone()
}
