//! One plain HTTP GET, for the public keys of a server at hand.

use std::time::Duration;

use anyhow::Context;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longest answer, in bytes.
const ANSWER_LEN_MAX: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches a text over `http://`; for anything else, save it to a file by other means.
pub(super) fn get(url: &str) -> anyhow::Result<String> {
    let uri: hyper::Uri = url.parse().context("the address is not well formed")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let fetched = tokio::time::timeout(TIMEOUT, fetch(&uri)).await;
        fetched.context("no answer in 10 s")?.with_context(|| format!("cannot fetch {uri}"))
    })
}

async fn fetch(uri: &hyper::Uri) -> anyhow::Result<String> {
    let host = uri.host().context("the address names no host")?;
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = hyper::Request::get(path)
        .header(hyper::header::HOST, uri.authority().map_or(host, |authority| authority.as_str()))
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    anyhow::ensure!(response.status().is_success(), "answered {}", response.status());
    let body = Limited::new(response.into_body(), ANSWER_LEN_MAX).collect().await;
    driver.abort();
    let body = body.map_err(|_| anyhow::anyhow!("the answer is too long or cut off"))?;
    Ok(String::from_utf8(body.to_bytes().to_vec())?)
}
