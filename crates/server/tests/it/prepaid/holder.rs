//! Verify cardholder, and the reset that needs it.

use serde_json::{Value, json};

use super::{RESET, VERIFY};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::{CLIENT, Kunji};

const CALL: &str = "verifyCardholder";
const CHECKED: &str = "resetPin, verified holders only";

/// What is said of the holder, and the reset that needs it.
const OUTCOMES: Table = Table {
    dialect: "prepaid",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        CALL, "mobile and e-mail are the holder's" => 200 "00", |kunji| contact(kunji, json!({}));
        CALL, "`cardholderMobile` and `email`, in any case" => 200 "00",
            |kunji| {
                VERIFY.said(kunji, &asked(&json!({"urn": URN, "cardholderMobile": MOBILE, "email": "Holder@Example.COM"})))
            };
        CALL, "one of a member's two names, and `null` under the other" => 200 "00", other_names;
        CALL, "last 4, expiry and birthday are right, without a urn" => 200 "00",
            |kunji| face(kunji, json!({}));
        CALL, "last 4, expiry and birthday are right, with the urn" => 200 "00",
            |kunji| face(kunji, json!({"urn": URN}));
        CALL, "`last4Digits` and `cardExpiry` as numbers, in floating form as well" => 200 "00",
            |kunji| {
                same([
                    face(kunji, json!({"last4Digits": 1745, "cardExpiry": 1235})),
                    face(kunji, json!({"last4Digits": 1745.0, "cardExpiry": 1235.0})),
                ])
            };
        CALL, "a mobile of ten digits: an Indian one" => 200 "00",
            |kunji| contact(kunji, json!({"customerMobile": &MOBILE[2..]}));
        CALL, "urn, mobile or e-mail missing" => 200 "1332",
            |kunji| {
                same(
                    ["urn", "customerMobile", "emailId"]
                        .map(|member| contact(kunji, json!({member: ""}))),
                )
            };
        CALL, "nothing is said of the holder" => 200 "1332",
            |kunji| {
                same(
                    [json!({}), json!({"urn": URN})]
                        .map(|members| VERIFY.said(kunji, &asked(&members))),
                )
            };
        CALL, "last 4, expiry or birthday missing" => 200 "1333",
            |kunji| {
                same(
                    ["last4Digits", "cardExpiry", "dob"]
                        .map(|member| face(kunji, json!({member: ""}))),
                )
            };
        CALL, "the last 4 digits are not this card's, or are no digits" => 200 "1335",
            |kunji| {
                same(
                    ["0101", "17450", "174x"].map(|last_four| {
                        face(kunji, json!({"urn": URN, "last4Digits": last_four}))
                    }),
                )
            };
        CALL, "another mobile or e-mail" => 200 "1334",
            |kunji| {
                same([
                    contact(kunji, json!({"customerMobile": "919876500002"})),
                    contact(kunji, json!({"emailId": "other@example.com"})),
                ])
            };
        CALL, "with the urn: another expiry or birthday" => 200 "1334",
            |kunji| {
                same([
                    face(kunji, json!({"urn": URN, "cardExpiry": "1135"})),
                    face(kunji, json!({"urn": URN, "dob": "28-02-1988"})),
                ])
            };
        CALL, "no card with this urn, or with this face" => 200 "1001",
            |kunji| {
                same([
                    contact(kunji, json!({"urn": 70_000_009_999_u64})),
                    face(kunji, json!({"last4Digits": "9999"})),
                    face(kunji, json!({"dob": "28-02-1988"})),
                ])
            };
        CALL, "a mobile that cannot be one" => 200 "1034",
            |kunji| {
                same(
                    ["+919876500001", "98765 00001", "9198765000011111", "x"]
                        .map(|mobile| contact(kunji, json!({"customerMobile": mobile}))),
                )
            };
        CALL, "an e-mail that is no text" => 200 "1092",
            |kunji| {
                same(
                    [json!(true), json!({}), json!([])]
                        .map(|email| contact(kunji, json!({"emailId": email}))),
                )
            };
        CALL, "a birthday or an expiry that cannot be one" => 200 "1088",
            |kunji| {
                same(
                    [
                        json!({"dob": "1988-02-29"}),
                        json!({"dob": "29-02-1989"}),
                        json!({"dob": "29/02/1988"}),
                        json!({"dob": "9-2-1988"}),
                        json!({"cardExpiry": "1335"}),
                        json!({"cardExpiry": "12/35"}),
                        json!({"cardExpiry": "122035"}),
                    ]
                    .map(|members| face(kunji, members)),
                )
            };
        CALL, "a urn that cannot be one" => 200 "1030",
            |kunji| {
                same(
                    [json!("x"), json!("700000000080"), json!({})]
                        .map(|urn| contact(kunji, json!({ "urn": urn }))),
                )
            };
        CALL, "another `messageCode`" => 200 "1056",
            |kunji| contact(kunji, json!({"messageCode": "3021"}));
        CALL, "no `requestDateTime`" => 200 "1320",
            |kunji| contact(kunji, json!({"requestDateTime": ""}));
        CALL, "no `clientTxnId`" => 200 "1093", |kunji| contact(kunji, json!({"clientTxnId": ""}));
        CALL, "the same `clientTxnId` again: the stored answer, byte for byte" => 200 "00",
            repeated;
        CALL, "the same `clientTxnId` with other content" => 200 "1054", duplicate;
        CHECKED, "the holder was not verified" => 200 "1081", |kunji| checked(kunji, "739105");
        CHECKED, "the holder was verified by mobile and e-mail" => 200 "00",
            |kunji| {
                contact(kunji, json!({}));
                checked(kunji, "739105")
            };
        CHECKED, "the holder was verified by the card's face" => 200 "00",
            |kunji| {
                face(kunji, json!({}));
                checked(kunji, "739105")
            };
        CHECKED, "the verification failed" => 200 "1081",
            |kunji| {
                contact(kunji, json!({"emailId": "other@example.com"}));
                checked(kunji, "739105")
            };
        CHECKED, "another card's holder was verified" => 200 "1081",
            |kunji| {
                face(kunji, json!({"last4Digits": "0930"}));
                checked(kunji, "739105")
            };
        CHECKED, "a verification is used once" => 200 "1081",
            |kunji| {
                contact(kunji, json!({}));
                assert_eq!(checked(kunji, "739105").code, "00");
                checked(kunji, "804913")
            };
        CHECKED, "a weak PIN does not use it up" => 200 "00",
            |kunji| {
                contact(kunji, json!({}));
                assert_eq!(checked(kunji, "123456").code, "1030");
                checked(kunji, "739105")
            };
        CHECKED, "almost 10 minutes later" => 200 "00",
            |kunji| {
                contact(kunji, json!({}));
                kunji.advance("9m30s");
                checked(kunji, "739105")
            };
        CHECKED, "10 minutes later" => 200 "1081",
            |kunji| {
                contact(kunji, json!({}));
                kunji.advance("10m");
                checked(kunji, "739105")
            };
        CHECKED, "without the header: the client answers for the holder" => 200 "00",
            |kunji| RESET.said(kunji, &RESET.with(&json!({ "newPIN": "739105" })));
        CHECKED, "another `X-Kunji-Mode` than `live`" => 400 "1030", other_modes;
    },
};

/// Two cards with one face.
const TWINS: Table = Table {
    dialect: "prepaid",
    start: || Kunji::sandbox_seeded(&format!("{}{}", twin("70000000008"), twin("70000000009"))),
    ground: Ground::Shared,
    cases: cases! {
        CALL, "several cards with this face, and no urn" => 200 "1336",
            |kunji| face(kunji, json!({}));
        CALL, "several cards with this face, and the urn of one" => 200 "00",
            |kunji| face(kunji, json!({"urn": URN}));
    },
};

/// The setting instead of the header.
const ALWAYS: Table = Table {
    dialect: "prepaid",
    start: || Kunji::sandbox_with(&[("KUNJI_PREPAID__REQUIRE_VERIFIED_CARD", "true")]),
    ground: Ground::Shared,
    cases: cases! {
        CHECKED, "the settings ask for it, without a header" => 200 "1081",
            |kunji| RESET.said(kunji, &RESET.with(&json!({ "newPIN": "739105" })));
    },
};

tables! {
    every_word_about_a_holder_has_its_code plays OUTCOMES;
    cards_with_one_face_need_a_urn plays TWINS;
    settings_can_ask_for_a_verified_holder plays ALWAYS;
}

const URN: u64 = super::URN;
const MOBILE: &str = "919876500001";

fn twin(urn: &str) -> String {
    format!(
        r#"
[[card]]
client = "2000"
urn = "{urn}"
last_four = "1745"
expiry = "12/2035"
customer = "IN00001201001868"
name = "Kiran Holder"
born = "1988-02-29"
mobile = "{MOBILE}"
email = "holder@example.com"
pin_length = 6
"#
    )
}

/// A request with these members beside the three that every call has.
fn asked(members: &Value) -> Value {
    let mut asked = VERIFY.with(&json!({"urn": null, "last4Digits": null, "customerId": null}));
    for (name, value) in members.as_object().unwrap() {
        asked[name] = value.clone();
    }
    asked
}

fn laid_over(mut usual: Value, members: Value) -> Value {
    usual.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    usual
}

fn contact(kunji: &Kunji, members: Value) -> Said {
    let usual = json!({"urn": URN, "customerMobile": MOBILE, "emailId": "holder@example.com"});
    VERIFY.said(kunji, &asked(&laid_over(usual, members)))
}

fn face(kunji: &Kunji, members: Value) -> Said {
    let usual = json!({"last4Digits": "1745", "cardExpiry": "1235", "dob": "29-02-1988"});
    let asked = asked(&laid_over(usual, members));
    // The other card of the seed that is asked for has other digits in its answer.
    match asked["last4Digits"] == "0930" {
        true => {
            let answer = VERIFY.send(kunji, &asked);
            let text = super::inner_text(&answer);
            assert!(text.contains("\"last4Digits\":\"0930\"") && text.contains("70000000105"));
            Said { http: answer.status, code: "00".to_owned() }
        }
        false => VERIFY.said(kunji, &asked),
    }
}

fn reset_in_mode(kunji: &Kunji, mode: &str, new: &str) -> Said {
    let headers = [CLIENT, &[("X-Kunji-Mode", mode)]].concat();
    let asked = RESET.with(&json!({ "newPIN": new }));
    RESET.read(&asked, &RESET.send_with(kunji, &headers, &asked))
}

fn other_modes(kunji: &Kunji) -> Said {
    let said = same(["alive", "scenario", ""].map(|mode| reset_in_mode(kunji, mode, "739105")));
    assert_eq!(kunji.verify("card", "70000000008", "739105"), "not_set");
    said
}

fn other_names(kunji: &Kunji) -> Said {
    let members = [
        json!({"customerMobile": MOBILE, "cardholderMobile": null, "email": null}),
        json!({"customerMobile": null, "cardholderMobile": MOBILE}),
    ];
    same(members.map(|members| {
        let usual = json!({"urn": URN, "emailId": "holder@example.com", "dob": null});
        VERIFY.said(kunji, &asked(&laid_over(usual, members)))
    }))
}

fn checked(kunji: &Kunji, new: &str) -> Said {
    let said = reset_in_mode(kunji, "live", new);
    let found = kunji.verify("card", "70000000008", new);
    assert_eq!(found == "verified", said.code == "00");
    said
}

fn repeated(kunji: &Kunji) -> Said {
    let members = json!({"urn": URN, "customerMobile": MOBILE, "emailId": "holder@example.com"});
    let asked = asked(&members);
    let first = VERIFY.send(kunji, &asked);
    assert_eq!(checked(kunji, "739105").code, "00");
    // A repeated answer verifies nobody anew.
    assert_eq!(VERIFY.send(kunji, &asked), first);
    assert_eq!(checked(kunji, "804913").code, "1081");
    VERIFY.read(&asked, &first)
}

fn duplicate(kunji: &Kunji) -> Said {
    let mut asked =
        asked(&json!({"urn": URN, "customerMobile": MOBILE, "emailId": "other@example.com"}));
    assert_eq!(VERIFY.said(kunji, &asked).code, "1334");
    asked["emailId"] = json!("holder@example.com");
    VERIFY.said(kunji, &asked)
}
