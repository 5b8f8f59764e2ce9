//! What `--json` prints: one object, its shape under a version number.
//!
//! ```json
//! { "schema": 1, "command": "build", "result": { … } }
//! { "schema": 1, "command": "build", "error": { "code": 3, "message": "…", … } }
//! ```

use serde::Serialize;

use super::exit_code::ExitCode;
use super::report::all_hints;
use crate::failure::{Class, Failure, FaultyPlace};

/// Version of all shapes together: raised when a field goes or changes its meaning, not when one is added.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Answer<'a, R> {
    schema: u32,
    command: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<R>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorShape>,
}

#[derive(Serialize)]
struct ErrorShape {
    code: u8,
    message: String,
    causes: Vec<String>,
    details: Vec<String>,
    places: Vec<FaultyPlace>,
    hints: Vec<String>,
}

/// The object for what a command found or made.
///
/// # Errors
/// The result has something that JSON cannot say, such as a path that is not UTF-8.
pub(super) fn result<R: Serialize>(command: &str, result: &R) -> Result<String, Failure> {
    to_text(&Answer { schema: SCHEMA, command, result: Some(result), error: None })
}

/// The object for a failure.
pub(super) fn failure(command: &str, failure: &Failure) -> String {
    let mut messages = failure.messages().into_iter();
    let error = ErrorShape {
        code: ExitCode::from(failure.class()).number(),
        message: messages.next().unwrap_or_default(),
        causes: messages.collect(),
        details: failure.details().lines().filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        places: failure.places(),
        hints: all_hints(failure),
    };
    let answer = Answer::<()> { schema: SCHEMA, command, result: None, error: Some(error) };
    to_text(&answer).unwrap_or_default()
}

fn to_text(answer: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(answer)
        .map_err(|error| Failure::caused_by(Class::Host, "the result cannot be written as JSON", error))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::command::outcome::{BuildOutcome, BuiltImage, Check, Verdict, VerifyOutcome};
    use crate::failure::{Class, Failure};

    #[test]
    fn the_shape_of_a_result() {
        let image = BuiltImage {
            host: "node-a".into(),
            image: "out/node-a/node-a-1.img.zst".into(),
            sha256_file: "out/node-a/node-a-1.img.zst.sha256".into(),
            bmap: "out/node-a/node-a-1.img.bmap".into(),
            manifest: "out/node-a/manifest.json".into(),
            sbom: "out/node-a/sbom.spdx.json".into(),
            provenance: "out/node-a/provenance.json".into(),
            sums: "out/node-a/SHA256SUMS".into(),
            signature: None,
            key_id: Some("00FF".into()),
            sha256: "ab".into(),
            size: 5,
            raw_size: 10,
            changes: 2,
            base_sha256: "cd".into(),
            needs_seed: false,
            elapsed: Duration::from_micros(1_234_567),
        };
        let text = super::result("build", &BuildOutcome { images: vec![image], imager_manifest: None })
            .expect("plain values");
        insta::assert_snapshot!(text, @r#"
        {
          "schema": 1,
          "command": "build",
          "result": {
            "images": [
              {
                "host": "node-a",
                "image": "out/node-a/node-a-1.img.zst",
                "sha256_file": "out/node-a/node-a-1.img.zst.sha256",
                "bmap": "out/node-a/node-a-1.img.bmap",
                "manifest": "out/node-a/manifest.json",
                "sbom": "out/node-a/sbom.spdx.json",
                "provenance": "out/node-a/provenance.json",
                "sums": "out/node-a/SHA256SUMS",
                "signature": null,
                "key_id": "00FF",
                "sha256": "ab",
                "size": 5,
                "raw_size": 10,
                "changes": 2,
                "base_sha256": "cd",
                "needs_seed": false,
                "seconds": 1.235
              }
            ],
            "imager_manifest": null
          }
        }
        "#);
    }

    #[test]
    fn the_shape_of_a_check_and_of_an_error() {
        let check = Check {
            name: "x".into(),
            verdict: Verdict::Failed(Class::Base),
            note: None,
            details: Vec::new(),
        };
        let outcome = VerifyOutcome { image: "x.img".into(), checks: vec![check] };
        assert!(super::result("verify", &outcome).expect("plain values").contains("\"verdict\": \"failed\""));

        let failure = Failure::new(Class::Trust, "wrong digest").context("cannot build").hint("look");
        insta::assert_snapshot!(super::failure("build", &failure), @r#"
        {
          "schema": 1,
          "command": "build",
          "error": {
            "code": 5,
            "message": "cannot build",
            "causes": [
              "wrong digest"
            ],
            "details": [],
            "places": [],
            "hints": [
              "look"
            ]
          }
        }
        "#);
    }
}
