//! A node without a network card installs the packages of its image, also when the power goes in the middle of it.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pimg::guest::packages::{self, LocalPackage, PackageSet};
use pimg::guest::steps;
use pimg::host::FileDevice;
use pimg::image::apply::apply;
use pimg::image::base::BaseImage;
use pimg::image::emit::Emitter;
use pimg::image::format::ImageFormat;
use pimg::image::store::FileStore;
use pimg::image::working::WorkingImage;
use pimg::progress::Silent;
use pimg_fetch::digest::Sha256Digest;
use serde_json::Value;

use crate::machine::{BootFiles, Machine, Writes};
use crate::support::{self, Project};
use crate::{boot_files, debs, json};

const EPOCH: u64 = 1_764_806_400;
/// A shell, a program, and a service with a user of its own, questions and dependencies.
const NAMES: [&str; 3] = ["fzf", "postfix", "zsh"];
const PROFILE: &str = "extends = \"raspios\"\nhostname = \"embedded\"\noverlays = []\n\
                       [user]\nname = \"admin\"\n[network]\naddress = \"10.10.80.60/24\"\n\
                       gateway = \"10.10.80.1\"\ndns = [\"10.10.80.1\"]\n";

#[test]
fn a_node_without_a_network_installs_its_packages() {
    let Some(base) = support::base_image("pios") else { return };
    let tools = ["qemu-system-aarch64", "apt-get", "dpkg-deb", "e2fsck", "sfdisk"];
    if !tools.iter().all(|tool| support::have(tool)) {
        return;
    }
    let project = Project::new();
    fs::write(project.join("profiles/embedded.toml"), PROFILE).expect("writing a profile");
    let image = project.build_raw("embedded", &base);
    let status = project.pimg_ok(&["inspect", image.to_str().expect("UTF-8"), "/var/lib/dpkg/status"]).stdout;
    let Some(install) = downloaded(&project, &status) else { return };
    let set = PackageSet {
        install,
        remove: vec!["nano".to_owned()],
        hold: vec!["linux-image-arm64".to_owned()],
        manual: NAMES.map(str::to_owned).to_vec(),
        preseeds: vec![
            "postfix postfix/main_mailer_type select Local only".to_owned(),
            "postfix postfix/mailname string embedded.lab.example".to_owned(),
        ],
        keep: false,
    };
    let card = project.join("card.img");
    embed(&image, &set, &project, &card);
    let files = boot_files(&project, &card, include_bytes!("probe_packages.py"));

    let mut machine = Machine::start(&card, Writes::Kept, &files, None);
    // in the middle: some are unpacked, none of these is configured. The probe looks now and then, so no count is sure
    // to be told.
    while machine.wait_for("PIMG-UNPACKED ").trim().parse::<u32>().expect("a count") < 3 {}
    println!("the plug is pulled after {} s", machine.uptime());
    drop(machine);
    finishes(&card, &files);
    let table = support::run("sfdisk", &["--json", card.to_str().expect("UTF-8")]);
    let root = &json(table.as_bytes())["partitiontable"]["partitions"][1]["start"];
    let root = root.as_u64().expect("a sector") * 512;
    support::run("e2fsck", &["-fn", &format!("{}?offset={root}", card.display())]);
}

fn finishes(card: &Path, files: &BootFiles) {
    let mut machine = Machine::start(card, Writes::Kept, files, None);
    let report = json(machine.wait_for("PIMG-PACKAGES ").as_bytes());
    println!("packages: done after {} s", machine.uptime());
    expect_report(&report);
    machine.wait_until_off();
}

fn expect_report(report: &Value) {
    // hundreds of names are of no use to a reader
    let mut told = report.clone();
    for long in ["automatic", "wanted"] {
        told.as_object_mut().expect("an object").remove(long);
    }
    let text = serde_json::to_string_pretty(&told).expect("JSON");
    let log = report["log"].as_str().unwrap_or_default();
    let expect = |what: bool, message: &str| assert!(what, "{message}; the guest says:\n{text}\n{log}");
    let is_empty = |key: &str| report[key] == serde_json::json!([]) || report[key] == "";
    let has =
        |key: &str, name: &str| report[key].as_array().is_some_and(|list| list.iter().any(|n| n == name));
    expect(report["cards"] == serde_json::json!(["lo"]), "there is no network card");
    expect(
        report["wanted"].as_array().is_some_and(|wanted| wanted.len() > NAMES.len()),
        "dependencies come too",
    );
    expect(is_empty("missing"), "every package has the version of the set");
    expect(is_empty("removed"), "what was to go is gone");
    expect(is_empty("audit"), "dpkg has nothing to complain of");
    expect(report["check"] == 0, "apt has nothing to complain of");
    expect(report["stamp"] != "", "the step is stamped");
    expect(is_empty("left"), "repository, source, answers and lists are gone");
    expect(has("sources", "debian.sources"), "the node's normal sources stand");
    expect(has("held", "linux-image-arm64"), "the kernel is held");
    expect(NAMES.iter().all(|name| !has("automatic", name)), "what was asked for was installed by hand");
    expect(has("automatic", "zsh-common"), "what came with it was not");
    expect(report["mailname"] == "embedded.lab.example\n", "debconf was answered");
    expect(is_empty("failed"), "no unit has failed");
}

/// The image with the changes of a set, and with room for it.
fn embed(image: &Path, set: &PackageSet, project: &Project, card: &Path) {
    let base = BaseImage::open(Arc::new(FileDevice::open(image).expect("the image"))).expect("an image");
    let length = fs::metadata(image).expect("the image").size() + (1 << 30);
    let store = FileStore::in_directory(project.path()).expect("a store");
    let working = WorkingImage::new(&base, length, signature(image), store).expect("a working image");
    let mut changes = packages::changes(set, EPOCH).expect("the changes of the set");
    changes.extend(steps::changes(&[packages::step(Vec::new())]).expect("the step that installs it"));
    let epoch = i64::try_from(EPOCH).expect("a time");
    apply(&working, &changes, epoch, &Silent).expect("applying the changes");
    let file = File::create_new(card).expect("the card");
    Emitter::new(&Silent)
        .emit(working.device().as_ref(), ImageFormat::Raw, file, card)
        .expect("writing the card");
}

/// The disk signature in the master boot record: the root file system is found by it.
fn signature(image: &Path) -> u32 {
    use std::os::unix::fs::FileExt;
    let mut bytes = [0; 4];
    File::open(image).expect("the image").read_exact_at(&mut bytes, 440).expect("reading the boot record");
    u32::from_le_bytes(bytes)
}

/// The packages with their dependencies. `None` where Debian is out of reach.
fn downloaded(project: &Project, status: &[u8]) -> Option<Vec<LocalPackage>> {
    let kept = debs::downloaded(project, status, &NAMES)?;
    let entries = fs::read_dir(&kept).expect("the downloaded packages");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "deb"));
    files.sort();
    Some(files.into_iter().map(local_package).collect())
}

fn local_package(file: PathBuf) -> LocalPackage {
    let path = file.to_str().expect("UTF-8");
    let control = support::run("dpkg-deb", &["-I", path, "control"]);
    let field = |name: &str| support::run("dpkg-deb", &["-f", path, name]).trim().to_owned();
    let (name, version, architecture) = (field("Package"), field("Version"), field("Architecture"));
    let bytes = fs::read(&file).expect("a package");
    let (size, sha256) = (bytes.len() as u64, Sha256Digest::of(&bytes).to_string());
    LocalPackage { name, version, architecture, size, sha256, file, control }
}
