//! `pimg test`

mod after;
mod images;
mod prepare;
mod report;
mod run;
mod show;

use std::time::Duration;

use self::prepare::{Bench, Prepared};
use super::Context;
use super::outcome::TestOutcome;
use super::request::TestRequest;
use crate::failure::{Class, Failure};
use crate::host::cache::CacheDir;
use crate::host::scratch::Scratch;
use crate::host::{HostError, env, tools};
use crate::machine::MachineError;
use crate::machine::qemu::PROGRAM;

/// How long QEMU may take to say its version.
const PATIENCE: Duration = Duration::from_secs(60);

/// Boots images until their nodes are finished, and looks at what came out.
///
/// # Errors
/// There is nothing to boot, or nothing to boot it with. What goes wrong in the nodes is in the outcome.
pub fn run(request: &TestRequest, context: &Context<'_>) -> Result<TestOutcome, Failure> {
    let images = images::find(request, context)?;
    let qemu = qemu_version(context)?;
    let seed = (request.power_cuts > 0).then(|| request.seed.unwrap_or_else(drawn_seed));
    if let Some(seed) = seed {
        context.reporter.notice(&format!("power cuts by the seed {seed}: `--seed {seed}` repeats them"));
    }
    let cache = CacheDir::open(&context.environment.cache_dir().ok_or(HostError::NoCacheDir)?)?;
    let scratch = Scratch::new(cache.path(), request.hardware.keep.as_deref())?;
    let bench = Bench { request, context, scratch: &scratch, cache: cache.path() };
    let prepared = images.iter().enumerate().map(|(index, image)| bench.prepare(index, image, seed));
    let prepared = prepared.collect::<Result<Vec<Prepared>, Failure>>()?;
    let ended = run::run(&bench, prepared)?;
    report::report(&bench, ended, qemu, seed)
}

/// The first line of what QEMU says about itself.
fn qemu_version(context: &Context<'_>) -> Result<String, Failure> {
    let command = [PROGRAM, "--version"].map(str::to_owned);
    let told = match tools::run(&command, &context.project, PATIENCE) {
        Err(tools::ToolError::Start { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(MachineError::NoQemu(PROGRAM).into());
        }
        told => told?,
    };
    let text = String::from_utf8_lossy(&told);
    let line = text.lines().next().unwrap_or_default();
    let version = line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    version.map(str::to_owned).ok_or_else(|| {
        Failure::new(Class::Host, format!("`{PROGRAM} --version` does not say its version: {line}"))
    })
}

/// A seed that is another one each time, and short enough to be typed.
fn drawn_seed() -> u64 {
    let since = env::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_nanos()) ^ (since.as_secs() & 0xffff)
}
