//! The UPI number server API, row for row of its contract.

mod audit;
mod document;
mod fetch;
mod integrity;
mod lookups;
mod pending;
mod races;
mod registers;
mod transport;
mod updates;

use std::time::{SystemTime, UNIX_EPOCH};

use kunji_vault::{HmacKey, JweParts, JwsParts, RsaPrivate, RsaPublic, RsaScheme};
use serde_json::{Value, json};
use ureq::http::Method;

pub(crate) use self::document::DOCUMENT;
use crate::coverage::Said;
use crate::support::shape::starred;
use crate::support::{Answer, Kunji, fresh};

const UPDATE: &str = "upiNumber/update";
const AVAILABILITY: &str = "upiNumber/availability";
const CREATE: &str = "upiNumber/create";
const FETCH: &str = "upiNumber/fetch";
const VALIDITY: &str = "vpas/validity";

/// A merchant of the sandbox, and one of its customers.
#[derive(Clone, Copy)]
struct Client {
    merchant: &'static str,
    channel: &'static str,
    secret: &'static str,
    prefix: &'static str,
    customer: &'static str,
    mobile: &'static str,
    vpa: &'static str,
    device: &'static str,
}

/// Holds the own mobile number, one more that is active, and one that is disabled.
const NISHA: Client = Client {
    merchant: "stock",
    channel: "STOCKAPP",
    secret: "sandbox-checksum-secret",
    prefix: "STK",
    customer: "1234567",
    mobile: "919876543210",
    vpa: "something@handle",
    device: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};
/// Holds no number.
const ARJUN: Client = Client {
    customer: "7654321",
    mobile: "919812345678",
    vpa: "third@handle",
    device: "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
    ..NISHA
};
/// Holds no number.
const FARAH: Client = Client {
    customer: "5550001",
    mobile: "919800000001",
    vpa: "errors@handle",
    device: "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
    ..NISHA
};
/// The first one again, at another provider.
const AT_BROKER: Client = Client {
    merchant: "broker",
    channel: "BROKERAPP",
    secret: "broker-checksum-secret",
    prefix: "BRK",
    customer: "88001",
    mobile: "919876543210",
    vpa: "me@broker",
    device: "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
};

/// A request on its way.
#[derive(Debug, Clone)]
struct Post {
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Client {
    /// A request id that nobody had before.
    fn txn(&self) -> String {
        format!("{}{:0>32}", self.prefix, fresh(""))
    }

    /// An update of a number that leads to the client's VPA.
    fn update(&self, number: &str, action: &str) -> Value {
        json!({
            "upiNumber": number,
            "merchantCustomerId": self.customer,
            "upiRequestId": self.txn(),
            "vpa": self.vpa,
            "action": action,
            "deviceFingerPrint": self.device,
        })
    }

    /// A question about a number.
    fn check(&self, number: &str, action: &str) -> Value {
        json!({
            "upiNumber": number,
            "vpa": self.vpa,
            "merchantCustomerId": self.customer,
            "upiRequestId": self.txn(),
            "action": action,
        })
    }

    /// A wish for a number.
    fn create(&self, number: &str) -> Value {
        json!({
            "upiNumber": number,
            "vpa": self.vpa,
            "merchantCustomerId": self.customer,
            "upiRequestId": self.txn(),
        })
    }

    /// The headers that say who it is.
    fn names(&self) -> Vec<(&'static str, String)> {
        vec![
            ("x-merchant-id", self.merchant.to_owned()),
            ("x-merchant-channel-id", self.channel.to_owned()),
        ]
    }

    /// A request with a checksum, made at this time.
    fn summed(&self, body: &[u8], at: &str) -> Post {
        let parts = [self.merchant.as_bytes(), self.channel.as_bytes(), at.as_bytes(), body];
        let sum = HmacKey::parse(self.secret).unwrap().checksum(&parts);
        let proof = [("x-timestamp", at.to_owned()), ("x-merchant-checksum", sum)];
        let headers = self.names().into_iter().chain(proof).collect();
        Post { headers, body: body.to_owned() }
    }

    /// A request with a signature, made at this time.
    fn signed(&self, body: &[u8], at: &str) -> Post {
        let parts = [self.merchant.as_bytes(), self.channel.as_bytes(), at.as_bytes(), body];
        let signature = hex(&key().sign(RsaScheme::Pss, &parts).unwrap());
        let proof = [("x-timestamp", at.to_owned()), ("x-merchant-signature", signature)];
        let headers = self.names().into_iter().chain(proof).collect();
        Post { headers, body: body.to_owned() }
    }

    /// A request whose body is a JWS.
    fn jws(&self, body: &Value, iat: &Value) -> Post {
        let jws = jws(body, iat);
        Post { headers: self.names(), body: serde_json::to_vec(&jws).unwrap() }
    }

    /// A request whose body is a JWE around a JWS.
    fn jwe(&self, kunji: &Kunji, body: &Value, iat: &Value) -> Post {
        let keys = kunji.get("/.well-known/jwks.json").text();
        let jwe = JweParts::from_jwks(&keys, &jws(body, iat)).unwrap();
        Post { headers: self.names(), body: serde_json::to_vec(&jwe).unwrap() }
    }

    /// Asks with a checksum, now, and looks at the signature of the answer.
    fn ask(&self, kunji: &Kunji, call: &str, body: &Value) -> Answer {
        let answer = self.summed(body.to_string().as_bytes(), &now()).send(kunji, call);
        if answer.status == 200 {
            assert_signed(kunji, &answer);
        }
        answer
    }

    /// What the customer holds: `number status vpa`, each.
    fn holds(&self, kunji: &Kunji) -> Vec<String> {
        let said = self.ask(kunji, FETCH, &json!({"merchantCustomerId": self.customer})).json();
        let text = |one: &Value, member: &str| one[member].as_str().unwrap().to_owned();
        let numbers = said["payload"]["upiNumbers"].as_array().unwrap().clone();
        let members = ["upiNumber", "status", "vpa"];
        numbers.iter().map(|one| members.map(|member| text(one, member)).join(" ")).collect()
    }
}

impl Post {
    fn send(&self, kunji: &Kunji, call: &str) -> Answer {
        self.send_to(kunji, &format!("/api/n2/merchants/{call}"))
    }

    fn send_to(&self, kunji: &Kunji, path: &str) -> Answer {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        kunji.send(Method::POST, path, &headers, self.body.clone())
    }

    /// The same with another value in a header.
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The same without a header.
    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self
    }

    fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(other, _)| *other == name);
        found.unwrap().1.clone()
    }
}

/// The private half of both merchants' key.
fn key() -> RsaPrivate {
    let text =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../vault/tests/vectors/merchant-stock.jwk.json");
    RsaPrivate::parse(&std::fs::read_to_string(text).unwrap()).unwrap()
}

fn jws(body: &Value, iat: &Value) -> JwsParts {
    let mut payload = body.clone();
    payload["iat"] = iat.clone();
    key().sign_jws(None, payload.to_string().as_bytes()).unwrap()
}

/// The key that answers are signed with, as it is published.
fn published(kunji: &Kunji) -> RsaPublic {
    let keys = kunji.get("/.well-known/jwks.json").json();
    let keys = keys["keys"].as_array().unwrap().clone();
    let signing = keys.iter().find(|key| key["use"] == "sig").unwrap();
    RsaPublic::parse(&signing.to_string()).unwrap()
}

/// The answer's header holds a signature over its body.
#[track_caller]
fn assert_signed(kunji: &Kunji, answer: &Answer) {
    let text = answer.header("x-response-signature").unwrap();
    assert!(text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{text}");
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let signature: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    let key = published(kunji);
    assert!(key.verifies(RsaScheme::Pss, &[&answer.body], &signature), "{answer:?}");
    assert!(!key.verifies(RsaScheme::Pss, &[&answer.body, b" "], &signature));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    i64::try_from(now).unwrap()
}

fn now() -> String {
    now_ms().to_string()
}

/// The gateway's code where there is one, else the API's.
fn said(answer: &Answer) -> Said {
    let body = answer.json();
    let gateway = &body["payload"]["gatewayResponseCode"];
    let code = gateway.as_str().or(body["responseCode"].as_str()).unwrap();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(body["status"] == "SUCCESS", body.get("payload").is_some(), "{body}");
    Said { http: answer.status, code: code.to_owned() }
}

/// A failure without a payload, byte for byte.
#[track_caller]
fn failed(answer: &Answer, code: &str, message: &str) -> Said {
    let expected =
        format!(r#"{{"status":"FAILURE","responseCode":"{code}","responseMessage":"{message}"}}"#);
    assert_eq!(answer.text(), expected);
    said(answer)
}

/// `gatewayResponseMessage` of every gateway code.
const MESSAGES: [(&str, &str); 11] = [
    ("00", "Success"),
    ("01", "Pending"),
    ("KU01", "UPI number is not registered"),
    ("KU02", "Action is not allowed in this state"),
    ("KU03", "UPI number is already in this state"),
    ("KU04", "VPA is not of this customer or PSP"),
    ("KU05", "UPI number is not linked to the VPA named"),
    ("KU07", "UPI number is in its cooling period"),
    ("KU08", "Customer has as many as allowed"),
    ("KU09", "A change of the UPI number is pending"),
    ("MM18", "UPI number is held by another customer"),
];

/// The verdict about a number, byte for byte: code, status (or none), VPA.
#[track_caller]
fn verdict(
    client: &Client,
    asked: &Value,
    answer: &Answer,
    (code, status, vpa): (&str, &str, &str),
) -> Said {
    let Client { merchant, channel, customer, mobile, .. } = client;
    let (number, txn) = (&asked["upiNumber"], &asked["upiRequestId"]);
    let (_, message) = MESSAGES.iter().find(|(known, _)| *known == code).unwrap();
    let triple = match code {
        "00" => "SUCCESS",
        "01" => "PENDING",
        _ => "FAILURE",
    };
    let status = match status {
        "" => String::new(),
        status => format!(r#""status":"{status}","#),
    };
    let vpa = vpa.replace(" was ", r#"","existingVpa":""#);
    let udf = asked.get("udfParameters");
    let udf = udf.map_or_else(String::new, |udf| format!(r#","udfParameters":{udf}"#));
    let expected = format!(
        r#"{{"status":"SUCCESS","responseCode":"SUCCESS","responseMessage":"SUCCESS","payload":{{"merchantId":"{merchant}","merchantChannelId":"{channel}","merchantCustomerId":"{customer}","customerMobileNumber":"{mobile}","upiNumber":{number},"vpa":"{vpa}",{status}"gatewayTransactionId":{txn},"gatewayResponseStatus":"{triple}","gatewayResponseCode":"{code}","gatewayResponseMessage":"{message}","gatewayTimestamp":"*"}}{udf}}}"#
    );
    assert_eq!(starred(&answer.text(), "gatewayTimestamp", is_indian), expected);
    said(answer)
}

/// `YYYY-MM-DDTHH:MM:SS+05:30`.
fn is_indian(text: &str) -> bool {
    let shape = "0000-00-00T00:00:00+05:30";
    let fits = |(byte, sign): (u8, u8)| match sign {
        b'0' => byte.is_ascii_digit(),
        _ => byte == sign,
    };
    let (head, tail) = text.split_at(19);
    head.bytes().zip(shape.bytes()).all(fits) && tail == "+05:30"
}

/// A body with one member set to something else; `null` takes it out.
fn changed(body: &Value, member: &str, value: &Value) -> Value {
    let mut body = body.clone();
    match value.is_null() {
        true => drop(body.as_object_mut().unwrap().remove(member)),
        false => body[member] = value.clone(),
    }
    body
}

/// Every one of these values is refused with the member's name and this rule.
#[track_caller]
fn refused(
    kunji: &Kunji,
    call: &str,
    body: &Value,
    (member, rule): (&str, &str),
    values: &[Value],
) -> Said {
    let mut last = None;
    for value in values {
        let answer = NISHA.ask(kunji, call, &changed(body, member, value));
        last = Some(failed(&answer, "BAD_REQUEST", &format!("{member} {rule}")));
    }
    last.unwrap()
}

const SHAPE: &str = "is missing or not a string";
/// What is there but no text.
fn shapeless() -> Vec<Value> {
    vec![json!(null), json!(1), json!(true), json!([]), json!({}), json!(["1"]), json!(1.5)]
}

/// All tables of this dialect.
pub(crate) fn tables() -> Vec<(&'static str, &'static crate::coverage::Table)> {
    let modules = [
        updates::TABLES,
        lookups::TABLES,
        registers::TABLES,
        pending::TABLES,
        fetch::TABLES,
        integrity::TABLES,
        transport::TABLES,
    ];
    modules.into_iter().flatten().copied().collect()
}

/// The first customer's backend, for tests of other modules.
pub(crate) struct Sender {
    at: String,
    checksum: Option<&'static str>,
}

impl Sender {
    pub(crate) fn nisha() -> Self {
        Self { at: now(), checksum: None }
    }

    /// The same, with this checksum.
    pub(crate) fn with_checksum(self, checksum: &'static str) -> Self {
        Self { checksum: Some(checksum), ..self }
    }

    /// The same, at another time.
    pub(crate) fn at(self, at: &str) -> Self {
        Self { at: at.to_owned(), ..self }
    }

    pub(crate) fn txn(&self) -> String {
        NISHA.txn()
    }

    pub(crate) fn fetch(&self, kunji: &Kunji) -> Answer {
        self.send(kunji, FETCH, &json!({"merchantCustomerId": NISHA.customer}))
    }

    /// Asks for a change of her active number, with some members set to something else.
    pub(crate) fn update(&self, kunji: &Kunji, action: &str, more: &Value) -> Answer {
        let mut body = NISHA.update("87654321", action);
        for (member, value) in more.as_object().unwrap() {
            body[member] = value.clone();
        }
        self.send(kunji, UPDATE, &body)
    }

    fn send(&self, kunji: &Kunji, call: &str, body: &Value) -> Answer {
        let post = NISHA.summed(body.to_string().as_bytes(), &self.at);
        match self.checksum {
            Some(checksum) => post.with("x-merchant-checksum", checksum).send(kunji, call),
            None => post.send(kunji, call),
        }
    }
}
