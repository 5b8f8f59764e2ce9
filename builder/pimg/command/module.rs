//! `pimg module`

use std::collections::BTreeMap;

use super::outcome::{BuiltModule, ModuleOutcome};
use super::request::ModuleRequest;
use super::{Context, hosts};
use crate::failure::{Class, Failure};
use crate::host::files;
use crate::packages::{Network, Update, fetch_modules};
use crate::pipeline::{Preparation, prepare};

/// Builds the modules that the hosts ask for, unless the cache has them, puts their packages into a directory, and notes
/// them in the lock.
///
/// # Errors
/// No host asks for one; what a module is built of cannot be had; a build fails or gives what does not fit the kernel. The
/// lock is then as it was.
pub fn run(request: &ModuleRequest, context: &Context<'_>) -> Result<ModuleOutcome, Failure> {
    let ModuleRequest::Build { hosts: selection, base, out, url, packages } = request;
    let mut selected = hosts::select(selection, context)?;
    hosts::override_base(&mut selected, base.as_deref())?;
    let network = Network::open(packages, context)?;
    let preparation = Preparation { hosts: &selected, update: Update::Keep, options: packages };
    let mut prepared = prepare(&preparation, &network, context)?;
    let mut found = BTreeMap::new();
    for host in &prepared.hosts {
        for module in fetch_modules(host.host, &prepared.lock, &host.base.image, &network)? {
            found.insert(module.module.sha256.clone(), module);
        }
    }
    if found.is_empty() {
        return Err(Failure::new(Class::Profile, "no profile here asks for a module that is built ahead")
            .hint("set `module = \"prebuilt\"` in `[vars.zfs]`, with the overlay `zfs`"));
    }
    let out = out.clone().unwrap_or_else(|| context.in_project("out/modules"));
    let mut modules = Vec::new();
    for module in found.into_values() {
        let file = out.join(&module.module.file);
        let bytes = files::read_optional(&module.path, u64::MAX)?.unwrap_or_default();
        files::write_if_changed(&file, &bytes)?;
        let url = url.as_deref().map(|url| format!("{}/{}", url.trim_end_matches('/'), module.module.file));
        for locked in prepared.lock.module.iter_mut().filter(|one| one.sha256 == module.module.sha256) {
            if url.is_some() && locked.url != url {
                locked.url.clone_from(&url);
                prepared.changed = true;
                prepared.written = false;
            }
        }
        let url = url.or_else(|| module.module.url.clone());
        let module = module.module;
        modules.push(BuiltModule {
            name: module.name,
            version: module.version,
            kernel: module.kernel,
            zfs: module.zfs,
            compiler: module.compiler,
            file,
            url,
            size: module.size,
            sha256: module.sha256,
        });
    }
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    if prepared.changed && !prepared.written {
        prepared.write_lock(context)?;
    }
    Ok(ModuleOutcome { modules, lock: context.in_project("pimg.lock"), written: prepared.written })
}
