//! The only place that knows of an asynchronous runtime: futures in, results out.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::error::{Error, Result};
use crate::watch::Watch;

/// Time between two looks whether somebody wants to stop.
const PATIENCE: Duration = Duration::from_millis(50);

/// A runtime in the caller's thread.
#[derive(Debug)]
pub(super) struct Runtime(tokio::runtime::Runtime);

impl Runtime {
    pub(super) fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self(runtime.map_err(Error::Host)?))
    }

    /// Waits for a future, or until somebody asks to stop: then it is dropped where it stands.
    ///
    /// # Errors
    /// `Interrupted`, and what the future fails with.
    pub(super) fn run<T>(&self, watch: &dyn Watch, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.run_telling(watch, || {}, work)
    }

    /// The same, and tells now and then how far it is.
    pub(super) fn run_telling<T>(
        &self,
        watch: &dyn Watch,
        mut tell: impl FnMut(),
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let stop = async {
            while !watch.interrupted() {
                tell();
                tokio::time::sleep(PATIENCE).await;
            }
        };
        self.0.block_on(async {
            match select(pin!(work), pin!(stop)).await {
                Either::Left((done, _)) => done,
                Either::Right(_) => Err(Error::Interrupted),
            }
        })
    }
}
