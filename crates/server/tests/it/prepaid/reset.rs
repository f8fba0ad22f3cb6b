//! Reset PIN.

use std::cell::Cell;

use serde_json::{Value, json};

use super::{CALLS, CUSTOMER, Call, RESET, RESET_BARE, RESET_V3, each, inner_text, plain_said};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::{CLIENT, Kunji};

const CALL: &str = "resetPin";

/// The request's members.
const MEMBERS: Table = Table {
    dialect: "prepaid",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        CALL, "`messageCode` as a string or a number" => 200 "00",
            |kunji| {
                good(kunji, "messageCode", &[json!("1120"), json!(1120), json!(" 1120 ")])
            };
        CALL, "another `messageCode`, or none" => 200 "1056",
            |kunji| {
                bad(
                    kunji,
                    "messageCode",
                    &[
                        json!("1121"),
                        json!(1121),
                        json!("01120"),
                        json!(""),
                        json!(null),
                        json!({}),
                        json!([1120]),
                        json!(1120.5),
                    ],
                )
            };
        CALL, "`requestDateTime` that is no 14 digits, or no real date" => 200 "1088",
            |kunji| {
                bad(
                    kunji,
                    "requestDateTime",
                    &[
                        json!("2016071502583"),
                        json!("201607150258370"),
                        json!("20160230025837"),
                        json!("20161301000000"),
                        json!("20160715240000"),
                        json!("20160715026037"),
                        json!("2016071502583x"),
                        json!("2016-07-15T02:58"),
                        json!({}),
                        json!(-20_160_715_025_837_i64),
                    ],
                )
            };
        CALL, "no `requestDateTime`" => 200 "1320",
            |kunji| bad(kunji, "requestDateTime", &[json!(""), json!("  "), json!(null)]);
        CALL, "`requestDateTime` on a leap day, or as a number" => 200 "00",
            |kunji| {
                good(
                    kunji,
                    "requestDateTime",
                    &[json!("20240229235959"), json!(20_160_715_025_837_u64)],
                )
            };
        CALL, "`clientTxnId` of 1, 25 and 100 characters" => 200 "00",
            |kunji| {
                good(
                    kunji,
                    "clientTxnId",
                    &[json!("X"), json!("201507271458370149gM90jY1"), json!("Y".repeat(100))],
                )
            };
        CALL, "`clientTxnId` missing, empty, longer or of other characters" => 200 "1093",
            |kunji| {
                bad(
                    kunji,
                    "clientTxnId",
                    &[
                        json!(null),
                        json!(""),
                        json!("Z".repeat(101)),
                        json!("a b"),
                        json!("é"),
                        json!({}),
                    ],
                )
            };
        CALL, "`urn` as a number, a string, with outer blanks" => 200 "00",
            |kunji| {
                good(
                    kunji,
                    "urn",
                    &[json!(70_000_000_008_u64), json!("70000000008"), json!(" 70000000008 ")],
                )
            };
        CALL, "`urn` missing, of 12 digits, or no number" => 200 "1030",
            |kunji| {
                bad(
                    kunji,
                    "urn",
                    &[
                        json!(null),
                        json!(""),
                        json!("700000000080"),
                        json!("7000000000x"),
                        json!(-7),
                        json!(7.5),
                        json!([]),
                        json!(true),
                    ],
                )
            };
        CALL, "whole numbers in floating form" => 200 "00", floating;
        CALL, "`urn` or `last4Digits` with a fraction, or over what floating numbers hold exactly" => 200 "1030",
            |kunji| {
                same([
                    bad(kunji, "urn", &[json!(70_000_000_008.5), json!(1e300), json!(-0.0)]),
                    bad(kunji, "last4Digits", &[json!(1745.25), json!(17_450.0)]),
                ])
            };
        CALL, "`last4Digits` that begin with a zero, as a string or a number" => 200 "00",
            leading_zero;
        CALL, "`last4Digits` missing, longer, or no digits" => 200 "1030",
            |kunji| {
                bad(
                    kunji,
                    "last4Digits",
                    &[
                        json!(null),
                        json!(""),
                        json!("17450"),
                        json!("174x"),
                        json!(17_450),
                        json!(-745),
                        json!({}),
                    ],
                )
            };
        CALL, "`customerId` missing or empty: it is optional" => 200 "00",
            |kunji| good_unnamed(kunji);
        CALL, "`newPIN` missing or no string" => 200 "1030",
            |kunji| {
                bad(
                    kunji,
                    "newPIN",
                    &[
                        json!(null),
                        json!(""),
                        json!(739_105),
                        json!(739_105.0),
                        json!({}),
                        json!([]),
                    ],
                )
            };
        CALL, "unknown members, of any type" => 200 "00",
            |kunji| good(kunji, "stranger", &[json!({"a": [null, 1.5]}), json!("x")]);
    },
};

/// What becomes of a whole request.
const OUTCOMES: Table = Table {
    dialect: "prepaid",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        CALL, "done" => 200 "00", done;
        CALL, "no such urn" => 200 "1001",
            |kunji| {
                each(
                    kunji,
                    &RESET,
                    &pin("739105"),
                    "urn",
                    &[json!(70_000_009_999_u64), json!("0"), json!(1)],
                )
            };
        CALL, "the last 4 digits are another card's" => 200 "1083",
            |kunji| with(kunji, json!({"last4Digits": "0101"}));
        CALL, "the customer is another one" => 200 "1084",
            |kunji| {
                each(
                    kunji,
                    &RESET,
                    &pin("739105"),
                    "customerId",
                    &[
                        json!("IN00001201001869"),
                        json!("a b"),
                        json!({}),
                        json!("in00001201001868"),
                    ],
                )
            };
        CALL, "the card's last month is over" => 200 "1009",
            |kunji| with(kunji, json!({"urn": 70_000_000_104_u64, "last4Digits": "0104"}));
        CALL, "the card is blocked for now" => 200 "1010",
            |kunji| with(kunji, json!({"urn": 70_000_000_102_u64, "last4Digits": "0102"}));
        CALL, "the card is blocked for good" => 200 "1011",
            |kunji| with(kunji, json!({"urn": 70_000_000_103_u64, "last4Digits": "0103"}));
        CALL, "the card is not active" => 200 "1356",
            |kunji| with(kunji, json!({"urn": 70_000_000_101_u64, "last4Digits": "0101"}));
        CALL, "the card has a debit block" => 200 "1117", |kunji| blocked(kunji, "Debit");
        CALL, "the card has a credit block" => 200 "1118", |kunji| blocked(kunji, "Credit");
        CALL, "the card has a credit and debit block" => 200 "1121",
            |kunji| blocked(kunji, "CreditDebit");
        CALL, "the card has a custom block" => 200 "1131", |kunji| blocked(kunji, "Custom");
        CALL, "the PIN is no digits, of another length, or weak" => 200 "1030", weak;
        CALL, "the PIN is one of the last 3" => 200 "1030", recent;
        CALL, "the same `clientTxnId` with the same content: the stored answer, byte for byte" => 200 "00",
            repeated;
        CALL, "the same `clientTxnId` with other content" => 200 "1054", duplicate;
        "resetPin v3, bare, `/API/`", "done" => 200 "00", other_paths;
        CALL, "the PIN is blocked: a reset lifts the block" => 200 "00", lifts_block;
    },
};

/// Cards that the built-in seed has not.
const OTHER_SEED: Table = Table {
    dialect: "prepaid",
    start: || Kunji::sandbox_seeded(OTHER_CARDS),
    ground: Ground::Shared,
    cases: cases! {
        CALL, "the card is closed" => 200 "1009",
            |kunji| with(kunji, json!({"urn": 70_000_000_201_u64}));
        CALL, "another client's card" => 200 "1001",
            |kunji| with(kunji, json!({"urn": 70_000_000_202_u64}));
        CALL, "a PIN of another length than the card's product" => 200 "1030",
            |kunji| {
                same(["739105", "73910", "739"].map(|new| {
                    RESET.said(
                        kunji,
                        &RESET.with(&json!({"urn": 70_000_000_203_u64, "newPIN": new})),
                    )
                }))
            };
        CALL, "a PIN of 4 digits where the card's product has 4" => 200 "00",
            |kunji| with(kunji, json!({"urn": 70_000_000_203_u64, "newPIN": "7391"}));
    },
};

const OTHER_CARDS: &str = r#"
[[card]]
client = "2000"
urn = "70000000201"
last_four = "1745"
expiry = "12/2035"
customer = "IN00001201001868"
name = "A"
born = "1988-02-29"
mobile = "919876500001"
email = "a@b.c"
pin_length = 6
standing = "closed"

[[card]]
client = "3000"
urn = "70000000202"
last_four = "1745"
expiry = "12/2035"
customer = "IN00001201001868"
name = "A"
born = "1988-02-29"
mobile = "919876500001"
email = "a@b.c"
pin_length = 6

[[card]]
client = "2000"
urn = "70000000203"
last_four = "1745"
expiry = "12/2035"
customer = "IN00001201001868"
name = "A"
born = "1988-02-29"
mobile = "919876500001"
email = "a@b.c"
pin_length = 4
"#;

const BLOCK_STAYS: Table = Table {
    dialect: "prepaid",
    start: || Kunji::sandbox_with(&[("KUNJI_PINS__RESET_LIFTS_BLOCK", "false")]),
    ground: Ground::Shared,
    cases: cases! {
        CALL, "the PIN is blocked, and the settings keep it so" => 200 "1081",
            |kunji| {
                block_pin(kunji);
                with(kunji, json!({}))
            };
    },
};

const RATE: Table = Table {
    dialect: "prepaid",
    start: || Kunji::sandbox_with(&[("KUNJI_PINS__LIVE_PER_MINUTE", "2")]),
    ground: Ground::Shared,
    cases: cases! {
        CALL, "more requests on one card than the settings allow; `Retry-After` says when" => 429 "1045",
            too_many;
    },
};

const FULL_DISK: Table = Table {
    dialect: "prepaid",
    start: Kunji::sandbox_on_a_full_disk,
    ground: Ground::Broken,
    cases: cases! {
        CALL, "the store cannot be written: the outcome is unknown" => 503 "1045",
            |kunji| with(kunji, json!({}));
    },
};

tables! {
    every_member_of_a_reset_is_read_as_the_contract_says plays MEMBERS;
    every_outcome_of_a_reset_has_its_code plays OUTCOMES;
    every_other_card_has_its_code plays OTHER_SEED;
    a_block_stays_where_the_settings_say_so plays BLOCK_STAYS;
    too_many_resets_are_told_when_to_come_back plays RATE;
    a_full_disk_leaves_the_reset_unknown plays FULL_DISK;
}

fn pin(new: &str) -> Value {
    json!({ "newPIN": new })
}

/// Six digits that none of the last resets of this test had.
fn new_pin() -> &'static str {
    thread_local! {
        static DRAWN: Cell<usize> = const { Cell::new(0) };
    }
    let pins = ["739105", "804913", "580264", "917350", "463918", "205837", "648201", "317946"];
    pins[DRAWN.replace(DRAWN.get() + 1) % pins.len()]
}

/// A reset with these members, and a PIN that is fit unless they hold another.
fn with(kunji: &Kunji, mut members: Value) -> Said {
    if members.get("newPIN").is_none() {
        members["newPIN"] = json!("739105");
    }
    RESET.said(kunji, &RESET.with(&members))
}

fn good(kunji: &Kunji, member: &str, values: &[Value]) -> Said {
    same(values.iter().map(|value| {
        let said = each(kunji, &RESET, &pin(new_pin()), member, std::slice::from_ref(value));
        assert_eq!(said.code, "00", "{member} {value}");
        said
    }))
}

/// None of these may touch the card.
fn bad(kunji: &Kunji, member: &str, values: &[Value]) -> Said {
    let said = each(kunji, &RESET, &pin("528417"), member, values);
    assert_ne!(kunji.verify("card", "70000000008", "528417"), "verified");
    kunji.start_over();
    said
}

fn good_unnamed(kunji: &Kunji) -> Said {
    same([json!(null), json!(""), json!(" ")].map(|customer| {
        let mut asked = RESET.with(&pin(new_pin()));
        asked["customerId"] = customer;
        RESET.said(kunji, &asked)
    }))
}

/// As encoders of other languages write the numbers of the vendor's sample.
fn floating(kunji: &Kunji) -> Said {
    let forms = [
        ("1120.0", "70000000008.0", "1745.0", "20160715025837.0"),
        ("1.12E3", "7.0000000008E10", "1.745e+3", "2.0160715025837E13"),
    ];
    same(forms.map(|(code, urn, last_four, at)| {
        let mut asked = RESET.with(&pin(new_pin()));
        let txn = asked["clientTxnId"].as_str().unwrap();
        let new = asked["newPIN"].as_str().unwrap();
        let text = format!(
            r#"{{"messageCode":{code},"urn":{urn},"last4Digits":{last_four},"requestDateTime":{at},"clientTxnId":"{txn}","newPIN":"{new}"}}"#
        );
        let answer = RESET.send_text(kunji, CLIENT, &text);
        let said = RESET.read(&asked, &answer);
        // The same numbers in another form are the same content.
        asked.as_object_mut().unwrap().remove("customerId");
        assert_eq!(RESET.send(kunji, &asked), answer);
        said
    }))
}

fn leading_zero(kunji: &Kunji) -> Said {
    same([json!("0930"), json!(930), json!(" 0930 ")].map(|last_four| {
        let members = json!({"urn": 70_000_000_105_u64, "last4Digits": last_four});
        let mut asked = RESET.with(&members);
        asked["newPIN"] = json!(new_pin());
        RESET.said(kunji, &asked)
    }))
}

fn done(kunji: &Kunji) -> Said {
    assert_eq!(kunji.verify("card", "70000000008", "121200"), "not_set");
    let said = with(kunji, json!({"newPIN": "121200"}));
    assert_eq!(kunji.verify("card", "70000000008", "121200"), "verified");
    said
}

fn blocked(kunji: &Kunji, kind: &str) -> Said {
    let asked = super::BLOCK.with(&json!({ "blockType": kind }));
    assert_eq!(super::BLOCK.said(kunji, &asked).code, "00");
    with(kunji, json!({}))
}

fn weak(kunji: &Kunji) -> Said {
    let weak = [
        "abcdef",
        "12120x",
        "1212",
        "12120",
        "1212000",
        "123456",
        "987654",
        "111111",
        "290288",
        "022988",
        "198802",
        "719880",
        "881988",
        "880229",
        "٧٣٩١٠٥",
    ];
    let said = same(weak.map(|new| with(kunji, json!({ "newPIN": new }))));
    assert_eq!(kunji.verify("card", "70000000008", "123456"), "not_set");
    said
}

fn recent(kunji: &Kunji) -> Said {
    for new in ["739105", "804913", "580264"] {
        assert_eq!(with(kunji, json!({ "newPIN": new })).code, "00");
    }
    let said = same(["580264", "804913", "739105"].map(|new| with(kunji, json!({"newPIN": new}))));
    assert_eq!(with(kunji, json!({"newPIN": "917350"})).code, "00");
    assert_eq!(with(kunji, json!({"newPIN": "739105"})).code, "00");
    said
}

fn repeated(kunji: &Kunji) -> Said {
    let asked = RESET.with(&pin("739105"));
    let first = RESET.send(kunji, &asked);
    kunji.advance("2h");
    // The token, too, is the same.
    assert_eq!(RESET.send(kunji, &asked), first);
    // The same content in other words, on another path.
    let mut reworded = asked.clone();
    reworded["urn"] = json!("70000000008 ");
    reworded["last4Digits"] = json!(1745);
    reworded["messageCode"] = json!(1120);
    reworded["requestDateTime"] = json!("20160715030000");
    assert_eq!(RESET_BARE.send(kunji, &reworded), first);
    RESET.read(&asked, &first)
}

fn duplicate(kunji: &Kunji) -> Said {
    let asked = RESET.with(&pin("739105"));
    assert_eq!(RESET.said(kunji, &asked).code, "00");
    let other = |member: &str, value: Value| {
        let mut other = asked.clone();
        other[member] = value;
        other
    };
    let said = same([
        RESET.said(kunji, &other("newPIN", json!("804913"))),
        RESET.said(kunji, &other("last4Digits", json!("0101"))),
        RESET.said(kunji, &other("urn", json!(70_000_000_105_u64))),
        RESET.said(kunji, &other("customerId", json!("OTHER"))),
    ]);
    assert_eq!(kunji.verify("card", "70000000008", "739105"), "verified");
    // All calls of a client share its ids.
    let inquiry = &super::INQUIRY;
    let mut asked = other("messageCode", json!("1090"));
    asked.as_object_mut().unwrap().remove("newPIN");
    same([said, inquiry.said(kunji, &asked)])
}

fn other_paths(kunji: &Kunji) -> Said {
    let consumer = ("X-Consumer-Custom-ID", "F42BC4E7B801C834B630DE498473533F");
    let headers = [CLIENT, &[consumer]].concat();
    let upper = Call { path: "/mob1/API/onboarding/v1/resetPin", ..RESET };
    let mixed = Call { path: "/mob1/Api/onboarding/v1/resetPin", ..RESET };
    same([RESET_V3, RESET_BARE, upper, mixed].map(|call| {
        let asked = call.with(&pin(new_pin()));
        call.read(&asked, &call.send_with(kunji, &headers, &asked))
    }))
}

fn block_pin(kunji: &Kunji) {
    assert_eq!(with(kunji, json!({"newPIN": "804913"})).code, "00");
    for guess in ["000000", "000001", "000002"] {
        kunji.verify("card", "70000000008", guess);
    }
    assert_eq!(kunji.verify("card", "70000000008", "804913"), "blocked");
}

fn lifts_block(kunji: &Kunji) -> Said {
    block_pin(kunji);
    assert_eq!(with(kunji, json!({"newPIN": "111111"})).code, "1030");
    assert_eq!(kunji.verify("card", "70000000008", "804913"), "blocked");
    let said = with(kunji, json!({}));
    assert_eq!(kunji.verify("card", "70000000008", "739105"), "verified");
    said
}

fn too_many(kunji: &Kunji) -> Said {
    for new in ["111111", "222222"] {
        assert_eq!(with(kunji, json!({ "newPIN": new })).code, "1030");
    }
    let answer = RESET.send(kunji, &RESET.with(&pin("739105")));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    plain_said(&answer)
}

#[test]
fn answers_of_a_reset_never_hold_the_pin() {
    let kunji = Kunji::sandbox();
    for (new, code) in [("739105", "00"), ("739105", "1030")] {
        let answer = RESET.send(&kunji, &RESET.with(&pin(new)));
        let text = inner_text(&answer);
        assert!(text.contains(&format!("\"responseCode\":\"{code}\"")) && !text.contains(new));
    }
}

#[test]
fn every_call_is_told_apart_by_its_message_codes() {
    let kunji = Kunji::sandbox();
    for call in &CALLS {
        let headers =
            [CLIENT, &[("X-Consumer-Custom-ID", "F42BC4E7B801C834B630DE498473533F")]].concat();
        let mut asked = call.request();
        asked["messageCode"] = json!("9999");
        let answer = call.send_with(&kunji, &headers, &asked);
        assert_eq!(call.read(&asked, &answer).code, "1056");
        assert_eq!(asked["customerId"], CUSTOMER);
    }
}
