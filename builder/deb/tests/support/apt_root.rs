//! The same status and indexes for apt and for the solver: a private root of apt.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pimg_deb::index::{self, Entry};
use pimg_deb::policy::Archive;
use pimg_deb::solve::Universe;

/// A directory with `apt.conf`, the status of an image and indexes that `apt-get update` fetched.
pub(crate) struct AptRoot {
    path: PathBuf,
}

/// The files of a root, read.
pub(crate) struct Files {
    native: String,
    foreign: Vec<String>,
    status: Vec<u8>,
    indexes: Vec<(Archive, Vec<u8>)>,
}

impl AptRoot {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where something of the root is.
    pub(crate) fn join(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    /// Runs a program of apt with this root.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.join("apt.conf")).env("LC_ALL", "C").args(arguments);
        command.output().expect("apt starts")
    }

    fn text(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("apt prints text")
    }

    /// Reads status and indexes in the order in which apt does with these options.
    pub(crate) fn files(&self, options: &[String]) -> Files {
        let ask = |program: &str, arguments: &[&str]| {
            let options = options.iter().map(String::as_str);
            self.text(program, &options.chain(arguments.iter().copied()).collect::<Vec<_>>())
        };
        let config = ask("apt-config", &["dump", "--format", "%f=%v%n"]);
        let setting = |name: &str| {
            let values = config.lines().filter_map(|line| line.split_once('='));
            values.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).collect::<Vec<_>>()
        };
        let native = setting("APT::Architecture").concat();
        let foreign = setting("APT::Architectures::").into_iter().filter(|one| *one != native).collect();
        let status = std::fs::read(setting("Dir::State::status").concat()).expect("the status");
        let format = "$(CREATED_BY)|$(FILENAME)|$(SITE)|$(ORIGIN)|$(LABEL)|$(SUITE)|$(CODENAME)|$(COMPONENT)|\
                      $(ARCHITECTURE)|$(METAKEY)";
        let targets = ask("apt-get", &["indextargets", "--format", format]);
        let targets = targets.lines().filter_map(|line| line.strip_prefix("Packages|"));
        Files { native, foreign, status, indexes: targets.map(index).collect() }
    }
}

fn index(target: &str) -> (Archive, Vec<u8>) {
    let fields: Vec<_> = target.split('|').collect();
    let [file, site, origin, label, suite, codename, component, architecture, key] = fields.as_slice() else {
        panic!("apt-get indextargets: {target}");
    };
    let stem = file.strip_suffix(&key.replace('/', "_")).expect("named after its key");
    let release = std::fs::read(format!("{stem}InRelease")).expect("a signed release");
    let release = String::from_utf8(release).expect("text");
    let head: BTreeMap<_, _> = release
        .lines()
        .take_while(|line| *line != "SHA256:")
        .filter_map(|line| line.split_once(": "))
        .collect();
    let archive = Archive {
        name: format!("{codename}/{component}"),
        site: host(site).to_owned(),
        origin: origin.to_string(),
        label: label.to_string(),
        suite: suite.to_string(),
        codename: codename.to_string(),
        version: head.get("Version").map(|version| version.to_string()).unwrap_or_default(),
        component: component.to_string(),
        architecture: architecture.to_string(),
        not_automatic: head.get("NotAutomatic") == Some(&"yes"),
        but_automatic_upgrades: head.get("ButAutomaticUpgrades") == Some(&"yes"),
        is_status: false,
    };
    (archive, std::fs::read(file).expect("an index"))
}

/// apt tells the address, pins name the host.
fn host(site: &str) -> &str {
    let address = site.split_once("://").map_or("", |(_, address)| address);
    address.split('/').next().unwrap_or_default()
}

impl Files {
    /// What there is to choose from.
    pub(crate) fn universe(&self) -> Universe<'_> {
        let mut universe = Universe::new(&self.native, &self.foreign);
        universe.add_installed(entries(&self.status));
        for (archive, bytes) in &self.indexes {
            universe.add_index(archive.clone(), entries(bytes));
        }
        universe
    }
}

fn entries(bytes: &[u8]) -> Vec<Entry<'_>> {
    index::entries(bytes).expect("apt reads it, too")
}
