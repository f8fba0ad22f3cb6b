//! The sealed key file: who may read it, and what survives.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use kunji_vault::{FileProblem, KEY_VERSIONS_MAX, KeyFault, KeyRing, UnsealKey, Vault};
use tempfile::TempDir;

use crate::pins::pin;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("vault.keys")
    }

    fn ring(&self) -> Result<KeyRing, KeyFault> {
        KeyRing::open_or_create(&self.path(), &unseal("5a"))
    }

    fn vault(&self) -> Vault {
        Vault::new(self.ring().unwrap())
    }
}

fn unseal(byte: &str) -> UnsealKey {
    UnsealKey::from_hex(&byte.repeat(32)).unwrap()
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[track_caller]
fn check_refused(opened: Result<KeyRing, KeyFault>, expected: fn(&FileProblem) -> bool) {
    match opened {
        Err(KeyFault::File { problem, .. }) => assert!(expected(&problem), "{problem:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_file_is_made_for_its_owner_only_and_holds_no_plain_key() {
    let place = Place::new();
    place.ring().unwrap();
    assert_eq!(mode_of(&place.path()), 0o600);
    let bytes = fs::read(place.path()).unwrap();
    assert!(bytes.starts_with(b"KUNJIKEY\0\0\0\x01"));
    assert!(!String::from_utf8_lossy(&bytes).contains("versions"));
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_others_may_use_is_refused() {
    let place = Place::new();
    place.ring().unwrap();
    for mode in [0o644, 0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(place.path(), Permissions::from_mode(mode)).unwrap();
        check_refused(place.ring(), |problem| matches!(problem, FileProblem::Exposed));
    }
    fs::set_permissions(place.path(), Permissions::from_mode(0o400)).unwrap();
    assert!(place.ring().is_ok());
}

#[test]
fn a_file_of_another_owner_is_refused() {
    let place = Place::new();
    place.ring().unwrap();
    // Only root may give a file away; for anyone else the system refuses first.
    if chown(place.path(), Some(54321), None).is_ok() {
        check_refused(place.ring(), |problem| matches!(problem, FileProblem::Foreign));
    }
}

#[test]
fn a_file_altered_in_one_byte_is_refused() {
    let place = Place::new();
    place.ring().unwrap();
    let bytes = fs::read(place.path()).unwrap();
    for index in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[index] ^= 1;
        fs::write(place.path(), &altered).unwrap();
        assert!(place.ring().is_err(), "at {index}");
    }
    for len in [0, 7, 8, 12, 55, 56, 72, bytes.len() - 1] {
        fs::write(place.path(), &bytes[..len]).unwrap();
        check_refused(place.ring(), |problem| matches!(problem, FileProblem::Altered));
    }
    fs::write(place.path(), &bytes).unwrap();
    assert!(place.ring().is_ok());
}

#[test]
fn a_file_of_a_newer_format_is_refused_as_such() {
    let place = Place::new();
    place.ring().unwrap();
    let mut bytes = fs::read(place.path()).unwrap();
    bytes[11] = 3;
    fs::write(place.path(), &bytes).unwrap();
    check_refused(place.ring(), |problem| matches!(problem, FileProblem::Newer));
}

#[test]
fn an_endless_file_is_refused() {
    let place = Place::new();
    place.ring().unwrap();
    fs::write(place.path(), vec![0; 2 * 1024 * 1024]).unwrap();
    check_refused(place.ring(), |problem| matches!(problem, FileProblem::TooLong));
}

#[test]
fn another_unseal_key_does_not_open_the_file() {
    let place = Place::new();
    place.ring().unwrap();
    check_refused(KeyRing::open_or_create(&place.path(), &unseal("5b")), |problem| {
        matches!(problem, FileProblem::Altered)
    });
}

#[test]
fn a_missing_folder_is_named_in_the_fault() {
    let place = Place::new();
    let path = place.folder.path().join("none").join("vault.keys");
    let fault = KeyRing::open_or_create(&path, &unseal("5a")).unwrap_err();
    assert!(fault.to_string().contains("none/vault.keys"));
}

#[test]
fn verifiers_and_fingerprints_survive_reopening_and_rotation() {
    let place = Place::new();
    let before = place.vault();
    let verifier = before.enroll("a", &pin(&before, "4821")).unwrap();
    let sealed = before.issue_otp("a", "m", "{otp}").unwrap().message;
    let print = before.fingerprint().finish();
    place.ring().unwrap().rotate().unwrap();
    place.ring().unwrap().rotate().unwrap();
    let after = place.vault();
    let right = pin(&after, "4821");
    assert!(after.matches("a", &right, &verifier).unwrap());
    assert!(!after.matches("a", &pin(&after, "4822"), &verifier).unwrap());
    assert!(after.open_message("m", &sealed).is_ok());
    assert!(after.fingerprint().finish().same_as(&print));
    let renewed = after.enroll("a", &right).unwrap();
    assert_eq!(format!("{renewed:?}"), "Verifier(key version 3)");
    assert!(before.matches("a", &right, &renewed).is_err());
}

#[test]
fn the_rsa_key_survives_reopening() {
    let place = Place::new();
    let before = place.vault();
    before.ready_rsa().unwrap();
    let keys = before.jwks();
    assert_eq!(keys.matches("\"RSA\"").count(), 1);
    let after = place.vault();
    after.ready_rsa().unwrap();
    assert_eq!(after.jwks(), keys);
    assert_eq!(mode_of(&place.path()), 0o600);
    place.ring().unwrap().rotate().unwrap();
    assert_eq!(place.vault().jwks().matches("\"RSA\"").count(), 2);
}

/// Several processes of one service may have their very first start at the same time.
#[test]
fn first_starts_at_once_come_to_the_same_keys() {
    for _ in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let (key_file, unseal_file) = (folder.path().join("keys"), folder.path().join("unseal"));
        let start = std::sync::Barrier::new(3);
        let open = || {
            start.wait();
            let unseal = UnsealKey::read_or_create(&unseal_file).unwrap();
            let vault = Vault::new(KeyRing::open_or_create(&key_file, &unseal).unwrap());
            vault.ready_rsa().unwrap();
            vault.ready_signing().unwrap();
            (vault.jwks(), vault.key_names())
        };
        let keys = std::thread::scope(|threads| {
            let starts = [threads.spawn(open), threads.spawn(open), threads.spawn(open)];
            starts.map(|start| start.join().unwrap())
        });
        assert_eq!(keys[0], keys[1]);
        assert_eq!(keys[0], keys[2]);
        assert_eq!(keys[0].0.matches("\"RSA\"").count(), 2);
    }
}

#[test]
fn a_writer_does_not_undo_what_another_one_wrote() {
    let place = Place::new();
    let late = place.vault();
    place.ring().unwrap().rotate().unwrap();
    let bytes = fs::read(place.path()).unwrap();
    let fault = late.ready_rsa().unwrap_err();
    assert!(matches!(fault, KeyFault::File { problem: FileProblem::Changed, .. }));
    assert_eq!(fs::read(place.path()).unwrap(), bytes);
    assert!(!late.jwks().contains("\"RSA\""));
}

#[test]
fn a_failed_rotation_leaves_the_ring_as_it_was() {
    let place = Place::new();
    let mut late = place.ring().unwrap();
    place.ring().unwrap().rotate().unwrap();
    assert!(late.rotate().is_err());
    let vault = Vault::new(late);
    let verifier = vault.enroll("a", &pin(&vault, "4821")).unwrap();
    assert_eq!(format!("{verifier:?}"), "Verifier(key version 1)");
}

#[test]
fn what_a_crash_left_behind_is_no_obstacle() {
    let place = Place::new();
    fs::write(place.folder.path().join("vault.keys.new"), "half").unwrap();
    place.ring().unwrap();
    assert!(place.ring().is_ok());
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 1);
}

#[test]
fn a_ring_is_full_at_its_limit() {
    let mut ring = KeyRing::ephemeral().unwrap();
    for _ in 1..KEY_VERSIONS_MAX {
        ring.rotate().unwrap();
    }
    assert!(matches!(ring.rotate(), Err(KeyFault::Full)));
}

#[test]
fn the_unseal_key_is_made_once_and_read_back() {
    let place = Place::new();
    let path = place.folder.path().join("unseal");
    let open = || KeyRing::open_or_create(&place.path(), &UnsealKey::read_or_create(&path)?);
    open().unwrap();
    open().unwrap();
    assert_eq!(mode_of(&path), 0o600);
    assert_eq!(fs::read(&path).unwrap().len(), 65);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    check_refused(open(), |problem| matches!(problem, FileProblem::Exposed));
}

#[test]
fn an_unseal_key_is_64_hexadecimal_digits() {
    let place = Place::new();
    let path = place.folder.path().join("unseal");
    fs::write(&path, "secret").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let fault = UnsealKey::read_or_create(&path).unwrap_err();
    assert!(matches!(fault, KeyFault::UnsealKey));
    assert!(UnsealKey::from_hex(&"g".repeat(64)).is_err());
    assert!(UnsealKey::from_hex(&"a".repeat(63)).is_err());
}
