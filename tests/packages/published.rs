//! The bytes of a `.img.xz` and the published file of its base: on this disk, on a server, in the cache, in a vault.

use std::fs;
use std::path::{Path, PathBuf};

use crate::site::digest;
use crate::support;
use crate::tls::SecureSite;
use crate::world::{Outcome, World, have_tools};

/// A world whose base is an `.xz` of several blocks on a server.
fn world() -> Option<World> {
    if !have_tools() || !support::have("xz") || !support::have("openssl") {
        return None;
    }
    let mut world = World::new();
    support::run("xz", &["-1", "--block-size=1MiB", world.join("base.img").to_str().expect("UTF-8")]);
    let server = SecureSite::new();
    server.put("base.img.xz", fs::read(world.join("base.img.xz")).expect("a base"));
    let profile = world.read("profiles/node.toml").replace("base.img", &server.url("base.img.xz"));
    world.write("profiles/node.toml", profile);
    world.secure = Some(server);
    Some(world)
}

fn build(world: &World, more: &[&str]) -> Outcome {
    fs::remove_dir_all(world.join("out")).ok();
    world.run(&[&["build", "--profile", "node", "--format", "xz"], more].concat())
}

fn image(world: &World) -> String {
    let entries = fs::read_dir(world.join("out/node")).expect("a result").flatten();
    let image =
        entries.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "xz"));
    digest(&fs::read(image.expect("an image")).expect("an image"))
}

/// The published file in the cache.
fn kept(world: &World) -> PathBuf {
    world.join("cache/blob-v1").join(digest(&fs::read(world.join("base.img.xz")).expect("a base")))
}

/// The cache has only the raw image, as after `pimg clean --older-than`.
fn forget(kept: &Path) {
    fs::remove_file(kept).expect("a file of the cache");
    fs::remove_file(kept.with_extension("seen")).expect("its mark");
}

#[test]
fn the_bytes_do_not_depend_on_where_the_base_is() {
    let Some(world) = world() else { return };
    let kept = kept(&world);
    build(&world, &[]).ok();
    let expected = image(&world);
    assert!(kept.exists(), "decoded and kept in one go");

    forget(&kept);
    world.run(&["fetch"]).ok();
    assert!(kept.exists(), "what the lock names is fetched again");
    build(&world, &["--locked", "--offline"]).ok();
    assert_eq!(image(&world), expected);

    world.run(&["fetch", "--vault", "vault"]).ok();
    fs::remove_dir_all(world.join("cache")).expect("a cache");
    build(&world, &["--locked", "--offline", "--vault", "vault"]).ok();
    assert_eq!(image(&world), expected);

    fs::remove_dir_all(world.join("cache")).expect("a cache");
    let local = world.join("base.img.xz");
    build(&world, &["--base", local.to_str().expect("UTF-8")]).ok();
    assert_eq!(image(&world), expected);
    assert!(!kept.exists(), "a local file serves by itself");
}

#[test]
fn offline_without_the_published_file_an_xz_is_refused() {
    let Some(world) = world() else { return };
    build(&world, &[]).ok();
    let expected = image(&world);
    forget(&kept(&world));
    let told = build(&world, &["--locked", "--offline"]);
    assert_eq!(told.code, Some(8), "{}", told.stderr);
    assert!(told.stderr.contains("of which a `.img.xz` takes over blocks"), "{}", told.stderr);
    assert!(told.stderr.contains("or choose `--format zst`"), "{}", told.stderr);
    assert!(!world.join("out/node").exists(), "nothing is left");
    world.build(&["--locked", "--offline"]).ok();
    build(&world, &["--locked"]).ok();
    assert_eq!(image(&world), expected, "with a network it is fetched again");
}
