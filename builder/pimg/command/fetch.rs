//! `pimg fetch`

use super::outcome::FetchOutcome;
use super::request::FetchRequest;
use super::{Context, hosts};
use crate::failure::Failure;
use crate::packages::{Network, Update};
use crate::pipeline::{Preparation, prepare};

/// Gets everything that the lock names into the cache, and into a vault where one is named.
///
/// # Errors
/// Something cannot be had, or is not what the lock names.
pub fn run(request: &FetchRequest, context: &Context<'_>) -> Result<FetchOutcome, Failure> {
    let mut selected = hosts::select(&request.hosts, context)?;
    hosts::override_base(&mut selected, request.base.as_deref())?;
    let network = Network::open(&request.packages, context)?;
    let update = if request.locked { Update::Locked } else { Update::Keep };
    let preparation = Preparation { hosts: &selected, update, options: &request.packages };
    let prepared = prepare(&preparation, &network, context)?;
    let fetched = prepared.fetch(&network)?;
    prepared.fetch_published(&network, context)?;
    if let Some(directory) = &request.vault {
        prepared.fill_vault(directory, &fetched, &network, context)?;
    }
    let size = fetched.iter().filter_map(|one| one.size).sum();
    Ok(FetchOutcome { files: fetched.len(), size, vault: request.vault.clone() })
}
