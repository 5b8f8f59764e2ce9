//! Without a network: what the lock names comes from the cache or a vault, or the build says that it is missing.

use std::fs;

use crate::site::digest;
use crate::world::{World, have_tools};

#[test]
fn offline_with_an_empty_cache() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    fs::remove_dir_all(world.join("cache")).expect("a cache");
    world.site.forget();
    insta::assert_snapshot!(world.build_refused(&["--locked", "--offline"]), @r"
    exit code 8
    error: `libtool1_1.2-1_arm64.deb` is not in the cache and the network may not be used

    hint: run `pimg fetch` while the network is there, or give a vault with `--vault DIR`
    ");
    assert_eq!(world.site.asked(), [""; 0], "offline asks nobody");
}

#[test]
fn a_lock_that_was_never_made_offline() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    insta::assert_snapshot!(world.lock_refused(&["--offline"]), @r"
    exit code 8
    error: cannot resolve the packages of profile `node`
      caused by: `http://[SITE]/debian/dists/trixie/InRelease` is not in the cache and the network may not be used

    hint: run `pimg fetch` while the network is there, or give a vault with `--vault DIR`
    ");
    assert_eq!(world.site.asked(), [""; 0], "offline asks nobody");
}

#[test]
fn an_archive_that_does_not_answer() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    let outcome =
        world.run_bare(&["lock", "--profile", "node", "--mirror", "debian=http://127.0.0.1:1/debian"]);
    insta::assert_snapshot!(world.describe(&outcome), @r"
    exit code 8
    error: cannot resolve the packages of profile `node`
      caused by: cannot download `http://127.0.0.1:1/debian/dists/trixie/InRelease` ([SIZE] bytes received)
      caused by: error sending request
      caused by: client error (Connect)
      caused by: tcp connect error
      caused by: Connection refused (os error 111)

    hint: try again later: what was received is kept; or take another mirror with `--mirror NAME=URL`
    ");
}

#[test]
fn a_package_that_the_archive_has_no_more() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    world.site.remove("libtool1_");
    let told = world.build_refused(&["--locked"]);
    assert!(told.starts_with("exit code 8\n") && told.contains("libtool1"), "{told}");
}

#[test]
fn what_was_fetched_builds_without_a_network() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    world.run(&["fetch"]).ok();
    world.site.switch_off();
    world.site.forget();
    world.build(&["--locked", "--offline"]).ok();
    assert_eq!(world.site.asked(), [""; 0], "offline asks nobody");
    let image = world.image();
    let image = image.to_str().expect("UTF-8");
    let index = world.run_bare(&["inspect", image, "/var/lib/pimg/repo/Packages"]).ok();
    assert!(index.contains("Package: tool\n") && index.contains("Package: libtool1\n"), "{index}");
}

#[test]
fn a_vault_gives_the_same_image() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    world.build(&["--locked"]).ok();
    let first = digest(&fs::read(world.image()).expect("an image"));
    world.run(&["fetch", "--vault", "vault"]).ok();
    world.site.switch_off();
    for gone in ["cache", "out"] {
        fs::remove_dir_all(world.join(gone)).expect(gone);
    }
    world.site.forget();
    world.build(&["--locked", "--offline", "--vault", "vault"]).ok();
    assert_eq!(digest(&fs::read(world.image()).expect("an image")), first);
    assert_eq!(world.site.asked(), [""; 0], "offline asks nobody");
}

#[test]
fn a_vault_with_a_flipped_byte() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    world.run(&["fetch", "--vault", "vault"]).ok();
    fs::remove_dir_all(world.join("cache")).expect("a cache");
    let files = fs::read_dir(world.join("vault/sha256"))
        .expect("a vault")
        .map(|entry| entry.expect("an entry").path());
    for file in files {
        let mut content = fs::read(&file).expect("a file");
        let middle = content.len() / 2;
        content[middle] ^= 1;
        fs::write(&file, content).expect("a file");
    }
    let told = world.build_refused(&["--locked", "--offline", "--vault", "vault"]);
    assert!(told.starts_with("exit code 5\n") && told.contains("vault"), "{told}");
}

#[test]
fn what_is_there_is_not_fetched_again() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    world.run(&["fetch"]).ok();
    world.site.forget();
    world.run(&["fetch"]).ok();
    assert_eq!(world.site.asked(), [""; 0]);
}
