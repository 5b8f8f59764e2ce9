//! `pimg bump`: a pinned base on a publisher's site over https, a newer one, and a list of images that names both.

use std::fs;

use sha2::{Digest, Sha256};

use crate::archive::{Package, Signed};
use crate::support;
use crate::tiny_base::TinyBase;
use crate::tls::SecureSite;
use crate::world::{ARCHIVE, World, archive, archive_key, base_status, have_tools};

const OLD: &str = "2025-12-04-raspios-trixie-arm64-lite.img.xz";
const NEW: &str = "2026-04-13-raspios-trixie-arm64-lite.img.xz";

struct Published {
    sha256: String,
    raw_sha256: String,
}

/// Puts an image on the publisher's site, with its digest beside it.
fn publish(world: &World, secure: &SecureSite, name: &str, base: &TinyBase) -> Published {
    let raw = base.make(&world.join(""), "publish.img");
    let path = raw.to_str().expect("UTF-8");
    let raw_sha256 = hex(&fs::read(&raw).expect("an image"));
    support::run("xz", &["-1", "-f", path]);
    let compressed = world.join("publish.img.xz");
    let bytes = fs::read(&compressed).expect("an image");
    fs::remove_file(compressed).expect("a file");
    let sha256 = hex(&bytes);
    secure.put(name, bytes);
    secure.put(&format!("{name}.sha256"), format!("{sha256}  {name}\n"));
    Published { sha256, raw_sha256 }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The list of images, with the desktop's and an older Debian's in it.
fn list(secure: &SecureSite, name: &str, image: &Published) {
    let entry = |name: &str, sha256: &str| {
        serde_json::json!({
            "name": "Raspberry Pi OS Lite (64-bit)", "description": "x", "icon": "https://x/y.png",
            "url": secure.url(name), "extract_size": 1, "extract_sha256": image.raw_sha256,
            "image_download_size": 1, "image_download_sha256": sha256, "release_date": name.get(..10),
            "init_format": "cloudinit-rpi", "devices": ["pi5-64bit", "pi4-64bit"],
        })
    };
    let other = "ee".repeat(32);
    let list = serde_json::json!({
        "imager": { "latest_version": "2.0.0", "url": "https://x/" },
        "os_list": [
            { "name": "Raspberry Pi OS (64-bit)", "url": secure.url("2027-01-01-raspios-trixie-arm64.img.xz"),
              "extract_sha256": other, "image_download_sha256": other, "release_date": "2027-01-01" },
            { "name": "Raspberry Pi OS (other)", "subitems": [
                entry(name, &image.sha256),
                entry("2027-01-01-raspios-bookworm-arm64-lite.img.xz", &other),
            ] },
        ],
    });
    secure.put("os_list.json", serde_json::to_vec(&list).expect("JSON"));
}

fn base() -> TinyBase {
    TinyBase::new()
        .archive(ARCHIVE, &archive_key().public)
        .with("var/lib/dpkg/status", base_status())
        .with("usr/lib/modules/6.18.34+rpt-rpi-v8/modules.dep", "")
}

/// A node whose base is pinned in a profile that it extends, locked, and a publisher who has a newer base since.
fn world() -> World {
    let mut world = World::new();
    let secure = SecureSite::new();
    let old = publish(&world, &secure, OLD, &base());
    let pin = format!(
        "# kept\n[base] # also kept\nsource = \"{}\"\nsha256 = \"{}\"     # the file\nraw_sha256 = \"{}\" # the image\n",
        secure.url(OLD),
        old.sha256,
        old.raw_sha256
    );
    world.write("profiles/raspios.toml", pin);
    let node = world.read("profiles/node.toml").replace("[base]\nsource = \"base.img\"\n", "");
    world.write("profiles/node.toml", format!("extends = \"raspios\"\n{node}"));
    world.secure = Some(secure);
    world.lock(&[]).ok();
    let secure = world.secure.as_ref().expect("a server");
    let changed =
        base().with("var/lib/dpkg/status", &base_status().replace("Version: 1.0-1", "Version: 1.0-2"));
    let new = publish(&world, secure, NEW, &changed);
    list(secure, NEW, &new);
    archive()
        .with(Package::new("tool", "1.1-1").with("Depends", "libtool1 (>= 1.0), libbase1"))
        .publish(&world.site, Signed::Inline(archive_key()));
    world
}

fn bump(world: &World, more: &[&str]) -> crate::world::Outcome {
    let list = world.secure.as_ref().expect("a server").url("os_list.json");
    world.run(&[&["bump", "--os-list", &list], more].concat())
}

fn have_all() -> bool {
    have_tools() && support::have("openssl") && support::have("xz")
}

#[test]
fn base_and_packages_move_together_and_nothing_else_of_the_profile() {
    if !have_all() {
        return;
    }
    let world = world();
    let (pin, lock) = (world.read("profiles/raspios.toml"), world.read("pimg.lock"));

    let checked = bump(&world, &["--check"]);
    assert!(checked.stderr.contains("nothing was written"), "{}", checked.stderr);
    let told = checked.ok();
    assert!(told.contains("2025-12-04  2026-04-13"), "{told}");
    assert!(told.contains("upgraded  hello:arm64"), "what the bases differ in: {told}");
    assert_eq!((world.read("profiles/raspios.toml"), world.read("pimg.lock")), (pin.clone(), lock.clone()));

    let told = bump(&world, &[]).ok();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.lines().any(|line| words(line) == "package tool 1.0-1 1.1-1 asked for"), "{told}");
    let moved = world.read("profiles/raspios.toml");
    let lines: Vec<_> = pin.lines().zip(moved.lines()).filter(|(old, new)| old != new).collect();
    assert_eq!((lines.len(), pin.lines().count()), (3, moved.lines().count()), "{moved}");
    assert!(moved.contains(NEW) && moved.contains("# the file") && moved.contains("# also kept"), "{moved}");
    assert!(world.read("pimg.lock").contains(NEW) && !world.read("pimg.lock").contains(OLD));
    assert!(world.locked_packages().contains(&"tool 1.1-1".to_owned()));
    // what was written is what a build takes
    world.build(&["--locked"]).ok();

    let again = bump(&world, &[]);
    assert!(again.stderr.contains("pimg.lock is up to date"), "{}", again.stderr);
    assert_eq!(world.read("profiles/raspios.toml"), moved);
}

#[test]
fn only_packages_or_only_the_base() {
    if !have_all() {
        return;
    }
    let world = world();
    let pin = world.read("profiles/raspios.toml");
    bump(&world, &["--packages"]).ok();
    assert_eq!(world.read("profiles/raspios.toml"), pin);
    assert!(world.locked_packages().contains(&"tool 1.1-1".to_owned()));
    bump(&world, &["--base"]).ok();
    assert!(world.read("profiles/raspios.toml").contains(NEW));
}

#[test]
fn what_would_go_back_or_does_not_agree_is_refused() {
    if !have_all() {
        return;
    }
    let world = world();
    let secure = world.secure.as_ref().expect("a server");
    let pin = world.read("profiles/raspios.toml");
    let refused = |code: i32, words: &str| {
        let lock = world.read("pimg.lock");
        let outcome = bump(&world, &[]);
        let told = world.describe(&outcome);
        assert_eq!(outcome.code, Some(code), "{told}");
        assert!(told.contains(words), "{words}: {told}");
        assert_eq!((world.read("pimg.lock"), world.read("profiles/raspios.toml")), (lock, pin.clone()));
    };
    let other = Published { sha256: "ab".repeat(32), raw_sha256: "cd".repeat(32) };
    secure.put(&format!("{NEW}.sha256"), "00\n");
    refused(5, "two digests of `Raspberry Pi OS Lite (64-bit)`");
    secure.put(&format!("{NEW}.sha256"), format!("{}  {NEW}\n", other.sha256));
    list(secure, NEW, &other);
    refused(5, "");
    list(secure, "2025-05-06-raspios-trixie-arm64-lite.img.xz", &other);
    refused(5, "older than the pinned one: 2025-05-06, not 2025-12-04");
    list(secure, OLD, &other);
    refused(5, "published again with other bytes");
    secure.put("os_list.json", "nonsense");
    refused(5, "is no list of images");
}
