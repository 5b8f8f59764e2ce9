//! A build is a function of its inputs: what the machine is like changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::mount::sha256_of;
use crate::support::{Project, copy_tree};
use crate::tiny_base::TinyBase;
use crate::{built_image, have_tools, project, told};

/// Everything below a directory, files and directories.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(&path).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.is_symlink() {
                pending.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The same sources as a checkout under another umask has them, written in another order.
fn disturb(project: &Project) {
    for part in ["profiles", "overlays"] {
        for path in below(&project.join(part)).into_iter().rev().filter(|path| !path.is_symlink()) {
            let mode = fs::metadata(&path).expect("metadata").permissions().mode() & 0o700;
            if path.is_file() {
                let content = fs::read(&path).expect("a file");
                fs::remove_file(&path).expect("removing");
                fs::write(&path, content).expect("writing");
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        }
    }
}

/// pimg under a umask of its own, with these variables.
fn build(project: &Project, profile: &str, format: &str, umask: &str, variables: &[(&str, &str)]) -> PathBuf {
    let arguments =
        ["build", "--profile", profile, "--base", "base.img", "--format", format, "--ssh-key", "test.pub"];
    let plain = project.pimg(&arguments);
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("umask {umask}; exec \"$0\" \"$@\"")).arg(plain.get_program());
    command.args(plain.get_args()).current_dir(project.path()).env_remove("SOURCE_DATE_EPOCH");
    command
        .env("HOME", project.path())
        .env("PIMG_CACHE", project.join("cache"))
        .envs(variables.iter().copied());
    let output = command.output().expect("running pimg");
    assert!(output.status.success(), "{}", told(&output));
    built_image(project, &output)
}

#[test]
fn the_machine_leaves_no_trace_in_an_image() {
    if !have_tools() {
        return;
    }
    let (first, second) = (project(), project());
    TinyBase::new().make(first.path(), "base.img");
    fs::copy(first.join("base.img"), second.join("base.img")).expect("the same base");
    disturb(&second);
    fs::create_dir(second.join("elsewhere")).expect("another home");
    let home = second.join("elsewhere");
    let other = [
        ("TZ", "Pacific/Kiritimati"),
        ("LANG", "de_DE.UTF-8"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("USER", "somebody"),
        ("HOME", home.to_str().expect("UTF-8")),
        ("RAYON_NUM_THREADS", "1"),
    ];
    for (profile, format) in [("tiny", "raw"), ("tiny", "zst"), ("k8sctl-pi5l", "raw")] {
        let one = build(&first, profile, format, "022", &[]);
        if !second.join("secrets").exists() {
            copy_tree(&first.join("secrets"), &second.join("secrets"));
        }
        for seed in below(&first.join("secrets")) {
            let copy = second.join("secrets").join(seed.file_name().expect("a name"));
            fs::copy(&seed, copy).expect("the same seed");
        }
        let two = build(&second, profile, format, "077", &other);
        let manifest =
            |image: &Path| fs::read_to_string(image.with_file_name("manifest.json")).expect("a manifest");
        assert_eq!(manifest(&one), manifest(&two), "{profile} {format}");
        assert_eq!(sha256_of(&one), sha256_of(&two), "{profile} {format}");
        assert_eq!(one.file_name(), two.file_name());
        fs::remove_file(one).and_then(|()| fs::remove_file(two)).expect("making room");
    }
}
