//! Layers in stores of plain files: a directory, a web server over it, a bucket.

use std::fs;

use crate::Machine;
use crate::layer::{Layer, sha256};
use crate::proxy::Proxy;
use crate::server::Server;
use crate::support::{have, run};

#[test]
fn a_directory_that_a_web_server_shows() {
    let Some(web) = Server::web() else { return };
    let (one, layer) = (Machine::new(), Layer::new(20, 300_000));
    one.ok(&["keys", "init"]);
    one.keep(&layer);
    let www = web.directory.path().join("www/layers");
    let directory = format!("file://{}", www.display());
    let (out, err) = one.ok(&["layer", "push", &layer.key, &directory]);
    assert_eq!(out, format!("{directory}/{}/\n", layer.tag()));
    assert!(err.contains("signed by key "), "{err}");
    assert_eq!(one.json(&["layer", "push", &layer.key, &directory])["result"]["layers"][0]["sent"], 0);

    let place = format!("http://{}/layers/", web.host());
    let two = Machine::beside(&one);
    two.ok(&["layer", "pull", &layer.key, &place]);
    assert_eq!(two.kept(&layer), (layer.bytes.clone(), layer.manifest.clone()));
    let three = Machine::beside(&one);
    three.ok(&["layer", "pull", &layer.key, &directory]);
    assert_eq!(two.layers().len(), three.layers().len());
    // each layer is an OCI image layout of its own
    if have("skopeo") {
        let layout = format!("oci:{}/{}", www.display(), layer.tag());
        let raw: serde_json::Value =
            serde_json::from_str(&run("skopeo", &["inspect", "--raw", &layout])).expect("JSON");
        assert_eq!(raw["artifactType"], "application/vnd.pimg.bake.v1");
    }
    // and what `tar` unpacks of an exported file is one, too
    one.ok(&["layer", "export", &layer.key, "layer.tar"]);
    let unpacked = web.directory.path().join("www/unpacked").join(layer.tag());
    fs::create_dir_all(&unpacked).expect("a directory");
    run("tar", &["-xf", &one.text_of("layer.tar"), "-C", unpacked.to_str().expect("UTF-8")]);
    Machine::beside(&one).ok(&["layer", "pull", &layer.key, &format!("http://{}/unpacked/", web.host())]);

    // such a server takes nothing, and does not have what nobody put there
    one.refuses(
        &["layer", "push", &layer.key, &place.replace("layers", "new")],
        8,
        &["it takes no files", "file:///srv/layers"],
    );
    two.refuses(&["layer", "pull", &"ee".repeat(32), &place], 8, &["it has no file `bake-eeee"]);

    let blob = www.join(layer.tag()).join("blobs/sha256").join(sha256(&layer.bytes));
    let mut damaged = layer.bytes.clone();
    damaged[200_000] ^= 1;
    let four = Machine::beside(&one);
    for (content, words) in [
        (damaged.as_slice(), "another digest: expected sha256 "),
        (&layer.bytes[..1000], "a file of 1000 bytes, expected 300"),
        (b"", "a file of 0 bytes, expected 300"),
    ] {
        replace(&blob, content);
        let output = four.run(&["layer", "pull", &layer.key, &place]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(5) && told.contains(words), "{told}");
        assert!(four.layers().is_empty(), "the cache is as it was");
    }
    replace(&blob, &layer.bytes);
    four.ok(&["layer", "pull", &layer.key, &place]);
    assert_eq!(four.kept(&layer).0, layer.bytes);
}

#[test]
fn a_web_server_that_takes_files() {
    let Some(web) = Server::webdav() else { return };
    let (one, layer) = (Machine::new(), Layer::new(22, 900_000));
    one.keep(&layer);
    let place = format!("http://{}/of/cluster/", web.host());
    let (out, _) = one.ok(&["layer", "push", &layer.key, &place]);
    assert_eq!(out, format!("{place}{}/\n", layer.tag()));
    assert_eq!(one.json(&["layer", "push", &layer.key, &place])["result"]["layers"][0]["sent"], 0);
    let directory = web.directory.path().join("www/of/cluster").join(layer.tag());
    assert!(directory.join("oci-layout").is_file());

    // it sends parts of files: what broke off goes on
    let network = Proxy::before(web.port);
    network.cuts_after(400_000);
    let two = Machine::new();
    two.ok(&["layer", "pull", &layer.key, &format!("http://{}/of/cluster/", network.host())]);
    assert_eq!(two.kept(&layer).0, layer.bytes);
    assert!(network.passed() < 900_000 + 60_000, "{} bytes came", network.passed());
}

/// Whoever is on the way can change what comes by plain HTTP. `0.0.0.0` leads here, and is no loopback address.
#[test]
fn plain_http_from_elsewhere_needs_a_signature() {
    let Some(web) = Server::web() else { return };
    let place = format!("http://0.0.0.0:{}/layers/", web.port);
    let directory = format!("file://{}", web.directory.path().join("www/layers").display());
    let (one, layer) = (Machine::new(), Layer::new(23, 1000));
    one.keep(&layer);
    one.ok(&["layer", "push", &layer.key, &directory]);
    Machine::new().refuses(
        &["layer", "pull", &layer.key, &place],
        5,
        &["it came by plain HTTP", "use `https:`"],
    );
    let (signer, signed) = (Machine::new(), Layer::new(24, 1000));
    signer.ok(&["keys", "init"]);
    signer.keep(&signed);
    signer.ok(&["layer", "push", &signed.key, &directory]);
    let (_, told) = Machine::beside(&signer).ok(&["layer", "pull", &signed.key, &place]);
    assert!(told.contains("signed by key "), "{told}");
    Machine::new().refuses(&["layer", "pull", &signed.key, &place], 5, &["it came by plain HTTP"]);
}

#[test]
fn a_bucket() {
    let Some(bucket) = Server::bucket() else { return };
    let of_bucket = |machine: Machine| {
        machine
            .with("AWS_ACCESS_KEY_ID", "tests")
            .with("AWS_SECRET_ACCESS_KEY", "correct-horse")
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ENDPOINT", &format!("http://{}", bucket.host()))
    };
    let one = of_bucket(Machine::new());
    // in more parts than one
    let layer = Layer::new(21, 9 << 20);
    one.keep(&layer);
    let (out, err) = one.ok(&["layer", "push", &layer.key, "s3://layers/of/cluster"]);
    assert_eq!(out, format!("s3://layers/of/cluster/{}/\n", layer.tag()));
    assert!(!format!("{out}{err}").contains("correct-horse"));
    assert_eq!(
        one.json(&["layer", "push", &layer.key, "s3://layers/of/cluster"])["result"]["layers"][0]["sent"],
        0
    );
    let two = of_bucket(Machine::new());
    two.ok(&["layer", "pull", &layer.key, "s3://layers/of/cluster"]);
    assert_eq!(two.kept(&layer), (layer.bytes.clone(), layer.manifest.clone()));
    two.refuses(
        &["layer", "pull", &"ee".repeat(32), "s3://layers/of/cluster"],
        8,
        &["it has no file `bake-eeee"],
    );
    two.refuses(&["layer", "pull", &"ee".repeat(32), "s3://other/of"], 8, &["it has no file `bake-eeee"]);
    // a bucket that everybody may read needs no account
    let everybody = Machine::new().with("AWS_ENDPOINT", &format!("http://{}", bucket.host()));
    everybody.refuses(
        &["layer", "pull", &layer.key, "s3://layers/of/cluster"],
        8,
        &["access denied", "AWS_ACCESS_KEY_ID"],
    );
    let policy = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::layers/*"}]}"#;
    let address = format!("http://{}/layers?policy", bucket.host());
    run("curl", &["-fsS", "-X", "PUT", "-H", "Content-Type: application/json", "-d", policy, &address]);
    everybody.ok(&["layer", "pull", &layer.key, "s3://layers/of/cluster"]);
}

fn replace(path: &std::path::Path, content: &[u8]) {
    let mut permissions = fs::metadata(path).expect("a file").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    fs::set_permissions(path, permissions).expect("a mode");
    fs::write(path, content).expect("a file");
}
