//! A store is backed up while it works, and a backup tells nothing to who has no keys.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{ASHA, Ground, JOHN, on_both_engines, right};

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
    std::io::Write::write_all(&mut talker, b"import\n").unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut talker, &mut said).unwrap();
    assert_eq!(said, "-this server knows no such wish");
    ground.exported("busy", "backup");
    assert_eq!(ground.verified("busy", "backup").0, Some(0));
    assert_eq!(kunji.stop(), Some(0));
    assert!(socket.symlink_metadata().is_err());
    drop(idle);
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
