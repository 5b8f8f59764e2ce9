//! Whoever builds: an ordinary user without a network, and one whose build was killed on the way.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support;
use crate::world::World;

/// A user that this machine does not know, without any subordinate ids.
const USER: &str = "61234";

#[test]
fn an_ordinary_user_builds_the_locked_bytes_also_after_being_killed() {
    let Some(world) = World::new("99.0") else { return };
    if !["setpriv", "mount", "cp", "chown"].iter().all(|tool| support::have(tool)) || !is_root() {
        return;
    }
    world.run_ok(&["fetch", "--profile", "node"]);
    let lock = world.lock();
    let sha256 = lock["module"][0]["sha256"].as_str().expect("a digest").to_owned();
    let cache = cache_of_user(&world, &sha256);

    let mut child = fetch_as_user(&world).spawn().expect("unshare runs");
    wait_for_build(&mut child, &cache);
    child.kill().expect("it runs");
    child.wait().expect("it ran");
    assert!(!cache.join("blob-v1").join(&sha256).exists(), "nothing half is kept");

    let output = fetch_as_user(&world).output().expect("unshare runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(cache.join("blob-v1").join(&sha256).exists(), "the locked bytes: {told}");
    let left = fs::read_dir(cache.join("module-v1")).expect("modules");
    let left = left.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let left: Vec<_> = left.filter(|name| name.starts_with(".tmp-")).collect();
    assert!(left.is_empty(), "what was killed is gone: {left:?}");
}

/// A cache of the user's own: what was downloaded, and nothing of what was built.
fn cache_of_user(world: &World, sha256: &str) -> PathBuf {
    let cache = world.project.join("cache");
    let shared = support::shared_cache();
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    support::run("cp", &["-a", "--sparse=always", &text(&shared), &text(&cache)]);
    for bucket in ["module-v1", "lock-v1"] {
        fs::remove_dir_all(cache.join(bucket)).expect("it was there");
    }
    fs::remove_file(cache.join("blob-v1").join(sha256)).expect("it was there");
    for name in ["base.img", "pimg"] {
        fs::write(world.project.join(name), "").expect("a file");
    }
    support::run("chown", &["-R", &format!("{USER}:{USER}"), &text(world.project.path())]);
    cache
}

/// `pimg fetch` as the user, in the world's project, without a network. To kill it is to kill pimg.
fn fetch_as_user(world: &World) -> Command {
    // the directories above all these may be somebody's own
    let script = r#"
        mount --bind "$1" base.img
        mount --bind "$2" pimg
        mount --rbind . /mnt
        cd /mnt
        exec setpriv "--reuid=$3" "--regid=$3" --clear-groups \
          ./pimg fetch --profile node --locked --offline --base base.img --progress none"#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "sh", "-ec", script, "sh"]);
    command.arg(world.base()).arg(env!("CARGO_BIN_EXE_pimg")).arg(USER);
    command
        .current_dir(world.project.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command.env("PIMG_CACHE", "/mnt/cache").env("HOME", "/mnt").env("NO_COLOR", "1");
    command
}

/// Returns once the compiler runs.
fn wait_for_build(child: &mut Child, cache: &Path) {
    let begun = || {
        let trees = fs::read_dir(cache.join("module-v1")).into_iter().flatten().flatten();
        trees.map(|tree| tree.path().join("usr/src/zfs-2.4.4/settings")).any(|settings| settings.exists())
    };
    let start = Instant::now();
    while !begun() {
        let ended = child.try_wait().expect("it runs");
        assert!(
            ended.is_none() && start.elapsed() < Duration::from_secs(600),
            "it ended before it compiled: {ended:?}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_root() -> bool {
    let root = support::run("id", &["-u"]) == "0\n";
    if !root {
        support::skip("only root can become somebody else");
    }
    root
}
