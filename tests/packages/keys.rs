//! Keys that no file of the project pins: shown and asked for at the first `pimg lock`, and pinned from then on.

use crate::archive::{Package, Repository, Signed};
use crate::support;
use crate::tls::SecureSite;
use crate::world::{World, archive_key, have_tools, other_key};

/// A node that takes `extra-tool` from a source whose key is only known by its address.
fn world() -> World {
    let mut world = World::new();
    let secure = SecureSite::new();
    secure.put("key.gpg", &other_key().public);
    let key = secure.url("key.gpg");
    world.secure = Some(secure);
    let site = &world.site;
    let overlay = format!(
        "[[apt.source]]\nname = \"extra\"\nuris = \"{}\"\nsuites = \"trixie\"\ncomponents = \"main\"\n\
         keyring = {{ path = \"/usr/share/keyrings/extra.gpg\", url = \"{}\" }}\n",
        site.url("extra"),
        key
    );
    world.node_with_overlay(&overlay, "install = [\"extra-tool\"]");
    extra("1.0-1").publish(site, Signed::Inline(other_key()));
    world
}

fn extra(version: &str) -> Repository {
    Repository::new("extra", "trixie").with(Package::new("extra-tool", version).with("Depends", "tool"))
}

/// Another file where the key was.
fn offer(world: &World, keyring: &[u8]) {
    world.secure.as_ref().expect("a server").put("key.gpg", keyring);
}

fn have_all() -> bool {
    have_tools() && support::have("openssl")
}

fn accepted() -> String {
    format!("extra={}", other_key().fingerprint)
}

#[test]
fn a_key_that_nobody_accepted() {
    if !have_all() {
        return;
    }
    let world = world();
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: the key of source `extra` is not known yet: [OTHER KEY] (other <other@example.invalid>)

    hint: compare the fingerprint with what the publisher says, by another way than this network
    hint: if it is the same: `--accept-key extra=[OTHER KEY]`
    ");
    assert!(world.lock(&[]).stderr.contains(&other_key().fingerprint), "the fingerprint is to be pasted");
}

#[test]
fn another_fingerprint_than_the_accepted_one() {
    if !have_all() {
        return;
    }
    let world = world();
    let wrong = format!("extra={}", archive_key().fingerprint);
    insta::assert_snapshot!(world.lock_refused(&["--accept-key", &wrong]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: the key of source `extra` is not the accepted one: expected [ARCHIVE KEY], got [OTHER KEY] (other <other@example.invalid>)

    hint: compare both with what the publisher says
    ");
}

#[test]
fn a_fingerprint_that_is_none() {
    if !have_all() {
        return;
    }
    let world = world();
    let told = world.lock_refused(&["--accept-key", "extra=DEADBEEF"]);
    assert!(told.starts_with("exit code 2\n"), "{told}");
}

#[test]
fn an_accepted_key_is_pinned_and_not_asked_for_again() {
    if !have_all() {
        return;
    }
    let world = world();
    world.lock(&["--accept-key", &accepted()]).ok();
    assert_eq!(world.locked_packages(), ["extra-tool 1.0-1", "libtool1 1.2-1", "tool 1.0-1"]);
    assert!(world.read("pimg.lock").contains(&other_key().fingerprint));
    extra("1.1-1").publish(&world.site, Signed::Inline(other_key()));
    world.lock(&["--update", "packages"]).ok();
    assert_eq!(world.locked_packages(), ["extra-tool 1.1-1", "libtool1 1.2-1", "tool 1.0-1"]);
}

#[test]
fn a_key_that_changed_since_the_lock() {
    if !have_all() {
        return;
    }
    let world = world();
    world.lock(&["--accept-key", &accepted()]).ok();
    // whoever holds the server now signs with another key, and offers it
    offer(&world, &archive_key().public);
    extra("6.6-6").publish(&world.site, Signed::Inline(archive_key()));
    insta::assert_snapshot!(world.lock_refused(&["--update", "packages"]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `extra/trixie`: signature in `InRelease`: it is signed by [ARCHIVE KEY], expected [OTHER KEY]

    hint: compare the keys with what the publisher says; a mirror with a key of its own needs `--keyring NAME=FILE`
    ");
}

#[test]
fn a_release_signed_by_another_key_than_the_pinned_one() {
    if !have_all() {
        return;
    }
    let world = world();
    extra("6.6-6").publish(&world.site, Signed::Inline(archive_key()));
    insta::assert_snapshot!(world.lock_refused(&["--accept-key", &accepted()]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `extra/trixie`: signature in `InRelease`: it is signed by [ARCHIVE KEY], expected [OTHER KEY]

    hint: compare the keys with what the publisher says; a mirror with a key of its own needs `--keyring NAME=FILE`
    ");
}

#[test]
fn a_keyring_with_more_keys_trusts_the_accepted_one_alone() {
    if !have_all() {
        return;
    }
    let world = world();
    offer(&world, &[&other_key().public[..], &archive_key().public].concat());
    extra("6.6-6").publish(&world.site, Signed::Inline(archive_key()));
    let told = world.lock_refused(&["--accept-key", &accepted()]);
    assert!(told.starts_with("exit code 5\n"), "{told}");
}

#[test]
fn no_key_at_its_address() {
    if !have_all() {
        return;
    }
    let world = world();
    offer(&world, b"");
    insta::assert_snapshot!(world.lock_refused(&["--accept-key", &accepted()]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust `[SECURE]/key.gpg`: it holds no OpenPGP certificate

    hint: compare the key with the one that its owner publishes
    ");
}

#[test]
fn the_node_gets_the_key_that_was_accepted() {
    if !have_all() {
        return;
    }
    let world = world();
    world.lock(&["--accept-key", &accepted()]).ok();
    world.build(&["--locked"]).ok();
    let image = world.image();
    let image = image.to_str().expect("UTF-8");
    let source = world.run_bare(&["inspect", image, "/etc/apt/sources.list.d/pimg-extra.sources"]).ok();
    assert!(source.contains("/usr/share/keyrings/extra.gpg") && !source.contains("Enabled: no"), "{source}");
}
