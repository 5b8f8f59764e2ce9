//! The same packages installed by real apt in a chroot of the same base, as the kernel shows the tree then.

use std::path::{Path, PathBuf};
use std::process::Command;

use pimg::guest::packages::LocalPackage;

use crate::layer::Tree;
use crate::support;

/// The tree of the base, and what it is with `names` installed out of these packages. `None` where only root may ask.
pub(crate) fn installed(
    base: &Path,
    names: &[&str],
    packages: &[LocalPackage],
    work: &Path,
) -> Option<(Tree, Tree)> {
    let tools = ["unshare", "mount", "chroot", "apt-ftparchive", "python3", "sfdisk"];
    if !tools.iter().all(|tool| support::have(tool)) {
        return None;
    }
    if support::run("id", &["-u"]).trim() != "0" {
        support::skip("a chroot needs root");
        return None;
    }
    let base = base.to_str()?;
    let table: serde_json::Value =
        serde_json::from_str(&support::run("sfdisk", &["--json", base])).expect("a table");
    let start = table["partitiontable"]["partitions"][1]["start"].as_u64().expect("a sector") * 512;
    let script = support::repository().join("tests/bake/oracle.sh");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--uts", "--pid", "--fork", "--"]).arg(script).args([base, &start.to_string()]);
    command.arg(work).arg(emulator()).args(packages.iter().map(|package| &package.file));
    let output = command.env("NAMES", names.join(" ")).output().expect("unshare runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (before, after) = text.split_once("==\n").expect("two trees");
    let tree = |text: &str| {
        let lines = text.lines().map(|line| line.split_once('\t').expect("a path and what it is"));
        lines.map(|(path, what)| (path.to_owned(), what.to_owned())).collect()
    };
    Some((tree(before), tree(after)))
}

fn emulator() -> PathBuf {
    let places = ["/usr/bin/qemu-aarch64-static", "/usr/bin/qemu-aarch64"].map(PathBuf::from);
    places.into_iter().find(|place| place.exists()).unwrap_or_default()
}
