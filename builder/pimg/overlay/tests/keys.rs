//! The table of keys and the reader of `overlay.toml` say the same.

use super::*;
use crate::overlay::keys::OVERLAY;
use crate::profile::schema::Section;
use crate::profile::tests::keys::{listed, named};

fn report(manifest: &str) -> String {
    let project = Project::new(&[("o/overlay.toml", manifest)]);
    project.render(&["o"]).expect_err("should be refused").to_string()
}

/// The line that opens a table, and what has to be open for that.
fn opens(section: &Section) -> String {
    section.example().lines().next().filter(|line| line.starts_with('[')).unwrap_or_default().to_owned()
}

#[test]
fn every_key_that_is_read_is_in_the_table_and_no_other() {
    for section in OVERLAY.sections {
        let open = opens(section);
        let outer = if section.path == "apt.source[].keyring" { "[[apt.source]]\n" } else { "" };
        let mut known = listed(&report(&format!("{outer}{open}\nq0q0q0 = 1\n")));
        known.sort();
        assert_eq!(named(&OVERLAY, section), known, "[{}]", section.path);
    }
}

#[test]
fn its_examples_are_overlays() {
    let whole: String = OVERLAY.sections.iter().map(Section::example).collect();
    let files = [
        ("o/rootfs/etc/x/a.key", ""),
        ("o/rootfs/etc/x/y.conf", ""),
        ("o/steps/pool", "#!/bin/bash\nstep_run pool apply verify\n"),
    ];
    // of two keys that exclude each other, one
    let one = whole
        .replace("user = \"root\"\n", "")
        .replace("group = \"adm\"\n", "")
        .replace("group = \"root\"\n", "");
    let one = one.replace("path = \"/usr/share/keyrings/x.gpg\"\nfile = \"keys/x.gpg\"\n", "");
    let one = one.replace(&format!("sha256 = \"{}\"\n\n", "0".repeat(64)), "\n");
    for left_out in ["path = \"/srv/x.iso\"\n", "unpack = \"/usr/share/tool\"\nstrip = 1\n"] {
        let mut text = one.replace(left_out, "");
        if left_out.starts_with("path") {
            text = text.replace("gid = 0\nmode = \"0640\"\n", "gid = 0\n");
        }
        let text = text.replace("[[replace]]\npath = \"/etc/x/y.conf\"\n", "");
        let all: Vec<_> = files.iter().copied().chain([("o/overlay.toml", text.as_str())]).collect();
        Project::new(&all).render(&["o"]).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

#[test]
fn the_schema_names_what_a_table_needs() {
    let schema: serde_json::Value = serde_json::from_str(&OVERLAY.json_schema()).expect("JSON");
    let source = &schema["properties"]["apt"]["properties"]["source"]["items"];
    assert_eq!(source["required"], serde_json::json!(["name", "uris", "suites", "components"]));
    assert_eq!(source["properties"]["keyring"]["additionalProperties"], false);
    assert_eq!(schema["properties"]["variables"]["additionalProperties"]["required"][0], "type");
}
