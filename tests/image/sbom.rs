//! Bills of materials, judged by the SPDX group's own validator and by the JSON schema of SPDX 2.3.

use std::fs;
use std::path::Path;
use std::process::Command;

use pimg::image::manifest::BaseEntry;
use pimg::image::sbom::{SbomInputs, sbom};
use pimg::lock::{LockedDownload, LockedPackage, LockedRepository, LockedSet};
use serde_json::Value;

use crate::support::{repository, skip};

/// Names, versions and maintainers that need escaping, and packages that are not there any more.
const STATUS: &str = "\
Package: libstdc++6
Status: install ok installed
Maintainer: Debian GCC Maintainers <debian-gcc@lists.debian.org>
Architecture: arm64
Multi-Arch: same
Source: gcc-14 (14.2.0-19)
Version: 14.2.0-19+b1

Package: vim
Status: hold ok installed
Maintainer: \"Zoë (Vim) Ö\" <z@example.org>
Architecture: arm64
Version: 2:9.1.1230-2~rpt1

Package: libc6
Status: install ok installed
Maintainer: Nobody
Architecture: armhf
Version: 2.41-12

Package: gone
Status: deinstall ok config-files
Maintainer: Nobody <n@example.org>
Architecture: all
Version: 1

Package: nano
Status: install ok installed
Maintainer: Nobody <n@example.org>
Architecture: arm64
Version: 8.4-1
";

fn package(name: &str, architecture: &str) -> LockedPackage {
    LockedPackage {
        name: name.into(),
        version: "1:9.2+dfsg-1".into(),
        architecture: architecture.into(),
        repository: "debian".into(),
        file: format!("pool/main/v/{name}_9.2+dfsg-1_{architecture}.deb"),
        size: 1000,
        sha256: "ab".repeat(32),
        reason: "needed by zsh".into(),
    }
}

/// The document for this list of installed packages, as text and parsed.
fn document(status: &str) -> (Vec<u8>, Value) {
    let set = LockedSet {
        remove: vec!["nano".into()],
        package: vec![package("vim", "arm64"), package("libc6", "arm64")],
        ..LockedSet::default()
    };
    let repositories = [LockedRepository {
        name: "debian".into(),
        uri: "https://example.com/debian/".into(),
        suite: "trixie".into(),
        components: vec!["main".into()],
        date: "2026-08-19T08:12:01Z".into(),
        sha256: "12".repeat(32),
        signed_by: "4D".repeat(20),
    }];
    let download = |name: &str, url: &str| LockedDownload {
        name: name.into(),
        url: url.into(),
        sha256: "56".repeat(32),
        size: 220_000,
    };
    let base =
        BaseEntry { source: "base.img.xz".into(), sha256: "cd".repeat(32), raw_sha256: "ef".repeat(32) };
    let inputs = SbomInputs {
        file: "node-a-1.img.zst",
        hostname: "node-a",
        version: "1",
        sha256: &"01".repeat(32),
        base: &base,
        status: status.as_bytes(),
        set: Some(&set),
        modules: &[],
        repositories: &repositories,
        downloads: &[
            download("acme.sh", "https://example.com/acme.tar.gz"),
            download("private", "https://me:hunter2@example.com/x"),
        ],
        epoch: 1_764_806_400,
    };
    let text = sbom(&inputs).expect("a good status");
    assert_eq!(sbom(&inputs).expect("a good status"), text, "the same inputs, the same bytes");
    let value = serde_json::from_slice(&text).expect("JSON");
    (text, value)
}

fn find<'a>(document: &'a Value, id: &str) -> &'a Value {
    let packages = document["packages"].as_array().expect("packages");
    packages.iter().find(|package| package["SPDXID"] == id).unwrap_or_else(|| panic!("no {id}"))
}

/// Shows a document to both judges.
fn judge(text: &[u8]) {
    let judges = repository().join("target/judges/spdx");
    if !judges.join("schema.json").is_file() {
        return skip("the judges of SPDX documents are missing: `scripts/setup judges` installs them");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("sbom.spdx.json");
    fs::write(&path, text).expect("a file");
    let against_schema = "\
import json, jsonschema, sys
schema, document = (json.load(open(name, encoding='utf-8')) for name in sys.argv[1:])
jsonschema.validate(document, schema)
";
    let run = |program: &str, arguments: &[&Path], script: &[&str]| {
        let mut command = Command::new(judges.join("bin").join(program));
        let output = command.args(script).args(arguments).output().expect("the judge runs");
        let told = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&told));
    };
    run("python", &[&judges.join("schema.json"), &path], &["-c", against_schema]);
    run("pyspdxtools", &[Path::new("--infile"), &path], &[]);
}

#[test]
fn both_judges_accept_it() {
    judge(&document(STATUS).0);
    // whatever this machine has installed: real names, versions and maintainers
    if let Ok(status) = fs::read_to_string("/var/lib/dpkg/status") {
        judge(&document(&status).0);
    }
}

#[test]
fn it_tells_what_is_there_and_what_the_first_boot_changes() {
    let (_, document) = document(STATUS);
    let gcc = find(&document, "SPDXRef-Installed-arm64-libstdcX2BX2B6");
    assert_eq!(
        gcc["externalRefs"][0]["referenceLocator"],
        "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19%2Bb1?arch=arm64"
    );
    assert_eq!(gcc["sourceInfo"], "built from source package gcc-14 (14.2.0-19)");
    assert_eq!(gcc["supplier"], "Organization: Debian GCC Maintainers (debian-gcc@lists.debian.org)");
    let comment = |id: &str| find(&document, id)["comment"].as_str().map(str::to_owned);
    let replaced = Some("replaced by version 1:9.2+dfsg-1 on first boot".to_owned());
    assert_eq!(comment("SPDXRef-Installed-arm64-vim"), replaced);
    assert_eq!(comment("SPDXRef-Installed-arm64-nano"), Some("removed on first boot".to_owned()));
    assert_eq!(comment("SPDXRef-Installed-armhf-libc6"), None, "another architecture comes beside it");
    let added = find(&document, "SPDXRef-Added-arm64-vim");
    assert_eq!(added["downloadLocation"], "https://example.com/debian/pool/main/v/vim_9.2+dfsg-1_arm64.deb");
    assert_eq!(added["checksums"][0]["checksumValue"], "ab".repeat(32));
    assert_eq!(find(&document, "SPDXRef-Image")["checksums"][0]["checksumValue"], "01".repeat(32));
    assert_eq!(document["packages"].as_array().expect("a list").len(), 10, "without what is gone");
    assert_eq!(document["relationships"].as_array().expect("a list").len(), 10);
    assert_eq!(document["creationInfo"]["created"], "2025-12-04T00:00:00Z");
    assert!(!document.to_string().contains("hunter2"), "a password of a URL stays here");
}
