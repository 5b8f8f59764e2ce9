//! The bytes of a `.img.xz` and the published file of its base: on this disk, on a server, in the cache, in a vault.

use std::fs;
use std::path::Path;

use crate::site::digest;
use crate::support;
use crate::world::{Outcome, World, have_tools};

/// A world whose base is an `.xz` of several blocks on the site.
fn world() -> Option<World> {
    if !have_tools() || !support::have("xz") {
        return None;
    }
    let world = World::new();
    support::run("xz", &["-1", "--block-size=1MiB", world.join("base.img").to_str().expect("UTF-8")]);
    let published = fs::read(world.join("base.img.xz")).expect("a base");
    world.site.put("base.img.xz", published.as_slice());
    // plain HTTP asks for a pin
    let profile = world.read("profiles/node.toml");
    let from_site = format!(
        "source = \"{}\"\nsha256 = \"{}\"",
        world.site.url("base.img.xz"),
        digest(&published)
    );
    world.write("profiles/node.toml", profile.replace("source = \"base.img\"", &from_site));
    Some(world)
}

fn build(world: &World, more: &[&str]) -> Outcome {
    fs::remove_dir_all(world.join("out")).ok();
    world.run(&[&["build", "--profile", "node", "--format", "xz"], more].concat())
}

fn image(world: &World) -> String {
    let entries = fs::read_dir(world.join("out/node")).expect("a result").flatten();
    let image = entries.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "xz"));
    digest(&fs::read(image.expect("an image")).expect("an image"))
}

fn forget_published(world: &World) {
    fs::remove_dir_all(world.join("cache/blob-v1")).expect("a bucket");
}

fn downloads(world: &World) -> usize {
    world.site.asked().iter().filter(|path| path.ends_with("base.img.xz")).count()
}

#[test]
fn the_bytes_do_not_depend_on_where_the_base_is() {
    let Some(world) = world() else { return };
    build(&world, &[]).ok();
    let expected = image(&world);
    assert_eq!(downloads(&world), 1, "decoded and kept in one go");

    // the cache has only the raw image, as after `pimg clean --older-than`
    forget_published(&world);
    world.run(&["fetch"]).ok();
    assert_eq!(downloads(&world), 2, "what the lock names is fetched again");
    build(&world, &["--locked", "--offline"]).ok();
    assert_eq!(image(&world), expected);

    world.run(&["fetch", "--vault", "vault"]).ok();
    assert_eq!(downloads(&world), 2, "the vault takes it from the cache");
    fs::remove_dir_all(world.join("cache")).expect("a cache");
    build(&world, &["--locked", "--offline", "--vault", "vault"]).ok();
    assert_eq!(image(&world), expected);

    fs::remove_dir_all(world.join("cache")).expect("a cache");
    let local = world.join("base.img.xz");
    build(&world, &["--base", local.to_str().expect("UTF-8")]).ok();
    assert_eq!(image(&world), expected);
    let kept = fs::read_dir(world.join("cache/blob-v1")).expect("a bucket").flatten();
    let published = digest(&fs::read(&local).expect("a base"));
    assert!(kept.map(|entry| entry.file_name()).all(|name| *name != *published), "a local file serves by itself");
}

#[test]
fn offline_without_the_published_file_an_xz_is_refused() {
    let Some(world) = world() else { return };
    build(&world, &[]).ok();
    let expected = image(&world);
    forget_published(&world);
    world.run(&["fetch"]).ok();
    let published = digest(&fs::read(world.join("base.img.xz")).expect("a base"));
    remove(&world.join("cache/blob-v1").join(&published));
    let told = build(&world, &["--locked", "--offline"]);
    assert_eq!(told.code, Some(8), "{}", told.stderr);
    assert!(told.stderr.contains("of which a `.img.xz` takes over blocks"), "{}", told.stderr);
    assert!(told.stderr.contains("or choose `--format zst`"), "{}", told.stderr);
    assert!(!world.join("out/node").exists(), "nothing is left");
    world.build(&["--locked", "--offline"]).ok();
    build(&world, &["--locked"]).ok();
    assert_eq!(image(&world), expected, "with a network it is fetched again");
}

fn remove(path: &Path) {
    fs::remove_file(path).expect("a file of the cache");
    fs::remove_file(path.with_extension("seen")).expect("its mark");
}
