//! What Raspberry Pi Imager reads: a list of images, and the same list as a file that a double click opens.
//!
//! The shapes are those of Imager's own schema (`doc/json-schema/os-list-schema.json` in raspberrypi/rpi-imager), whose
//! sizes are in bytes and whose `extract_` fields are about the raw image. Imager leaves the start of a card blank if
//! `extract_sha256` does not match what it wrote.

use pimg_deb::date::format_rfc3339;
use serde::{Deserialize, Serialize};
use url::Url;

/// File name of the list.
pub const LIST: &str = "os_list.json";
/// File name of what a double click opens, known to Imager 2 by its extension.
pub const DOUBLE_CLICK: &str = "pimg.rpi-imager-manifest";
/// File name of the icon that both show.
pub const ICON: &str = "pimg.svg";
/// The icon.
pub const ICON_SVG: &[u8] = include_bytes!("icon.svg");

/// Imager's name for the machines that an image is for.
const DEVICE: &str = "pi5-64bit";

/// As much of a `manifest.json` as a list needs.
#[derive(Clone, Debug, Deserialize)]
pub struct BuiltHost {
    /// Host name.
    pub hostname: String,
    /// Version of the image.
    pub version: String,
    /// How it was built. Manifests of old say nothing about it.
    pub build: Option<BuiltHow>,
    /// The base image.
    pub base: BuiltBase,
    /// The image itself.
    pub image: BuiltImageFile,
    /// Every change made to the base.
    #[serde(default)]
    pub changes: Vec<BuiltChange>,
}

/// How an image was built.
#[derive(Clone, Debug, Deserialize)]
pub struct BuiltHow {
    /// Whether everything secret was left out.
    pub release: bool,
    /// The time of everything that was written, in seconds since 1970.
    pub source_date_epoch: i64,
}

/// The base of an image.
#[derive(Clone, Debug, Deserialize)]
pub struct BuiltBase {
    /// File name or URL it was taken from.
    pub source: String,
}

/// A change made to the base.
#[derive(Clone, Debug, Deserialize)]
pub struct BuiltChange {
    /// The path on its partition.
    pub path: String,
    /// Whether the content is a secret.
    #[serde(default)]
    pub secret: bool,
}

/// An image file.
#[derive(Clone, Debug, Deserialize)]
pub struct BuiltImageFile {
    /// File name.
    pub file: String,
    /// Length of the file in bytes.
    pub size: u64,
    /// Digest of the file.
    pub sha256: String,
    /// Length of the raw image in bytes.
    pub raw_size: u64,
    /// Digest of the raw image.
    pub raw_sha256: String,
}

impl BuiltHost {
    /// The day of the build, `YYYY-MM-DD`; `None` where the manifest does not tell.
    fn day(&self) -> Option<String> {
        let time = format_rfc3339(self.build.as_ref()?.source_date_epoch);
        time.split_once('T').map(|(day, _)| day.to_owned())
    }

    /// Whether everything secret was left out.
    pub fn is_release(&self) -> bool {
        self.build.as_ref().is_some_and(|build| build.release)
    }

    /// The paths of its secrets, but for the list of passwords, which an image of `--release` has without any.
    pub fn secrets(&self) -> impl Iterator<Item = &String> {
        let is_secret = |change: &&BuiltChange| change.secret && change.path != "/etc/shadow";
        self.changes.iter().filter(is_secret).map(|change| &change.path)
    }

    fn description(&self) -> String {
        // of a URL or a path the last part: nobody else needs to know where a base lay
        let base = self.base.source.rsplit('/').next().unwrap_or_default();
        let secrets = if self.is_release() { "; has no secrets until `pimg seed`" } else { "" };
        format!("Version {} on {base}{secrets}", self.version)
    }
}

/// One image of the list.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    name: String,
    description: String,
    icon: String,
    url: String,
    extract_size: u64,
    extract_sha256: String,
    image_download_size: u64,
    image_download_sha256: String,
    release_date: String,
    devices: [&'static str; 1],
    /// What Imager may put into the image: nothing, since the host is finished. Imager 2 asks for no settings then;
    /// Imager 1 does not know the word and offers some (`doc/os_customisation_formats.md` in raspberrypi/rpi-imager).
    init_format: &'static str,
}

impl Entry {
    /// The entry of a host, with links to its image and the icon. `None` where the manifest was written by a pimg that
    /// did not note the time.
    pub fn new(host: &BuiltHost, url: &Url, icon: &Url) -> Option<Self> {
        Some(Self {
            name: host.hostname.clone(),
            description: host.description(),
            icon: icon.to_string(),
            url: url.to_string(),
            extract_size: host.image.raw_size,
            extract_sha256: host.image.raw_sha256.clone(),
            image_download_size: host.image.size,
            image_download_sha256: host.image.sha256.clone(),
            release_date: host.day()?,
            devices: [DEVICE],
            init_format: "none",
        })
    }
}

#[derive(Serialize)]
struct OsList<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    imager: Option<ImagerPart>,
    os_list: &'a [Entry],
}

/// What concerns the program itself. Not for lists that another list links to.
#[derive(Serialize)]
struct ImagerPart {
    devices: [Device; 1],
}

#[derive(Serialize)]
struct Device {
    name: &'static str,
    description: &'static str,
    icon: String,
    tags: [&'static str; 1],
    matching_type: &'static str,
    default: bool,
    capabilities: [&'static str; 0],
}

/// The text of [`LIST`]: fit to be opened, and to be linked to from another list.
pub fn list(entries: &[Entry]) -> Vec<u8> {
    to_json(&OsList { imager: None, os_list: entries })
}

/// The text of [`DOUBLE_CLICK`]: the same list, and the machine that Imager's first page offers. Without one there is
/// nothing on that page to choose.
pub fn double_click(entries: &[Entry]) -> Vec<u8> {
    let device = |entry: &Entry| Device {
        name: "Raspberry Pi 5",
        description: "Raspberry Pi 5, 500 and Compute Module 5",
        icon: entry.icon.clone(),
        tags: [DEVICE],
        matching_type: "exclusive",
        default: true,
        capabilities: [],
    };
    let imager = entries.first().map(|entry| ImagerPart { devices: [device(entry)] });
    to_json(&OsList { imager, os_list: entries })
}

fn to_json(list: &OsList<'_>) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(list).expect("texts and numbers are always JSON");
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{BuiltHost, Entry, double_click, list};

    fn host(build: &str) -> BuiltHost {
        let text = format!(
            r#"{{"schema": 1, "hostname": "node-a", "version": "3", {build}
                "base": {{"source": "https://example.org/x/base.img.xz", "sha256": "00", "raw_sha256": "01"}},
                "image": {{"file": "node-a-3.img.zst", "size": 5, "sha256": "ab", "raw_size": 10,
                           "raw_sha256": "cd", "disk_id": "00000001"}}}}"#
        );
        serde_json::from_str(&text).expect("a manifest")
    }

    fn entry(host: &BuiltHost) -> Option<Entry> {
        let url = |name: &str| Url::parse(&format!("https://example.org/{name}")).expect("a URL");
        Entry::new(host, &url("node-a-3.img.zst"), &url("pimg.svg"))
    }

    #[test]
    fn a_list_has_what_imager_asks_for() {
        let entry = entry(&host(r#""build": {"release": true, "source_date_epoch": 1764859613},"#))
            .expect("has a time");
        let text = String::from_utf8(list(&[entry])).expect("UTF-8");
        insta::assert_snapshot!(text, @r#"
        {
          "os_list": [
            {
              "name": "node-a",
              "description": "Version 3 on base.img.xz; has no secrets until `pimg seed`",
              "icon": "https://example.org/pimg.svg",
              "url": "https://example.org/node-a-3.img.zst",
              "extract_size": 10,
              "extract_sha256": "cd",
              "image_download_size": 5,
              "image_download_sha256": "ab",
              "release_date": "2025-12-04",
              "devices": [
                "pi5-64bit"
              ],
              "init_format": "none"
            }
          ]
        }
        "#);
    }

    #[test]
    fn a_double_click_offers_the_machine_too() {
        let entry = entry(&host(r#""build": {"release": false, "source_date_epoch": 1764859613},"#))
            .expect("has a time");
        assert_eq!(entry.description, "Version 3 on base.img.xz");
        let text: serde_json::Value = serde_json::from_slice(&double_click(&[entry])).expect("JSON");
        assert_eq!(text["imager"]["devices"][0]["tags"], text["os_list"][0]["devices"]);
        assert_eq!(text["imager"]["devices"][0]["default"], true);
        let empty: serde_json::Value = serde_json::from_slice(&double_click(&[])).expect("JSON");
        assert_eq!(empty, serde_json::json!({"os_list": []}));
    }

    #[test]
    fn a_manifest_without_a_time_makes_no_entry() {
        assert!(entry(&host("")).is_none());
    }
}
