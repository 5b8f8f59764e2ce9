//! What an image says about itself, in sections: what `pimg inspect` shows and `pimg diff` compares.
//!
//! Everything is read from the files that make it so, as leniently as the programs that read them on the node: a line that
//! means nothing is left out. A secret has a name, and a value that only says that it is one.

mod accounts;
mod apt;
mod boot;
mod network;
pub mod units;

use sha2::{Digest as _, Sha256};

use super::base_files::{BaseFiles, BaseReadError, EntryKind};
use crate::plan::change::Partition;
use crate::plan::path::GuestPath;

/// One thing that an image says.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is about. No other item of the section has that name.
    pub name: String,
    /// What is said, in words that can be shown.
    pub value: String,
    /// Stands for what must not be shown, so that two can be compared.
    hidden: Option<[u8; 32]>,
}

impl std::fmt::Debug for Item {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.name, self.value)
    }
}

impl Item {
    /// Something that anybody may know.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), hidden: None }
    }

    /// Something of which only `value` may be shown, and that differs where `content` does.
    pub fn secret(name: impl Into<String>, value: impl Into<String>, content: &[u8]) -> Self {
        Self { hidden: Some(Sha256::digest(content).into()), ..Self::new(name, value) }
    }

    /// Whether there is more to it than may be shown.
    pub fn is_secret(&self) -> bool {
        self.hidden.is_some()
    }
}

/// What an image says about one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The subject, in one word of lower case.
    pub name: &'static str,
    /// What it says, in the order in which a person reads.
    pub items: Vec<Item>,
}

/// Reads one section.
type Read = fn(&Files<'_>) -> Result<Vec<Item>, BaseReadError>;

/// The names of the sections, in order.
pub const SECTIONS: [&str; 7] = ["boot", "users", "groups", "sudo", "network", "apt", "steps"];

/// All sections, in the order of [`SECTIONS`].
///
/// # Errors
/// The image cannot be read.
pub fn inventory(image: &dyn BaseFiles) -> Result<Vec<Section>, BaseReadError> {
    let files = Files(image);
    let read: [Read; 7] =
        [boot::items, accounts::users, accounts::groups, accounts::sudo, network::items, apt::items, steps];
    SECTIONS
        .into_iter()
        .zip(read)
        .map(|(name, read)| Ok(Section { name, items: one_a_name(read(&files)?) }))
        .collect()
}

/// Items of one name become one, values behind each other.
fn one_a_name(items: Vec<Item>) -> Vec<Item> {
    let mut found: Vec<Item> = Vec::new();
    for item in items {
        match found.iter_mut().find(|known| known.name == item.name) {
            Some(known) => {
                let hidden = [known.hidden, item.hidden].into_iter().flatten().collect::<Vec<_>>().concat();
                known.hidden = (!hidden.is_empty()).then(|| Sha256::digest(&hidden).into());
                known.value = format!("{} {}", known.value, item.value).trim().to_owned();
            }
            None => found.push(item),
        }
    }
    found
}

/// The steps of the first boot (`/usr/lib/pimg/steps.tsv`: name, title, …).
fn steps(files: &Files<'_>) -> Result<Vec<Item>, BaseReadError> {
    let list = files.text("/usr/lib/pimg/steps.tsv")?;
    let item = |line: &str| {
        let mut fields = line.split('\t');
        Some(Item::new(fields.next().filter(|name| !name.is_empty())?, fields.next().unwrap_or_default()))
    };
    Ok(list.lines().filter(|line| !line.starts_with('#')).filter_map(item).collect())
}

/// Files of the image as these sections ask for them.
struct Files<'a>(&'a dyn BaseFiles);

impl Files<'_> {
    /// A text of the root file system; empty where it is not there.
    fn text(&self, path: &str) -> Result<String, BaseReadError> {
        self.text_on(Partition::Root, path)
    }

    fn text_on(&self, partition: Partition, path: &str) -> Result<String, BaseReadError> {
        let Ok(path) = GuestPath::new(path) else { return Ok(String::new()) };
        let bytes = self.0.read(partition, &path)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The files of a directory: name, path, and whether only its owner may read it.
    fn in_directory(&self, directory: &str) -> Result<Vec<(String, String, bool)>, BaseReadError> {
        let Ok(at) = GuestPath::new(directory) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for name in self.0.list(Partition::Root, &at)?.unwrap_or_default() {
            let path = format!("{directory}/{name}");
            let Ok(at) = GuestPath::new(&path) else { continue };
            if matches!(self.0.kind(Partition::Root, &at)?, Some(EntryKind::File | EntryKind::Symlink(_))) {
                found.push((name, path, self.0.is_private(&at)?));
            }
        }
        Ok(found)
    }
}

/// Lines that say something, comments and blanks around them left out.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
}

/// `KEY = VALUE` in `[Section]`s, each as an item named `FILE [Section] KEY`.
fn settings(file: &str, text: &str) -> Vec<Item> {
    let mut section = String::new();
    let mut items = Vec::new();
    for line in lines(text) {
        if line.starts_with('[') {
            section = format!(" {line}");
        } else if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim(), value.trim());
            let name = format!("{file}{section} {key}");
            items.push(if super::secrecy::is_secret_setting(key) {
                Item::secret(name, SECRET, value.as_bytes())
            } else {
                Item::new(name, value)
            });
        }
    }
    items
}

/// What is said of a secret.
const SECRET: &str = "(secret)";

#[cfg(test)]
mod tests {
    use super::{SECTIONS, inventory};
    use crate::guest::test_support::MapBase;

    /// `section: name = value` of everything that an image says.
    pub(super) fn told(image: &MapBase) -> Vec<String> {
        let sections = inventory(image).expect("can be read");
        let of = |section: &super::Section| -> Vec<String> {
            let tell = |item: &super::Item| format!("{}: {} = {}", section.name, item.name, item.value);
            section.items.iter().map(tell).collect()
        };
        sections.iter().flat_map(of).collect()
    }

    #[test]
    fn an_image_without_files_says_nothing() {
        assert_eq!(told(&MapBase::default()), [""; 0]);
        assert_eq!(SECTIONS.len(), inventory(&MapBase::default()).expect("can be read").len());
    }

    #[test]
    fn secrets_are_compared_and_not_shown() {
        let image = |psk: &str| {
            let connection = format!("[wifi-security]\npsk={psk}\npsk-flags=0\n");
            inventory(&MapBase::default().file("/etc/NetworkManager/conf.d/x.conf", connection))
        };
        let (one, other) = (image("hunter2").expect("readable"), image("hunter3").expect("readable"));
        assert!(!format!("{one:?}").contains("hunter2"), "{one:?}");
        assert_ne!(one, other);
        assert_eq!(one, image("hunter2").expect("readable"));
    }
}
