//! One signed POST (Standard Webhooks 1.0) over a connection of its own.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::response::Parts;
use axum::http::{HeaderMap, Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use kunji_core::time::Millis;
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
    /// The answer was another one; it may say when to come back, in milliseconds.
    Refused(Option<i64>),
    /// The address is gone for good: 410 (RFC 9110, 15.5.11).
    Gone,
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
            Ok(Ok(head)) if head.status.is_success() => Told::Taken,
            Ok(Ok(head)) if head.status == StatusCode::GONE => Told::Gone,
            Ok(Ok(head)) => Told::Refused(retry_after(&head.headers, wall::now())),
            // Why it is so, nobody can act on but who owns the address.
            Ok(Err(_)) | Err(_) => Told::Unreachable,
        }
    }

    async fn exchange(
        &self,
        url: &Uri,
        request: Request<Full<Bytes>>,
    ) -> Result<Parts, Box<dyn Error + Send + Sync>> {
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
) -> Result<Parts, Box<dyn Error + Send + Sync>> {
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD_LEN_MAX).handshake(stream).await?;
    let (mut connection, mut answer) = (pin!(connection), pin!(sender.send_request(request)));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The answer may have come with the connection's end.
        _ = &mut connection => answer.await,
    };
    Ok(answer?.into_parts().0)
}

/// How long `Retry-After` asks to wait: seconds, or an instant of the machine's time (RFC 9110,
/// 10.2.3). What cannot be read, or stands there twice, asks for nothing.
fn retry_after(headers: &HeaderMap, now: Millis) -> Option<i64> {
    let mut all = headers.get_all(header::RETRY_AFTER).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // So many seconds that they are no number are more than the longest pause.
        return Some(text.parse::<i64>().map_or(i64::MAX, |seconds| seconds.saturating_mul(1000)));
    }
    let at = wall::http_date(text)?;
    Some(at.0.saturating_sub(now.0).max(0))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// 1994-11-06 08:49:37.
    const AT: i64 = 784_111_777_000;

    #[test]
    fn retry_after_is_seconds_or_an_instant() {
        for (text, expected) in [
            ("120", Some(120_000)),
            ("0", Some(0)),
            ("99999999999999999999999", Some(i64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60_000)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60_000)),
            ("Sun Nov  6 08:50:37 1994", Some(60_000)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sat, 06 Nov 1993 08:49:37 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:50:37", None),
            ("Sun, 36 Nov 1994 08:50:37 GMT", None),
        ] {
            let headers =
                HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
            assert_eq!(retry_after(&headers, Millis(AT)), expected, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), Millis(AT)), None);
        let mut headers = HeaderMap::new();
        for seconds in [1, 1] {
            headers.append(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        assert_eq!(retry_after(&headers, Millis(AT)), None);
    }
}
