//! `pimg clean`

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Context;
use super::outcome::{CleanOutcome, Removed};
use super::request::CleanRequest;
use crate::failure::Failure;
use crate::host::HostError;
use crate::host::cache::CacheDir;
use crate::host::{env, files, staging};

/// Removes what builds made: the cache or what of it was not used for long, the images with what interrupted builds left beside them.
///
/// Of `out/` only directories go that hold a manifest of pimg; anything else stays.
///
/// # Errors
/// Something is in use or cannot be removed.
pub fn run(request: &CleanRequest, context: &Context<'_>) -> Result<CleanOutcome, Failure> {
    let mut removed = Vec::new();
    if request.cache {
        let path = context.environment.cache_dir().ok_or(HostError::NoCacheDir)?;
        let size = match request.older_than {
            None => CacheDir::remove(&path)?,
            // the time before all others where the clock does not reach back so far: nothing is older
            Some(age) => {
                CacheDir::clean(&path, env::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH))?
            }
        };
        if size > 0 {
            removed.push(Removed { path, size });
        }
    }
    if request.out {
        let out = context.in_project("out");
        removed.extend(staging::remove_stale(&out)?.into_iter().map(|(path, size)| Removed { path, size }));
        for path in built_images(&out)? {
            context.check_interrupt()?;
            let size = files::remove_tree(&path)?;
            removed.push(Removed { path, size });
        }
    }
    let freed = removed.iter().map(|removed| removed.size).sum();
    Ok(CleanOutcome { removed, freed })
}

/// The directories in `out` that a build published, sorted.
fn built_images(out: &Path) -> Result<Vec<PathBuf>, HostError> {
    let mut built = files::list_directories(out)?;
    built.retain(|path| path.join("manifest.json").is_file());
    Ok(built)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::run;
    use crate::command::Context;
    use crate::command::request::CleanRequest;
    use crate::host::cache::CacheDir;
    use crate::host::env::Environment;
    use crate::progress::Silent;

    #[test]
    fn removes_what_was_asked_for_and_nothing_else() -> Result<(), Box<dyn std::error::Error>> {
        let project = tempfile::tempdir()?;
        let at = |name: &str| project.path().join(name);
        fs::create_dir_all(at("out/node-a"))?;
        fs::create_dir_all(at("out/mine"))?;
        fs::write(at("out/node-a/manifest.json"), "{}")?;
        fs::write(at("out/mine/notes.txt"), "x")?;
        fs::write(at("out/.gitkeep"), "")?;
        drop(CacheDir::open(&at("cache"))?);
        let environment = Environment::new([("PIMG_CACHE", at("cache"))]);
        let context =
            Context { reporter: &Silent, environment: &environment, project: project.path().to_path_buf() };

        let request = CleanRequest { cache: false, older_than: None, out: true };
        let outcome = run(&request, &context).expect("nothing is in use");
        assert_eq!(outcome.removed.len(), 1);
        assert!(
            !at("out/node-a").exists() && at("out/mine/notes.txt").exists() && at("out/.gitkeep").exists()
        );
        assert!(at("cache").exists());

        let outcome = run(&CleanRequest { cache: true, older_than: None, out: false }, &context)
            .expect("nothing is in use");
        assert!(outcome.freed > 0 && !at("cache").exists());
        assert!(
            run(&CleanRequest { cache: true, older_than: None, out: true }, &context)
                .expect("is clean")
                .removed
                .is_empty()
        );
        Ok(())
    }
}
