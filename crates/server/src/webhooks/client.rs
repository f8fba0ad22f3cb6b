//! One signed POST (Standard Webhooks 1.0) over a connection of its own.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::message::Message;
use crate::config::Webhook;
use crate::wall;

/// How long one try may take, from the name to the answer's head.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest head of an answer; its body is not read.
const HEAD_LEN_MAX: usize = 16 * 1024;

/// TLS cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("TLS for the webhooks cannot be set up")]
pub struct TlsError(#[from] rustls::Error);

/// Calls webhooks.
pub(super) struct Client {
    tls: Option<TlsConnector>,
}

/// What became of one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The answer was 2xx.
    Taken,
    /// The answer was another one.
    Refused,
    /// There was no answer in time.
    Unreachable,
}

impl Client {
    /// For `http` addresses only.
    pub(super) fn plain() -> Self {
        Self { tls: None }
    }

    /// For `https` addresses too, which are trusted as the machine trusts them.
    pub(super) fn with_tls() -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let (trusted, _) =
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if trusted == 0 {
            tracing::warn!("this machine has no CA certificates: no https webhook can be reached");
        }
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    /// Posts a message, signed for this moment.
    pub(super) async fn post(&self, webhook: &Webhook, message: Message) -> Told {
        let exchange = async {
            let request = request(webhook, message)?;
            self.exchange(&webhook.url, request).await
        };
        match tokio::time::timeout(TRY_TIMEOUT, exchange).await {
            Ok(Ok(status)) if status.is_success() => Told::Taken,
            Ok(Ok(_)) => Told::Refused,
            // Why it is so, nobody can act on but who owns the address.
            Ok(Err(_)) | Err(_) => Told::Unreachable,
        }
    }

    async fn exchange(
        &self,
        url: &Uri,
        request: Request<Full<Bytes>>,
    ) -> Result<StatusCode, Box<dyn Error + Send + Sync>> {
        let host = url.host().ok_or("no host")?;
        // An IPv6 address stands in brackets there (RFC 3986, 3.2.2).
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match url.scheme_str() {
            Some("https") => {
                let tls = self.tls.as_ref().ok_or("no TLS")?;
                let name = ServerName::try_from(host.to_owned())?;
                let stream = connect(host, url.port_u16().unwrap_or(443)).await?;
                send(TokioIo::new(tls.connect(name, stream).await?), request).await
            }
            Some(_) | None => {
                let stream = connect(host, url.port_u16().unwrap_or(80)).await?;
                send(TokioIo::new(stream), request).await
            }
        }
    }
}

async fn connect(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The request with the headers of Standard Webhooks; its time is the machine's.
fn request(webhook: &Webhook, message: Message) -> Result<Request<Full<Bytes>>, axum::http::Error> {
    let Message { id, body } = message;
    let timestamp = wall::now().0 / 1000;
    let signature = webhook.secret.webhook_signature(&id, timestamp, &body);
    let path = webhook.url.path_and_query().map_or("/", |path| path.as_str());
    let authority = webhook.url.authority().map_or("", |authority| authority.as_str());
    // What stands before an `@` is a name and a password, not the host's.
    let host = authority.rsplit('@').next().unwrap_or_default();
    Request::post(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("kunji/", env!("CARGO_PKG_VERSION")))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature)
        .body(Full::new(Bytes::from(body)))
}

async fn send(
    stream: impl Read + Write + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<StatusCode, Box<dyn Error + Send + Sync>> {
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD_LEN_MAX).handshake(stream).await?;
    let (mut connection, mut answer) = (pin!(connection), pin!(sender.send_request(request)));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The answer may have come with the connection's end.
        _ = &mut connection => answer.await,
    };
    Ok(answer?.status())
}
