//! No row holds the digits of a PIN or an OTP, and no file anything of a row.

use std::fs;
use std::path::Path;

use kunji_core::ids::{Caller, Mobile, TxnId};
use kunji_core::outbox::Message;
use kunji_core::receipt::ReceiptKey;
use kunji_core::store::{Store, Survey};
use kunji_testkit::{EngineStage, Home, Story, Transport, perform};

use crate::homes::{OnDisk, block_on, on_every_store};

on_every_store![no_row_holds_digits];

/// Six rare digits each; all are set, guessed, refused or repeated in the story.
const CANARIES: [&str; 7] = ["804913", "739105", "580264", "917350", "462083", "315927", "668204"];

const BUSY: &str = "
    account A1 mpin 6 set 804913 atm 462083 -> created
    card C1 pin 6 set 315927 -> created
    verify A1 804913 -> verified
    verify A1 917350 -> wrong_pin
    repeat -> wrong_pin
    change A1 804913 739105 -> changed
    repeat -> changed
    change A1 739105 804913 -> pin_refused
    same-id change A1 739105 580264 -> duplicate
    restart
    otp A1 -> otp_sent
    set A1 580264 with wrong atm 462083 -> wrong_otp
    set A1 580264 with otp atm 668204 -> wrong_atm_pin
    set A1 580264 with otp atm 462083 -> pin_set
    repeat -> pin_set
    otp A1 -> otp_sent
    verify A1 804913 -> wrong_pin
    verify A1 917350 -> wrong_pin
    verify A1 668204 -> pin_blocked
    reset C1 315927 -> pin_refused
    reset C1 668204 -> pin_set
    verify C1 668204 -> verified
    verify A9 917350 -> unknown_credential
";

/// What must be there, so that an empty search proves something.
const OPEN: &str = "CIF-A1";

/// The debit card's last digits, and the mobile numbers that are given to what is planted.
const OPEN_DIGITS: [&str; 3] = ["123456", "919000000000", "919000000001"];

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// Everything that a store shows, in bytes.
fn rows<H: Home>(stage: &EngineStage<H>) -> Vec<Vec<u8>> {
    let store = &stage.engine().store;
    let mut rows = Vec::new();
    let mut subjects = Vec::new();
    store
        .each_record(&mut |subject, record| {
            rows.push(postcard::to_stdvec(&record).unwrap());
            subjects.push((subject, record.credential().cloned()));
            Ok(())
        })
        .unwrap();
    for (subject, credential) in subjects {
        store
            .each_event(&subject, &mut |encoded| {
                rows.push(encoded.to_vec());
                Ok(())
            })
            .unwrap();
        if let Some(credential) = credential {
            rows.extend(messages(store, &credential.holder.mobile));
        }
    }
    let caller = Caller::parse("story").unwrap();
    for nth in 1..100 {
        let txn = TxnId::parse(&format!("TXN{nth}")).unwrap();
        let key = ReceiptKey { caller: caller.clone(), txn };
        if let Some(receipt) = block_on(store.receipt(&key)).unwrap() {
            rows.push(postcard::to_stdvec(&receipt).unwrap());
        }
    }
    rows
}

fn messages(store: &impl Store, to: &Mobile) -> Vec<Vec<u8>> {
    let outbox = block_on(store.outbox(to)).unwrap();
    outbox.iter().map(|message: &Message| postcard::to_stdvec(message).unwrap()).collect()
}

/// The PINs of the story, and its OTPs unless they happen to be digits that are kept openly.
fn canaries<H: Home>(stage: &EngineStage<H>) -> Vec<String> {
    let otps = stage.otps("A1");
    assert_eq!(otps.len(), 2);
    let is_open = |otp: &String| OPEN_DIGITS.iter().any(|open| open.contains(otp.as_str()));
    let otps = otps.into_iter().filter(|otp| !is_open(otp));
    CANARIES.iter().map(|pin| (*pin).to_owned()).chain(otps).collect()
}

#[track_caller]
fn check(rows: &[Vec<u8>], canaries: &[String]) {
    assert!(rows.iter().any(|row| holds(row, OPEN)), "the search finds what is there");
    for canary in canaries {
        let found = rows.iter().position(|row| holds(row, canary));
        assert_eq!(found, None, "the digits of a PIN or an OTP are in a row");
    }
}

fn run<H: Home + Default>(transport: Transport) -> EngineStage<H> {
    let mut stage = EngineStage::new(H::default(), transport);
    assert_eq!(perform(&Story::parse("busy", BUSY).unwrap(), &mut stage), None);
    stage
}

fn no_row_holds_digits<H: Home + Default>(_: H) {
    for transport in [Transport::Clear, Transport::Sealed] {
        let stage = run::<H>(transport);
        let rows = rows(&stage);
        assert!(rows.len() > 40, "{} rows", rows.len());
        check(&rows, &canaries(&stage));
    }
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => all.push(fs::read(&path).unwrap()),
        }
    }
    all
}

#[test]
fn no_file_holds_digits_or_whose_they_are() {
    let stage = run::<OnDisk>(Transport::Clear);
    let files = files(stage.home().folder.path());
    assert!(files.iter().map(Vec::len).sum::<usize>() > 10_000, "the search reads what is there");
    // Not even who the customers are, by whom a row is found that is not sealed.
    let mut hidden = canaries(&stage);
    hidden.extend([OPEN, "9190000000", "account/", "wrong_pin", "TXN1"].map(str::to_owned));
    for file in &files {
        for text in &hidden {
            assert!(!holds(file, text), "{text:?} is in a file of the store");
        }
    }
}
