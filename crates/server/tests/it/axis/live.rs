//! Change MPIN decided by the account.

use kunji_vault::{BlockAlg, PinUse};
use serde_json::{Value, json};
use ureq::http::Method;

use super::{LIVE, change_said, error_said};
use crate::coverage::{Ground, Said, Table, cases, tables};
use crate::support::{
    Answer, CHANGE_MPIN, Kunji, change, change_asha, change_john, fresh, sample_change,
};

const CALL: &str = "change MPIN, live";
const JOHN: &str = "ACC123456789";

/// The live table.
const OUTCOMES: Table = Table {
    dialect: "axis",
    start: Kunji::sandbox,
    ground: Ground::Fresh,
    cases: cases! {
        CALL, "the old MPIN is right, the new one is fit" => 200 "00", changed;
        CALL, "the test id is ignored" => 200 "00", test_id_ignored;
        CALL, "both MPINs in ECDH-ES blocks" => 200 "00",
            |kunji| in_blocks(kunji, BlockAlg::EcdhEs);
        CALL, "both MPINs in RSA-OAEP-256 blocks" => 200 "00",
            |kunji| in_blocks(kunji, BlockAlg::RsaOaep256);
        CALL, "wrong old MPIN" => 401 "E40101", wrong_old;
        CALL, "new MPIN refused by any rule" => 400 "E40004", weak;
        CALL, "new MPIN is one of the last 3" => 400 "E40004", recent;
        CALL, "three new MPINs in a day that are of the last 3: told no more" => 423 "E42301",
            |kunji| {
                assert_eq!(live(kunji, &change_john("1234", "4826")).code, "00");
                for _ in 0..3 {
                    assert_eq!(live(kunji, &change_john("4826", "4826")).code, "E40004");
                }
                live(kunji, &change_john("4826", "7392"))
            };
        CALL, "wrong old MPIN and a weak new one: the old one counts" => 401 "E40101",
            |kunji| live(kunji, &change_john("0000", "1111"));
        CALL, "unknown account, other customer, other VPA: not told apart" => 400 "E40001",
            stranger;
        CALL, "IFSC, bank or masked number contradict the account, in every combination" => 400 "E40001",
            contradicted;
        CALL, "a credential of another type than PIN, or another subtype than MPIN" => 400 "E40001",
            no_mpin;
        CALL, "VPA, IFSC and bank in another case, and another mask of the same number" => 200 "00",
            loosely_named;
        CALL, "a name that cannot be one" => 400 "E40001", misnamed;
        CALL, "the third wrong MPIN in a row, and every one after it" => 423 "E42301", blocked;
        CALL, "no MPIN is set" => 409 "E40901",
            |kunji| {
                live(kunji, &change("CIF00000003", "ACC000000003", "ravi@axis", "1357", "4826"))
            };
        CALL, "the same transaction again: the stored answer, byte for byte" => 200 "00", repeated;
        CALL, "a wrong old MPIN again under the same transaction: no try is counted" => 401 "E40101",
            repeated_guess;
        CALL, "the same transaction with other content" => 409 "E40902", duplicate;
        CALL, "the same transaction with another bank, name or other member of the account" => 409 "E40902",
            other_particulars;
        CALL, "a block of another transaction, altered, or for another use" => 400 "E40001",
            bad_blocks;
        CALL, "a block that another transaction used up" => 400 "E40001", spent_block;
    },
};

/// Two requests a minute.
const RATE: Table = Table {
    dialect: "axis",
    start: || Kunji::sandbox_with(&[("KUNJI_PINS__LIVE_PER_MINUTE", "2")]),
    ground: Ground::Shared,
    cases: cases! {
        CALL, "more requests on one account than the settings allow; `Retry-After` says when" => 429 "E42901",
            too_many;
    },
};

/// Two wrong MPINs for each caller.
const BUDGET: Table = Table {
    dialect: "axis",
    start: || Kunji::sandbox_with(&[("KUNJI_PINS__WRONG_PER_CALLER_MAX", "2")]),
    ground: Ground::Shared,
    cases: cases! {
        CALL, "the client was told of too many wrong MPINs; `Retry-After` says when" => 429 "E42901",
            used_up;
    },
};

/// Nothing can be written any more.
const FULL_DISK: Table = Table {
    dialect: "axis",
    start: Kunji::sandbox_on_a_full_disk,
    ground: Ground::Broken,
    cases: cases! {
        CALL, "the store cannot be written: the outcome is unknown" => 503 "E50301", full_disk;
    },
};

tables! {
    every_live_outcome_is_the_contract_s plays OUTCOMES;
    too_many_requests_are_told_when_to_come_back plays RATE;
    a_client_that_guesses_across_accounts_is_held_up plays BUDGET;
    a_full_disk_leaves_the_outcome_unknown plays FULL_DISK;
}

fn live(kunji: &Kunji, body: &Value) -> Said {
    change_said(body, &kunji.change_live(body))
}

fn is_john_s(kunji: &Kunji, pin: &str) {
    assert_eq!(kunji.verify("account", JOHN, pin), "verified");
}

/// The answers must be one and the same, byte for byte.
#[track_caller]
fn alike(answers: &[Answer]) -> Said {
    for answer in answers {
        assert_eq!(answer.text(), answers[0].text());
    }
    error_said(&answers[0])
}

fn changed(kunji: &Kunji) -> Said {
    let said = live(kunji, &change_john("1234", "4826"));
    assert_eq!(kunji.verify("account", JOHN, "1234"), "wrong_pin");
    is_john_s(kunji, "4826");
    said
}

fn test_id_ignored(kunji: &Kunji) -> Said {
    let body = change_john("1234", "4826");
    let said =
        change_said(&body, &kunji.post(CHANGE_MPIN, &[LIVE, ("X-AXIS-TEST-ID", "2")], &body));
    is_john_s(kunji, "4826");
    said
}

fn with_codes(mut body: Value, old: &str, new: &str) -> Value {
    let inner = &mut body["ChangeMPINRequest"]["SetResetMPINRequestBody"];
    inner["cred"]["data"]["code"] = json!(old);
    inner["newcred"]["data"]["code"] = json!(new);
    body
}

fn txn(body: &Value) -> String {
    let txn = &body["ChangeMPINRequest"]["SetResetMPINRequestBody"]["txnId"];
    txn.as_str().unwrap().to_owned()
}

/// John's change with both MPINs in blocks.
fn blocks(kunji: &Kunji, alg: BlockAlg, old: &str, new: &str) -> Value {
    let body = change_john("", "");
    let old = kunji.sealed(alg, old, PinUse::Mpin, &txn(&body));
    let new = kunji.sealed(alg, new, PinUse::NewMpin, &txn(&body));
    with_codes(body, &old, &new)
}

fn in_blocks(kunji: &Kunji, alg: BlockAlg) -> Said {
    let wrong = blocks(kunji, alg, "0000", "4826");
    assert_eq!(live(kunji, &wrong).code, "E40101");
    let body = blocks(kunji, alg, "1234", "4826");
    let first = kunji.change_live(&body);
    assert_eq!(kunji.change_live(&body), first);
    is_john_s(kunji, "4826");
    change_said(&body, &first)
}

fn wrong_old(kunji: &Kunji) -> Said {
    let said = live(kunji, &change_john("0000", "4826"));
    assert_eq!(live(kunji, &change_john("0001", "4826")).code, said.code);
    is_john_s(kunji, "1234");
    said
}

fn weak(kunji: &Kunji) -> Said {
    // Sequential up and down, equal, all forms of the birthday, too short, too long, no digits.
    let four = [
        "3456", "6543", "7777", "1505", "0515", "0590", "9005", "1590", "9015", "1990", "482",
        "48261", "48a6", "٤٨٢٦", " 4826", "1234",
    ];
    let four = four.map(|new| kunji.change_live(&change_john("1234", new)));
    is_john_s(kunji, "1234");
    let six = [
        "456789", "765432", "333333", "301185", "113085", "851130", "853011", "198511", "198530",
        "111985", "301985", "719850", "4826", "48261", "4826130",
    ];
    let six = six.map(|new| kunji.change_live(&change_asha("804913", new)));
    assert_eq!(kunji.verify("account", "ACC000000002", "804913"), "verified");
    alike(&[&four[..], &six[..]].concat())
}

fn recent(kunji: &Kunji) -> Said {
    for (old, new) in [("1234", "4826"), ("4826", "7392"), ("7392", "5937")] {
        assert_eq!(live(kunji, &change_john(old, new)).code, "00");
    }
    let refused = |new| kunji.change_live(&change_john("5937", new));
    let mut answers = vec![refused("5937"), refused("7392")];
    // Whether a PIN is one of the three is told so often in a day, and not more often.
    kunji.advance("24h");
    answers.push(refused("4826"));
    let said = alike(&answers);
    // The fourth is free again.
    assert_eq!(live(kunji, &change_john("5937", "8264")).code, "00");
    assert_eq!(live(kunji, &change_john("8264", "4826")).code, "00");
    said
}

fn stranger(kunji: &Kunji) -> Said {
    let said = alike(&[
        kunji.change_live(&change("CIF12345678", "ACC999999999", "johndoe@axis", "1234", "4826")),
        kunji.change_live(&change("CIF99999999", JOHN, "johndoe@axis", "1234", "4826")),
        kunji.change_live(&change("CIF00000002", JOHN, "johndoe@axis", "1234", "4826")),
        kunji.change_live(&change("CIF12345678", JOHN, "nobody@axis", "1234", "4826")),
        kunji.change_live(&change("CIF12345678", JOHN, "asha@axis", "0000", "4826")),
        kunji.change_live(&change("IN00001201001868", "70000000008", "a@b", "0000", "4826")),
    ]);
    is_john_s(kunji, "1234");
    said
}

/// The account of a request with members in place of its own.
fn described(mut body: Value, members: &[(&str, &str)]) -> Value {
    let inner = &mut body["ChangeMPINRequest"]["SetResetMPINRequestBody"];
    for (member, value) in members {
        match *member {
            "bank" | "customerId" => inner[*member] = json!(value),
            _ => inner["ac"][*member] = json!(value),
        }
    }
    body
}

fn contradicted(kunji: &Kunji) -> Said {
    let wrong = [
        ("ifsc", "AXIS0000002"),
        ("ifsc", "HDFC0000001"),
        ("maskedAccnumber", "*****6780"),
        ("maskedAccnumber", "XXXXXX1234"),
        ("bank", "HDFC"),
        ("bank", "AXI"),
        ("vpa", "asha@axis"),
        ("customerId", "CIF00000002"),
    ];
    let mut answers = Vec::new();
    // Right and wrong old MPINs: no try is counted.
    for some in 1_u32..1 << wrong.len() {
        let chosen = wrong.iter().enumerate().filter(|(nth, _)| some & (1 << nth) != 0);
        let chosen: Vec<_> = chosen.map(|(_, member)| *member).collect();
        let old = if some % 2 == 0 { "1234" } else { "0000" };
        answers.push(kunji.change_live(&described(change_john(old, "4826"), &chosen)));
    }
    is_john_s(kunji, "1234");
    answers.push(kunji.change_live(&change(
        "CIF12345678",
        "ACC999999999",
        "johndoe@axis",
        "1234",
        "4826",
    )));
    alike(&answers)
}

fn no_mpin(kunji: &Kunji) -> Said {
    let mut answers = Vec::new();
    for member in ["cred", "newcred"] {
        for (kind, sub_type) in
            [("OTP", "MPIN"), ("PIN", "ATMPIN"), ("PIN", "SMS"), ("pin", "mpin"), ("MPIN", "PIN")]
        {
            let mut body = change_john("1234", "4826");
            let cred = &mut body["ChangeMPINRequest"]["SetResetMPINRequestBody"][member];
            cred["type"] = json!(kind);
            cred["subType"] = json!(sub_type);
            answers.push(kunji.change_live(&body));
        }
    }
    is_john_s(kunji, "1234");
    alike(&answers)
}

fn loosely_named(kunji: &Kunji) -> Said {
    let pins = ["1234", "4826", "7392", "5937", "8264", "6418"];
    let forms: [&[(&str, &str)]; 5] = [
        &[("vpa", "JohnDoe@AXIS")],
        &[("ifsc", "axis0000001"), ("bank", "axis")],
        &[("maskedAccnumber", "XXXXXX6789")],
        &[("maskedAccnumber", "********")],
        // None of these is held against anything; the answer names what is kept.
        &[("name", "Somebody Else"), ("status", "?"), ("type", "?"), ("aeba", "?")],
    ];
    let mut said = Vec::new();
    for (members, pins) in forms.iter().zip(pins.windows(2)) {
        said.push(live(kunji, &described(change_john(pins[0], pins[1]), members)));
    }
    is_john_s(kunji, "6418");
    crate::coverage::same(said)
}

fn other_particulars(kunji: &Kunji) -> Said {
    let body = change_john("1234", "4826");
    let first = kunji.change_live(&body);
    assert_eq!(first.status, 200);
    // Where it is sent from is no content: a repeat may come from elsewhere.
    let mut moved = body.clone();
    let inner = &mut moved["ChangeMPINRequest"]["SetResetMPINRequestBody"];
    inner["device"]["ip"] = json!("192.168.1.2");
    moved["ChangeMPINRequest"]["SubHeader"]["requestUUID"] = json!("another");
    assert_eq!(kunji.change_live(&moved), first);
    let others = [
        ("name", "Somebody Else"),
        ("status", "DORMANT"),
        ("type", "CURRENT"),
        ("aeba", "Y"),
        ("ifsc", "AXIS0000002"),
        ("maskedAccnumber", "XXXXXX6789"),
        ("bank", "HDFC"),
        ("vpa", "JOHNDOE@axis"),
    ];
    alike(&others.map(|member| kunji.change_live(&described(body.clone(), &[member]))))
}

fn misnamed(kunji: &Kunji) -> Said {
    let (name, vpa, txn) = ("A".repeat(65), "v".repeat(101), "T".repeat(101));
    let mut answers = Vec::new();
    for bad in ["a b", "a/b", "é", "a\nb", &name] {
        answers.push(kunji.change_live(&change(bad, JOHN, "johndoe@axis", "1234", "4826")));
        answers.push(kunji.change_live(&change(
            "CIF12345678",
            bad,
            "johndoe@axis",
            "1234",
            "4826",
        )));
    }
    for bad in ["a b", "é", &vpa] {
        answers.push(kunji.change_live(&change("CIF12345678", JOHN, bad, "1234", "4826")));
    }
    answers.extend(["a b", "é", "a\nb", &txn].map(|bad| kunji.change_live(&with_txn(bad))));
    is_john_s(kunji, "1234");
    alike(&answers)
}

fn with_txn(txn: &str) -> Value {
    let mut body = change_john("1234", "4826");
    body["ChangeMPINRequest"]["SetResetMPINRequestBody"]["txnId"] = json!(txn);
    body
}

fn blocked(kunji: &Kunji) -> Said {
    assert_eq!(live(kunji, &change_john("0000", "4826")).code, "E40101");
    assert_eq!(live(kunji, &change_john("0001", "4826")).code, "E40101");
    let answers = [("0002", "4826"), ("1234", "4826"), ("0000", "1111")];
    let answers = answers.map(|(old, new)| kunji.change_live(&change_john(old, new)));
    assert_eq!(kunji.verify("account", JOHN, "1234"), "blocked");
    kunji.advance("24h");
    is_john_s(kunji, "1234");
    alike(&answers)
}

fn repeated(kunji: &Kunji) -> Said {
    let body = change_john("1234", "4826");
    let first = kunji.change_live(&body);
    kunji.advance("1h");
    assert_eq!(kunji.change_live(&body), first);
    // Order and unknown members are not content; the digits are.
    let mut padded = body.clone();
    padded["ChangeMPINRequest"]["stranger"] = json!(1);
    assert_eq!(kunji.change_live(&padded), first);
    is_john_s(kunji, "4826");
    change_said(&body, &first)
}

fn repeated_guess(kunji: &Kunji) -> Said {
    let body = change_john("0000", "4826");
    let first = kunji.change_live(&body);
    for _ in 0..5 {
        assert_eq!(kunji.change_live(&body), first);
    }
    // One try is counted: a second wrong one does not block.
    assert_eq!(live(kunji, &change_john("0001", "4826")).code, "E40101");
    is_john_s(kunji, "1234");
    error_said(&first)
}

fn duplicate(kunji: &Kunji) -> Said {
    let body = change_john("0000", "4826");
    assert_eq!(live(kunji, &body).code, "E40101");
    let mut asha = change_asha("804913", "739105");
    asha["ChangeMPINRequest"]["SetResetMPINRequestBody"]["txnId"] = json!(txn(&body));
    let asha = kunji.change_live(&asha);
    assert_eq!(kunji.verify("account", "ACC000000002", "804913"), "verified");
    // Other MPINs under the same id: the first of them is a guess like any other, and after it
    // nothing is compared under this id.
    let guess = kunji.change_live(&with_codes(body.clone(), "0001", "4826"));
    let frozen = ["1234", "0000", "0001"]
        .map(|old| kunji.change_live(&with_codes(body.clone(), old, "4826")));
    let new = kunji.change_live(&with_codes(body.clone(), "0000", "4827"));
    assert_eq!(live(kunji, &change_john("0002", "4826")).code, "E42301");
    alike(&[&frozen[..], &[guess, new, asha]].concat())
}

fn bad_blocks(kunji: &Kunji) -> Said {
    let mut answers = Vec::new();
    for alg in [BlockAlg::EcdhEs, BlockAlg::RsaOaep256] {
        let other = kunji.sealed(alg, "0000", PinUse::Mpin, &fresh("OTHER"));
        let body = blocks(kunji, alg, "0000", "4826");
        answers.push(kunji.change_live(&with_codes(body, &other, "4826")));
        // Each part of the compact form, with its first character changed.
        for part in 0..5 {
            let body = blocks(kunji, alg, "0000", "4826");
            let inner = &body["ChangeMPINRequest"]["SetResetMPINRequestBody"];
            let old = inner["cred"]["data"]["code"].as_str().unwrap().to_owned();
            let mut parts: Vec<String> = old.split('.').map(str::to_owned).collect();
            let first = if parts[part].starts_with('A') { "B" } else { "A" };
            parts[part] = format!("{first}{}", parts[part].get(1..).unwrap_or_default());
            answers.push(kunji.change_live(&with_codes(body, &parts.join("."), "4826")));
        }
        let body = change_john("", "");
        let swapped = kunji.sealed(alg, "0000", PinUse::NewMpin, &txn(&body));
        answers.push(kunji.change_live(&with_codes(body, &swapped, "4826")));
    }
    // No try was counted: two wrong ones are still told.
    for old in ["0001", "0002"] {
        assert_eq!(live(kunji, &change_john(old, "4826")).code, "E40101");
    }
    is_john_s(kunji, "1234");
    alike(&answers)
}

fn spent_block(kunji: &Kunji) -> Said {
    let body = blocks(kunji, BlockAlg::EcdhEs, "0000", "4826");
    assert_eq!(live(kunji, &body).code, "E40101");
    // The block names its transaction, and own calls of the API may use the same name.
    let code = &body["ChangeMPINRequest"]["SetResetMPINRequestBody"]["cred"]["data"]["code"];
    let path = format!("/kunji/v1/credentials/account/{JOHN}/verify");
    let bearer = [("Authorization", "Bearer sandbox")];
    let again = kunji.post(&path, &bearer, &json!({ "txn": txn(&body), "pin": code }));
    assert_eq!((again.status, again.json()["code"].clone()), (400, json!("unreadable_block")));
    // The other way round.
    let body = blocks(kunji, BlockAlg::EcdhEs, "0001", "4826");
    let code = &body["ChangeMPINRequest"]["SetResetMPINRequestBody"]["cred"]["data"]["code"];
    let first = kunji.post(&path, &bearer, &json!({ "txn": txn(&body), "pin": code }));
    assert_eq!(first.json()["verdict"], "wrong_pin");
    let said = live(kunji, &body);
    is_john_s(kunji, "1234");
    said
}

fn too_many(kunji: &Kunji) -> Said {
    for old in ["0000", "0001"] {
        assert_eq!(live(kunji, &change_john(old, "4826")).code, "E40101");
    }
    let answer = kunji.change_live(&change_john("1234", "4826"));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    // Others are not held up, and test ids are no processing.
    assert_eq!(live(kunji, &change_asha("804913", "739105")).code, "00");
    let scenario = kunji.post(CHANGE_MPIN, &[("X-AXIS-TEST-ID", "1")], &sample_change());
    assert_eq!(scenario.status, 200);
    error_said(&answer)
}

fn used_up(kunji: &Kunji) -> Said {
    assert_eq!(live(kunji, &change_john("0000", "4826")).code, "E40101");
    assert_eq!(live(kunji, &change_asha("000000", "739105")).code, "E40101");
    // Right or wrong, on whatever account.
    let answers = [
        kunji.change_live(&change_john("1234", "4826")),
        kunji.change_live(&change_john("0001", "4826")),
        kunji.change_live(&change_asha("804913", "739105")),
    ];
    for answer in &answers {
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=600).contains(&wait), "{wait}");
    }
    // Others go on.
    is_john_s(kunji, "1234");
    kunji.advance("10m");
    assert_eq!(live(kunji, &change_john("1234", "4826")).code, "00");
    alike(&answers)
}

fn full_disk(kunji: &Kunji) -> Said {
    assert_eq!(kunji.get("/livez").status, 200);
    // A right and a wrong MPIN cannot be told apart.
    let said = alike(&[
        kunji.change_live(&change_john("1234", "4826")),
        kunji.change_live(&change_john("0000", "4826")),
    ]);
    let ready = kunji.get("/readyz");
    assert_eq!((ready.status, ready.text()), (503, "the store has failed\n".to_owned()));
    let scenario = kunji.send(
        Method::POST,
        CHANGE_MPIN,
        &[("X-AXIS-TEST-ID", "1"), ("Content-Type", "application/json")],
        sample_change().to_string(),
    );
    assert_eq!(scenario.status, 200);
    said
}
