//! Backups: what was written is read, and nothing else ever is.

use std::time::Duration;

use kunji_vault::{BACKUP_CHUNK_LEN_MAX, BackupError, KeyRing, Part, Vault, copy_backup};
use proptest::prelude::*;

fn vault() -> Vault {
    Vault::new(KeyRing::ephemeral().unwrap())
}

fn write(vault: &Vault, chunks: &[&[u8]], last: &[u8]) -> Vec<u8> {
    let mut writer = vault.begin_backup(1_700_000_000_000, Vec::new()).unwrap();
    for chunk in chunks {
        let mut buffer = chunk.to_vec();
        writer.write(&mut buffer).unwrap();
        assert!(buffer.is_empty());
    }
    writer.finish(last.to_vec()).unwrap()
}

/// All chunks of a backup, the last one included.
fn read(vault: &Vault, bytes: &[u8]) -> Result<Vec<Vec<u8>>, BackupError> {
    let mut reader = vault.open_backup(bytes)?;
    let mut chunks = Vec::new();
    loop {
        let mut chunk = Vec::new();
        let part = reader.read(&mut chunk)?;
        chunks.push(chunk);
        if part == Part::Last {
            return Ok(chunks);
        }
    }
}

/// Where each chunk begins and ends, header and all.
fn borders(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut found, mut at) = (Vec::new(), HEADER);
    while at < bytes.len() {
        let len = u32::from_be_bytes(bytes[at + 1..at + 5].try_into().unwrap());
        let end = at + 5 + usize::try_from(len).unwrap();
        found.push(at..end);
        at = end;
    }
    found
}

const HEADER: usize = 112;

#[test]
fn a_backup_is_read_as_it_was_written() {
    let vault = vault();
    let long = vec![7; BACKUP_CHUNK_LEN_MAX];
    let bytes = write(&vault, &[b"one", b"", &long], b"the end");
    let chunks = read(&vault, &bytes).unwrap();
    assert_eq!(chunks, [b"one".to_vec(), Vec::new(), long, b"the end".to_vec()]);
    let reader = vault.open_backup(bytes.as_slice()).unwrap();
    assert_eq!(reader.at_ms(), 1_700_000_000_000);
    assert_eq!(reader.name().len(), 16);
    assert_eq!(format!("{reader:?}"), "BackupReader(****)");
    assert!(!bytes.windows(7).any(|part| part == b"the end"));
    let mut copied = Vec::new();
    let len = copy_backup(&mut bytes.as_slice(), &mut copied).unwrap();
    assert_eq!((copied == bytes, usize::try_from(len).unwrap()), (true, bytes.len()));
}

#[test]
fn two_backups_of_one_state_have_nothing_in_common() {
    let vault = vault();
    let [one, two] = [(); 2].map(|()| write(&vault, &[b"the same"], b"the same"));
    assert_ne!(one[HEADER - 80..], two[HEADER - 80..]);
    // A chunk of the one does not open in the other, where it would come at the same place.
    let first = borders(&one)[0].clone();
    let mixed = [&two[..HEADER], &one[first.clone()], &two[first.end..]].concat();
    assert!(matches!(read(&vault, &mixed), Err(BackupError::Altered(0))));
    let headed = [&two[..HEADER], &one[HEADER..]].concat();
    assert!(matches!(read(&vault, &headed), Err(BackupError::Altered(0))));
}

#[test]
fn chunks_are_not_cut_off_swapped_doubled_or_added() {
    let vault = vault();
    let bytes = write(&vault, &[b"one", b"two", b"3"], b"end");
    let borders = borders(&bytes);
    let chunk = |nth: usize| &bytes[borders[nth].clone()];
    let arranged = |order: &[usize]| {
        let chunks = order.iter().flat_map(|nth| chunk(*nth).to_vec());
        read(&vault, &[bytes[..HEADER].to_vec(), chunks.collect()].concat())
    };
    assert!(arranged(&[0, 1, 2, 3]).is_ok());
    assert!(matches!(arranged(&[1, 0, 2, 3]), Err(BackupError::Altered(0))));
    assert!(matches!(arranged(&[0, 2, 3]), Err(BackupError::Altered(1))));
    assert!(matches!(arranged(&[0, 0, 1, 2, 3]), Err(BackupError::Altered(1))));
    assert!(matches!(arranged(&[0, 1, 2]), Err(BackupError::Cut(3))));
    assert!(matches!(arranged(&[0, 1, 3]), Err(BackupError::Altered(2))));
    assert!(matches!(arranged(&[0, 1, 2, 3, 3]), Err(BackupError::Longer)));
    assert!(matches!(arranged(&[]), Err(BackupError::Cut(0))));
    // A chunk that is called the last one is not the last one.
    let mut called = bytes[..borders[1].end].to_vec();
    called[borders[1].start] = 1;
    assert!(matches!(read(&vault, &called), Err(BackupError::Altered(1))));
}

#[test]
fn every_bit_of_it_counts() {
    let vault = vault();
    let bytes = write(&vault, &[b"one"], b"end");
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[place] ^= 1 << bit;
            assert!(read(&vault, &altered).is_err(), "{place}");
        }
        assert!(read(&vault, &bytes[..place]).is_err(), "{place}");
        assert!(copy_backup(&mut &bytes[..place], &mut Vec::new()).is_err(), "{place}");
    }
}

#[test]
fn other_keys_are_told_from_damage_and_old_keys_still_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.sealed");
    let unseal = folder.path().join("unseal");
    let ring = || KeyRing::open_or_create(&path, &unseal, 0).unwrap();
    let before = write(&Vault::new(ring()), &[b"one"], b"end");
    let rotated = ring();
    rotated.rotate(0, Duration::ZERO).unwrap();
    let vault_now = Vault::new(rotated);
    assert_eq!(read(&vault_now, &before).unwrap().len(), 2);
    let after = write(&vault_now, &[b"one"], b"end");
    assert_eq!(read(&vault_now, &after).unwrap().len(), 2);
    // Another ring has a version 1 as well, and no version 2.
    for bytes in [&before, &after] {
        assert!(matches!(read(&vault(), bytes), Err(BackupError::OtherKeys)));
    }
    assert!(matches!(read(&vault_now, &before[..50]), Err(BackupError::Foreign)));
    let mut newer = before.clone();
    newer[11] = 3;
    assert!(matches!(read(&vault_now, &newer), Err(BackupError::Newer)));
}

#[test]
fn a_chunk_without_measure_is_refused_on_both_sides() {
    let vault = vault();
    let mut writer = vault.begin_backup(0, Vec::new()).unwrap();
    let written = writer.write(&mut vec![0; BACKUP_CHUNK_LEN_MAX + 1]);
    assert!(matches!(written, Err(BackupError::TooLong)));
    let mut bytes = write(&vault, &[b"one"], b"end");
    // It promises four gigabytes: nobody makes room for them.
    bytes[HEADER + 1..HEADER + 5].copy_from_slice(&[255; 4]);
    assert!(matches!(read(&vault, &bytes), Err(BackupError::Altered(0))));
}

proptest! {
    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let vault = vault();
        prop_assert!(read(&vault, &bytes).is_err());
        let headed = [&write(&vault, &[], b"")[..HEADER], &bytes].concat();
        prop_assert!(read(&vault, &headed).is_err());
        prop_assert!(copy_backup(&mut bytes.as_slice(), &mut Vec::new()).is_err());
    }

    #[test]
    fn what_was_replaced_anywhere_is_refused(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..5),
        at in any::<prop::sample::Index>(),
        with in proptest::collection::vec(any::<u8>(), 1..30),
    ) {
        let vault = vault();
        let parts: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let bytes = write(&vault, &parts, b"end");
        let mut altered = bytes.clone();
        let at = at.index(bytes.len());
        altered.splice(at..(at + with.len()).min(bytes.len()), with);
        prop_assert_eq!(read(&vault, &altered).is_ok(), altered == bytes);
    }
}
