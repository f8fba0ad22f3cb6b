//! Safe beside a browser: whose requests the sandbox answers.
//!
//! Any web page can send requests to a developer's machine, and reads the answers once its own
//! name leads there (DNS rebinding). So a request must name a host that no stranger's name server
//! can give away, and if it says from which page it comes, that page must be one of ours.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::dialects;
use crate::problem::Problem;

/// How long a browser may remember that an origin was let in, in seconds.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE");
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after, x-kunji-session, x-request-id");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const ASKS_PRIVATE: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOWS_PRIVATE: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Lets requests in, or says why not.
#[derive(Debug)]
pub struct Gate {
    listen: IpAddr,
    hosts: Vec<HostName>,
    origins: Vec<WebOrigin>,
}

/// A name under which the sandbox may be asked for.
#[derive(Debug, Clone)]
pub struct HostName(String);

/// The origin of a web app that may ask: scheme, host and port.
#[derive(Debug, Clone)]
pub struct WebOrigin(HeaderValue);

/// A text that is no host, or no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// No host's name.
    #[error("is not a host name or address without a port (example: sandbox.test)")]
    Host,
    /// No origin.
    #[error("is not an origin (example: http://localhost:3000)")]
    Origin,
}

impl FromStr for HostName {
    type Err = GateError;

    fn from_str(text: &str) -> Result<Self, GateError> {
        let authority = Authority::from_str(text).map_err(|_| GateError::Host)?;
        match authority.host() == text && !text.is_empty() {
            true => Ok(Self(text.to_owned())),
            false => Err(GateError::Host),
        }
    }
}

impl FromStr for WebOrigin {
    type Err = GateError;

    /// Reads an origin as browsers write it; nothing stands for "any".
    fn from_str(text: &str) -> Result<Self, GateError> {
        let uri = Uri::from_str(text).map_err(|_| GateError::Origin)?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(GateError::Origin);
        };
        let plain = text == format!("{}://{authority}", uri.scheme_str().unwrap_or_default());
        match plain && !authority.as_str().contains(['@', '*']) {
            true => HeaderValue::from_str(text).map(Self).map_err(|_| GateError::Origin),
            false => Err(GateError::Origin),
        }
    }
}

/// From where a request says that it comes.
enum Source {
    /// From no web page, or from one of our own.
    Own,
    /// From a web app that was let in.
    App(HeaderValue),
    /// From a page of somebody else.
    Foreign,
}

impl Gate {
    /// A gate for a sandbox that listens at an address, with the names and the web apps that are
    /// let in on purpose.
    #[must_use]
    pub fn new(listen: SocketAddr, hosts: Vec<HostName>, origins: Vec<WebOrigin>) -> Self {
        Self { listen: listen.ip().to_canonical(), hosts, origins }
    }

    /// Whether a name, or an address, can lead nobody here but whom it should. An address cannot
    /// be given away by a name server: where we listen on all, all are ours.
    fn serves(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if let Ok(address) = literal.unwrap_or(host).parse::<IpAddr>() {
            let address = address.to_canonical();
            let named = self.hosts.iter().any(|name| name.0 == host);
            return address.is_loopback()
                || address == self.listen
                || self.listen.is_unspecified()
                || named;
        }
        let host = host.to_ascii_lowercase();
        host == "localhost"
            || host.ends_with(".localhost")
            || self.hosts.iter().any(|name| name.0.eq_ignore_ascii_case(&host))
    }

    fn serves_hosts_of(&self, request: &Request) -> bool {
        let said = request.headers().get(header::HOST).map(HeaderValue::as_bytes);
        let said = said.and_then(|host| Authority::try_from(host).ok());
        // A target in absolute form names one as well.
        let target = request.uri().authority();
        said.is_some_and(|host| self.serves(host.host()))
            && target.is_none_or(|host| self.serves(host.host()))
    }

    fn source(&self, headers: &HeaderMap) -> Source {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(_), Some(_)) => return Source::Foreign,
            (Some(origin), None) => {
                if self.origins.iter().any(|app| app.0 == *origin) {
                    return Source::App(origin.clone());
                }
                if !is_own(origin, headers) {
                    return Source::Foreign;
                }
            }
            (None, _) => {}
        }
        let cross = |site: &HeaderValue| site.as_bytes().eq_ignore_ascii_case(b"cross-site");
        match headers.get_all(FETCH_SITE).iter().any(cross) {
            true => Source::Foreign,
            false => Source::Own,
        }
    }
}

/// Whether a page of this origin came from here: it has the host that the request names. TLS may
/// have ended in front of us.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_ascii_lowercase);
    let (Some(origin), Some(host)) = (text(origin), headers.get(header::HOST).and_then(text))
    else {
        return false;
    };
    let of = |scheme, port| {
        let origin = origin.strip_prefix(scheme)?;
        Some(origin == host.strip_suffix(port).unwrap_or(&host))
    };
    of("http://", ":80").or(of("https://", ":443")).unwrap_or(false)
}

/// The gate before every route.
pub async fn check(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if !gate.serves_hosts_of(&request) {
        return Problem::ForeignHost.into_response();
    }
    let opens_page = matches!(*request.method(), Method::GET | Method::HEAD)
        && dialects::is_page(request.uri().path());
    let source = gate.source(request.headers());
    let mut response = match &source {
        Source::Foreign if !opens_page => {
            return Problem::ForeignOrigin.into_response();
        }
        Source::App(_) if is_preflight(&request) => preflight(request.headers()),
        Source::Own | Source::App(_) | Source::Foreign => next.run(request).await,
    };
    if let Source::App(origin) = source {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    if !gate.origins.is_empty() {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

fn is_preflight(request: &Request) -> bool {
    *request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Tells a browser that the app may send what it asks for.
fn preflight(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    if asked.contains_key(ASKS_PRIVATE) {
        headers.insert(ALLOWS_PRIVATE, HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(listen: &str, hosts: &[&str]) -> Gate {
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        Gate::new(listen.parse().unwrap(), hosts, vec!["http://app.test:3000".parse().unwrap()])
    }

    #[test]
    fn only_hosts_that_nobody_can_give_away_are_served() {
        let local = gate("127.0.0.1:7400", &["sandbox.test"]);
        let remote = gate("0.0.0.0:7400", &[]);
        let one = gate("[2001:db8::7]:7400", &[]);
        for (host, at_local, at_remote, at_one) in [
            ("localhost", true, true, true),
            ("LOCALHOST.", true, true, true),
            ("space.localhost", true, true, true),
            ("127.9.9.9", true, true, true),
            ("[::1]", true, true, true),
            ("[::ffff:127.0.0.1]", true, true, true),
            ("Sandbox.Test", true, false, false),
            ("evil.test", false, false, false),
            ("localhost.evil.test", false, false, false),
            ("notlocalhost", false, false, false),
            ("127.0.0.1.evil.test", false, false, false),
            ("192.168.1.7", false, true, false),
            ("[2001:db8::7]", false, true, true),
            ("[2001:db8::8]", false, true, false),
            ("", false, false, false),
        ] {
            let served = [&local, &remote, &one].map(|gate| gate.serves(host));
            assert_eq!(served, [at_local, at_remote, at_one], "{host}");
        }
    }

    #[test]
    fn what_is_no_host_and_what_is_no_origin_is_refused() {
        for text in ["", "a:80", "http://a", "a/b", "a b", "me@a"] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
        for text in ["a.test", "[::1]", "10.0.0.1"] {
            assert!(text.parse::<HostName>().is_ok(), "{text}");
        }
        let bad = [
            "",
            "*",
            "null",
            "a.test",
            "ftp://a",
            "http://a/",
            "http://a/b",
            "http://*",
            "http://",
        ];
        for text in bad {
            assert!(text.parse::<WebOrigin>().is_err(), "{text}");
        }
        for text in ["http://a", "https://a.test:8443", "http://[::1]:3000"] {
            assert!(text.parse::<WebOrigin>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_page_is_ours_when_it_came_from_the_host_that_is_asked() {
        let gate = gate("127.0.0.1:7400", &[]);
        for (host, origin, site, expected) in [
            ("localhost:7400", "", "", "own"),
            ("localhost:7400", "http://localhost:7400", "same-origin", "own"),
            ("localhost:7400", "https://LocalHost:7400", "", "own"),
            ("localhost:80", "http://localhost", "", "own"),
            ("localhost", "https://localhost", "", "own"),
            ("localhost:7400", "", "none", "own"),
            ("localhost:7400", "", "cross-site", "foreign"),
            ("localhost:7400", "http://localhost:7400", "cross-site", "foreign"),
            ("localhost:7400", "http://localhost:3000", "same-site", "foreign"),
            ("localhost:7400", "http://localhost", "", "foreign"),
            ("localhost:7400", "http://evil.test", "", "foreign"),
            ("localhost:7400", "null", "", "foreign"),
            ("localhost:7400", "file://", "", "foreign"),
            ("localhost:7400", "http://app.test:3000", "cross-site", "app"),
            ("localhost:7400", "http://app.test:3001", "", "foreign"),
            ("localhost:7400", "http://app.test:3000.evil.test", "", "foreign"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if !origin.is_empty() {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            if !site.is_empty() {
                headers.insert(FETCH_SITE, site.parse().unwrap());
            }
            let found = match gate.source(&headers) {
                Source::Own => "own",
                Source::App(_) => "app",
                Source::Foreign => "foreign",
            };
            assert_eq!(found, expected, "{host} {origin} {site}");
        }
    }
}
