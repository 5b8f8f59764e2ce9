//! The publisher's list of images, as Raspberry Pi Imager reads it.
//!
//! Format: `doc/json-schema/os-list-schema.json` of raspberrypi/rpi-imager: `os_list` holds images and groups, a group has
//! `subitems`. Of an image `url`, `extract_sha256` (of the raw image), `image_download_sha256` (of the file) and
//! `release_date` matter here. Whatever else is in the list is passed over, and images that lack one of these.

use pimg_fetch::digest::Sha256Digest;
use serde_json::Value;

/// An image that the list offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// What people call it.
    pub(super) name: String,
    /// What its file is called.
    pub(super) file: FileName,
    /// Where it is.
    pub(super) url: String,
    /// Digest of the file.
    pub(super) sha256: String,
    /// Digest of the raw image.
    pub(super) raw_sha256: String,
}

/// The name of an image's file: `2025-12-04-raspios-trixie-arm64-lite.img.xz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileName {
    /// `2025-12-04`
    pub(super) date: String,
    /// `trixie`
    pub(super) suite: String,
    /// `raspios` and `arm64-lite.img.xz`: what one follows another as.
    pub(super) family: (String, String),
}

impl FileName {
    /// Takes the last part of an address apart; `None` for one that is called otherwise.
    pub(super) fn of(url: &str) -> Option<Self> {
        let name = url.rsplit('/').next()?;
        let (date, rest) = (name.get(..10)?, name.get(10..)?.strip_prefix('-')?);
        let is_date = date.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        let (system, rest) = rest.split_once('-')?;
        let (suite, flavour) = rest.split_once('-')?;
        let family = (system.to_owned(), flavour.to_owned());
        is_date.then(|| Self { date: date.to_owned(), suite: suite.to_owned(), family })
    }
}

/// Every image of the list whose file is named as those of Raspberry Pi OS.
///
/// # Errors
/// It is no such list.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Offer>, String> {
    let list: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let entries = list.get("os_list").and_then(Value::as_array).ok_or("it has no list `os_list`")?;
    let mut offers = Vec::new();
    // the parser's own limit bounds how deep groups can be
    let mut pending: Vec<&Value> = entries.iter().rev().collect();
    while let Some(entry) = pending.pop() {
        if let Some(inner) = entry.get("subitems").and_then(Value::as_array) {
            pending.extend(inner.iter().rev());
        }
        offers.extend(offer(entry));
    }
    Ok(offers)
}

fn offer(entry: &Value) -> Option<Offer> {
    let text = |key: &str| Some(entry.get(key)?.as_str()?.to_owned());
    let digest = |key: &str| text(key)?.parse::<Sha256Digest>().ok().map(|digest| digest.to_string());
    let url = text("url")?;
    Some(Offer {
        name: text("name")?,
        file: FileName::of(&url)?,
        sha256: digest("image_download_sha256")?,
        raw_sha256: digest("extract_sha256")?,
        url,
    })
}

#[cfg(test)]
mod tests {
    use super::{FileName, parse};

    const LITE: &str = "https://x/raspios_lite_arm64/images/a/2026-04-13-raspios-trixie-arm64-lite.img.xz";

    #[test]
    fn names_of_files() {
        let name = FileName::of(LITE).expect("a name of Raspberry Pi OS");
        assert_eq!((name.date.as_str(), name.suite.as_str()), ("2026-04-13", "trixie"));
        assert_eq!(name.family, ("raspios".to_owned(), "arm64-lite.img.xz".to_owned()));
        for url in [
            "",
            "base.img",
            "https://x/2026-04-1x-raspios-trixie-arm64.img.xz",
            "2026-04-13-x",
            "ü2345678901234",
        ] {
            assert_eq!(FileName::of(url), None, "{url}");
        }
    }

    #[test]
    fn images_in_groups_and_what_is_passed_over() {
        let (file, raw) = ("ab".repeat(32), "cd".repeat(32));
        let image = |digest: &str| {
            format!(
                r#"{{"name": "Raspberry Pi OS Lite (64-bit)", "description": "A port of Debian Trixie", "url": "{LITE}",
                "extract_size": 5, "extract_sha256": "{raw}", "image_download_size": 3,
                "image_download_sha256": "{digest}", "release_date": "2026-04-13", "init_format": "cloudinit-rpi",
                "devices": ["pi5-64bit"]}}"#
            )
        };
        let list = format!(
            r#"{{"imager": {{"latest_version": "2.0.0"}}, "os_list": [
                {{"name": "Raspberry Pi OS (other)", "subitems": [{}, {}]}},
                {{"name": "Erase", "url": "internal://format", "description": "x"}}, 7]}}"#,
            image(&file),
            image("short")
        );
        let offers = parse(list.as_bytes()).expect("a list");
        assert_eq!(offers.len(), 1, "{offers:?}");
        assert_eq!((offers[0].sha256.as_str(), offers[0].raw_sha256.as_str()), (file.as_str(), raw.as_str()));
        assert!(parse(b"[]").is_err() && parse(b"nonsense").is_err());
    }
}
