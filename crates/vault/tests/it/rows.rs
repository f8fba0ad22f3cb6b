//! Rows of a store: they open in their own place only, also after the keys were rotated.

use std::time::Duration;

use kunji_vault::{KeyRing, RowError, Vault};

const PLACE: &[u8] = b"r and sixteen bytes, and a head of forty";

fn row() -> Vec<u8> {
    b"a name, a mobile and three wrong tries".to_vec()
}

fn vault() -> Vault {
    Vault::new(KeyRing::ephemeral().unwrap())
}

#[test]
fn a_row_opens_in_its_own_place_only() {
    let vault = vault();
    let sealed = vault.seal_row(PLACE, row()).unwrap();
    assert_eq!(vault.open_row(PLACE, &sealed).unwrap(), row());
    assert!(!sealed.windows(8).any(|part| part == b"a mobile"));
    for at in 0..PLACE.len() {
        let mut other = PLACE.to_vec();
        other[at] ^= 1;
        assert_eq!(vault.open_row(&other, &sealed), Err(RowError::Altered), "byte {at}");
    }
    assert_eq!(vault.open_row(&PLACE[1..], &sealed), Err(RowError::Altered));
    assert_eq!(self::vault().open_row(PLACE, &sealed), Err(RowError::Altered));
}

#[test]
fn no_altered_byte_of_a_row_opens() {
    let vault = vault();
    for whole in [row(), Vec::new()] {
        let sealed = vault.seal_row(PLACE, whole).unwrap();
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] ^= 1;
            assert!(vault.open_row(PLACE, &other).is_err(), "byte {at}");
            assert!(vault.open_row(PLACE, &sealed[..at]).is_err(), "{at} bytes");
        }
        assert!(vault.open_row(PLACE, &[&sealed[..], &[0]].concat()).is_err());
    }
}

#[test]
fn rows_open_and_keep_their_names_when_the_keys_are_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let ring = || KeyRing::open_or_create(&file("keys"), &file("unseal"), 0).unwrap();
    let vault = Vault::new(ring());
    let (name, sealed) = (vault.row_name(b"about"), vault.seal_row(PLACE, row()).unwrap());
    assert_ne!(name, vault.row_name(b"about something else"));
    ring().rotate(0, Duration::ZERO).unwrap();
    let rotated = Vault::new(ring());
    assert_eq!(rotated.row_name(b"about"), name);
    assert_eq!(rotated.open_row(PLACE, &sealed).unwrap(), row());
    let newer = rotated.seal_row(PLACE, row()).unwrap();
    assert_ne!(newer, sealed);
    assert_eq!(rotated.open_row(PLACE, &newer).unwrap(), row());
    // Who has not heard of the new keys finds them in the file.
    assert_eq!(vault.open_row(PLACE, &newer).unwrap(), row());
    let of_nobody = [&newer[..newer.len() - 4], &7_u32.to_be_bytes()].concat();
    assert_eq!(vault.open_row(PLACE, &of_nobody), Err(RowError::UnknownKey(7)));
    assert_ne!(self::vault().row_name(b"about"), name);
}
