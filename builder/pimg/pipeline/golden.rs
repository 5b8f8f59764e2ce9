//! Step 10: the golden layer of a host, from the cache or made anew.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pimg_disk::overlay::Layer;
use pimg_fetch::digest::Sha256Digest;

use crate::command::Context;
use crate::failure::{Class, Failure};
use crate::host::HostError;
use crate::host::layers::LayerFiles;
use crate::image::golden::GoldenInputs;
use crate::image::store::FileStore;

/// The golden layers of a build: those in the cache, and those that are open.
pub(super) struct GoldenLayers {
    files: LayerFiles,
    open: Mutex<BTreeMap<Sha256Digest, Arc<Layer>>>,
}

impl GoldenLayers {
    /// The golden layers in this cache.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub(super) fn open(cache: &Path) -> Result<Self, HostError> {
        Ok(Self { files: LayerFiles::open(cache)?, open: Mutex::default() })
    }

    /// The layer of these inputs. Where another process makes it, that is waited for.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn get(
        &self,
        inputs: &GoldenInputs<'_>,
        context: &Context<'_>,
    ) -> Result<Arc<Layer>, Failure> {
        let known = self.known().get(&inputs.key()).cloned();
        let (layer, how) = match known {
            Some(layer) => (layer, "reused"),
            None => match self.cached(inputs, context)? {
                Some(layer) => (layer, "reused"),
                None => self.make_alone(inputs, context)?,
            },
        };
        self.known().insert(inputs.key(), Arc::clone(&layer));
        let task = context.reporter.begin("golden layer", None);
        let mib = layer.stored_bytes().div_ceil(1 << 20);
        context.reporter.finish(task, &format!("{how} ({} changes, {mib} MiB)", inputs.count()));
        Ok(layer)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Sha256Digest, Arc<Layer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Throws the layer of these inputs away if a block of it was found to be damaged: `true` says that trying again
    /// makes sense.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(super) fn forget_damaged(
        &self,
        inputs: &GoldenInputs<'_>,
        context: &Context<'_>,
    ) -> Result<bool, Failure> {
        let mut open = self.known();
        if !open.get(&inputs.key()).is_some_and(|layer| layer.is_damaged()) {
            return Ok(false);
        }
        open.remove(&inputs.key());
        self.files.forget(&inputs.key().to_string())?;
        say_damaged("a block of it has changed", context);
        Ok(true)
    }

    /// Makes the layer while nobody else does, unless somebody else just did.
    fn make_alone(
        &self,
        inputs: &GoldenInputs<'_>,
        context: &Context<'_>,
    ) -> Result<(Arc<Layer>, &'static str), Failure> {
        let stop = || context.reporter.interrupted();
        let lock = self.files.lock(&inputs.key().to_string(), &stop)?;
        let Some(_lock) = lock else { return Err(Failure::interrupted()) };
        match self.cached(inputs, context)? {
            Some(layer) => Ok((layer, "reused")),
            None => Ok((self.make(inputs, context)?, "made")),
        }
    }

    /// The layer as the cache has it. One that is damaged is removed.
    fn cached(
        &self,
        inputs: &GoldenInputs<'_>,
        context: &Context<'_>,
    ) -> Result<Option<Arc<Layer>>, Failure> {
        let key = inputs.key().to_string();
        let Some(file) = self.files.get(&key)? else { return Ok(None) };
        let opened = inputs.open(file.device.clone()).and_then(|layer| {
            // who has touched the file may have changed any of it
            if file.is_known { Ok(layer) } else { layer.verify().map(|()| layer) }
        });
        match opened {
            Ok(layer) => {
                if !file.is_known {
                    self.files.know(&key, &file)?;
                }
                Ok(Some(Arc::new(layer)))
            }
            Err(error) => {
                self.files.forget(&key)?;
                say_damaged(&error.to_string(), context);
                Ok(None)
            }
        }
    }

    fn make(&self, inputs: &GoldenInputs<'_>, context: &Context<'_>) -> Result<Arc<Layer>, Failure> {
        let directory = self.files.directory();
        let store =
            FileStore::in_directory(directory).map_err(HostError::file("create a file in", directory))?;
        let mut file = self.files.unfinished()?;
        inputs.make(store, &mut file, context.reporter)?;
        let file = self.files.publish(&inputs.key().to_string(), file)?;
        let unreadable = |error| {
            Failure::caused_by(Class::Internal, "the golden layer that was just made cannot be read", error)
        };
        Ok(Arc::new(inputs.open(file.device).map_err(unreadable)?))
    }
}

fn say_damaged(why: &str, context: &Context<'_>) {
    context.reporter.notice(&format!("the golden layer in the cache is damaged and is made again: {why}"));
}
