//! What the build before kept: its backups are read, and its stores are replaced by them.

use std::fs;
use std::path::Path;

use kunji_testkit::copy_folder;
use serde_json::json;

use super::{ASHA, Ground, JOHN, on_both_engines, right};
use crate::support::Kunji;

on_both_engines!(
    backup_of_format_2_is_loaded,
    store_of_format_2_is_replaced_and_nobody_is_blocked,
    newer_store_tells_an_older_backup_nothing
);

/// A sandbox as the build before left it, and its backup.
fn former(ground: &Ground) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format_2");
    copy_folder(&kept, &ground.path("old"));
    let store = ground.path("old/store-1");
    fs::rename(ground.path("old/store"), &store).unwrap();
    for space in 0..3 {
        fs::create_dir_all(store.join(format!("keyspaces/{space}/tables"))).unwrap();
    }
    fs::write(ground.path("old/current"), "store-1").unwrap();
    fs::rename(ground.path("old/backup"), ground.path("backup")).unwrap();
}

/// Loads the backup, and says what became of it.
fn loaded(ground: &Ground, replaces: bool) -> serde_json::Value {
    former(ground);
    ground.prepare("fresh", "old");
    let old = format!("fjall:{}", ground.text("old/store-1"));
    let more: &[&str] = if replaces { &["--replaces", &old] } else { &[] };
    let (code, said, error) = ground.import("fresh", "backup", more);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{said}");
    serde_json::from_str(&said).unwrap()
}

/// The request that was answered under this id before.
fn repeated(kunji: &Kunji) -> (u16, serde_json::Value) {
    let path = format!("/kunji/v1/credentials/account/{}/verify", ASHA.0);
    let bearer = [("Authorization", "Bearer sandbox")];
    let answer = kunji.post(&path, &bearer, &json!({ "txn": "FIXED1", "pin": ASHA.1 }));
    (answer.status, answer.json()["code"].clone())
}

fn backup_of_format_2_is_loaded(ground: &Ground) {
    let said = loaded(ground, false);
    assert_eq!((&said["unchanged"], &said["strictest"]), (&0.into(), &0.into()), "{said}");
    let (code, verdict) = ground.verified("old", "backup");
    let rows = &verdict["rows"];
    assert_eq!((code, &verdict["holds"]), (Some(0), &true.into()), "{verdict}");
    let expected = json!({
        "errands": 3, "events": 108, "index": 44, "messages": 7, "receipts": 52, "records": 47,
        "spent": 20,
    });
    assert_eq!(*rows, expected);
    let kunji = ground.start("fresh");
    assert_eq!([right(&kunji, JOHN), right(&kunji, ASHA)], ["blocked", "blocked"]);
    kunji.advance("25h");
    assert_eq!([right(&kunji, JOHN), right(&kunji, ASHA)], ["verified", "verified"]);
    // A receipt of before is there; its id is used up, whatever secret comes.
    assert_eq!(repeated(&kunji), (409, "duplicate_request".into()));
    assert_eq!(kunji.stop(), Some(0));
    let (code, said, error) = ground.audited("fresh");
    assert_eq!(code, Some(0), "{said}{error}");
    // What is exported now is read as well, and holds what was in the first one.
    ground.exported("fresh", "again");
    let (code, verdict) = ground.verified("fresh", "again");
    assert_eq!((code, &verdict["holds"]), (Some(0), &true.into()), "{verdict}");
    assert!(verdict["rows"]["receipts"].as_u64().unwrap() >= 52, "{verdict}");
}

fn store_of_format_2_is_replaced_and_nobody_is_blocked(ground: &Ground) {
    let said = loaded(ground, true);
    assert_eq!((&said["strictest"], &said["unknown"]), (&0.into(), &0.into()), "{said}");
    assert_eq!(said["unread"], serde_json::Value::Null, "{said}");
    let kunji = ground.start("fresh");
    assert_eq!(right(&kunji, ASHA), "verified");
    // One wrong try was counted before the move.
    assert_eq!(kunji.verify("account", JOHN.0, "9071"), "wrong_pin");
    assert_eq!(kunji.verify("account", JOHN.0, "9072"), "blocked");
    assert_eq!(right(&kunji, JOHN), "blocked");
    assert_eq!(kunji.stop(), Some(0));
    let (code, said, error) = ground.audited("fresh");
    assert_eq!(code, Some(0), "{said}{error}");
    // The old one is retired, for a second import as for every build.
    ground.prepare("second", "old");
    let old = format!("fjall:{}", ground.text("old/store-1"));
    let (code, said, _) = ground.import("second", "backup", &["--replaces", &old]);
    assert_eq!(code, Some(0));
    assert!(said.contains("another store took its place"), "{said}");
}

/// Their chains come in different orders; what cannot be compared is taken as unknown.
fn newer_store_tells_an_older_backup_nothing(ground: &Ground) {
    loaded(ground, true);
    ground.prepare("second", "old");
    let said = ground.imported("second", "backup", Some("fresh"));
    assert_eq!((&said["strictest"], &said["unchanged"]), (&0.into(), &0.into()), "{said}");
    assert!(said["unread"].as_str().unwrap().contains("another format"), "{said}");
    assert_eq!(right(&ground.start("second"), ASHA), "blocked");
}

#[test]
fn store_of_format_2_is_refused_with_the_way_out() {
    let ground = Ground::on_disk();
    former(&ground);
    let error = ground.refused("old");
    assert!(error.contains("format 2") && error.contains("kunji import --replaces"), "{error}");
    let (code, said, error) = ground.audited("old");
    assert_eq!(code, Some(1), "{said}");
    assert!(error.contains("export it with the build that wrote it"), "{error}");
}
