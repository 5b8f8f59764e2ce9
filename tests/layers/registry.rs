//! Layers in a real registry.

use std::fs;

use crate::Machine;
use crate::layer::{Layer, sha256};
use crate::proxy::Proxy;
use crate::server::{PASSWORD, Server, USER};
use crate::support::{have, run};

#[test]
fn a_layer_goes_through_a_registry_and_stays_the_same() {
    let Some(registry) = Server::registry(false) else { return };
    let (one, layer) = (Machine::new(), Layer::new(10, 9 << 20));
    one.ok(&["keys", "init"]);
    one.keep(&layer);
    let place = format!("oci://{}/cluster/layers", registry.host());
    let (out, err) = one.ok(&["layer", "push", &layer.key, &place]);
    assert_eq!(out, format!("{place}:{}\n", layer.tag()));
    assert!(err.contains("9.0 MiB sent, 0 B were there, signed by key "), "{err}");
    let again = one.json(&["layer", "push", &layer.key, &place]);
    assert_eq!(again["result"]["layers"][0]["sent"], 0, "nothing is sent twice");

    // found by its key, named by the environment
    let two = Machine::beside(&one).with("PIMG_LAYERS", &place);
    let (out, err) = two.ok(&["layer", "pull", &layer.key]);
    assert_eq!(out, format!("{}\n", layer.key));
    assert!(err.contains("signed by key "), "{err}");
    assert_eq!(two.kept(&layer), (layer.bytes.clone(), layer.manifest.clone()));
    let (_, err) = two.ok(&["layer", "pull", &layer.key]);
    assert!(err.contains("was in the cache already"), "{err}");
    // what was pulled is exported as it was exported where it was baked
    one.ok(&["layer", "export", &layer.key, "one.tar"]);
    two.ok(&["layer", "export", &layer.key, "two.tar"]);
    let read = |machine: &Machine, name| fs::read(machine.path(name)).expect("a file");
    assert!(read(&one, "one.tar") == read(&two, "two.tar"));
}

#[test]
fn other_clients_read_what_was_pushed_and_push_what_is_read() {
    let Some(registry) = Server::registry(false) else { return };
    if !have("skopeo") {
        return;
    }
    let (one, layer) = (Machine::new(), Layer::new(11, 1000));
    one.keep(&layer);
    let host = registry.host();
    one.ok(&["layer", "push", &layer.key, &format!("{host}/layers:trixie")]);
    let remote = format!("docker://{host}/layers:trixie");
    let raw = run("skopeo", &["inspect", "--tls-verify=false", "--raw", &remote]);
    let raw: serde_json::Value = serde_json::from_str(&raw).expect("JSON");
    assert_eq!(raw["config"]["digest"], format!("sha256:{}", sha256(&layer.manifest)));
    assert_eq!(raw["layers"][0]["digest"], format!("sha256:{}", sha256(&layer.bytes)));
    // to another repository by somebody else's program, and from there
    let copy = format!("docker://{host}/mirror/layers:trixie");
    let copying = ["copy", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"];
    run("skopeo", &[&copying[..], &[&remote, &copy]].concat());
    let two = Machine::new();
    two.ok(&["layer", "pull", &format!("{host}/mirror/layers:trixie")]);
    assert_eq!(two.kept(&layer).0, layer.bytes);
}

#[test]
fn who_may_not_is_told_so_and_no_password_is_shown() {
    let Some(registry) = Server::registry(true) else { return };
    let layer = Layer::new(12, 1000);
    let place = format!("oci://{}/layers", registry.host());
    let stranger = Machine::new();
    stranger.keep(&layer);
    stranger.refuses(&["layer", "push", &layer.key, &place], 8, &["access denied", "docker login"]);
    stranger.refuses(&["layer", "pull", &"cd".repeat(32), &place], 8, &["access denied"]);
    let wrong =
        Machine::new().with("PIMG_REGISTRY_USER", USER).with("PIMG_REGISTRY_PASSWORD", "wrong-battery");
    let told = wrong.refuses(&["layer", "pull", &layer.key, &place], 8, &["access denied"]);
    assert!(!told.contains("wrong-battery"), "{told}");
    let half = Machine::new().with("PIMG_REGISTRY_USER", USER);
    half.refuses(&["layer", "pull", &layer.key, &place], 9, &["`PIMG_REGISTRY_PASSWORD` is not"]);

    // by the environment
    let one = Machine::new().with("PIMG_REGISTRY_USER", USER).with("PIMG_REGISTRY_PASSWORD", PASSWORD);
    one.keep(&layer);
    let (out, err) = one.ok(&["layer", "push", &layer.key, &place, "-v"]);
    assert!(!format!("{out}{err}").contains(PASSWORD));
    // by what `docker login` leaves: skopeo writes the same file
    let two = Machine::new();
    let file = two.path(".docker/config.json");
    fs::create_dir_all(file.parent().expect("has one")).expect("a directory");
    if have("skopeo") {
        let file = file.to_str().expect("UTF-8");
        let host = registry.host();
        run(
            "skopeo",
            &["login", "--tls-verify=false", "--authfile", file, "-u", USER, "-p", PASSWORD, &host],
        );
        two.ok(&["layer", "pull", &layer.key, &place]);
        assert_eq!(two.kept(&layer).0, layer.bytes);
        // and where `podman login` leaves it on macOS
        let three = Machine::new();
        fs::create_dir_all(three.path(".config/containers")).expect("a directory");
        fs::copy(file, three.path(".config/containers/auth.json")).expect("a file");
        three.ok(&["layer", "pull", &layer.key, &place]);
    }
}

/// As GitHub's registry and Docker Hub have it: the registry sends whoever comes to somebody else for a token.
#[test]
fn a_registry_of_tokens() {
    let Some(registry) = Server::registry_with_tokens() else { return };
    let layer = Layer::new(18, 1000);
    let place = format!("oci://{}/layers", registry.host());
    let stranger = Machine::new();
    stranger.keep(&layer);
    stranger.refuses(&["layer", "push", &layer.key, &place], 8, &["access denied", "docker login"]);
    let with =
        |password| Machine::new().with("PIMG_REGISTRY_USER", USER).with("PIMG_REGISTRY_PASSWORD", password);
    with("wrong-battery").refuses(&["layer", "pull", &layer.key, &place], 8, &["access denied"]);
    let one = with(PASSWORD);
    one.keep(&layer);
    one.ok(&["layer", "push", &layer.key, &place]);
    let two = with(PASSWORD);
    two.ok(&["layer", "pull", &layer.key, &place]);
    assert_eq!(two.kept(&layer).0, layer.bytes);
}

#[test]
fn accounts_kept_by_a_program_are_asked_for() {
    let Some(registry) = Server::registry(true) else { return };
    let layer = Layer::new(13, 1000);
    let place = format!("oci://{}/layers", registry.host());
    let machine = Machine::new();
    machine.keep(&layer);
    let program = machine.path("bin/docker-credential-tests");
    fs::create_dir_all(machine.path("bin")).expect("a directory");
    let script = format!(
        "#!/bin/sh\n[ \"$(cat)\" = {} ] || {{ echo 'credentials not found in native keychain'; exit 1; }}\n\
         echo '{{\"ServerURL\":\"x\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'\n",
        registry.host()
    );
    fs::write(&program, script).expect("a file");
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    fs::create_dir_all(machine.path(".docker")).expect("a directory");
    fs::write(machine.path(".docker/config.json"), r#"{"credsStore": "tests"}"#).expect("a file");
    let path = std::env::var("PATH").expect("a path");
    let machine = machine.with("PATH", &format!("{}:{path}", program.parent().expect("has one").display()));
    machine.ok(&["layer", "push", &layer.key, &place]);
    let config = r#"{"credsStore": "tests; touch pwned"}"#;
    fs::write(machine.path(".docker/config.json"), config).expect("a file");
    machine.refuses(&["layer", "push", &layer.key, &place], 9, &["is no name of such a program"]);
}

#[test]
fn what_is_not_there_or_not_what_it_was_is_refused() {
    let Some(registry) = Server::registry(false) else { return };
    let (one, layer) = (Machine::new(), Layer::new(14, 300_000));
    one.keep(&layer);
    let place = format!("oci://{}/layers", registry.host());
    one.ok(&["layer", "push", &layer.key, &place]);
    let two = Machine::new();
    let unknown = "ee".repeat(32);
    two.refuses(&["layer", "pull", &unknown, &place], 8, &["it has no tag `bake-eeee", "pimg layer push"]);
    two.refuses(
        &["layer", "pull", &layer.key, &format!("oci://{}/other", registry.host())],
        8,
        &["it has no tag `bake-"],
    );
    // another layer under the tag of this one
    let other = Layer::new(15, 100);
    one.keep(&other);
    one.ok(&["layer", "push", &other.key, &format!("{place}:bake-{unknown}")]);
    let told = two.refuses(&["layer", "pull", &unknown, &place], 5, &["has the layer `", "expected `eeee"]);
    assert!(told.contains(&other.key), "{told}");
    if have("skopeo") {
        // something else altogether
        let directory = one.path("image");
        fs::create_dir_all(&directory).expect("a directory");
        let image = format!("docker://{}/layers:image", registry.host());
        let empty = one.text_of("empty.tar");
        run("tar", &["-cf", &empty, "-T", "/dev/null"]);
        run(
            "tar",
            &["-cf", &one.text_of("rootfs.tar"), "-C", one.path("profiles").to_str().expect("UTF-8"), "."],
        );
        let tarball = format!("tarball:{}", one.text_of("rootfs.tar"));
        run("skopeo", &["copy", "--dest-tls-verify=false", &tarball, &image]);
        two.refuses(
            &["layer", "pull", &format!("{place}:image")],
            5,
            &["expected `application/vnd.pimg.bake.v1`"],
        );
    }
    // a registry whose disk went bad
    let blob = registry.blob(&sha256(&layer.bytes));
    let good = fs::read(&blob).expect("the registry's file");
    let mut damaged = good.clone();
    damaged[200_000] ^= 1;
    fs::write(&blob, &damaged).expect("a file");
    two.refuses(
        &["layer", "pull", &layer.key, &place],
        5,
        &["another digest: expected sha256 ", "the cache is as it was"],
    );
    fs::write(&blob, &good[..200_000]).expect("a file");
    two.refuses(&["layer", "pull", &layer.key, &place], 5, &["200000 bytes, expected 300"]);
    let config = registry.blob(&sha256(&layer.manifest));
    let text = fs::read_to_string(&config).expect("the registry's file");
    fs::write(&config, text.replace("arm64", "amd64")).expect("a file");
    two.refuses(&["layer", "pull", &layer.key, &place], 5, &["another digest: expected sha256 "]);
    // and repaired
    fs::write(&config, text).expect("a file");
    fs::write(&blob, &good).expect("a file");
    two.ok(&["layer", "pull", &layer.key, &place]);
    assert_eq!(two.kept(&layer).0, layer.bytes);
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_stopped() {
    let Some(registry) = Server::registry(false) else { return };
    let (one, layer) = (Machine::new(), Layer::new(16, 900_000));
    one.keep(&layer);
    one.ok(&["layer", "push", &layer.key, &format!("{}/layers", registry.host())]);
    let network = Proxy::before(registry.port);
    let place = format!("oci://{}/layers", network.host());
    // papers, requests that begin anew
    let spare = 60_000;

    // in one run, over connections that each end early
    network.cuts_after(400_000);
    let two = Machine::new();
    two.ok(&["layer", "pull", &layer.key, &place]);
    assert_eq!(two.kept(&layer).0, layer.bytes);
    assert!(network.passed() < 900_000 + spare, "{} bytes came", network.passed());

    // in the next run, after the network was gone
    network.heals();
    let (three, before) = (Machine::new(), network.passed());
    network.dies_after(500_000);
    three.refuses(
        &["layer", "pull", &layer.key, &place],
        8,
        &["cannot pull `bake-", "what was received is kept"],
    );
    network.heals();
    three.ok(&["layer", "pull", &layer.key, &place]);
    assert_eq!(three.kept(&layer).0, layer.bytes);
    let came = network.passed() - before;
    assert!(came > 900_000 && came < 900_000 + spare, "{came} bytes came");
}

#[test]
fn who_signed_counts_wherever_a_layer_comes_from() {
    let Some(registry) = Server::registry(false) else { return };
    let (one, layer) = (Machine::new(), Layer::new(17, 1000));
    one.ok(&["keys", "init"]);
    one.keep(&layer);
    let place = format!("oci://{}/layers", registry.host());
    one.ok(&["layer", "push", &layer.key, &place]);
    let stranger = Machine::new();
    stranger.ok(&["keys", "init"]);
    stranger.refuses(
        &["layer", "pull", &layer.key, &place],
        5,
        &["signed by key ", ", expected key ", "pimg keys show"],
    );
    let facts = Machine::beside(&one).json(&["layer", "pull", &layer.key, &place]);
    let key = facts["result"]["layers"][0]["verified_by"].as_str().expect("a key").to_owned();
    let (_, told) = Machine::new().ok(&["layer", "pull", &layer.key, &place]);
    assert!(told.contains("there is no `minisign.pub` to check it with"), "{told}");
    // the same layer, signed by nobody
    let nobody = Machine::new();
    nobody.keep(&layer);
    nobody.ok(&["layer", "push", &layer.key, &format!("{place}:unsigned")]);
    let (_, told) = stranger.ok(&["layer", "pull", &format!("{place}:unsigned")]);
    assert!(told.contains("is not signed, although the project has a key"), "{told}");
    assert!(!told.contains(&key), "{told}");
}

#[test]
fn a_registry_that_is_not_there() {
    let machine = Machine::new();
    machine.refuses(
        &["layer", "pull", &"ab".repeat(32), "oci://127.0.0.1:1/layers"],
        8,
        &["cannot pull from `oci://127.0.0.1:1/layers`"],
    );
}
