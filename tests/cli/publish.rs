//! `pimg publish` of directories that a build may have left: what is fit is laid out, what is not is refused, and the
//! release that was there stays as it was.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use pimg_fetch::Sha256Digest;

use super::Project;
use super::support::have;
use super::tiny_base::TinyBase;

/// Digest of `image`.
const SHA256: &str = "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d";
const URL: &str = "https://example.org/pi";

/// What a build leaves for a host, by version.
fn built(project: &Project, host: &str, version: &str, release: bool) {
    let file = |name: &str| format!("out/{host}/{name}");
    let image = format!("{host}-{version}.img.zst");
    project.write(&file(&image), "image");
    project.write(&file(&format!("{image}.sha256")), &format!("{SHA256}  {image}\n"));
    project.write(&file(&format!("{host}-{version}.img.bmap")), "<bmap/>");
    project.write(&file("sbom.spdx.json"), "{}");
    project.write(&file("provenance.json"), "{}");
    project.write(&file("manifest.json"), &manifest(host, version, release, "/etc/shadow"));
}

fn manifest(host: &str, version: &str, release: bool, secret: &str) -> String {
    format!(
        r#"{{"schema": 1, "hostname": "{host}", "version": "{version}", "build": {{"release": {release}, "source_date_epoch": 1764859613}},
            "base": {{"source": "base.img.xz"}},
            "image": {{"file": "{host}-{version}.img.zst", "size": 5, "sha256": "{SHA256}",
                       "raw_size": 10, "raw_sha256": "00"}},
            "changes": [{{"path": "{secret}", "secret": true}}, {{"path": "/etc/hostname"}}]}}"#
    )
}

/// A small image that says of itself that it has no secrets, compressed; `None` without the tools that make one.
fn image() -> Option<&'static [u8]> {
    static IMAGE: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let make = || {
        if !["mke2fs", "mkfs.vfat", "mcopy", "sfdisk"].iter().all(|tool| have(tool)) {
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let mut base = TinyBase::new();
        base.boot.insert("pimg-release.txt".to_owned(), b"no secrets\n".to_vec());
        let raw = base.make(directory.path(), "base.img");
        Some(zstd::encode_all(fs::File::open(raw).expect("the image"), 1).expect("memory"))
    };
    IMAGE.get_or_init(make).as_deref()
}

/// As [`built`], with an image that can be opened: publishing goes to its end.
fn built_whole(project: &Project, host: &str, version: &str) -> Option<()> {
    let image = image()?;
    built(project, host, version, true);
    let (directory, name) = (project.path().join("out").join(host), format!("{host}-{version}.img.zst"));
    fs::write(directory.join(&name), image).expect("a file");
    let sha256 = Sha256Digest::of(image).to_string();
    for file in [format!("{name}.sha256"), "manifest.json".to_owned()] {
        let text = fs::read_to_string(directory.join(&file)).expect("a file");
        fs::write(directory.join(&file), text.replace(SHA256, &sha256)).expect("a file");
    }
    Some(())
}

fn publish(project: &Project, more: &[&str]) -> String {
    project.snapshot(&[&["publish", "--base-url", URL], more].concat())
}

fn names(project: &Project, directory: &str) -> Vec<String> {
    let entries = fs::read_dir(project.path().join(directory)).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_release_is_flat_and_whole_and_costs_no_second_copy() {
    let project = Project::new();
    let Some(()) = built_whole(&project, "node-a", "1") else { return };
    let Some(()) = built_whole(&project, "node-b", "2") else { return };
    insta::assert_snapshot!(publish(&project, &["--progress", "none"]), @r"
    exit code 0
    --- stdout
    out/release/SHA256SUMS
    out/release/node-a-1.img.bmap
    out/release/node-a-1.img.zst
    out/release/node-a-1.img.zst.sha256
    out/release/node-a-1.manifest.json
    out/release/node-a-1.provenance.json
    out/release/node-a-1.spdx.json
    out/release/node-b-2.img.bmap
    out/release/node-b-2.img.zst
    out/release/node-b-2.img.zst.sha256
    out/release/node-b-2.manifest.json
    out/release/node-b-2.provenance.json
    out/release/node-b-2.spdx.json
    out/release/os_list.json
    out/release/pimg.rpi-imager-manifest
    out/release/pimg.svg
    --- stderr
    node-a:  5 B  https://example.org/pi/node-a-1.img.zst
    node-b:  5 B  https://example.org/pi/node-b-2.img.zst
    16 files in `out/release` are to be uploaded
    it is not signed: nobody who gets it can tell that it is yours (the project has no `minisign.pub`: `pimg keys init` makes one)
    then `rpi-imager --repo https://example.org/pi/os_list.json` shows the images
    ");
    assert_eq!(names(&project, "out"), ["node-a", "node-b", "release"], "nothing is left behind");
    let inode = |name: &str| fs::metadata(project.path().join(name)).expect("a file").ino();
    assert_eq!(inode("out/node-a/node-a-1.img.zst"), inode("out/release/node-a-1.img.zst"));
    let list = fs::read_to_string(project.path().join("out/release/os_list.json")).expect("the list");
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(list["os_list"][1]["url"], "https://example.org/pi/node-b-2.img.zst");
    assert_eq!(list["os_list"][1]["icon"], "https://example.org/pi/pimg.svg");
    assert_eq!(list["os_list"][1]["release_date"], "2025-12-04");

    // the next one takes its place, and nothing of the old one stays
    fs::remove_dir_all(project.path().join("out/node-a")).expect("a directory");
    let Some(()) = built_whole(&project, "node-b", "3") else { return };
    publish(&project, &[]);
    assert!(names(&project, "out/release").iter().all(|name| !name.starts_with("node-a")));
    assert!(!project.path().join("out/release/node-b-2.img.zst").exists());

    publish(&project, &["--to", "elsewhere/pi"]);
    assert_eq!(names(&project, "elsewhere"), ["pi"]);
    assert_eq!(names(&project, "elsewhere/pi"), names(&project, "out/release"));
}

#[test]
fn a_program_gets_the_links() {
    let project = Project::new();
    let Some(()) = built_whole(&project, "node-a", "1") else { return };
    let output = project.run(&["publish", "--base-url", URL, "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(answer["command"], "publish");
    assert_eq!(answer["result"]["os_list_url"], "https://example.org/pi/os_list.json");
    assert_eq!(answer["result"]["images"][0]["url"], "https://example.org/pi/node-a-1.img.zst");
    assert_eq!(answer["result"]["files"].as_array().map(Vec::len), Some(10));
}

#[test]
fn code_2_nothing_was_built() {
    insta::assert_snapshot!(publish(&Project::new(), &[]), @r"
    exit code 2
    --- stderr
    error: there is no image in `out`

    hint: `pimg build --all --release` makes images that may be published
    ");
}

#[test]
fn code_2_an_image_that_holds_secrets() {
    let project = Project::new();
    let Some(()) = built_whole(&project, "node-a", "1") else { return };
    publish(&project, &[]);
    built(&project, "node-b", "1", false);
    built(&project, "node-c", "1", false);
    let before = names(&project, "out/release");
    insta::assert_snapshot!(publish(&project, &[]), @r"
    exit code 2
    --- stderr
    error: refusing to publish `node-b`, `node-c`: built without `--release`, with private ssh host keys and secrets inside

    hint: `pimg build --all --release` leaves them out
    hint: or remove `out/node-b`: what is not there is not published
    ");
    assert_eq!(names(&project, "out/release"), before);
    assert_eq!(names(&project, "out"), ["node-a", "node-b", "node-c", "release"]);
}

#[test]
fn code_1_a_release_image_whose_manifest_lists_a_secret() {
    let project = Project::new();
    built(&project, "node-a", "1", true);
    project.write("out/node-a/manifest.json", &manifest("node-a", "1", true, "/var/lib/pimg/secrets/acme"));
    insta::assert_snapshot!(publish(&project, &[]), @r"
    exit code 1
    --- stderr
    error: refusing to publish `node-a`: its manifest lists secrets: `/var/lib/pimg/secrets/acme`

    hint: this is a fault of pimg: please report it with the command that led to it
    ");
}

#[test]
fn code_5_an_image_that_is_not_the_one_of_its_manifest() {
    let project = Project::new();
    built(&project, "node-a", "1", true);
    project.write("out/node-a/node-a-1.img.zst", "imagE");
    insta::assert_snapshot!(publish(&project, &["--progress", "none"]), @r"
    exit code 5
    --- stderr
    error: `out/node-a/node-a-1.img.zst` is not the image that `out/node-a/manifest.json` tells of
      caused by: expected sha256 6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d, got 9b73dd34fd73e73eba609dc21485ece54b1b2c6e9c8c9782da079e595da44c51

    hint: build the image again
    ");
    assert_eq!(names(&project, "out"), ["node-a"], "nothing is left behind");
    built(&project, "node-a", "1", true);
    project.write("out/node-a/node-a-1.img.zst.sha256", "00  node-a-1.img.zst\n");
    insta::assert_snapshot!(publish(&project, &["--progress", "none"]), @r"
    exit code 5
    --- stderr
    error: `out/node-a/node-a-1.img.zst` is not the image that `out/node-a/node-a-1.img.zst.sha256` tells of
      caused by: expected sha256 00, got 6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d

    hint: build the image again
    ");
}

#[test]
fn code_5_a_manifest_that_is_damaged_or_of_old() {
    let project = Project::new();
    built(&project, "node-a", "1", true);
    let old = manifest("node-a", "1", true, "x").replace(r#""build":"#, r#""built":"#);
    project.write("out/node-a/manifest.json", &old.replace(r#", "secret": true"#, ""));
    insta::assert_snapshot!(publish(&project, &["--progress", "none"]), @r"
    exit code 5
    --- stderr
    error: the manifest of `node-a` does not tell how it was built

    hint: an older pimg built the image: build it again
    ");
    let upwards = manifest("node-a", "1", true, "/etc/shadow").replace("node-a-1.img.zst", "../x.img.zst");
    project.write("out/node-a/manifest.json", &upwards);
    insta::assert_snapshot!(publish(&project, &["--progress", "none"]), @r"
    exit code 5
    --- stderr
    error: `out/node-a/manifest.json` is damaged: `../x.img.zst` is not the name of a file

    hint: build the image again, or remove its directory
    ");
    project.write("out/node-a/manifest.json", "{");
    insta::assert_snapshot!(publish(&project, &["--progress", "none"]), @r"
    exit code 5
    --- stderr
    error: `out/node-a/manifest.json` is damaged
      caused by: EOF while parsing an object at line 1 column 1

    hint: build the image again, or remove its directory
    ");
}

#[test]
fn code_2_a_file_is_missing() {
    let project = Project::new();
    built(&project, "node-a", "1", true);
    fs::remove_file(project.path().join("out/node-a/node-a-1.img.bmap")).expect("a file");
    insta::assert_snapshot!(publish(&project, &[]), @r"
    exit code 2
    --- stderr
    error: `out/node-a/node-a-1.img.bmap` is missing, which belongs to the image

    hint: build the image again, or remove its directory
    ");
}

#[test]
fn code_2_two_images_of_one_name() {
    let project = Project::new();
    built(&project, "node", "a-1", true);
    built(&project, "node-a", "1", true);
    insta::assert_snapshot!(publish(&project, &["--progress", "none"]), @r"
    exit code 2
    --- stderr
    error: two images would both be `node-a-1.img.zst`, one of them of `node-a`

    hint: give one of them another `image.version`
    ");
}

#[test]
fn code_2_a_directory_with_something_else_in_it() {
    let project = Project::new();
    built(&project, "node-a", "1", true);
    project.write("site/index.html", "mine");
    insta::assert_snapshot!(publish(&project, &["--to", "site"]), @r"
    exit code 2
    --- stderr
    error: refusing to replace `site`: `index.html` is no part of a release

    hint: `--to DIR` names a new or empty directory
    ");
    insta::assert_snapshot!(publish(&project, &["--to", "."]), @r"
    exit code 2
    --- stderr
    error: `.` cannot be the name of a release

    hint: `--to DIR` names a new or empty directory
    ");
    assert_eq!(names(&project, "site"), ["index.html"]);
}

#[test]
fn code_2_no_address_for_a_release() {
    let project = Project::new();
    built(&project, "node-a", "1", true);
    insta::assert_snapshot!(project.snapshot(&["publish", "--base-url", "example.org/pi"]), @r"
    exit code 2
    --- stderr
    error: `--base-url` is no address for a release: it has to begin with `http://` or `https://`

    hint: `--base-url https://example.org/images` says where the files will be found
    ");
    insta::assert_snapshot!(project.snapshot(&["publish", "--base-url", "file:///srv/pi"]), @r"
    exit code 2
    --- stderr
    error: `--base-url` is no address for a release: expected `http://` or `https://`, got `file:`

    hint: `--base-url https://example.org/images` says where the files will be found
    ");
    let told = project.snapshot(&["publish", "--base-url", "https://me:hunter2@example.org/"]);
    assert!(told.starts_with("exit code 2\n") && !told.contains("hunter2"), "{told}");
    let output = project.run(&["publish"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(names(&project, "out"), ["node-a"]);
}

#[test]
fn a_name_that_github_changes_is_told() {
    let project = Project::new();
    built(&project, "node-a", "1~rc1", true);
    let told = project.snapshot(&["publish", "--base-url", "https://github.com/o/r/releases/download/v1"]);
    assert!(told.contains("GitHub renames assets with a `~`"), "{told}");
    assert!(!publish(&project, &[]).contains("GitHub"));
}
