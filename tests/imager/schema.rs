//! Imager's schema of a list, as a JSON schema validator applies it.
//!
//! The constraints are those of `doc/json-schema/os-list-schema.json` and `doc/schema-notes.md` in raspberrypi/rpi-imager
//! (2.0), of which no package can be installed; where formats are described in words there, a pattern says it here.
//! `PIMG_TEST_IMAGER_SCHEMA` names a copy of the schema itself, which is applied too.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{repository, skip};

/// What an entry has to have.
const REQUIRED: [&str; 9] = [
    "name",
    "description",
    "icon",
    "url",
    "extract_size",
    "extract_sha256",
    "image_download_size",
    "release_date",
    "devices",
];

fn schema() -> Value {
    let text = json!({"type": "string", "minLength": 1});
    let link = json!({"type": "string", "pattern": "^(file|https?)://[!-~]+$"});
    let sha256 = json!({"type": "string", "pattern": "^[0-9a-f]{64}$"});
    let size = json!({"type": "integer", "minimum": 1});
    let tags = json!({"type": "array", "minItems": 1, "items": {"enum": ["pi5-64bit"]}});
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "required": ["os_list"],
        "additionalProperties": false,
        "properties": {
            "imager": {
                "type": "object",
                "additionalProperties": false,
                "properties": {"devices": {"type": "array", "items": {
                    "type": "object",
                    "required": ["name", "tags", "icon", "description", "matching_type"],
                    "properties": {
                        "name": text, "tags": tags, "icon": link, "description": text,
                        "matching_type": {"enum": ["exclusive", "inclusive"]},
                    },
                }}},
            },
            "os_list": {"type": "array", "minItems": 1, "items": {
                "type": "object",
                "required": REQUIRED,
                "properties": {
                    "name": text, "description": text, "icon": link, "url": link,
                    "extract_size": size, "extract_sha256": sha256,
                    "image_download_size": size, "image_download_sha256": sha256,
                    "release_date": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
                    "devices": tags,
                    "init_format": {"enum": ["", "systemd", "cloudinit", "cloudinit-rpi", "rpi-preseed", "none"]},
                },
            }},
        },
    })
}

/// Whether a validator accepts a list; `None` where there is no validator.
fn accepts(list: &Value) -> Option<Result<(), String>> {
    let python = repository().join("target/judges/spdx/bin/python");
    if !python.is_file() {
        skip("the validator of JSON schemas is missing: `scripts/setup judges` installs it");
        return None;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (own, document) = (dir.path().join("schema.json"), dir.path().join("list.json"));
    fs::write(&own, schema().to_string()).expect("a file");
    fs::write(&document, list.to_string()).expect("a file");
    let given = std::env::var_os("PIMG_TEST_IMAGER_SCHEMA").map(PathBuf::from);
    for schema in [Some(own), given].into_iter().flatten() {
        let script = "\
import json, jsonschema, sys
schema, document = (json.load(open(name, encoding='utf-8')) for name in sys.argv[1:])
jsonschema.validate(document, schema)
";
        let output = Command::new(&python).args(["-c", script]).arg(&schema).arg(&document).output();
        let output = output.expect("the validator runs");
        if !output.status.success() {
            return Some(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
    }
    Some(Ok(()))
}

/// Shows a list to the validator, and lists that are wrong, which it has to refuse.
pub(crate) fn judge(list: &Value) {
    let Some(verdict) = accepts(list) else { return };
    assert_eq!(verdict, Ok(()), "{list:#}");
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut wrong = list.clone();
        change(&mut wrong);
        matches!(accepts(&wrong), Some(Err(told)) if told.contains("ValidationError"))
    };
    for key in REQUIRED {
        let take =
            |wrong: &mut Value| drop(wrong["os_list"][0].as_object_mut().map(|entry| entry.remove(key)));
        assert!(refused(&take), "without `{key}`");
    }
    assert!(refused(&|wrong| wrong["os_list"][0]["extract_size"] = json!("10")), "a size as text");
    assert!(refused(&|wrong| wrong["more"] = json!(1)), "a key of the list that Imager does not know");
}
