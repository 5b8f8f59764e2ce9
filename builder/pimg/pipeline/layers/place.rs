//! A layer on its way to a place that keeps it for others, and back.

use pimg_fetch::artefact::{
    Blob, Content, Descriptor, MANIFEST as MANIFEST_TYPE, Place, Problem, Reference, Sent,
};
use pimg_fetch::{Cache, Error, Patience};

use super::account::account;
use super::error::LayerError;
use super::signature::{self, Vouched};
use super::store::{KeptLayer, Store, Taken, has, take};
use crate::bake::artefact::{LONGEST, Papers, Parts, tag};
use crate::bake::manifest::LAYER;
use crate::command::Context;
use crate::command::watch::WatchReporter;
use crate::failure::Failure;
use crate::host::bakes::Bakes;

/// Names where layers are, for whoever does not say it each time.
const VARIABLE: &str = "PIMG_LAYERS";

/// The place that the environment names, else that of a profile; `None` where neither says one.
///
/// # Errors
/// It is none.
pub fn source(of_profile: Option<&str>, context: &Context<'_>) -> Result<Option<Reference>, Failure> {
    let set = context.environment.variable(VARIABLE).filter(|value| !value.is_empty());
    let set = set.map(|value| value.to_string_lossy().into_owned());
    set.as_deref().or(of_profile).map(place).transpose()
}

/// The place that a text names.
///
/// # Errors
/// It names none.
pub fn place(text: &str) -> Result<Reference, Failure> {
    // a password that was typed is not shown
    let shown = text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, rest)| format!("…@{rest}"));
    let refused = |source| LayerError::Reference { text: shown, source };
    Ok(text.parse().map_err(refused)?)
}

fn open(reference: &Reference, is_to_write: bool, context: &Context<'_>) -> Result<Place, Failure> {
    let account =
        reference.repository().map(|repository| account(repository, context)).transpose()?.flatten();
    let watch = WatchReporter::new(context.reporter);
    let place = Place::open(reference, account.as_ref(), is_to_write, Patience::default(), &watch);
    Ok(place.map_err(LayerError::Place)?)
}

/// Puts a layer of the cache where others find it: the tag that it has there, what was sent, and who vouches for it.
///
/// # Errors
/// The place cannot be reached, or takes nothing from us.
pub fn push(
    layer: &KeptLayer,
    reference: &Reference,
    context: &Context<'_>,
) -> Result<(String, Sent, Vouched), Failure> {
    let origin = layer.layer.display().to_string();
    let vouched = signature::check(&layer.papers, &origin, context)?;
    let papers = &layer.papers;
    let refused = |source| LayerError::Damaged { key: papers.layer.key.clone(), source };
    let manifest = papers.to_manifest().map_err(refused)?;
    let big = papers.layer_blob().map_err(refused)?;
    let small: Vec<(Descriptor, &[u8])> = papers.small_blobs().collect();
    let mut blobs: Vec<Blob<'_>> =
        small.iter().map(|(descriptor, bytes)| Blob { descriptor, content: Content::Bytes(bytes) }).collect();
    blobs.push(Blob { descriptor: &big, content: Content::File(&layer.layer) });
    let tag = reference.tag().map_or_else(|| tag(&papers.layer.key), str::to_owned);
    let place = open(reference, true, context)?;
    let watch = WatchReporter::new(context.reporter);
    let named = Descriptor::of(MANIFEST_TYPE, &manifest);
    let sent = place.push(&tag, &named, &manifest, &blobs, &watch).map_err(LayerError::Place)?;
    Ok((tag, sent, vouched))
}

/// Gets a layer into the cache: that of `key`, or whatever the tag of the reference names.
///
/// # Errors
/// The place does not have it, or it is not what it should be; then the cache is as it was.
pub fn pull(key: Option<&str>, reference: &Reference, context: &Context<'_>) -> Result<Taken, Failure> {
    let offer = Offer::read(key, reference, context)?;
    let store = Store::open(context)?;
    let stop = || context.reporter.interrupted();
    let _lock = store.bakes.lock(&offer.papers.layer.key, &stop)?.ok_or_else(Failure::interrupted)?;
    let was_there = has(&store.bakes, &offer.papers.layer)?;
    if !was_there {
        let cache = Cache::open(store.cache.path()).map_err(LayerError::Place)?;
        offer.take(&store.bakes, &cache, context)?;
    }
    Ok(Taken { layer: offer.papers.layer, vouched: offer.vouched, was_there })
}

/// Gets the layer of `key`, whose lock the caller holds, from `place`. `false` where that does not have it: then it is to be
/// baked.
///
/// # Errors
/// The place cannot be reached, or its layer is not what it should be.
pub fn obtain(
    key: &str,
    reference: &Reference,
    bakes: &Bakes,
    cache: &Cache,
    context: &Context<'_>,
) -> Result<bool, Failure> {
    let Some(offer) = Offer::find(key, reference, context)? else {
        context.reporter.notice(&format!("`{reference}` has no layer {key}"));
        return Ok(false);
    };
    offer.take(bakes, cache, context)?;
    Ok(true)
}

/// A layer as a place offers it: everything but `layer.tar.zst`, checked.
struct Offer {
    place: Place,
    tag: String,
    origin: String,
    papers: Papers,
    blob: Descriptor,
    vouched: Vouched,
}

impl Offer {
    fn read(key: Option<&str>, reference: &Reference, context: &Context<'_>) -> Result<Self, Failure> {
        let tag = match (reference.tag(), key) {
            (Some(tag), _) => tag.to_owned(),
            (None, Some(key)) => tag(key),
            (None, None) => return Err(LayerError::NoLayer.into()),
        };
        let place = open(reference, false, context)?;
        let text = place.manifest(&tag, &WatchReporter::new(context.reporter)).map_err(LayerError::Place)?;
        Self::of(place, tag, &text, key, reference, context)
    }

    /// Nothing where the place was reached and has no such layer.
    fn find(key: &str, reference: &Reference, context: &Context<'_>) -> Result<Option<Self>, Failure> {
        let place = open(reference, false, context)?;
        let tag = reference.tag().map_or_else(|| tag(key), str::to_owned);
        match place.manifest(&tag, &WatchReporter::new(context.reporter)) {
            Err(Error::Place(error)) if matches!(error.problem, Problem::Unknown(_)) => Ok(None),
            Err(error) => Err(LayerError::Place(error).into()),
            Ok(text) => Self::of(place, tag, &text, Some(key), reference, context).map(Some),
        }
    }

    fn of(
        place: Place,
        tag: String,
        text: &[u8],
        key: Option<&str>,
        reference: &Reference,
        context: &Context<'_>,
    ) -> Result<Self, Failure> {
        let watch = WatchReporter::new(context.reporter);
        let origin = match reference.tag() {
            Some(_) => reference.to_string(),
            None if reference.repository().is_some() => format!("{reference}:{tag}"),
            None => format!("{reference}{tag}"),
        };
        let refused = |source| LayerError::Refused { origin: origin.clone(), source };
        let small = |blob: &Descriptor| place.small(&tag, blob, LONGEST, &watch).map_err(LayerError::Place);
        let parts = Parts::of(text).map_err(refused)?;
        let envelope = parts.envelope.as_ref().map(small).transpose()?;
        let papers =
            Papers::new(small(&parts.config)?, Some(small(&parts.statement)?), envelope).map_err(refused)?;
        parts.require_same_layer(&papers).map_err(refused)?;
        if let Some(expected) = key.filter(|key| *key != papers.layer.key) {
            let (expected, got) = (expected.to_owned(), papers.layer.key);
            return Err(LayerError::AnotherLayer { origin, expected, got }.into());
        }
        let vouched = signature::check(&papers, &origin, context)?;
        if place.is_open_to_tampering() && !matches!(vouched, Vouched::ByProject(_)) {
            return Err(LayerError::Tampering { origin }.into());
        }
        signature::tell(&vouched, &origin, context)?;
        Ok(Self { place, tag, origin, papers, blob: parts.layer, vouched })
    }

    /// Downloads the layer and takes it into the cache.
    fn take(&self, bakes: &Bakes, cache: &Cache, context: &Context<'_>) -> Result<(), Failure> {
        let work = bakes.work()?;
        let target = work.result().join(LAYER);
        let watch = WatchReporter::new(context.reporter);
        self.place.download(&self.tag, &self.blob, cache, &target, &watch).map_err(LayerError::Place)?;
        take(bakes, &self.papers, &work, &self.origin, context)
    }
}
