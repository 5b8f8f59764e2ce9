//! `pimg verify` on images as they were built, and on images that somebody changed since.

use std::fs;

use crate::support::Project;
use crate::tiny_base::TinyBase;
use crate::{build, built_image, have_tools, project, told};

fn verify(project: &Project, image: &str) -> (Option<i32>, String) {
    let output = project.pimg(&["verify", image]).env("PIMG_CACHE", project.join("cache")).output();
    let output = output.expect("running pimg");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &told(&output))
}

#[test]
fn an_image_passes_until_somebody_changes_it_or_what_is_said_of_it() {
    if !have_tools() {
        return;
    }
    let project = project();
    let base = TinyBase::new().make(project.path(), "base.img");
    let image = built_image(&project, &build(&project, &base));
    let path = image.to_str().expect("UTF-8");
    let (code, text) = verify(&project, path);
    assert_eq!(code, Some(0), "{text}");
    for check in ["digest", "boot partition", "root file system", "manifest", "packaged files"] {
        let line =
            text.lines().find(|line| line.starts_with(check)).unwrap_or_else(|| panic!("{check}: {text}"));
        assert!(line.ends_with("passed"), "{line}");
    }

    let manifest = image.with_file_name("manifest.json");
    let honest = fs::read_to_string(&manifest).expect("the manifest");
    fs::write(&manifest, honest.replace("\"path\": \"/etc/hostname\"", "\"path\": \"/etc/hosts\""))
        .expect("writing");
    let (code, text) = verify(&project, path);
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("`/etc/hosts` (root partition) holds other bytes"), "{text}");
    fs::write(&manifest, honest).expect("writing");

    let mut bytes = fs::read(&image).expect("the image");
    let changed = bytes.windows(5).position(|window| window == b"tiny\n").expect("the host name is in it");
    bytes[changed] = b'T';
    fs::write(&image, bytes).expect("writing");
    let (code, text) = verify(&project, path);
    assert_eq!(code, Some(5), "{text}");
    assert!(text.lines().any(|line| line.starts_with("digest") && line.ends_with("failed")), "{text}");
}
