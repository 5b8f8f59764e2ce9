//! apt installs from a repository that we wrote, and apt-ftparchive would have written the same.

use std::collections::BTreeMap;
use std::fs;

use pimg_deb::deb822::{self, Comments};
use pimg_deb::package::Package;
use pimg_deb::{release, repository};

use crate::support::{apt_root, argument, directory, have, run, text, write};

fn fields(stanza: &deb822::Stanza<'_>) -> BTreeMap<String, Vec<String>> {
    // digests that nobody needs
    let is_other = |name: &str| ["MD5sum", "SHA1", "SHA512"].contains(&name);
    let fields = stanza.fields().iter().filter(|field| !is_other(field.name()));
    fields
        .map(|field| (field.name().to_owned(), field.lines().iter().map(|line| (*line).to_owned()).collect()))
        .collect()
}

fn sha256(path: &std::path::Path) -> String {
    text("sha256sum", &[argument(path)], "").split(' ').next().expect("a digest").to_owned()
}

#[test]
fn apt_takes_packages_from_our_repository() {
    if !have(&["apt-get", "apt-ftparchive", "dpkg-deb", "sha256sum"]) {
        return;
    }
    let directory = directory("repository");
    let pool = directory.join("repo");
    fs::create_dir_all(&pool).expect("a directory");
    let mut stanzas = Vec::new();
    for (name, depends) in [("one", "Depends: two (>= 1:1), two:any\n"), ("two", "")] {
        let control = format!(
            "Package: {name}\nVersion: 1:1.0~rc1-1\nArchitecture: arm64\nMaintainer: x <x@example.org>\n\
             Multi-Arch: allowed\nInstalled-Size: 3\n{depends}Description: short\n long\n .\n more\n"
        );
        write(&directory.join(name).join("DEBIAN/control"), &control);
        write(&directory.join(name).join("usr/share").join(name), name);
        let file = format!("{name}_1.0~rc1-1_arm64.deb");
        let path = pool.join(&file);
        run(
            "dpkg-deb",
            &["--root-owner-group", "--build", argument(&directory.join(name)), argument(&path)],
            "",
        );
        let bytes = fs::read(&path).expect("a package");
        let control =
            Package::open(&bytes).and_then(|package| package.control_text()).expect("dpkg-deb made it");
        let size = u64::try_from(bytes.len()).expect("small");
        let stanza = repository::packages_stanza(&control, &format!("./{file}"), size, &sha256(&path));
        stanzas.push(stanza.expect("a control file"));
    }
    let packages = repository::packages(&stanzas);
    write(&pool.join("Packages"), &packages);

    let theirs = text("apt-ftparchive", &["packages", argument(&pool)], "");
    let theirs = theirs.replace(&format!("Filename: {}/", argument(&pool)), "Filename: ./");
    let of = |text: &str| -> Vec<_> {
        deb822::parse(text.as_bytes(), Comments::Refused).expect("stanzas").iter().map(fields).collect()
    };
    assert_eq!(of(&packages), of(&theirs));

    let size = u64::try_from(packages.len()).expect("small");
    let index = BTreeMap::from([("Packages".to_owned(), (size, sha256(&pool.join("Packages"))))]);
    let written = repository::release("pimg", &["arm64".to_owned()], 1_795_227_046, index);
    write(&pool.join("Release"), &written.to_string());
    let theirs = text("apt-ftparchive", &["release", argument(&pool)], "");
    let theirs = release::parse(theirs.as_bytes()).expect("a release of apt-ftparchive");
    assert_eq!(theirs.files["Packages"], written.files["Packages"]);

    let root = directory.join("root");
    let mut options = apt_root(&root);
    options.extend(["-o", "Debug::NoLocking=1", "-q", "-y"].map(str::to_owned));
    write(&root.join("etc/sources.list"), &format!("deb [trusted=yes] file:{} ./\n", argument(&pool)));
    let apt = |command: &[&str]| {
        let arguments: Vec<_> = options.iter().map(String::as_str).chain(command.iter().copied()).collect();
        text("apt-get", &arguments, "")
    };
    apt(&["update"]);
    let plan = apt(&["--simulate", "install", "one"]);
    assert!(plan.contains("Inst two (1:1.0~rc1-1 pimg:pimg [arm64])"), "{plan}");
    // apt compares sizes and digests of what it takes
    apt(&["--download-only", "install", "one", "two=1:1.0~rc1-1"]);
}
