//! Attacks on the guess limit, on the real binary: used ids, and guesses spread over accounts.

use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{Answer, Kunji, RESET_PIN, change_asha, fresh, reset};

const BEARER: &[(&str, &str)] =
    &[("Authorization", "Bearer sandbox"), ("Content-Type", "application/json")];

/// Asks our own API whether this is the account's PIN, under this id.
fn verify(kunji: &Kunji, account: &str, txn: &str, pin: &str) -> Answer {
    let path = format!("/kunji/v1/credentials/account/{account}/verify");
    kunji.post(&path, BEARER, &json!({ "txn": txn, "pin": pin }))
}

/// The verdict, or the code of the problem.
fn word(answer: &Answer) -> String {
    let body = answer.json();
    let word = body["verdict"].as_str().or(body["code"].as_str());
    word.unwrap_or("none").to_owned()
}

/// Repeats a request under its id with many other PINs, the right one among them.
#[track_caller]
fn check_oracle(answer_to: impl Fn(&str) -> String, duplicate: &str, pins: &[&str]) {
    for pin in pins {
        assert_eq!(answer_to(pin), duplicate, "{pin}");
    }
}

#[test]
fn used_id_is_no_oracle_for_a_verify() {
    let kunji = Kunji::sandbox();
    let (asha, txn) = ("ACC000000002", fresh("V"));
    assert_eq!(word(&verify(&kunji, asha, &txn, "804913")), "verified");
    let ask = |pin: &str| word(&verify(&kunji, asha, &txn, pin));
    check_oracle(ask, "duplicate_request", &["804914", "804912", "580264", "804913", "000000"]);
    // The first other PIN was a guess, and the rest was compared with nothing.
    assert_eq!(word(&verify(&kunji, asha, &fresh("V"), "580264")), "wrong_pin");
    assert_eq!(word(&verify(&kunji, asha, &fresh("V"), "580265")), "blocked");
    // Nor is anything compared during the block, under whatever id.
    check_oracle(ask, "duplicate_request", &["804913"]);
    assert_eq!(word(&verify(&kunji, asha, &fresh("V"), "804913")), "blocked");
}

#[test]
fn many_used_ids_tell_no_more_than_one() {
    let kunji = Kunji::sandbox();
    let asha = "ACC000000002";
    let ids: Vec<String> = (0..6).map(|_| fresh("V")).collect();
    for id in &ids {
        assert_eq!(word(&verify(&kunji, asha, id, "804913")), "verified");
    }
    for (nth, id) in ids.iter().enumerate() {
        assert_eq!(
            word(&verify(&kunji, asha, id, &format!("80491{}", 4 + nth))),
            "duplicate_request"
        );
    }
    assert_eq!(word(&verify(&kunji, asha, &fresh("V"), "804913")), "blocked");
}

#[test]
fn used_id_is_no_oracle_for_a_change() {
    let kunji = Kunji::sandbox();
    let mut body = change_asha("804913", "580264");
    assert_eq!(kunji.change_live(&body).status, 200);
    for (old, new) in [("804914", "580264"), ("804913", "580265"), ("804913", "580264")] {
        let root = &mut body["ChangeMPINRequest"]["SetResetMPINRequestBody"];
        root["cred"]["data"]["code"] = json!(old);
        root["newcred"]["data"]["code"] = json!(new);
        let answer = kunji.change_live(&body);
        let code = answer.json()["error"]["errors"][0]["errorCode"].clone();
        assert_eq!((answer.status, code), (409, json!("E40902")));
    }
    // One guess was counted.
    assert_eq!(kunji.verify("account", "ACC000000002", "111111"), "wrong_pin");
    assert_eq!(kunji.verify("account", "ACC000000002", "111112"), "blocked");
}

#[test]
fn used_id_is_no_oracle_for_a_reset() {
    let kunji = Kunji::sandbox();
    let mut body = reset("739105");
    let answer = |body: &Value| kunji.prepaid(Method::POST, RESET_PIN, body).1;
    let first = answer(&body);
    assert_eq!(first["responseCode"], "00");
    assert_eq!(answer(&body), first);
    for pin in ["739106", "580264", "739105"] {
        body["newPIN"] = json!(pin);
        assert_eq!(answer(&body)["responseCode"], "1054", "{pin}");
    }
    assert_eq!(kunji.verify("card", "70000000008", "111111"), "wrong_pin");
    assert_eq!(kunji.verify("card", "70000000008", "111112"), "blocked");
}

#[test]
fn right_pins_in_between_do_not_make_guesses_free() {
    let kunji = Kunji::sandbox();
    let asha = "ACC000000002";
    let mut wrong = 0;
    for nth in 0..40 {
        let word = word(&verify(&kunji, asha, &fresh("V"), &format!("5802{nth:02}")));
        match word.as_str() {
            "wrong_pin" => wrong += 1,
            word => {
                assert_eq!(word, "blocked");
                break;
            }
        }
        if nth % 2 == 1 {
            assert_eq!(kunji.verify("account", asha, "804913"), "verified");
        }
    }
    assert_eq!(wrong, 9);
    kunji.advance("24h");
    assert_eq!(kunji.verify("account", asha, "804913"), "verified");
}

#[test]
fn guesses_over_many_accounts_end_at_the_callers_budget() {
    let kunji = Kunji::sandbox_with(&[("KUNJI_PINS__WRONG_PER_CALLER_MAX", "5")]);
    let accounts = ["ACC123456789", "ACC000000002", "STOCKREF0002"];
    let ask = |account: &str| verify(&kunji, account, &fresh("V"), "000000");
    for nth in 0..5 {
        assert_eq!(ask(accounts[nth % 3]).status, 200, "{nth}");
    }
    for _ in 0..3 {
        let answer = ask("STOCKREF0002");
        assert_eq!((answer.status, word(&answer).as_str()), (429, "too_many_requests"));
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=600).contains(&seconds), "{seconds}");
    }
    // The right PIN is not heard either: else it would be told apart.
    assert_eq!(verify(&kunji, "STOCKREF0002", &fresh("V"), "739105").status, 429);
    // Another caller is heard.
    let changed = kunji.change_live(&change_asha("804913", "580264"));
    assert_eq!(changed.status, 200);
    kunji.advance("10m");
    assert_eq!(kunji.verify("account", "STOCKREF0002", "739105"), "verified");
}
