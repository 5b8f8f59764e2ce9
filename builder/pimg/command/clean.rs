//! `pimg clean`

use std::path::Path;
use std::time::SystemTime;

use super::Context;
use super::outcome::{CleanOutcome, Removed};
use super::request::CleanRequest;
use crate::failure::Failure;
use crate::host::HostError;
use crate::host::cache::CacheDir;
use crate::host::{env, files, staging};
use crate::image::os_list::{DOUBLE_CLICK, ICON, LIST};
use crate::image::release::{RELEASE, is_part};

/// Removes what builds made: the cache or what of it was not used for long, the images with what interrupted builds left beside them.
///
/// Of `out/` only directories go that hold a manifest of pimg, and the lists and the release made of them; anything else
/// stays.
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
        let directories = files::list_directories(&out)?;
        for path in directories.into_iter().filter(|path| path.join("manifest.json").is_file()) {
            context.check_interrupt()?;
            let size = files::remove_tree(&path)?;
            removed.push(Removed { path, size });
        }
        removed.extend(lists_and_release(&out)?);
    }
    let freed = removed.iter().map(|removed| removed.size).sum();
    Ok(CleanOutcome { removed, freed })
}

/// What is made of built images in `out`: the lists for Raspberry Pi Imager, and a release that holds nothing else.
fn lists_and_release(out: &Path) -> Result<Vec<Removed>, HostError> {
    let mut removed = Vec::new();
    for name in [LIST, DOUBLE_CLICK, ICON] {
        let path = out.join(name);
        removed.extend(files::remove_file(&path)?.map(|size| Removed { path, size }));
    }
    let path = out.join(RELEASE);
    let names = files::list_names(&path)?;
    let is_release = names.iter().all(|(name, is_file)| *is_file && name.to_str().is_some_and(is_part));
    if is_release && !names.is_empty() {
        let size = files::remove_tree(&path)?;
        removed.push(Removed { path, size });
    }
    Ok(removed)
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
        fs::write(at("out/os_list.json"), "{}")?;
        fs::create_dir_all(at("out/release"))?;
        fs::write(at("out/release/os_list.json"), "{}")?;
        fs::write(at("out/release/notes.txt"), "mine")?;
        drop(CacheDir::open(&at("cache"))?);
        let environment = Environment::new([("PIMG_CACHE", at("cache"))]);
        let context =
            Context { reporter: &Silent, environment: &environment, project: project.path().to_path_buf() };

        let request = CleanRequest { cache: false, older_than: None, out: true };
        let outcome = run(&request, &context).expect("nothing is in use");
        assert_eq!(outcome.removed.len(), 2);
        assert!(!at("out/os_list.json").exists() && at("out/release/os_list.json").exists());
        assert!(
            !at("out/node-a").exists() && at("out/mine/notes.txt").exists() && at("out/.gitkeep").exists()
        );
        assert!(at("cache").exists());
        fs::remove_file(at("out/release/notes.txt"))?;
        assert_eq!(run(&request, &context).expect("nothing is in use").removed.len(), 1);
        assert!(!at("out/release").exists());

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
