//! What Raspberry Pi Imager is given: its list, the links in it, the images behind them.
//!
//! Imager reads an image through libarchive (`bsdcat` here) and fetches through libcurl, decides by `extract_sha256`
//! whether a card is good, and describes its list in a JSON schema. No suite of Debian has a package of Imager itself.
#![expect(clippy::disallowed_methods, reason = "tests run pimg and its judges")]

#[path = "../support/site.rs"]
mod site;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tiny_base.rs"]
mod tiny_base;

mod schema;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use site::Site;
use support::{Project, have, run};
use tiny_base::TinyBase;

/// Whether the tools that make a tiny base and stand in for Imager are there.
fn have_tools() -> bool {
    ["mke2fs", "mkfs.vfat", "mcopy", "sfdisk", "bsdcat", "curl"].iter().all(|tool| have(tool))
}

/// A project with two small nodes.
fn project() -> Project {
    let project = Project::without_packages();
    for (name, address) in [("left", "10.0.0.2"), ("right", "10.0.0.3")] {
        let node = format!(
            "hostname = \"{name}\"\noverlays = [\"raspios\"]\n\n[image]\nfree = \"16MiB\"\n\n[user]\nname = \"op\"\n\n\
             [locale]\ndefault = \"en_AU.UTF-8\"\ntimezone = \"Australia/Sydney\"\n\n\
             [network]\naddress = \"{address}/24\"\ngateway = \"10.0.0.1\"\ndns = [\"10.0.0.1\"]\n\n\
             [base]\nsource = \"base.img\"\n"
        );
        fs::write(project.join(&format!("profiles/{name}.toml")), node).expect("a profile");
    }
    TinyBase::new().make(project.path(), "base.img");
    project
}

/// Builds, dated to 2000-02-29, with a cache of its own.
fn build(project: &Project, out: &str, more: &[&str]) -> Output {
    let fixed = ["build", "--ssh-key", "test.pub", "--base", "base.img", "--out", out, "--profile"];
    let mut command = project.pimg(&[&fixed[..], more].concat());
    command.env("PIMG_CACHE", project.join("cache")).env("SOURCE_DATE_EPOCH", "951782400");
    let output = command.output().expect("running pimg");
    assert!(output.status.success(), "{}", told(&output));
    output
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a list")).expect("JSON")
}

fn entries(list: &Value) -> &[Value] {
    list["os_list"].as_array().expect("a list")
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {entry}"))
}

/// Fetches what an entry links to, and finds what the entry says: in the file, and in the image that libarchive makes of it.
fn expect_as_listed(project: &Project, entry: &Value) {
    let got = project.join("got");
    let got = got.to_str().expect("UTF-8");
    let shell =
        |command: &str| run("bash", &["-o", "pipefail", "-c", command, "bash", got]).trim().to_owned();
    run("curl", &["-sS", "--fail", "-o", got, text(entry, "url")]);
    assert_eq!(shell("sha256sum <\"$1\" | cut -c1-64"), text(entry, "image_download_sha256"), "{entry}");
    assert_eq!(shell("stat -c %s \"$1\""), entry["image_download_size"].to_string(), "{entry}");
    assert_eq!(shell("bsdcat \"$1\" | sha256sum | cut -c1-64"), text(entry, "extract_sha256"), "{entry}");
    assert_eq!(shell("bsdcat \"$1\" | wc -c"), entry["extract_size"].to_string(), "{entry}");
    run("curl", &["-sS", "--fail", "-o", got, text(entry, "icon")]);
    assert!(fs::read_to_string(got).expect("an icon").starts_with("<svg "));
}

#[test]
fn a_build_lists_images_where_they_lie() {
    if !have_tools() {
        return;
    }
    let project = project();
    // every character that means something in a URL
    let out = "50% of #1 & ü?";
    let output = build(&project, out, &["left", "right"]);
    let at = |name: &str| project.join(out).join(name);
    assert!(told(&output).contains("Raspberry Pi Imager opens `50% of #1 & ü?/pimg.rpi-imager-manifest`"));
    let list = read(&at("os_list.json"));
    schema::judge(&list);
    assert_eq!(entries(&list).iter().map(|entry| text(entry, "name")).collect::<Vec<_>>(), ["left", "right"]);
    for entry in entries(&list) {
        assert_eq!(text(entry, "release_date"), "2000-02-29");
        expect_as_listed(&project, entry);
    }
    let double_click = read(&at("pimg.rpi-imager-manifest"));
    schema::judge(&double_click);
    assert_eq!(double_click["os_list"], list["os_list"]);

    // another format of one host: its entry follows, the other stays
    build(&project, out, &["left", "--format", "xz"]);
    let after = read(&at("os_list.json"));
    assert_eq!(entries(&after)[1], entries(&list)[1]);
    assert!(text(&entries(&after)[0], "url").ends_with(".img.xz"));
    assert_eq!(entries(&after)[0]["extract_sha256"], entries(&list)[0]["extract_sha256"]);
    expect_as_listed(&project, &entries(&after)[0]);

    // an image that somebody took away is not offered
    fs::remove_file(at("right/right-1.img.zst")).expect("the image");
    let output = build(&project, out, &["left"]);
    assert!(told(&output).contains("`os_list.json` leaves out `50% of #1 & ü?/right`"), "{}", told(&output));
    assert_eq!(entries(&read(&at("os_list.json"))).len(), 1);
}

#[test]
fn a_release_is_what_its_list_says() {
    if !have_tools() {
        return;
    }
    let project = project();
    build(&project, "out", &["left", "right", "--release"]);
    let site = Site::new();
    let output = project.pimg_ok(&["publish", "--base-url", &site.url("pi")]);
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let files: Vec<PathBuf> = printed.lines().map(|line| project.join(line)).collect();
    assert_eq!(files.len(), 6 * 2 + 4, "{printed}");
    for file in &files {
        let name = file.file_name().expect("a name").to_string_lossy();
        site.put(&format!("pi/{name}"), fs::read(file).expect("a file of the release"));
    }
    let release = project.join("out/release");
    for name in ["os_list.json", "pimg.rpi-imager-manifest"] {
        let list = read(&release.join(name));
        schema::judge(&list);
        assert_eq!(entries(&list).len(), 2);
        for entry in entries(&list) {
            expect_as_listed(&project, entry);
        }
    }
    run(
        "bash",
        &["-c", "cd \"$1\" && sha256sum -c --strict -- *.sha256", "bash", release.to_str().expect("UTF-8")],
    );
    // a person who got the files checks one
    let image = release.join("left-1.img.zst");
    let output = project.pimg_ok(&["verify", "--json", image.to_str().expect("UTF-8")]);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let checks = answer["result"]["checks"].as_array().expect("checks");
    for name in ["digest", "manifest"] {
        let check = checks.iter().find(|check| check["name"] == name).expect("is looked at");
        assert_eq!(check["verdict"], "passed", "{check}");
    }
    // and sees from what it was built
    let output = project.pimg_ok(&["inspect", "--json", image.to_str().expect("UTF-8")]);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["result"]["image"]["manifest"]["hostname"], "left", "{answer}");

    // an image with secrets beside them stops the next one
    build(&project, "out", &["right"]);
    let output = project.pimg(&["publish", "--base-url", &site.url("pi")]).output().expect("running pimg");
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("refusing to publish `right`"), "{}", told(&output));
    assert!(files.iter().all(|file| file.is_file()), "the release is as it was");

    project.pimg_ok(&["clean", "--out"]);
    assert_eq!(fs::read_dir(project.join("out")).expect("a directory").count(), 0);
}
