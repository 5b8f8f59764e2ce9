//! `pimg.lock`: made, kept, moved one thing at a time, and asked for.

use std::fs;

use crate::archive::{Package, Repository, Signed};
use crate::world::{World, archive, archive_key, have_tools};

/// The archive a week later: everything has a newer version.
fn later() -> Repository {
    newer(Repository::new("debian", "trixie"))
}

/// An archive that has newer versions too.
fn newer(archive: Repository) -> Repository {
    archive
        .with(Package::new("tool", "2.0-1").with("Depends", "libtool1 (>= 1.0), libbase1"))
        .with(Package::new("libtool1", "1.3-1"))
        .with(Package::new("helper", "1.1-1"))
        .with(Package::new("hello", "1.2-1"))
}

#[test]
fn locked_without_a_lock() {
    if !have_tools() {
        return;
    }
    insta::assert_snapshot!(World::new().build_refused(&["--locked"]), @r"
    exit code 4
    error: there is no `pimg.lock`, and `--locked` asks for one

    hint: `pimg lock` makes one
    ");
}

#[test]
fn locked_with_a_lock_for_other_wishes() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    world.node("install = [\"tool\", \"helper\"]");
    insta::assert_snapshot!(world.build_refused(&["--locked"]), @r"
    exit code 4
    error: `pimg.lock` does not fit profile `node`
      its packages, sources or pins changed

    hint: `pimg lock` brings it up to date
    ");
}

#[test]
fn locked_with_a_lock_for_another_base() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    // one byte of padding behind the last partition
    let mut base = fs::read(world.join("base.img")).expect("the base");
    base.extend([0; 512]);
    fs::remove_file(world.join("base.img")).expect("the base");
    world.write("base.img", base);
    insta::assert_snapshot!(world.build_refused(&["--locked"]), @r"
    exit code 4
    error: cannot prepare host `node`
      caused by: the base image is not the locked one: its sha256 differs
      expected sha256 [SHA256]
      got      sha256 [SHA256]

    hint: leave `--locked` out to build with another base than the locked one
    ");
}

#[test]
fn a_damaged_lock() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    let lock = world.read("pimg.lock");
    world.write("pimg.lock", lock.replacen("sha256 = \"", "sha256 = \"x", 1));
    let told = world.build_refused(&["--locked"]);
    assert!(told.starts_with("exit code 4\n") && told.contains("pimg.lock"), "{told}");
}

#[test]
fn the_same_archive_gives_the_same_lock() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    let first = world.read("pimg.lock");
    insta::assert_snapshot!(world.plain(&first), @r#"
    # What `pimg build` installs, byte for byte. Written by `pimg lock`; keep it in git.
    version = 1
    revision = 1

    [[base]]
    url = "base.img"
    sha256 = "[SHA256]"
    raw_sha256 = "[SHA256]"

    [[repository]]
    name = "debian/trixie"
    uri = "http://archive.example.invalid/debian"
    suite = "trixie"
    components = ["main"]
    date = "[DATE]"
    sha256 = "[SHA256]"
    signed_by = "[ARCHIVE KEY]"

    [[set]]
    profiles = ["node"]
    base = "[SHA256]"
    request = "[SHA256]"
    manual = ["tool"]
    package = [
      { name = "libtool1", version = "1.2-1", architecture = "arm64", reason = "needed by tool", repository = "debian/trixie", file = "pool/main/libtool1_1.2-1_arm64.deb", size = [SIZE], sha256 = "[SHA256]" },
      { name = "tool", version = "1.0-1", architecture = "arm64", reason = "asked for", repository = "debian/trixie", file = "pool/main/tool_1.0-1_arm64.deb", size = [SIZE], sha256 = "[SHA256]" },
    ]
    "#);
    let said = world.lock(&[]).ok();
    assert_eq!(world.read("pimg.lock"), first);
    fs::remove_dir_all(world.join("cache")).expect("a cache");
    fs::remove_file(world.join("pimg.lock")).expect("a lock");
    world.lock(&[]).ok();
    assert_eq!(world.read("pimg.lock"), first, "nothing of the cache or the old lock is in it");
    assert_eq!(said, "", "nothing changed");
}

#[test]
fn a_lock_holds_while_the_archive_moves_on() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    let first = world.read("pimg.lock");
    later().publish(&world.site, Signed::Inline(archive_key()));
    world.lock(&[]).ok();
    assert_eq!(world.read("pimg.lock"), first, "only `--update` moves what is locked");
    world.build(&["--locked"]).ok();
}

#[test]
fn update_moves_one_package_and_says_so() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.node("install = [\"tool\", \"helper\"]");
    world.lock(&[]).ok();
    assert_eq!(world.locked_packages(), ["helper 1.0-1", "libtool1 1.2-1", "tool 1.0-1"]);
    newer(archive()).publish(&world.site, Signed::Inline(archive_key()));
    let said = world.lock(&["--update", "tool"]).ok();
    assert_eq!(world.locked_packages(), ["helper 1.0-1", "libtool1 1.2-1", "tool 2.0-1"]);
    insta::assert_snapshot!(world.plain(&said), @r"
    WHAT        NAME           FROM                  TO                    WHY
    repository  debian/trixie  [DATE]  [DATE]
    package     tool           1.0-1                 2.0-1                 asked for
    ");
}

#[test]
fn update_leaves_what_the_archive_no_longer_has_if_its_file_is_here() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.node("install = [\"tool\", \"helper\"]");
    world.run(&["fetch", "--profile", "node"]).ok();
    later().publish(&world.site, Signed::Inline(archive_key()));
    world.lock(&["--update", "helper"]).ok();
    assert_eq!(world.locked_packages(), ["helper 1.1-1", "libtool1 1.2-1", "tool 1.0-1"]);
}

#[test]
fn a_name_that_nothing_has_is_said() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.node("install = [\"tool\"]");
    let outcome = world.lock(&["--mirror", "debain=http://mirror.test/debian"]);
    assert_eq!(outcome.code, Some(0));
    assert!(outcome.stderr.contains("`--mirror debain=…` changes nothing"), "{}", outcome.stderr);
}

#[test]
fn update_packages_moves_all_of_them() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.node("install = [\"tool\", \"helper\"]");
    world.lock(&[]).ok();
    later().publish(&world.site, Signed::Inline(archive_key()));
    let said = world.lock(&["--update", "packages"]).ok();
    assert_eq!(world.locked_packages(), ["helper 1.1-1", "libtool1 1.3-1", "tool 2.0-1"]);
    insta::assert_snapshot!(world.plain(&said), @r"
    WHAT        NAME           FROM                  TO                    WHY
    repository  debian/trixie  [DATE]  [DATE]
    package     helper         1.0-1                 1.1-1                 asked for
    package     libtool1       1.2-1                 1.3-1                 needed by tool
    package     tool           1.0-1                 2.0-1                 asked for
    ");
}

#[test]
fn update_of_something_that_is_not_locked() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    insta::assert_snapshot!(world.lock_refused(&["--update", "tol"]), @r"
    exit code 2
    error: nothing in `pimg.lock` is called `tol`

    hint: `--update` takes `base`, `packages`, or the name of a package or download
    ");
}

#[test]
fn a_build_without_a_lock_makes_one() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.build(&[]).ok();
    let made = world.read("pimg.lock");
    world.lock(&[]).ok();
    assert_eq!(world.read("pimg.lock"), made);
}

#[test]
fn recommendations_and_upgrades_come_when_asked_for() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.node("install = [\"helper\"]");
    world.lock(&[]).ok();
    assert_eq!(world.locked_packages(), ["helper 1.0-1"]);
    world.node("install = [\"helper\"]\nrecommends = true\nupgrade = \"locked\"");
    world.lock(&[]).ok();
    assert_eq!(world.locked_packages(), ["hello 1.1-1", "helper 1.0-1", "spare 1.0-1"]);
}
