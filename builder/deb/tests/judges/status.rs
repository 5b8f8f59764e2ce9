//! dpkg's status of this machine, read as dpkg reads it.

use std::fs;

use pimg_deb::index::{Entry, entries};
use pimg_deb::relation::parse;

use crate::support::{have, text};

/// dpkg prints relations in its own way, which is ours too.
fn relations(field: &str) -> String {
    let groups = parse(field).unwrap_or_else(|error| panic!("{field}: {error}"));
    let group = |group: &Vec<_>| group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
    groups.iter().map(group).collect::<Vec<_>>().join(", ")
}

fn line(entry: &Entry<'_>) -> String {
    let yes = |flag| if flag { "yes" } else { "" };
    let fields = [
        entry.pre_depends,
        entry.depends,
        entry.recommends,
        entry.suggests,
        entry.conflicts,
        entry.breaks,
        entry.replaces,
        entry.provides,
    ];
    let plain = [
        entry.package,
        entry.version,
        entry.architecture,
        entry.source,
        entry.source_version,
        entry.section,
        yes(entry.essential),
        entry.status,
    ];
    let plain: Vec<_> = plain.iter().map(|value| (*value).to_owned()).collect();
    let size = if entry.installed_size == 0 { String::new() } else { entry.installed_size.to_string() };
    [plain, vec![size], fields.map(relations).to_vec()].concat().join("|")
}

#[test]
fn dpkg_query_prints_the_same_fields() {
    if !have(&["dpkg-query"]) {
        return;
    }
    let fields = [
        "Package",
        "Version",
        "Architecture",
        "source:Package",
        "source:Version",
        "Section",
        "Essential",
        "Status",
        "Installed-Size",
        "Pre-Depends",
        "Depends",
        "Recommends",
        "Suggests",
        "Conflicts",
        "Breaks",
        "Replaces",
        "Provides",
    ];
    let format = fields.map(|name| format!("${{{name}}}")).join("|") + "\n";
    let expected = text("dpkg-query", &["--show", "--showformat", &format], "");
    // to us no is as good as nothing, and so is a size of 0
    let mut expected: Vec<_> =
        expected.lines().map(|line| line.replacen("|no|", "||", 1).replace("|0|", "||")).collect();
    let status = fs::read("/var/lib/dpkg/status").expect("dpkg has a status");
    let mut got: Vec<_> = entries(&status).expect("dpkg wrote it").iter().map(line).collect();
    expected.sort();
    got.sort();
    for (got, expected) in got.iter().zip(&expected) {
        assert_eq!(got, expected);
    }
    assert_eq!(got.len(), expected.len());
}
