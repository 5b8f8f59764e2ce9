//! Packages of Debian for the base of the tests, downloaded once from the mirror that this machine uses.
#![expect(clippy::disallowed_methods, reason = "tests run apt")]
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pimg::guest::packages::LocalPackage;
use pimg_fetch::digest::Sha256Digest;

use crate::support;

/// What apt of this machine chooses for a node with this status that asks for `names`; `work` is a directory for it.
/// `None` where Debian is out of reach.
pub(crate) fn downloaded(names: &[&str], status: &[u8], work: &Path) -> Option<Vec<LocalPackage>> {
    let kept = directory(names, status, work)?;
    let entries = fs::read_dir(&kept).expect("the downloaded packages");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "deb"));
    files.sort();
    Some(files.into_iter().map(local_package).collect())
}

/// The directory with the files of the same.
pub(crate) fn directory(names: &[&str], status: &[u8], work: &Path) -> Option<PathBuf> {
    let key = Sha256Digest::of(&[status, names.join(" ").as_bytes()].concat()).to_string();
    let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))?;
    let kept = home.join("pimg-test").join(format!("packages-{}", key.get(..16)?));
    if !kept.join("complete").exists() {
        download(names, work, status, &kept)?;
        fs::write(kept.join("complete"), "").expect("writing a mark");
    }
    Some(kept)
}

/// Whether Debian's archive is in reach of this machine: its own apt says.
pub(crate) fn archive_answers() -> bool {
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let script = r#"
        uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u | head -n 1)
        [ -n "$uri" ] && apt-get -q download hello
    "#;
    let mut bash = Command::new("bash");
    let done = bash.args(["-c", script]).current_dir(work.path()).output();
    let answers = done.is_ok_and(|output| output.status.success());
    if !answers {
        support::skip("Debian's archive does not answer");
    }
    answers
}

pub(crate) fn local_package(file: PathBuf) -> LocalPackage {
    let path = file.to_str().expect("UTF-8");
    let control = support::run("dpkg-deb", &["-I", path, "control"]);
    let field = |name: &str| support::run("dpkg-deb", &["-f", path, name]).trim().to_owned();
    let (name, version, architecture) = (field("Package"), field("Version"), field("Architecture"));
    let bytes = fs::read(&file).expect("a package");
    let (size, sha256) = (bytes.len() as u64, Sha256Digest::of(&bytes).to_string());
    LocalPackage { name, version, architecture, size, sha256, file, control }
}

/// Debian's mirror is the one that this machine uses: no other is named here.
fn download(names: &[&str], work: &Path, status: &[u8], kept: &Path) -> Option<()> {
    let script = r#"
        set -euo pipefail
        cd "$1" && mkdir -p lists/partial cache/archives/partial etc "$2"
        codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
        uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $codename" | sort -u | head -n 1)
        printf 'deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main\n' "$uri" >sources.list
        apt=(apt-get -q -y -o Dir::State="$1" -o Dir::Cache="$1/cache" -o Dir::State::Lists="$1/lists"
          -o Dir::State::status="$1/status" -o Dir::Etc::SourceList="$1/sources.list" -o Dir::Etc::SourceParts=/dev/null
          -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
          -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Acquire::Languages=none -o APT::Sandbox::User=
          -o APT::Update::Error-Mode=any -o Debug::NoLocking=1)
        "${apt[@]}" update
        "${apt[@]}" --no-install-recommends --download-only install "${@:3}"
        cp cache/archives/*.deb "$2"
    "#;
    fs::create_dir_all(work).expect("a directory");
    fs::write(work.join("status"), status).expect("writing the status");
    let mut arguments = vec!["-c", script, "download", work.to_str()?, kept.to_str()?];
    arguments.extend(names);
    let output = Command::new("bash").args(arguments).output().expect("running bash");
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        support::skip(&format!("the packages cannot be downloaded here:\n{told}"));
        return None;
    }
    Some(())
}
