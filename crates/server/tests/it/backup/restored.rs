//! A restored store never gives guesses back.

use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use kunji_core::audit::{ChainName, Subject};

use super::{ASHA, Ground, JOHN, on_both_engines, right};
use crate::support::keys_in;

on_both_engines!(
    old_backup_blocks_everybody_for_a_window,
    old_backup_keeps_what_the_replaced_store_knows
);

/// A sandbox that was backed up, and in which somebody then guessed three times.
fn guessed(ground: &Ground) -> crate::support::Kunji {
    let old = ground.start("old");
    assert_eq!(right(&old, JOHN), "verified");
    ground.exported("old", "backup");
    for expected in ["wrong_pin", "wrong_pin", "blocked"] {
        assert_eq!(old.verify("account", JOHN.0, "9071"), expected);
    }
    assert_eq!(right(&old, JOHN), "blocked");
    old
}

fn old_backup_blocks_everybody_for_a_window(ground: &Ground) {
    assert_eq!(guessed(ground).stop(), Some(0));
    ground.prepare("fresh", "old");
    let said = ground.imported("fresh", "backup", None);
    assert_eq!((&said["unchanged"], &said["strictest"]), (&0.into(), &0.into()));
    assert!(said["unknown"].as_u64().unwrap() >= 11, "{said}");
    let fresh = ground.start("fresh");
    for who in [JOHN, ASHA] {
        assert_eq!(right(&fresh, who), "blocked");
    }
    fresh.advance("23h");
    assert_eq!(right(&fresh, JOHN), "blocked");
    fresh.advance("2h");
    for who in [JOHN, ASHA] {
        assert_eq!(right(&fresh, who), "verified");
    }
    // The chains go on through the restore, and a backup of it all says so.
    ground.exported("fresh", "again");
    let (code, verdict) = ground.verified("fresh", "again");
    assert_eq!((code, &verdict["holds"]), (Some(0), &true.into()), "{verdict}");
}

fn old_backup_keeps_what_the_replaced_store_knows(ground: &Ground) {
    let old = guessed(ground);
    // Processes over a database may run on: what they do after the restore is fenced off.
    let running = match ground.database {
        Some(_) => Some(old),
        None => {
            assert_eq!(old.stop(), Some(0));
            None
        }
    };
    ground.prepare("fresh", "old");
    let said = ground.imported("fresh", "backup", Some("old"));
    assert_eq!((&said["strictest"], &said["unknown"]), (&1.into(), &0.into()), "{said}");
    assert!(said["unchanged"].as_u64().unwrap() >= 10, "{said}");
    assert_eq!(said["unread"], serde_json::Value::Null);
    let fresh = ground.start("fresh");
    assert_eq!(right(&fresh, JOHN), "blocked");
    assert_eq!(right(&fresh, ASHA), "verified", "nobody touched it");
    fresh.advance("25h");
    assert_eq!(right(&fresh, JOHN), "verified");
    if let Some(running) = running {
        assert_eq!(right(&running, ASHA), "outcome_unknown");
        running.kill();
    }
    assert!(ground.refused("old").contains("is retired: a restored one took its place"));
    let (code, _, error) = ground.export("old", "of_the_retired");
    assert_eq!(code, Some(1));
    assert!(error.contains("is retired"), "{error}");
    let (code, said, error) = ground.audited("old");
    assert_eq!(code, Some(0), "its audit can be verified: {said}{error}");
    // Named once more it knows nothing: what took its place may have served since.
    ground.prepare("second", "old");
    let said = ground.imported("second", "backup", Some("old"));
    assert_eq!((&said["strictest"], &said["unchanged"]), (&0.into(), &0.into()), "{said}");
    assert!(said["unread"].as_str().unwrap().contains("another store took its place"), "{said}");
    let second = ground.start("second");
    assert_eq!([right(&second, JOHN), right(&second, ASHA)], ["blocked", "blocked"]);
}

/// What cannot be read there may have been anything: from there on everybody is blocked.
#[test]
fn damaged_replaced_store_is_believed_as_far_as_it_can_be_read() {
    let ground = Ground::on_disk();
    assert_eq!(guessed(&ground).stop(), Some(0));
    let keys = keys_in(&ground.path("old"));
    let [asha, john] = [ASHA, JOHN].map(|(account, _)| {
        let subject = Subject::parse(&format!("account/{account}")).unwrap();
        u128::from_be_bytes(ChainName::of(&keys, &subject).0)
    });
    let store = Database::builder(ground.path("old/store-1")).open().unwrap();
    let rows = store.keyspace("rows", KeyspaceCreateOptions::default).unwrap();
    // Right behind the first of the two.
    let behind = (asha.min(john) + 1).to_be_bytes();
    rows.insert([b"r", &behind[..]].concat(), b"none").unwrap();
    store.persist(PersistMode::SyncAll).unwrap();
    drop((rows, store));
    ground.prepare("fresh", "old");
    let said = ground.imported("fresh", "backup", Some("old"));
    assert!(said["unread"].as_str().unwrap().contains("a stored row is damaged"), "{said}");
    assert!(said["unknown"].as_u64().unwrap() >= 1, "{said}");
    let fresh = ground.start("fresh");
    let known = if asha < john { "verified" } else { "blocked" };
    assert_eq!([right(&fresh, ASHA), right(&fresh, JOHN)], [known, "blocked"]);
    assert!(ground.refused("old").contains("is retired"));
}
