//! `provenance.json`: what an image was made from, as an in-toto statement with a SLSA provenance.
//!
//! The statement is <https://in-toto.io/Statement/v1>, the predicate <https://slsa.dev/provenance/v1>. It holds neither
//! a time nor a path of this machine: the same inputs have the same provenance. Who signs also writes it as a DSSE
//! envelope on one line, `provenance.intoto.jsonl`, which is the form that tools for attestations take.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifest::{BaseEntry, LayerEntry};

/// The file with the statement.
pub const FILE: &str = "provenance.json";

/// The file with the signed envelope around it.
pub const ENVELOPE: &str = "provenance.intoto.jsonl";

/// What is in the envelope, and what the signature names beside it.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The kind of text.
pub(crate) const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// The kind of statement.
pub(crate) const PREDICATE: &str = "https://slsa.dev/provenance/v1";

/// What the parameters mean is written there.
const BUILD_TYPE: &str =
    concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/how-to/sign-and-publish.md#build-type-v1");

/// Who built it: pimg itself, wherever it ran. That says nothing about how far its machine is to be trusted.
pub(crate) const BUILDER: &str = env!("CARGO_PKG_REPOSITORY");

/// What a provenance is made from.
#[derive(Clone, Copy, Debug)]
pub struct ProvenanceInputs<'a> {
    /// Name of the image file.
    pub file: &'a str,
    /// Its digest.
    pub sha256: &'a str,
    /// Name of the raw image, whether or not there is such a file.
    pub raw_file: &'a str,
    /// Its digest.
    pub raw_sha256: &'a str,
    /// Name of the profile.
    pub profile: &'a str,
    /// How the image is written.
    pub format: &'a str,
    /// Whether all secrets were left out.
    pub release: bool,
    /// The base image.
    pub base: &'a BaseEntry,
    /// Packages that were installed into it when it was built.
    pub layer: Option<&'a LayerEntry>,
    /// Digest of `pimg.lock`, which has that of every package and download.
    pub lock_sha256: &'a str,
    /// The commit of the project, and whether the build read something that is not in it.
    pub source: Option<(&'a str, bool)>,
    /// Digests of `manifest.json` and `sbom.spdx.json`.
    pub byproducts: [(&'a str, &'a str); 2],
}

/// The text of the statement.
pub fn statement(inputs: &ProvenanceInputs<'_>) -> Vec<u8> {
    let mut subject = vec![Resource::file(inputs.file, inputs.sha256)];
    if inputs.raw_file != inputs.file {
        subject.push(Resource::file(inputs.raw_file, inputs.raw_sha256));
    }
    let statement = Statement {
        kind: STATEMENT,
        subject,
        predicate_type: PREDICATE,
        predicate: Predicate {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE,
                external_parameters: Parameters {
                    profile: inputs.profile,
                    format: inputs.format,
                    release: inputs.release,
                },
                resolved_dependencies: dependencies(inputs),
            },
            run_details: RunDetails {
                builder: Builder { id: BUILDER, version: Version { pimg: env!("CARGO_PKG_VERSION") } },
                byproducts: inputs.byproducts.map(|(name, sha256)| Resource::file(name, sha256)),
            },
        },
    };
    let mut text = serde_json::to_vec_pretty(&statement).expect("texts and truth values are always JSON");
    text.push(b'\n');
    text
}

fn dependencies<'a>(inputs: &ProvenanceInputs<'a>) -> Vec<Resource<'a>> {
    let mut base = Resource::file(&inputs.base.source, &inputs.base.sha256);
    if inputs.base.source.contains("://") {
        base.uri = Some(&inputs.base.source);
        base.name = "base image";
    }
    base.annotations =
        Some(Annotations { raw_sha256: Some(&inputs.base.raw_sha256), dirty: None, key: None });
    let mut found = vec![base, Resource::file("pimg.lock", inputs.lock_sha256)];
    found.extend(inputs.layer.map(|layer| Resource {
        annotations: Some(Annotations { raw_sha256: None, dirty: None, key: Some(&layer.key) }),
        ..Resource::file("baked layer", &layer.sha256)
    }));
    found.extend(inputs.source.map(|(commit, dirty)| Resource {
        name: "project",
        uri: None,
        digest: Digest { sha256: None, git_commit: Some(commit) },
        annotations: Some(Annotations { raw_sha256: None, dirty: Some(dirty), key: None }),
    }));
    found
}

/// The envelope around a statement, as one line.
pub fn envelope(statement: &[u8], key_id: &str, signature: &[u8]) -> String {
    let envelope = Envelope {
        payload_type: PAYLOAD_TYPE.to_owned(),
        payload: STANDARD.encode(statement),
        signatures: vec![EnvelopeSignature { keyid: key_id.to_owned(), sig: STANDARD.encode(signature) }],
    };
    serde_json::to_string(&envelope).expect("texts are always JSON") + "\n"
}

/// An envelope as it was read: what is signed, and the signatures by the names of their keys.
#[derive(Debug)]
pub struct Opened {
    /// What the signatures are over, with the payload.
    pub payload_type: String,
    /// The statement.
    pub payload: Vec<u8>,
    /// Signatures.
    pub signatures: Vec<Vec<u8>>,
}

/// Reads an envelope; `None` for what is none.
pub fn open(text: &[u8]) -> Option<Opened> {
    let envelope: Envelope = serde_json::from_slice(text).ok()?;
    let decode = |text: &str| STANDARD.decode(text).ok();
    let signatures = envelope.signatures.iter().map(|signature| decode(&signature.sig));
    Some(Opened {
        payload: decode(&envelope.payload)?,
        signatures: signatures.collect::<Option<_>>()?,
        payload_type: envelope.payload_type,
    })
}

/// The names of the keys that an envelope says to be signed by; true only for those whose signature was found good.
pub fn key_ids(text: &[u8]) -> Vec<String> {
    let envelope: Option<Envelope> = serde_json::from_slice(text).ok();
    let signatures = envelope.map(|envelope| envelope.signatures).unwrap_or_default();
    signatures.into_iter().map(|signature| signature.keyid).filter(|id| !id.is_empty()).collect()
}

/// The files that a statement speaks of, with their SHA-256 digests.
///
/// # Errors
/// It is no statement about files.
pub fn subjects(text: &[u8]) -> Result<Vec<(String, String)>, &'static str> {
    let statement: Value = serde_json::from_slice(text).map_err(|_| "it is not JSON")?;
    if statement["_type"] != STATEMENT || statement["predicateType"] != PREDICATE {
        return Err("it is no in-toto statement v1 with a SLSA provenance v1");
    }
    let subjects = statement["subject"].as_array().ok_or("it has no subject")?;
    let pair = |subject: &Value| {
        let (name, sha256) = (subject["name"].as_str()?, subject["digest"]["sha256"].as_str()?);
        Some((name.to_owned(), sha256.to_owned()))
    };
    subjects.iter().map(|subject| pair(subject).ok_or("a subject has no name or digest")).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement<'a> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: Vec<Resource<'a>>,
    predicate_type: &'static str,
    predicate: Predicate<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Predicate<'a> {
    build_definition: BuildDefinition<'a>,
    run_details: RunDetails<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition<'a> {
    build_type: &'static str,
    external_parameters: Parameters<'a>,
    resolved_dependencies: Vec<Resource<'a>>,
}

#[derive(Serialize)]
struct Parameters<'a> {
    profile: &'a str,
    format: &'a str,
    release: bool,
}

#[derive(Serialize)]
struct RunDetails<'a> {
    builder: Builder,
    byproducts: [Resource<'a>; 2],
}

#[derive(Serialize)]
struct Builder {
    id: &'static str,
    version: Version,
}

#[derive(Serialize)]
struct Version {
    pimg: &'static str,
}

/// in-toto's `ResourceDescriptor`.
#[derive(Serialize)]
struct Resource<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    digest: Digest<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Annotations<'a>>,
}

impl<'a> Resource<'a> {
    fn file(name: &'a str, sha256: &'a str) -> Self {
        Self { name, uri: None, digest: Digest { sha256: Some(sha256), git_commit: None }, annotations: None }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Digest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    git_commit: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotations<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dirty: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize, Serialize)]
struct EnvelopeSignature {
    #[serde(default)]
    keyid: String,
    sig: String,
}

#[cfg(test)]
mod tests {
    use super::{ProvenanceInputs, envelope, open, statement, subjects};
    use crate::image::manifest::BaseEntry;

    #[test]
    fn a_statement_names_what_the_image_was_made_from_and_nothing_of_this_machine() {
        let base = BaseEntry {
            source: "https://example.org/base.img.xz".into(),
            sha256: "b1".into(),
            raw_sha256: "b2".into(),
        };
        let inputs = ProvenanceInputs {
            file: "node-a-1.img.zst",
            sha256: "a1",
            raw_file: "node-a-1.img",
            raw_sha256: "a2",
            profile: "node-a",
            format: "zst",
            release: true,
            base: &base,
            layer: None,
            lock_sha256: "c1",
            source: Some(("d1", false)),
            byproducts: [("manifest.json", "e1"), ("sbom.spdx.json", "e2")],
        };
        let text = statement(&inputs);
        insta::assert_snapshot!(String::from_utf8_lossy(&text), @r#"
        {
          "_type": "https://in-toto.io/Statement/v1",
          "subject": [
            {
              "name": "node-a-1.img.zst",
              "digest": {
                "sha256": "a1"
              }
            },
            {
              "name": "node-a-1.img",
              "digest": {
                "sha256": "a2"
              }
            }
          ],
          "predicateType": "https://slsa.dev/provenance/v1",
          "predicate": {
            "buildDefinition": {
              "buildType": "https://github.com/pimg/pimg/blob/main/docs/how-to/sign-and-publish.md#build-type-v1",
              "externalParameters": {
                "profile": "node-a",
                "format": "zst",
                "release": true
              },
              "resolvedDependencies": [
                {
                  "name": "base image",
                  "uri": "https://example.org/base.img.xz",
                  "digest": {
                    "sha256": "b1"
                  },
                  "annotations": {
                    "rawSha256": "b2"
                  }
                },
                {
                  "name": "pimg.lock",
                  "digest": {
                    "sha256": "c1"
                  }
                },
                {
                  "name": "project",
                  "digest": {
                    "gitCommit": "d1"
                  },
                  "annotations": {
                    "dirty": false
                  }
                }
              ]
            },
            "runDetails": {
              "builder": {
                "id": "https://github.com/pimg/pimg",
                "version": {
                  "pimg": "0.1.0"
                }
              },
              "byproducts": [
                {
                  "name": "manifest.json",
                  "digest": {
                    "sha256": "e1"
                  }
                },
                {
                  "name": "sbom.spdx.json",
                  "digest": {
                    "sha256": "e2"
                  }
                }
              ]
            }
          }
        }
        "#);
        let found = subjects(&text).expect("is ours");
        let expected = [("node-a-1.img.zst", "a1"), ("node-a-1.img", "a2")];
        assert_eq!(found, expected.map(|(name, sha256)| (name.to_owned(), sha256.to_owned())));
        let opened = open(envelope(&text, "00FF", &[7; 64]).as_bytes()).expect("is ours");
        assert_eq!((opened.payload, opened.signatures), (text, vec![vec![7; 64]]));

        // a raw image is one file, and a file of this machine has no address
        let local = BaseEntry { source: "base.img".into(), sha256: "b1".into(), raw_sha256: "b2".into() };
        let raw = ProvenanceInputs { file: "node-a-1.img", base: &local, source: None, ..inputs };
        let text = String::from_utf8(statement(&raw)).expect("UTF-8");
        assert_eq!(subjects(text.as_bytes()).expect("is ours").len(), 1);
        assert!(!text.contains("uri") && !text.contains("gitCommit"), "{text}");
    }

    #[test]
    fn other_texts_are_no_statement() {
        for text in ["", "{}", "[]", r#"{"_type":"https://in-toto.io/Statement/v1","subject":[]}"#] {
            assert!(subjects(text.as_bytes()).is_err() && open(text.as_bytes()).is_none(), "{text}");
        }
    }
}
