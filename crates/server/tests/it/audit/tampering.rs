//! One chain tampered with in every way, verified alone and against checkpoints kept elsewhere.

use kunji_core::audit::{Event, Head};

use super::site::{ASHA, Chain, HASH, Site};

/// A way to tamper: a chain of five events, what it was when it had three, and where it lies.
type Way = fn(&mut Chain, &Chain, &Site);

/// What is found without a checkpoint, if anything, and what with all of them.
const WAYS: &[(Way, Option<&str>, &str)] = &[
    (
        flip,
        Some("account/ACC000000002: the event of chain "),
        "the chain holds to 1 but 3 events are listed",
    ),
    (drop_one, Some("event 3 is missing"), "the chain holds to 2 but 5 events are listed"),
    (swap, Some("event 2 is missing"), "the chain holds to 1 but 5 events are listed"),
    (cut_off, Some("the chain ends at 4 but the record says 5"), "holds to 4 but 5 events"),
    (cut_off_with_record, None, "the chain holds to 3 but 5 events are listed"),
    (remove, None, ": all of 5 listed events are gone"),
    (rewrite, None, "account/ACC000000002: event 5 is not the listed one"),
];

fn flip(chain: &mut Chain, _: &Chain, _: &Site) {
    chain.events[1].1[0] ^= 1;
}

fn drop_one(chain: &mut Chain, _: &Chain, _: &Site) {
    chain.events.remove(2);
}

fn swap(chain: &mut Chain, _: &Chain, _: &Site) {
    let [(_, second), (_, third)] = &mut chain.events[1..3] else { panic!("five events") };
    std::mem::swap(second, third);
}

fn cut_off(chain: &mut Chain, _: &Chain, _: &Site) {
    chain.events.pop();
}

fn cut_off_with_record(chain: &mut Chain, earlier: &Chain, _: &Site) {
    chain.clone_from(earlier);
}

fn remove(chain: &mut Chain, _: &Chain, _: &Site) {
    *chain = Chain { events: Vec::new(), record: None };
}

/// Turns a wrong PIN into a right one and makes all hashes and seals anew, as who holds the database and
/// the keys can.
fn rewrite(chain: &mut Chain, _: &Chain, site: &Site) {
    let (keys, name) = (site.keys(), site.name_of(ASHA));
    let place = |letter: &[u8], rest: &[&[u8]]| [&[letter, &name.0], rest].concat().concat();
    let mut head = Head::default();
    for (seq, row) in &mut chain.events {
        let place = place(b"e", &[&seq.to_be_bytes()]);
        let mut encoded = keys.open_row(&place, row).unwrap();
        let mut event = Event::decode(&encoded).unwrap();
        if *seq == 4 {
            assert_eq!(event.verdict, "wrong_pin");
            event.verdict = "verified".to_owned();
            encoded = event.encode().unwrap();
        }
        head = head.after(&encoded);
        *row = keys.seal_row(&place, encoded).unwrap();
    }
    let record = chain.record.as_mut().unwrap();
    let state = keys.open_row(&place(b"r", &[&record[..HASH.end]]), &record[HASH.end..]).unwrap();
    record[HASH].copy_from_slice(&head.hash);
    let sealed = keys.seal_row(&place(b"r", &[&record[..HASH.end]]), state).unwrap();
    record.splice(HASH.end.., sealed);
}

#[test]
fn tampering_with_the_embedded_store_shows() {
    tampering_shows(&Site::embedded());
}

#[test]
fn tampering_with_postgres_shows() {
    tampering_shows(&Site::postgres());
}

fn tampering_shows(site: &Site) {
    site.work();
    let earlier = site.chain(ASHA);
    assert_eq!(earlier.events.len(), 3);
    site.work();
    let (whole, kept) = (site.chain(ASHA), site.kept());
    assert_eq!((whole.events.len(), kept.len()), (5, 3));
    for (nth, (way, alone, compared)) in WAYS.iter().enumerate() {
        let mut chain = whole.clone();
        way(&mut chain, &earlier, site);
        site.put_chain(ASHA, &chain);
        let (code, said) = site.verify(&[]);
        match alone {
            Some(words) => {
                assert_eq!(code, Some(4), "{nth}: {said}");
                assert!(said.contains("BROKEN ") && said.contains(words), "{nth}: {said}");
            }
            None => assert_eq!(code, Some(0), "{nth}: {said}"),
        }
        let (code, said) = site.verify(&kept);
        assert_eq!(code, Some(4), "{nth}: {said}");
        assert!(said.contains(compared), "{nth}: {said}");
        assert!(said.contains("the audit does NOT hold"), "{nth}: {said}");
    }
    site.put_chain(ASHA, &whole);
    let (code, said) = site.verify(&kept);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(", 3 checkpoints with "), "{said}");
    // A head lies on its chain; that the chain goes on is no break.
    site.work();
    assert_eq!(site.verify(&kept).0, Some(0));
    assert_eq!(site.verify(&site.kept()).0, Some(0));
}
