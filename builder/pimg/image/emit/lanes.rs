//! The workers: pieces go in on one side and come out, encoded, on the other.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use super::{EmitError, FrameEncoder};

/// Pieces that one worker is given ahead.
pub(super) const AHEAD: usize = 2;

/// One worker; what comes out has the order of what went in.
pub(super) struct Lane {
    work: SyncSender<Arc<Vec<u8>>>,
    results: Receiver<io::Result<Vec<u8>>>,
}

impl Lane {
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        mut encoder: Box<dyn FrameEncoder>,
    ) -> Self {
        let (work, incoming) = sync_channel::<Arc<Vec<u8>>>(AHEAD);
        let (outgoing, results) = sync_channel(AHEAD);
        scope.spawn(move || {
            for piece in incoming {
                if outgoing.send(encoder.encode(&piece)).is_err() {
                    return; // the build has stopped
                }
            }
        });
        Self { work, results }
    }

    pub(super) fn give(&self, piece: Arc<Vec<u8>>) -> Result<(), EmitError> {
        self.work.send(piece).map_err(|_| EmitError::worker())
    }

    pub(super) fn take(&self) -> Result<Vec<u8>, EmitError> {
        Ok(self.results.recv().map_err(|_| EmitError::worker())??)
    }
}
