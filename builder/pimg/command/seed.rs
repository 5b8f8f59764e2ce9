//! `pimg seed`

use super::outcome::SeedOutcome;
use super::request::{SeedRequest, Selection};
use super::{Context, hosts};
use crate::failure::{Class, Failure};
use crate::guest::seed_bundle::{ARCHIVE, NOTE, Note, archive};
use crate::host::secrets::Resolver;
use crate::host::seed;
use crate::image::boot_target::BootTarget;
use crate::pipeline::{HostSecrets, Identities};
use crate::profile::host::HostSpec;

/// Puts a host's secrets on the boot partition of a card or image that was built without any.
///
/// # Errors
/// The partition is of another host, or was built from another seed; a secret cannot be had.
pub fn run(request: &SeedRequest, context: &Context<'_>) -> Result<SeedOutcome, Failure> {
    let selected = hosts::select(&Selection::Named(vec![request.profile.clone()]), context)?;
    let [host] = selected.as_slice() else {
        return Err(Failure::new(Class::Internal, "one profile became several hosts"));
    };
    let target = BootTarget::open(&request.target)?;
    let shown = request.target.display().to_string();
    let note = target.read(NOTE)?.and_then(|text| Note::parse(&String::from_utf8_lossy(&text)));
    let note = note.ok_or_else(|| {
        let message =
            format!("`{shown}` is no boot partition of an image without secrets: it has no `{NOTE}`");
        Failure::new(Class::Usage, message)
            .hint("name the partition `bootfs` of a card with an image of `pimg build --release`")
            .hint("an image that was built without `--release` has its secrets already")
    })?;
    require_same_host(&note, host, &shown)?;
    let seed_file = seed::path(&context.project, host.seed_name());
    if !seed_file.exists() {
        let message = format!("there is no `{}`, from which the host's keys derive", seed_file.display());
        return Err(Failure::new(Class::Host, message).hint("copy it from where the image was built"));
    }
    let identities = Identities::load(&selected, context)?;
    let keys = identities.of(host)?.keys.get(&host.hostname);
    let keys = keys.ok_or_else(|| Failure::new(Class::Internal, "a host has no keys"))?;
    if note != Note::of(host, keys) {
        let message = format!("`{shown}` was built from another seed than `{}`", seed_file.display());
        return Err(Failure::new(Class::Trust, message).hint("use the project that it was built in"));
    }
    let resolver = Resolver::new(&context.project, context.environment);
    let secrets = HostSecrets::resolve(host, &resolver, context)?;
    let archive = archive(host, keys, &secrets.files, secrets.password_hash.as_ref())
        .map_err(|error| Failure::caused_by(Class::Internal, "cannot pack the secrets", error))?;
    target.replace(ARCHIVE, archive.expose())?;
    if target.is_image_file() {
        let text =
            format!("`{shown}` holds secrets now, and no longer fits its digest file: give it to nobody");
        context.reporter.notice(&text);
    }
    let mut names: Vec<String> = secrets.files.iter().map(|secret| secret.name.clone()).collect();
    names.extend(secrets.password_hash.iter().map(|_| "user.password_hash".to_owned()));
    Ok(SeedOutcome { host: host.hostname.to_string(), target: request.target.clone(), secrets: names })
}

fn require_same_host(note: &Note, host: &HostSpec, shown: &str) -> Result<(), Failure> {
    if note.profile == host.profile && note.hostname == host.hostname.as_str() {
        return Ok(());
    }
    let message = format!(
        "`{shown}` was built for `{}` (profile `{}`), not for `{}` (profile `{}`)",
        note.hostname, note.profile, host.hostname, host.profile
    );
    Err(Failure::new(Class::Usage, message).hint(format!("`pimg seed --profile {} …`", note.profile)))
}
