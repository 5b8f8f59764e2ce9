//! An HTTP server on the loopback address for tests, which misbehaves as told.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use reqwest::Url;

use crate::http::{Client, Patience};

/// What a client asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// Counted from 1 over the life of the server.
    pub(crate) number: usize,
    pub(crate) path: String,
    /// Start of the wanted range.
    pub(crate) range: Option<usize>,
    pub(crate) if_range: Option<String>,
    pub(crate) if_none_match: Option<String>,
}

/// What to send: a status with header lines, a body, and an end.
pub(crate) struct Reply {
    pub(crate) status: &'static str,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The whole body.
    Whole,
    /// The connection breaks after this many bytes of the body.
    Cut(usize),
    /// Nothing comes after this many bytes until the client goes away.
    Stall(usize),
}

impl Reply {
    pub(crate) fn new(status: &'static str, body: &[u8]) -> Self {
        Self { status, headers: Vec::new(), body: body.to_vec(), end: End::Whole }
    }

    pub(crate) fn header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    pub(crate) fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// As a well-behaved server: the wanted range if the validator still fits.
    pub(crate) fn file(request: &Request, etag: &str, content: &[u8]) -> Self {
        let etag_line = format!("ETag: {etag}");
        if request.if_none_match.as_deref() == Some(etag) {
            return Self::new("304 Not Modified", b"").header(&etag_line);
        }
        match request.range {
            Some(start) if request.if_range.as_deref().is_none_or(|condition| condition == etag) => {
                if start >= content.len() {
                    let range = format!("Content-Range: bytes */{}", content.len());
                    return Self::new("416 Range Not Satisfiable", b"no").header(&range);
                }
                let range = format!("Content-Range: bytes {start}-{}/{}", content.len() - 1, content.len());
                Self::new("206 Partial Content", &content[start..]).header(&etag_line).header(&range)
            }
            _ => Self::new("200 OK", content).header(&etag_line),
        }
    }
}

/// A running server; its thread ends with the test process.
pub(crate) struct Server {
    address: SocketAddr,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request as `reply` says.
    pub(crate) fn new(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("bound");
        let log = Arc::<Mutex<Vec<Request>>>::default();
        let (reply, requests) = (Arc::new(reply), Arc::clone(&log));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (reply, requests) = (Arc::clone(&reply), Arc::clone(&requests));
                // a client that goes away early is part of the tests
                thread::spawn(move || answer(stream, reply.as_ref(), &requests).ok());
            }
        });
        Self { address, log }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}/{path}", self.address)).expect("a URL")
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn answer(
    mut stream: TcpStream,
    reply: &impl Fn(&Request) -> Reply,
    log: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut request = Request::default();
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "" => break,
            "range" => request.range = value.trim_start_matches("bytes=").trim_end_matches('-').parse().ok(),
            "if-range" => request.if_range = Some(value.to_owned()),
            "if-none-match" => request.if_none_match = Some(value.to_owned()),
            _ if line.starts_with("GET ") => {
                request.path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            _ => {}
        }
    }
    {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        request.number = log.len() + 1;
        log.push(request.clone());
    }
    let Reply { status, headers, body, end } = reply(&request);
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    if !headers.iter().any(|line| line.starts_with("Content-Length") || line.starts_with("Transfer")) {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    headers.iter().for_each(|line| head.push_str(&format!("{line}\r\n")));
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let sent = match end {
        End::Whole => body.len(),
        End::Cut(length) | End::Stall(length) => length.min(body.len()),
    };
    stream.write_all(&body[..sent])?;
    if let End::Stall(_) = end {
        // until the client closes its side
        std::io::copy(&mut stream, &mut std::io::sink())?;
    }
    stream.shutdown(Shutdown::Both)
}

/// A client that does not really wait between attempts; made once, for it reads all trusted certificates.
pub(crate) fn impatient_client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let patience = Patience { stall: Duration::from_millis(700), sleep: |_| {}, ..Patience::default() };
    CLIENT.get_or_init(|| Client::new(patience).expect("TLS")).clone()
}
