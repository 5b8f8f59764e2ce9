//! Who vouches for a layer.

use pimg_fetch::minisign::PublicKey;

use super::error::LayerError;
use crate::bake::artefact::Papers;
use crate::command::Context;
use crate::failure::Failure;
use crate::image::provenance::{self, PAYLOAD_TYPE};
use crate::pipeline::signing::{PROJECT_KEY, Unsigned, project_key, signer};

/// Who vouches for a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// The project's key, by its name.
    ByProject(String),
    /// Somebody, but the project has no key to compare with.
    Unchecked,
    /// Nobody.
    Unsigned,
}

/// Says who vouches for papers that came from `origin`.
///
/// # Errors
/// The envelope is about something else, or by another key than the project's.
pub(super) fn check(papers: &Papers, origin: &str, context: &Context<'_>) -> Result<Vouched, Failure> {
    let refused = |why: String| LayerError::Signature { origin: origin.to_owned(), why };
    let Some(envelope) = &papers.envelope else { return Ok(Vouched::Unsigned) };
    let opened = provenance::open(envelope)
        .ok_or_else(|| refused(format!("`{}` is no DSSE envelope", provenance::ENVELOPE)))?;
    if opened.payload != papers.statement || opened.payload_type != PAYLOAD_TYPE {
        return Err(refused("what is signed is another provenance than the one beside it".to_owned()).into());
    }
    let Some(key) = project_key(context)? else { return Ok(Vouched::Unchecked) };
    let mut signatures = opened.signatures.iter();
    if signatures.any(|one| key.has_signed_envelope(&opened.payload_type, &opened.payload, one)) {
        return Ok(Vouched::ByProject(key.id().to_string()));
    }
    let signers = provenance::key_ids(envelope).join(", ");
    let signers = if signers.is_empty() { "nobody".to_owned() } else { format!("key {signers}") };
    Err(refused(format!("signed by {signers}, expected key {}, `{PROJECT_KEY}` of the project", key.id()))
        .into())
}

/// Signs papers of a layer that was baked here, if the project's key is at hand. What somebody else handed over is passed
/// on as it came.
///
/// # Errors
/// A key was asked for and cannot be had, or is not the project's.
pub(super) fn sign(papers: &mut Papers, context: &Context<'_>) -> Result<Vouched, Failure> {
    match signer(context)? {
        Ok(key) => {
            let key_id = key.public().id().to_string();
            let signature = key.sign_envelope(PAYLOAD_TYPE, &papers.statement);
            papers.envelope = Some(provenance::envelope(&papers.statement, &key_id, &signature).into_bytes());
            Ok(Vouched::ByProject(key_id))
        }
        Err(why) => {
            if let Unsigned::Hindered(why) = why {
                context.reporter.notice(&format!("the layer is not signed: {why}"));
            }
            Ok(Vouched::Unsigned)
        }
    }
}

/// Tells what nobody vouches for.
pub(super) fn tell(vouched: &Vouched, origin: &str, context: &Context<'_>) -> Result<(), Failure> {
    let key: Option<PublicKey> = project_key(context)?;
    let told = match vouched {
        Vouched::ByProject(_) => return Ok(()),
        Vouched::Unchecked => {
            format!("the layer of `{origin}` is signed, and there is no `{PROJECT_KEY}` to check it with")
        }
        Vouched::Unsigned if key.is_some() => {
            format!("the layer of `{origin}` is not signed, although the project has a key")
        }
        Vouched::Unsigned => format!("the layer of `{origin}` is not signed"),
    };
    context.reporter.notice(&told);
    Ok(())
}
