use kunji_core::ids::{CredentialKind, TxnId};
use kunji_core::time::Millis;
use kunji_vault::KeyRing;
use proptest::prelude::*;

use super::*;

fn rows() -> Rows {
    Rows::new(Arc::new(Vault::new(KeyRing::ephemeral().unwrap())))
}

fn account(name: &str) -> Subject {
    Subject::Credential(CredentialId::parse(CredentialKind::Account, name).unwrap())
}

fn record(seq: u64, hash: u8) -> Record {
    Record { head: Head { seq, hash: [hash; 32] }, ..Record::default() }
}

#[track_caller]
fn check_altered<T: fmt::Debug>(opened: Result<T, StoreFault>) {
    let fault = opened.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Altered, "{fault:?}");
}

#[test]
fn a_record_opens_in_its_own_chain_and_at_its_own_head_only() {
    let rows = rows();
    let (ours, others) = (account("A"), account("B"));
    let (chain, other) = (rows.chain(&ours), rows.chain(&others));
    let sealed = rows.seal_record((&chain, &ours), &record(7, 1)).unwrap();
    let (subject, opened) = rows.open_record(&chain, &sealed).unwrap();
    assert_eq!((subject, opened.head.seq), (ours.clone(), 7));
    assert_eq!(record_head(&sealed).unwrap(), opened.head);
    check_altered(rows.open_record(&other, &sealed));
    for at in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        check_altered(rows.open_record(&chain, &altered));
    }
    // An older one behind the newer head, and the other way round.
    let older = rows.seal_record((&chain, &ours), &record(6, 1)).unwrap();
    for (head, row) in [(&sealed, &older), (&older, &sealed)] {
        let mixed = [&head[..HEAD_LEN], &row[HEAD_LEN..]].concat();
        check_altered(rows.open_record(&chain, &mixed));
    }
    let says = rows.open_record(&other, &sealed).unwrap_err().source.to_string();
    assert!(says.contains(&other.to_string()) && says.contains("altered"), "{says}");
}

#[test]
fn rows_of_one_kind_do_not_stand_for_each_other() {
    let rows = rows();
    let key = |txn: &str| ReceiptKey {
        caller: kunji_core::ids::Caller::parse("c").unwrap(),
        txn: TxnId::parse(txn).unwrap(),
    };
    let receipt = Receipt {
        fingerprint: kunji_vault::Fingerprint([7; 32]),
        reply: kunji_core::receipt::Reply {
            status: 200,
            code: "00".to_owned(),
            body: b"said".to_vec(),
            nonce: [0; 16],
        },
        at: Millis(1),
        verdict: "verified".to_owned(),
        credential: None,
        secret: None,
        reason: None,
    };
    let (one, two) = (rows.receipt_key(&key("1")), rows.receipt_key(&key("2")));
    let sealed = rows.seal_receipt(&one, (&key("1"), &receipt)).unwrap();
    assert_eq!(rows.open_receipt(&one, &sealed).unwrap().reply.body, b"said");
    check_altered(rows.open_receipt(&two, &sealed));
    let chain = rows.chain(&account("A"));
    let (first, second) = (event_key(&chain, 1), event_key(&chain, 2));
    let event = rows.seal_event(&first, b"wrong_pin".to_vec()).unwrap();
    assert_eq!(rows.open_event(&first, &event).unwrap(), b"wrong_pin");
    check_altered(rows.open_event(&second, &event));
}

#[test]
fn no_key_shows_what_it_is_about() {
    let rows = rows();
    let mobile = Mobile::parse("919876543210").unwrap();
    let number = Subject::Number(kunji_core::ids::UpiNumber::parse("9876543210").unwrap());
    let keys = [
        record_key(&rows.chain(&number)),
        event_key(&rows.chain(&number), 1),
        rows.message_prefix(&mobile),
        rows.index_prefix(&IndexKey::Mobile(mobile)).unwrap(),
        rows.errand_prefix(&Lane::Holdings),
    ];
    for key in keys {
        assert!(!key.windows(4).any(|part| part == b"9876" || part == b"hold"), "{key:?}");
        assert!(key.len() > ROW_NAME_LEN);
    }
}

#[test]
fn a_range_holds_all_keys_of_its_name_and_no_other() {
    for name in [[0; ROW_NAME_LEN], [7; ROW_NAME_LEN], [0xff; ROW_NAME_LEN]] {
        let prefix = [INDEX, &name].concat();
        let (first, end) = range_of(prefix.clone());
        let last = [prefix.as_slice(), &[0xff; ROW_NAME_LEN]].concat();
        assert!(first <= prefix && prefix < end && last < end);
        assert!(end.as_slice() < ERRANDS);
        if let Some(next) = name.iter().rposition(|byte| *byte != 0xff) {
            let mut other = prefix;
            other[1 + next] += 1;
            assert!(end < other);
        }
    }
}

#[test]
fn trailing_bytes_are_damage() {
    let mut bytes = encode(&5_u64).unwrap();
    bytes.push(0);
    assert!(decode::<u64>(&bytes).is_err());
}

/// One seq and one event of a chain, as an engine hands them over.
fn filed(rows: &Rows, name: &str, seq: u64) -> (Vec<u8>, Vec<u8>) {
    let subject = account(name);
    let event = Event {
        subject: subject.clone(),
        seq,
        at: Millis(0),
        caller: kunji_core::ids::Caller::parse("c").unwrap(),
        txn: None,
        action: kunji_core::audit::Action::Verify,
        verdict: "done".to_owned(),
        detail: None,
        reason: None,
        after: None,
    };
    rows.encode_row(&Row::Event(subject, event.encode().unwrap())).unwrap()
}

#[test]
fn a_walk_shows_events_before_between_and_behind_all_records() {
    let rows = rows();
    let mut names = ["A", "B", "C", "D", "E"];
    names.sort_by_key(|name| rows.chain(&account(name)));
    let events = names.iter().flat_map(|name| [filed(&rows, name, 1), filed(&rows, name, 2)]);
    // The first, the middle and the last chain have lost their records.
    let records = [names[1], names[3]].map(|name| {
        let row = Row::Record(account(name), Box::new(record(2, 1)));
        rows.encode_row(&row).unwrap()
    });
    let mut seen = Vec::new();
    let look = &mut |row: Result<Row, StoreFault>| {
        seen.push(match row? {
            Row::Event(subject, _) => format!("event {subject}"),
            Row::Record(subject, _) => format!("record {subject}"),
            other @ (Row::Receipt(..)
            | Row::Spent(_)
            | Row::Message(_)
            | Row::Index(..)
            | Row::Errand(_)) => format!("{other:?}"),
        });
        Ok(())
    };
    rows.show_chains(records.into_iter().map(Ok), events.map(Ok), look).unwrap();
    let mut expected = Vec::new();
    for (nth, name) in names.iter().enumerate() {
        expected.extend([format!("event account/{name}"), format!("event account/{name}")]);
        if nth % 2 == 1 {
            expected.push(format!("record account/{name}"));
        }
    }
    assert_eq!(seen, expected);
}

proptest! {
    #[test]
    fn any_bytes_are_a_row_or_a_fault(
        key in proptest::collection::vec(any::<u8>(), 0..60),
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let rows = rows();
        prop_assert!(rows.open_record(&ChainName([7; 16]), &bytes).is_err());
        if key.first() != Some(&b's') {
            prop_assert!(rows.parse_row(&key, &bytes).is_err());
        }
        let _ = (record_head(&bytes), name_in(&key), table(&key));
    }
}
