//! Inventories at random, out of pieces that mean something and pieces that do not.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use super::ansible::compare;

/// Every group that sections name, so that most inventories are ones.
const GROUPS: &str = "[g1]\n[g2]\n[g3]\n[g4]\n[p]\n";

/// Inventories of a run. Ansible takes a tenth of a second for each.
const COUNT: usize = 150;

fn one_of(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(pieces).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        one_of(&[
            "1",
            "-5",
            "007",
            "0x1f",
            "1.5",
            "1e3",
            "True",
            "yes",
            "None",
            "10.10.80.50",
            "a b",
            "a#b",
            "a # b",
            "",
            "'",
            "\\"
        ]),
        one_of(&[
            "'q'",
            "\"q q\"",
            "'a' 'b'",
            "[1, 2]",
            "[1,",
            "{'a': 1}",
            "{\"a\": [None]}",
            "{1: (2,)}",
            "('x')",
            "r'\\n'",
            "b'x'"
        ]),
        one_of(&[
            "{{ x }}",
            "'{\"k\": \"v\"}'",
            "5 # five",
            "'s' # s",
            "...",
            "set()",
            "lambda: 1",
            "é",
            "=",
            "a=b",
            "\\x41",
            "'\\x41'"
        ]),
        "[-+0-9a-e_.xo'\"()\\[\\]{}:, #\\\\]{0,8}",
    ]
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        10 => one_of(&["a", "b", "c", "a:22", "b:0", "10.0.0.1", "[::1]:22", "n[1:3]", "n[01:03:2]"]),
        6 => one_of(&["n[a:c]", "g1", "_x", "x-:1", "\"q r\"", "n[3:1]", "n[1:2]m[a:b]:5", "n[:2]", "a.b.c", "é"]),
        1 => one_of(&["n[", "n[1:]", "n[c:a]", "a:", "---"]),
        1 => "[a-c0-2:.\\[\\]-]{1,6}",
    ]
}

/// A value as a person would quote it, and now and then as nobody should.
fn quoted() -> impl Strategy<Value = String> {
    (one_of(&["", "'", "\""]), value(), prop::bool::weighted(0.1)).prop_map(|(quote, value, is_raw)| {
        let needs = |quote: &str| quote.is_empty() && value.contains(['\'', '"', ' ', '\\', '#']);
        let fits = |quote: &&str| {
            !needs(quote) && (quote.is_empty() || !value.contains(*quote) && !value.ends_with('\\'))
        };
        let quote = if is_raw {
            quote.as_str()
        } else {
            [quote.as_str(), "'", "\""].into_iter().find(fits).unwrap_or("")
        };
        if is_raw || fits(&quote) { format!("{quote}{value}{quote}") } else { "plain".to_owned() }
    })
}

fn host_line() -> impl Strategy<Value = String> {
    let name = one_of(&["x", "y", "z", "ansible_host", "a-b", ""]);
    let variable = (name, quoted()).prop_map(|(name, value)| format!("{name}={value}"));
    let tail = one_of(&["", "", "", "", "", " # comment", " #", " ; x"]);
    (host(), prop::collection::vec(variable, 0..3), prop::bool::weighted(0.9), tail).prop_map(
        |(host, variables, is_plain, tail)| {
            let tail = if is_plain && tail.contains(';') { String::new() } else { tail };
            format!("{host} {}{tail}", variables.join(" "))
        },
    )
}

fn section() -> impl Strategy<Value = String> {
    let group = || one_of(&["g1", "g2", "g3", "g4", "all", "ungrouped"]);
    let hosts = (group(), prop::collection::vec(host_line(), 0..4));
    let hosts = hosts.prop_map(|(group, lines)| format!("[{group}]\n{}\n", lines.join("\n")));
    let name = one_of(&["x", "y", "z", "w"]);
    let sign = one_of(&["=", " = ", "= "]);
    let assignment = (name, sign, value()).prop_map(|(name, sign, value)| format!("{name}{sign}{value}"));
    let priority =
        one_of(&["ansible_group_priority=2", "ansible_group_priority='3'", "ansible_group_priority=-1"]);
    let line = prop_oneof![8 => assignment, 1 => priority];
    let variables = (group(), prop::collection::vec(line, 0..4));
    let variables = variables.prop_map(|(group, lines)| format!("[{group}:vars]\n{}\n", lines.join("\n")));
    let child = one_of(&["g2", "g3", "g4", "g4", "g3", "g1", "ungrouped"]);
    let children = (one_of(&["p", "p", "g1", "g1", "g2", "g3"]), prop::collection::vec(child, 0..3));
    let children = children.prop_map(|(group, lines)| format!("[{group}:children]\n{}\n", lines.join("\n")));
    prop_oneof![4 => hosts, 3 => variables, 2 => children, 1 => one_of(&["# c\n", "; c\n", "\n", "[g1] # c\n"])]
}

/// What Ansible itself gets differently from run to run, or we leave as text: a set's order, and complex numbers.
fn is_settled(text: &str) -> bool {
    let is_complex =
        text.chars().zip(text.chars().skip(1)).any(|(a, b)| a.is_ascii_digit() && (b == 'j' || b == 'J'));
    // `ungrouped` as somebody's child loses its hosts in an order of its own
    let moves_ungrouped =
        text.split('[').any(|part| part.contains(":children]") && part.contains("\nungrouped"));
    !is_complex && !moves_ungrouped
}

#[test]
fn the_same_as_ansible_whatever_is_written() {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let groups = prop_oneof![5 => Just(GROUPS), 1 => Just("")];
    let sections = prop::collection::vec(section(), 1..6);
    let inventory = (groups, sections).prop_map(|(groups, sections)| groups.to_owned() + &sections.concat());
    let mut texts = Vec::new();
    while texts.len() < COUNT {
        let text = inventory.new_tree(&mut runner).expect("a value").current();
        if is_settled(&text) {
            texts.push(text);
        }
    }
    compare(&texts);
}
