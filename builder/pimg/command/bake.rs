//! `pimg bake`

use super::outcome::{BakeOutcome, BakedLayer};
use super::request::{BakeRequest, Selection};
use super::{Context, hosts};
use crate::failure::{Class, Failure};
use crate::host::env;
use crate::packages::{Network, Update};
use crate::pipeline::{BakedSet, Preparation, bake_hosts, prepare};

/// Installs the locked packages of profiles into layers over their bases, and builds no image.
///
/// # Errors
/// Something cannot be had, or does not install.
pub fn run(request: &BakeRequest, context: &Context<'_>) -> Result<BakeOutcome, Failure> {
    let started = env::now();
    let mut selected = hosts::select(&request.hosts, context)?;
    if request.hosts == Selection::All {
        selected.retain(|host| host.bake);
        if selected.is_empty() {
            return Err(Failure::new(Class::Profile, "no profile with a `hostname` says `bake = true`")
                .hint("`pimg bake PROFILE` bakes for a profile whatever it says"));
        }
    }
    hosts::override_base(&mut selected, request.base.as_deref())?;
    let network = Network::open(&request.packages, context)?;
    let update = if request.locked { Update::Locked } else { Update::Keep };
    let preparation = Preparation { hosts: &selected, update, options: &request.packages };
    let mut prepared = prepare(&preparation, &network, context)?;
    prepared.fetch(&network)?;
    let layers = bake_hosts(&mut prepared, &network, context)?;
    let baked: Vec<&String> = layers.iter().flat_map(|set| &set.hosts).collect();
    let names = selected.iter().map(|host| host.hostname.to_string());
    let without = names.filter(|name| !baked.contains(&name)).collect();
    let elapsed = started.elapsed().unwrap_or_default();
    Ok(BakeOutcome { layers: layers.into_iter().map(told).collect(), without, elapsed })
}

fn told(set: BakedSet) -> BakedLayer {
    let BakedSet { layer, hosts, directory, is_new } = set;
    BakedLayer {
        key: layer.key,
        hosts,
        packages: layer.packages.len(),
        entries: layer.entries,
        size: layer.layer_size,
        content_size: layer.content_size,
        sha256: layer.layer_sha256,
        emulator: layer.emulator,
        directory,
        is_new,
    }
}
