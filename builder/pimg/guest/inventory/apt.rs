//! Where packages come from: sources and pins. Keyrings need somebody who reads OpenPGP, so they are not here.
//!
//! References: `sources.list(5)`, `apt_preferences(5)`.

use pimg_deb::preferences;
use pimg_deb::sources::{Kind, SignedBy, Source, parse_list, parse_sources};

use super::{BaseReadError, Files, Item, SECRET};

pub(super) fn items(files: &Files<'_>) -> Result<Vec<Item>, BaseReadError> {
    let mut items = Vec::new();
    let list = [("sources.list".to_owned(), "/etc/apt/sources.list".to_owned(), false)];
    for (name, path, is_private) in list.into_iter().chain(files.in_directory("/etc/apt/sources.list.d")?) {
        let text = files.text(&path)?;
        let parsed = match name.rsplit_once('.') {
            Some((_, "list")) => parse_list(text.as_bytes()),
            Some((_, "sources")) => parse_sources(text.as_bytes()),
            // apt reads over other names
            _ => continue,
        };
        match parsed {
            _ if is_private => items.push(Item::secret(name, SECRET, text.as_bytes())),
            Ok(sources) => items.extend(sources.iter().flat_map(|source| source_items(&name, source))),
            Err(_) => items.push(Item::new(name, "cannot be read as apt would")),
        }
    }
    let list = [("preferences".to_owned(), "/etc/apt/preferences".to_owned(), false)];
    for (name, path, _) in list.into_iter().chain(files.in_directory("/etc/apt/preferences.d")?) {
        match preferences::parse(files.text(&path)?.as_bytes()) {
            Ok(pins) => items.extend(pins.iter().map(|pin| {
                let packages = pin.packages.join(" ");
                Item::new(
                    format!("pin {packages} {}", pin.versions),
                    format!("priority {}, {name}", pin.priority),
                )
            })),
            Err(_) => items.push(Item::new(name, "cannot be read as apt would")),
        }
    }
    Ok(items)
}

/// One item an address and suite.
fn source_items(file: &str, source: &Source) -> Vec<Item> {
    let kinds: Vec<&str> = source
        .types
        .iter()
        .map(|kind| match kind {
            Kind::Deb => "deb",
            Kind::DebSrc => "deb-src",
        })
        .collect();
    let signed_by = match &source.signed_by {
        None => String::new(),
        Some(SignedBy::Inline(_)) => ", signed by a key of its own".to_owned(),
        Some(SignedBy::Keys(names)) => format!(", signed by {}", names.join(" ")),
    };
    let disabled = if source.enabled { "" } else { ", switched off" };
    let mut items = Vec::new();
    for uri in &source.uris {
        for suite in &source.suites {
            let name = format!("{} {} {suite}", kinds.join(" "), without_password(uri));
            let value = format!("{}{signed_by}{disabled}, {file}", source.components.join(" "));
            items.push(Item::new(name, value.trim_start_matches(", ")));
        }
    }
    items
}

/// `https://user:password@host/` without what stands before the host.
fn without_password(uri: &str) -> String {
    match uri.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}/{path}").trim_end_matches('/').to_owned()
        }
        None => uri.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::guest::inventory::tests::told;
    use crate::guest::test_support::MapBase;

    #[test]
    fn sources_and_pins() {
        let sources = "Types: deb\nURIs: http://archive.example.org/debian/\nSuites: trixie trixie-updates\n\
                       Components: main contrib\nSigned-By: /usr/share/keyrings/d.pgp\n\n\
                       Types: deb\nURIs: https://me:hunter2@example.com/x\nSuites: stable\nComponents: main\n\
                       Enabled: no\n";
        let image = MapBase::default()
            .file("/etc/apt/sources.list.d/debian.sources", sources)
            .file("/etc/apt/sources.list", "deb http://a.example/ trixie main # old\n")
            .file(
                "/etc/apt/preferences.d/zfs",
                "Package: zfs*\nPin: release n=trixie-backports\nPin-Priority: 990\n",
            );
        assert_eq!(
            told(&image),
            [
                "apt: deb http://a.example trixie = main, sources.list",
                "apt: deb http://archive.example.org/debian trixie = main contrib, signed by /usr/share/keyrings/d.pgp, debian.sources",
                "apt: deb http://archive.example.org/debian trixie-updates = main contrib, signed by /usr/share/keyrings/d.pgp, debian.sources",
                "apt: deb https://example.com/x stable = main, switched off, debian.sources",
                "apt: pin zfs* release n=trixie-backports = priority 990, zfs",
            ]
        );
    }
}
