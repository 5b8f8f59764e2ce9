//! Any source can be read from elsewhere; who has to sign it does not change with that.

use crate::archive::{Package, Repository, Signed};
use crate::world::{World, archive, archive_key, have_tools, other_key};

fn mirror(world: &World, path: &str) -> String {
    format!("debian={}", world.site.url(path))
}

/// The archive below another path, signed by this key.
fn copy(world: &World, signed: Signed<'_>) {
    Repository::new("copy", "trixie")
        .with(Package::new("tool", "1.5-1").with("Depends", "libbase1"))
        .publish(&world.site, signed);
}

#[test]
fn a_mirror_signed_by_the_archive() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    copy(&world, Signed::Inline(archive_key()));
    world.run_bare(&["lock", "--profile", "node", "--mirror", &mirror(&world, "copy")]).ok();
    assert_eq!(world.locked_packages(), ["tool 1.5-1"]);
}

#[test]
fn a_mirror_signed_by_somebody_else() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    copy(&world, Signed::Inline(other_key()));
    let outcome = world.run_bare(&["lock", "--profile", "node", "--mirror", &mirror(&world, "copy")]);
    insta::assert_snapshot!(world.describe(&outcome), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `debian/trixie`: signature in `InRelease`: it is signed by [OTHER KEY], expected [ARCHIVE KEY]

    hint: compare the keys with what the publisher says; a mirror with a key of its own needs `--keyring NAME=FILE`
    ");
}

#[test]
fn somebody_elses_keyring_is_named_by_hand() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    copy(&world, Signed::Inline(other_key()));
    world.write("mine.gpg", &other_key().public);
    let mirror = mirror(&world, "copy");
    let named = ["lock", "--profile", "node", "--mirror", &mirror, "--keyring", "debian=mine.gpg"];
    world.run_bare(&named).ok();
    assert_eq!(world.locked_packages(), ["tool 1.5-1"]);
}

#[test]
fn mirrors_of_the_profile_and_of_the_user() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    copy(&world, Signed::Inline(archive_key()));
    let user = format!("[mirrors]\ndebian = \"{}\"\n", world.site.url("copy"));
    world.write("home/.config/pimg/config.toml", user);
    world.run_bare(&["lock", "--profile", "node"]).ok();
    assert_eq!(world.locked_packages(), ["tool 1.5-1"], "the user's");
    let profile = world.read("profiles/node.toml");
    let mirrors = format!("[mirrors]\ndebian = \"{}\"\n", world.site.url("debian"));
    world.write("profiles/node.toml", profile + &mirrors);
    std::fs::remove_file(world.join("pimg.lock")).expect("a lock");
    world.run_bare(&["lock", "--profile", "node"]).ok();
    assert_eq!(
        world.locked_packages(),
        ["libtool1 1.2-1", "tool 1.0-1"],
        "the profile's goes before the user's"
    );
    std::fs::remove_file(world.join("pimg.lock")).expect("a lock");
    world.run_bare(&["lock", "--profile", "node", "--mirror", &mirror(&world, "copy")]).ok();
    assert_eq!(world.locked_packages(), ["tool 1.5-1"], "the command line's goes before both");
}

#[test]
fn a_directory_is_a_mirror() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.site.write_to(&world.join("files"));
    world.site.switch_off();
    let mirror = format!("debian=file://{}", world.join("files/debian").display());
    world.run_bare(&["lock", "--profile", "node", "--mirror", &mirror]).ok();
    assert_eq!(world.locked_packages(), ["libtool1 1.2-1", "tool 1.0-1"]);
    world.run_bare(&["build", "--profile", "node", "--format", "raw", "--locked", "--mirror", &mirror]).ok();
    assert_eq!(world.site.asked(), [""; 0]);
}

#[test]
fn the_node_keeps_its_own_source() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    archive().publish(&world.site, Signed::Inline(archive_key()));
    world.build(&[]).ok();
    let image = world.image();
    let image = image.to_str().expect("UTF-8");
    let source = world.run_bare(&["inspect", image, "/etc/apt/sources.list.d/debian.sources"]).ok();
    assert!(source.contains(crate::world::ARCHIVE), "{source}");
    assert!(!source.contains("127.0.0.1"), "{source}");
}
