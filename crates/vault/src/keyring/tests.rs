//! What stays in memory of a key file that was opened and written.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::*;
use crate::keyring::unseal::UnsealKey;
use crate::{RsaScheme, Vault, hex};

/// What is looked for is never kept as it is.
const MASK: u8 = 0x5c;
const CHUNK_LEN: usize = 1 << 20;

fn masked(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ MASK).collect()
}

/// Which of these (masked) are somewhere in the memory of this process.
fn found<'a>(needles: &'a [(&'static str, Vec<u8>)]) -> Vec<&'a str> {
    let mut memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let longest = needles.iter().map(|(_, needle)| needle.len()).max().unwrap();
    let mut chunk = vec![0; CHUNK_LEN + longest];
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [mut from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        while from < to {
            let len = chunk.len().min(usize::try_from(to - from).unwrap());
            memory.seek(SeekFrom::Start(from)).unwrap();
            // What cannot be read now is gone, or a guard.
            let read = memory.read(&mut chunk[..len]).unwrap_or(0);
            chunk[..read].iter_mut().for_each(|byte| *byte ^= MASK);
            for (name, needle) in needles {
                let is_here = chunk[..read].windows(needle.len()).any(|part| part == needle);
                if is_here && !found.contains(name) {
                    found.push(name);
                }
            }
            from += u64::try_from(CHUNK_LEN).unwrap();
        }
    }
    found
}

/// All raw keys of a file, and what opens it; each as it would be found.
fn needles(key_file: &Path, unseal_file: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let key = UnsealKey::read(unseal_file).unwrap();
    let contents = KeyFile::at(key_file, unseal_file).load_whole().unwrap();
    let mut needles = vec![
        ("unseal key", masked(key.bytes())),
        ("unseal key in digits", masked(hex::write(key.bytes()).as_bytes())),
        ("fingerprint", masked(contents.fingerprint())),
    ];
    for version in contents.versions() {
        needles.push(("pin", masked(version.pin())));
        needles.push(("data", masked(version.data())));
        needles.push(("block", masked(version.block())));
    }
    for parts in contents.rsa().iter().chain(contents.signing()) {
        needles.push(("pkcs8", masked(&parts.pkcs8.bytes()[600..640])));
    }
    needles
}

#[test]
fn neither_the_unseal_key_nor_a_raw_key_stays_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let [keys, unseal] = ["keys", "unseal"].map(|name| folder.path().join(name));
    let vault = Vault::new(KeyRing::open_or_create(&keys, &unseal, 0).unwrap());
    vault.ready_rsa().unwrap();
    vault.ready_signing().unwrap();
    KeyRing::open(&keys, &unseal, 0).unwrap().rotate(0, Duration::ZERO).unwrap();
    vault.look_at_key_file().unwrap();
    vault.use_ripe_keys(0);
    vault.sign(RsaScheme::Pss, &[b"m"]).unwrap();
    let needles = needles(&keys, &unseal);
    assert_eq!(needles.len(), 3 + 2 * 3 + 4);
    assert_eq!(found(&needles), Vec::<&str>::new());
    let canary = Zeroizing::new([b"a canary of ".as_slice(), &[7; 32]].concat());
    assert_eq!(found(&[("canary", masked(&canary))]), ["canary"], "the search finds what is there");
    drop(vault);
}
