//! The order of versions against dpkg's two implementations.

use std::cmp::Ordering;
use std::fmt::Write;

use pimg_deb::version::{Version, compare};

use crate::support::{have, text};

/// The same numbers at every run (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }

    fn version(&mut self) -> String {
        let parts = [
            "0",
            "1",
            "9",
            "10",
            "007",
            ".",
            "~",
            "+",
            "-",
            "a",
            "B",
            "rc",
            "~~",
            "0.",
            "18446744073709551616",
        ];
        loop {
            let epoch = ["", "", "", "0:", "1:", "010:"][self.below(6)];
            let tail: String = (0..self.below(6)).map(|_| parts[self.below(parts.len())]).collect();
            let version = format!("{epoch}{}{tail}", self.below(3));
            if Version::parse(&version).is_ok() {
                return version;
            }
        }
    }

    /// A pair that is often nearly the same.
    fn pair(&mut self) -> (String, String) {
        let a = self.version();
        let b = match self.below(3) {
            0 => self.version(),
            1 => format!("{a}{}", ["~", "+b1", "0", "-0", ".0", "a"][self.below(6)]),
            _ => a.replacen(['0', '1'], "00", 1),
        };
        if Version::parse(&b).is_ok() { (a, b) } else { (b, a) }
    }
}

fn table(count: usize, seed: u64) -> String {
    let mut numbers = Numbers(seed);
    let mut table = String::new();
    let mut lines = 0;
    while lines < count {
        let (a, b) = numbers.pair();
        if Version::parse(&a).is_ok() && Version::parse(&b).is_ok() {
            let sign = match compare(&a, &b) {
                Ordering::Less => "lt",
                Ordering::Equal => "eq",
                Ordering::Greater => "gt",
            };
            writeln!(table, "{a} {sign} {b}").expect("in memory");
            lines += 1;
        }
    }
    table
}

#[test]
fn dpkg_has_the_same_order() {
    if !have(&["dpkg", "sh"]) {
        return;
    }
    let script =
        r#"while read -r a sign b; do dpkg --compare-versions "$a" "$sign" "$b" || echo "$a $sign $b"; done"#;
    assert_eq!(text("sh", &["-c", script], &table(1500, 1)), "", "dpkg does not agree");
}

#[test]
fn dpkg_in_perl_has_the_same_order() {
    let script = r#"use Dpkg::Version; my %signs = (lt => -1, eq => 0, gt => 1);
while (<STDIN>) { my ($a, $sign, $b) = split; print if (version_compare($a, $b) <=> 0) != $signs{$sign} }"#;
    if !have(&["perl", "dpkg-scanpackages"]) {
        return;
    }
    assert_eq!(text("perl", &["-e", script], &table(30_000, 2)), "", "Dpkg::Version does not agree");
}

#[test]
fn dpkg_takes_the_same_for_versions() {
    if !have(&["dpkg", "sh"]) {
        return;
    }
    let script = r#"while IFS= read -r a; do dpkg --validate-version -- "$a" 2>/dev/null && echo "$a yes" || echo "$a no"; done"#;
    let mut numbers = Numbers(3);
    let odd = ["_", ":", "-", "/", "é", "a", "1", "~"];
    let mut texts = Vec::new();
    for _ in 0..300 {
        let mut text = numbers.version();
        let place = numbers.below(text.len() + 1);
        text.insert_str(place, odd[numbers.below(odd.len())]);
        // dpkg reads epochs by `strtol`, which takes signs
        if !text.starts_with('-') {
            texts.push(text);
        }
    }
    let verdict =
        |text: &String| format!("{text} {}", if Version::parse(text).is_ok() { "yes" } else { "no" });
    let judged = self::text("sh", &["-c", script], &(texts.join("\n") + "\n"));
    for (text, judged) in texts.iter().zip(judged.lines()) {
        assert_eq!(verdict(text), judged);
    }
    assert_eq!(judged.lines().count(), texts.len());
}
