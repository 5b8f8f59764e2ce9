//! Real packages of Debian, for nodes of arm64: what apt of this machine chooses, downloaded once.

use std::fs;
use std::path::{Path, PathBuf};

use pimg_fetch::digest::Sha256Digest;

use crate::support::{Project, skip};

/// A directory with the packages of these names for a node with this dpkg status, dependencies among them. `None` where
/// Debian is out of reach.
pub(crate) fn downloaded(project: &Project, status: &[u8], names: &[&str]) -> Option<PathBuf> {
    let key = Sha256Digest::of(&[status, names.join(" ").as_bytes()].concat()).to_string();
    let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))?;
    let kept = home.join("pimg-test").join(format!("packages-{}", key.get(..16)?));
    if !kept.join("complete").exists() {
        download(&project.join("apt"), status, &kept, names)?;
        fs::write(kept.join("complete"), "").expect("writing a mark");
    }
    Some(kept)
}

/// Debian's mirror is the one that this machine uses: no other is named here.
fn download(work: &Path, status: &[u8], kept: &Path, names: &[&str]) -> Option<()> {
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
    let output = std::process::Command::new("bash").args(arguments).output().expect("running bash");
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        skip(&format!("the packages cannot be downloaded here:\n{told}"));
        return None;
    }
    Some(())
}
