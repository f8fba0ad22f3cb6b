//! The sealed key file: who may read it, and what survives.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kunji_vault::{FileProblem, KEY_VERSIONS_MAX, KeyFault, KeyRing, Vault};
use tempfile::TempDir;

use crate::pins::pin;

/// The block keys of the vector, newest first.
const FORMAT_2_NAMES: &str = "I68rJ0aEDlMLmn4eC57x96VktVIh7B53d7CKP2c7kGM \
                              LOGuSqBV_vl4wO9znFB-HxVa-JpFidTlwIeXALNGfK0 \
                              hK8NUOh3ZqlWI9RE14TMvNFUT0tJ9HNdyDNttG6JDSo \
                              AOljV2WA4V8HthvGqWUlBckVdJgUDlvFAaJPjT9zHCo";

/// A folder with a key file in it, and what opens that.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With a key file that is sealed under the byte 5a, 32 times.
    pub(crate) fn holding(sealed: &[u8]) -> Self {
        let place = Self::new();
        put(&place.unseal(), "5a".repeat(32).as_bytes());
        put(&place.path(), sealed);
        place
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("vault.keys")
    }

    pub(crate) fn unseal(&self) -> PathBuf {
        self.folder.path().join("unseal.key")
    }

    pub(crate) fn ring(&self) -> Result<KeyRing, KeyFault> {
        KeyRing::open_or_create(&self.path(), &self.unseal(), 0)
    }

    /// As a process has it that starts now.
    pub(crate) fn open(&self) -> KeyRing {
        self.ring().unwrap()
    }

    pub(crate) fn vault(&self) -> Vault {
        Vault::new(self.open())
    }

    fn names(&self) -> Vec<OsString> {
        let found = fs::read_dir(self.folder.path()).unwrap();
        let mut names = found.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        names.sort();
        names
    }
}

/// Writes a file for its owner only.
pub(crate) fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
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
    assert!(bytes.starts_with(b"KUNJIKEY\0\0\0\x03"));
    assert!(!String::from_utf8_lossy(&bytes).contains("versions"));
    assert_eq!(mode_of(&place.unseal()), 0o600);
    assert_eq!(place.names(), ["unseal.key", "vault.keys"]);
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
    bytes[11] = 4;
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
    put(&place.unseal(), "5b".repeat(32).as_bytes());
    check_refused(place.ring(), |problem| matches!(problem, FileProblem::Altered));
}

#[test]
fn a_missing_folder_is_named_in_the_fault() {
    let place = Place::new();
    let path = place.folder.path().join("none").join("vault.keys");
    let fault = KeyRing::open_or_create(&path, &place.unseal(), 0).unwrap_err();
    assert!(fault.to_string().contains("none/vault.keys"));
}

#[test]
fn verifiers_and_fingerprints_survive_reopening_and_rotation() {
    let place = Place::new();
    let before = place.vault();
    let verifier = before.enroll("a", &pin(&before, "4821")).unwrap();
    let sealed = before.issue_otp("a", "m", "{otp}").unwrap().message;
    let print = before.fingerprint().finish();
    place.open().rotate(0, Duration::ZERO).unwrap();
    place.open().rotate(0, Duration::ZERO).unwrap();
    let after = place.vault();
    let right = pin(&after, "4821");
    assert!(after.matches("a", &right, &verifier).unwrap());
    assert!(!after.matches("a", &pin(&after, "4822"), &verifier).unwrap());
    assert!(after.open_message("m", &sealed).is_ok());
    assert!(after.fingerprint().finish().same_as(&print));
    let renewed = after.enroll("a", &right).unwrap();
    assert_eq!(format!("{renewed:?}"), "Verifier(key version 3)");
    assert!(before.matches("a", &right, &renewed).unwrap(), "a running process reads them too");
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
    place.open().rotate(0, Duration::ZERO).unwrap();
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
            let vault = Vault::new(KeyRing::open_or_create(&key_file, &unseal_file, 0).unwrap());
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
    place.open().rotate(0, Duration::ZERO).unwrap();
    late.ready_rsa().unwrap();
    late.ready_signing().unwrap();
    let after = place.vault();
    assert_eq!(after.key_versions().len(), 2);
    assert_eq!(after.jwks().matches("\"RSA\"").count(), 2);
    late.use_ripe_keys(0);
    assert_eq!(late.jwks(), after.jwks());
}

#[test]
fn a_failed_rotation_leaves_the_ring_as_it_was() {
    let place = Place::new();
    let ring = place.open();
    let bytes = fs::read(place.path()).unwrap();
    put(&place.path(), b"something else");
    assert!(ring.rotate(0, Duration::ZERO).is_err());
    put(&place.path(), &bytes);
    let vault = Vault::new(ring);
    let verifier = vault.enroll("a", &pin(&vault, "4821")).unwrap();
    assert_eq!(format!("{verifier:?}"), "Verifier(key version 1)");
    assert_eq!(fs::read(place.path()).unwrap(), bytes);
}

#[test]
fn what_a_crash_left_behind_is_no_obstacle() {
    let place = Place::new();
    let left = place.folder.path().join("vault.keys.new");
    fs::write(&left, "half").unwrap();
    place.ring().unwrap();
    assert!(place.ring().is_ok());
    // Whose it is, nobody knows: it stays as it is.
    assert_eq!(place.names(), ["unseal.key", "vault.keys", "vault.keys.new"]);
    assert_eq!(fs::read(&left).unwrap(), b"half");
}

#[test]
fn a_ring_is_full_at_its_limit() {
    let ring = KeyRing::ephemeral().unwrap();
    for _ in 1..KEY_VERSIONS_MAX {
        ring.rotate(0, Duration::ZERO).unwrap();
    }
    assert!(matches!(ring.rotate(0, Duration::ZERO), Err(KeyFault::Full)));
}

#[test]
fn the_unseal_key_is_made_once_and_read_back() {
    let place = Place::new();
    place.open();
    place.open();
    assert_eq!(fs::read(place.unseal()).unwrap().len(), 65);
    fs::set_permissions(place.unseal(), Permissions::from_mode(0o644)).unwrap();
    check_refused(place.ring(), |problem| matches!(problem, FileProblem::Exposed));
}

#[test]
fn an_unseal_key_is_not_made_for_keys_that_are_there() {
    let place = Place::new();
    place.open();
    fs::remove_file(place.unseal()).unwrap();
    let fault = place.ring().unwrap_err();
    assert!(fault.to_string().contains("cannot read the unseal key"), "{fault}");
    assert!(!place.unseal().exists());
}

#[test]
fn what_is_no_unseal_key_is_refused_without_being_told() {
    let place = Place::new();
    put(&place.unseal(), b"a secret");
    let fault = place.ring().unwrap_err();
    assert!(matches!(fault, KeyFault::UnsealKey));
    assert!(!fault.to_string().contains("a secret"));
    assert!(!place.path().exists());
}

#[test]
fn keys_that_must_be_there_are_not_made() {
    let place = Place::new();
    let fault = KeyRing::open(&place.path(), &place.unseal(), 0).unwrap_err();
    assert!(fault.to_string().contains("vault.keys"), "{fault}");
    assert!(place.names().is_empty());
}

/// A file that was written before versions had times.
#[test]
fn a_file_of_format_2_still_opens_and_takes_a_version() {
    let place = Place::holding(include_bytes!("../vectors/format-2-rotated.keys"));
    let old = place.vault();
    assert_eq!(old.key_names(), FORMAT_2_NAMES);
    assert!(old.key_versions().iter().all(|one| one.made_ms.is_none()));
    place.open().rotate(7, Duration::from_millis(5)).unwrap();
    let again = place.vault();
    assert_eq!(again.key_versions().len(), 3);
    assert_eq!(again.key_versions()[0].made_ms, Some(7));
    let [published, used @ ..] = &again.key_versions()[..] else { panic!("no version") };
    assert_eq!(published.use_from_ms, Some(12));
    assert!(used.iter().all(|one| one.use_from_ms.is_none()));
    assert!(again.key_names().starts_with(FORMAT_2_NAMES.split(' ').next().unwrap()));
}
