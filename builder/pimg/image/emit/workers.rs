//! The workers: who is free takes the next piece, for pieces that compress take ten times as long as those that do not.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use super::{EmitError, FrameEncoder};

/// Pieces on their way, for each worker: one that it has, and one that waits for it.
pub(super) const AHEAD: usize = 2;

/// A piece, and where its frame goes.
struct Work {
    piece: Arc<Vec<u8>>,
    frame: SyncSender<io::Result<Vec<u8>>>,
}

/// A frame that somebody makes.
pub(super) struct Promise(Receiver<io::Result<Vec<u8>>>);

impl Promise {
    pub(super) fn wait(&self) -> Result<Vec<u8>, EmitError> {
        Ok(self.0.recv().map_err(|_| EmitError::worker())??)
    }
}

/// Threads that turn pieces into frames.
pub(super) struct Workers {
    work: SyncSender<Work>,
    count: usize,
}

impl Workers {
    /// One thread for each encoder.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        encoders: Vec<Box<dyn FrameEncoder>>,
    ) -> Self {
        let count = encoders.len();
        let (work, incoming) = sync_channel(count * AHEAD);
        let incoming = Arc::new(Mutex::new(incoming));
        for encoder in encoders {
            let incoming = Arc::clone(&incoming);
            scope.spawn(move || encode_all(encoder, &incoming));
        }
        Self { work, count }
    }

    /// How many pieces should be on their way, so that nobody waits for work.
    pub(super) fn in_flight(&self) -> usize {
        self.count * AHEAD + 1
    }

    pub(super) fn give(&self, piece: Arc<Vec<u8>>) -> Result<Promise, EmitError> {
        let (frame, promised) = sync_channel(1);
        self.work.send(Work { piece, frame }).map_err(|_| EmitError::worker())?;
        Ok(Promise(promised))
    }
}

fn encode_all(mut encoder: Box<dyn FrameEncoder>, incoming: &Mutex<Receiver<Work>>) {
    loop {
        let next = incoming.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Work { piece, frame }) = next else { return };
        let made = encoder.encode(&piece);
        drop(piece);
        if frame.send(made).is_err() {
            return; // the build has stopped
        }
    }
}
