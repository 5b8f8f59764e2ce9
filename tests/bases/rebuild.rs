//! `pimg verify --rebuild`: an image against what its inputs make.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::SystemTime;

use crate::mount::sha256_of;
use crate::support::{Project, have, run};
use crate::tiny_base::TinyBase;
use crate::{built_image, have_tools, project, told};

/// A project whose base is an `.xz` of several blocks; nothing where that cannot be made.
fn project_with_base() -> Option<Project> {
    if !have_tools() || !have("xz") {
        return None;
    }
    let project = project();
    let base = TinyBase::new().make(project.path(), "base.img");
    run("xz", &["-1", "--block-size=1MiB", base.to_str().expect("UTF-8")]);
    let profile = project.join("profiles/tiny.toml");
    let text = fs::read_to_string(&profile).expect("a profile").replace("base.img", "base.img.xz");
    fs::write(profile, text).expect("a profile");
    Some(project)
}

fn pimg(project: &Project, arguments: &[&str], epoch: Option<&str>) -> Output {
    let mut command = project.pimg(&[arguments, &["--ssh-key", "test.pub"]].concat());
    command.env("PIMG_CACHE", project.join("cache"));
    if let Some(epoch) = epoch {
        command.env("SOURCE_DATE_EPOCH", epoch);
    }
    command.output().expect("running pimg")
}

fn build(project: &Project, more: &[&str], epoch: Option<&str>) -> PathBuf {
    let output = pimg(project, &[&["build", "--profile", "tiny"], more].concat(), epoch);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    built_image(project, &output)
}

/// Exit code and what was said.
fn rebuild(project: &Project, image: &Path) -> (Option<i32>, String) {
    let output = pimg(project, &["verify", "--rebuild", image.to_str().expect("UTF-8"), "--offline"], None);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &told(&output))
}

/// Every file of the project but the cache, with its digest and the time of its last change.
fn state(project: &Project) -> BTreeMap<PathBuf, (String, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![project.path().to_owned()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(path).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_symlink() || path == project.join("cache") {
                continue;
            }
            if path.is_dir() {
                pending.push(path);
            } else {
                let changed = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");
                found.insert(path.clone(), (sha256_of(&path), changed));
            }
        }
    }
    found
}

#[test]
fn an_image_is_what_its_inputs_make_again() {
    let Some(project) = project_with_base() else { return };
    let cases: [(&[&str], Option<&str>); 4] = [
        (&["--format", "zst"], None),
        (&["--format", "xz"], None),
        (&["--format", "raw", "--release"], None),
        // only the manifest tells when that was
        (&["--format", "zst"], Some("1000000000")),
    ];
    let mut images = Vec::new();
    for (more, epoch) in cases {
        let image = build(&project, more, epoch);
        let before = state(&project);
        let (code, text) = rebuild(&project, &image);
        assert_eq!(code, Some(0), "{more:?}: {text}");
        assert!(text.contains(": identical\n"), "{more:?}: {text}");
        assert_eq!(state(&project), before, "{more:?}: nothing is touched");
        let left: Vec<_> = fs::read_dir(project.join("cache")).expect("a cache").flatten().collect();
        assert!(left.iter().all(|entry| entry.file_name() != "rebuild-v1"), "{more:?}: nothing is left");
        images.push(sha256_of(&image));
    }
    assert_ne!(images[0], images[3], "another time is another image");
}

#[test]
fn a_changed_byte_is_found_with_its_file() {
    let Some(project) = project_with_base() else { return };
    let image = build(&project, &["--format", "raw"], None);
    let mut bytes = fs::read(&image).expect("the image");
    let at = bytes.windows(5).position(|window| window == b"tiny\n").expect("the host name is in it");
    bytes[at] = b'T';
    fs::write(&image, bytes).expect("writing");
    let (code, text) = rebuild(&project, &image);
    assert_eq!(code, Some(5), "{text}");
    assert!(
        text.contains(&format!("first byte of the raw image that differs: {at}, root partition, `/")),
        "{text}"
    );
    assert!(text.contains("no input that the manifest knows differs"), "{text}");
    assert!(text.contains("content"), "the file is in the table: {text}");
    // one that cannot even be decoded
    let image = build(&project, &["--format", "zst"], None);
    let mut bytes = fs::read(&image).expect("the image");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&image, bytes).expect("writing");
    let (code, text) = rebuild(&project, &image);
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains(&format!("first byte of the file that differs: {middle}\n")), "{text}");
    assert!(text.contains("the image cannot be read"), "{text}");
}

#[test]
fn the_input_that_differs_is_named() {
    let Some(project) = project_with_base() else { return };
    let image = build(&project, &[], None);
    let profile = project.join("profiles/tiny.toml");
    let honest = fs::read_to_string(&profile).expect("a profile");
    fs::write(&profile, honest.replace("10.0.0.2/24", "10.0.0.3/24")).expect("a profile");
    let (code, text) = rebuild(&project, &image);
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("input `values of the profile`:") && text.contains("change of `/etc/"), "{text}");
    assert!(!text.contains("input `secret seed`"), "{text}");
    fs::write(&profile, honest).expect("a profile");

    let seed = project.join("secrets/tiny.seed");
    let own = fs::read_to_string(&seed).expect("a seed");
    fs::write(&seed, "ab".repeat(32) + "\n").expect("a seed");
    let (code, text) = rebuild(&project, &image);
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("input `secret seed`:") && !text.contains("values of the profile"), "{text}");
    // another seed would be another node: none is made
    fs::remove_file(&seed).expect("removing");
    let (code, text) = rebuild(&project, &image);
    assert!(code == Some(9) && !seed.exists(), "{text}");
    fs::write(&seed, own).expect("a seed");
    fs::set_permissions(&seed, fs::Permissions::from_mode(0o600)).expect("a mode");

    // a lock that has grown since names other things as well, and the image is the same
    let lock = project.join("pimg.lock");
    let locked = fs::read_to_string(&lock).expect("a lock");
    let other =
        format!("\n[[base]]\nurl = \"other.img\"\nsha256 = \"{0}\"\nraw_sha256 = \"{0}\"\n", "a".repeat(64));
    let at = locked.find("[[").expect("a table");
    fs::write(&lock, format!("{}{}\n{}", &locked[..at], other.trim_start(), &locked[at..])).expect("a lock");
    let (code, text) = rebuild(&project, &image);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(": identical\n") && text.contains("input `lock`:"), "{text}");
    fs::remove_file(&lock).expect("removing");
    assert_eq!(rebuild(&project, &image).0, Some(4));
}

#[test]
fn what_the_cache_derived_is_not_believed() {
    let Some(project) = project_with_base() else { return };
    build(&project, &[], None);
    // the list of digests that goes into images, each wrong in one digit
    let lists: Vec<_> = fs::read_dir(project.join("cache/sweep-v1")).expect("a bucket").flatten().collect();
    assert_eq!(lists.len(), 1);
    let list = fs::read_to_string(lists[0].path()).expect("a list");
    let wrong = |line: &str| format!("{}{}\n", if line.starts_with('0') { "1" } else { "0" }, &line[1..]);
    fs::write(lists[0].path(), list.lines().map(wrong).collect::<String>()).expect("a list");
    let image = build(&project, &[], None);
    let (code, text) = rebuild(&project, &image);
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("/var/lib/pimg/sha256sums"), "{text}");
}

#[test]
fn without_a_manifest_of_its_own_an_image_cannot_be_built_again() {
    let Some(project) = project_with_base() else { return };
    let image = build(&project, &[], None);
    let manifest = image.with_file_name("manifest.json");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let renamed = image.with_file_name("renamed.img.zst");
    fs::copy(&image, &renamed).expect("a copy");
    assert_eq!(rebuild(&project, &renamed).0, Some(0), "it has the digest that the manifest has");
    fs::write(&renamed, "another one").expect("writing");
    let (code, told) = rebuild(&project, &renamed);
    assert!(code == Some(2) && told.contains("tells of `tiny-"), "{told}");
    fs::write(&manifest, text.replace("\"build\"", "\"other\"")).expect("a manifest");
    let (code, told) = rebuild(&project, &image);
    assert!(code == Some(2) && told.contains("older pimg"), "{told}");
    fs::remove_file(&manifest).expect("removing");
    let (code, told) = rebuild(&project, &image);
    assert!(code == Some(2) && told.contains("there is no `"), "{told}");
}
