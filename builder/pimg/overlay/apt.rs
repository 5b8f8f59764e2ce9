//! apt sources and pins of `overlay.toml`, and the files of `/etc/apt` that they become.
//!
//! A source never trusts a key that is not there: without its keyring it is written switched off.

use std::path::PathBuf;

use crate::plan::path::GuestPath;

/// One `[[apt.source]]` that applies to the host.
#[derive(Clone, Debug)]
pub struct AptSource {
    /// Its name; the file is `/etc/apt/sources.list.d/pimg-<name>.sources`.
    pub name: String,
    /// The overlay that brings it.
    pub overlay: String,
    /// Where the packages are.
    pub uris: Uris,
    /// Suites, such as `trixie`.
    pub suites: Vec<String>,
    /// Components, such as `main`.
    pub components: Vec<String>,
    /// Architectures; `arm64` unless the overlay says otherwise, since Raspberry Pi OS also knows armhf.
    pub architectures: Vec<String>,
    /// Whose signature counts. `None` for a source of the base's own mirror, which brings its own.
    pub keyring: Option<Keyring>,
    /// Why it is written switched off, where it is.
    pub disabled: Option<String>,
    /// What a person should know about its key; also among the notices of all overlays.
    pub notice: Option<String>,
}

/// Where the packages of a source are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uris {
    /// The Debian mirror that the base image itself uses.
    Base,
    /// These addresses.
    List(Vec<String>),
}

/// The keyring of a source.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// Where it is on the node.
    pub path: GuestPath,
    /// The file of the host that goes there, where the overlay has it.
    pub file: Option<PathBuf>,
    /// Where it can be fetched.
    pub url: Option<String>,
    /// Fingerprints that its certificates must have, in upper-case hexadecimal without spaces.
    pub fingerprints: Vec<String>,
    /// SHA-256 of the file, in lower-case hexadecimal. Checked when `file` is there.
    pub sha256: Option<String>,
}

/// One `[[apt.pin]]` that applies to the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AptPin {
    /// Its name; the file is `/etc/apt/preferences.d/<name>`.
    pub name: String,
    /// The overlay that brings it.
    pub overlay: String,
    /// Packages, as `Package:` in apt_preferences(5) takes them.
    pub packages: Vec<String>,
    /// What is pinned, such as `release n=trixie-backports`.
    pub pin: String,
    /// Priority, -32768 to 32767 and not 0.
    pub priority: i16,
    /// Why, for whoever reads the file on the node.
    pub description: Option<String>,
}

/// What the overlays of a host ask of apt.
#[derive(Clone, Debug, Default)]
pub struct AptRequests {
    /// Sources, in the overlays' order.
    pub sources: Vec<AptSource>,
    /// Pins, in the overlays' order.
    pub pins: Vec<AptPin>,
}

impl AptPin {
    /// The text of its file.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("Explanation: written by pimg from overlays/{}/overlay.toml\n", self.overlay);
        if let Some(description) = &self.description {
            text += &format!("Explanation: {description}\n");
        }
        text + &format!(
            "Package: {}\nPin: {}\nPin-Priority: {}\n",
            self.packages.join(" "),
            self.pin,
            self.priority
        )
    }
}

impl AptSource {
    /// The file that it becomes.
    ///
    /// # Panics
    /// Never: names were checked.
    pub fn path(&self) -> GuestPath {
        let path = format!("/etc/apt/sources.list.d/pimg-{}.sources", self.name);
        GuestPath::new(path).expect("a source's name has letters, digits, `_` and `-` only")
    }
}

/// The deb822 text of a source.
///
/// `base_uris` and `base_signed_by` are those of the Debian stanza in the base's own `debian.sources`; they are
/// used where the source asks for [`Uris::Base`]. Without any, the source is written switched off.
pub fn render_source(source: &AptSource, base_uris: &[String], base_signed_by: Option<&str>) -> String {
    let mut disabled = source.disabled.clone();
    let (uris, signed_by) = match &source.uris {
        Uris::List(uris) => (uris.as_slice(), None),
        Uris::Base => (base_uris, base_signed_by),
    };
    if uris.is_empty() {
        disabled = Some("the base image names no Debian mirror".to_owned());
    }
    let keyring = source.keyring.as_ref().map(|keyring| keyring.path.as_str());
    let mut text = format!("# Written by pimg from overlays/{}/overlay.toml.\n", source.overlay);
    if let Some(why) = &disabled {
        text += &format!("# Switched off: {why}.\nEnabled: no\n");
    }
    text += &format!("Types: deb\nURIs: {}\n", uris.join(" "));
    text += &format!("Suites: {}\nComponents: {}\n", source.suites.join(" "), source.components.join(" "));
    text += &format!("Architectures: {}\n", source.architectures.join(" "));
    if let Some(signed_by) = keyring.or(signed_by) {
        text += &format!("Signed-By: {signed_by}\n");
    }
    text
}
