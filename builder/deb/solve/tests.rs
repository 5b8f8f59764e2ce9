#![expect(clippy::expect_used, reason = "a failing test may panic")]
//! Small universes, one a rule.

use super::*;
use crate::index::entries;
use crate::policy::Archive;
use crate::preferences;

/// `name version` and then fields; `arm64` unless told otherwise.
fn stanza(text: &str) -> String {
    let mut lines = text.split(';').map(str::trim_ascii);
    let (name, version) = lines.next().and_then(|head| head.split_once(' ')).expect("a name and a version");
    let mut stanza = format!("Package: {name}\nVersion: {version}\n");
    let lines: Vec<_> = lines.collect();
    if !lines.iter().any(|line| line.starts_with("Architecture:")) {
        stanza.push_str("Architecture: arm64\n");
    }
    for line in lines {
        stanza.push_str(line);
        stanza.push('\n');
    }
    stanza.push('\n');
    stanza
}

fn index(packages: &[&str]) -> String {
    packages.iter().map(|text| stanza(text)).collect()
}

fn status(packages: &[&str]) -> String {
    let installed = |text: &&str| match text.contains("Status:") {
        true => stanza(text),
        false => stanza(&format!("{text}; Status: install ok installed")),
    };
    packages.iter().map(installed).collect()
}

fn archive(suite: &str) -> Archive {
    Archive {
        name: suite.to_owned(),
        suite: suite.to_owned(),
        not_automatic: suite == "backports",
        but_automatic_upgrades: suite == "backports",
        ..Archive::default()
    }
}

/// Solves over what is installed, what `stable` has and what `backports` has; one line a change.
fn changes_with(installed: &[&str], stable: &[&str], backports: &[&str], request: &Request) -> String {
    let (status, stable, backports) = (status(installed), index(stable), index(backports));
    let mut universe = Universe::new("arm64", &["armhf".to_owned()]);
    universe.add_installed(entries(status.as_bytes()).expect("a status"));
    universe.add_index(archive("stable"), entries(stable.as_bytes()).expect("an index"));
    universe.add_index(archive("backports"), entries(backports.as_bytes()).expect("an index"));
    match solve(&universe, request) {
        Ok(solution) => {
            let chosen = solution.packages.iter().map(|one| {
                let sign = if one.action == Action::New { "+" } else { "^" };
                let foreign = if one.entry.architecture == "armhf" { ":armhf" } else { "" };
                format!("{sign}{}{foreign} {} ({})", one.entry.package, one.entry.version, one.reason)
            });
            let removed = solution.removed.iter().map(|one| format!("-{} ({})", one.name, one.reason));
            let kept = solution.kept_back.iter().map(|one| format!("={} {}", one.name, one.candidate));
            chosen.chain(removed).chain(kept).collect::<Vec<_>>().join(", ")
        }
        Err(unsolvable) => format!("no solution:\n{unsolvable}"),
    }
}

fn changes(installed: &[&str], stable: &[&str], install: &[&str]) -> String {
    changes_with(installed, stable, &[], &asking(install))
}

fn asking(install: &[&str]) -> Request {
    Request { install: install.iter().map(|name| (*name).to_owned()).collect(), ..Request::default() }
}

#[test]
fn what_is_needed_comes_along() {
    let stable = ["a 1; Depends: b (>= 2), c", "b 2; Pre-Depends: d", "c 1", "d 1", "e 1"];
    let expected = "+a 1 (asked for), +b 2 (needed by a), +c 1 (needed by a), +d 1 (needed by b)";
    assert_eq!(changes(&[], &stable, &["a"]), expected);
}

#[test]
fn the_first_alternative_is_taken_unless_another_is_there() {
    let stable = ["a 1; Depends: b | c", "b 1", "c 1", "d 1; Depends: c"];
    assert_eq!(changes(&[], &stable, &["a"]), "+a 1 (asked for), +b 1 (needed by a)");
    assert_eq!(changes(&["c 1"], &stable, &["a"]), "+a 1 (asked for)");
    assert_eq!(changes(&[], &stable, &["a", "c"]), "+a 1 (asked for), +c 1 (asked for)");
}

#[test]
fn an_alternative_that_cannot_be_had_is_passed_over() {
    let stable = ["a 1; Depends: b | c", "b 1; Depends: missing", "c 1"];
    assert_eq!(changes(&[], &stable, &["a"]), "+a 1 (asked for), +c 1 (needed by a)");
}

#[test]
fn a_virtual_package_is_provided_by_the_more_important_one() {
    let stable = [
        "a 1; Depends: mta",
        "small 1; Provides: mta; Priority: optional",
        "big 1; Provides: mta; Priority: important",
    ];
    assert_eq!(changes(&[], &stable, &["a"]), "+a 1 (asked for), +big 1 (needed by a)");
}

#[test]
fn of_equal_providers_the_one_named_last_in_the_indexes_is_taken() {
    let stable = ["a 1; Depends: mta", "x 1; Provides: mta", "y 1; Provides: mta"];
    assert_eq!(changes(&[], &stable, &["a"]), "+a 1 (asked for), +y 1 (needed by a)");
}

#[test]
fn a_provided_name_satisfies_a_version_only_if_it_has_one() {
    let stable = ["a 1; Depends: v (>= 2)", "x 9; Provides: v", "y 1; Provides: v (= 2)"];
    assert_eq!(changes(&[], &stable, &["a"]), "+a 1 (asked for), +y 1 (needed by a)");
    let without = ["a 1; Depends: v (>= 2)", "x 9; Provides: v"];
    assert!(changes(&[], &without, &["a"]).contains("it needs `v (>= 2)`"));
}

#[test]
fn a_name_only_one_package_provides_may_be_asked_for() {
    let stable = ["x 1; Provides: mta", "y 1; Provides: web", "z 1; Provides: web"];
    assert_eq!(changes(&[], &stable, &["mta"]), "+x 1 (asked for)");
    let several = "no solution:\n`web` is provided by `y`, `z`";
    assert_eq!(changes(&[], &stable, &["web"]), several);
}

#[test]
fn a_package_may_conflict_with_what_it_provides() {
    let stable = ["a 1; Provides: mta; Conflicts: mta; Replaces: mta"];
    assert_eq!(
        changes(&["b 1; Provides: mta"], &stable, &["a"]),
        "+a 1 (asked for), -b (conflicts with `a`)"
    );
}

#[test]
fn what_conflicts_with_the_installed_version_only_upgrades_it() {
    let stable = ["a 1; Breaks: b (<< 2)", "b 2"];
    assert_eq!(changes(&["b 1"], &stable, &["a"]), "+a 1 (asked for), ^b 2 (upgrade)");
}

#[test]
fn two_that_conflict_are_no_solution() {
    let stable = ["a 1; Conflicts: b", "b 1"];
    let expected = "no solution:\n`a 1` is asked for\n  it conflicts with `b 1`\n`b 1` is asked for";
    assert_eq!(changes(&[], &stable, &["a", "b"]), expected);
}

#[test]
fn what_needs_a_removed_package_goes_with_it() {
    let installed = ["a 1", "b 1; Depends: a", "c 1; Depends: a | d"];
    let request = Request { remove: vec!["a".to_owned()], ..Request::default() };
    let result = changes_with(&installed, &["d 1"], &[], &request);
    assert_eq!(result, "+d 1 (needed by c), -a (asked for), -b (needs `a`)");
}

#[test]
fn an_essential_package_stays() {
    let installed = ["a 1; Essential: yes", "p 1; Protected: yes"];
    let stable = ["b 1; Conflicts: a", "q 1; Conflicts: p"];
    assert!(changes(&installed, &stable, &["b"]).starts_with("no solution:\n`b 1` is asked for"));
    assert!(changes(&installed, &stable, &["q"]).starts_with("no solution:\n`q 1` is asked for"));
    let request = Request { remove: vec!["a".to_owned()], ..Request::default() };
    let refused = "no solution:\n`a` is essential and cannot be removed";
    assert_eq!(changes_with(&installed, &stable, &[], &request), refused);
}

#[test]
fn a_held_package_does_not_change() {
    let stable = ["a 1; Depends: b (>= 2)", "b 2", "c 1; Conflicts: b"];
    let by_dpkg = ["b 1; Status: hold ok installed"];
    let text = changes(&by_dpkg, &stable, &["a"]);
    assert!(text.contains("it needs `b (>= 2)`, which cannot be had\n    of `b`, 1 is held"), "{text}");
    assert!(changes(&by_dpkg, &stable, &["c"]).starts_with("no solution"));
    let request = Request { hold: vec!["b*".to_owned()], ..asking(&["a"]) };
    assert!(changes_with(&["b 1"], &stable, &[], &request).starts_with("no solution"));
    // whoever asks for it by name means it
    assert_eq!(changes(&by_dpkg, &stable, &["b"]), "^b 2 (asked for)");
}

#[test]
fn an_upgrade_leaves_out_what_would_remove_something() {
    let installed = ["a 1", "b 1; Depends: a (<< 2)", "c 1", "d 1; Status: hold ok installed"];
    let stable = ["a 2", "b 1; Depends: a (<< 2)", "c 2; Depends: n", "n 1", "d 2"];
    let request = Request { upgrade: true, ..Request::default() };
    let result = changes_with(&installed, &stable, &[], &request);
    assert_eq!(result, "^c 2 (upgrade), +n 1 (needed by c), =a 2, =d 2");
}

#[test]
fn installed_packages_are_upgraded_only_when_asked_for_or_needed() {
    let stable = ["a 2", "b 2", "c 1; Depends: b (>= 2)"];
    let installed = ["a 1", "b 1"];
    assert_eq!(changes(&installed, &stable, &["c"]), "^b 2 (needed by c), +c 1 (asked for)");
    assert_eq!(changes(&installed, &stable, &["a"]), "^a 2 (asked for)");
}

#[test]
fn recommended_packages_come_only_when_asked_for() {
    let stable = ["a 1; Recommends: b, missing", "b 1; Recommends: c", "c 1"];
    assert_eq!(changes(&[], &stable, &["a"]), "+a 1 (asked for)");
    let request = Request { recommends: true, ..asking(&["a"]) };
    let expected = "+a 1 (asked for), +b 1 (recommended by a), +c 1 (recommended by b)";
    assert_eq!(changes_with(&[], &stable, &[], &request), expected);
}

#[test]
fn a_version_or_a_suite_may_be_asked_for() {
    let (stable, backports) = (["a 1; Depends: b", "b 1"], ["a 2; Depends: b (>= 2)", "b 2"]);
    let plain = "+a 1 (asked for), +b 1 (needed by a)";
    let newer = "+a 2 (asked for), +b 2 (needed by a)";
    assert_eq!(changes_with(&[], &stable, &backports, &asking(&["a"])), plain);
    assert_eq!(changes_with(&[], &stable, &backports, &asking(&["a/backports"])), newer);
    // as apt: the version alone does not change the candidate of what it needs
    let text = changes_with(&[], &stable, &backports, &asking(&["a=2"]));
    assert!(text.contains("it needs `b (>= 2)`, which cannot be had"), "{text}");
    let text = changes_with(&[], &stable, &backports, &asking(&["a=3"]));
    assert!(text.starts_with("no solution:\nthere is no version 3 of `a`"), "{text}");
}

#[test]
fn pins_choose_the_version() {
    let (stable, backports) = (["a 1", "b 1"], ["a 2", "b 2"]);
    let pins = "Package: a\nPin: release a=backports\nPin-Priority: 990\n\n\
                Package: b\nPin: release *\nPin-Priority: -1\n";
    let pins = preferences::parse(pins.as_bytes()).expect("pins");
    let with = |install| Request { pins: pins.clone(), ..asking(install) };
    assert_eq!(changes_with(&[], &stable, &backports, &with(&["a"])), "+a 2 (asked for)");
    let text = changes_with(&[], &stable, &backports, &with(&["b"]));
    assert!(text.starts_with("no solution:\nno version of `b` may be installed"), "{text}");
}

#[test]
fn locked_versions_are_kept_where_they_still_exist() {
    let (stable, backports) = (["a 1; Depends: b", "b 1"], ["b 2"]);
    let prefer = |version: &str| Request {
        prefer: [(("b".to_owned(), "arm64".to_owned()), version.to_owned())].into(),
        ..asking(&["a"])
    };
    let locked = "+a 1 (asked for), +b 2 (needed by a)";
    assert_eq!(changes_with(&[], &stable, &backports, &prefer("2")), locked);
    let vanished = "+a 1 (asked for), +b 1 (needed by a)";
    assert_eq!(changes_with(&[], &stable, &backports, &prefer("3")), vanished);
}

#[test]
fn packages_of_a_foreign_architecture_need_their_own_kind_or_foreign_ones() {
    let stable = [
        "a 1; Architecture: armhf; Depends: lib, tool, sh:any",
        "lib 1; Multi-Arch: same",
        "lib 1; Architecture: armhf; Multi-Arch: same",
        "tool 1; Multi-Arch: foreign",
        "sh 1; Multi-Arch: allowed",
    ];
    let expected = "+a:armhf 1 (asked for), +lib:armhf 1 (needed by a:armhf), +sh 1 (needed by a:armhf), \
                    +tool 1 (needed by a:armhf)";
    assert_eq!(changes(&[], &stable, &["a:armhf"]), expected);
}

#[test]
fn siblings_of_other_architectures_move_in_lockstep() {
    let stable = ["lib 2; Multi-Arch: same", "lib 2; Architecture: armhf; Multi-Arch: same"];
    let expected = "^lib 2 (upgrade), +lib:armhf 2 (asked for)";
    assert_eq!(changes(&["lib 1; Multi-Arch: same"], &stable, &["lib:armhf"]), expected);
    // without Multi-Arch there is one architecture at a time
    let stable = ["one 1", "one 1; Architecture: armhf"];
    let text = changes(&[], &stable, &["one", "one:armhf"]);
    assert!(text.starts_with("no solution"), "{text}");
}

#[test]
fn a_name_nobody_has_is_told() {
    assert_eq!(changes(&[], &["a 1"], &["zhs"]), "no solution:\nno repository has `zhs`");
}
