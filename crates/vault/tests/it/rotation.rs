//! Rotation while others run: published first, used later, and known to whoever meets it.

use std::fs;
use std::time::Duration;

use kunji_vault::{BlockAlg, BlockMaker, FileProblem, KeyFault, KeyState, Vault};

use crate::blocks::{opens_to, seal};
use crate::key_file::{Place, put};
use crate::pins::pin;

const PUBLISH: Duration = Duration::from_millis(1000);

fn states(vault: &Vault) -> Vec<(u32, KeyState)> {
    vault.key_versions().iter().map(|one| (one.version, one.state)).collect()
}

/// The key version of a verifier that is made now, and of a message.
fn made_under(vault: &Vault) -> [u32; 2] {
    let verifier = vault.enroll("a", &pin(vault, "4821")).unwrap();
    [verifier.key_version(), vault.seal_message("m", "text").unwrap().key_version()]
}

fn offered(vault: &Vault, alg: BlockAlg) -> String {
    BlockMaker::from_jwks(&vault.jwks(), alg).unwrap().kid().to_owned()
}

#[test]
fn new_keys_are_published_at_once_and_used_when_their_time_has_come() {
    let place = Place::new();
    let vault = place.vault();
    vault.ready_rsa().unwrap();
    vault.ready_signing().unwrap();
    let algs = [BlockAlg::EcdhEs, BlockAlg::RsaOaep256];
    let old = algs.map(|alg| offered(&vault, alg));
    let signer = vault.sign_checkpoint(&[7; 32]).unwrap().0;
    place.open().rotate(500, PUBLISH).unwrap();
    vault.look_at_key_file().unwrap();
    vault.use_ripe_keys(1499);
    assert_eq!(states(&vault), [(2, KeyState::Published), (1, KeyState::InUse)]);
    assert_eq!(vault.jwks().matches("\"kid\"").count(), 6, "all are published");
    assert_eq!(made_under(&vault), [1, 1]);
    assert_eq!(algs.map(|alg| offered(&vault, alg)), old, "the keys in use come first");
    assert_eq!(vault.sign_checkpoint(&[7; 32]).unwrap().0, signer);
    vault.use_ripe_keys(1500);
    assert_eq!(states(&vault), [(2, KeyState::InUse), (1, KeyState::Opening)]);
    assert_eq!(made_under(&vault), [2, 2]);
    for (alg, old) in algs.iter().zip(&old) {
        assert_ne!(offered(&vault, *alg), *old);
    }
    assert_ne!(vault.sign_checkpoint(&[7; 32]).unwrap().0, signer);
    vault.use_ripe_keys(0);
    assert_eq!(made_under(&vault), [2, 2], "a clock that goes back changes nothing");
}

#[test]
fn a_process_that_starts_goes_by_the_same_times() {
    let place = Place::new();
    place.open().rotate(500, PUBLISH).unwrap();
    let start = |now_ms| {
        let ring = kunji_vault::KeyRing::open(&place.path(), &place.unseal(), now_ms).unwrap();
        made_under(&Vault::new(ring))
    };
    assert_eq!(start(1499), [1, 1]);
    assert_eq!(start(1500), [2, 2]);
}

#[test]
fn what_another_process_made_is_read_without_a_restart() {
    let place = Place::new();
    let (running, unaware) = (place.vault(), [(); 4].map(|()| place.vault()));
    place.open().rotate(0, Duration::ZERO).unwrap();
    let newer = place.vault();
    newer.ready_rsa().unwrap();
    let verifier = newer.enroll("a", &pin(&newer, "4821")).unwrap();
    let message = newer.seal_message("m", "text").unwrap();
    let [one, two, three, four] = &unaware;
    assert!(one.matches("a", &pin(one, "4821"), &verifier).unwrap());
    assert_eq!(two.open_message("m", &message).unwrap().text, "text");
    assert_eq!(opens_to(three, &seal(&newer, BlockAlg::EcdhEs, "4821"), "4821"), Some(true));
    assert_eq!(opens_to(four, &seal(&newer, BlockAlg::RsaOaep256, "4821"), "4821"), Some(true));
    for vault in &unaware {
        assert_eq!(made_under(vault), [1, 1], "to know is not to use");
    }
    // A block made for old keys opens everywhere.
    let old = seal(&running, BlockAlg::EcdhEs, "4821");
    assert_eq!(opens_to(&newer, &old, "4821"), Some(true));
}

#[test]
fn an_older_or_broken_file_changes_nothing_under_a_running_process() {
    let place = Place::new();
    place.open();
    let older = fs::read(place.path()).unwrap();
    place.open().rotate(0, Duration::ZERO).unwrap();
    let vault = place.vault();
    let newest = fs::read(place.path()).unwrap();
    let before = vault.jwks();
    put(&place.path(), &older);
    match vault.look_at_key_file() {
        Err(KeyFault::File { problem: FileProblem::Older, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(vault.ready_rsa().is_err(), "nothing is written over it");
    assert_eq!(fs::read(place.path()).unwrap(), older);
    put(&place.path(), b"rubbish");
    assert!(vault.look_at_key_file().is_err());
    assert!(vault.look_at_key_file().is_err(), "what failed is tried again");
    let foreign = Place::new();
    let block = seal(&foreign.vault(), BlockAlg::EcdhEs, "4821");
    assert_eq!(opens_to(&vault, &block, "4821"), None);
    fs::remove_file(place.path()).unwrap();
    assert!(vault.look_at_key_file().is_err());
    assert_eq!(opens_to(&vault, &block, "4821"), None);
    assert_eq!(vault.jwks(), before);
    put(&place.path(), &newest);
    vault.look_at_key_file().unwrap();
    assert_eq!(vault.jwks(), before);
    vault.ready_rsa().unwrap();
}

#[test]
fn keys_of_another_ring_are_not_taken_over() {
    let (place, other) = (Place::new(), Place::new());
    let vault = place.vault();
    other.open();
    let before = vault.jwks();
    put(&place.path(), &fs::read(other.path()).unwrap());
    put(&place.unseal(), &fs::read(other.unseal()).unwrap());
    assert!(vault.look_at_key_file().is_err());
    assert_eq!(vault.jwks(), before);
}

#[test]
fn a_version_that_makes_or_will_is_not_retired() {
    let place = Place::new();
    let ring = place.open();
    assert!(matches!(ring.retire(1, 0), Err(KeyFault::InUse(1))));
    ring.rotate(0, PUBLISH).unwrap();
    assert!(matches!(ring.retire(2, 999), Err(KeyFault::InUse(2))));
    assert!(matches!(ring.retire(1, 999), Err(KeyFault::InUse(1))));
    assert!(matches!(ring.retire(3, 999), Err(KeyFault::NoVersion(3))));
    ring.retire(1, 1000).unwrap();
    assert!(matches!(ring.retire(1, 1000), Err(KeyFault::NoVersion(1))));
}

#[test]
fn a_retired_version_opens_nothing_and_is_remembered() {
    let place = Place::new();
    let running = place.vault();
    running.ready_rsa().unwrap();
    running.ready_signing().unwrap();
    let verifier = running.enroll("a", &pin(&running, "4821")).unwrap();
    let block = seal(&running, BlockAlg::EcdhEs, "4821");
    let kids = running.key_names();
    let ring = place.open();
    ring.rotate(0, Duration::ZERO).unwrap();
    ring.retire(1, 9).unwrap();
    for vault in [&running, &place.vault(), &Vault::new(ring)] {
        vault.look_at_key_file().unwrap();
        assert_eq!(states(vault), [(2, KeyState::InUse), (1, KeyState::Retired)]);
        assert_eq!(vault.key_versions()[1].retired_ms, Some(9));
        assert!(vault.matches("a", &pin(vault, "4821"), &verifier).is_err());
        assert_eq!(opens_to(vault, &block, "4821"), None);
        assert_eq!(made_under(vault), [2, 2], "who missed the end of a version goes on");
        assert_eq!(vault.jwks().matches("\"kid\"").count(), 3);
        for kid in kids.split(' ') {
            assert!(vault.knows_key(kid) && !vault.jwks().contains(kid));
        }
    }
    assert!(!running.knows_key("another"));
}

#[test]
fn a_number_is_never_given_twice() {
    let place = Place::new();
    let ring = place.open();
    ring.rotate(0, Duration::ZERO).unwrap();
    ring.rotate(0, Duration::ZERO).unwrap();
    ring.retire(2, 0).unwrap();
    ring.rotate(0, Duration::ZERO).unwrap();
    let numbers: Vec<_> = ring.versions().iter().map(|one| one.version).collect();
    assert_eq!(numbers, [4, 3, 2, 1]);
}
