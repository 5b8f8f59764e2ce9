#![expect(clippy::disallowed_methods, reason = "tests ask apt what it makes of the repository")]

use std::fs;
use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::{LocalPackage, PackageSet, changes};
use crate::guest::test_support::{EPOCH, at, put, skip, temporary, untouched};
use crate::plan::change::{Action, Change, Content};

fn package(name: &str, version: &str, architecture: &str) -> LocalPackage {
    LocalPackage {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: architecture.to_owned(),
        size: 5,
        sha256: "0".repeat(64),
        file: format!("/cache/{name}").into(),
        control: format!("Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"),
    }
}

fn set() -> PackageSet {
    PackageSet {
        install: vec![package("fzf", "1:0.60.3-1+b2", "arm64"), package("zsh-common", "5.9-8", "all")],
        remove: vec!["nano".to_owned()],
        hold: vec!["linux-image-rpi-v8".to_owned()],
        manual: vec!["zsh".to_owned(), "fzf".to_owned()],
        preseeds: vec!["postfix postfix/mailname string a".to_owned()],
        keep: false,
    }
}

#[test]
fn a_set_becomes_a_repository_and_lists() {
    let found = changes(&set(), EPOCH).expect("changes");
    let Action::PutFile { content: Content::HostFile { path, len, .. }, ownership } =
        &at(&found, "/var/lib/pimg/repo/pool/fzf_0.60.3-1+b2_arm64.deb").action
    else {
        panic!("a file of the host")
    };
    assert_eq!((path.as_path(), *len, ownership.mode), (Path::new("/cache/fzf"), 5, 0o644));
    let (index, _) = put(&found, "/var/lib/pimg/repo/Packages");
    let first = "Package: fzf\nVersion: 1:0.60.3-1+b2\nArchitecture: arm64\n\
                 Filename: pool/fzf_0.60.3-1+b2_arm64.deb\nSize: 5\nSHA256: 000";
    assert!(index.starts_with(first), "{index}");
    let (release, _) = put(&found, "/var/lib/pimg/repo/Release");
    assert!(release.contains("\nDate: Fri, 05 Dec 2025 00:00:00 +0000\n"), "{release}");
    for (list, text) in [
        ("install", "fzf:arm64=1:0.60.3-1+b2\nzsh-common:all=5.9-8\n"),
        ("remove", "nano\n"),
        ("hold", "linux-image-rpi-v8\n"),
        ("manual", "fzf\nzsh\n"),
    ] {
        assert_eq!(put(&found, &format!("/var/lib/pimg/packages/{list}")), (text.to_owned(), 0o644));
    }
    let answers = put(&found, "/var/lib/pimg/packages/answers");
    assert_eq!(answers, ("postfix postfix/mailname string a\n".to_owned(), 0o600));
    assert!(untouched(&found, "/var/lib/pimg/packages/keep"));
    let kept = changes(&PackageSet { keep: true, ..set() }, EPOCH).expect("changes");
    assert_eq!(put(&kept, "/var/lib/pimg/packages/keep").0, "");
}

#[test]
fn apts_own_timers_wait_for_the_step() {
    let found = changes(&set(), EPOCH).expect("changes");
    for service in ["apt-daily", "apt-daily-upgrade"] {
        let (quiet, _) = put(&found, &format!("/etc/systemd/system/{service}.service.d/pimg.conf"));
        assert!(quiet.ends_with("ConditionPathExists=/var/lib/pimg/done/packages\n"));
    }
}

#[test]
fn a_set_that_asks_for_nothing_leaves_no_trace() {
    let nothing = PackageSet { keep: true, ..PackageSet::default() };
    assert!(changes(&nothing, EPOCH).expect("changes").is_empty());
    let held = PackageSet { hold: vec!["zsh".to_owned()], ..PackageSet::default() };
    let found = changes(&held, EPOCH).expect("changes");
    assert_eq!(put(&found, "/var/lib/pimg/packages/hold").0, "zsh\n");
    assert!(found.iter().all(|change| !change.path.as_str().contains("repo")), "apt refuses an empty index");
}

#[test]
fn what_would_be_read_as_something_else_is_refused() {
    let refuse = |change: fn(&mut PackageSet), expected: &str| {
        let mut set = set();
        change(&mut set);
        let error = changes(&set, EPOCH).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    };
    refuse(|set| set.install[0] = package("../../etc/x", "1", "arm64"), "not a package's name");
    refuse(|set| set.install[0] = package("-o", "1", "arm64"), "not a package's name");
    refuse(|set| set.install[0] = package("fzf", "1 2", "arm64"), "not a version");
    refuse(|set| set.install[0].control.push_str("\n\nPackage: other\n"), "one stanza is all");
    refuse(|set| set.install[0].version = "2".to_owned(), "another `Version`: expected `2`");
    refuse(|set| set.install[1] = set.install[0].clone(), "twice");
    refuse(|set| set.remove.push("nano\nzsh".to_owned()), "not a package's name");
    refuse(|set| set.preseeds.push("a b string c\nd".to_owned()), "more than one line");
}

/// A real `.deb` that holds nothing, with more fields in its control file.
fn deb(dir: &Path, name: &str, version: &str, architecture: &str, more: &str) -> Option<LocalPackage> {
    let root = dir.join(format!("{name}-{architecture}"));
    fs::create_dir_all(root.join("DEBIAN")).expect("a directory");
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: Test <t@example.org>\n\
         {more}Description: test\n more of it\n"
    );
    fs::write(root.join("DEBIAN/control"), &control).expect("a control file");
    let file = root.with_extension("deb");
    let built = Command::new("dpkg-deb").args(["--root-owner-group", "-b"]).arg(&root).arg(&file).output();
    let Ok(built) = built else {
        skip("`dpkg-deb`");
        return None;
    };
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let bytes = fs::read(&file).expect("the package");
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let size = bytes.len() as u64;
    Some(LocalPackage { file, control, sha256, size, ..package(name, version, architecture) })
}

/// Writes every file of a plan below a directory.
fn write_out(found: &[Change], root: &Path) {
    for change in found {
        let path = root.join(change.path.as_str().trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        match &change.action {
            Action::PutFile { content: Content::Bytes(bytes), .. } => fs::write(path, bytes).expect("a file"),
            Action::PutFile { content: Content::HostFile { path: from, .. }, .. } => {
                fs::copy(from, path).expect("a file");
            }
            _ => {}
        }
    }
}

/// apt, with all that it knows in `root` and that one source.
fn apt(root: &Path, arguments: &[&str]) -> Option<String> {
    let source = root.join("etc/apt/sources.list.d/pimg-embedded.sources");
    let text = fs::read_to_string(&source).expect("the source");
    let here = text.replace("file:/var", &format!("file:{}/var", root.display()));
    let ours = root.join("here.sources");
    fs::write(&ours, here).expect("the source");
    for directory in ["lists/partial", "cache/archives/partial", "dpkg"] {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    // nothing of this machine's own configuration
    let configuration = root.join("apt.conf");
    fs::write(&configuration, "Dir::Etc::Main \"/dev/null\";\nDir::Etc::Parts \"/dev/null\";\n")
        .expect("a file");
    let option = |key: &str, value: &Path| format!("{key}={}", value.display());
    let options = [
        option("Dir::State", root),
        option("Dir::Cache", &root.join("cache")),
        option("Dir::State::Lists", &root.join("lists")),
        option("Dir::State::status", &root.join("status")),
        option("Dir::Etc::SourceList", &ours),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        "Dir::Etc::Preferences=/dev/null".to_owned(),
        "Dir::Etc::PreferencesParts=/dev/null".to_owned(),
        "APT::Architecture=arm64".to_owned(),
        "APT::Architectures=arm64,armhf".to_owned(),
        "APT::Sandbox::User=".to_owned(),
        "APT::Update::Error-Mode=any".to_owned(),
    ];
    let mut command = Command::new("apt-get");
    command.env("LC_ALL", "C.UTF-8").env("APT_CONFIG", &configuration);
    command.args(options.iter().flat_map(|option| ["-o", option.as_str()])).args(arguments);
    let Ok(output) = command.output() else {
        skip("`apt-get`");
        return None;
    };
    let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && wrong.is_empty(), "apt-get {arguments:?}:\n{told}{wrong}");
    Some(told.into_owned())
}

/// Dependencies, a version with an epoch, a foreign architecture, a removal, and a node whose clock is years behind.
#[test]
fn apt_installs_the_set_with_no_other_source() {
    let dir = temporary();
    let make = |name, version, architecture, more| deb(dir.path(), name, version, architecture, more);
    let debs = [
        make("zsh", "5.9-8+b14", "arm64", "Depends: zsh-common (= 5.9-8), libc6 (>= 2.38)\nConflicts: csh\n"),
        make("zsh-common", "5.9-8", "all", ""),
        make("g++", "4:14.2.0-1~deb13", "arm64", "Pre-Depends: libstd\n"),
        make("libstd", "1", "arm64", "Multi-Arch: same\n"),
        make("libstd", "1", "armhf", "Multi-Arch: same\n"),
    ];
    let Some(install) = debs.into_iter().collect::<Option<Vec<_>>>() else { return };
    let set = PackageSet { install, remove: vec!["csh".to_owned()], ..PackageSet::default() };
    let root = dir.path().join("node");
    // the year 2100: nobody asks the clock
    write_out(&changes(&set, 4_102_444_800).expect("changes"), &root);
    let installed = |name: &str, version: &str| {
        format!("Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: arm64\n\n")
    };
    fs::write(root.join("status"), installed("libc6", "2.41-12") + &installed("csh", "1")).expect("a status");
    if apt(&root, &["update"]).is_none() {
        return;
    }
    let list = |name: &str| {
        let text = fs::read_to_string(root.join("var/lib/pimg/packages").join(name)).expect("a list");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let exact = list("install");
    let mut arguments = vec!["-s", "-y", "--no-install-recommends", "install", "csh-"];
    arguments.extend(exact.iter().map(String::as_str));
    let told = apt(&root, &arguments).expect("apt is here");
    let mut steps: Vec<_> = told.lines().filter(|line| line.starts_with(['I', 'R'])).collect();
    steps.retain(|line| line.starts_with("Inst ") || line.starts_with("Remv "));
    steps.sort_unstable();
    let mut names: Vec<_> = steps.iter().map(|line| line.split('[').next().unwrap_or_default()).collect();
    names.iter_mut().for_each(|line| *line = line.split(" (").next().unwrap_or_default().trim_end());
    assert_eq!(
        names,
        ["Inst g++", "Inst libstd", "Inst libstd:armhf", "Inst zsh", "Inst zsh-common", "Remv csh"],
        "{told}"
    );
    // and by name alone, as an operator would
    let told = apt(&root, &["-s", "-y", "install", "zsh", "g++"]).expect("apt is here");
    assert!(told.contains("Inst zsh (5.9-8+b14 pimg:embedded [arm64])"), "{told}");
    // the files are found and are what the index says
    let told = apt(&root, &["-y", "--download-only", "install", "zsh", "g++"]).expect("apt is here");
    assert!(told.contains("Download complete"), "{told}");
}
