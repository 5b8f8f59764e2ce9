//! `pimg test` where it fails, on a node whose steps are made up: they say on the console what real ones say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::json;
use crate::support::{self, Project};

/// The second step finds something that only a person can mend.
const BAD: &str = "say 'one: running'
say 'one: done'
mkdir -p /var/log/pimg
echo 'all that it did' >/var/log/pimg/two.log
say 'two: running'
say 'two: failed: the disk <DATA0> holds foreign data & is left alone'
sleep infinity
";

const UNIT: &str = "[Unit]\nAfter=multi-user.target\n[Service]\nExecStart=/bin/bash /usr/lib/toy\n\
                    [Install]\nWantedBy=multi-user.target\n";

/// A project with the node `toy-70` that runs `steps`, and its image.
fn built(steps: &str) -> Option<(Project, PathBuf)> {
    let base = support::base_image("pios")?;
    if !["qemu-system-aarch64", "python3"].iter().all(|tool| support::have(tool)) {
        return None;
    }
    let project = Project::without_packages();
    let toy = "overlays/toy/rootfs/usr/lib";
    write(
        &project,
        "overlays/toy/overlay.toml",
        "description = \"toy\"\n[units]\nenable = [\"toy.service\"]\n",
    );
    write(&project, &format!("{toy}/systemd/system/toy.service"), UNIT);
    let say = "say() { echo \"pimg: $*\" >/dev/console; }\n";
    write(&project, &format!("{toy}/toy"), &format!("{say}{steps}"));
    let profile = "extends = \"raspios\"\nhostname = \"toy-70\"\noverlays = [\"toy\"]\n[user]\nname = \"admin\"\n\
                   [network]\ninterface = \"end0\"\naddress = \"10.10.80.70/24\"\ngateway = \"10.10.80.1\"\n\
                   dns = [\"10.10.80.1\"]\n";
    write(&project, "profiles/toy-70.toml", profile);
    let image = project.build_raw("toy-70", &base);
    Some((project, image))
}

fn write(project: &Project, name: &str, text: &str) {
    let path = project.join(name);
    fs::create_dir_all(path.parent().expect("has a parent")).expect("a directory");
    fs::write(path, text).expect("a file");
}

fn test(project: &Project, arguments: &[&str]) -> (Output, Value) {
    let arguments = [&["--json", "test"], arguments].concat();
    let output = project.pimg(&arguments).output().expect("pimg runs");
    let told = json(&output.stdout);
    (output, told)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Names of cases and of those that failed, as another program reads them.
fn junit(file: &Path) -> String {
    let script = "import sys, xml.etree.ElementTree as tree
for case in tree.parse(sys.argv[1]).getroot().iter('testcase'):
    print(case.get('classname'), case.get('name'), *[e.tag + ' ' + e.get('message') for e in case])";
    support::run("python3", &["-c", script, file.to_str().expect("UTF-8")])
}

#[test]
fn a_step_that_stops_fails_the_test_and_leaves_a_bundle() {
    let Some((project, image)) = built(BAD) else { return };
    let image = image.to_str().expect("UTF-8");
    let (output, told) = test(&project, &[image, "--junit", "boot.xml"]);
    assert_eq!(output.status.code(), Some(10), "{}\n{told:#}", text(&output.stderr));
    let node = &told["result"]["nodes"][0];
    let why = "the disk <DATA0> holds foreign data & is left alone";
    assert_eq!(node["message"], format!("step `two` failed: {why}"));
    let cases = junit(&project.join("boot.xml"));
    assert!(cases.contains("toy-70 one\n"), "{cases}");
    assert!(cases.contains(&format!("toy-70 two failure {why}\n")), "{cases}");
    let logs = project.join("out/boot-test/toy-70");
    assert!(text(&fs::read(logs.join("serial.log")).expect("the console")).contains("pimg: two: failed"));
    assert_eq!(fs::read_to_string(logs.join("node/log/two.log")).expect("a step's log"), "all that it did\n");
}

#[test]
fn without_qemu_it_says_what_to_install() {
    let project = Project::new();
    let output = project.pimg(&["test", "x.img"]).env("PATH", "/nonexistent").output().expect("pimg runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{said}");
    assert!(
        said.contains("`sudo apt install qemu-system-arm`") && said.contains("`brew install qemu`"),
        "{said}"
    );
}

#[test]
fn without_an_image_it_says_how_one_is_built() {
    let project = Project::new();
    let output =
        project.pimg(&["test", "--profile", "k8sctl-pi5l", "--cluster"]).output().expect("pimg runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("hint: build it first: `pimg build --profile k8sctl-pi5l`"), "{said}");
}
