//! A result as JUnit XML, as continuous integration reads it: a suite a node, a case a step.

use std::fmt::Write;
use std::time::Duration;

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub elapsed: Duration,
    /// What was looked at.
    pub cases: Vec<Case>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub elapsed: Duration,
    /// What came out.
    pub result: CaseResult,
}

/// What came out of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseResult {
    /// It is in order.
    Passed,
    /// It is not, because.
    Failed(String),
    /// It did not come to it.
    Skipped(String),
}

/// The suites as one document.
pub fn document(suites: &[Suite]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    let total = suites.iter().map(|suite| suite.elapsed).max().unwrap_or_default();
    let _ = writeln!(
        xml,
        "<testsuites name=\"pimg test\" tests=\"{}\" failures=\"{}\" time=\"{}\">",
        cases().count(),
        cases().filter(|case| matches!(case.result, CaseResult::Failed(_))).count(),
        seconds(total),
    );
    for suite in suites {
        write_suite(&mut xml, suite);
    }
    xml + "</testsuites>\n"
}

fn write_suite(xml: &mut String, suite: &Suite) {
    let count =
        |wanted: fn(&CaseResult) -> bool| suite.cases.iter().filter(|case| wanted(&case.result)).count();
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{}\">",
        escaped(&suite.name),
        suite.cases.len(),
        count(|result| matches!(result, CaseResult::Failed(_))),
        count(|result| matches!(result, CaseResult::Skipped(_))),
        seconds(suite.elapsed),
    );
    for case in &suite.cases {
        let _ = write!(
            xml,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
            escaped(&suite.name),
            escaped(&case.name),
            seconds(case.elapsed),
        );
        let _ = match &case.result {
            CaseResult::Passed => writeln!(xml, "/>"),
            CaseResult::Failed(why) => writeln!(
                xml,
                ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                escaped(why.lines().next().unwrap_or_default()),
                escaped(why),
            ),
            CaseResult::Skipped(why) => {
                writeln!(xml, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escaped(why))
            }
        };
    }
    let _ = writeln!(xml, "  </testsuite>");
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.3}", elapsed.as_secs_f64())
}

/// Text for content and attributes: without what XML 1.0 cannot say at all (section 2.2), markup escaped.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\t' | '\n' => xml.push(c),
            '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            c if c.is_control() => xml.push('\u{fffd}'),
            c => xml.push(c),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Case, CaseResult, Suite, document};

    #[test]
    fn a_suite_a_node_and_a_case_a_step() {
        let case = |name: &str, millis, result| Case {
            name: name.into(),
            elapsed: Duration::from_millis(millis),
            result,
        };
        let suite = Suite {
            name: "node-a".into(),
            elapsed: Duration::from_secs(90),
            cases: vec![
                case("zpool", 1500, CaseResult::Passed),
                case(
                    "tls",
                    2000,
                    CaseResult::Failed("refused \"<token>\" & more\u{1b}[0m\nsecond line".into()),
                ),
                case("cleanup", 0, CaseResult::Skipped("not begun".into())),
            ],
        };
        insta::assert_snapshot!(document(&[suite]), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="pimg test" tests="3" failures="1" time="90.000">
          <testsuite name="node-a" tests="3" failures="1" skipped="1" time="90.000">
            <testcase classname="node-a" name="zpool" time="1.500"/>
            <testcase classname="node-a" name="tls" time="2.000">
              <failure message="refused &quot;&lt;token&gt;&quot; &amp; more�[0m">refused &quot;&lt;token&gt;&quot; &amp; more�[0m
        second line</failure>
            </testcase>
            <testcase classname="node-a" name="cleanup" time="0.000">
              <skipped message="not begun"/>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}
