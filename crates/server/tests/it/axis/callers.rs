//! Who may call: nobody else is answered, and nothing else of a stranger's request is read.

use serde_json::Value;
use ureq::http::Method;

use super::{LIVE, OTP_REQUEST, SET_RESET, error_said};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::line::Line;
use crate::support::{AXIS_CLIENT, CHANGE_MPIN, Kunji, change_john, sample_change};

const CALL: &str = "all calls";
const PATHS: [&str; 3] = [CHANGE_MPIN, SET_RESET, OTP_REQUEST];

const CALLERS: Table = Table {
    dialect: "axis",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        CALL, "an unknown client, or a wrong secret" => 401 "E40100",
            |kunji| same(STRANGERS.iter().map(|headers| each(kunji, headers, "{}")));
        CALL, "an id without a secret, a secret without an id, or either twice" => 401 "E40100",
            |kunji| same(HALF.iter().map(|headers| each(kunji, headers, "{}")));
        CALL, "an unknown client whose body is no JSON, too long or of another type" => 401 "E40100",
            unread;
        "change MPIN, by test id", "the client's id and secret are right" => 200 "00",
            |kunji| known(kunji, &[("X-AXIS-TEST-ID", "1")], &sample_change());
        "change MPIN, live", "the client's id and secret are right" => 200 "00",
            |kunji| known(kunji, &[LIVE], &change_john("1234", "4826"));
    },
};

tables! {
    a_stranger_is_told_nothing plays CALLERS;
}

const ID: &str = AXIS_CLIENT[0].1;
const SECRET: &str = AXIS_CLIENT[1].1;

const STRANGERS: &[&[(&str, &str)]] = &[
    &[("X-IBM-Client-Id", ID), ("X-IBM-Client-Secret", "sandbox-client-secreT")],
    &[("X-IBM-Client-Id", ID), ("X-IBM-Client-Secret", "sandbox-client-secret2")],
    &[("X-IBM-Client-Id", ID), ("X-IBM-Client-Secret", "")],
    &[("X-IBM-Client-Id", ID), ("X-IBM-Client-Secret", ID)],
    &[("X-IBM-Client-Id", "Sandbox"), ("X-IBM-Client-Secret", SECRET)],
    &[("X-IBM-Client-Id", "app"), ("X-IBM-Client-Secret", SECRET)],
    &[("X-IBM-Client-Id", ""), ("X-IBM-Client-Secret", SECRET)],
    &[("X-IBM-Client-Id", "\u{e9}"), ("X-IBM-Client-Secret", "\u{e9}")],
];

const HALF: &[&[(&str, &str)]] = &[
    &[("X-IBM-Client-Id", ID)],
    &[("X-IBM-Client-Secret", SECRET)],
    &[("X-IBM-Client-Id", ID), ("X-IBM-Client-Id", ID), ("X-IBM-Client-Secret", SECRET)],
    &[("X-IBM-Client-Id", ID), ("X-IBM-Client-Secret", SECRET), ("X-IBM-Client-Secret", SECRET)],
];

/// The same answer of every call, whatever mode is asked for.
fn each(kunji: &Kunji, headers: &[(&str, &str)], body: &str) -> Said {
    let modes = [("X-AXIS-TEST-ID", "1"), LIVE, ("Content-Type", "text/plain")];
    same(PATHS.iter().flat_map(|path| {
        modes.map(|mode| {
            let all = [headers, &[mode]].concat();
            error_said(&kunji.send(Method::POST, path, &all, body))
        })
    }))
}

fn unread(kunji: &Kunji) -> Said {
    let said =
        same(["", "{", "[]", &" ".repeat(70_000)].map(|body| each(kunji, STRANGERS[0], body)));
    // It is not even asked for.
    for path in PATHS {
        let mut line = Line::open(kunji.address()).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nX-IBM-Client-Id: x\r\nX-IBM-Client-Secret: x\r\n\
             content-type: application/json\r\ncontent-length: 1000\r\n\
             expect: 100-continue\r\n\r\n",
            kunji.address(),
        );
        line.say(head.as_bytes()).unwrap();
        assert_eq!(line.head().unwrap().0, 401, "{path}");
    }
    said
}

fn known(kunji: &Kunji, headers: &[(&str, &str)], body: &Value) -> Said {
    let answer = kunji.post(CHANGE_MPIN, &[headers, &AXIS_CLIENT].concat(), body);
    super::change_said(body, &answer)
}
