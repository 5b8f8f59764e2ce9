//! A switch between machines: Ethernet frames (IEEE 802.3) over Unix datagram sockets, one a frame, each only to where
//! its receiver is.
//!
//! A hub would do, but for the router: QEMU's user network takes every frame that reaches it for its own, whatever the
//! receiver's address, and refuses connections between others in their name.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::error::HostError;

/// Longest frame that QEMU hands over in one piece, in bytes: offloaded segments are longer than an Ethernet frame.
const LONGEST_FRAME: usize = 1 << 17;

/// How long a thread waits for a frame before it looks whether it is to stop.
const LISTEN: Duration = Duration::from_millis(200);

/// How long a machine that reads nothing may hold up a frame, which is then lost, as on a wire.
const HOLD_UP: Duration = Duration::from_millis(20);

/// A socket of the switch, and where the machine at the other end listens.
#[derive(Clone, Debug)]
pub struct Port {
    /// This end; made anew.
    pub here: PathBuf,
    /// The machine's end. It need not be there yet.
    pub there: PathBuf,
    /// Whether a router listens there: it hears nothing but what is sent to it or to all.
    pub is_router: bool,
}

/// A running switch. It stops when this value goes.
#[derive(Debug)]
pub struct Switch {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

type MacBytes = [u8; 6];

struct Shared {
    ports: Vec<(Port, UnixDatagram)>,
    seen: Mutex<HashMap<MacBytes, usize>>,
}

impl Switch {
    /// Starts a switch with these ports.
    ///
    /// # Errors
    /// A socket cannot be made.
    pub fn start(ports: Vec<Port>) -> Result<Self, HostError> {
        let mut open = Vec::new();
        for port in ports {
            let socket = bind(&port.here).map_err(HostError::file("create", &port.here))?;
            open.push((port, socket));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared { ports: open, seen: Mutex::default() });
        let threads = (0..shared.ports.len()).map(|from| {
            let (stop, shared) = (Arc::clone(&stop), Arc::clone(&shared));
            thread::spawn(move || shared.serve(from, &stop))
        });
        let threads = threads.collect();
        Ok(Self { stop, threads })
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // it has nothing to tell
            let _ = thread.join();
        }
    }
}

fn bind(path: &Path) -> io::Result<UnixDatagram> {
    if path.exists() {
        fs::remove_file(path)?;
    }
    let socket = UnixDatagram::bind(path)?;
    socket.set_read_timeout(Some(LISTEN))?;
    socket.set_write_timeout(Some(HOLD_UP))?;
    Ok(socket)
}

impl Shared {
    fn serve(&self, from: usize, stop: &AtomicBool) {
        let Some((_, socket)) = self.ports.get(from) else { return };
        let mut frame = vec![0; LONGEST_FRAME];
        while !stop.load(Ordering::Relaxed) {
            if let Ok(length) = socket.recv(&mut frame) {
                self.pass_on(from, frame.get(..length).unwrap_or_default());
            }
        }
    }

    fn pass_on(&self, from: usize, frame: &[u8]) {
        let Some((&to, &sender)) =
            frame.split_first_chunk().and_then(|(to, rest)| Some((to, rest.first_chunk()?)))
        else {
            return;
        };
        let known = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(sender, from);
            seen.get(&to).copied()
        };
        for (index, (port, socket)) in self.ports.iter().enumerate() {
            if index != from && is_for(port, index, to, known) {
                // a machine that is off, or too busy to read, misses it
                let _ = socket.send_to(frame, &port.there);
            }
        }
    }
}

/// Whether a frame to `to`, which was last seen at the port `known`, goes out at `port`.
fn is_for(port: &Port, index: usize, to: MacBytes, known: Option<usize>) -> bool {
    let is_to_many = to.first().is_some_and(|byte| byte & 1 == 1);
    is_to_many || known.map_or(!port.is_router, |known| known == index)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    use super::{Port, Switch};

    fn frame(to: u8, from: u8) -> Vec<u8> {
        let address = |last| [2, 0, 0, 0, 0, last];
        [&address(to)[..], &address(from), b"hello"].concat()
    }

    #[test]
    fn frames_go_where_their_receiver_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let names = ["a", "b", "router"];
        let path = |name: &str| dir.path().join(name);
        let machines = names.map(|name| {
            let socket = UnixDatagram::bind(path(name)).expect("a socket");
            socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a limit");
            socket
        });
        let ports = names.map(|name| Port {
            here: path(&format!("{name}.hub")),
            there: path(name),
            is_router: name == "router",
        });
        let switch = Switch::start(ports.to_vec()).expect("a switch");
        let send = |from: usize, frame: &[u8]| {
            machines[from].send_to(frame, path(&format!("{}.hub", names[from]))).expect("sent");
        };
        let heard = |at: usize| {
            let mut bytes = [0; 64];
            machines[at].recv(&mut bytes).is_ok_and(|length| length > 0)
        };

        send(0, &frame(0xb, 0xa));
        assert_eq!([heard(1), heard(2)], [true, false], "a stranger is looked for, but not at the router");
        send(2, &[&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], b"who"].concat());
        assert_eq!([heard(0), heard(1)], [true, true], "what is for all reaches all");
        send(0, &frame(1, 0xa));
        assert_eq!([heard(1), heard(2)], [false, true], "the router hears what is for it");
        send(0, b"short");
        assert!(!heard(1), "what is no frame goes nowhere");
        drop(switch);
    }
}
