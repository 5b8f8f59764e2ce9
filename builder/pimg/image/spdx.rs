//! The shapes of an SPDX 2.3 document in JSON, as far as an image needs them.

use serde::Serialize;

use super::sbom::no_assertion;

/// The document (clause 6).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Package>,
    relationships: Vec<Relationship>,
}

#[derive(Debug, Serialize)]
struct CreationInfo {
    created: String,
    creators: [String; 1],
}

impl Document {
    /// A document. `digest` makes its namespace one of its own.
    pub(super) fn new(
        name: &str,
        digest: &str,
        created: String,
        packages: Vec<Package>,
        relationships: Vec<Relationship>,
    ) -> Self {
        Self {
            spdx_version: "SPDX-2.3",
            data_license: "CC0-1.0",
            id: "SPDXRef-DOCUMENT",
            name: name.to_owned(),
            document_namespace: format!("https://spdx.org/spdxdocs/{name}-{digest}"),
            creation_info: CreationInfo {
                created,
                creators: [concat!("Tool: pimg-", env!("CARGO_PKG_VERSION")).to_owned()],
            },
            packages,
            relationships,
        }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("texts are always JSON");
        text.push(b'\n');
        text
    }
}

/// Anything that the image contains or is made from (clause 7).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Package {
    #[serde(rename = "SPDXID")]
    pub(super) id: String,
    pub(super) name: String,
    #[serde(rename = "versionInfo", skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(rename = "packageFileName", skip_serializing_if = "Option::is_none")]
    pub(super) file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) supplier: Option<String>,
    pub(super) download_location: String,
    pub(super) files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    #[serde(rename = "externalRefs", skip_serializing_if = "Vec::is_empty")]
    pub(super) references: Vec<Reference>,
}

impl Default for Package {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            version: None,
            file_name: None,
            supplier: None,
            download_location: no_assertion(),
            files_analyzed: false,
            checksums: Vec::new(),
            source_info: None,
            comment: None,
            references: Vec::new(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

impl Checksum {
    /// A SHA-256 digest in lower-case hexadecimal.
    pub(super) fn sha256(digest: &str) -> Vec<Self> {
        vec![Self { algorithm: "SHA256", checksum_value: digest.to_owned() }]
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reference {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

/// How one element stands to another (clause 11).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

impl Relationship {
    pub(super) fn new(from: &str, how: &'static str, to: &str) -> Self {
        Self { spdx_element_id: from.to_owned(), relationship_type: how, related_spdx_element: to.to_owned() }
    }
}

/// An id that no other name and architecture have: it may hold letters, digits, `.` and `-` only (3.2), and the
/// names of packages hold no capital, which therefore stands for everything else.
pub(super) fn element_id(kind: &str, architecture: &str, name: &str) -> String {
    let encode = |text: &str, kept: &[u8]| -> String {
        let piece = |byte: u8| match byte {
            b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            byte if kept.contains(&byte) => char::from(byte).to_string(),
            byte => format!("X{byte:02X}"),
        };
        text.bytes().map(piece).collect()
    };
    format!("SPDXRef-{kind}-{}-{}", encode(architecture, b""), encode(name, b"-."))
}

/// The package's name in all the world (purl-spec, type `deb`).
pub(super) fn purl(name: &str, version: &str, architecture: &str) -> Vec<Reference> {
    let (name, version) = (percent(name), percent(version));
    vec![Reference {
        reference_category: "PACKAGE-MANAGER",
        reference_type: "purl",
        reference_locator: format!("pkg:deb/debian/{name}@{version}?arch={}", percent(architecture)),
    }]
}

/// Percent-encoding as purl wants it: the colon of an epoch stays.
fn percent(text: &str) -> String {
    let piece = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(piece).collect()
}

/// `Maintainer: Name <address>` as an SPDX agent (7.5). Most are teams, and which are not nobody can tell.
pub(super) fn supplier(maintainer: &str) -> Option<String> {
    let (name, address) = match maintainer.split_once('<') {
        Some((name, rest)) => (name, rest.split('>').next().unwrap_or_default()),
        None => (maintainer, ""),
    };
    let plain: String = name.chars().filter(|c| !matches!(c, '(' | ')' | '"') && !c.is_control()).collect();
    let name = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_address = address.contains('@') && !address.contains(['(', ')', ' ']);
    match (name.is_empty(), is_address) {
        (true, _) => None,
        (false, true) => Some(format!("Organization: {name} ({address})")),
        (false, false) => Some(format!("Organization: {name}")),
    }
}

/// Seconds since 1970 as `YYYY-MM-DDThh:mm:ssZ` (6.9).
pub(super) fn timestamp(epoch: u64) -> String {
    pimg_deb::date::format_rfc3339(i64::try_from(epoch).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{element_id, purl, supplier, timestamp};

    #[test]
    fn ids_differ_where_names_do() {
        assert_eq!(element_id("Added", "arm64", "libstdc++6"), "SPDXRef-Added-arm64-libstdcX2BX2B6");
        assert_ne!(element_id("A", "a-b", "c"), element_id("A", "a", "b-c"));
        assert_ne!(element_id("A", "a", "+"), element_id("A", "a", "X2B"));
    }

    #[test]
    fn purls_are_encoded() {
        let [reference] = &purl("g++", "4:14.2.0-1+b1~rpt", "arm64")[..] else { panic!("one") };
        assert_eq!(reference.reference_locator, "pkg:deb/debian/g%2B%2B@4:14.2.0-1%2Bb1~rpt?arch=arm64");
    }

    #[test]
    fn maintainers_become_agents() {
        for (maintainer, expected) in [
            ("Debian Zsh <zsh@lists.debian.org>", Some("Organization: Debian Zsh (zsh@lists.debian.org)")),
            ("\"Adam C. (Foo)\" <a@b>", Some("Organization: Adam C. Foo (a@b)")),
            ("Ana Beatriz", Some("Organization: Ana Beatriz")),
            ("<a@b>", None),
        ] {
            assert_eq!(supplier(maintainer).as_deref(), expected);
        }
    }

    #[test]
    fn times_are_dates_in_utc() {
        for (epoch, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_764_806_400, "2025-12-04T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (32_503_680_000, "3000-01-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(epoch), expected);
        }
    }
}
