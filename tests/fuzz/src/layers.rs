//! Baked layers of somebody else: their archives, their papers, and the places that keep them.

use pimg_fetch::artefact::{DockerConfig, Reference};

pub fn baked_archive(input: &[u8]) {
    if let Ok(paths) = pimg::fuzzing::baked_archive(input) {
        for path in paths {
            assert!(path.starts_with(b"/"), "a path begins at a root");
            assert!(path[1..].split(|byte| *byte == b'/').all(|part| part != b".."), "a path stays inside");
        }
    }
}

pub fn layer_archive(input: &[u8]) {
    if let Ok((key, length)) = pimg::fuzzing::layer_archive(input) {
        assert!(key.bytes().all(|byte| byte.is_ascii_hexdigit()), "a key is a name of a directory");
        assert!(length <= input.len() as u64, "a layer is no longer than its file");
    }
}

pub fn papers(input: &[u8]) {
    pimg::fuzzing::layer_papers(input);
}

pub fn place(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(place) = text.parse::<Reference>() {
        let shown = place.to_string();
        assert_eq!(shown.parse::<Reference>().as_ref(), Ok(&place), "what is shown can be typed");
    }
}

pub fn accounts(input: &[u8]) {
    if let Some(config) = DockerConfig::parse(input) {
        let _ = (config.account("ghcr.io/me/layers"), config.helper("ghcr.io"));
    }
}
