//! What HTTP itself can get wrong: path, method, size and type of the body.

use serde_json::json;
use ureq::http::Method;

use super::{OTP_REQUEST, SET_RESET, error_said};
use crate::coverage::{Ground, Said, Table, cases, tables};
use crate::support::{Answer, CHANGE_MPIN, Kunji, sample_change};

const PATHS: [&str; 3] = [CHANGE_MPIN, SET_RESET, OTP_REQUEST];
const LEN_MAX: usize = 64 * 1024;
const CALL: &str = "all calls";

const TRANSPORT: Table = Table {
    dialect: "axis",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        CALL, "another path under the vendor's roots" => 404 "E40401", elsewhere;
        CALL, "another method than POST; `Allow` names it" => 405 "E40501", wrong_method;
        CALL, "a body of more than 64 KiB" => 413 "E41301",
            |kunji| each(|path| typed(kunji, path, "application/json", &padded(LEN_MAX + 1)));
        CALL, "a body of 64 KiB is read" => 400 "E40001",
            |kunji| each(|path| typed(kunji, path, "application/json", &padded(LEN_MAX)));
        CALL, "no content type" => 415 "E40001",
            |kunji| {
                each(|path| kunji.send(Method::POST, path, &[("X-AXIS-TEST-ID", "1")], "{}"))
            };
        CALL, "another content type than JSON" => 415 "E40001", wrong_type;
        CALL, "a body with a content coding" => 415 "E40001",
            |kunji| each(|path| kunji.post(path, &[("Content-Encoding", "gzip")], &json!({})));
        "change MPIN, by test id", "a content type with a charset, in any case" => 401 "E40101",
            with_charset;
    },
};

tables! {
    every_transport_error_has_the_vendor_s_shape plays TRANSPORT;
}

/// The same answer on every path.
fn each(send: impl Fn(&str) -> Answer) -> Said {
    let [first, rest @ ..] = PATHS.map(|path| error_said(&send(path)));
    assert!(rest.iter().all(|other| (other.http, &other.code) == (first.http, &first.code)));
    first
}

fn typed(kunji: &Kunji, path: &str, kind: &str, body: &str) -> Answer {
    let headers = [("X-AXIS-TEST-ID", "1"), ("Content-Type", kind)];
    kunji.send(Method::POST, path, &headers, body)
}

fn padded(len: usize) -> String {
    format!("{{{}}}", " ".repeat(len - 2))
}

fn elsewhere(kunji: &Kunji) -> Said {
    let paths = ["/api/transactions/v1", "/api/transactions/v2/changempin", "/api/axis/upi/"];
    let others = paths.map(|path| {
        let get = error_said(&kunji.get(path));
        let post = error_said(&typed(kunji, path, "application/json", "{}"));
        assert_eq!((get.http, &get.code), (post.http, &post.code));
        post
    });
    let slash = format!("{CHANGE_MPIN}/");
    let slashed = error_said(&typed(kunji, &slash, "application/json", "{}"));
    assert!(others.iter().all(|other| (other.http, &other.code) == (slashed.http, &slashed.code)));
    slashed
}

fn wrong_method(kunji: &Kunji) -> Said {
    let methods = [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    for method in methods {
        each(|path| {
            let answer = kunji.send(method.clone(), path, &[], "");
            assert_eq!(answer.header("allow"), Some("POST"), "{method} {path}");
            answer
        });
    }
    for path in PATHS {
        let head = kunji.send(Method::HEAD, path, &[], "");
        assert_eq!((head.status, head.body.len()), (405, 0));
    }
    each(|path| kunji.get(path))
}

fn wrong_type(kunji: &Kunji) -> Said {
    let body = sample_change().to_string();
    for kind in ["", "text/plain", "application/jsonp", "application/problem+json", "json"] {
        let said = each(|path| typed(kunji, path, kind, &body));
        assert_eq!((said.http, said.code.as_str()), (415, "E40001"), "{kind}");
    }
    each(|path| typed(kunji, path, "application/x-www-form-urlencoded", &body))
}

fn with_charset(kunji: &Kunji) -> Said {
    let send = |kind| {
        let headers = [("X-AXIS-TEST-ID", "2"), ("Content-Type", kind)];
        error_said(&kunji.send(Method::POST, CHANGE_MPIN, &headers, sample_change().to_string()))
    };
    let [first, second] =
        ["application/json; charset=utf-8", "Application/JSON ;charset=UTF-8"].map(send);
    assert_eq!((first.http, &first.code), (second.http, &second.code));
    first
}
