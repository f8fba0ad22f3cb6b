//! What HTTP itself can get wrong: path, method, size and type of the body.

use serde_json::json;
use ureq::http::Method;

use super::{AVAILABILITY, CREATE, FETCH, NISHA, Post, UPDATE, VALIDITY, failed, now, said};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::{Answer, Kunji};

const CALLS: [&str; 5] = [UPDATE, AVAILABILITY, CREATE, FETCH, VALIDITY];
const LEN_MAX: usize = 64 * 1024;
const CALL: &str = "all calls";

const TRANSPORT: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        CALL, "another path, or `apiVersion` not 1 to 8 lower-case letters and digits" =>
            404 "BAD_REQUEST", elsewhere;
        CALL, "any `apiVersion` of 1 to 8 lower-case letters and digits" => 200 "BAD_REQUEST",
            |kunji| same(["n2", "b2", "v", "12345678", "a1b2c3d4"].map(|version| {
                let path = format!("/api/{version}/merchants/{UPDATE}");
                said(&NISHA.summed(b"{}", &now()).send_to(kunji, &path))
            }));
        CALL, "another method than POST; `Allow` names it" => 405 "BAD_REQUEST", wrong_method;
        CALL, "a body of more than 64 KiB" => 413 "BAD_REQUEST",
            |kunji| each(|call| {
                let answer = padded(LEN_MAX + 1).send(kunji, call);
                failed(&answer, "BAD_REQUEST", "Request body is over 64 KiB")
            });
        CALL, "a body of 64 KiB is read" => 200 "BAD_REQUEST",
            |kunji| each(|call| said(&padded(LEN_MAX).send(kunji, call)));
        CALL, "no content type, or another one than JSON" => 415 "BAD_REQUEST", wrong_type;
        CALL, "a body with a content coding" => 415 "BAD_REQUEST",
            |kunji| each(|call| {
                let path = format!("/api/n2/merchants/{call}");
                let answer = kunji.post(&path, &[("Content-Encoding", "gzip")], &json!({}));
                failed(&answer, "BAD_REQUEST", "content-encoding is not identity")
            });
    },
};

const PREFIXED: Table = Table {
    dialect: "merchants",
    start: || Kunji::sandbox_with(&[("KUNJI_UPI__PREFIX", "/upi/api")]),
    ground: Ground::Shared,
    cases: cases! {
        CALL, "what stands before `apiVersion` is a setting" => 200 "BAD_REQUEST",
            |kunji| {
                let post = NISHA.summed(b"{}", &now());
                assert_eq!(post.send(kunji, UPDATE).status, 404);
                said(&post.send_to(kunji, &format!("/upi/api/n2/merchants/{UPDATE}")))
            };
    },
};

tables! {
    every_transport_error_has_the_vendor_s_shape plays TRANSPORT;
    the_paths_may_stand_elsewhere plays PREFIXED;
}

/// The same answer for every call.
#[track_caller]
fn each(play: impl Fn(&str) -> Said) -> Said {
    same(CALLS.map(play))
}

fn padded(len: usize) -> Post {
    let body = format!("{{{}}}", " ".repeat(len - 2));
    NISHA.summed(body.as_bytes(), &now())
}

fn elsewhere(kunji: &Kunji) -> Said {
    let paths = [
        "/api/n2/merchants",
        "/api/n2/merchants/",
        "/api/n2/merchants/upiNumber",
        "/api/n2/merchants/upiNumber/",
        "/api/n2/merchants/upiNumber/updates",
        "/api/n2/merchants/upiNumber/update/",
        "/api/n2/merchants/upinumber/update",
        "/api/n2/merchants/vpas/availability",
        "/api/N2/merchants/upiNumber/update",
        "/api/n-2/merchants/upiNumber/update",
        "/api/123456789/merchants/upiNumber/update",
        "/api/%6e%00/merchants/upiNumber/update",
        "/api/%ff/merchants/upiNumber/update",
    ];
    same(paths.map(|path| {
        let nothing = |answer: &Answer| failed(answer, "BAD_REQUEST", "No such call");
        let get = nothing(&kunji.get(path));
        same([get, nothing(&NISHA.summed(b"{}", &now()).send_to(kunji, path))])
    }))
}

fn wrong_method(kunji: &Kunji) -> Said {
    let methods = [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    same(methods.map(|method| {
        each(|call| {
            let path = format!("/api/n2/merchants/{call}");
            let answer = kunji.send(method.clone(), &path, &[], "");
            assert_eq!(answer.header("allow"), Some("POST"), "{method} {path}");
            failed(&answer, "BAD_REQUEST", "Use POST")
        })
    }))
}

fn wrong_type(kunji: &Kunji) -> Said {
    let post = NISHA.summed(b"{}", &now());
    let send = |call: &str, kind: Option<&str>| {
        let path = format!("/api/n2/merchants/{call}");
        let mut headers: Vec<_> =
            post.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.extend(kind.map(|kind| ("content-type", kind)));
        let answer = kunji.send(Method::POST, &path, &headers, "{}");
        failed(&answer, "BAD_REQUEST", "content-type is not application/json")
    };
    let kinds = [None, Some(""), Some("text/plain"), Some("application/jsonp"), Some("json")];
    same(kinds.map(|kind| each(|call| send(call, kind))))
}
