//! A disk of growing size below `out/`, below the cache, and below the directory for temporary files.
//!
//! The disk is a `tmpfs` in a namespace of its own, which needs no root where the kernel lets users have namespaces.

use std::fs;

use crate::{BUILD, Site, expected, have_tools, names_a_file, support};

/// Sizes in KiB. The last has room for everything.
const SIZES: [u32; 9] = [4, 16, 64, 256, 600, 1024, 2048, 4096, 65536];

/// Mounts a disk of `$2` KiB at `$1`, builds, says what is there, gives it room and builds again.
const SCRIPT: &str = r#"
mount -t tmpfs -o "size=$2k" none "$1"
[ "$1" != out ] || { mkdir -p out/tiny && echo an earlier image >out/tiny/tiny-0.img; }
cp -r out before
code=0
"${@:3}" >stdout 2>stderr || code=$?
echo "$code" >code
cp -r out after
mount -o remount,size=1g none "$1"
"${@:3}" >stdout.again 2>stderr.again
cp -r out again
"#;

fn have_namespaces() -> bool {
    let works = std::process::Command::new("unshare")
        .args(["--mount", "--map-root-user", "bash", "-c", "mount -t tmpfs -o size=16k none /mnt"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !works {
        support::skip("no mounts in a namespace of one's own here");
    }
    works
}

#[test]
fn a_full_disk_loses_nothing_wherever_it_is() {
    if !have_tools() || !have_namespaces() {
        return;
    }
    for place in ["out", "cache", "tmp"] {
        let ends: Vec<String> = SIZES.iter().map(|&size| fill(place, size)).collect();
        println!("{place:<6} {}", ends.join(" "));
        assert!(ends.last().is_some_and(|end| end == "0"), "{place}: the largest disk has room");
        // nothing large goes to the directory for temporary files
        assert!(place == "tmp" || ends.iter().any(|end| end == "9"), "{place}: the smallest disks have none");
    }
}

/// Builds on a disk of this size, and again when there is room: the exit code of the first build.
fn fill(place: &str, size: u32) -> String {
    let site = Site::new();
    fs::create_dir_all(site.join("tmp")).expect("a directory");
    if place == "cache" {
        fs::create_dir_all(site.join("cache")).expect("a directory");
    }
    let mut command = site.command("unshare");
    command.args(["--mount", "--map-root-user", "bash", "-euc", SCRIPT, "bash", place, &size.to_string()]);
    command.arg(env!("CARGO_BIN_EXE_pimg")).args(BUILD).env("TMPDIR", site.join("tmp"));
    let output = command.output().expect("running unshare");
    let read = |name: &str| fs::read_to_string(site.join(name)).unwrap_or_default();
    let what = format!("{place} of {size} KiB");
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    let (code, told) = (read("code").trim().to_owned(), read("stderr"));
    assert!(["0", "9"].contains(&code.as_str()), "{what}: exit code {code}: {told}");
    assert!(!told.contains("panicked"), "{what}: {told}");
    if code == "9" {
        assert!(names_a_file(&told), "{what}: {told}");
        assert_eq!(site.tree("after"), site.tree("before"), "{what}: {told}");
    } else {
        assert_eq!(&site.tree("after"), expected(), "{what}: {told}");
    }
    assert_eq!(&site.tree("again"), expected(), "{what}: {}", read("stderr.again"));
    code
}
