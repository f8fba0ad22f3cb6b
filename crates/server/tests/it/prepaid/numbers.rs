//! What an answer has for itself: its two numbers, and its time.

use std::collections::HashSet;
use std::sync::Mutex;

use kunji_server::wall;
use serde_json::{Value, json};

use super::{BLOCK, CREATE, Call, INQUIRY, RESET, UNBLOCK, inner_text};
use crate::support::{CLIENT, Kunji};

/// Serials of one block: after so many answers another one is taken.
const BLOCK_LEN: usize = 1024;

/// The two numbers of an answer: ten digits and twenty, never one for the other.
fn numbers(text: &str) -> (u64, String) {
    let inner: Value = serde_json::from_str(text).unwrap();
    let (id, reference) = (inner["accosaTransactionId"].as_u64(), inner["accosaRefNo"].as_str());
    let (Some(id), Some(reference)) = (id, reference) else { panic!("no numbers in {text}") };
    assert!((1..10_000_000_000).contains(&id), "{id}");
    assert!(reference.len() <= 20 && reference.bytes().all(|byte| byte.is_ascii_digit()));
    assert_ne!(reference, id.to_string());
    (id, reference.to_owned())
}

#[derive(Default)]
struct Seen {
    ids: HashSet<u64>,
    references: HashSet<String>,
}

impl Seen {
    #[track_caller]
    fn add(&mut self, text: &str) {
        let (id, reference) = numbers(text);
        assert!(self.ids.insert(id), "{id} was given twice");
        assert!(self.references.insert(reference), "a reference was given twice");
    }
}

/// A refusal that costs the process little.
fn refused(kunji: &Kunji) -> String {
    inner_text(&RESET.send(kunji, &RESET.with(&json!({"messageCode": "1"}))))
}

#[test]
fn every_answer_has_two_numbers_of_its_own() {
    let kunji = Kunji::sandbox();
    let mut seen = Seen::default();
    let mut add = |call: &Call, members: Value| {
        seen.add(&inner_text(&call.send(&kunji, &call.with(&members))));
    };
    add(&RESET, json!({"newPIN": "739105"}));
    add(&RESET, json!({"newPIN": "111111"}));
    add(&RESET, json!({"newPIN": "804913", "urn": 1}));
    add(&BLOCK, json!({"blockType": "Debit"}));
    add(&UNBLOCK, json!({}));
    add(&INQUIRY, json!({"urn": 1}));
    add(&CREATE, json!({"productId": null}));
    let broken = kunji.send(RESET.method.clone(), RESET.path, CLIENT, "{}");
    seen.add(&inner_text(&broken));
}

#[test]
fn a_repeated_request_has_the_numbers_of_its_first_answer() {
    let kunji = Kunji::sandbox();
    let asked = RESET.with(&json!({"newPIN": "739105"}));
    let first = numbers(&inner_text(&RESET.send(&kunji, &asked)));
    assert_eq!(numbers(&inner_text(&RESET.send(&kunji, &asked))), first);
    let duplicate = RESET.with(&json!({"clientTxnId": asked["clientTxnId"], "newPIN": "804913"}));
    assert_ne!(numbers(&inner_text(&RESET.send(&kunji, &duplicate))), first);
}

#[test]
fn numbers_go_on_over_blocks_starts_and_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let seen = Mutex::new(Seen::default());
    for round in 0..3 {
        let kunji = Kunji::sandbox_in(dir.path());
        let answers = if round == 0 { BLOCK_LEN + 200 } else { 50 };
        std::thread::scope(|scope| {
            for lane in 0..4 {
                let (kunji, seen) = (&kunji, &seen);
                scope.spawn(move || {
                    for _ in (lane..answers).step_by(4) {
                        let text = refused(kunji);
                        seen.lock().unwrap().add(&text);
                    }
                });
            }
        });
        kunji.kill();
    }
}

#[test]
fn a_sandbox_that_starts_over_has_other_numbers() {
    let kunji = Kunji::sandbox();
    let mut seen = Seen::default();
    for _ in 0..3 {
        (0..10).for_each(|_| seen.add(&refused(&kunji)));
        kunji.start_over();
    }
}

#[test]
fn every_answer_is_stamped_by_the_one_clock() {
    let kunji = Kunji::sandbox();
    kunji.advance("800d");
    let now = || {
        let now = kunji.get("/kunji/v1/sandbox/clock").json()["now"].as_str().unwrap().to_owned();
        wall::compact(wall::parse_iso(&now).unwrap())
    };
    let before = now();
    let plain = |answer: crate::support::Answer| answer.json();
    let stamped = [
        serde_json::from_str(&refused(&kunji)).unwrap(),
        plain(kunji.send(RESET.method.clone(), RESET.path, &[], "{}")),
        plain(kunji.send(RESET.method.clone(), RESET.path, &CLIENT[1..], "{}")),
        plain(kunji.send(RESET.method.clone(), RESET.path, &CLIENT[..5], "{}")),
        plain(kunji.get(RESET.path)),
        plain(kunji.get("/resetPin")),
        plain(kunji.get("/mob1/api/nothing")),
        plain(kunji.get("/mob1/nothing")),
        plain(kunji.send(RESET.method.clone(), "/mob1/api/v2/decrypt", CLIENT, "{}")),
    ];
    let after = now();
    for answer in stamped {
        let at = answer["responseDateTime"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!((before.as_str()..=after.as_str()).contains(&at), "{before} {after} {answer}");
    }
}
