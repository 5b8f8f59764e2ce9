//! Blocking downloads over HTTP that survive broken connections.
//!
//! A [`Download`] hands out the bytes of one URL in order. Where the connection breaks it waits, asks for the
//! rest (`Range`, RFC 9110 section 14) on condition that the content is still the same (`If-Range`), and goes
//! on; a server that sends everything again is read up to where we were. Proxies come from the environment as
//! reqwest reads it.

mod answer;
mod connection;

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{ACCEPT_ENCODING, HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE};
use reqwest::redirect::{Attempt, Policy};

use self::answer::{Answer, Verdict, judge};
use self::connection::{Connection, Event};
use crate::error::{Error, Result};
use crate::watch::Watch;

pub use self::answer::Validator;

/// Redirects followed before a URL counts as a loop.
const MAX_REDIRECTS: usize = 10;

/// Bytes after which a connection that breaks again counts as progress and not as one more failure.
const PROGRESS: u64 = 64 << 10;

/// The longest wait between two attempts, whatever the server asks for.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How patient a [`Client`] is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest wait for an answer or for the next bytes; a whole download may take any time.
    pub stall: Duration,
    /// Attempts after the first one that may fail in a row.
    pub retries: u32,
    /// Pause before the first retry; doubles with every further one.
    pub back_off: Duration,
    /// Called with each part of a pause.
    pub sleep: fn(Duration),
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            retries: 4,
            back_off: Duration::from_millis(500),
            sleep: std::thread::sleep,
        }
    }
}

/// Connections to servers.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::blocking::Client,
    patience: Patience,
}

impl Client {
    /// A client with this patience.
    ///
    /// # Errors
    /// `Network` where TLS cannot be set up on this machine.
    pub fn new(patience: Patience) -> Result<Self> {
        // another provider that the process installed before us is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::blocking::Client::builder();
        // tests talk to this machine only, whatever its environment says
        let builder = if cfg!(test) { builder.no_proxy() } else { builder };
        let http = builder
            .user_agent(concat!("pimg/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(patience.connect)
            .timeout(patience.stall) // in the blocking client: for each wait, not for all of them
            .redirect(Policy::custom(follow))
            .referer(false)
            .build()
            .map_err(|error| Error::Network { url: "TLS".to_owned(), got: 0, source: error.into() })?;
        Ok(Self { http, patience })
    }

    /// Asks for `url` and returns once the server promised its content.
    ///
    /// `known` is the validator of what the caller has, and `have` how many bytes of it. With 0 the answer is
    /// `None` where the content is still the known one; with more the download goes on there if it can, see
    /// [`Download::position`].
    ///
    /// # Errors
    /// `Network`, `Status`, `Redirect`, `Protocol`, `WebPage`, `TooLarge` above `limit` bytes, `Interrupted`.
    pub fn open(
        &self,
        url: &Url,
        known: Option<&Validator>,
        have: u64,
        limit: u64,
        watch: &dyn Watch,
    ) -> Result<Option<Download>> {
        let mut download = Download {
            client: self.clone(),
            url: url.clone(),
            validator: known.cloned(),
            limit,
            total: None,
            position: if known.is_some() { have } else { 0 },
            skip: 0,
            started: false,
            failures: 0,
            failed_at: 0,
            connection: None,
        };
        Ok(download.connect(watch)?.then_some(download))
    }
}

/// Content on its way.
#[derive(Debug)]
pub struct Download {
    client: Client,
    url: Url,
    validator: Option<Validator>,
    limit: u64,
    total: Option<u64>,
    position: u64,
    /// Bytes to drop because the server started over.
    skip: u64,
    /// Whether the server ever promised content: from then on it must stay the same.
    started: bool,
    failures: u32,
    failed_at: u64,
    connection: Option<Connection>,
}

/// How an attempt failed.
enum Failure {
    Final(Error),
    Passing(Error, Option<Duration>),
}

impl Download {
    /// How many bytes of the content lie before the next chunk.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Length of the whole content in bytes, where the server told it.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// What tells this content from a later one at the same URL.
    pub fn validator(&self) -> Option<&Validator> {
        self.validator.as_ref()
    }

    /// The next bytes, never empty; `None` at the end of the content.
    ///
    /// # Errors
    /// As [`Client::open`], and `Changing` where the content became another one meanwhile.
    pub fn next_chunk(&mut self, watch: &dyn Watch) -> Result<Option<Vec<u8>>> {
        loop {
            if self.started && self.total == Some(self.position) {
                return Ok(None);
            }
            let Some(connection) = &mut self.connection else {
                self.connect(watch)?;
                continue;
            };
            match connection.next(watch)? {
                Event::Bytes(bytes) => {
                    if let Some(bytes) = self.take(bytes)? {
                        return Ok(Some(bytes));
                    }
                }
                Event::End if self.is_complete() => return Ok(None),
                Event::End => self.pause(self.broken("the connection ended early".into()), None, watch)?,
                Event::Failed(cause) => self.pause(self.broken(cause), None, watch)?,
                Event::Answer(_) => return Err(self.protocol("a second answer")),
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.skip == 0 && self.total.is_none_or(|total| total == self.position)
    }

    fn take(&mut self, mut bytes: Vec<u8>) -> Result<Option<Vec<u8>>> {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        bytes.drain(..skipped);
        self.skip -= skipped as u64;
        self.position += bytes.len() as u64;
        if self.position > self.limit {
            return Err(self.too_large());
        }
        if self.total.is_some_and(|total| self.position > total) {
            return Err(self.protocol("more bytes than its `Content-Length`"));
        }
        Ok((!bytes.is_empty()).then_some(bytes))
    }

    /// Asks until the server answers; says whether it has content for us that we do not have.
    fn connect(&mut self, watch: &dyn Watch) -> Result<bool> {
        loop {
            match self.attempt(watch) {
                Ok(has_content) => return Ok(has_content),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(error, after)) => self.pause(error, after, watch)?,
            }
        }
    }

    fn attempt(&mut self, watch: &dyn Watch) -> Result<bool, Failure> {
        let mut request = self.client.http.get(self.url.clone());
        request = request.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if self.position > 0 {
            request = request.header(RANGE, format!("bytes={}-", self.position));
            if let Some(validator) = &self.validator {
                request = request.header(IF_RANGE, validator.value());
            }
        } else if let (Some(validator), false) = (&self.validator, self.started) {
            request = request.header(validator.condition(), validator.value());
        }
        let request = request.build().map_err(|error| Failure::Final(self.broken(error.into())))?;
        let mut connection = Connection::start(self.client.http.clone(), request);
        match connection.next(watch).map_err(Failure::Final)? {
            Event::Answer(answer) => {
                let has_content = self.accept(&answer)?;
                self.connection = Some(connection);
                Ok(has_content)
            }
            Event::Failed(cause) => Err(self.unreachable(cause)),
            Event::Bytes(_) | Event::End => Err(Failure::Passing(self.broken("no answer".into()), None)),
        }
    }

    fn accept(&mut self, answer: &Answer) -> Result<bool, Failure> {
        let conditional = !self.started && self.position == 0 && self.validator.is_some();
        let content = match judge(answer, &shown(&self.url), self.position, conditional)? {
            Verdict::Unchanged => return Ok(false),
            Verdict::Complete => {
                (self.started, self.total) = (true, Some(self.position));
                return Ok(true);
            }
            Verdict::Content(content) => content,
        };
        let same = content.validator == self.validator
            && self.total.is_none_or(|total| content.total == Some(total));
        if self.started && !same {
            return Err(Failure::Final(Error::Changing { url: shown(&self.url) }));
        }
        if content.total.is_some_and(|total| total > self.limit) {
            return Err(Failure::Final(self.too_large()));
        }
        if !self.started {
            self.position = content.start;
        }
        self.skip = self.position - content.start;
        (self.started, self.total, self.validator) = (true, content.total, content.validator);
        Ok(true)
    }

    /// Waits before the next attempt, or gives up with `error`.
    fn pause(&mut self, error: Error, after: Option<Duration>, watch: &dyn Watch) -> Result<()> {
        self.connection = None;
        if self.position >= self.failed_at.saturating_add(PROGRESS) {
            self.failures = 0;
        }
        (self.failures, self.failed_at) = (self.failures + 1, self.position);
        if self.failures > self.client.patience.retries {
            return Err(error);
        }
        let doubled = 1_u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX);
        let own = self.client.patience.back_off.saturating_mul(doubled);
        let mut left = own.max(after.unwrap_or_default()).min(MAX_PAUSE);
        while !left.is_zero() {
            if watch.interrupted() {
                return Err(Error::Interrupted);
            }
            let part = left.min(Duration::from_millis(50));
            (self.client.patience.sleep)(part);
            left -= part;
        }
        Ok(())
    }

    fn broken(&self, source: crate::error::Cause) -> Error {
        Error::Network { url: shown(&self.url), got: self.position, source }
    }

    fn unreachable(&self, cause: crate::error::Cause) -> Failure {
        match cause.downcast::<reqwest::Error>() {
            Ok(error) if error.is_redirect() => {
                let reason = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                Failure::Final(Error::Redirect { url: shown(&self.url), reason })
            }
            Ok(error) => Failure::Passing(self.broken(error), None),
            Err(cause) => Failure::Passing(self.broken(cause), None),
        }
    }

    fn too_large(&self) -> Error {
        Error::TooLarge { origin: shown(&self.url), what: "the download", limit: self.limit }
    }

    fn protocol(&self, reason: &str) -> Error {
        Error::Protocol { url: shown(&self.url), reason: reason.to_owned() }
    }
}

impl Validator {
    fn condition(&self) -> reqwest::header::HeaderName {
        match self {
            Self::ETag(_) => IF_NONE_MATCH,
            Self::LastModified(_) => reqwest::header::IF_MODIFIED_SINCE,
        }
    }
}

/// Whether the server runs on this machine: 127.0.0.0/8, `::1`, `localhost` (RFC 6761 section 6.3).
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

/// A URL as it may be shown: tokens live in credentials and queries.
pub(crate) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    // both fail only for URLs that cannot have credentials
    let _ = shown.set_password(None);
    let _ = shown.set_username("");
    shown.to_string()
}

fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    match redirect_refusal(attempt.previous(), attempt.url()) {
        Some(reason) => attempt.error(reason),
        None => attempt.follow(),
    }
}

fn redirect_refusal(previous: &[Url], next: &Url) -> Option<String> {
    let was_secure = previous.last().is_some_and(|url| url.scheme() == "https");
    let was_here = previous.last().is_some_and(is_loopback);
    match next.scheme() {
        // what this machine serves may count as vouched for: see `batch::first_sight`
        "http" if was_here && !is_loopback(next) => {
            Some(format!("from this machine to plain HTTP at `{}`", shown(next)))
        }
        "http" if was_secure => Some(format!("from HTTPS to plain HTTP at `{}`", shown(next))),
        "http" | "https" if previous.len() > MAX_REDIRECTS => {
            Some(format!("more than {MAX_REDIRECTS} redirects, the last to `{}`", shown(next)))
        }
        "http" | "https" => None,
        other => Some(format!("to a URL with the scheme `{other}`")),
    }
}

#[cfg(test)]
mod tests;
