//! Layers as files.

use std::fs;

use crate::Machine;
use crate::layer::Layer;
use crate::support::{have, run};

#[test]
fn a_layer_goes_from_machine_to_machine_as_a_file_and_stays_the_same() {
    let (one, layer) = (Machine::new(), Layer::new(1, 10_000));
    one.ok(&["keys", "init"]);
    one.keep(&layer);
    let (out, err) = one.ok(&["layer", "export", &layer.key[..8], "layer.tar"]);
    assert_eq!(out, "layer.tar\n");
    assert!(err.contains("signed by key "), "{err}");

    let two = Machine::beside(&one);
    let file = one.text_of("layer.tar");
    let (out, err) = two.ok(&["layer", "import", &file]);
    assert_eq!(out, format!("{}\n", layer.key));
    assert!(err.contains("signed by key ") && !err.contains("not signed"), "{err}");
    assert_eq!(two.kept(&layer), (layer.bytes.clone(), layer.manifest.clone()));
    // a machine without the secret key passes on what it was given, to the byte
    two.ok(&["layer", "export", &layer.key, "again.tar"]);
    assert!(fs::read(two.path("again.tar")).expect("a file") == fs::read(&file).expect("a file"));
    let (_, err) = two.ok(&["layer", "import", &file]);
    assert!(err.contains("was in the cache already"), "{err}");

    let listed = two.json(&["layer", "list"]);
    let facts = &listed["result"]["layers"][0];
    assert_eq!(
        (&facts["key"], &facts["packages"], &facts["signed"]),
        (&layer.key.into(), &1.into(), &true.into())
    );
}

#[test]
fn other_programs_read_the_file() {
    if !have("skopeo") {
        return;
    }
    let (machine, layer) = (Machine::new(), Layer::new(2, 10_000));
    machine.keep(&layer);
    let (_, err) = machine.ok(&["layer", "export", &layer.key, "layer.tar"]);
    assert!(err.contains("not signed"), "{err}");
    let archive = format!("oci-archive:{}:{}", machine.text_of("layer.tar"), layer.tag());
    let raw: serde_json::Value =
        serde_json::from_str(&run("skopeo", &["inspect", "--raw", &archive])).expect("JSON");
    assert_eq!(raw["artifactType"], "application/vnd.pimg.bake.v1");
    assert_eq!(raw["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+zstd");
    assert_eq!(raw["annotations"]["org.opencontainers.image.created"], "2025-12-04T00:00:00Z");
    let base = raw["annotations"]["org.opencontainers.image.base.digest"].as_str().expect("the base");
    assert_eq!(base, format!("sha256:{}", crate::layer::sha256(b"base")));
    // copied by another program, unpacked and packed again by a third, it is still the layer
    let copy = machine.text_of("copy");
    run("skopeo", &["copy", "--preserve-digests", &archive, &format!("oci:{copy}:{}", layer.tag())]);
    run("tar", &["-cf", &machine.text_of("packed.tar"), "-C", &copy, "."]);
    let other = Machine::new();
    other.ok(&["layer", "import", &machine.text_of("packed.tar")]);
    assert_eq!(other.kept(&layer).0, layer.bytes);
}

#[test]
fn a_layer_that_another_key_signed_is_refused_and_one_that_nobody_signed_is_told() {
    let (one, layer) = (Machine::new(), Layer::new(3, 1000));
    one.ok(&["keys", "init"]);
    one.keep(&layer);
    one.ok(&["layer", "export", &layer.key, "signed.tar"]);
    let signed = one.text_of("signed.tar");

    let stranger = Machine::new();
    stranger.ok(&["keys", "init"]);
    stranger.refuses(
        &["layer", "import", &signed],
        5,
        &["signed by key ", ", expected key ", "pimg keys show"],
    );
    let nobody = Machine::new();
    let (_, err) = nobody.ok(&["layer", "import", &signed]);
    assert!(
        err.contains("there is no `minisign.pub` to check it with") && err.contains("not checked"),
        "{err}"
    );

    let unsigned = Machine::new();
    unsigned.keep(&layer);
    unsigned.ok(&["layer", "export", &layer.key, "unsigned.tar"]);
    let (_, err) = stranger.ok(&["layer", "import", &unsigned.text_of("unsigned.tar")]);
    assert!(err.contains("is not signed, although the project has a key"), "{err}");
}

#[test]
fn a_damaged_file_leaves_the_cache_as_it_was() {
    let (one, layer) = (Machine::new(), Layer::new(4, 5000));
    one.keep(&layer);
    one.ok(&["layer", "export", &layer.key, "layer.tar"]);
    let good = fs::read(one.path("layer.tar")).expect("a file");
    let two = Machine::new();
    two.keep(&Layer::new(5, 100));
    let bad = two.text_of("bad.tar");
    let refused = |bytes: &[u8], words: &[&str]| {
        fs::write(&bad, bytes).expect("a file");
        two.refuses(&["layer", "import", &bad], 5, words);
    };
    // the layer is the last blob: two blocks of zeroes and its padding are behind it
    let inside = good.len() - 4000;
    let mut flipped = good.clone();
    flipped[inside] ^= 1;
    refused(&flipped, &["its sha256: expected ", ", got "]);
    refused(&good[..inside], &["it ends in the middle of `blobs/sha256/"]);
    refused(b"", &["it holds no `oci-layout`"]);
    refused(&[b'x'; 2000], &["it is no tar archive"]);
    let (output, before) = (two.run(&["layer", "import", "nothing.tar"]), two.layers());
    assert_eq!(output.status.code(), Some(9));
    assert_eq!(two.layers(), before);

    // a layer that is well packed and would write elsewhere
    for path in ["../../etc/passwd", "/etc/passwd"] {
        let hostile = Layer::of(6, &[(path, b"root::0:0::/:/bin/sh\n")]);
        let target = Machine::new();
        target.keep(&hostile);
        let told = target.refuses(&["layer", "export", &hostile.key, "out.tar"], 5, &["its entry `", path]);
        assert!(told.contains("is damaged"), "{told}");
        assert!(!target.path("out.tar").exists());
    }
}

/// What comes from somebody else is checked also where it was packed by a program that checks nothing. `tests/bad_inputs` has
/// what else there may be in one.
#[test]
fn a_hostile_layer_in_a_good_archive_is_refused() {
    let machine = Machine::new();
    let import = |layer: &Layer| {
        let file = machine.text_of("layer.tar");
        fs::write(&file, layer.archive()).expect("a file");
        file
    };
    machine.ok(&["layer", "import", &import(&Layer::new(7, 1000))]);
    let hostile = Layer::of(8, &[("../../etc/passwd", b"root::0:0::/:/bin/sh\n")]);
    machine.refuses(
        &["layer", "import", &import(&hostile)],
        5,
        &["its entry `../../etc/passwd` leaves the image: `..` is not allowed"],
    );
}

#[test]
fn words_that_name_nothing() {
    let machine = Machine::new();
    machine.refuses(
        &["layer", "export", "0123456789", "x.tar"],
        2,
        &["there is no baked layer `0123456789` in the cache"],
    );
    machine.refuses(
        &["layer", "pull", &"ab".repeat(32)],
        2,
        &["it is not said where layers are", "PIMG_LAYERS"],
    );
    machine.refuses(&["layer", "pull", "ghcr.io/you/layers"], 2, &["it is not said which layer"]);
    machine.refuses(&["layer", "push", "ghcr.io/you/layers"], 2, &["it is not said which layer"]);
    machine.refuses(&["layer", "pull", "you/layers"], 2, &["`you` is no registry"]);
    let told = machine.refuses(
        &["layer", "pull", "https://me:secret@example.org/x"],
        2,
        &["no place for a password", "`…@example.org/x`"],
    );
    assert!(!told.contains("secret"), "{told}");
    let (out, err) = machine.ok(&["layer", "list"]);
    assert_eq!((out.as_str(), err.as_str()), ("", "no baked layer is in the cache\n"));
}
