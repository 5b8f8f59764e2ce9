//! `pimg plan`

use super::outcome::{Layer, PlanOutcome, PlannedAction, PlannedChange, PlannedLayer};
use super::request::{PlanRequest, Selection};
use super::{Context, hosts};
use crate::failure::{Class, Failure};
use crate::host::secrets::Resolver;
use crate::image::manifest::ChangeEntry;
use crate::packages::{Network, Update};
use crate::pipeline::{CheckedBase, HostSecrets, Identities, Preparation, find_baked, plan_host, prepare};
use crate::plan::change::{Action, Change, Ownership, Partition};
use crate::plan::layers::Layered;

/// Tells every change that a build of one host would make.
///
/// # Errors
/// What would keep a build from making it.
pub fn run(request: &PlanRequest, context: &Context<'_>) -> Result<PlanOutcome, Failure> {
    let selection = Selection::Named(vec![request.profile.clone()]);
    let mut selected = hosts::load(&selection, &request.ssh_keys, context)?;
    hosts::override_base(&mut selected, request.base.as_deref())?;
    hosts::override_bake(&mut selected, request.bake);
    let network = Network::open(&request.packages, context)?;
    let preparation = Preparation { hosts: &selected, update: Update::Keep, options: &request.packages };
    let mut prepared = prepare(&preparation, &network, context)?;
    let missing = find_baked(&mut prepared, &network, context)?;
    let [host] = prepared.hosts.as_slice() else {
        return Err(Failure::new(Class::Internal, "one profile became several hosts"));
    };
    let identities = Identities::load(&selected, context)?;
    let obtained = host.obtain(&prepared.lock, &network)?;
    let resolver = Resolver::new(&context.project, context.environment);
    let secrets = HostSecrets::resolve(host.host, &resolver, context)?;
    let planned = plan_host(host, &obtained, &identities, Some(&secrets), context)?;
    Ok(PlanOutcome {
        host: host.host.hostname.to_string(),
        raw_size: Some(planned.image_length),
        baked: baked_layer(&host.base, missing, context),
        changes: planned_changes(&planned.changes),
    })
}

/// The layer below the changes, and a word where it is not there to be looked at.
fn baked_layer(
    base: &CheckedBase,
    missing: Vec<(String, String)>,
    context: &Context<'_>,
) -> Option<PlannedLayer> {
    if let Some(baked) = &base.baked {
        return Some(PlannedLayer { key: baked.layer.key.clone(), is_cached: true });
    }
    let (host, key) = missing.into_iter().next()?;
    context.reporter.notice(&format!(
        "the layer with the packages of `{host}` is not in the cache: `pimg bake {host}` makes it. This is the plan without it"
    ));
    Some(PlannedLayer { key, is_cached: false })
}

/// In the order in which they are made: the layer that all hosts share, then the host's own.
fn planned_changes(changes: &Layered) -> Vec<PlannedChange> {
    let golden = changes.golden().changes().iter().map(|change| planned_change(change, Layer::Golden));
    golden.chain(changes.host().iter().map(|change| planned_change(change, Layer::Host))).collect()
}

fn planned_change(change: &Change, layer: Layer) -> PlannedChange {
    let entry = ChangeEntry::new(change);
    let (action, ownership) = match &change.action {
        Action::PutFile { ownership, .. } => (PlannedAction::PutFile, Some(*ownership)),
        Action::MakeDir { ownership } => (PlannedAction::MakeDir, Some(*ownership)),
        Action::Symlink { .. } => (PlannedAction::Symlink, None),
        Action::Remove => (PlannedAction::Remove, None),
        Action::SetOwnership { ownership } => (PlannedAction::SetOwnership, Some(*ownership)),
    };
    PlannedChange {
        partition: change.partition,
        action,
        path: entry.path,
        ownership: ownership.filter(|_: &Ownership| change.partition == Partition::Root),
        size: entry.size,
        sha256: entry.sha256,
        target: entry.target,
        secret: entry.secret,
        origin: entry.origin,
        layer,
    }
}
