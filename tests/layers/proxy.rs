//! A network that breaks: a loopback port in front of a server, which counts what the server answers and cuts it off.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Never cut off.
const ALL: u64 = u64::MAX;

/// The port, until the test ends.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    limits: Arc<Limits>,
}

struct Limits {
    /// Bytes of answers that were passed on.
    passed: AtomicU64,
    /// Most bytes that are passed on to one connection.
    each: AtomicU64,
    /// Most bytes that are passed on at all: then there is no network any more.
    total: AtomicU64,
}

impl Proxy {
    /// Passes everything on to this port.
    pub(crate) fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let limits = Arc::new(Limits {
            passed: AtomicU64::new(0),
            each: AtomicU64::new(ALL),
            total: AtomicU64::new(ALL),
        });
        let proxy = Self { port: listener.local_addr().expect("bound").port(), limits: Arc::clone(&limits) };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let limits = Arc::clone(&limits);
                std::thread::spawn(move || limits.serve(&client, &server));
            }
        });
        proxy
    }

    /// Host and port.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Bytes of answers that were passed on so far.
    pub(crate) fn passed(&self) -> u64 {
        self.limits.passed.load(Ordering::SeqCst)
    }

    /// Cuts off each connection after so many bytes.
    pub(crate) fn cuts_after(&self, bytes: u64) {
        self.limits.each.store(bytes, Ordering::SeqCst);
    }

    /// Is gone after so many bytes more.
    pub(crate) fn dies_after(&self, bytes: u64) {
        self.limits.total.store(self.passed() + bytes, Ordering::SeqCst);
    }

    /// Passes everything on again.
    pub(crate) fn heals(&self) {
        self.limits.each.store(ALL, Ordering::SeqCst);
        self.limits.total.store(ALL, Ordering::SeqCst);
    }
}

impl Limits {
    fn serve(&self, client: &TcpStream, server: &TcpStream) {
        let (mut from, mut to) = (client, server);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = server.shutdown(Shutdown::Write);
            });
            self.answer(server, client);
            for end in [client, server] {
                let _ = end.shutdown(Shutdown::Both);
            }
        });
    }

    fn answer(&self, mut server: &TcpStream, mut client: &TcpStream) {
        let (mut piece, mut here) = (vec![0; 16 << 10], 0_u64);
        while let Ok(count @ 1..) = server.read(&mut piece) {
            let left = self.each.load(Ordering::SeqCst).saturating_sub(here);
            let left = left
                .min(self.total.load(Ordering::SeqCst).saturating_sub(self.passed.load(Ordering::SeqCst)));
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(count);
            if count == 0 || client.write_all(&piece[..count]).is_err() {
                return;
            }
            here += count as u64;
            self.passed.fetch_add(count as u64, Ordering::SeqCst);
        }
    }
}
