//! Every documented exit code that a build can end with, and what a person reads then.

use std::fs;
use std::process::Output;

use crate::support::{Project, have};
use crate::tiny_base::TinyBase;
use crate::{have_tools, project};

/// A project with a base.
fn with_base(base: &TinyBase) -> Project {
    let project = project();
    base.make(project.path(), "base.img");
    project
}

fn ready() -> Project {
    with_base(&TinyBase::new())
}

fn project_file(project: &Project, name: &str, text: &str) {
    let path = project.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, text).expect("a file");
}

/// Changes the small node's profile.
fn edit(project: &Project, from: &str, to: &str) {
    let path = project.join("profiles/tiny.toml");
    let text = fs::read_to_string(&path).expect("the profile");
    assert!(text.contains(from));
    fs::write(path, text.replace(from, to)).expect("the profile");
}

/// Builds, demands that a failure leaves `out` as it was, and tells all without what differs from run to run.
fn build(project: &Project, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let fixed =
        ["build", "--profile", "tiny", "--format", "raw", "--ssh-key", "test.pub", "--progress", "none"];
    let mut command = project.pimg(&[&fixed[..], arguments].concat());
    command.env("PIMG_CACHE", project.join("cache")).envs(variables.iter().copied());
    let before = listing(project);
    let output = command.output().expect("running pimg");
    assert!(output.status.success() || listing(project) == before, "a failed build changes `out`");
    describe(project, &output)
}

fn listing(project: &Project) -> Vec<String> {
    let Ok(entries) = fs::read_dir(project.join("out")) else { return Vec::new() };
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn describe(project: &Project, output: &Output) -> String {
    let mut text = format!("exit code {}\n", output.status.code().expect("no signal"));
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let shown =
            String::from_utf8_lossy(bytes).replace(project.path().to_str().expect("UTF-8"), "[PROJECT]");
        let lines = shown.lines().filter(|line| !line.starts_with("made `secrets/"));
        let shown: String = lines.map(|line| redacted(line) + "\n").collect();
        if !shown.is_empty() {
            text += &format!("--- {name}\n{shown}");
        }
    }
    text
}

/// Digests differ with the versions of the tools that make a base.
fn redacted(line: &str) -> String {
    let is_digest = |word: &str| word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some((summary, _)) = line.rsplit_once("changes  ") {
        return format!("{summary}changes  [TIME]");
    }
    let words = line.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    words
        .map(|word| {
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            if is_digest(bare) { word.replace(bare, "[DIGEST]") } else { word.to_owned() }
        })
        .collect()
}

#[test]
fn code_0_an_image() {
    if !have_tools() {
        return;
    }
    let project = ready();
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r"
    exit code 0
    --- stdout
    out/tiny/tiny-1.img
    --- stderr
    wrote `pimg.lock`: keep it in git, and the same packages are built again
    tiny:  72.0 MiB (72.0 MiB on a card)  136 changes  [TIME]
    Raspberry Pi Imager opens `out/pimg.rpi-imager-manifest`
    ");
}

#[test]
fn code_3_two_overlays_write_one_path() {
    if !have_tools() {
        return;
    }
    let project = ready();
    for name in ["one", "two"] {
        project_file(&project, &format!("overlays/{name}/overlay.toml"), "description = \"x\"\n");
        project_file(&project, &format!("overlays/{name}/rootfs/etc/motd"), name);
    }
    edit(&project, "overlays = [\"raspios\"]", "overlays = [\"one\", \"two\"]");
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r#"
    exit code 3
    --- stderr
    error: cannot prepare host `tiny`
      caused by: the overlays of host `tiny` are not valid (1 problem)
      overlays/one/rootfs/etc/motd and overlays/two/rootfs/etc/motd both put `/etc/motd`
      hint: keep one of them, or let overlays/two/overlay.toml say `[[replace]]` with `path = "/etc/motd"`
    "#);
}

#[test]
fn code_3_an_overlay_with_an_unknown_key() {
    if !have_tools() {
        return;
    }
    let project = ready();
    project_file(&project, "overlays/one/overlay.toml", "descripton = \"x\"\n");
    edit(&project, "\"raspios\"", "\"one\"");
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r"
    exit code 3
    --- stderr
    error: cannot prepare host `tiny`
      caused by: the overlays of host `tiny` are not valid (1 problem)

      overlays/one/overlay.toml:1:1
       1 | descripton …
         | ^^^^^^^^^^ unknown key
           hint: did you mean `description`?
    ");
}

#[test]
fn code_3_a_template_without_its_variable() {
    if !have_tools() {
        return;
    }
    let project = ready();
    project_file(&project, "overlays/raspios/rootfs/etc/motd.j2", "hello {{ nobody }}\n");
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r"
    exit code 3
    --- stderr
    error: cannot prepare host `tiny`
      caused by: the overlays of host `tiny` are not valid (1 problem)

      overlays/raspios/rootfs/etc/motd.j2:1:10
       1 | hello {{ nobody }}
         |          ^^^^^^ undefined value: `nobody` is undefined
    ");
}

#[test]
fn code_3_an_image_that_is_too_small() {
    if !have_tools() {
        return;
    }
    let project = ready();
    edit(&project, "free = \"16MiB\"", "size = \"40MiB\"");
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r"
    exit code 3
    --- stderr
    wrote `pimg.lock`: keep it in git, and the same packages are built again
    error: cannot build host `tiny`
      caused by: `image.size` is too small: got 41943040 bytes, and files and packages need 75497472 bytes

    hint: set `image.size` to `72MiB` or more, or leave it out
    ");
}

#[test]
fn code_3_a_unit_that_is_not_there() {
    if !have_tools() {
        return;
    }
    let project = ready();
    project_file(&project, "overlays/one/overlay.toml", "[units]\nenable = [\"nothing.service\"]\n");
    edit(&project, "\"raspios\"", "\"one\"");
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r"
    exit code 3
    --- stderr
    wrote `pimg.lock`: keep it in git, and the same packages are built again
    error: cannot build host `tiny`
      caused by: overlays/one/overlay.toml asks for something that cannot be
      caused by: unit `nothing.service` cannot be enabled: the base has no unit file of this name

    hint: check the unit's name and its `[Install]` section
    ");
}

#[test]
fn code_4_the_lock_names_another_base() {
    if !have_tools() {
        return;
    }
    let project = ready();
    let lock = format!(
        "version = 1\n\n[base]\nurl = \"base.img\"\nsha256 = \"{0}\"\nraw_sha256 = \"{0}\"\n",
        "ab".repeat(32)
    );
    project_file(&project, "pimg.lock", &lock);
    insta::assert_snapshot!(build(&project, &["--base", "base.img", "--locked"], &[]), @r"
    exit code 4
    --- stderr
    error: cannot prepare host `tiny`
      caused by: the base image is not the locked one: its sha256 differs
      expected sha256 [DIGEST]
      got      sha256 [DIGEST]

    hint: leave `--locked` out to build with another base than the locked one
    ");
}

#[test]
fn code_5_a_base_that_is_not_the_pinned_one() {
    if !have_tools() {
        return;
    }
    let project = ready();
    edit(
        &project,
        "source = \"base.img\"",
        &format!("source = \"base.img\"\nsha256 = \"{}\"", "ab".repeat(32)),
    );
    insta::assert_snapshot!(build(&project, &[], &[]), @r"
    exit code 5
    --- stderr
    error: cannot prepare host `tiny`
      caused by: ./base.img has another digest: expected sha256 [DIGEST], got sha256 [DIGEST]

    hint: get the image again; to accept another one, change `base.sha256` and `base.raw_sha256` in its profile
    ");
}

#[test]
fn code_7_a_base_without_a_partition_table() {
    if !have_tools() {
        return;
    }
    let project = ready();
    project_file(&project, "base.img", &"hello ".repeat(20_000));
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r"
    exit code 7
    --- stderr
    error: cannot prepare host `tiny`
      caused by: `[PROJECT]/base.img` is not a disk image: it has no partition table and no known compression

    hint: the base is to be an image: .img, .img.xz, .img.zst, .img.gz or .zip
    ");
}

#[test]
fn code_7_a_base_that_was_cut() {
    if !have_tools() {
        return;
    }
    let project = ready();
    let file = fs::OpenOptions::new().write(true).open(project.join("base.img")).expect("the base");
    file.set_len(60 << 20).expect("cutting");
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r"
    exit code 7
    --- stderr
    error: cannot prepare host `tiny`
      caused by: cannot use the partition table
      caused by: corrupt partition table: partition 2 ends at sector 147456, but the disk has 122880 sectors

    hint: the base is to be a Raspberry Pi OS Lite image for arm64
    ");
}

#[test]
fn code_7_a_feature_that_is_not_supported() {
    if !have_tools() {
        return;
    }
    let project = with_base(&TinyBase::new().ext4(&["-O", "inline_data"]));
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r"
    exit code 7
    --- stderr
    error: cannot prepare host `tiny`
      caused by: cannot use the root partition (partition 2)
      caused by: this ext4 file system uses a feature pimg cannot edit: `inline_data`

    hint: use an image as its publisher made it, one that was never booted or mounted
    ");
}

#[test]
fn code_7_a_journal_that_wants_replaying() {
    if !have_tools() || !have("debugfs") {
        return;
    }
    let script = "printf 'feature needs_recovery' | debugfs -w -f /dev/stdin \"$root\"";
    let project = with_base(&TinyBase { script, ..TinyBase::new() });
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r"
    exit code 7
    --- stderr
    error: cannot prepare host `tiny`
      caused by: cannot use the root partition (partition 2)
      caused by: this ext4 file system uses a feature pimg cannot edit: the journal holds changes that were never written back; mount the image once or run `e2fsck -p` on it

    hint: use an image as its publisher made it, one that was never booted or mounted
    ");
}

#[test]
fn code_7_a_checksum_that_is_wrong() {
    if !have_tools() {
        return;
    }
    let script = "printf X | dd of=\"$root\" bs=1 seek=1150 conv=notrunc status=none";
    let project = with_base(&TinyBase { script, ..TinyBase::new() });
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r"
    exit code 7
    --- stderr
    error: cannot prepare host `tiny`
      caused by: cannot use the root partition (partition 2)
      caused by: corrupt ext4 file system: superblock: checksum does not match (stored 0x0c157ad4, computed 0x63c8e73a)

    hint: get the image again and compare its digest with the publisher's
    ");
}

#[test]
fn code_7_a_packaged_file_that_is_not_as_packaged() {
    if !have_tools() {
        return;
    }
    let project = with_base(&TinyBase::new().with("usr/bin/hello", "garbage"));
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r"
    exit code 7
    --- stderr
    error: cannot prepare host `tiny`
      caused by: the base image is corrupt: 1 packaged file is not what dpkg installed
      `/usr/bin/hello` of package `hello`: expected md5 [DIGEST], got [DIGEST]

    hint: get the image again and compare its digest with the publisher's
    ");
}

#[test]
fn code_9_out_is_a_file() {
    if !have_tools() {
        return;
    }
    let project = ready();
    project_file(&project, "out", "mine");
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r"
    exit code 9
    --- stderr
    error: cannot create `out`
      caused by: File exists (os error 17)
    ");
}

#[test]
fn code_9_no_place_for_a_cache() {
    if !have_tools() {
        return;
    }
    let project = ready();
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[("PIMG_CACHE", ""), ("HOME", "")]), @r"
    exit code 9
    --- stderr
    error: no place for the cache: neither `PIMG_CACHE` nor `HOME` is set

    hint: `export PIMG_CACHE=DIR` names a directory for base images
    ");
}

#[test]
fn code_3_an_overlay_and_a_rule_write_one_path() {
    if !have_tools() {
        return;
    }
    let project = ready();
    project_file(&project, "overlays/raspios/rootfs/etc/hostname", "mine\n");
    insta::assert_snapshot!(build(&project, &["--base", "base.img"], &[]), @r"
    exit code 3
    --- stderr
    wrote `pimg.lock`: keep it in git, and the same packages are built again
    error: cannot build host `tiny`
      caused by: two parts of the plan want the same path in 1 place

      two layers disagree about /etc/hostname (root partition)
      written by profile `tiny`, key `hostname`
      written by overlays/raspios/rootfs/etc/hostname

    hint: keep one of both; an overlay that is to win names the path in `[[replace]]`
    ");
}

#[test]
fn code_8_a_server_that_refuses() {
    // nothing listens on port 1 of this machine
    let told = build(&project(), &["--base", "https://127.0.0.1:1/base.img.xz"], &[]);
    assert!(told.starts_with("exit code 8\n") && told.contains("hint: "), "{told}");
}

#[test]
fn code_130_an_interrupt_keeps_the_image_of_an_earlier_build() {
    if !have_tools() {
        return;
    }
    let project = ready();
    assert!(build(&project, &["--base", "base.img"], &[]).starts_with("exit code 0\n"));
    let before = (listing(&project), crate::mount::sha256_of(&project.join("out/tiny/tiny-1.img")));
    edit(&project, "free = \"16MiB\"", "free = \"8GiB\"");
    let mut command =
        project.pimg(&["build", "--profile", "tiny", "--format", "xz", "--ssh-key", "test.pub", "--quiet"]);
    let mut child = command.env("PIMG_CACHE", project.join("cache")).spawn().expect("starting pimg");
    // a directory beside the published one is what a build works in
    while listing(&project).len() == before.0.len() {
        assert!(child.try_wait().expect("asking for pimg").is_none(), "it works beside what is published");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    crate::support::run("kill", &["-INT", &child.id().to_string()]);
    let status = child.wait().expect("waiting for pimg");
    assert_eq!(status.code(), Some(130), "{status}");
    let after = (listing(&project), crate::mount::sha256_of(&project.join("out/tiny/tiny-1.img")));
    assert_eq!(after, before);
}
