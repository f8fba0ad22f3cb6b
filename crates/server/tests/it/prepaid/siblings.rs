//! Create card, card inquiry, block and unblock, check status.

use serde_json::{Value, json};

use super::{
    BLOCK, CREATE, CUSTOMER, Call, INQUIRY, RESET, STATUS, UNBLOCK, VERIFY, each, inner_text,
};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::shape::{is_compact, starred};
use crate::support::{Kunji, fresh};

const CREATED: &str = "createCard";
const INQUIRED: &str = "cardInquiry";
const BLOCKED: &str = "block";
const UNBLOCKED: &str = "unblock";
const CHECKED: &str = "checkStatus";

/// What a new card must be told of.
const CREATION: Table = Table {
    dialect: "prepaid",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        CREATED, "a card that can be verified, reset and looked at" => 201 "201", created;
        CREATED, "`dateOfBirth` as `yyyyMMdd`, and no e-mail" => 201 "201",
            |kunji| create(kunji, &json!({"dateOfBirth": "19900515", "emailId": ""}));
        CREATED, "every card profile there is" => 201 "201", every_profile;
        CREATED, "the same `clientTxnId` again: the stored answer, and no second card" => 201 "201",
            created_once;
        CREATED, "the same `clientTxnId` with other content" => 200 "1054", created_other;
        CREATED, "another customer has the `mobile`, with or without its country code" => 200 "1237",
            mobile_taken;
        CREATED, "the customer has the `mobile` already" => 201 "201", second_card;
        CREATED, "no `productId`" => 200 "1295",
            |kunji| refused(kunji, "productId", &[json!(null), json!("")]);
        CREATED, "no `firstName`, or one that is too long" => 200 "1290",
            |kunji| {
                refused(kunji, "firstName", &[json!(null), json!(" "), json!("x".repeat(51))])
            };
        CREATED, "no `lastName`, or one that is too long" => 200 "1291",
            |kunji| {
                refused(kunji, "lastName", &[json!(null), json!(""), json!("x".repeat(51))])
            };
        CREATED, "a `mobile` that is not 10 to 13 digits" => 200 "1034",
            |kunji| {
                refused(
                    kunji,
                    "mobile",
                    &[
                        json!(null),
                        json!("987650000"),
                        json!("91987650000112"),
                        json!("+919876500001"),
                        json!({}),
                    ],
                )
            };
        CREATED, "no `customerId`" => 200 "1245",
            |kunji| refused(kunji, "customerId", &[json!(null), json!(""), json!("a b")]);
        CREATED, "no `dateOfBirth`" => 200 "1317",
            |kunji| refused(kunji, "dateOfBirth", &[json!(null), json!("")]);
        CREATED, "a `dateOfBirth` that is no date" => 200 "1088",
            |kunji| {
                refused(
                    kunji,
                    "dateOfBirth",
                    &[
                        json!("31-02-1990"),
                        json!("1990-05-15"),
                        json!("15/05/1990"),
                        json!("19901301"),
                        json!("x"),
                    ],
                )
            };
        CREATED, "no `cardProfileId`" => 200 "1090",
            |kunji| refused(kunji, "cardProfileId", &[json!(null), json!("")]);
        CREATED, "a `cardProfileId` that cannot be one" => 200 "1091",
            |kunji| {
                refused(
                    kunji,
                    "cardProfileId",
                    &[json!("x"), json!(-150), json!(150.5), json!("1500000000"), json!({})],
                )
            };
        CREATED, "a `cardProfileId` that the program does not have" => 200 "1306",
            |kunji| {
                refused(kunji, "cardProfileId", &[json!("1"), json!(151), json!("0"), json!(31.0)])
            };
        CREATED, "a `cardProfileId` that does not fit the product" => 200 "1309",
            |kunji| {
                same([json!("2"), json!(2)].map(|product| {
                    create(kunji, &json!({"productId": product, "cardProfileId": "150"}))
                }))
            };
        CREATED, "no `loadAmount`, and `null` for all that is optional" => 201 "201",
            nothing_loaded;
        CREATED, "a `loadAmount` that is no whole number in digits" => 200 "1030",
            |kunji| {
                same(
                    [
                        json!("-5"),
                        json!(""),
                        json!({}),
                        json!([]),
                        json!(true),
                        json!(-5),
                        json!(1.5),
                        json!("1.5"),
                        json!("5x"),
                        json!("1234567890123456"),
                    ]
                    .map(|amount| create(kunji, &json!({ "loadAmount": amount }))),
                )
            };
        CREATED, "an e-mail that is none" => 200 "1092",
            |kunji| {
                refused(
                    kunji,
                    "emailId",
                    &[json!("x"), json!("a@b"), json!("@b.c"), json!("a b@c.d"), json!(true)],
                )
            };
        CREATED, "no `newCardStatus`" => 200 "1292",
            |kunji| refused(kunji, "newCardStatus", &[json!(null), json!("")]);
        CREATED, "another `newCardStatus`" => 200 "1293",
            |kunji| {
                refused(kunji, "newCardStatus", &[json!("active"), json!("Blocked"), json!(1)])
            };
        CREATED, "another `messageCode`" => 200 "1056",
            |kunji| refused(kunji, "messageCode", &[json!("1011"), json!(null)]);
        CREATED, "no `requestDateTime`" => 200 "1320",
            |kunji| refused(kunji, "requestDateTime", &[json!(null)]);
        CREATED, "no `clientTxnId`" => 200 "1093",
            |kunji| refused(kunji, "clientTxnId", &[json!(null)]);
    },
};

/// Looking at a card.
const INQUIRIES: Table = Table {
    dialect: "prepaid",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        INQUIRED, "the card as it stands" => 200 "00",
            |kunji| same(STANDINGS.map(|standing| inquire(kunji, standing)));
        INQUIRED, "no such urn" => 200 "1001",
            |kunji| named(kunji, &INQUIRY, json!({"urn": 70_000_009_999_u64}));
        INQUIRED, "the last 4 digits are another card's" => 200 "1083",
            |kunji| named(kunji, &INQUIRY, json!({"last4Digits": "0101"}));
        INQUIRED, "the customer is another one" => 200 "1084", other_customer;
        INQUIRED, "the customer has no card, whatever urn and last 4 there are beside" => 200 "1231",
            cardless;
        INQUIRED, "urn, last 4 or customer missing or not well formed" => 200 "1030",
            |kunji| unnamed(kunji, &INQUIRY);
        INQUIRED, "another `messageCode`" => 200 "1056",
            |kunji| named(kunji, &INQUIRY, json!({"messageCode": "1091"}));
        INQUIRED, "the same `clientTxnId` again: the stored answer, byte for byte" => 200 "00",
            inquired_once;
    },
};

/// Blocking and lifting.
const BLOCKING: Table = Table {
    dialect: "prepaid",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        BLOCKED, "every kind of block, one after the other" => 200 "00",
            |kunji| same(KINDS.map(|kind| block(kunji, kind)));
        BLOCKED, "another kind, or none" => 200 "1112",
            |kunji| {
                each(
                    kunji,
                    &BLOCK,
                    &json!({}),
                    "blockType",
                    &[json!(null), json!(""), json!("temporary"), json!("Total"), json!(1)],
                )
            };
        BLOCKED, "`Temporary` lies on it already" => 200 "1010", |kunji| twice(kunji, "Temporary");
        BLOCKED, "`Permanent` lies on it: nothing replaces it" => 200 "1011",
            |kunji| {
                block(kunji, "Permanent");
                same(KINDS.map(|kind| block(kunji, kind)))
            };
        BLOCKED, "`Debit` lies on it already" => 200 "1117", |kunji| twice(kunji, "Debit");
        BLOCKED, "`Credit` lies on it already" => 200 "1118", |kunji| twice(kunji, "Credit");
        BLOCKED, "`CreditDebit` lies on it already" => 200 "1121",
            |kunji| twice(kunji, "CreditDebit");
        BLOCKED, "`Custom` lies on it already" => 200 "1131", |kunji| twice(kunji, "Custom");
        BLOCKED, "the card is not active" => 200 "1356",
            |kunji| {
                named(
                    kunji,
                    &BLOCK,
                    json!({"blockType": "Debit", "urn": 70_000_000_101_u64, "last4Digits": "0101"}),
                )
            };
        BLOCKED, "the card's last month is over" => 200 "1009",
            |kunji| {
                named(
                    kunji,
                    &BLOCK,
                    json!({"blockType": "Debit", "urn": 70_000_000_104_u64, "last4Digits": "0104"}),
                )
            };
        BLOCKED, "no such urn" => 200 "1001",
            |kunji| named(kunji, &BLOCK, json!({"blockType": "Debit", "urn": 1}));
        BLOCKED, "the last 4 digits are another card's" => 200 "1083",
            |kunji| {
                named(kunji, &BLOCK, json!({"blockType": "Debit", "last4Digits": "0101"}))
            };
        BLOCKED, "the customer is another one" => 200 "1084",
            |kunji| named(kunji, &BLOCK, json!({"blockType": "Debit", "customerId": "IN1"}));
        BLOCKED, "urn, last 4 or customer missing or not well formed" => 200 "1030",
            |kunji| same([unnamed_with(kunji, &BLOCK, &json!({"blockType": "Debit"}))]);
        BLOCKED, "the same `clientTxnId` with another kind" => 200 "1054", blocked_other;
        UNBLOCKED, "every kind but the permanent one is lifted" => 200 "00", lifted;
        UNBLOCKED, "there is no block" => 200 "1067", |kunji| named(kunji, &UNBLOCK, json!({}));
        UNBLOCKED, "a permanent block is never lifted" => 200 "1011", never_lifted;
        UNBLOCKED, "the card is not active" => 200 "1356",
            |kunji| {
                named(kunji, &UNBLOCK, json!({"urn": 70_000_000_101_u64, "last4Digits": "0101"}))
            };
        UNBLOCKED, "the card's last month is over" => 200 "1009",
            |kunji| {
                named(kunji, &UNBLOCK, json!({"urn": 70_000_000_104_u64, "last4Digits": "0104"}))
            };
        UNBLOCKED, "no such urn" => 200 "1001", |kunji| named(kunji, &UNBLOCK, json!({"urn": 1}));
        UNBLOCKED, "the last 4 digits are another card's" => 200 "1083",
            |kunji| named(kunji, &UNBLOCK, json!({"last4Digits": "0102"}));
        UNBLOCKED, "the customer is another one" => 200 "1084",
            |kunji| named(kunji, &UNBLOCK, json!({"customerId": "IN1"}));
        UNBLOCKED, "urn, last 4 or customer missing or not well formed" => 200 "1030",
            |kunji| unnamed(kunji, &UNBLOCK);
    },
};

/// Fetching stored answers.
const STATUSES: Table = Table {
    dialect: "prepaid",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        CHECKED, "a call that ended well is told again, without its request" => 200 "0",
            status_of_success;
        CHECKED, "a refusal is told again" => 200 "00", status_of_refusal;
        CHECKED, "a created card is told again" => 200 "0", status_of_creation;
        CHECKED, "no such call, or one that could not be read" => 200 "29201", status_of_nothing;
        CHECKED, "no `verifyclientTxnId`" => 200 "1030",
            |kunji| {
                each(
                    kunji,
                    &STATUS,
                    &json!({}),
                    "verifyclientTxnId",
                    &[json!(null), json!(""), json!({})],
                )
            };
        CHECKED, "a `verifyclientTxnId` that cannot be one" => 200 "1093",
            |kunji| {
                each(
                    kunji,
                    &STATUS,
                    &json!({}),
                    "verifyclientTxnId",
                    &[json!("a b"), json!("x".repeat(101))],
                )
            };
        CHECKED, "another `messageCode`" => 200 "1056",
            |kunji| {
                named(kunji, &STATUS, json!({"messageCode": 2051, "verifyclientTxnId": "X"}))
            };
    },
};

tables! {
    every_member_of_a_new_card_has_its_code plays CREATION;
    every_inquiry_has_its_code plays INQUIRIES;
    every_kind_of_block_has_its_code plays BLOCKING;
    every_stored_answer_can_be_fetched plays STATUSES;
}

const KINDS: [&str; 6] = ["Custom", "Temporary", "Debit", "Credit", "CreditDebit", "Permanent"];

fn named(kunji: &Kunji, call: &Call, members: Value) -> Said {
    call.said(kunji, &call.with(&members))
}

fn unnamed(kunji: &Kunji, call: &Call) -> Said {
    unnamed_with(kunji, call, &json!({}))
}

fn unnamed_with(kunji: &Kunji, call: &Call, usual: &Value) -> Said {
    same([
        each(kunji, call, usual, "urn", &[json!(null), json!("x"), json!("700000000080")]),
        each(kunji, call, usual, "last4Digits", &[json!(null), json!("17450"), json!("x")]),
        each(kunji, call, usual, "customerId", &[json!(null), json!("a b"), json!({})]),
    ])
}

fn new_card(members: &Value) -> Value {
    let mut asked = CREATE.with(&json!({
        "urn": null,
        "last4Digits": null,
        "customerId": fresh("NEW"),
        "productId": "1",
        "firstName": "Kiran",
        "lastName": "Holder",
        "mobile": fresh_mobile(),
        "emailId": "new@example.com",
        "dateOfBirth": "15-05-1990",
        "cardProfileId": "150",
        "newCardStatus": "Active",
        "loadAmount": "500",
    }));
    asked.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    asked
}

/// A number that no other card of this test run has.
fn fresh_mobile() -> String {
    fresh("917777")
}

fn mobile_taken(kunji: &Kunji) -> Said {
    let first = new_card(&json!({}));
    assert_eq!(CREATE.said(kunji, &first).code, "201");
    let mobile = first["mobile"].as_str().unwrap();
    let again = new_card(&json!({ "mobile": mobile }));
    let refused = CREATE.send(kunji, &again);
    // It stays refused under its id, and it is told by check status.
    assert_eq!(CREATE.send(kunji, &again), refused);
    let told = STATUS.with(&json!({
        "urn": null,
        "last4Digits": null,
        "customerId": null,
        "verifyclientTxnId": again["clientTxnId"],
    }));
    let told: Value = serde_json::from_str(&inner_text(&STATUS.send(kunji, &told))).unwrap();
    assert_eq!(told["response_dump"], json!([inner_text(&refused)]));
    same([
        CREATE.read(&again, &refused),
        create(kunji, &json!({ "mobile": &mobile[2..] })),
        create(kunji, &json!({ "mobile": mobile.parse::<u64>().unwrap() })),
        // The seed's customer.
        create(kunji, &json!({ "mobile": "919876500001" })),
        create(kunji, &json!({ "mobile": "9876500001" })),
    ])
}

fn second_card(kunji: &Kunji) -> Said {
    let first = new_card(&json!({}));
    assert_eq!(CREATE.said(kunji, &first).code, "201");
    let same_holder = json!({"mobile": first["mobile"], "customerId": first["customerId"]});
    assert_eq!(create(kunji, &same_holder).code, "201");
    create(kunji, &json!({"mobile": "9876500001", "customerId": CUSTOMER}))
}

fn nothing_loaded(kunji: &Kunji) -> Said {
    let members = json!({"loadAmount": null, "emailId": null, "email": null, "blockType": null});
    let asked = new_card(&members);
    let answer = CREATE.send(kunji, &asked);
    let card: Value = serde_json::from_str(&inner_text(&answer)).unwrap();
    assert_eq!((&card["loadAmount"], &card["responseCode"]), (&json!(0), &json!("201")));
    create(kunji, &json!({"loadAmount": 500.0, "productId": "7", "cardProfileId": 150.0}))
}

fn other_customer(kunji: &Kunji) -> Said {
    let other = new_card(&json!({}));
    assert_eq!(CREATE.said(kunji, &other).code, "201");
    named(kunji, &INQUIRY, json!({"customerId": other["customerId"]}))
}

fn cardless(kunji: &Kunji) -> Said {
    same(
        [
            json!({}),
            json!({"last4Digits": "0101"}),
            json!({"urn": 70_000_009_999_u64}),
            json!({"urn": null}),
            json!({"urn": null, "last4Digits": null}),
            // A customer of the bank, without a card.
            json!({"customerId": "CIF12345678"}),
        ]
        .map(|mut members| {
            if members.get("customerId").is_none() {
                members["customerId"] = json!("IN1");
            }
            named(kunji, &INQUIRY, members)
        }),
    )
}

fn create(kunji: &Kunji, members: &Value) -> Said {
    CREATE.said(kunji, &new_card(members))
}

fn refused(kunji: &Kunji, member: &str, values: &[Value]) -> Said {
    each(kunji, &CREATE, &new_card(&json!({ "clientTxnId": fresh("C") })), member, values)
}

fn created(kunji: &Kunji) -> Said {
    let asked = new_card(&json!({}));
    let answer = CREATE.send(kunji, &asked);
    let card: Value = serde_json::from_str(&inner_text(&answer)).unwrap();
    let last_four = card["cardNumber"].as_str().unwrap()[12..].to_owned();
    let names = json!({
        "urn": card["urn"],
        "last4Digits": last_four,
        "customerId": asked["customerId"],
    });
    let seen = INQUIRY.send(kunji, &INQUIRY.with(&names));
    let seen: Value = serde_json::from_str(&inner_text(&seen)).unwrap();
    assert_eq!(
        (&seen["description"], &seen["cardExpiry"], &seen["cardNumber"]),
        (&json!("Active"), &card["cardExpiry"], &card["cardNumber"])
    );
    let now = kunji.get("/kunji/v1/sandbox/clock").json()["now"].as_str().unwrap().to_owned();
    let five_years_on = format!("{}{:02}", &now[5..7], now[2..4].parse::<u8>().unwrap() + 5);
    assert_eq!(card["cardExpiry"], five_years_on);
    let holder = VERIFY.with(&json!({
        "urn": null,
        "last4Digits": last_four,
        "cardExpiry": card["cardExpiry"],
        "dob": "15-05-1990",
    }));
    let found = inner_text(&VERIFY.send(kunji, &holder));
    assert!(found.contains("\"responseCode\":\"00\"") && found.contains(&card["urn"].to_string()));
    let mut reset = RESET.with(&names);
    reset["newPIN"] = json!("739105");
    let text = inner_text(&RESET.send(kunji, &reset));
    assert!(text.contains("\"responseCode\":\"00\""), "{text}");
    assert_eq!(kunji.verify("card", &card["urn"].to_string(), "739105"), "verified");
    CREATE.read(&asked, &answer)
}

fn every_profile(kunji: &Kunji) -> Said {
    for (profile, said) in [("30", 30), ("300", 300)] {
        let answer = CREATE.send(kunji, &new_card(&json!({ "cardProfileId": profile })));
        let card: Value = serde_json::from_str(&inner_text(&answer)).unwrap();
        assert_eq!((answer.status, &card["cardProfileId"]), (201, &json!(said)));
    }
    let inactive = new_card(&json!({"newCardStatus": "Inactive", "cardProfileId": 150}));
    let answer = CREATE.send(kunji, &inactive);
    let card: Value = serde_json::from_str(&inner_text(&answer)).unwrap();
    let last_four = card["cardNumber"].as_str().unwrap()[12..].to_owned();
    let names = json!({
        "urn": card["urn"],
        "last4Digits": last_four,
        "customerId": inactive["customerId"],
        "newPIN": "739105",
    });
    assert_eq!(RESET.said(kunji, &RESET.with(&names)).code, "1356");
    CREATE.read(&inactive, &answer)
}

fn created_once(kunji: &Kunji) -> Said {
    let asked = new_card(&json!({}));
    let first = CREATE.send(kunji, &asked);
    assert_eq!(CREATE.send(kunji, &asked), first);
    CREATE.read(&asked, &first)
}

fn created_other(kunji: &Kunji) -> Said {
    let asked = new_card(&json!({}));
    assert_eq!(CREATE.said(kunji, &asked).code, "201");
    same(["firstName", "mobile", "dateOfBirth", "emailId", "customerId"].map(|member| {
        let mut other = asked.clone();
        other[member] = match member {
            "mobile" => json!("919876500008"),
            "dateOfBirth" => json!("16-05-1990"),
            "emailId" => json!("other@example.com"),
            _ => json!("Other"),
        };
        CREATE.said(kunji, &other)
    }))
}

/// Urn, last four digits, description and status of the seed's cards.
const STANDINGS: [(u64, &str, &str, &str); 5] = [
    (70_000_000_008, "1745", "Active", "0"),
    (70_000_000_101, "0101", "Inactive", "9"),
    (70_000_000_102, "0102", "Blocked", "21"),
    (70_000_000_103, "0103", "Blocked", "21"),
    (70_000_000_105, "0930", "Active", "0"),
];

fn inquire(kunji: &Kunji, (urn, last_four, standing, status): (u64, &str, &str, &str)) -> Said {
    let asked = INQUIRY.with(&json!({"urn": urn, "last4Digits": last_four}));
    let answer = INQUIRY.send(kunji, &asked);
    let active = INQUIRY.filled(&asked);
    let expected = active
        .replace("\"description\":\"Active\"", &format!("\"description\":\"{standing}\""))
        .replace("\"cardStatus\":\"0\"", &format!("\"cardStatus\":\"{status}\""));
    assert_eq!(starred(&inner_text(&answer), "responseDateTime", is_compact), expected);
    Said { http: answer.status, code: "00".to_owned() }
}

fn inquired_once(kunji: &Kunji) -> Said {
    let asked = INQUIRY.request();
    let first = INQUIRY.send(kunji, &asked);
    kunji.advance("2h");
    assert_eq!(INQUIRY.send(kunji, &asked), first);
    INQUIRY.read(&asked, &first)
}

fn block(kunji: &Kunji, kind: &str) -> Said {
    named(kunji, &BLOCK, json!({ "blockType": kind }))
}

fn twice(kunji: &Kunji, kind: &str) -> Said {
    assert_eq!(block(kunji, kind).code, "00");
    block(kunji, kind)
}

fn blocked_other(kunji: &Kunji) -> Said {
    let mut asked = BLOCK.with(&json!({"blockType": "Debit"}));
    let first = BLOCK.send(kunji, &asked);
    assert_eq!(BLOCK.send(kunji, &asked), first);
    asked["blockType"] = json!("Permanent");
    let said = BLOCK.said(kunji, &asked);
    assert_eq!(named(kunji, &UNBLOCK, json!({})).code, "00");
    said
}

fn lifted(kunji: &Kunji) -> Said {
    same(KINDS.iter().filter(|kind| **kind != "Permanent").map(|kind| {
        assert_eq!(block(kunji, kind).code, "00");
        let said = named(kunji, &UNBLOCK, json!({}));
        assert_eq!(inquire(kunji, STANDINGS[0]).code, "00");
        said
    }))
}

fn never_lifted(kunji: &Kunji) -> Said {
    assert_eq!(block(kunji, "Permanent").code, "00");
    let seeded = json!({"urn": 70_000_000_103_u64, "last4Digits": "0103"});
    same([named(kunji, &UNBLOCK, json!({})), named(kunji, &UNBLOCK, seeded)])
}

/// Fetches the answer of an earlier request; the dump must be that answer, word for word.
fn status_of(kunji: &Kunji, earlier: &Value, answer: &str, urn: Option<u64>) -> Said {
    let asked = STATUS.with(&json!({
        "urn": null,
        "last4Digits": null,
        "customerId": null,
        "verifyclientTxnId": earlier["clientTxnId"],
    }));
    let told = STATUS.send(kunji, &asked);
    let urn = urn.map(|urn| format!("\"urn\":{urn},")).unwrap_or_default();
    let inner: Value = serde_json::from_str(answer).unwrap();
    let ended_well = ["00", "201"].contains(&inner["responseCode"].as_str().unwrap());
    let code = if ended_well { "0" } else { "00" };
    let expected = STATUS
        .filled(&asked)
        .replace("<code>", code)
        .replace("\"urn\":null,", &urn)
        .replace("<dump>", &json!(answer).to_string());
    let text = inner_text(&told);
    // The time within the dump is the earlier answer's.
    assert_eq!(starred(&text, "responseDateTime", is_compact), expected);
    assert!(!text.contains("newPIN") && !text.contains("requestDateTime"));
    // It may be asked for again, and tells the same.
    assert_eq!(STATUS.send(kunji, &asked).status, told.status);
    Said { http: told.status, code: code.to_owned() }
}

fn status_of_success(kunji: &Kunji) -> Said {
    let asked = RESET.with(&json!({"newPIN": "739105"}));
    let answer = inner_text(&RESET.send(kunji, &asked));
    status_of(kunji, &asked, &answer, Some(super::URN))
}

fn status_of_refusal(kunji: &Kunji) -> Said {
    let asked = RESET.with(&json!({"newPIN": "111111"}));
    let answer = inner_text(&RESET.send(kunji, &asked));
    let weak = status_of(kunji, &asked, &answer, Some(super::URN));
    let asked = RESET.with(&json!({"newPIN": "739105", "urn": 1}));
    let answer = inner_text(&RESET.send(kunji, &asked));
    same([weak, status_of(kunji, &asked, &answer, None)])
}

fn status_of_creation(kunji: &Kunji) -> Said {
    let asked = new_card(&json!({}));
    let answer = inner_text(&CREATE.send(kunji, &asked));
    let card: Value = serde_json::from_str(&answer).unwrap();
    status_of(kunji, &asked, &answer, card["urn"].as_u64())
}

fn status_of_nothing(kunji: &Kunji) -> Said {
    let unread = RESET.with(&json!({"newPIN": "739105", "urn": "x"}));
    assert_eq!(RESET.said(kunji, &unread).code, "1030");
    let status = STATUS.with(&json!({"verifyclientTxnId": "NEVER"}));
    assert_eq!(STATUS.said(kunji, &status).code, "29201");
    same([
        named(kunji, &STATUS, json!({"verifyclientTxnId": unread["clientTxnId"]})),
        // Looking up leaves nothing to look up.
        named(kunji, &STATUS, json!({"verifyclientTxnId": status["clientTxnId"]})),
        // The ids of another API are not this client's.
        {
            kunji.change_live(&crate::support::change_john("1234", "4826"));
            named(kunji, &STATUS, json!({"verifyclientTxnId": fresh("TXN")}))
        },
    ])
}

#[test]
fn the_customer_of_every_seeded_card_is_the_same() {
    let kunji = Kunji::sandbox();
    for (urn, last_four, ..) in STANDINGS {
        let asked = INQUIRY.with(&json!({"urn": urn, "last4Digits": last_four}));
        let seen = inner_text(&INQUIRY.send(&kunji, &asked));
        assert!(seen.contains(&format!("\"customerId\":\"{CUSTOMER}\"")));
    }
}
