//! Layers of blocks from the cache, or made anew: the golden layer of a host (step 11), and the blocks of a baked layer
//! (step 9), which lie below it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pimg_disk::block::BlockRead;
use pimg_disk::overlay::{self, Layer};
use pimg_fetch::digest::Sha256Digest;

use crate::command::Context;
use crate::failure::{Class, Failure};
use crate::host::HostError;
use crate::host::layers::LayerFiles;
use crate::image::golden::GoldenInputs;
use crate::image::store::FileStore;

/// What a layer is made from, which is all that decides its bytes.
pub(super) trait Ingredients {
    /// The layer's name: a digest of all that.
    fn key(&self) -> Sha256Digest;
    /// What it is, for people.
    fn what(&self) -> &'static str;
    /// How much goes into it, such as `12 changes`.
    fn count(&self) -> String;
    /// Makes it: writes it to `out`, and blocks to `store` before that.
    fn make(&self, store: FileStore, out: &mut dyn Write, context: &Context<'_>) -> Result<(), Failure>;
    /// Opens what was made.
    fn open(&self, device: Arc<dyn BlockRead>) -> Result<Layer, overlay::Error>;
}

impl Ingredients for GoldenInputs<'_> {
    fn key(&self) -> Sha256Digest {
        GoldenInputs::key(self)
    }

    fn what(&self) -> &'static str {
        "golden layer"
    }

    fn count(&self) -> String {
        format!("{} changes", GoldenInputs::count(self))
    }

    fn make(&self, store: FileStore, out: &mut dyn Write, context: &Context<'_>) -> Result<(), Failure> {
        Ok(GoldenInputs::make(self, store, out, context.reporter)?)
    }

    fn open(&self, device: Arc<dyn BlockRead>) -> Result<Layer, overlay::Error> {
        GoldenInputs::open(self, device)
    }
}

/// The layers of a build: those in the cache, and those that are open.
pub(super) struct KeptLayers {
    files: LayerFiles,
    open: Mutex<BTreeMap<Sha256Digest, Arc<Layer>>>,
}

impl KeptLayers {
    /// The layers in this cache.
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
    pub(super) fn get(&self, inputs: &dyn Ingredients, context: &Context<'_>) -> Result<Arc<Layer>, Failure> {
        let known = self.known().get(&inputs.key()).cloned();
        let (layer, how) = match known {
            Some(layer) => (layer, "reused"),
            None => match self.cached(inputs, context)? {
                Some(layer) => (layer, "reused"),
                None => self.make_alone(inputs, context)?,
            },
        };
        self.known().insert(inputs.key(), Arc::clone(&layer));
        let task = context.reporter.begin(inputs.what(), None);
        let mib = layer.stored_bytes().div_ceil(1 << 20);
        context.reporter.finish(task, &format!("{how} ({}, {mib} MiB)", inputs.count()));
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
        inputs: &dyn Ingredients,
        context: &Context<'_>,
    ) -> Result<bool, Failure> {
        let is_damaged = self.forget_if_damaged(inputs.key())?;
        if is_damaged {
            say_damaged(inputs.what(), "a block of it has changed", context);
        }
        Ok(is_damaged)
    }

    /// Throws the layer of this name away if a block of it was found to be damaged: whether it was.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(super) fn forget_if_damaged(&self, key: Sha256Digest) -> Result<bool, Failure> {
        let mut open = self.known();
        if !open.get(&key).is_some_and(|layer| layer.is_damaged()) {
            return Ok(false);
        }
        open.remove(&key);
        self.files.forget(&key.to_string())?;
        Ok(true)
    }

    /// Makes the layer while nobody else does, unless somebody else just did.
    fn make_alone(
        &self,
        inputs: &dyn Ingredients,
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
    fn cached(&self, inputs: &dyn Ingredients, context: &Context<'_>) -> Result<Option<Arc<Layer>>, Failure> {
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
                say_damaged(inputs.what(), &error.to_string(), context);
                Ok(None)
            }
        }
    }

    fn make(&self, inputs: &dyn Ingredients, context: &Context<'_>) -> Result<Arc<Layer>, Failure> {
        let directory = self.files.directory();
        let store =
            FileStore::in_directory(directory).map_err(HostError::file("create a file in", directory))?;
        let mut file = self.files.unfinished()?;
        inputs.make(store, &mut file, context)?;
        let file = self.files.publish(&inputs.key().to_string(), file)?;
        let unreadable = |error| {
            let message = format!("the {} that was just made cannot be read", inputs.what());
            Failure::caused_by(Class::Internal, message, error)
        };
        Ok(Arc::new(inputs.open(file.device).map_err(unreadable)?))
    }
}

fn say_damaged(what: &str, why: &str, context: &Context<'_>) {
    context.reporter.notice(&format!("the {what} in the cache is damaged and is made again: {why}"));
}
