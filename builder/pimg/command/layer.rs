//! `pimg layer`

use std::path::Path;

use pimg_fetch::artefact::Reference;

use super::outcome::{
    LayerFacts, LayerFileMade, LayerListing, LayerOutcome, LayerPushed, LayerTaken, LayersPushed, LayersTaken,
};
use super::request::{LayerRequest, Selection};
use super::{Context, hosts};
use crate::bake::artefact::{Papers, is_key};
use crate::bake::manifest::LayerManifest;
use crate::failure::{Class, Failure};
use crate::image::provenance;
use crate::packages::{Network, Options, Update};
use crate::pipeline::layers::{self, LayerError, Taken, Vouched};
use crate::pipeline::{self, Preparation};

/// Lists, hands out and takes in baked layers.
///
/// # Errors
/// A layer is not there, or not what it should be; a place cannot be reached.
pub fn run(request: &LayerRequest, context: &Context<'_>) -> Result<LayerOutcome, Failure> {
    Ok(match request {
        LayerRequest::List => LayerOutcome::List(list(context)?),
        LayerRequest::Export { layer, file } => LayerOutcome::Exported(export(layer, file, context)?),
        LayerRequest::Import { file } => {
            let origin = file.display().to_string();
            let taken = layers::import(file, context)?;
            LayerOutcome::Taken(LayersTaken { layers: vec![told(taken, origin)] })
        }
        LayerRequest::Push { words, all } => {
            LayerOutcome::Pushed(push(&Wanted::read(words, *all, context)?, context)?)
        }
        LayerRequest::Pull { words, all } => {
            LayerOutcome::Taken(pull(&Wanted::read(words, *all, context)?, context)?)
        }
    })
}

fn list(context: &Context<'_>) -> Result<LayerListing, Failure> {
    let found = layers::list(context)?;
    Ok(LayerListing { layers: found.iter().map(|(layer, signed)| facts(layer, *signed)).collect() })
}

fn export(word: &str, file: &Path, context: &Context<'_>) -> Result<LayerFileMade, Failure> {
    let kept = layers::kept(&in_cache(word, context)?, context)?;
    layers::export(&kept, file, context)?;
    let key_id = key_id(&kept.papers);
    let layer = facts(&kept.papers.layer, kept.papers.envelope.is_some());
    Ok(LayerFileMade { file: file.to_path_buf(), layer, key_id })
}

fn push(wanted: &Wanted, context: &Context<'_>) -> Result<LayersPushed, Failure> {
    if wanted.words.is_empty() {
        return Err(LayerError::NoLayer.into());
    }
    let keys = wanted.words.iter().map(|word| in_cache(word, context)).collect::<Result<Vec<_>, _>>()?;
    if keys.len() > 1 && wanted.place.tag().is_some() {
        return Err(one_tag(&wanted.place));
    }
    let mut pushed = Vec::new();
    for key in keys {
        let kept = layers::kept(&key, context)?;
        let (tag, sent, _) = layers::push(&kept, &wanted.place, context)?;
        pushed.push(LayerPushed {
            place: located(&wanted.place, &tag),
            tag,
            layer: facts(&kept.papers.layer, kept.papers.envelope.is_some()),
            key_id: key_id(&kept.papers),
            sent: sent.sent,
            kept: sent.kept,
        });
    }
    Ok(LayersPushed { layers: pushed })
}

fn pull(wanted: &Wanted, context: &Context<'_>) -> Result<LayersTaken, Failure> {
    if wanted.words.is_empty() {
        let taken = layers::pull(None, &wanted.place, context)?;
        return Ok(LayersTaken { layers: vec![told(taken, wanted.place.to_string())] });
    }
    if wanted.words.len() > 1 && wanted.place.tag().is_some() {
        return Err(one_tag(&wanted.place));
    }
    let mut found = Vec::new();
    for word in &wanted.words {
        let key = if is_key(word) { word.clone() } else { key_of_profile(word, context)? };
        let taken = layers::pull(Some(&key), &wanted.place, context)?;
        found.push(told(taken, wanted.place.to_string()));
    }
    Ok(LayersTaken { layers: found })
}

/// Which layers, and where they are.
struct Wanted {
    words: Vec<String>,
    place: Reference,
}

impl Wanted {
    /// A word with a slash in it is the place: neither a profile nor a key has one.
    fn read(words: &[String], all: bool, context: &Context<'_>) -> Result<Self, Failure> {
        let (places, mut words): (Vec<String>, Vec<String>) =
            words.iter().cloned().partition(|word| word.contains('/'));
        if let [_, second, ..] = places.as_slice() {
            return Err(Failure::new(
                Class::Usage,
                format!("two places are given, `{second}` is the second"),
            )
            .hint("name one place at a time"));
        }
        if all && !words.is_empty() {
            return Err(Failure::new(Class::Usage, "either `--all` or names, not both"));
        }
        let place =
            layers::source(places.first().map(String::as_str), context)?.ok_or(LayerError::NoPlace)?;
        if all {
            words = keys_of(&Selection::All, context)?;
        }
        Ok(Self { words, place })
    }
}

fn one_tag(place: &Reference) -> Failure {
    Failure::new(Class::Usage, format!("several layers cannot all be `{place}`"))
        .hint("leave the tag out: then each has the tag of its key")
}

/// Where a layer is in a place.
fn located(place: &Reference, tag: &str) -> String {
    match place {
        Reference::Registry { repository, .. } => format!("oci://{repository}:{tag}"),
        Reference::Store(url) => format!("{url}{tag}/"),
    }
}

/// The key that a word stands for in the cache: a key or the beginning of one, or a profile.
fn in_cache(word: &str, context: &Context<'_>) -> Result<String, Failure> {
    let is_profile = context.in_project(format!("profiles/{word}.toml")).is_file();
    if is_profile { key_of_profile(word, context) } else { layers::find(word, context) }
}

fn key_id(papers: &Papers) -> Option<String> {
    provenance::key_ids(papers.envelope.as_deref()?).into_iter().next()
}

fn told(taken: Taken, origin: String) -> LayerTaken {
    let verified_by = match &taken.vouched {
        Vouched::ByProject(key) => Some(key.clone()),
        Vouched::Unchecked | Vouched::Unsigned => None,
    };
    let layer = facts(&taken.layer, taken.vouched != Vouched::Unsigned);
    LayerTaken { origin, layer, verified_by, was_there: taken.was_there }
}

fn facts(layer: &LayerManifest, signed: bool) -> LayerFacts {
    LayerFacts {
        key: layer.key.clone(),
        sha256: layer.layer_sha256.clone(),
        size: layer.layer_size,
        content_size: layer.content_size,
        packages: layer.packages.len(),
        base_raw_sha256: layer.base_raw_sha256.clone(),
        emulator: layer.emulator.clone(),
        builder: layer.builder.clone(),
        signed,
    }
}

/// The keys of the layers that profiles want. Nothing is resolved: the lock has to fit.
fn keys_of(selection: &Selection, context: &Context<'_>) -> Result<Vec<String>, Failure> {
    let mut selected = hosts::select(selection, context)?;
    if *selection == Selection::All {
        selected.retain(|host| host.bake);
        if selected.is_empty() {
            return Err(Failure::new(Class::Profile, "no profile with a `hostname` says `bake = true`")
                .hint("name a profile, whatever it says"));
        }
    }
    let options = Options::default();
    let network = Network::open(&options, context)?;
    let preparation = Preparation { hosts: &selected, update: Update::Locked, options: &options };
    let prepared = pipeline::prepare(&preparation, &network, context)?;
    prepared.fetch(&network)?;
    pipeline::layer_keys(&prepared, &network)
}

/// The key of the layer that a profile wants.
fn key_of_profile(name: &str, context: &Context<'_>) -> Result<String, Failure> {
    let keys = keys_of(&Selection::Named(vec![name.to_owned()]), context)?;
    keys.into_iter().next().ok_or_else(|| {
        Failure::new(Class::Profile, format!("profile `{name}` asks nothing of packages: it has no layer"))
            .hint("`[packages]` in the profile or an overlay asks for packages")
    })
}
