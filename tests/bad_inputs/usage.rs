//! Command lines that say nothing sensible.

use crate::Case;

pub(crate) fn cases() -> Vec<Case> {
    let lines = [
        ("no such verb", "bild"),
        ("no such option", "build --profil tiny"),
        ("a value that is missing", "build --profile"),
        ("no such format", "build --profile tiny --format iso"),
        ("neither a profile nor all", "build"),
        ("a profile and all", "build --all --profile tiny"),
        ("no such profile", "build --profile tiyn"),
        ("a profile by its path", "build --profile profiles/tiny.toml"),
        ("a profile that leads out of the project", "build --profile ../../etc/passwd"),
        ("an empty profile", "build --profile="),
        ("no such project", "--project nowhere check --profile tiny"),
        ("a mirror without an address", "build --profile tiny --mirror debian"),
        ("a mirror of no known kind", "build --profile tiny --mirror debian=gopher://x.org"),
        ("an image that is not there", "inspect nothing.img"),
        ("an image that is a directory", "inspect profiles"),
        ("two images of which one is missing", "diff base.img nothing.img"),
        ("an image without a manifest", "verify nothing.img"),
        ("a directory in the place of a card", "flash base.img profiles"),
    ];
    lines.into_iter().map(|(name, line)| Case::new(name, line, |bench| bench.base())).collect()
}
