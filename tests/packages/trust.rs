//! What an archive can get wrong on the way from its key to a package's bytes: each step refused by name, exit code 5.

use crate::archive::{Package, Repository, Signed, now};
use crate::signing::Key;
use crate::world::{World, archive, archive_key, have_tools, other_key};

const DAY: i64 = 86_400;
const IN_RELEASE: &str = "debian/dists/trixie/InRelease";

#[test]
fn a_release_signed_by_another_key() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    archive().publish(&world.site, Signed::Inline(other_key()));
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `debian/trixie`: signature in `InRelease`: it is signed by [OTHER KEY], expected [ARCHIVE KEY]

    hint: compare the keys with what the publisher says; a mirror with a key of its own needs `--keyring NAME=FILE`
    ");
}

#[test]
fn a_detached_signature_by_another_key() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    archive().publish(&world.site, Signed::Detached(other_key()));
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `debian/trixie`: signature in `Release.gpg`: it is signed by [OTHER KEY], expected [ARCHIVE KEY]

    hint: compare the keys with what the publisher says; a mirror with a key of its own needs `--keyring NAME=FILE`
    ");
}

#[test]
fn a_key_that_expired() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    let expired = Key::expired("expired");
    world.write("expired.gpg", &expired.public);
    archive().publish(&world.site, Signed::Inline(&expired));
    let told = world.lock_refused(&["--keyring", "debian=expired.gpg"]);
    insta::assert_snapshot!(told, @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `debian/trixie`: signature in `InRelease`: the key [FINGERPRINT] expired at [DATE], and now is [DATE]

    hint: somebody on the way may have changed it: take another mirror with `--mirror NAME=URL`
    ");
}

#[test]
fn a_release_changed_after_it_was_signed() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.site.change(IN_RELEASE, |text| {
        let at = text.windows(6).position(|window| window == b"trixie").expect("the suite");
        text[at] = b'T';
    });
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `debian/trixie`: signature in `InRelease`: the signature by [ARCHIVE KEY] does not fit the text

    hint: somebody on the way may have changed it: take another mirror with `--mirror NAME=URL`
    ");
}

#[test]
fn text_before_the_signed_release_counts_for_nothing() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.site.change(IN_RELEASE, |text| {
        let bare = b"Suite: trixie\nSHA256:\n".to_vec();
        *text = [bare, text.clone()].concat();
    });
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `debian/trixie`: signature in `InRelease`: it is not one signed message: it does not start with a signed message

    hint: somebody on the way may have changed it: take another mirror with `--mirror NAME=URL`
    ");
}

#[test]
fn an_unsigned_repository() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    archive().publish(&world.site, Signed::Not);
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `debian/trixie`: signature in `Release.gpg`: there is none, the repository is not signed

    hint: nothing from an unsigned repository can be trusted; ask its owner for `InRelease`
    ");
}

#[test]
fn a_release_past_its_end() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    let mut stale = archive().dated(now() - 8 * DAY);
    stale.valid_until = Some(now() - DAY);
    stale.publish(&world.site, Signed::Inline(archive_key()));
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `debian/trixie`: `InRelease`: it was valid until [DATE], and now is [DATE]

    hint: the mirror stands still or holds updates back: take another one with `--mirror NAME=URL`
    ");
}

#[test]
fn a_release_from_the_future() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    archive().dated(now() + 30 * DAY).publish(&world.site, Signed::Inline(archive_key()));
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `debian/trixie`: `InRelease`: it is from [DATE], and now is [DATE]

    hint: see whether the clock of this machine is right: `date`
    ");
}

#[test]
fn a_release_older_than_the_lock() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    archive().dated(now() - 10 * DAY).publish(&world.site, Signed::Inline(archive_key()));
    insta::assert_snapshot!(world.lock_refused(&["--update", "packages"]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `debian/trixie`: `InRelease`: it is from [DATE], older than [DATE] as locked

    hint: the mirror stands still or holds updates back: take another one with `--mirror NAME=URL`
    ");
}

#[test]
fn a_release_of_another_suite() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    let other = Repository::new("debian", "bookworm").with(Package::new("tool", "0.9-1"));
    other.publish(&world.site, Signed::Inline(archive_key()));
    let release = world.site.get("debian/dists/bookworm/InRelease");
    world.site.put(IN_RELEASE, release.to_vec());
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `debian/trixie`: `InRelease`: it is of suite `bookworm` (`bookworm`), expected `trixie`

    hint: change the suite of the source in its overlay, or the mirror
    ");
}

#[test]
fn an_index_of_another_day() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    let release = world.site.get(IN_RELEASE);
    // the same archive a day later, under yesterday's signature
    let later = archive().with(Package::new("tool", "6.6-6"));
    world.site.remove("by-hash");
    later.publish(&world.site, Signed::Inline(archive_key()));
    world.site.put(IN_RELEASE, release.to_vec());
    world.site.remove("by-hash");
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `debian/trixie`: index `main/binary-arm64/Packages.xz`: it has more than [SIZE] bytes

    hint: somebody on the way may have changed it: take another mirror with `--mirror NAME=URL`
    ");
}

#[test]
fn an_index_with_a_flipped_bit() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    // every form of it, by every name
    world.site.change("binary-arm64/", |index| {
        let middle = index.len() / 2;
        index[middle] ^= 1;
    });
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: cannot trust repository `debian/trixie`: index `main/binary-arm64/Packages.xz`: expected sha256 [SHA256], got sha256 [SHA256]

    hint: somebody on the way may have changed it: take another mirror with `--mirror NAME=URL`
    ");
}

#[test]
fn a_package_with_a_flipped_byte() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    world.site.change("libtool1_1.2-1_arm64.deb", |deb| {
        let middle = deb.len() / 2;
        deb[middle] ^= 1;
    });
    insta::assert_snapshot!(world.build_refused(&["--locked"]), @r"
    exit code 5
    error: `libtool1_1.2-1_arm64.deb` from `http://[SITE]/debian/pool/main/libtool1_1.2-1_arm64.deb` has another digest: expected sha256 [SHA256], got sha256 [SHA256]

    hint: somebody changed the file: take another mirror with `--mirror NAME=URL`, or, if its publisher did, `pimg lock --update packages`
    ");
    insta::assert_snapshot!(world.refused(&["fetch"]), @r"
    exit code 5
    error: `libtool1_1.2-1_arm64.deb` from `http://[SITE]/debian/pool/main/libtool1_1.2-1_arm64.deb` has another digest: expected sha256 [SHA256], got sha256 [SHA256]

    hint: somebody changed the file: take another mirror with `--mirror NAME=URL`, or, if its publisher did, `pimg lock --update packages`
    ");
}

#[test]
fn a_package_of_another_length() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    world.lock(&[]).ok();
    world.site.change("libtool1_1.2-1_arm64.deb", |deb| deb.push(0));
    let told = world.build_refused(&["--locked"]);
    assert!(told.starts_with("exit code 5\n") && told.contains("another length"), "{told}");
}

#[test]
fn an_index_that_names_files_elsewhere() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    // signed all the same: the archive itself is hostile
    let index =
        "Package: tool\nVersion: 1.0-1\nArchitecture: arm64\nFilename: ../../etc/shadow\nSize: 1\nSHA256: ";
    let index = format!("{index}{}\n\n", "00".repeat(32));
    archive().publish_index(&world.site, Signed::Inline(archive_key()), &index);
    insta::assert_snapshot!(world.lock_refused(&[]), @r"
    exit code 5
    error: cannot resolve the packages of profile `node`
      caused by: the index of `debian/trixie` is damaged although its digest matches
      caused by: line 4: `Filename` must be a path below the repository, got `../../etc/shadow`
    ");
}

#[test]
fn detached_signatures_are_as_good() {
    if !have_tools() {
        return;
    }
    let world = World::new();
    archive().publish(&world.site, Signed::Detached(archive_key()));
    world.lock(&[]).ok();
    assert_eq!(world.locked_packages(), ["libtool1 1.2-1", "tool 1.0-1"]);
}
