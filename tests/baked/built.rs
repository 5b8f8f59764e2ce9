//! Images of hosts whose packages are baked: from a layer in the cache to what a person finds in the image.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::layer::{EPOCH, Item, write};
use crate::world::{World, base_status, have_tools};

/// A node that asks for `tool`, with a locked set and an answer of its own.
pub(crate) fn world() -> World {
    let world = World::new();
    world.node_with_overlay(OVERLAY, "install = [\"tool\"]");
    let node = world.read("profiles/node.toml").replacen("overlays =", "bake = true\noverlays =", 1);
    world.write("profiles/node.toml", node);
    world
}

const OVERLAY: &str = "\
[[apt.preseed]]
package = \"tool\"
question = \"tool/name\"
type = \"string\"
value = \"{{ hostname }}\"

[[apt.preseed]]
package = \"tool\"
question = \"tool/colour\"
type = \"string\"
value = \"blue\"
";

fn plan(world: &World, more: &[&str]) -> Value {
    let told = world.run(&[&["plan", "--profile", "node", "--json"], more].concat()).ok();
    serde_json::from_str(&told).expect("JSON")
}

/// The name of the layer that the node wants.
pub(crate) fn key(world: &World) -> String {
    plan(world, &[])["result"]["baked"]["key"].as_str().expect("a key").to_owned()
}

/// What a bake of `tool` would leave.
pub(crate) fn items() -> Vec<Item> {
    let installed = ["tool 1.0-1", "libtool1 1.2-1"].map(|package| {
        let (name, version) = package.split_once(' ').expect("two words");
        format!(
            "\nPackage: {name}\nStatus: install ok installed\nArchitecture: arm64\nMaintainer: test \
             <test@example.invalid>\nVersion: {version}\nDescription: test\n"
        )
    });
    let status = format!("{}{}", base_status(), installed.concat());
    let passwd = "root:x:0:0:root:/root:/bin/bash\nsystemd-timesync:x:991:991::/:/usr/sbin/nologin\n\
                  pi:x:1000:1000:,,,:/home/pi:/bin/bash\ntool:x:101:102::/var/lib/tool:/usr/sbin/nologin\n";
    vec![
        Item::file("boot/firmware/initramfs8", crate::tiny_base::initramfs()),
        Item::file("etc/passwd", passwd),
        Item::file("usr/bin/tool", "#!/bin/sh\n").mode(0o4755),
        Item::file(
            "usr/lib/systemd/system/tool.service",
            "[Service]\nExecStart=/usr/bin/tool\n\n[Install]\nWantedBy=multi-user.target\n",
        ),
        Item::file("var/lib/dpkg/status", status),
    ]
}

/// Puts a layer of these entries into the cache, as a bake does.
pub(crate) fn put_layer(world: &World, key: &str, items: &[Item]) -> PathBuf {
    let directory = world.join(&format!("cache/bake-v1/{key}"));
    fs::create_dir_all(&directory).expect("a directory");
    let layer = write(&directory, items);
    let lock: toml::Table = world.read("pimg.lock").parse().expect("a lock");
    let raw = lock["base"].as_array().and_then(|bases| bases[0]["raw_sha256"].as_str()).expect("a base");
    let manifest = json!({
        "schema": 1, "key": key, "base_raw_sha256": raw, "recipe": 1, "epoch": EPOCH,
        "layer_sha256": layer.sha256.to_string(), "layer_size": layer.size,
        "tar_sha256": layer.tar_sha256.to_string(), "tar_size": layer.tar_size,
        "content_size": layer.content_size, "entries": layer.entries,
        "packages": [
            { "name": "libtool1", "version": "1.2-1", "architecture": "arm64", "sha256": "aa" },
            { "name": "tool", "version": "1.0-1", "architecture": "arm64", "sha256": "bb" },
        ],
        "kernels": [], "emulator": "by hand", "builder": "0",
    });
    fs::write(directory.join("layer.json"), manifest.to_string()).expect("a manifest");
    directory
}

pub(crate) fn in_image(world: &World, path: &str) -> Option<String> {
    let image = world.image();
    let outcome = world.run_bare(&["inspect", image.to_str().expect("UTF-8"), path]);
    (outcome.code == Some(0)).then_some(outcome.stdout)
}

fn manifest(world: &World, name: &str) -> Value {
    serde_json::from_str(&world.read(&format!("out/node/{name}"))).expect("JSON")
}

#[test]
fn an_image_begins_with_the_layer_and_has_no_repository() {
    if !have_tools() {
        return;
    }
    let world = world();
    let key = key(&world);
    let directory = put_layer(&world, &key, &items());
    let planned = plan(&world, &[]);
    assert_eq!(planned["result"]["baked"], json!({ "key": key, "is_cached": true }));

    world.build(&[]).ok();
    assert_eq!(in_image(&world, "/usr/bin/tool").as_deref(), Some("#!/bin/sh\n"));
    let passwd = in_image(&world, "/etc/passwd").expect("a file");
    assert!(passwd.contains("tool:x:101:102:") && passwd.contains("op:x:1000:1000:"), "{passwd}");
    for gone in ["/var/lib/pimg/repo", "/etc/apt/sources.list.d/pimg-embedded.sources"] {
        assert_eq!(in_image(&world, gone), None, "{gone}");
    }
    let list = |name: &str| in_image(&world, &format!("/var/lib/pimg/packages/{name}"));
    assert_eq!(list("install").as_deref(), Some("libtool1:arm64=1.2-1\ntool:arm64=1.0-1\n"));
    assert_eq!(list("baked"), Some(format!("{key}\n")));
    // all of them: debconf forgets those of the bake once the package is configured again
    let answers = "tool tool/name string node\ntool tool/colour string blue\n";
    assert_eq!(list("answers").as_deref(), Some(answers));
    assert_eq!(list("reconfigure").as_deref(), Some("tool\n"));

    let built = manifest(&world, "manifest.json");
    let file = manifest_of(&directory);
    assert_eq!(built["layer"], json!({ "key": key, "sha256": file["layer_sha256"], "packages": 2 }));
    let provenance = manifest(&world, "provenance.json");
    let inputs = &provenance["predicate"]["buildDefinition"]["resolvedDependencies"];
    let layer = inputs.as_array().and_then(|all| all.iter().find(|one| one["name"] == "baked layer"));
    let layer = layer.expect("the layer among what the image was made from");
    assert_eq!(layer["digest"]["sha256"], file["layer_sha256"]);
    let bill = world.read("out/node/sbom.spdx.json");
    assert!(bill.contains("SPDXRef-Installed-arm64-tool") && !bill.contains("on first boot"), "{bill}");
    let image = world.image();
    let told = world.run_bare(&["inspect", image.to_str().expect("UTF-8")]).ok();
    assert!(told.contains(&format!("baked layer         {key}, 2 packages")), "{told}");
    crate::judges::expect_no_complaint(&image);
}

fn manifest_of(directory: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(directory.join("layer.json")).expect("a manifest")).expect("JSON")
}

#[test]
fn hosts_share_a_layer_and_nothing_is_made_twice() {
    if !have_tools() {
        return;
    }
    let world = world();
    let key = key(&world);
    put_layer(&world, &key, &items());
    let second =
        world.read("profiles/node.toml").replace("\"node\"", "\"other\"").replace("10.0.0.2", "10.0.0.3");
    world.write("profiles/other.toml", second);
    let both = ["build", "--profile", "node", "--profile", "other", "--format", "raw", "--progress", "plain"];
    let mirror = format!("debian={}", world.site.url("debian"));
    let build = || {
        let outcome = world.run_plain(&[&both[..], &["--mirror", &mirror]].concat());
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let lines = outcome.stderr.lines().filter_map(|line| line.split_once("baked base: "));
        lines.map(|(_, how)| how.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(build(), ["made"]);
    assert_eq!(build(), ["reused"]);
    let told = world.run(&["bake", "node", "other", "--json"]).ok();
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let layers = told["result"]["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 1);
    assert_eq!((&layers[0]["key"], &layers[0]["is_new"]), (&json!(key), &json!(false)));
    assert_eq!(layers[0]["hosts"], json!(["node", "other"]));
}

#[test]
fn the_command_line_has_the_last_word() {
    if !have_tools() {
        return;
    }
    let world = world();
    let key = key(&world);
    put_layer(&world, &key, &items());
    assert_eq!(plan(&world, &["--no-bake"])["result"]["baked"], Value::Null);
    world.build(&["--no-bake"]).ok();
    assert_eq!(in_image(&world, "/usr/bin/tool"), None);
    assert!(in_image(&world, "/var/lib/pimg/repo/Packages").is_some());
    let answers = in_image(&world, "/var/lib/pimg/packages/answers").expect("answers");
    assert_eq!(answers, "tool tool/name string node\ntool tool/colour string blue\n");
    assert_eq!(manifest(&world, "manifest.json")["layer"], Value::Null);
    let node = world.read("profiles/node.toml").replace("bake = true\n", "");
    world.write("profiles/node.toml", node);
    assert_eq!(plan(&world, &[])["result"]["baked"], Value::Null);
    assert_eq!(plan(&world, &["--bake"])["result"]["baked"]["key"], json!(key));
    let told = world.refused(&["bake", "--all"]);
    assert!(told.contains("no profile with a `hostname` says `bake = true`"), "{told}");
}

#[test]
fn a_hostile_layer_in_the_cache_changes_nothing() {
    if !have_tools() {
        return;
    }
    let world = world();
    let key = key(&world);
    put_layer(&world, &key, &[Item::file("../../etc/cron.d/x", "* * * * * root true\n")]);
    let told = world.build_refused(&[]);
    assert!(told.starts_with("exit code 5\n"), "{told}");
    assert!(told.contains("the layer cannot be used: `../../etc/cron.d/x` leaves the image"), "{told}");
    assert!(told.contains("hint: remove the layer's directory"), "{told}");
}

#[test]
fn what_templates_and_files_decide_about_the_name() {
    if !have_tools() {
        return;
    }
    let world = world();
    let first = key(&world);
    // another host has the same layer, though its answer is another
    let node = world.read("profiles/node.toml");
    world.write("profiles/node.toml", node.replace("hostname = \"node\"", "hostname = \"renamed\""));
    assert_eq!(key(&world), first);
    world.write("overlays/extra/rootfs/usr/share/x", "packages do not see this");
    assert_eq!(key(&world), first);
    world.write("overlays/extra/rootfs/etc/initramfs-tools/conf.d/own.j2", "# {{ hostname }}\n");
    assert_eq!(key(&world), first, "a template is of one host");
    world.write("overlays/extra/rootfs/etc/initramfs-tools/conf.d/all", "COMPRESS=xz\n");
    let second = key(&world);
    assert_ne!(second, first);
    world.write("overlays/extra/overlay.toml", OVERLAY.replace("blue", "red"));
    assert_ne!(key(&world), second, "an answer for all");
}

#[test]
fn a_layer_goes_with_the_cache() {
    if !have_tools() {
        return;
    }
    let world = world();
    let key = key(&world);
    let directory = put_layer(&world, &key, &items());
    let left = world.join("cache/bake-v1/.tmp-killed/scratch/index");
    fs::create_dir_all(&left).expect("a directory");
    world.build(&[]).ok();
    assert!(directory.exists() && !world.join("cache/bake-v1/.tmp-killed").exists());
    world.run_bare(&["clean", "--cache", "--older-than", "1d"]).ok();
    assert!(directory.exists());
    fs::File::open(&directory)
        .and_then(|opened| opened.set_modified(std::time::SystemTime::UNIX_EPOCH))
        .expect("a time");
    world.run_bare(&["clean", "--cache", "--older-than", "1d"]).ok();
    assert!(!directory.exists());
}
