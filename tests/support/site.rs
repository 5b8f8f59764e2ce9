//! Files on a web server of the loopback address: ranges, validators, a log, and a switch.
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use sha2::{Digest, Sha256};

type Files = BTreeMap<String, Arc<[u8]>>;

/// What the server's threads and the test share.
#[derive(Default)]
struct Shared {
    files: Mutex<Files>,
    asked: Mutex<Vec<String>>,
    is_off: AtomicBool,
}

/// A running server; its thread ends with the test process.
pub(crate) struct Site {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Site {
    /// An empty one, on a port of its own.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::<Shared>::default();
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&served);
                // a client that goes away early is part of the tests
                thread::spawn(move || answer(stream, &shared).ok());
            }
        });
        Self { address, shared }
    }

    /// Where a file is found.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Host and port, as they stand in messages.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Puts a file there, or another one in its place.
    pub(crate) fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        lock(&self.shared.files).insert(path.to_owned(), content.into().into());
    }

    /// A file's content.
    pub(crate) fn get(&self, path: &str) -> Arc<[u8]> {
        let files = lock(&self.shared.files);
        Arc::clone(files.get(path).unwrap_or_else(|| panic!("the site has no `{path}`")))
    }

    /// Takes every file away whose path has this in it.
    pub(crate) fn remove(&self, part: &str) {
        lock(&self.shared.files).retain(|path, _| !path.contains(part));
    }

    /// The paths that have this in them.
    pub(crate) fn paths(&self, part: &str) -> Vec<String> {
        lock(&self.shared.files).keys().filter(|path| path.contains(part)).cloned().collect()
    }

    /// Changes the one file whose path has this in it, wherever it lies: in `by-hash` as well.
    pub(crate) fn change(&self, part: &str, change: impl Fn(&mut Vec<u8>)) {
        let paths = self.paths(part);
        assert!(!paths.is_empty(), "the site has no `{part}`");
        for path in paths {
            let mut content = self.get(&path).to_vec();
            change(&mut content);
            self.put(&path, content);
        }
    }

    /// From now on every connection is cut.
    pub(crate) fn switch_off(&self) {
        self.shared.is_off.store(true, Ordering::SeqCst);
    }

    /// The paths that were asked for so far, also while it was off.
    pub(crate) fn asked(&self) -> Vec<String> {
        lock(&self.shared.asked).clone()
    }

    /// Forgets what was asked for.
    pub(crate) fn forget(&self) {
        lock(&self.shared.asked).clear();
    }

    /// The same files in a directory, for `file:` addresses.
    pub(crate) fn write_to(&self, directory: &Path) {
        for (path, content) in lock(&self.shared.files).iter() {
            let target = directory.join(path);
            fs::create_dir_all(target.parent().expect("a parent")).expect("a directory");
            fs::write(target, content).expect("a file");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(mut stream: TcpStream, shared: &Shared) -> Result<()> {
    let (mut path, mut start, mut condition, mut known) = (String::new(), None, None, None);
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "" => break,
            "range" => start = value.trim_start_matches("bytes=").trim_end_matches('-').parse::<usize>().ok(),
            "if-range" => condition = Some(value.to_owned()),
            "if-none-match" => known = Some(value.to_owned()),
            _ if line.starts_with("GET ") => {
                line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').clone_into(&mut path);
            }
            _ => {}
        }
    }
    lock(&shared.asked).push(path.clone());
    if shared.is_off.load(Ordering::SeqCst) {
        return stream.shutdown(Shutdown::Both);
    }
    let path = path.replace("%2B", "+").replace("%2b", "+").replace("%7E", "~").replace("%7e", "~");
    let content = lock(&shared.files).get(&path).cloned();
    let Some(content) = content else {
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")?;
        return stream.shutdown(Shutdown::Both);
    };
    let etag = format!("\"{}\"", &digest(&content)[..16]);
    let from = start.filter(|from| *from < content.len());
    let from = from.filter(|_| condition.as_ref().is_none_or(|condition| *condition == etag));
    let head = match from {
        _ if known.as_ref() == Some(&etag) => "304 Not Modified\r\nContent-Length: 0".to_owned(),
        Some(from) => format!(
            "206 Partial Content\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Length: {}",
            content.len() - 1,
            content.len(),
            content.len() - from
        ),
        None => format!("200 OK\r\nContent-Length: {}", content.len()),
    };
    let body = if head.starts_with("304") { &[] } else { &content[from.unwrap_or(0)..] };
    stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\nETag: {etag}\r\n\r\n").as_bytes())?;
    stream.write_all(body)?;
    stream.shutdown(Shutdown::Both)
}

/// A SHA-256 in lower-case hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
