//! Why a call was refused: the sandbox says it in the log, and the client never hears it.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use kunji_server::dialects::prepaid::Code;
use serde_json::{Value, json};
use ureq::http::Method;

use super::{BLOCK, CREATE, Call, INQUIRY, RESET, RESET_V3, STATUS, UNBLOCK, VERIFY};
use crate::support::watched::Watched;
use crate::support::{Answer, CLIENT, KUNJI, fresh, opened_text, token};

/// How long a line may take to come that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sandbox whose log is read.
struct Told {
    watched: Watched,
    codes: BTreeSet<String>,
}

impl Told {
    fn start() -> Self {
        let mut command = Command::new(KUNJI);
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
        command.env("KUNJI_LOG__LEVEL", "info").env("KUNJI_LOG__FORMAT", "json");
        Self { watched: Watched::start(command).unwrap(), codes: BTreeSet::new() }
    }

    /// The line of one request.
    fn line(&self, answer: &Answer) -> Value {
        let id = answer.header("x-request-id").unwrap();
        let begun = Instant::now();
        loop {
            let said = String::from_utf8(self.watched.said()).unwrap();
            let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(line) = lines.into_iter().find(|line| line["request.id"] == id) {
                return line;
            }
            assert!(begun.elapsed() < PATIENCE, "no line of {id}");
            std::thread::yield_now();
        }
    }

    /// A refusal has this reason, this sentence in its line, and nothing of it in its answer.
    #[track_caller]
    fn why(&mut self, answer: &Answer, reason: &str, sentence: &str) {
        let line = self.line(answer);
        let message = line["message"].as_str().unwrap();
        assert_eq!(line["reason"], reason, "{line}");
        assert!(message.ends_with(&format!(": {sentence}")), "{message}\nnot: {sentence}");
        let outer = answer.json();
        let inner = outer["token"].as_str().map(opened_text).unwrap_or_default();
        for text in [&inner, &answer.text()] {
            assert!(!text.contains(reason) && !text.contains(sentence), "{text}");
        }
        let inner: Value = serde_json::from_str(&inner).unwrap_or(outer);
        self.codes.insert(inner["responseCode"].as_str().unwrap().to_owned());
    }

    /// The same of a call about the seed's first card, with these members.
    #[track_caller]
    fn call(&mut self, call: &Call, members: &Value, reason: &str, sentence: &str) {
        let answer = call.send(&self.watched.kunji, &call.with(members));
        self.why(&answer, reason, sentence);
    }

    /// The same of a call with other headers.
    #[track_caller]
    fn headers(&mut self, call: &Call, headers: &[(&str, &str)], reason: &str, sentence: &str) {
        let asked = call.with(&json!({"newPIN": "739105"}));
        let answer = call.send_with(&self.watched.kunji, headers, &asked);
        self.why(&answer, reason, sentence);
    }

    /// The same of a body that is no token of ours.
    #[track_caller]
    fn body(&mut self, body: &str, reason: &str, sentence: &str) {
        let answer = self.watched.kunji.send(Method::POST, RESET.path, CLIENT, body);
        self.why(&answer, reason, sentence);
    }
}

fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let others = CLIENT.iter().copied().filter(|(header, _)| *header != name);
    others.chain([(name, value)]).collect()
}

fn headers(told: &mut Told) {
    let missing = |name: &str| format!("the header {name} is missing or empty");
    let mismatch =
        |name: &str| format!("the header {name} is not what is configured for this client");
    for name in ["clientId", "bankId", "secureCode", "entityId", "x-api-key"] {
        told.headers(&RESET, &with(name, ""), "header_missing", &missing(name));
    }
    told.headers(&RESET_V3, CLIENT, "header_missing", &missing("X-Consumer-Custom-ID"));
    for (name, value) in [("bankId", "1"), ("secureCode", "x"), ("entityId", "1")] {
        told.headers(&RESET, &with(name, value), "header_mismatch", &mismatch(name));
    }
    let consumer = [CLIENT, &[("X-Consumer-Custom-ID", "x")]].concat();
    told.headers(&RESET_V3, &consumer, "header_mismatch", &mismatch("X-Consumer-Custom-ID"));
    let stranger = "no client has this key and secret";
    told.headers(&RESET, &with("x-api-key", "x"), "unknown_client", stranger);
    told.headers(&RESET, &with("clientId", "x"), "unknown_client", stranger);
    let mode = [CLIENT, &[("X-Kunji-Mode", "x")]].concat();
    told.headers(&RESET, &mode, "header_malformed", "the header X-Kunji-Mode is not `live`");
    let text = with("Content-Type", "text/plain");
    let sentence = "the header Content-Type is not application/json";
    told.headers(&RESET, &text, "not_called_json", sentence);
    let long = told.watched.kunji.send(Method::POST, RESET.path, CLIENT, vec![b' '; 65_537]);
    told.why(&long, "body_too_long", "the body is longer than 65536 bytes");
    let nothing = told.watched.kunji.get("/mob1/api/nothing");
    told.why(&nothing, "unknown_path", "there is nothing at this path");
    let method = told.watched.kunji.get(RESET.path);
    told.why(&method, "wrong_method", "this path takes another method");
}

fn tokens(told: &mut Told) {
    let wrong = "the token cannot be read: ";
    let token = |text: &str| json!({ "token": token(text) }).to_string();
    told.body("{", "not_json", "the body is not JSON: it breaks at line 1, column 1");
    for body in ["{}", "[]", "{\"token\":1}", "{\"token\":null}"] {
        told.body(body, "member_mistyped", "the member token is not a string in an object");
    }
    let base64 = format!("{wrong}it is not standard base64");
    told.body("{\"token\":\"!\"}", "unreadable_token", &base64);
    let length = format!("{wrong}it is not an initialisation vector and whole blocks of 16 bytes");
    told.body("{\"token\":\"AAAA\"}", "unreadable_token", &length);
    let padding = format!("{wrong}its padding is wrong: another key, another layout, or altered");
    let altered = format!("{{\"token\":\"{}\"}}", "A".repeat(64));
    told.body(&altered, "unreadable_token", &padding);
    let json = format!("{wrong}what it holds is not a JSON object of this call");
    for inner in ["", "null", "[]", "{\"urn\":1,\"urn\":2}"] {
        told.body(&token(inner), "unreadable_token", &json);
    }
    let long = format!("{wrong}it is too long");
    told.body(&token(&"x".repeat(16 * 1024)), "unreadable_token", &long);
}

fn members(told: &mut Told) {
    let missing = |name: &str| format!("the member {name} is missing or empty");
    let mistyped = |name: &str| format!("the member {name} is not a string or a whole number");
    let is_not = |name: &str, expected: &str| format!("the member {name} is not {expected}");
    let usual = json!({"newPIN": "739105"});
    let mut reset = |member: &str, value: Value, reason: &str, sentence: &str| {
        let mut members = usual.clone();
        members[member] = value;
        told.call(&RESET, &members, reason, sentence);
    };
    for name in ["messageCode", "requestDateTime", "clientTxnId", "urn", "last4Digits", "newPIN"] {
        for value in [json!(null), json!("")] {
            reset(name, value, "member_missing", &missing(name));
        }
        if name != "newPIN" {
            for value in [json!({}), json!(1.5), json!(-1)] {
                reset(name, value, "member_mistyped", &mistyped(name));
            }
        }
    }
    let clear = is_not("newPIN", "a string (a number has lost its leading zeros)");
    for value in [json!(739_105), json!(739_105.0), json!({})] {
        reset("newPIN", value, "member_mistyped", &clear);
    }
    reset("messageCode", json!("1"), "member_malformed", &is_not("messageCode", "1120"));
    let date = is_not("requestDateTime", "a real date and time as YYYYMMDDHHMMSS");
    reset("requestDateTime", json!("20160230025837"), "member_malformed", &date);
    let txn = is_not("clientTxnId", "1 to 100 printable ASCII characters without blanks");
    reset("clientTxnId", json!("a b"), "member_malformed", &txn);
    let long = "the member clientTxnId has 101 characters; at most 100 are taken";
    reset("clientTxnId", json!("x".repeat(101)), "member_too_long", long);
    let urn = is_not("urn", "a number of 1 to 11 digits");
    reset("urn", json!("700000000080"), "member_malformed", &urn);
    reset("last4Digits", json!("17x5"), "member_malformed", &is_not("last4Digits", "four digits"));
    let customer = is_not("customerId", "1 to 64 letters, digits and ._-@:");
    reset("customerId", json!("a b"), "member_malformed", &customer);
    let kinds = is_not("blockType", "Custom, Temporary, Permanent, Debit, Credit or CreditDebit");
    told.call(&BLOCK, &json!({"blockType": "x"}), "member_malformed", &kinds);
    told.call(&BLOCK, &json!({}), "member_missing", &missing("blockType"));
    told.call(&STATUS, &json!({}), "member_missing", &missing("verifyclientTxnId"));
    let nothing = "no decided request of this client has this id";
    told.call(&STATUS, &json!({"verifyclientTxnId": "NEVER"}), "nothing_stored", nothing);
}

fn new_cards(told: &mut Told) {
    let missing = |name: &str| format!("the member {name} is missing or empty");
    let mut create = |member: &str, value: Value, reason: &str, sentence: &str| {
        let mut members = json!({
            "urn": null, "last4Digits": null, "customerId": fresh("NEW"), "productId": "2",
            "firstName": "A", "lastName": "B", "mobile": fresh("917778"), "cardProfileId": "30",
            "dateOfBirth": "15-05-1990", "newCardStatus": "Active",
        });
        members[member] = value;
        told.call(&CREATE, &members, reason, sentence);
    };
    for name in [
        "productId",
        "firstName",
        "lastName",
        "mobile",
        "customerId",
        "dateOfBirth",
        "cardProfileId",
        "newCardStatus",
    ] {
        create(name, json!(null), "member_missing", &missing(name));
    }
    create("loadAmount", json!(""), "member_missing", &missing("loadAmount"));
    let long = "the member firstName has 51 characters; at most 50 are taken";
    create("firstName", json!("x".repeat(51)), "member_too_long", long);
    for (name, value, expected) in [
        ("mobile", "1", "a mobile number of 10 to 13 digits"),
        ("dateOfBirth", "1990", "a real day as dd-MM-yyyy or yyyyMMdd"),
        ("cardProfileId", "x", "a number of at most 9 digits"),
        ("cardProfileId", "31", "one of the program's card profiles"),
        ("cardProfileId", "150", "one of the product's card profiles"),
        ("newCardStatus", "x", "Active or Inactive"),
        ("emailId", "x", "an e-mail address"),
        ("loadAmount", "-5", "a whole number of at most 15 digits"),
    ] {
        let sentence = format!("the member {name} is not {expected}");
        create(name, json!(value), "member_malformed", &sentence);
    }
    let taken = "another customer of the program has this mobile number";
    create("mobile", json!("919876500001"), "mobile_taken", taken);
}

fn holders(told: &mut Told) {
    let missing = |name: &str| format!("the member {name} is missing or empty");
    let other = |fact: &str| format!("the cardholder's {fact} is another one, or unknown");
    let contact = json!({
        "last4Digits": null, "customerMobile": "919876500001", "emailId": "holder@example.com",
    });
    let face = json!({"last4Digits": "1745", "cardExpiry": "1235", "dob": "29-02-1988"});
    let mut verify = |usual: &Value, member: &str, value: Value, reason: &str, sentence: &str| {
        let mut members = usual.clone();
        members[member] = value;
        told.call(&VERIFY, &members, reason, sentence);
    };
    for name in ["urn", "customerMobile", "emailId"] {
        verify(&contact, name, json!(""), "member_missing", &missing(name));
    }
    for name in ["last4Digits", "cardExpiry", "dob"] {
        verify(&face, name, json!(""), "member_missing", &missing(name));
    }
    for (name, value, expected) in [
        ("last4Digits", "x", "four digits"),
        ("cardExpiry", "1335", "a month as MMYY"),
        ("dob", "1988-02-29", "a real day as dd-MM-yyyy"),
    ] {
        let sentence = format!("the member {name} is not {expected}");
        verify(&face, name, json!(value), "member_malformed", &sentence);
    }
    let mobile = "the member customerMobile is not a mobile number, digits only";
    verify(&contact, "customerMobile", json!("x"), "member_malformed", mobile);
    let email = "the member emailId is not a string or a whole number";
    verify(&contact, "emailId", json!(true), "member_mistyped", email);
    for (usual, name, value, fact) in [
        (&contact, "customerMobile", "919876500002", "mobile number"),
        (&contact, "emailId", "other@example.com", "e-mail address"),
        (&face, "cardExpiry", "1135", "card's expiry"),
        (&face, "dob", "28-02-1988", "birthday"),
    ] {
        verify(usual, name, json!(value), "holder_mismatch", &other(fact));
    }
    verify(
        &face,
        "last4Digits",
        json!("0101"),
        "other_last_four",
        "the card has other last digits",
    );
}

/// What the rules refuse.
fn decisions(told: &mut Told) {
    let with_pin = |members: Value| {
        let mut all = json!({"newPIN": "739105"});
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        all
    };
    let mut reset = |members: Value, reason: &str, sentence: &str| {
        told.call(&RESET, &with_pin(members), reason, sentence);
    };
    reset(json!({"urn": 1}), "no_such_credential", "there is no such account or card");
    reset(json!({"last4Digits": "0101"}), "other_last_four", "the card has other last digits");
    let owner = "the account or card belongs to another customer";
    reset(json!({"customerId": "IN1"}), "other_customer", owner);
    for (new, rule) in [
        ("12x456", "holds something else than digits"),
        ("7391", "has another length than the product demands"),
        ("123456", "is sequential"),
        ("111111", "repeats a digit too often"),
        ("290288", "tells the date of birth"),
    ] {
        reset(json!({ "newPIN": new }), "new_pin", &format!("the new PIN {rule}"));
    }
    for (urn, last_four) in [
        (70_000_000_101_u64, "0101"),
        (70_000_000_102, "0102"),
        (70_000_000_103, "0103"),
        (70_000_000_104, "0104"),
    ] {
        let asked = RESET.with(&with_pin(json!({"urn": urn, "last4Digits": last_four})));
        let line = told.line(&RESET.send(&told.watched.kunji, &asked));
        assert_eq!(line["reason"], "card_state", "{line}");
    }
    let live = [CLIENT, &[("X-Kunji-Mode", "live")]].concat();
    let unverified = "the cardholder was not verified in the time before";
    told.headers(&RESET, &live, "holder_not_verified", unverified);
    told.call(&UNBLOCK, &json!({}), "card_block", "the card is not blocked");
    let cardless = "the customer has no card of the program";
    told.call(&INQUIRY, &json!({"customerId": "IN1"}), "customer_without_card", cardless);
    let nobody = json!({"customerId": "IN1", "urn": null});
    told.call(&INQUIRY, &nobody, "customer_without_card", cardless);
    let asked = BLOCK.with(&json!({"blockType": "Debit"}));
    assert_eq!(BLOCK.send(&told.watched.kunji, &asked).status, 200);
    let blocked = "the card is blocked already";
    told.call(&BLOCK, &json!({"blockType": "Debit"}), "card_block", blocked);
    let content = "the request id was used before, with other content";
    let again = json!({"clientTxnId": asked["clientTxnId"], "blockType": "Credit"});
    told.call(&BLOCK, &again, "other_content", content);
}

#[test]
fn every_refusal_says_why_in_the_sandbox_s_log_and_nowhere_else() {
    let mut told = Told::start();
    headers(&mut told);
    tokens(&mut told);
    members(&mut told);
    new_cards(&mut told);
    holders(&mut told);
    decisions(&mut told);
    // Which of the kinds of block lies on a card, and several cards with one face, are told alike.
    let alike = [
        Code::CardClosed,
        Code::TemporaryBlock,
        Code::PermanentBlock,
        Code::CreditBlock,
        Code::CreditDebitBlock,
        Code::CustomBlock,
        Code::CardNotActive,
        Code::SeveralAccounts,
    ];
    let no_refusals = [Code::Success, Code::Created, Code::Ended, Code::UnableToProcess];
    let rest = Code::ALL.iter().filter(|code| !alike.contains(code) && !no_refusals.contains(code));
    let rest: BTreeSet<_> = rest.map(|code| code.as_str().to_owned()).collect();
    assert_eq!(told.codes, rest);
    // What succeeds has no reason, and the log never holds a PIN.
    let asked =
        RESET.with(&json!({"urn": 70_000_000_105_u64, "last4Digits": "0930", "newPIN": "739105"}));
    let done = told.line(&RESET.send(&told.watched.kunji, &asked));
    assert_eq!(done.get("reason"), None, "{done}");
    let said = String::from_utf8(told.watched.said()).unwrap();
    assert!(!said.contains("739105") && !said.contains("7fe1c0de"));
}
