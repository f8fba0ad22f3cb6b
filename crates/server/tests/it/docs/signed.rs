//! What an example must have anew each time: signatures, sessions, captures, credential blocks.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kunji_server::sandbox::stock;
use kunji_vault::{BlockAlg, HmacKey, JweParts, PinUse, RsaPrivate, RsaScheme};
use serde_json::Value;
use ureq::http::Method;

use super::tree::Tree;
use super::{Document, Operation};
use crate::support::Kunji;

const PROCESS: &str = "/hyper/v1/process";

/// A request that is good now.
pub(super) struct Ready {
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Ready {
    fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str()).unwrap()
    }
}

/// Makes the request of an example good on this sandbox; without an example, its address.
pub(super) fn ready(kunji: &Kunji, operation: &Operation<'_>, example: Option<&Tree>) -> Ready {
    let (path, headers) = operation.address(example);
    let value = example.map(|one| one.at("value"));
    let body = value.map(ToString::to_string).unwrap_or_default();
    let mut ready = Ready { path, headers, body };
    if operation.path.starts_with("/hyper/v1/captures/") {
        let capture = Capture::open(kunji, operation.document);
        let sample = ready.path.split('/').nth(4).unwrap().to_owned();
        ready.path = ready.path.replace(&sample, &capture.id);
        if ready.path.ends_with("/result") {
            // What is still open would be waited for.
            assert_eq!(kunji.send(Method::DELETE, &capture.path(), &[], "").status, 200);
        }
        if let Some(value) = value {
            ready.body = capture.filled(kunji, value);
        }
    }
    if let (PROCESS, Some(value)) = (operation.path, value) {
        match value.at("payload").get("signaturePayload") {
            Some(_) => ready.body = signed_now(value),
            None => ready.add("X-Kunji-Session", &session(kunji, operation.document)),
        }
    }
    if let (Some(checksum), Some(example)) = (operation.tree.get("x-kunji-checksum"), example) {
        prove(kunji, &mut ready, checksum.at("secret").text(), example);
    }
    ready
}

fn now_ms() -> String {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().to_string()
}

/// Version 2 of the SDK's signatures, as text.
pub(super) fn signature_v2(payload: &str) -> String {
    let key = RsaPrivate::parse(stock::KEY).unwrap();
    STANDARD.encode(key.sign(RsaScheme::Pkcs1, &[payload.as_bytes()]).unwrap())
}

/// An envelope as it is, signed now in place of then.
fn signed_now(envelope: &Tree) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let old = envelope.at("payload").at("signaturePayload").text();
    let then = Tree::parse(old).at("timestamp").text().to_owned();
    let new = old.replace(&then, &now_ms());
    let old_signature = envelope.at("payload").at("signature").text();
    let text = envelope.to_string().replace(&quoted(old), &quoted(&new));
    text.replace(&quoted(old_signature), &quoted(&signature_v2(&new)))
}

fn example_of<'a>(document: &'a Document, action: &str) -> &'a Tree {
    let process = document.root.at("paths").at(PROCESS).at("post").at("requestBody");
    process.at("content").at("application/json").at("examples").at(action).at("value")
}

/// A session of the customer of the examples.
fn session(kunji: &Kunji, document: &Document) -> String {
    let body = signed_now(example_of(document, "upiGetSessionToken"));
    let json = [("Content-Type", "application/json")];
    let answer = kunji.send(Method::POST, PROCESS, &json, body);
    answer.header("x-kunji-session").unwrap().to_owned()
}

/// A capture of one MPIN.
struct Capture {
    id: String,
    txn: String,
}

impl Capture {
    fn open(kunji: &Kunji, document: &Document) -> Self {
        let session = session(kunji, document);
        let headers = [("Content-Type", "application/json"), ("X-Kunji-Session", &*session)];
        // Each capture is under a request id of its own.
        let id = crate::support::fresh("STK");
        let example = example_of(document, "upiCheckBalance");
        let old = example.at("payload").at("upiRequestId").text();
        let body = example.to_string().replace(old, &id);
        let opened = kunji.send(Method::POST, PROCESS, &headers, body).json();
        let id = opened["payload"]["captureId"].as_str().unwrap().to_owned();
        Self { id, txn: opened["payload"]["txnId"].as_str().unwrap().to_owned() }
    }

    fn path(&self) -> String {
        format!("/hyper/v1/captures/{}", self.id)
    }

    fn filled(&self, kunji: &Kunji, example: &Tree) -> String {
        let sample = example.at("creds").items()[0].at("data").at("encryptedBase64String").text();
        let block = kunji.sealed(BlockAlg::EcdhEs, "739105", PinUse::Mpin, &self.txn);
        example.to_string().replace(sample, &block)
    }
}

/// Proves the sender in the way of the example.
fn prove(kunji: &Kunji, ready: &mut Ready, secret: &str, example: &Tree) {
    let Some(proof) = example.get("x-kunji-proof") else {
        let timestamp = now_ms();
        let (merchant, channel) =
            (ready.header("x-merchant-id"), ready.header("x-merchant-channel-id"));
        let parts = [merchant, channel, &timestamp, &ready.body].map(str::as_bytes);
        let checksum = HmacKey::parse(secret).unwrap().checksum(&parts);
        ready.add("x-timestamp", &timestamp);
        ready.add("x-merchant-checksum", &checksum);
        return;
    };
    let plain = example.at("x-kunji-plain");
    let then = plain.at("iat").text();
    let body = plain.to_string().replace(then, &now_ms());
    let key = RsaPrivate::parse(stock::KEY).unwrap();
    let jws = key.sign_jws(Some(stock::STOCK.key_id), body.as_bytes()).unwrap();
    ready.body = match proof.text() {
        "jws" => serde_json::to_string(&jws).unwrap(),
        "jwe" => {
            let keys = kunji.get("/.well-known/jwks.json").text();
            serde_json::to_string(&JweParts::from_jwks(&keys, &jws).unwrap()).unwrap()
        }
        other => panic!("no proof is called {other}"),
    };
}
