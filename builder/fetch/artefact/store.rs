//! Stores of plain files, by `object_store`: S3, web servers, directories.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, pin_mut};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::HttpError;
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    ClientOptions, Error as Fault, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutPayload,
    RetryConfig, WriteMultipart,
};
use reqwest::Url;

use super::error::{Pieces, Problem, require_size};
use super::reference::is_this_machine;
use crate::http::Patience;

/// Bytes of a part of an upload. S3 takes at most 10,000 parts of at least 5 MiB.
const PART: usize = 8 << 20;

/// What `object_store` says of a web server that sends all or nothing.
const NO_RANGES: &str = "Range request not supported";

/// Parts on their way at the same time.
const PARTS: usize = 3;

/// What names an account for buckets in the environment.
const ACCOUNTS: [AmazonS3ConfigKey; 4] = [
    AmazonS3ConfigKey::AccessKeyId,
    AmazonS3ConfigKey::WebIdentityTokenFile,
    AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
    AmazonS3ConfigKey::ContainerCredentialsFullUri,
];

/// A directory of a store.
#[derive(Debug)]
pub(super) struct Store {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Whether files go up in parts. What a web server gets is held in memory: WebDAV has no parts.
    has_parts: bool,
    /// Whether anybody on the way can change what comes from there.
    pub(super) is_open: bool,
}

impl Store {
    /// The store of an address; a directory is made where it is missing and `is_to_write`.
    pub(super) fn new(url: &Url, patience: &Patience, is_to_write: bool) -> Result<Self, Problem> {
        let unusable = |fault: Fault| Problem::Unusable(fault.to_string());
        let path = || Path::from_url_path(url.path()).map_err(|error| Problem::Unusable(error.to_string()));
        let has_parts = !matches!(url.scheme(), "http" | "https");
        let (store, prefix, is_open): (Arc<dyn ObjectStore>, Path, bool) = match url.scheme() {
            "file" => (Arc::new(directory(url, is_to_write)?), Path::default(), false),
            "s3" => {
                // accounts, region and endpoint are in the environment as for Amazon's own tools
                let builder =
                    AmazonS3Builder::from_env().with_bucket_name(url.host_str().unwrap_or_default());
                let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
                let endpoint = endpoint.iter().find_map(|key| builder.get_config_value(key));
                let endpoint = endpoint.and_then(|endpoint| endpoint.parse::<Url>().ok());
                let is_plain = endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http");
                let options = options(patience).with_allow_http(is_plain);
                // without an account a bucket is asked as by everybody, and not for one of the cloud that this is no part of
                let is_anonymous = ACCOUNTS.iter().all(|key| builder.get_config_value(key).is_none());
                let builder = if is_anonymous { builder.with_skip_signature(true) } else { builder };
                let builder = builder.with_client_options(options).with_retry(retry());
                let is_open = endpoint.as_ref().is_some_and(is_open_to_tampering);
                (Arc::new(builder.build().map_err(unusable)?), path()?, is_open)
            }
            scheme => {
                // of the whole server: what is missing of the path to the directory is made, too
                let mut server = url.clone();
                server.set_path("/");
                let options = options(patience).with_allow_http(scheme == "http");
                let builder = HttpBuilder::new().with_url(server).with_client_options(options);
                let store = builder.with_retry(retry()).build().map_err(unusable)?;
                (Arc::new(store), path()?, is_open_to_tampering(url))
            }
        };
        Ok(Self { store, prefix, has_parts, is_open })
    }

    fn path(&self, name: &str) -> Path {
        Path::from_iter(self.prefix.parts().chain(Path::from(name).parts()))
    }

    /// A small file.
    pub(super) async fn read_all(&self, name: &str, limit: u64) -> Result<Vec<u8>, Problem> {
        let mut stream = self.get(name, None).await?.1;
        let mut bytes = Vec::new();
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece?);
            if bytes.len() as u64 > limit {
                return Err(Problem::Wrong(format!("`{name}` has more than {limit} bytes")));
            }
        }
        Ok(bytes)
    }

    /// The content of a file of `size` bytes from `offset` on; `true` says that it is the rest and not all.
    pub(super) async fn read(&self, name: &str, size: u64, offset: u64) -> Result<(Pieces, bool), Problem> {
        let range = (offset > 0).then_some(GetRange::Offset(offset));
        let is_rest = range.is_some();
        let (got, stream) = match self.get(name, range).await {
            // a server that sends all or nothing, such as Python's
            Err(Problem::Unreachable(cause)) if is_rest && cause.to_string().contains(NO_RANGES) => {
                let (got, stream) = self.get(name, None).await?;
                require_size(got, size)?;
                return Ok((stream, false));
            }
            other => other?,
        };
        require_size(got, size)?;
        Ok((stream, is_rest))
    }

    /// The length of a file, and its content.
    async fn get(&self, name: &str, range: Option<GetRange>) -> Result<(u64, Pieces), Problem> {
        let found =
            self.store.get_opts(&self.path(name), GetOptions { range, ..GetOptions::default() }).await;
        let what = format!("file `{name}`");
        let found = found.map_err(|fault| problem(fault, &what))?;
        let length = found.meta.size;
        let stream = found.into_stream().map(move |piece| piece.map_err(|fault| problem(fault, &what)));
        Ok((length, stream.boxed()))
    }

    pub(super) async fn has(&self, name: &str, size: u64) -> Result<bool, Problem> {
        match self.store.head(&self.path(name)).await {
            Ok(found) => Ok(found.size == size),
            Err(fault) => match problem(fault, name) {
                Problem::Unknown(_) => Ok(false),
                problem => Err(problem),
            },
        }
    }

    pub(super) async fn write_all(&self, name: &str, bytes: Vec<u8>) -> Result<(), Problem> {
        let done = self.store.put(&self.path(name), PutPayload::from(bytes)).await;
        done.map(|_| ()).map_err(|fault| problem(fault, &format!("directory of `{name}`")))
    }

    pub(super) async fn write(
        &self,
        name: &str,
        content: impl Stream<Item = std::io::Result<Bytes>>,
    ) -> Result<(), Problem> {
        let what = format!("directory of `{name}`");
        pin_mut!(content);
        if !self.has_parts {
            let mut pieces = Vec::new();
            while let Some(piece) = content.next().await {
                pieces.push(piece.map_err(|error| Problem::Unreachable(error.into()))?);
            }
            let done = self.store.put(&self.path(name), pieces.into_iter().collect()).await;
            return done.map(|_| ()).map_err(|fault| problem(fault, &what));
        }
        let upload = self.store.put_multipart(&self.path(name)).await;
        let upload = upload.map_err(|fault| problem(fault, &what))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        while let Some(piece) = content.next().await {
            match piece {
                Ok(piece) => upload.put(piece),
                Err(error) => {
                    let _ = upload.abort().await;
                    return Err(Problem::Unreachable(error.into()));
                }
            }
            upload.wait_for_capacity(PARTS).await.map_err(|fault| problem(fault, &what))?;
        }
        upload.finish().await.map(|_| ()).map_err(|fault| problem(fault, &what))
    }
}

/// Plain HTTP that leaves this machine.
pub(super) fn is_open_to_tampering(url: &Url) -> bool {
    url.scheme() == "http" && !url.host_str().is_some_and(is_this_machine)
}

fn directory(url: &Url, is_to_write: bool) -> Result<LocalFileSystem, Problem> {
    let path: PathBuf = url
        .to_file_path()
        .map_err(|()| Problem::Unusable("it names no directory of this machine".to_owned()))?;
    if is_to_write {
        fs_err::create_dir_all(&path).map_err(|error| Problem::Unreachable(error.into()))?;
    }
    if !path.is_dir() {
        return Err(Problem::Unknown("such directory".to_owned()));
    }
    LocalFileSystem::new_with_prefix(path).map_err(|fault| Problem::Unreachable(fault.into()))
}

/// For each wait, not for a whole file: that may take any time.
fn options(patience: &Patience) -> ClientOptions {
    ClientOptions::new()
        .with_user_agent(reqwest::header::HeaderValue::from_static(concat!(
            "pimg/",
            env!("CARGO_PKG_VERSION")
        )))
        .with_connect_timeout(patience.connect)
        .with_read_timeout(patience.stall)
        .with_timeout_disabled()
}

/// `Place` tries again by itself, in one way for all kinds of places.
fn retry() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

/// What a failure of the client means; `what` was asked for.
fn problem(fault: Fault, what: &str) -> Problem {
    match fault {
        Fault::NotFound { .. } => Problem::Unknown(what.to_owned()),
        Fault::PermissionDenied { .. } | Fault::Unauthenticated { .. } => Problem::Denied,
        Fault::NotImplemented { .. } | Fault::NotSupported { .. } => Problem::ReadOnly,
        fault => {
            let text = fault.to_string();
            let code = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)?.parse().ok());
            match code {
                Some(code) if !is_of_the_network(&fault) => {
                    let message = text.rsplit_once(": ").map_or("", |(_, message)| message);
                    Problem::of_status(code, message, what)
                }
                _ => Problem::Unreachable(fault.into()),
            }
        }
    }
}

fn is_of_the_network(fault: &Fault) -> bool {
    let mut source = std::error::Error::source(fault);
    while let Some(cause) = source {
        if cause.is::<HttpError>() {
            return true;
        }
        source = cause.source();
    }
    false
}
