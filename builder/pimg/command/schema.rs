//! `pimg schema`: the JSON Schema of a file that people write.

use super::request::SchemaRequest;
use crate::overlay::keys::OVERLAY;
use crate::profile::keys::PROFILE;

/// The schema as JSON text, as published in `docs/reference/`.
pub fn run(request: SchemaRequest) -> String {
    match request {
        SchemaRequest::Profile => PROFILE.json_schema(),
        SchemaRequest::Overlay => OVERLAY.json_schema(),
    }
}
