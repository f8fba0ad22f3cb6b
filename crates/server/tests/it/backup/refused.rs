//! What is not a whole backup of these keys is not loaded, and nothing is loaded over anything.

use std::fs;

use super::{ASHA, Ground, JOHN, on_both_engines, right};

on_both_engines!(altered_backup_loads_nothing, only_an_empty_store_takes_a_backup);

fn altered_backup_loads_nothing(ground: &Ground) {
    let kunji = ground.start("old");
    ground.exported("old", "backup");
    assert_eq!(kunji.stop(), Some(0));
    let whole = fs::read(ground.path("backup")).unwrap();
    ground.prepare("fresh", "old");
    let put = |name: &str, bytes: &[u8]| fs::write(ground.path(name), bytes).unwrap();
    put("cut", &whole[..whole.len() - 1]);
    put("longer", &[&whole[..], b"x"].concat());
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    put("altered", &altered);
    put(
        "text",
        b"this is a letter to somebody, which is long enough to be read as a header: it has \
        more than a hundred and twelve letters.",
    );
    for (file, words) in [
        ("cut", "cut off"),
        ("longer", "goes on behind its last chunk"),
        ("altered", "altered in chunk"),
        ("text", "no backup of Kunji"),
    ] {
        let (code, verdict) = ground.verified("old", file);
        assert_eq!((code, &verdict["holds"]), (Some(4), &false.into()), "{file}");
        assert!(verdict["breaks"][0].as_str().unwrap().contains(words), "{file}: {verdict}");
        let (code, said, error) = ground.import("fresh", file, &[]);
        assert_eq!((code, said.as_str()), (Some(1), ""), "{file}: {error}");
        assert!(error.contains(words), "{file}: {error}");
    }
    // Other keys of the same kind open nothing, and say so.
    assert_eq!(ground.start("other").stop(), Some(0));
    let (code, verdict) = ground.verified("other", "backup");
    assert_eq!(code, Some(4));
    assert!(verdict["breaks"][0].as_str().unwrap().contains("under other keys"), "{verdict}");
    ground.prepare("strange", "other");
    let (code, _, error) = ground.import("strange", "backup", &[]);
    assert_eq!(code, Some(1));
    assert!(error.contains("under other keys"), "{error}");
    // After all of this the place is as empty as before.
    ground.imported("fresh", "backup", Some("old"));
    assert_eq!(right(&ground.start("fresh"), JOHN), "verified");
}

fn only_an_empty_store_takes_a_backup(ground: &Ground) {
    let old = ground.start("old");
    ground.exported("old", "backup");
    // It is in use, and it is full.
    let (code, _, error) = ground.import("old", "backup", &[]);
    assert_eq!(code, Some(1));
    let words = match ground.database {
        Some(_) => "not empty",
        None => "in use by another process",
    };
    assert!(error.contains(words), "{error}");
    if ground.database.is_none() {
        ground.prepare("early", "old");
        let (code, _, error) =
            ground.import("early", "backup", &["--replaces", &ground.url("old")]);
        assert_eq!(code, Some(1));
        assert!(error.contains("in use by another process"), "{error}");
    }
    assert_eq!(old.stop(), Some(0));
    let (code, _, error) = ground.import("old", "backup", &[]);
    assert_eq!(code, Some(1));
    assert!(error.contains("not empty"), "{error}");
    ground.prepare("fresh", "old");
    ground.imported("fresh", "backup", Some("old"));
    let (code, _, error) = ground.import("old", "backup", &[]);
    assert_eq!(code, Some(1));
    assert!(error.contains("retired"), "{error}");
    let (code, _, error) = ground.import("fresh", "backup", &[]);
    assert_eq!(code, Some(1));
    assert!(error.contains("not empty"), "{error}");
    assert_eq!(right(&ground.start("fresh"), ASHA), "verified", "nothing was loaded over it");
}

#[test]
fn nothing_is_made_where_nothing_was() {
    let ground = Ground::on_disk();
    assert_eq!(ground.start("old").stop(), Some(0));
    ground.exported("old", "backup");
    let (code, _, error) = ground.export("old", "backup");
    assert_eq!(code, Some(1));
    let words = "backup cannot be written: something is there";
    assert!(error.contains(words), "a backup is not written over another: {error}");
    let (code, _, error) = ground.export("nowhere", "none");
    assert_eq!(code, Some(1));
    assert!(error.contains("there is no sandbox at"), "{error}");
    let nowhere = format!("fjall:{}", ground.text("nowhere"));
    ground.prepare("fresh", "old");
    let (code, _, error) = ground.import("fresh", "backup", &["--replaces", &nowhere]);
    assert_eq!(code, Some(1), "{error}");
    let (code, _, error) = ground.import("fresh", "backup", &["--replaces", "hunter2"]);
    assert_eq!(code, Some(3));
    assert!(!error.contains("hunter2"), "{error}");
    fs::remove_file(ground.path("fresh").join("keys.sealed")).unwrap();
    let (code, _, error) = ground.import("fresh", "backup", &[]);
    assert_eq!(code, Some(1));
    assert!(error.contains("the keys of its own store"), "{error}");
    for name in ["none", "nowhere", "fresh/keys.sealed"] {
        assert!(!ground.path(name).exists(), "{name}");
    }
    let left = fs::read_dir(ground.folder.path()).unwrap();
    let drafts = left
        .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().contains("draft"));
    assert_eq!(drafts.count(), 0);
}
