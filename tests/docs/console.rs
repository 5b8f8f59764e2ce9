//! What `console` blocks show is run: each line behind `$ `, page by page, in order. It has to end well, or with the
//! exit code of a line `? N` behind it, and to print what stands below it (`...` for any lines, `[..]` within one).
//!
//! README and tutorial begin in an empty directory, every other page in a project. There is no network: where a profile
//! names the vendor's image, a tiny one stands in, and packages and downloads are left out.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use snapbox::{Assert, IntoData};
use tempfile::TempDir;

use crate::pages::{Page, book};
use crate::support;
use crate::tiny_base::TinyBase;

/// A command of a page, and what it is to do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    command: String,
    output: String,
    code: i32,
}

/// The commands of a `console` block.
fn commands(block: &str) -> Vec<Shown> {
    let mut commands: Vec<Shown> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push(Shown { command: command.to_owned(), ..Shown::default() });
            continue;
        }
        let Some(last) = commands.last_mut() else { panic!("output without a command: `{line}`") };
        if last.command.ends_with('\\') || has_open_text(&last.command) {
            last.command += &format!("\n{line}");
        } else if let Some(code) = line.strip_prefix("? ") {
            last.code = code.parse().unwrap_or_else(|_| panic!("`{line}` is no exit code"));
        } else {
            last.output += &format!("{line}\n");
        }
    }
    commands
}

/// Whether the text that `<<'END'` begins has not ended yet.
fn has_open_text(command: &str) -> bool {
    command.contains("<<'END'") && command.lines().last() != Some("END")
}

/// A base that a build takes in a second, made once.
fn tiny_base() -> &'static Path {
    static BASE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, base) = BASE.get_or_init(|| {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let base = TinyBase::new().make(dir.path(), "base.img");
        (dir, base)
    });
    base
}

fn have_tools() -> bool {
    ["bash", "mke2fs", "mkfs.vfat", "mcopy", "sfdisk", "ssh-keygen"].iter().all(|tool| support::have(tool))
}

/// A shell of somebody who reads: a home with an ssh key, a directory, pimg on the path.
pub(crate) struct Session {
    root: TempDir,
    cwd: PathBuf,
    base: PathBuf,
}

impl Session {
    /// In an empty directory; `None` where a tool is missing.
    pub(crate) fn new() -> Option<Self> {
        if !have_tools() {
            return None;
        }
        let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let make = |name: &str| fs::create_dir_all(root.path().join(name)).expect("a directory");
        ["home/.ssh", "bin", "work"].into_iter().for_each(make);
        symlink(env!("CARGO_BIN_EXE_pimg"), root.path().join("bin/pimg")).expect("a link");
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f you@laptop\n";
        fs::write(root.path().join("home/.ssh/id_ed25519.pub"), key).expect("a key");
        let cwd = root.path().join("work");
        Some(Self { root, cwd, base: tiny_base().to_owned() })
    }

    /// In a project: a copy of the repository's profiles and overlays.
    fn in_project() -> Option<Self> {
        Some(Self::new()?.with_project())
    }

    /// In a project that builds on this base.
    pub(crate) fn on_base(base: PathBuf) -> Option<Self> {
        Some(Self { base, ..Self::new()? }.with_project())
    }

    fn with_project(self) -> Self {
        for part in ["profiles", "overlays", "docs/reference"] {
            support::copy_tree(&support::repository().join(part), &self.cwd.join(part));
        }
        self.stand_in();
        self
    }

    /// Lets every project in the session build without the network.
    fn stand_in(&self) {
        let work = self.root.path().join("work");
        let inner = fs::read_dir(&work).expect("a directory").map(|entry| entry.expect("an entry").path());
        for project in inner.chain([work]).filter(|directory| directory.join("profiles").is_dir()) {
            let profiles = fs::read_dir(project.join("profiles")).expect("a directory");
            profiles.for_each(|entry| stand_in_profile(&entry.expect("an entry").path(), &self.base));
            let Ok(overlays) = fs::read_dir(project.join("overlays")) else { continue };
            for entry in overlays {
                rewrite(&entry.expect("an entry").path().join("overlay.toml"), without_packages);
            }
        }
    }

    /// pimg's environment and directory, for `bash -c SCRIPT`.
    pub(crate) fn bash(&self, script: &str) -> Command {
        let mut bash = Command::new("bash");
        bash.args(["-c", script]).current_dir(&self.cwd).stdin(Stdio::null()).env_clear();
        let path = std::env::var("PATH").unwrap_or_default();
        bash.env("PATH", format!("{}:{path}:/usr/sbin:/sbin", self.root.path().join("bin").display()));
        bash.env("HOME", self.root.path().join("home")).env("PIMG_CACHE", self.root.path().join("cache"));
        bash.env("EDITOR", "true").env("LANG", "C.UTF-8").env("COLUMNS", "100").env("NO_COLOR", "1");
        bash
    }

    /// Runs one command of a page; `Err` says what was not as shown.
    fn run(&mut self, shown: &Shown) -> Result<(), String> {
        self.stand_in();
        let pwd = self.root.path().join("pwd");
        let script = format!("exec 2>&1; trap 'pwd >\"{}\"' EXIT; {}", pwd.display(), shown.command);
        let output = self.bash(&script).output().expect("bash runs");
        self.cwd = fs::read_to_string(&pwd).map_or(self.cwd.clone(), |text| text.trim_end().into());
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let code = output.status.code().unwrap_or(-1);
        if code != shown.code {
            return Err(format!("exit code {code} instead of {}:\n{printed}", shown.code));
        }
        if shown.output.is_empty() {
            return Ok(());
        }
        let compared = Assert::new().try_eq(
            Some(&shown.command),
            format!("{}\n", printed.trim_end()).into_data(),
            shown.output.clone().into_data(),
        );
        compared.map_err(|error| format!("{error}"))
    }

    /// Runs the commands of a page, up to the first that is not as shown.
    fn follow(&mut self, page: &Page) -> Result<usize, String> {
        let blocks = page.blocks().into_iter().filter(|block| block.language == "console");
        let shown: Vec<_> = blocks.flat_map(|block| commands(&block.text)).collect();
        for shown in &shown {
            self.run(shown).map_err(|error| format!("{}: `$ {}`: {error}", page.path, shown.command))?;
        }
        Ok(shown.len())
    }
}

fn rewrite(file: &Path, change: impl Fn(&str) -> String) {
    let Ok(text) = fs::read_to_string(file) else { return };
    let changed = change(&text);
    if changed != text {
        fs::write(file, changed).expect("writing a file of the session");
    }
}

fn without_packages(text: &str) -> String {
    support::without_tables(text, &["packages", "download"])
}

fn stand_in_profile(file: &Path, base: &Path) {
    rewrite(file, |text| {
        let text = without_packages(text);
        if !text.contains("downloads.raspberrypi.com") {
            return text;
        }
        let base = format!("[base]\nsource = \"{}\"\n\n[image]\nfree = \"16MiB\"\n", base.display());
        support::without_tables(&text, &["base"]) + &base
    });
}

/// The book's pages of a directory, in the order of the book.
fn in_order(directory: &str) -> Vec<Page> {
    let listed = Page::read("docs/SUMMARY.md").links();
    let listed = listed.into_iter().map(|link| format!("docs/{link}"));
    listed.filter(|path| path.starts_with(directory)).map(|path| Page::read(&path)).collect()
}

#[test]
fn the_readme_to_the_letter() {
    let Some(mut session) = Session::new() else { return };
    session.follow(&Page::read("README.md")).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_tutorial_to_the_letter() {
    let Some(mut session) = Session::new() else { return };
    let mut run = 0;
    for page in in_order("docs/tutorial/") {
        run += session.follow(&page).unwrap_or_else(|error| panic!("{error}"));
    }
    assert!(run > 5, "only {run} commands");
}

#[test]
fn every_other_page_of_the_book() {
    let mut problems = Vec::new();
    for path in book().iter().filter(|path| !path.starts_with("docs/tutorial/")) {
        let page = Page::read(path);
        if !page.blocks().iter().any(|block| block.language == "console") {
            continue;
        }
        let Some(mut session) = Session::in_project() else { return };
        problems.extend(session.follow(&page).err());
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

#[test]
fn blocks_are_taken_apart_and_differences_seen() {
    let block = "$ echo a \\\n  b\n$ false\n? 1\n$ cat <<'END'\none $ two\nEND\none [..]\n";
    let shown = commands(block);
    assert_eq!(shown[0], Shown { command: "echo a \\\n  b".to_owned(), ..Shown::default() });
    assert_eq!((shown[1].code, shown[2].output.as_str()), (1, "one [..]\n"));
    let Some(mut session) = Session::new() else { return };
    shown.iter().for_each(|shown| session.run(shown).expect("is as shown"));
    for (command, output, code) in [("false", "", 0), ("echo a", "b\n", 0), ("true", "", 1)] {
        let shown = Shown { command: command.to_owned(), output: output.to_owned(), code };
        session.run(&shown).expect_err("is not as shown");
    }
    session.run(&commands("$ mkdir x && cd x\n")[0]).expect("ends well");
    session.run(&commands("$ basename \"$PWD\"\nx\n")[0]).expect("the directory stays");
}
