//! Set / reset MPIN and the OTP request.

use std::collections::HashSet;

use kunji_core::audit::{Event, Subject};
use kunji_store::{Embedded, EmbeddedSettings};
use kunji_testkit::verify_chains;
use kunji_vault::{BlockAlg, PinUse};
use serde_json::{Value, json};

use super::{LIVE, OTP_REQUEST, SET_RESET, error_said, status_said};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::{Answer, Kunji, change, fresh, keys_in};

const SET: &str = "set / reset MPIN, by test id";
const SET_LIVE: &str = "set / reset MPIN, live";
const OTP: &str = "OTP request, by test id";
const OTP_LIVE: &str = "OTP request, live";

/// The two calls by test id.
const SCENARIOS: Table = Table {
    dialect: "axis",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        SET, "test id `1`" => 200 "00", |kunji| by_id(kunji, SET_RESET, &["1"]);
        SET, "test id `3`" => 200 "01", |kunji| by_id(kunji, SET_RESET, &["3"]);
        SET, "test id `2`, `4`, `5`, `01`, empty" => 200 "99",
            |kunji| by_id(kunji, SET_RESET, &["2", "4", "5", "01", ""]);
        SET, "test id missing" => 200 "99",
            |kunji| {
                status_said(SET_RESET, &kunji.post(SET_RESET, &[], &JOHN.set("4826", "000000")))
            };
        SET, "any required member missing, empty or of another type" => 400 "E40001",
            |kunji| spoilt(kunji, SET_RESET, SET_MEMBERS);
        SET, "an optional credential without its code" => 400 "E40001", loose_credentials;
        SET, "an optional member that is `null`: as absent" => 200 "00",
            |kunji| {
                let names =
                    ["bank", "ac", "device", "regtype", "mpincred", "otpcred", "atmpincred"];
                nulls(kunji, SET_RESET, "/SetResetMPINRequest/SetResetMPINRequestBody", &names)
            };
        SET, "any text of more than 64 characters" => 400 "E40001",
            |kunji| too_long(kunji, SET_RESET, SET_MEMBERS);
        OTP, "test id `1`" => 200 "00", |kunji| by_id(kunji, OTP_REQUEST, &["1"]);
        OTP, "test id `3`" => 200 "01", |kunji| by_id(kunji, OTP_REQUEST, &["3"]);
        OTP, "test id `2`, `4`, `5`, `01`, empty" => 200 "99",
            |kunji| by_id(kunji, OTP_REQUEST, &["2", "4", "5", "01", ""]);
        OTP, "test id missing" => 200 "99",
            |kunji| {
                status_said(OTP_REQUEST, &kunji.post(OTP_REQUEST, &[], &JOHN.otp_request()))
            };
        OTP, "any required member missing, empty or of another type" => 400 "E40001",
            |kunji| spoilt(kunji, OTP_REQUEST, OTP_MEMBERS);
        OTP, "an optional member that is `null`: as absent" => 200 "00",
            |kunji| nulls(kunji, OTP_REQUEST, "/OTPRequest/OTPRequestBody", &["ac", "device"]);
        OTP, "any text of more than 64 characters" => 400 "E40001",
            |kunji| too_long(kunji, OTP_REQUEST, OTP_MEMBERS);
    },
};

/// The two calls decided by the account.
const OUTCOMES: Table = Table {
    dialect: "axis",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        OTP_LIVE, "card and expiry are right: one SMS" => 200 "00", otp_sent;
        OTP_LIVE, "no account named: the customer's own" => 200 "00", otp_without_account;
        OTP_LIVE, "the same transaction again: the same answer, no second SMS" => 200 "00",
            otp_repeated;
        OTP_LIVE, "the same transaction with other content" => 200 "U01", otp_duplicate;
        OTP_LIVE, "other last six digits, or another expiry" => 200 "XN",
            |kunji| other_card(|one| kunji.ask(one));
        OTP_LIVE, "the card's last month is over" => 200 "XL", |kunji| kunji.ask(&MEERA);
        OTP_LIVE, "the card is blocked" => 200 "XR", |kunji| kunji.ask(&IMRAN);
        OTP_LIVE, "the card was never activated" => 200 "AJ", |kunji| kunji.ask(&LAKSHMI);
        OTP_LIVE, "unknown customer, or another customer's account: as for a wrong card" => 200 "XN",
            |kunji| other_customer(|one| kunji.ask(one));
        OTP_LIVE, "wrong cards without end: no try of the customer is used up" => 200 "00",
            |kunji| {
                wrong_cards(kunji);
                kunji.ask(&JOHN)
            };
        OTP_LIVE, "a wrong card after five failures: nothing tells that there are any" => 200 "XN",
            |kunji| {
                fail_five_times(kunji);
                other_card(|one| kunji.ask(one))
            };
        OTP_LIVE, "five failures in 24 hours" => 200 "RN",
            |kunji| {
                fail_five_times(kunji);
                kunji.ask(&JOHN)
            };
        OTP_LIVE, "a card that is not six digits, or an expiry that is no month" => 400 "E40001",
            |kunji| {
                malformed(|one| error_said(&kunji.post(OTP_REQUEST, &[LIVE], &one.otp_request())))
            };
        SET_LIVE, "card, expiry and OTP match" => 200 "00", set;
        SET_LIVE, "a first MPIN where none was set" => 200 "00", set_first;
        SET_LIVE, "the ATM PIN is sent along and right" => 200 "00",
            |kunji| with_atm_pin(kunji, "7294");
        SET_LIVE, "all credentials in ECDH-ES blocks" => 200 "00",
            |kunji| in_blocks(kunji, BlockAlg::EcdhEs);
        SET_LIVE, "all credentials in RSA-OAEP-256 blocks" => 200 "00",
            |kunji| in_blocks(kunji, BlockAlg::RsaOaep256);
        SET_LIVE, "the MPIN is blocked: a reset lifts the block" => 200 "00", lifts_block;
        SET_LIVE, "wrong OTP, twice" => 200 "ZR",
            |kunji| {
                kunji.ask(&JOHN);
                kunji.guess(1);
                kunji.guess(2)
            };
        SET_LIVE, "no OTP was asked for" => 200 "ZS", |kunji| kunji.set(&JOHN, "4826", "000000");
        SET_LIVE, "the OTP is older than five minutes" => 200 "ZS",
            |kunji| {
                kunji.ask(&JOHN);
                kunji.advance("5m");
                kunji.set(&JOHN, "4826", &kunji.sent_otp())
            };
        SET_LIVE, "the OTP was used" => 200 "ZS", used_otp;
        SET_LIVE, "the third wrong OTP, and the right one after it" => 200 "ZT", otp_tries;
        SET_LIVE, "other last six digits, or another expiry" => 200 "XN",
            |kunji| other_card(|one| kunji.set(one, "4826", "000000"));
        SET_LIVE, "the card's last month is over" => 200 "XL",
            |kunji| kunji.set(&MEERA, "4826", "000000");
        SET_LIVE, "the card is blocked" => 200 "XR", |kunji| kunji.set(&IMRAN, "4826", "000000");
        SET_LIVE, "the card was never activated" => 200 "AJ",
            |kunji| kunji.set(&LAKSHMI, "4826", "000000");
        SET_LIVE, "unknown customer, or another customer's account: as for a wrong card" => 200 "XN",
            |kunji| other_customer(|one| kunji.set(one, "4826", "000000"));
        SET_LIVE, "wrong cards without end: no try of the customer is used up" => 200 "00",
            |kunji| {
                wrong_cards(kunji);
                kunji.ask(&JOHN);
                kunji.set(&JOHN, "4826", &kunji.sent_otp())
            };
        SET_LIVE, "a wrong card after five failures: nothing tells that there are any" => 200 "XN",
            |kunji| {
                fail_five_times(kunji);
                other_card(|one| kunji.set(one, "4826", "000000"))
            };
        SET_LIVE, "wrong ATM PIN, or one that nobody knows" => 200 "SP", wrong_atm_pin;
        SET_LIVE, "five failures in 24 hours" => 200 "RN",
            |kunji| {
                fail_five_times(kunji);
                kunji.set(&JOHN, "4826", "000000")
            };
        SET_LIVE, "the new MPIN breaks any rule: the OTP stays open" => 200 "RM", weak;
        SET_LIVE, "the same transaction with other content" => 200 "U01", set_duplicate;
        SET_LIVE, "a block of another transaction, or for another use" => 200 "U54", bad_blocks;
        SET_LIVE, "no new MPIN, or no OTP" => 400 "E40001", no_credential;
        SET_LIVE, "a card that is not six digits, or an expiry that is no month" => 400 "E40001",
            |kunji| {
                malformed(|one| {
                    error_said(&kunji.post(SET_RESET, &[LIVE], &one.set("4826", "000000")))
                })
            };
    },
};

/// A reset does not lift a block.
const BLOCK_STAYS: Table = Table {
    dialect: "axis",
    start: || Kunji::sandbox_with(&[("KUNJI_PINS__RESET_LIFTS_BLOCK", "false")]),
    ground: Ground::Shared,
    cases: cases! {
        SET_LIVE, "the MPIN is blocked, and the settings keep it so" => 200 "Z6", block_stays;
    },
};

const RATE: Table = Table {
    dialect: "axis",
    start: || Kunji::sandbox_with(&[("KUNJI_PINS__LIVE_PER_MINUTE", "2")]),
    ground: Ground::Shared,
    cases: cases! {
        OTP_LIVE, "more requests on one account than the settings allow" => 429 "E42901",
            |kunji| {
                kunji.ask(&JOHN);
                kunji.ask(&JOHN);
                kunji.ask(&JOHN)
            };
        SET_LIVE, "more requests on one account than the settings allow" => 429 "E42901",
            |kunji| kunji.set(&JOHN, "4826", "000000");
    },
};

const FULL_DISK: Table = Table {
    dialect: "axis",
    start: Kunji::sandbox_on_a_full_disk,
    ground: Ground::Broken,
    cases: cases! {
        OTP_LIVE, "the store cannot be written: the outcome is unknown" => 503 "E50301",
            |kunji| kunji.ask(&JOHN);
        SET_LIVE, "the store cannot be written: the outcome is unknown" => 503 "E50301",
            |kunji| kunji.set(&JOHN, "4826", "000000");
    },
};

tables! {
    every_status_scenario_is_answered_as_printed plays SCENARIOS;
    every_registration_outcome_has_its_upi_code plays OUTCOMES;
    a_block_stays_where_the_settings_say_so plays BLOCK_STAYS;
    too_many_registrations_are_told_when_to_come_back plays RATE;
    a_full_disk_leaves_the_registration_unknown plays FULL_DISK;
}

const SET_MEMBERS: &[&str] = &[
    "/SetResetMPINRequest",
    "/SetResetMPINRequest/SubHeader",
    "/SetResetMPINRequest/SubHeader/requestUUID",
    "/SetResetMPINRequest/SubHeader/serviceRequestId",
    "/SetResetMPINRequest/SubHeader/serviceRequestVersion",
    "/SetResetMPINRequest/SubHeader/channelId",
    "/SetResetMPINRequest/SetResetMPINRequestBody",
    "/SetResetMPINRequest/SetResetMPINRequestBody/customerid",
    "/SetResetMPINRequest/SetResetMPINRequestBody/card",
    "/SetResetMPINRequest/SetResetMPINRequestBody/expiry",
    "/SetResetMPINRequest/SetResetMPINRequestBody/txnId",
];

const OTP_MEMBERS: &[&str] = &[
    "/OTPRequest",
    "/OTPRequest/SubHeader",
    "/OTPRequest/SubHeader/requestUUID",
    "/OTPRequest/SubHeader/serviceRequestId",
    "/OTPRequest/SubHeader/serviceRequestVersion",
    "/OTPRequest/SubHeader/channelId",
    "/OTPRequest/OTPRequestBody",
    "/OTPRequest/OTPRequestBody/customerId",
    "/OTPRequest/OTPRequestBody/bankId",
    "/OTPRequest/OTPRequestBody/txnId",
    "/OTPRequest/OTPRequestBody/card",
    "/OTPRequest/OTPRequestBody/expiry",
];

/// Who asks, and what is said of the account and its debit card.
#[derive(Clone, Copy)]
struct Applicant<'a> {
    customer: &'a str,
    account: Option<&'a str>,
    card: &'a str,
    expiry: &'a str,
}

const fn applicant(customer: &'static str, account: &'static str) -> Applicant<'static> {
    Applicant { customer, account: Some(account), card: "123456", expiry: "12/2035" }
}

const MOBILE: &str = "918888888888";
const JOHN: Applicant<'static> = applicant("CIF12345678", "ACC123456789");
const ASHA: Applicant<'static> = applicant("CIF00000002", "ACC000000002");
const RAVI: Applicant<'static> = applicant("CIF00000003", "ACC000000003");
const MEERA: Applicant<'static> =
    Applicant { expiry: "01/2020", ..applicant("CIF00000004", "ACC000000004") };
const IMRAN: Applicant<'static> = applicant("CIF00000005", "ACC000000005");
const LAKSHMI: Applicant<'static> = applicant("CIF00000006", "ACC000000006");

/// `serviceRequestId` of a call.
pub(super) fn service_id(path: &str) -> &'static str {
    match path == SET_RESET {
        true => "NB.GEN.UPIAPI.SETRESETMPIN",
        false => "NB.GEN.UPIAPI.OTPREQUEST",
    }
}

fn sub_header(path: &str) -> Value {
    json!({
        "requestUUID": "req-7",
        "serviceRequestId": service_id(path),
        "serviceRequestVersion": "1.0",
        "channelId": "MOBILE",
    })
}

impl Applicant<'_> {
    fn set(&self, new: &str, otp: &str) -> Value {
        let credential = |kind: &str, sub: &str, code: &str| json!({"type": kind, "subType": sub, "data": {"code": code, "ki": "20150822"}});
        let mut body = json!({
            "customerid": self.customer,
            "bank": "AXIS",
            "txnId": fresh("SET"),
            "card": self.card,
            "expiry": self.expiry,
            "regtype": "DEBITCARD",
            "device": {"app": "AXISBANK"},
            "mpincred": credential("PIN", "MPIN", new),
            "otpcred": credential("OTP", "SMS", otp),
        });
        if let Some(account) = self.account {
            body["ac"] = json!({ "accRefNumber": account });
        }
        json!({"SetResetMPINRequest": {
            "SubHeader": sub_header(SET_RESET),
            "SetResetMPINRequestBody": body,
        }})
    }

    fn otp_request(&self) -> Value {
        let mut body = json!({
            "customerId": self.customer,
            "bankId": "AXIS",
            "txnId": fresh("OTP"),
            "device": {"app": "AXISBANK"},
            "card": self.card,
            "expiry": self.expiry,
        });
        if let Some(account) = self.account {
            body["ac"] = json!({ "accRefNumber": account });
        }
        json!({"OTPRequest": {"SubHeader": sub_header(OTP_REQUEST), "OTPRequestBody": body}})
    }
}

/// The two calls, live.
trait Registers {
    fn ask(&self, who: &Applicant<'_>) -> Said;
    fn set(&self, who: &Applicant<'_>, new: &str, otp: &str) -> Said;
    fn sent_otp(&self) -> String;
    fn guess(&self, distance: u32) -> Said;
}

impl Registers for Kunji {
    fn ask(&self, who: &Applicant<'_>) -> Said {
        status_said(OTP_REQUEST, &self.post(OTP_REQUEST, &[LIVE], &who.otp_request()))
    }

    fn set(&self, who: &Applicant<'_>, new: &str, otp: &str) -> Said {
        status_said(SET_RESET, &self.post(SET_RESET, &[LIVE], &who.set(new, otp)))
    }

    /// John's newest OTP.
    fn sent_otp(&self) -> String {
        self.otp(MOBILE)
    }

    /// A wrong OTP of John's, so far from the right one.
    fn guess(&self, distance: u32) -> Said {
        let right: u32 = self.sent_otp().parse().unwrap();
        self.set(&JOHN, "4826", &format!("{:06}", (right + distance) % 1_000_000))
    }
}

fn by_id(kunji: &Kunji, path: &str, ids: &[&str]) -> Said {
    let body = match path == SET_RESET {
        true => JOHN.set("4826", "000000"),
        false => JOHN.otp_request(),
    };
    let said = |id: &&str| status_said(path, &kunji.post(path, &[("X-AXIS-TEST-ID", id)], &body));
    let said = same(ids.iter().map(said));
    assert_eq!(kunji.verify("account", "ACC123456789", "1234"), "verified");
    assert_eq!(kunji.get(&format!("/kunji/v1/sandbox/outbox?to={MOBILE}")).text(), "[]");
    said
}

fn spoilt(kunji: &Kunji, path: &str, members: &[&str]) -> Said {
    let whole = match path == SET_RESET {
        true => JOHN.set("4826", "000000"),
        false => JOHN.otp_request(),
    };
    let mut all = Vec::new();
    for member in members {
        let (parent, name) = member.rsplit_once('/').unwrap();
        let mut body = whole.clone();
        body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        all.push(body);
        for value in [json!(""), json!({}), json!([]), json!(null), json!(7), json!(false)] {
            let mut body = whole.clone();
            *body.pointer_mut(member).unwrap() = value;
            all.push(body);
        }
    }
    same(all.iter().flat_map(|body| {
        println!("{body}");
        [("X-AXIS-TEST-ID", "1"), LIVE].map(|header| error_said(&kunji.post(path, &[header], body)))
    }))
}

/// The whole body, and each optional member `null` in it; then all of them.
fn nulls(kunji: &Kunji, path: &str, within: &str, names: &[&str]) -> Said {
    let whole = match path == SET_RESET {
        true => JOHN.set("4826", "000000"),
        false => JOHN.otp_request(),
    };
    let mut all = whole.clone();
    let mut bodies = Vec::new();
    for name in names {
        let mut body = whole.clone();
        body.pointer_mut(within).unwrap()[*name] = json!(null);
        all.pointer_mut(within).unwrap()[*name] = json!(null);
        bodies.push(body);
    }
    let mut unnamed = whole;
    unnamed.pointer_mut(within).unwrap()["ac"] = json!({ "accRefNumber": null });
    bodies.extend([all, unnamed]);
    same(
        bodies
            .iter()
            .map(|body| status_said(path, &kunji.post(path, &[("X-AXIS-TEST-ID", "1")], body))),
    )
}

/// Every text at its limit is taken, and not with one character more; live as well.
fn too_long(kunji: &Kunji, path: &str, members: &[&str]) -> Said {
    let whole = match path == SET_RESET {
        true => JOHN.set("4826", "000000"),
        false => JOHN.otp_request(),
    };
    let texts: Vec<_> =
        members.iter().filter(|member| whole.pointer(member).unwrap().is_string()).collect();
    let with = |member: &str, len: usize| {
        let mut body = whole.clone();
        *body.pointer_mut(member).unwrap() = json!("é".repeat(len));
        body
    };
    for member in &texts {
        let answer = kunji.post(path, &[("X-AXIS-TEST-ID", "1")], &with(member, 64));
        assert_eq!(answer.status, 200, "{member}");
    }
    same(texts.iter().flat_map(|member| {
        [("X-AXIS-TEST-ID", "1"), LIVE]
            .map(|header| error_said(&kunji.post(path, &[header], &with(member, 65))))
    }))
}

fn loose_credentials(kunji: &Kunji) -> Said {
    let credentials = ["mpincred", "otpcred", "atmpincred"];
    let bad = [json!(""), json!({}), json!({"data": {}}), json!({"data": {"code": ""}})];
    same(credentials.iter().flat_map(|name| {
        bad.clone().map(|value| {
            let mut body = JOHN.set("4826", "000000");
            body["SetResetMPINRequest"]["SetResetMPINRequestBody"][*name] = value;
            error_said(&kunji.post(SET_RESET, &[("X-AXIS-TEST-ID", "1")], &body))
        })
    }))
}

fn outbox(kunji: &Kunji) -> Value {
    kunji.get(&format!("/kunji/v1/sandbox/outbox?to={MOBILE}")).json()
}

fn otp_sent(kunji: &Kunji) -> Said {
    let answer = kunji.post(OTP_REQUEST, &[LIVE], &JOHN.otp_request());
    let sent = outbox(kunji);
    assert_eq!(sent.as_array().unwrap().len(), 1);
    let otp = kunji.sent_otp();
    assert!(otp.len() == 6 && otp.bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(
        sent[0]["text"],
        format!(
            "{otp} is your OTP to set the UPI PIN of your account. Valid for 5 minutes. \
             Do not share it."
        )
    );
    assert!(!answer.text().contains(&otp));
    status_said(OTP_REQUEST, &answer)
}

fn otp_without_account(kunji: &Kunji) -> Said {
    let said = kunji.ask(&Applicant { account: None, ..JOHN });
    let john = Applicant { account: None, ..JOHN };
    assert_eq!(kunji.set(&john, "4826", &kunji.sent_otp()).code, "00");
    assert_eq!(kunji.verify("account", "ACC123456789", "4826"), "verified");
    said
}

fn otp_repeated(kunji: &Kunji) -> Said {
    let body = JOHN.otp_request();
    let first = kunji.post(OTP_REQUEST, &[LIVE], &body);
    let otp = kunji.sent_otp();
    assert_eq!(kunji.post(OTP_REQUEST, &[LIVE], &body), first);
    assert_eq!(outbox(kunji).as_array().unwrap().len(), 1);
    assert_eq!(kunji.set(&JOHN, "4826", &otp).code, "00");
    status_said(OTP_REQUEST, &first)
}

fn otp_duplicate(kunji: &Kunji) -> Said {
    let mut body = JOHN.otp_request();
    assert_eq!(kunji.post(OTP_REQUEST, &[LIVE], &body).status, 200);
    body["OTPRequest"]["OTPRequestBody"]["card"] = json!("654321");
    let said = status_said(OTP_REQUEST, &kunji.post(OTP_REQUEST, &[LIVE], &body));
    assert_eq!(outbox(kunji).as_array().unwrap().len(), 1);
    said
}

fn other_card(send: impl Fn(&Applicant<'_>) -> Said) -> Said {
    same([
        send(&Applicant { card: "654321", ..JOHN }),
        send(&Applicant { expiry: "11/2035", ..JOHN }),
        send(&Applicant { card: "654321", ..MEERA }),
        send(&Applicant { expiry: "12/2035", ..MEERA }),
    ])
}

fn other_customer(send: impl Fn(&Applicant<'_>) -> Said) -> Said {
    same([
        send(&Applicant { customer: "CIF99999999", ..JOHN }),
        send(&Applicant { customer: "CIF99999999", account: None, ..JOHN }),
        send(&Applicant { customer: "CIF00000002", ..JOHN }),
        send(&Applicant { account: Some("ACC999999999"), ..JOHN }),
        send(&Applicant { account: Some("70000000008"), ..JOHN }),
    ])
}

fn malformed(send: impl Fn(&Applicant<'_>) -> Said) -> Said {
    let cards = ["12345", "1234567", "12345a", "1234", "١٢٣"];
    let expiries = ["13/2035", "1235", "12/35", "00/2035", "2035-12"];
    same(
        cards
            .map(|card| send(&Applicant { card, ..JOHN }))
            .into_iter()
            .chain(expiries.map(|expiry| send(&Applicant { expiry, ..JOHN }))),
    )
}

/// A stranger who knows customers' names tries cards.
fn wrong_cards(kunji: &Kunji) {
    for nth in 0..12 {
        let (card, expiry) = (format!("9999{nth:02}"), format!("{:02}/2034", nth + 1));
        let guess = [
            Applicant { card: &card, ..JOHN },
            Applicant { expiry: &expiry, account: None, ..JOHN },
            Applicant { customer: "CIF00000002", ..JOHN },
        ];
        for one in guess {
            assert_eq!(kunji.ask(&one).code, "XN");
            assert_eq!(kunji.set(&one, "4826", "000000").code, "XN");
        }
    }
}

/// What is answered, and what is left behind, is the same for a customer whom nobody knows and
/// for a card that is not the customer's: one event on the caller's own chain.
#[test]
fn unknown_customers_and_wrong_cards_leave_the_same_trace() {
    let folder = tempfile::tempdir().unwrap();
    let kunji = Kunji::sandbox_in(folder.path());
    let known = Applicant { card: "654321", ..JOHN };
    let known_by_name = Applicant { account: None, ..known };
    let unknown = Applicant { customer: "CIF99999999", account: Some("ACC999999999"), ..known };
    let unknown_by_name = Applicant { account: None, ..unknown };
    let all = [known, known_by_name, unknown, unknown_by_name];
    let mut asked = Vec::new();
    // More often than registration tries are allowed.
    for _ in 0..7 {
        asked.extend(all.map(|one| kunji.post(OTP_REQUEST, &[LIVE], &one.otp_request())));
    }
    let mut set = Vec::new();
    for _ in 0..7 {
        set.extend(all.map(|one| kunji.post(SET_RESET, &[LIVE], &one.set("4826", "000000"))));
    }
    for answers in [&asked, &set] {
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
    assert_eq!(outbox(&kunji), json!([]));
    assert_eq!(kunji.stop(), Some(0));
    let store = folder.path().join("store-1");
    let keys = keys_in(folder.path());
    let store = Embedded::open(&store, EmbeddedSettings::default(), keys).unwrap();
    let events = verify_chains(&store);
    for call in ["otp-request", "set-reset-mpin"] {
        let caller = format!("axis:sandbox:{call}");
        let of_call: Vec<_> =
            events.iter().filter(|event| event.caller.as_str() == caller).collect();
        assert_eq!(of_call.len(), 28, "{call}");
        let alike = |event: &&Event| {
            matches!(event.subject, Subject::Stranger(_)) && event.verdict == of_call[0].verdict
        };
        assert!(of_call.iter().all(alike), "{of_call:?}");
    }
}

fn set(kunji: &Kunji) -> Said {
    kunji.ask(&JOHN);
    let body = JOHN.set("4826", &kunji.sent_otp());
    let first = kunji.post(SET_RESET, &[LIVE], &body);
    assert_eq!(kunji.post(SET_RESET, &[LIVE], &body), first);
    assert_eq!(kunji.verify("account", "ACC123456789", "4826"), "verified");
    status_said(SET_RESET, &first)
}

fn set_first(kunji: &Kunji) -> Said {
    assert_eq!(kunji.verify("account", "ACC000000003", "4826"), "not_set");
    kunji.ask(&RAVI);
    let said = kunji.set(&RAVI, "4826", &kunji.otp("918888888803"));
    assert_eq!(kunji.verify("account", "ACC000000003", "4826"), "verified");
    said
}

fn with_atm_pin(kunji: &Kunji, atm_pin: &str) -> Said {
    kunji.ask(&JOHN);
    let mut body = JOHN.set("4826", &kunji.sent_otp());
    body["SetResetMPINRequest"]["SetResetMPINRequestBody"]["atmpincred"] =
        json!({"type": "PIN", "subType": "ATMPIN", "data": {"code": atm_pin}});
    status_said(SET_RESET, &kunji.post(SET_RESET, &[LIVE], &body))
}

fn wrong_atm_pin(kunji: &Kunji) -> Said {
    // Without an OTP as well: the ATM PIN is looked at first.
    let mut body = ASHA.set("739105", "000000");
    body["SetResetMPINRequest"]["SetResetMPINRequestBody"]["atmpincred"] =
        json!({"data": {"code": "7294"}});
    let unknown = status_said(SET_RESET, &kunji.post(SET_RESET, &[LIVE], &body));
    let said = same([unknown, with_atm_pin(kunji, "0000")]);
    assert_eq!(kunji.verify("account", "ACC123456789", "1234"), "verified");
    said
}

fn in_blocks(kunji: &Kunji, alg: BlockAlg) -> Said {
    kunji.ask(&JOHN);
    let mut body = JOHN.set("", "");
    let inner = &mut body["SetResetMPINRequest"]["SetResetMPINRequestBody"];
    let txn = inner["txnId"].as_str().unwrap().to_owned();
    let seal =
        |pin: &str, pin_use| json!({"data": {"code": kunji.sealed(alg, pin, pin_use, &txn)}});
    inner["mpincred"] = seal("4826", PinUse::Mpin);
    inner["otpcred"] = seal(&kunji.sent_otp(), PinUse::Sms);
    inner["atmpincred"] = seal("7294", PinUse::AtmPin);
    let said = status_said(SET_RESET, &kunji.post(SET_RESET, &[LIVE], &body));
    assert_eq!(kunji.verify("account", "ACC123456789", "4826"), "verified");
    said
}

fn block_john(kunji: &Kunji) {
    for pin in ["0000", "0001", "0002"] {
        kunji.verify("account", "ACC123456789", pin);
    }
    assert_eq!(kunji.verify("account", "ACC123456789", "1234"), "blocked");
}

fn lifts_block(kunji: &Kunji) -> Said {
    block_john(kunji);
    kunji.ask(&JOHN);
    let said = kunji.set(&JOHN, "4826", &kunji.sent_otp());
    assert_eq!(kunji.verify("account", "ACC123456789", "4826"), "verified");
    said
}

fn block_stays(kunji: &Kunji) -> Said {
    block_john(kunji);
    kunji.ask(&JOHN);
    let said = kunji.set(&JOHN, "4826", &kunji.sent_otp());
    assert_eq!(kunji.verify("account", "ACC123456789", "1234"), "blocked");
    said
}

fn used_otp(kunji: &Kunji) -> Said {
    kunji.ask(&JOHN);
    let otp = kunji.sent_otp();
    assert_eq!(kunji.set(&JOHN, "4826", &otp).code, "00");
    let said = kunji.set(&JOHN, "7392", &otp);
    assert_eq!(kunji.verify("account", "ACC123456789", "4826"), "verified");
    said
}

fn otp_tries(kunji: &Kunji) -> Said {
    kunji.ask(&JOHN);
    kunji.guess(1);
    kunji.guess(2);
    let third = kunji.guess(3);
    same([third, kunji.set(&JOHN, "4826", &kunji.sent_otp())])
}

/// Five refusals of the kinds that count: of who knows the card.
fn fail_five_times(kunji: &Kunji) {
    assert_eq!(with_atm_pin(kunji, "0000").code, "SP");
    assert_eq!(kunji.guess(1).code, "ZR");
    assert_eq!(kunji.guess(2).code, "ZR");
    kunji.ask(&JOHN);
    assert_eq!(kunji.guess(1).code, "ZR");
    assert_eq!(kunji.guess(2).code, "ZR");
}

#[test]
fn registration_opens_again_after_24_hours() {
    let kunji = Kunji::sandbox();
    fail_five_times(&kunji);
    // Not even the right OTP helps.
    assert_eq!(kunji.set(&JOHN, "4826", &kunji.sent_otp()).code, "RN");
    kunji.advance("23h");
    assert_eq!(kunji.ask(&JOHN).code, "RN");
    // Changing the MPIN is not registering.
    let changed =
        kunji.change_live(&change("CIF12345678", "ACC123456789", "johndoe@axis", "1234", "4826"));
    assert_eq!(changed.status, 200);
    kunji.advance("1h");
    assert_eq!(kunji.ask(&JOHN).code, "00");
}

fn weak(kunji: &Kunji) -> Said {
    kunji.ask(&JOHN);
    let otp = kunji.sent_otp();
    let new = ["3456", "6543", "7777", "1505", "1990", "482", "48261", "48a6", "1234"];
    let said = same(new.map(|new| kunji.set(&JOHN, new, &otp)));
    assert_eq!(kunji.set(&JOHN, "4826", &otp).code, "00");
    said
}

fn set_duplicate(kunji: &Kunji) -> Said {
    kunji.ask(&JOHN);
    let mut body = JOHN.set("4826", &kunji.sent_otp());
    assert_eq!(status_said(SET_RESET, &kunji.post(SET_RESET, &[LIVE], &body)).code, "00");
    let inner = &mut body["SetResetMPINRequest"]["SetResetMPINRequestBody"];
    inner["mpincred"]["data"]["code"] = json!("7392");
    let said = status_said(SET_RESET, &kunji.post(SET_RESET, &[LIVE], &body));
    assert_eq!(kunji.verify("account", "ACC123456789", "4826"), "verified");
    said
}

fn bad_blocks(kunji: &Kunji) -> Said {
    kunji.ask(&JOHN);
    let otp = kunji.sent_otp();
    let with = |member: &str, pin: &str, pin_use: PinUse, own_txn: bool| {
        let mut body = JOHN.set("4826", &otp);
        let inner = &mut body["SetResetMPINRequest"]["SetResetMPINRequestBody"];
        let txn = match own_txn {
            true => inner["txnId"].as_str().unwrap().to_owned(),
            false => fresh("OTHER"),
        };
        let block = kunji.sealed(BlockAlg::EcdhEs, pin, pin_use, &txn);
        inner[member] = json!({"data": {"code": block}});
        status_said(SET_RESET, &kunji.post(SET_RESET, &[LIVE], &body))
    };
    let said = same([
        with("otpcred", &otp, PinUse::Sms, false),
        with("mpincred", "4826", PinUse::Mpin, false),
        with("atmpincred", "7294", PinUse::AtmPin, false),
        with("otpcred", &otp, PinUse::Mpin, true),
        with("mpincred", "4826", PinUse::NewMpin, true),
        with("atmpincred", "7294", PinUse::Mpin, true),
    ]);
    // None of them counted: the OTP is still good.
    assert_eq!(kunji.set(&JOHN, "4826", &otp).code, "00");
    said
}

fn no_credential(kunji: &Kunji) -> Said {
    same(["mpincred", "otpcred"].map(|member| {
        let mut body = JOHN.set("4826", "000000");
        let inner = &mut body["SetResetMPINRequest"]["SetResetMPINRequestBody"];
        inner.as_object_mut().unwrap().remove(member).unwrap();
        error_said(&kunji.post(SET_RESET, &[LIVE], &body))
    }))
}

#[test]
fn every_otp_is_another_one() {
    let kunji = Kunji::sandbox();
    let answers: Vec<Answer> =
        (0..8).map(|_| kunji.post(OTP_REQUEST, &[LIVE], &JOHN.otp_request())).collect();
    assert!(answers.iter().all(|answer| answer.status == 200));
    let sent = outbox(&kunji);
    let otps: HashSet<&str> =
        sent.as_array().unwrap().iter().map(|one| one["otp"].as_str().unwrap()).collect();
    // Of eight draws from a million, two may once be alike; half of them never.
    assert!(otps.len() > 4, "{otps:?}");
}
