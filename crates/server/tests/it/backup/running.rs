//! A store is backed up while it works, and a backup tells nothing to who has no keys.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kunji_core::ids::{Caller, TxnId};
use kunji_core::receipt::{Receipt, ReceiptKey, Reply};
use kunji_core::store::{Intake as _, Row};
use kunji_core::time::Millis;
use kunji_store::{Embedded, EmbeddedSettings};
use kunji_vault::{BackupError, Fingerprint, copy_backup};

use super::{ASHA, Ground, JOHN, on_both_engines, right};
use crate::support::keys_in;
use crate::support::watched::Watched;

on_both_engines!(running_store_is_backed_up_under_load);

fn running_store_is_backed_up_under_load(ground: &Ground) {
    let kunji = ground.start("busy");
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|threads| {
        for nth in 0..4 {
            let (kunji, stop, answered) = (&kunji, &stop, &answered);
            threads.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // A caller's unknown accounts have a chain too, and no allowance.
                    let verdict = kunji.verify("account", &format!("NOBODY{nth}"), "1234");
                    assert_ne!(verdict, "outcome_unknown");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for nth in 0..3 {
            let before = answered.load(Ordering::Relaxed);
            let file = format!("backup{nth}");
            ground.exported("busy", &file);
            let mode = fs::metadata(ground.path(&file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let (code, verdict) = ground.verified("busy", &file);
            assert_eq!((code, &verdict["holds"]), (Some(0), &true.into()), "{verdict}");
            assert!(answered.load(Ordering::Relaxed) > before, "the load goes on");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(right(&kunji, JOHN), "verified");
    assert_eq!(kunji.stop(), Some(0));
    // Each export left an event, which the next backup holds.
    ground.exported("busy", "stopped");
    let (code, verdict) = ground.verified("busy", "stopped");
    assert_eq!((code, &verdict["holds"]), (Some(0), &true.into()), "{verdict}");
    let bytes = fs::read(ground.path("stopped")).unwrap();
    for canary in [JOHN.0, ASHA.0, ASHA.1, "John Doe", "918888888888", "johndoe@axis", "exported"] {
        let there = bytes.windows(canary.len()).any(|part| part == canary.as_bytes());
        assert!(!there, "{canary} can be read");
    }
}

#[test]
fn control_socket_is_private_replaced_and_gone_in_the_end() {
    let ground = Ground::on_disk();
    let socket = ground.path("busy").join("current.control");
    let kunji = ground.start("busy");
    let facts = fs::symlink_metadata(&socket).unwrap();
    assert!(facts.file_type().is_socket());
    assert_eq!(facts.permissions().mode() & 0o777, 0o600);
    kunji.kill();
    assert!(socket.symlink_metadata().is_ok(), "it is stale now");
    let kunji = ground.start("busy");
    // Callers who say nothing, or nonsense, keep nobody from a backup or from the end.
    let idle: Vec<_> = (0..3).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let mut talker = UnixStream::connect(&socket).unwrap();
    talker.write_all(b"import\n").unwrap();
    let mut said = String::new();
    talker.read_to_string(&mut said).unwrap();
    assert_eq!(said, "-this server knows no such wish");
    ground.exported("busy", "backup");
    assert_eq!(ground.verified("busy", "backup").0, Some(0));
    assert_eq!(kunji.stop(), Some(0));
    assert!(socket.symlink_metadata().is_err());
    drop(idle);
}

/// A store with more in it than all buffers between a server and a caller hold.
fn large(ground: &Ground, name: &str) -> u64 {
    const LEN: u64 = 6000;
    let reply = Reply { status: 200, code: "00".to_owned(), body: vec![7; 1000], nonce: [0; 16] };
    let receipt = Receipt {
        fingerprint: Fingerprint([7; 32]),
        reply,
        at: Millis(1),
        verdict: "verified".to_owned(),
        credential: None,
        secret: None,
        reason: None,
    };
    let path = ground.path(name).join("store-1");
    let keys = keys_in(&ground.path(name));
    let store = Embedded::open(&path, EmbeddedSettings::default(), keys).unwrap();
    let mut rows = (0..LEN).map(|nth| {
        let caller = Caller::parse("tests").unwrap();
        let key = ReceiptKey { caller, txn: TxnId::parse(&format!("T{nth}")).unwrap() };
        Row::Receipt(key, receipt.clone())
    });
    store.fill(&mut || Ok(rows.next())).unwrap()
}

#[test]
fn slow_caller_keeps_neither_requests_nor_the_end_waiting() {
    let ground = Ground::on_disk();
    assert_eq!(ground.start("old").stop(), Some(0));
    ground.prepare("large", "old");
    let len = large(&ground, "large");
    let kunji = ground.start("large");
    let socket = ground.path("large").join("current.control");
    let mut slow = UnixStream::connect(&socket).unwrap();
    slow.write_all(b"export\n").unwrap();
    let mut first = [0];
    slow.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"+");
    let mut begun = [0; 1024];
    slow.read_exact(&mut begun).unwrap();
    // From here on it takes nothing.
    let (code, _, error) = ground.export("large", "second");
    assert_eq!(code, Some(1));
    assert!(error.contains("the server refuses: another export is under way"), "{error}");
    assert!(!ground.path("second").exists());
    assert_eq!(kunji.verify("account", "NOBODY", "1234"), "unknown_credential");
    assert_eq!(kunji.stop(), Some(0));
    assert!(socket.symlink_metadata().is_err());
    // What the caller has is no backup, and is told so.
    let cut = copy_backup(&mut begun.as_slice().chain(slow), &mut Vec::new());
    assert!(matches!(cut, Err(BackupError::Cut(_))), "{cut:?}");
    // A caller who takes what he is given gets all of it.
    let kunji = ground.start("large");
    ground.exported("large", "whole");
    assert_eq!(kunji.stop(), Some(0));
    let (code, verdict) = ground.verified("large", "whole");
    // The one request that was answered has left a receipt too.
    assert_eq!((code, &verdict["rows"]["receipts"]), (Some(0), &(len + 1).into()), "{verdict}");
}

#[test]
fn service_is_backed_up_through_its_own_configuration() {
    let ground = Ground::on_disk();
    assert_eq!(ground.start("old").stop(), Some(0));
    let mut serve = ground.tool("old");
    serve.args(["serve", "--listen", "127.0.0.1:0", "--log-level", "info"]);
    let watched = Watched::start(serve).map_err(|(_, said)| said).unwrap();
    assert!(ground.path("old/store-1.control").exists());
    let (code, said, error) = ground.run("old", &["export", "--out", &ground.text("backup")]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(said.contains("`kunji backup verify` proves it"), "{said}");
    assert_eq!(watched.stop().0, Some(0));
    assert_eq!(ground.verified("old", "backup").0, Some(0));
}

#[test]
fn path_too_long_for_a_socket_keeps_no_server_from_running() {
    let ground = Ground::on_disk();
    let name = "a".repeat(110);
    let kunji = ground.start(&name);
    assert_eq!(right(&kunji, JOHN), "verified");
    let (code, _, error) = ground.export(&name, "backup");
    assert_eq!(code, Some(1));
    assert!(error.contains("107 bytes"), "{error}");
    assert!(!ground.path("backup").exists());
    assert_eq!(kunji.stop(), Some(0));
    ground.exported(&name, "backup");
}
