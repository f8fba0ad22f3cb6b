//! Many at once learn no more, and change no more, than they would in turn.

use std::collections::{BTreeMap, HashSet};
use std::sync::Barrier;

use kunji_testkit::Cluster;
use kunji_vault::{BlockAlg, BlockMaker, PinUse};
use serde_json::{Value, json};

use crate::hyper::client::{App, Capture, cred, result};
use crate::support::blocks::{ASHA, maker, sealed, sealed_change};
use crate::support::line::{Line, posted};
use crate::support::{
    Answer, CHANGE_MPIN, CLIENT, Kunji, RESET_PIN, change_asha, change_john, fresh, opened, reset,
    token,
};

const LIVE: &str = "X-Kunji-Mode: live\r\n";
const BEARER: &str = "Authorization: Bearer sandbox\r\n";
const VERIFY_ASHA: &str = "/kunji/v1/credentials/account/ACC000000002/verify";

/// A sandbox whose state lies in a database of its own.
fn on_postgres() -> Kunji {
    Kunji::sandbox_with(&[("KUNJI_STORE__URL", &Cluster::shared().fresh())])
}

/// Answers by name, counted.
type Tally = BTreeMap<String, usize>;

/// Sends all requests over so many kept connections, begun together; the answers in their order.
fn storm(kunji: &Kunji, lines: usize, requests: &[Vec<u8>]) -> Vec<Answer> {
    let start = Barrier::new(lines);
    let send = |nth: usize| {
        let mut line = Line::open(kunji.address()).unwrap();
        start.wait();
        let mine = requests.iter().enumerate().skip(nth).step_by(lines);
        let answered = mine.map(|(place, request)| {
            line.say(request).unwrap();
            (place, line.answer().unwrap())
        });
        answered.collect::<Vec<_>>()
    };
    let mut answers = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..lines).map(|nth| scope.spawn(move || send(nth))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    answers.sort_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// What an answer of change MPIN or of our own API says, in one word.
fn word(answer: &Answer) -> String {
    let said = answer.json();
    let word = said["verdict"].as_str().or(said["code"].as_str());
    let code = said["error"]["errors"][0]["errorCode"].as_str();
    let done = said["SetResetMPINResponseBody"]["code"].as_str();
    word.or(code).or(done).unwrap_or("unreadable").to_owned()
}

fn tally(answers: &[Answer]) -> Tally {
    let mut tally = Tally::new();
    for answer in answers {
        *tally.entry(word(answer)).or_default() += 1;
    }
    tally
}

fn count(tally: &Tally, words: &[&str]) -> usize {
    words.iter().filter_map(|word| tally.get(*word)).sum()
}

/// One wrong guess of Asha's MPIN: by change or by verify, in the clear or in a block.
fn guess(maker: &BlockMaker, nth: u32) -> Vec<u8> {
    let pin = format!("{:06}", 210_000 + nth);
    if nth.is_multiple_of(2) {
        let body = match nth.is_multiple_of(4) {
            true => sealed_change(maker, ASHA, &pin, "590284"),
            false => change_asha(&pin, "590284"),
        };
        return posted(CHANGE_MPIN, LIVE, body.to_string().as_bytes());
    }
    let txn = fresh("G");
    let pin = match nth % 4 {
        1 => pin,
        _ => sealed(maker, &pin, PinUse::Mpin, &txn),
    };
    posted(VERIFY_ASHA, BEARER, json!({ "txn": txn, "pin": pin }).to_string().as_bytes())
}

/// Two wrong verdicts and the one that blocks; everybody else hears "blocked".
fn storm_of_guesses(kunji: &Kunji, first: u32) {
    let maker = maker(kunji, BlockAlg::EcdhEs);
    let guesses: Vec<_> = (first..first + 1000).map(|nth| guess(&maker, nth)).collect();
    let tally = tally(&storm(kunji, 64, &guesses));
    assert_eq!(count(&tally, &["E40101", "wrong_pin"]), 2, "{tally:?}");
    assert_eq!(count(&tally, &["E42301", "blocked"]), 998, "{tally:?}");
    assert_eq!(kunji.verify("account", "ACC000000002", "804913"), "blocked");
    assert_eq!(word(&kunji.change_live(&change_asha("804913", "590284"))), "E42301");
}

#[test]
fn a_thousand_guesses_at_once_learn_three_verdicts() {
    guesses_at_once_learn_three_verdicts(&Kunji::sandbox());
}

#[test]
fn a_thousand_guesses_at_once_learn_three_verdicts_on_postgres() {
    guesses_at_once_learn_three_verdicts(&on_postgres());
}

fn guesses_at_once_learn_three_verdicts(kunji: &Kunji) {
    storm_of_guesses(kunji, 0);
    kunji.advance("24h");
    storm_of_guesses(kunji, 1000);
    kunji.advance("24h");
    assert_eq!(kunji.verify("account", "ACC000000002", "804913"), "verified");
}

#[track_caller]
fn all_the_same(answers: &[Answer]) -> &Answer {
    let different: HashSet<_> =
        answers.iter().map(|answer| (answer.status, &answer.body)).collect();
    assert_eq!(different.len(), 1);
    &answers[0]
}

#[test]
fn one_change_sent_two_hundred_times_takes_effect_once() {
    one_change_sent_often(&Kunji::sandbox());
}

#[test]
fn one_change_sent_two_hundred_times_takes_effect_once_on_postgres() {
    one_change_sent_often(&on_postgres());
}

fn one_change_sent_often(kunji: &Kunji) {
    let body = change_asha("804913", "590284").to_string();
    let request = posted(CHANGE_MPIN, LIVE, body.as_bytes());
    let answers = storm(kunji, 50, &vec![request; 200]);
    assert_eq!(all_the_same(&answers).status, 200);
    assert_eq!(kunji.verify("account", "ACC000000002", "590284"), "verified");
    // Had it been kept twice, the first PIN would have left the last three one change earlier.
    let steps = [
        ("590284", "739105", "00"),
        ("739105", "804913", "E40004"),
        ("739105", "617402", "00"),
        ("617402", "804913", "00"),
    ];
    for (old, new, expected) in steps {
        assert_eq!(word(&kunji.change_live(&change_asha(old, new))), expected, "{old} {new}");
    }
}

#[test]
fn one_wrong_guess_sent_two_hundred_times_is_one_try() {
    one_guess_sent_often(&Kunji::sandbox());
}

#[test]
fn one_wrong_guess_sent_two_hundred_times_is_one_try_on_postgres() {
    one_guess_sent_often(&on_postgres());
}

fn one_guess_sent_often(kunji: &Kunji) {
    let body = json!({ "txn": fresh("G"), "pin": "210000" }).to_string();
    let answers = storm(kunji, 50, &vec![posted(VERIFY_ASHA, BEARER, body.as_bytes()); 200]);
    assert_eq!(word(all_the_same(&answers)), "wrong_pin");
    let body = change_asha("210001", "590284").to_string();
    let answers = storm(kunji, 50, &vec![posted(CHANGE_MPIN, LIVE, body.as_bytes()); 200]);
    assert_eq!(word(all_the_same(&answers)), "E40101");
    assert_eq!(kunji.verify("account", "ACC000000002", "804913"), "verified");
}

fn client_lines() -> String {
    let lines = CLIENT.iter().filter(|(name, _)| *name != "Content-Type");
    lines.map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

fn inside(answer: &Answer) -> Value {
    opened(answer.json()["token"].as_str().unwrap())
}

#[test]
fn one_reset_sent_two_hundred_times_takes_effect_once() {
    let kunji = Kunji::sandbox();
    let body = json!({ "token": token(&reset("481926").to_string()) }).to_string();
    let request = posted(RESET_PIN, &client_lines(), body.as_bytes());
    let answers = storm(&kunji, 50, &vec![request; 200]);
    assert_eq!(inside(all_the_same(&answers))["responseCode"], "00");
    assert_eq!(kunji.verify("card", "70000000008", "481926"), "verified");
    for (pin, code) in [("730582", "00"), ("916043", "00"), ("481926", "1030"), ("264817", "00")] {
        let answered = kunji.prepaid(ureq::http::Method::POST, RESET_PIN, &reset(pin));
        assert_eq!(answered.1["responseCode"], code, "{pin}");
    }
    let again = kunji.prepaid(ureq::http::Method::POST, RESET_PIN, &reset("481926"));
    assert_eq!(again.1["responseCode"], "00");
}

#[test]
fn one_reset_under_one_id_with_a_hundred_contents_takes_effect_once() {
    one_id_with_many_contents(&Kunji::sandbox());
}

#[test]
fn one_reset_under_one_id_with_a_hundred_contents_takes_effect_once_on_postgres() {
    one_id_with_many_contents(&on_postgres());
}

fn one_id_with_many_contents(kunji: &Kunji) {
    let first = reset("481926");
    // None of these PINs breaks a rule, whichever comes first.
    let requests = (0..100).map(|nth| {
        let mut inner = first.clone();
        inner["newPIN"] = json!(format!("{:06}", 540_101 + nth * 3));
        let body = json!({ "token": token(&inner.to_string()) }).to_string();
        posted(RESET_PIN, &client_lines(), body.as_bytes())
    });
    let answers = storm(kunji, 50, &requests.collect::<Vec<_>>());
    let codes: Vec<_> =
        answers.iter().map(|answer| inside(answer)["responseCode"].clone()).collect();
    assert_eq!(codes.iter().filter(|code| *code == "00").count(), 1);
    assert_eq!(codes.iter().filter(|code| *code == "1054").count(), 99);
    let winner = 540_101 + codes.iter().position(|code| code == "00").unwrap() * 3;
    assert_eq!(kunji.verify("card", "70000000008", &format!("{winner:06}")), "verified");
}

#[test]
fn a_hundred_changes_from_one_pin_have_one_winner() {
    many_changes_from_one_pin(&Kunji::sandbox());
}

#[test]
fn a_hundred_changes_from_one_pin_have_one_winner_on_postgres() {
    many_changes_from_one_pin(&on_postgres());
}

fn many_changes_from_one_pin(kunji: &Kunji) {
    let requests = (0..100).map(|nth| {
        let body = change_john("1234", &format!("{}", 6100 + nth)).to_string();
        posted(CHANGE_MPIN, LIVE, body.as_bytes())
    });
    let answers = storm(kunji, 64, &requests.collect::<Vec<_>>());
    let tally = tally(&answers);
    let expected = [("00", 1), ("E40101", 2), ("E42301", 97)];
    let expected: Tally = expected.map(|(word, count)| (word.to_owned(), count)).into();
    assert_eq!(tally, expected);
    kunji.advance("24h");
    let winner = answers.iter().position(|answer| word(answer) == "00").unwrap();
    let pin = format!("{}", 6100 + winner);
    assert_eq!(kunji.verify("account", "ACC123456789", &pin), "verified");
}

const STOCK: &str = "STOCKREF0002";

/// The secrets of a change, as the page sends them.
fn entered(maker: &BlockMaker, capture: &Capture, old: &str, new: &str) -> Vec<u8> {
    let block = |pin: &str, pin_use| sealed(maker, pin, pin_use, &capture.txn);
    let creds = json!({ "creds": [
        cred("PIN", "MPIN", &block(old, PinUse::Mpin)),
        cred("PIN", "NMPIN", &block(new, PinUse::NewMpin)),
    ]});
    posted(&capture.path(), "", creds.to_string().as_bytes())
}

/// The secret of a look at the balance.
fn guessed(maker: &BlockMaker, capture: &Capture, pin: &str) -> Vec<u8> {
    let block = sealed(maker, pin, PinUse::Mpin, &capture.txn);
    let creds = json!({ "creds": [cred("PIN", "MPIN", &block)] });
    posted(&capture.path(), "", creds.to_string().as_bytes())
}

/// The code of an event.
fn event_code(answer: &Answer) -> String {
    let event = answer.json();
    let code = event["payload"]["gatewayResponseCode"].as_str().or(event["errorCode"].as_str());
    code.unwrap().to_owned()
}

#[test]
fn twenty_secrets_and_a_cancel_have_one_ending() {
    const SECRETS: usize = 20;
    let kunji = Kunji::sandbox();
    let maker = maker(&kunji, BlockAlg::EcdhEs);
    let app = App::let_in(&kunji, "1234567");
    let mut pin = "739105".to_owned();
    for (round, place) in [0, 0, 0, 2, 4, 6, 9, 12, 16, 20].into_iter().enumerate() {
        let capture = app.open_change(STOCK);
        // None of these PINs breaks a rule, whichever comes first.
        let pins: Vec<_> =
            (0..SECRETS).map(|nth| format!("{}", 540_101 + (round * SECRETS + nth) * 3)).collect();
        let mut requests: Vec<_> =
            pins.iter().map(|new| entered(&maker, &capture, &pin, new)).collect();
        let leave = posted(&capture.path(), "", b"");
        let leave = [b"DELETE", leave.strip_prefix(b"POST").unwrap()].concat();
        requests.insert(place, leave);
        let mut answers = storm(&kunji, 8, &requests);
        let ending = result(&kunji, &capture);
        let cancelled = answers.remove(place);
        // Who leaves hears how it ended.
        assert_eq!(cancelled.body, ending.body);
        let winners: Vec<_> =
            (0..SECRETS).filter(|nth| answers[*nth].body == ending.body).collect();
        match event_code(&ending).as_str() {
            "JP_002" => {
                assert_eq!(winners.len(), SECRETS);
            }
            "00" => {
                let [winner] = winners[..] else { panic!("{winners:?} won") };
                let late = |nth: &usize| event_code(&answers[*nth]) == "JP_019";
                assert_eq!((0..SECRETS).filter(late).count(), SECRETS - 1);
                pin.clone_from(&pins[winner]);
            }
            other => panic!("{other}"),
        }
        assert_eq!(kunji.verify("account", STOCK, &pin), "verified", "{round}");
    }
    assert_ne!(pin, "739105");
}

#[test]
fn many_guesses_in_one_capture_learn_one_verdict() {
    let kunji = Kunji::sandbox();
    let maker = maker(&kunji, BlockAlg::EcdhEs);
    let capture = App::let_in(&kunji, "1234567").open_balance(STOCK);
    let requests: Vec<_> =
        (0..100).map(|nth| guessed(&maker, &capture, &format!("{}", 210_000 + nth))).collect();
    let codes: Vec<_> = storm(&kunji, 50, &requests).iter().map(event_code).collect();
    assert_eq!(codes.iter().filter(|code| *code == "ZM").count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| *code == "JP_019").count(), 99, "{codes:?}");
    assert_eq!(kunji.verify("account", STOCK, "739105"), "verified");
}

#[test]
fn guesses_in_a_hundred_captures_learn_three_verdicts() {
    let kunji = Kunji::sandbox();
    let maker = maker(&kunji, BlockAlg::EcdhEs);
    let app = App::let_in(&kunji, "1234567");
    let requests: Vec<_> = (0..100)
        .map(|nth| {
            let pin = format!("{}", 210_000 + nth);
            match nth % 2 {
                0 => guessed(&maker, &app.open_balance(STOCK), &pin),
                _ => entered(&maker, &app.open_change(STOCK), &pin, "590284"),
            }
        })
        .collect();
    let codes: Vec<_> = storm(&kunji, 50, &requests).iter().map(event_code).collect();
    assert_eq!(codes.iter().filter(|code| *code == "ZM").count(), 2, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| *code == "Z6").count(), 98, "{codes:?}");
    assert_eq!(kunji.verify("account", STOCK, "739105"), "blocked");
}
