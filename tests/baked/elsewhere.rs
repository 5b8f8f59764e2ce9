//! A layer that another machine baked, found by its key: on request, and while an image is built.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::built::{in_image, items, key, put_layer, world};
use crate::world::{World, have_tools};

/// Builds with layers from `store`: the exit code and what was said.
fn build(world: &World, store: &str) -> (Option<i32>, String) {
    let mirror = format!("debian={}", world.site.url("debian"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_pimg"));
    command
        .args(["build", "--profile", "node", "--format", "raw", "--mirror", &mirror])
        .current_dir(world.join(""));
    command.env("HOME", world.join("home")).env("PIMG_CACHE", world.join("cache")).env("PIMG_LAYERS", store);
    let output = command.stdin(Stdio::null()).output().expect("running pimg");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_build_takes_the_layer_of_another_machine() {
    if !have_tools() {
        return;
    }
    let world = world();
    let key = key(&world);
    let directory = put_layer(&world, &key, &items());
    let layer = fs::read(directory.join("layer.tar.zst")).expect("a layer");
    let store = format!("file://{}", world.join("store").display());
    let pushed = world.run_bare(&["layer", "push", "node", &store, "--json"]).ok();
    let pushed: Value = serde_json::from_str(&pushed).expect("JSON");
    assert_eq!(
        pushed["result"]["layers"][0]["key"],
        key.as_str(),
        "a profile stands for the layer that it wants"
    );

    // all that the profiles of the project want
    fs::remove_dir_all(&directory).expect("a directory");
    assert_eq!(world.run_bare(&["layer", "pull", "--all", &store]).ok(), format!("{key}\n"));
    assert!(fs::read(directory.join("layer.tar.zst")).expect("a layer") == layer);

    // whatever a build lacks
    fs::remove_dir_all(&directory).expect("a directory");
    let (code, told) = build(&world, &store);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(in_image(&world, "/usr/bin/tool").as_deref(), Some("#!/bin/sh\n"));
    assert!(fs::read(directory.join("layer.tar.zst")).expect("a layer") == layer);

    // a wrong one ends the build, and is not baked over
    fs::remove_dir_all(&directory).expect("a directory");
    let tag = format!("store/bake-{key}/blobs/sha256");
    for blob in fs::read_dir(world.join(&tag)).expect("a directory") {
        let path = blob.expect("an entry").path();
        let mut bytes = fs::read(&path).expect("a blob");
        if bytes == layer {
            bytes[20] ^= 1;
            fs::write(&path, bytes).expect("a blob");
        }
    }
    let (code, told) = build(&world, &store);
    assert_eq!(code, Some(5), "{told}");
    assert!(told.contains("another digest: expected sha256 "), "{told}");
    assert!(!directory.exists());
}

#[test]
fn a_profile_says_where_layers_are() {
    if !have_tools() {
        return;
    }
    let world = world();
    let store = format!("file://{}", world.join("store").display());
    let said = format!("layers = \"{store}\"\nbake = true");
    world.write("profiles/node.toml", world.read("profiles/node.toml").replacen("bake = true", &said, 1));
    let key = key(&world);
    let directory = put_layer(&world, &key, &items());
    assert_eq!(world.run_bare(&["layer", "push", "node"]).ok(), format!("{store}/bake-{key}/\n"));

    // for the profile, for a key, for all, while an image is built
    for words in [&["layer", "pull", "node"][..], &["layer", "pull", &key], &["layer", "pull", "--all"]] {
        fs::remove_dir_all(&directory).expect("a directory");
        assert_eq!(world.run_bare(words).ok(), format!("{key}\n"), "{words:?}");
    }
    fs::remove_dir_all(&directory).expect("a directory");
    let (code, told) = build(&world, "");
    assert_eq!(code, Some(0), "{told}");
    assert!(directory.join("layer.tar.zst").is_file(), "{told}");

    // the environment wins
    fs::remove_dir_all(&directory).expect("a directory");
    let (code, told) = build(&world, "file:///nowhere/layers");
    assert_eq!(code, Some(8), "{told}");
    assert!(told.contains("cannot pull from `file:///nowhere/layers/`"), "{told}");
    assert!(!directory.exists());
}
