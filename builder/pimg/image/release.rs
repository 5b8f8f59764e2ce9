//! Names and links of a release: a flat directory for a plain web server or the assets of a release on GitHub.

use url::Url;

use super::os_list::{BuiltHost, DOUBLE_CLICK, ICON, LIST};
use super::{provenance, sums};

/// The directory below the built images that a release is made in.
pub const RELEASE: &str = "release";

/// The files of one host in a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseNames {
    /// The image.
    pub image: String,
    /// Its digest, as `sha256sum -c` reads it.
    pub sha256: String,
    /// The block map.
    pub bmap: String,
    /// The manifest.
    pub manifest: String,
    /// The bill of materials.
    pub sbom: String,
    /// What the image was made from.
    pub provenance: String,
    /// The same as a signed envelope, where the build had a key.
    pub envelope: String,
}

impl ReleaseNames {
    /// The names for a host.
    pub fn of(host: &BuiltHost) -> Self {
        let stem = format!("{}-{}", host.hostname, host.version);
        Self {
            image: host.image.file.clone(),
            sha256: format!("{}.sha256", host.image.file),
            bmap: format!("{stem}.img.bmap"),
            manifest: format!("{stem}{MANIFEST_ENDING}"),
            sbom: format!("{stem}{SBOM_ENDING}"),
            provenance: beside(&host.image.file, provenance::FILE),
            envelope: beside(&host.image.file, provenance::ENVELOPE),
        }
    }

    /// The first of them that a manifest cannot mean, since it would lead out of the directory.
    pub fn misleading(&self) -> Option<&str> {
        let is_plain = |name: &str| !name.starts_with('.') && !name.contains(['/', '\0']);
        self.with_sources().into_iter().map(|(name, _)| name).find(|name| !is_plain(name))
    }

    /// Each name in a release, with the name that the file has in `out/<host>/`.
    pub fn with_sources(&self) -> [(&str, &str); 6] {
        [
            (&self.image, &self.image),
            (&self.sha256, &self.sha256),
            (&self.bmap, &self.bmap),
            (&self.manifest, "manifest.json"),
            (&self.sbom, "sbom.spdx.json"),
            (&self.provenance, provenance::FILE),
        ]
    }
}

/// How the names of manifests end in a release, where those of many hosts lie side by side.
const MANIFEST_ENDING: &str = ".manifest.json";
/// Likewise of bills of materials.
const SBOM_ENDING: &str = ".spdx.json";

/// The name of an image's manifest where it does not have a directory of its own.
pub fn manifest_beside(image: &str) -> Option<String> {
    image.rsplit_once(".img").map(|(stem, _)| format!("{stem}{MANIFEST_ENDING}"))
}

/// The name that a file about an image has in a release.
pub fn beside(image: &str, file: &str) -> String {
    let stem = image.rsplit_once(".img").map_or(image, |(stem, _)| stem);
    format!("{stem}.{file}")
}

/// Whether a file of this name is one that a release consists of. A directory in which all are may be replaced.
pub fn is_part(name: &str) -> bool {
    const ENDINGS: [&str; 9] = [
        ".img",
        ".img.xz",
        ".img.zst",
        ".sha256",
        ".img.bmap",
        MANIFEST_ENDING,
        SBOM_ENDING,
        provenance::FILE,
        provenance::ENVELOPE,
    ];
    [LIST, DOUBLE_CLICK, ICON, sums::FILE, sums::SIGNATURE].contains(&name)
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Where a release will be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Reads the address of the directory that a release will lie in.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            Ok(url) => return Err(format!("expected `http://` or `https://`, got `{}:`", url.scheme())),
            Err(url::ParseError::RelativeUrlWithoutBase) => {
                return Err("it has to begin with `http://` or `https://`".to_owned());
            }
            Err(error) => return Err(error.to_string()),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user name or password in it would be published".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("file names go behind it, so it cannot have a `?` or `#`".to_owned());
        }
        Ok(Self(url))
    }

    /// The address of a file.
    pub fn file(&self, name: &str) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(name);
        }
        url
    }

    /// Whether names have to be such as GitHub keeps.
    pub fn is_github(&self) -> bool {
        self.0.host_str() == Some("github.com")
    }
}

#[cfg(test)]
mod tests {
    use super::{BaseUrl, is_part, manifest_beside};

    #[test]
    fn links_are_below_the_base_with_or_without_a_slash() {
        for base in ["https://example.org/pi", "https://example.org/pi/"] {
            let base = BaseUrl::parse(base).expect("a URL");
            assert_eq!(base.file("a b.img").as_str(), "https://example.org/pi/a%20b.img");
        }
        let root = BaseUrl::parse("http://10.0.0.1:8000").expect("a URL");
        assert_eq!(root.file("x").as_str(), "http://10.0.0.1:8000/x");
    }

    #[test]
    fn a_base_that_cannot_be_published_is_refused_in_words() {
        for (text, why) in [
            ("", "it has to begin with `http://` or `https://`"),
            ("example.org/pi", "it has to begin with `http://` or `https://`"),
            ("https://", "empty host"),
            ("file:///srv/pi", "expected `http://` or `https://`, got `file:`"),
            ("javascript:alert(1)", "expected `http://` or `https://`, got `javascript:`"),
            ("https://me:secret@example.org/", "a user name or password in it would be published"),
            ("https://example.org/?x=1", "file names go behind it, so it cannot have a `?` or `#`"),
            ("https://example.org/#a", "file names go behind it, so it cannot have a `?` or `#`"),
        ] {
            assert_eq!(BaseUrl::parse(text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn parts_of_a_release_are_known_by_name() {
        for name in [
            "os_list.json",
            "a-1.img.zst",
            "a-1.img.xz.sha256",
            "a-1.img.bmap",
            "a-1.spdx.json",
            "SHA256SUMS",
            "a-1.provenance.json",
        ] {
            assert!(is_part(name), "{name}");
        }
        for name in ["index.html", ".git", "notes.txt", "manifest.json.orig", "os_list.json~"] {
            assert!(!is_part(name), "{name}");
        }
    }

    #[test]
    fn an_image_leads_to_its_manifest() {
        assert_eq!(manifest_beside("a-1.img.zst").as_deref(), Some("a-1.manifest.json"));
        assert_eq!(manifest_beside("a-1.2.img").as_deref(), Some("a-1.2.manifest.json"));
        assert_eq!(manifest_beside("a.zip"), None);
    }
}
