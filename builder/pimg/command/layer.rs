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
            LayerOutcome::Pushed(push(&Words::read(words, *all, context)?, context)?)
        }
        LayerRequest::Pull { words, all } => {
            LayerOutcome::Taken(pull(&Words::read(words, *all, context)?, context)?)
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

fn push(words: &Words, context: &Context<'_>) -> Result<LayersPushed, Failure> {
    if words.names.is_empty() && !words.all {
        return Err(LayerError::NoLayer.into());
    }
    let mut pushed = Vec::new();
    for (key, place) in words.layers(|word| layers::find(word, context), context)? {
        let kept = layers::kept(&key, context)?;
        let (tag, sent, _) = layers::push(&kept, &place, context)?;
        pushed.push(LayerPushed {
            place: located(&place, &tag),
            tag,
            layer: facts(&kept.papers.layer, kept.papers.envelope.is_some()),
            key_id: key_id(&kept.papers),
            sent: sent.sent,
            kept: sent.kept,
        });
    }
    Ok(LayersPushed { layers: pushed })
}

fn pull(words: &Words, context: &Context<'_>) -> Result<LayersTaken, Failure> {
    if words.names.is_empty() && !words.all {
        let place = words.place.as_ref().ok_or(LayerError::NoPlace)?;
        let taken = layers::pull(None, place, context)?;
        return Ok(LayersTaken { layers: vec![told(taken, place.to_string())] });
    }
    let mut found = Vec::new();
    // a key need not be in the cache; anything else is the name of a profile that is missing
    let find = |word: &str| {
        if is_key(word) { Ok(word.to_owned()) } else { key_of_profile(word, context).map(|(key, _)| key) }
    };
    for (key, place) in words.layers(find, context)? {
        let taken = layers::pull(Some(&key), &place, context)?;
        found.push(told(taken, place.to_string()));
    }
    Ok(LayersTaken { layers: found })
}

/// What was typed: which layers, and perhaps where they are.
struct Words {
    names: Vec<String>,
    all: bool,
    /// The place that was named, here or by the environment.
    place: Option<Reference>,
}

impl Words {
    /// A word with a slash in it is the place: neither a profile nor a key has one.
    fn read(words: &[String], all: bool, context: &Context<'_>) -> Result<Self, Failure> {
        let (places, names): (Vec<String>, Vec<String>) =
            words.iter().cloned().partition(|word| word.contains('/'));
        if let [_, second, ..] = places.as_slice() {
            return Err(Failure::new(
                Class::Usage,
                format!("two places are given, `{second}` is the second"),
            )
            .hint("name one place at a time"));
        }
        if all && !names.is_empty() {
            return Err(Failure::new(Class::Usage, "either `--all` or names, not both"));
        }
        let place = match places.first() {
            Some(place) => Some(layers::place(place)?),
            None => layers::source(None, context)?,
        };
        Ok(Self { names, all, place })
    }

    /// The keys of the layers, and where each of them is: by what was typed, else by its profile, else by all profiles of the
    /// project that say it. A word that is no profile is a key, or `find` knows it.
    fn layers(
        &self,
        find: impl Fn(&str) -> Result<String, Failure>,
        context: &Context<'_>,
    ) -> Result<Vec<(String, Reference)>, Failure> {
        let mut keys = if self.all { keys_of(&Selection::All, context)? } else { Vec::new() };
        for word in &self.names {
            keys.push(if is_profile(word, context) {
                key_of_profile(word, context)?
            } else {
                (find(word)?, None)
            });
        }
        let mut found: Vec<(String, Reference)> = Vec::new();
        for (key, of_profile) in keys {
            let place = match (&self.place, of_profile) {
                (Some(place), _) => place.clone(),
                (None, Some(place)) => layers::place(&place)?,
                (None, None) => layers::place(&place_of_project(context)?.ok_or(LayerError::NoPlace)?)?,
            };
            if place.tag().is_some() && found.iter().any(|(_, other)| *other == place) {
                return Err(one_tag(&place));
            }
            found.push((key, place));
        }
        Ok(found)
    }
}

/// The place that the profiles of the project name, if they name one and the same.
fn place_of_project(context: &Context<'_>) -> Result<Option<String>, Failure> {
    if !context.in_project("profiles").is_dir() || hosts::buildable(context)?.is_empty() {
        return Ok(None);
    }
    let hosts = hosts::select(&Selection::All, context)?;
    let mut places: Vec<String> = hosts.into_iter().filter_map(|host| host.layers).collect();
    places.sort();
    places.dedup();
    Ok(places.pop().filter(|_| places.is_empty()))
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
    if is_profile(word, context) {
        key_of_profile(word, context).map(|(key, _)| key)
    } else {
        layers::find(word, context)
    }
}

fn is_profile(word: &str, context: &Context<'_>) -> bool {
    context.in_project(format!("profiles/{word}.toml")).is_file()
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

/// The keys of the layers that profiles want, and where these say that layers are. Nothing is resolved: the lock has to fit.
fn keys_of(selection: &Selection, context: &Context<'_>) -> Result<Vec<(String, Option<String>)>, Failure> {
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

/// The key of the layer that a profile wants, and where it says that layers are.
fn key_of_profile(name: &str, context: &Context<'_>) -> Result<(String, Option<String>), Failure> {
    let keys = keys_of(&Selection::Named(vec![name.to_owned()]), context)?;
    keys.into_iter().next().ok_or_else(|| {
        Failure::new(Class::Profile, format!("profile `{name}` asks nothing of packages: it has no layer"))
            .hint("`[packages]` in the profile or an overlay asks for packages")
    })
}
