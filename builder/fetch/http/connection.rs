//! One request on a thread of its own, so that a stalled server cannot keep an interrupted pimg waiting.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use reqwest::blocking::{Client, Request};

use super::answer::Answer;
use crate::error::{Cause, Error, Result};
use crate::watch::Watch;

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// What comes over a connection: an answer, bytes, and an end.
#[derive(Debug)]
pub(super) enum Event {
    Answer(Answer),
    Bytes(Vec<u8>),
    End,
    Failed(Cause),
}

/// A request under way. Its thread ends by itself soon after this value: at the latest when the server stalls.
#[derive(Debug)]
pub(super) struct Connection {
    events: Receiver<Event>,
}

impl Connection {
    pub(super) fn start(client: Client, request: Request) -> Self {
        let (sender, events) = sync_channel(4);
        thread::spawn(move || {
            // a failed send means that nobody listens any more
            let _ = sender.send(match run(&client, request, &sender) {
                Ok(()) => Event::End,
                Err(cause) => Event::Failed(cause),
            });
        });
        Self { events }
    }

    /// The next event.
    ///
    /// # Errors
    /// `Interrupted`.
    pub(super) fn next(&mut self, watch: &dyn Watch) -> Result<Event> {
        loop {
            if watch.interrupted() {
                return Err(Error::Interrupted);
            }
            match self.events.recv_timeout(Duration::from_millis(50)) {
                Ok(event) => return Ok(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Event::End),
            }
        }
    }
}

fn run(client: &Client, request: Request, events: &SyncSender<Event>) -> Result<(), Cause> {
    let mut response = client.execute(request).map_err(reqwest::Error::without_url)?;
    let answer = Answer { status: response.status().as_u16(), headers: response.headers().clone() };
    let mut listening = events.send(Event::Answer(answer)).is_ok();
    while listening {
        let mut bytes = vec![0; CHUNK];
        let count = match response.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if count == 0 {
            break;
        }
        bytes.truncate(count);
        listening = events.send(Event::Bytes(bytes)).is_ok();
    }
    Ok(())
}
