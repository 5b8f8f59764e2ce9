//! Names and links of a release: a flat directory for a plain web server or the assets of a release on GitHub.

use url::Url;

use super::os_list::{BuiltHost, DOUBLE_CLICK, ICON, LIST};

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
        }
    }

    /// Each name in a release, with the name that the file has in `out/<host>/`.
    pub fn with_sources(&self) -> [(&str, &str); 5] {
        [
            (&self.image, &self.image),
            (&self.sha256, &self.sha256),
            (&self.bmap, &self.bmap),
            (&self.manifest, "manifest.json"),
            (&self.sbom, "sbom.spdx.json"),
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

/// Whether a file of this name is one that a release consists of. A directory in which all are may be replaced.
pub fn is_part(name: &str) -> bool {
    const ENDINGS: [&str; 7] =
        [".img", ".img.xz", ".img.zst", ".sha256", ".img.bmap", MANIFEST_ENDING, SBOM_ENDING];
    [LIST, DOUBLE_CLICK, ICON].contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending))
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
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("expected `http://` or `https://`, got `{}:`", url.scheme()));
        }
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
            ("", "relative URL without a base"),
            ("example.org/pi", "relative URL without a base"),
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
        for name in ["os_list.json", "a-1.img.zst", "a-1.img.xz.sha256", "a-1.img.bmap", "a-1.spdx.json"] {
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
