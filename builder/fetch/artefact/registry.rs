//! Repositories of OCI registries, by `oci-client`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use oci_client::client::{BlobResponse, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError as Fault, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};

use super::descriptor::{Descriptor, MANIFEST};
use super::docker::Account;
use super::error::{Pieces, Problem, require_size};
use super::reference::is_this_machine;
use crate::http::Patience;

/// A repository, and who asks.
pub(super) struct Registry {
    client: Client,
    host: String,
    path: String,
    auth: RegistryAuth,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registry({}/{})", self.host, self.path)
    }
}

impl Registry {
    pub(super) fn new(
        repository: &str,
        account: Option<&Account>,
        patience: &Patience,
    ) -> Result<Self, Problem> {
        let (host, path) = repository.split_once('/').unwrap_or((repository, ""));
        let config = ClientConfig {
            // as Docker, Podman and skopeo take it: what does not leave the machine needs no certificate
            protocol: if is_this_machine(host) { ClientProtocol::Http } else { ClientProtocol::Https },
            // a single PUT: the one way to send a file that every registry has
            use_monolithic_push: true,
            connect_timeout: Some(patience.connect),
            read_timeout: Some(patience.stall.max(Duration::from_secs(1))),
            user_agent: concat!("pimg/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|fault| problem(fault, ""))?;
        let basic =
            |account: &Account| RegistryAuth::Basic(account.user.to_string(), account.password.to_string());
        let auth = account.map_or(RegistryAuth::Anonymous, basic);
        Ok(Self { client, host: host.to_owned(), path: path.to_owned(), auth })
    }

    fn named(&self, tag: &str) -> Reference {
        Reference::with_tag(self.host.clone(), self.path.clone(), tag.to_owned())
    }

    /// Shows who asks. What is asked for later would only be told that access is denied, without the reason.
    pub(super) async fn log_in(&self, is_to_write: bool) -> Result<(), Problem> {
        let operation = if is_to_write { RegistryOperation::Push } else { RegistryOperation::Pull };
        let done = self.client.auth(&self.named("latest"), &self.auth, operation).await;
        done.map(|_| ()).map_err(|fault| problem(fault, "repository"))
    }

    pub(super) async fn manifest(&self, tag: &str) -> Result<Vec<u8>, Problem> {
        let found = self.client.pull_manifest_raw(&self.named(tag), &self.auth, &[MANIFEST]).await;
        let (bytes, _) = found.map_err(|fault| problem(fault, &format!("tag `{tag}`")))?;
        Ok(bytes.into())
    }

    /// The content of a blob from `offset` on, or all of it; `true` says which.
    pub(super) async fn read(&self, blob: &Descriptor, offset: u64) -> Result<(Pieces, bool), Problem> {
        let (image, digest) = (self.named("latest"), blob.digest.as_str());
        let answer = self.client.pull_blob_stream_partial(&image, digest, offset, None).await;
        let (sized, is_rest) = match answer.map_err(|fault| problem(fault, &format!("blob `{digest}`")))? {
            BlobResponse::Full(sized) => (sized, false),
            BlobResponse::Partial(sized) => (sized, true),
        };
        if let Some(length) = sized.content_length {
            require_size(if is_rest { offset.saturating_add(length) } else { length }, blob.size)?;
        }
        let stream = sized.stream.map(|piece| piece.map_err(|error| Problem::Unreachable(error.into())));
        Ok((stream.boxed(), is_rest))
    }

    pub(super) async fn has(&self, blob: &Descriptor) -> Result<bool, Problem> {
        let found = self.client.blob_exists(&self.named("latest"), &blob.digest).await;
        found.map_err(|fault| problem(fault, "repository"))
    }

    pub(super) async fn write(
        &self,
        blob: &Descriptor,
        content: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), Problem> {
        let content = content.map(|piece| piece.map_err(Fault::IoError));
        let image = self.named("latest");
        let done = self.client.push_blob_stream(&image, content, &blob.digest, Some(blob.size)).await;
        done.map(|_| ()).map_err(|fault| problem(fault, "repository"))
    }

    pub(super) async fn write_manifest(&self, tag: &str, manifest: &[u8]) -> Result<(), Problem> {
        let kind = reqwest::header::HeaderValue::from_static(MANIFEST);
        let done = self.client.push_manifest_raw(&self.named(tag), manifest.to_vec(), kind).await;
        done.map(|_| ()).map_err(|fault| problem(fault, "repository"))
    }
}

/// What a failure of the client means; `what` was asked for.
fn problem(fault: Fault, what: &str) -> Problem {
    match fault {
        Fault::AuthenticationFailure(_) | Fault::UnauthorizedError { .. } => Problem::Denied,
        Fault::ServerError { code, message, .. } => Problem::of_status(code, &message, what),
        Fault::RegistryError { envelope, .. } => {
            let Some(first) = envelope.errors.first() else { return Problem::Said(String::new()) };
            match first.code {
                OciErrorCode::Unauthorized | OciErrorCode::Denied => Problem::Denied,
                OciErrorCode::ManifestUnknown
                | OciErrorCode::NameUnknown
                | OciErrorCode::NotFound
                | OciErrorCode::BlobUnknown => Problem::Unknown(what.to_owned()),
                OciErrorCode::Toomanyrequests => Problem::of_status(429, &first.message, what),
                _ => Problem::Said(first.message.clone()),
            }
        }
        Fault::RequestError(error) => match error.status() {
            Some(status) => Problem::of_status(status.as_u16(), "", what),
            None => Problem::Unreachable(error.without_url().into()),
        },
        Fault::IoError(error) => Problem::Unreachable(error.into()),
        Fault::DigestError(error) => Problem::Wrong(error.to_string()),
        other => Problem::Said(other.to_string()),
    }
}
