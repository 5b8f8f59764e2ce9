//! What `pimg diff` and `pimg inspect` say, beside what the kernel, dpkg and systemctl say of the same images.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::mount::{Entry, Mount};
use crate::support::{self, Project};
use crate::tiny_base::TinyBase;
use crate::{have_tools, project};

/// The result of a command with `--json`.
fn json(project: &Project, arguments: &[&str]) -> Value {
    let output = project.pimg_ok(&[arguments, &["--json", "--progress", "none"]].concat());
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    told["result"].clone()
}

/// Where the root file system of an image begins, in bytes.
fn root_offset(project: &Project, image: &str) -> u64 {
    let told = json(project, &["inspect", image]);
    let partitions = told["image"]["partitions"].as_array().expect("partitions");
    let root = partitions.iter().find(|partition| partition["file_system"] == "ext4").expect("a root");
    root["start_sector"].as_u64().expect("a number") * 512
}

fn mounted(project: &Project, image: &str) -> Option<Mount> {
    Mount::read_only(&project.join(image), root_offset(project, image))
}

/// What differs of each path, by the kernel's word; the names are those of `pimg diff`.
fn judged(
    a: &BTreeMap<String, Entry>,
    b: &BTreeMap<String, Entry>,
) -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut found = BTreeMap::new();
    for path in a.keys().chain(b.keys()) {
        let mut differs = BTreeSet::new();
        match (a.get(path), b.get(path)) {
            (Some(a), Some(b)) if a.kind != b.kind => {
                differs.insert("kind");
            }
            (Some(a), Some(b)) => {
                let content = match a.kind {
                    'l' => "target",
                    'c' | 'b' => "device",
                    _ => "content",
                };
                for (what, is_other) in [
                    ("owner", a.owner != b.owner),
                    ("mode", a.mode != b.mode),
                    ("attributes", a.xattrs != b.xattrs),
                    (content, a.content != b.content),
                ] {
                    if is_other {
                        differs.insert(what);
                    }
                }
            }
            (Some(_), None) => {
                differs.insert("removed");
            }
            _ => {
                differs.insert("added");
            }
        }
        if !differs.is_empty() {
            found.insert(path.clone(), differs);
        }
    }
    found
}

/// The same, by the word of `pimg diff`.
fn told(diff: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let files = diff["files"].as_array().expect("files").iter().filter(|file| file["partition"] == "root");
    let mut found = BTreeMap::new();
    for file in files {
        let words: BTreeSet<String> = match (&file["a"], &file["b"]) {
            (Value::Null, _) => BTreeSet::from(["added".to_owned()]),
            (_, Value::Null) => BTreeSet::from(["removed".to_owned()]),
            _ => serde_json::from_value(file["differs"].clone()).expect("words"),
        };
        // one file under two names is no property of a path in the kernel's list
        let words: BTreeSet<String> = words.into_iter().filter(|word| word != "links").collect();
        if !words.is_empty() {
            found.insert(file["path"].as_str().expect("a path").to_owned(), words);
        }
    }
    found
}

fn expect_the_same(project: &Project, a: &str, b: &str) {
    let (Some(left), Some(right)) = (mounted(project, a), mounted(project, b)) else { return };
    let expected: BTreeMap<String, BTreeSet<String>> = judged(&left.tree(), &right.tree())
        .into_iter()
        .map(|(path, words)| (path, words.into_iter().map(str::to_owned).collect()))
        .collect();
    let told = told(&json(project, &["diff", a, b]));
    let differing: Vec<_> = expected
        .keys()
        .chain(told.keys())
        .filter(|path| expected.get(*path) != told.get(*path))
        .map(|path| format!("{path}: kernel {:?}, pimg {:?}", expected.get(path), told.get(path)))
        .collect();
    assert!(differing.is_empty(), "{differing:#?}");
    assert!(expected.len() > 3, "{expected:#?}");
}

/// A base with everything that a file can have besides bytes.
fn odd(script: &'static str) -> TinyBase {
    let mut base = TinyBase::new()
        .with("srv/ping", "one")
        .with("srv/plain", "one")
        .with("srv/noted", "one")
        .with("srv/first", "one file\n")
        .with("srv/second", "one file\n");
    base.script = script;
    base
}

const FIRST: &str = r#"
debugfs -w -f - "$root" >/dev/null 2>&1 <<'END'
cd /srv
mknod null c 1 3
mknod pipe p
ea_set /srv/noted user.note one
sif /srv/plain uid 5
END
"#;
const SECOND: &str = r#"
printf '\1\0\0\2\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0\0' > cap.tmp
printf '\1\0\0\0\1\0\6\0\2\0\4\0\350\3\0\0\4\0\4\0\20\0\6\0\40\0\0\0' > acl.tmp
debugfs -w -f - "$root" >/dev/null 2>&1 <<'END'
cd /srv
mknod null c 1 5
rm /srv/second
ln /srv/first /srv/second
sif /srv/first links_count 2
ea_set /srv/noted user.note two
ea_set -f cap.tmp /srv/ping security.capability
sif /srv/plain mode 0104755
mknod pipe p
sif /srv/plain uid 6
END
rm cap.tmp acl.tmp
"#;

#[test]
fn owners_attributes_devices_and_names_as_the_kernel_sees_them() {
    if !have_tools() || !support::have("debugfs") || !support::have("getfattr") {
        return;
    }
    let project = project();
    odd(FIRST).make(project.path(), "a.img");
    odd(SECOND).make(project.path(), "b.img");
    expect_the_same(&project, "a.img", "b.img");
    let diff = json(&project, &["diff", "a.img", "b.img"]);
    let file = |path: &str| -> Value {
        let files = diff["files"].as_array().expect("files").iter();
        files.clone().find(|file| file["path"] == path).cloned().unwrap_or_else(|| panic!("{path}: {diff:#}"))
    };
    assert_eq!(file("/srv/ping")["b"]["attributes"][0], "capability cap_net_raw=ep");
    assert_eq!(file("/srv/noted")["differs"], serde_json::json!(["attributes"]));
    assert_eq!(file("/srv/null")["b"]["device"], serde_json::json!([1, 5]));
    assert_eq!(file("/srv/plain")["b"]["ownership"]["mode"], 0o4755);
    let second = file("/srv/second");
    assert_eq!(second["differs"], serde_json::json!(["links"]));
    assert_eq!(
        (&second["a"]["links"], &second["b"]["links"]),
        (&"[]".parse::<Value>().expect("JSON"), &serde_json::json!(["/srv/first"]))
    );
    let text = project.pimg_ok(&["diff", "a.img", "b.img", "--progress", "none"]).stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    for expected in [
        "device 1:3 -> 1:5",
        "attributes - -> capability cap_net_raw=ep",
        "owner 5:",
        "other names - -> /srv/first",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn a_built_image_and_its_base() {
    let Some(base) = support::base_image("pios").filter(|_| support::have("getfattr")) else { return };
    let project = project();
    let image = project.build_raw("tiny", &base);
    let image = image.to_str().expect("UTF-8");
    let raw = project.decoded_base(&base);
    let raw = raw.to_str().expect("UTF-8");
    expect_the_same(&project, raw, image);

    let Some(root) = mounted(&project, image) else { return };
    expect_packages(&project, image, root.path());
    expect_units(&project, image, root.path());
}

fn expect_packages(project: &Project, image: &str, root: &Path) {
    if !support::have("dpkg-query") {
        return;
    }
    let root = format!("--root={}", root.display());
    let format = "-f=${binary:Package} ${Version} ${Architecture}\\n";
    let judged = support::run("dpkg-query", &[&root, "-W", format]);
    let listing = json(project, &["inspect", image, "--packages"]);
    let told: BTreeSet<String> = listing["packages"]["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .filter(|package| package["state"] != "on first boot")
        .map(|package| {
            let field = |name: &str| package[name].as_str().expect("text").to_owned();
            format!("{} {} {}", field("name"), field("version"), field("architecture"))
        })
        .collect();
    let without_architecture = |line: &str| {
        let (name, rest) = line.split_once(' ').expect("a name");
        format!("{} {rest}", name.split(':').next().unwrap_or_default())
    };
    let judged: BTreeSet<String> = judged.lines().map(without_architecture).collect();
    assert_eq!(told, judged);
}

fn expect_units(project: &Project, image: &str, root: &Path) {
    if !support::have("systemctl") {
        return;
    }
    let root = format!("--root={}", root.display());
    let arguments = [&root, "list-unit-files", "--no-legend", "--no-pager", "--state=enabled,masked"];
    let judged = support::run("systemctl", &arguments);
    let summary = json(project, &["inspect", image, "--section", "units"]);
    let units = summary["image"]["units"].as_array().expect("units");
    let links = |name: &str| -> Vec<String> {
        let unit = units.iter().find(|unit| unit["unit"] == name);
        unit.map(|unit| serde_json::from_value(unit["links"].clone()).expect("texts")).unwrap_or_default()
    };
    let mut count = 0;
    for line in judged.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, state, ..] = words.as_slice() else { continue };
        let links = links(name);
        count += 1;
        match *state {
            "masked" => assert!(links.iter().any(|link| link == "masked"), "{line}: {links:?}"),
            // a template is enabled by its instances
            _ if name.contains("@.") => {}
            _ => {
                assert!(!links.is_empty() && !links.iter().any(|link| link == "masked"), "{line}: {units:#?}")
            }
        }
    }
    assert!(count > 10, "{judged}");
}
