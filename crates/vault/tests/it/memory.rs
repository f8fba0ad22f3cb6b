//! What is left in memory after a secret was used: nothing.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use kunji_vault::{
    BlockAlg, BlockMaker, Layout, Opening, PinBlock, PinUse, Secret, TokenKey, Transit, Verifier,
};
use serde::Deserialize;
use serde_json::json;

use crate::pins::{policy, vault};

/// So that the search itself puts no canary into memory.
const MASK: u8 = 0x5a;

/// Digits that stand nowhere unless somebody unmasks them.
#[derive(Clone, Copy)]
struct Canary(&'static [u8]);

/// `k7#Q2x!9Zp&4`, the longest PIN there is.
const LONG: Canary = Canary(b"\x31\x6d\x79\x0b\x68\x22\x7b\x63\x00\x2a\x7c\x6e");
/// `739158`.
const SIX: Canary = Canary(b"\x6d\x69\x63\x6b\x6f\x62");
/// `826074`.
const OTHER_SIX: Canary = Canary(b"\x62\x68\x6c\x6a\x6d\x6e");
/// `wq83Rt5yPl0vNm2cXz7bKj4d`, a token key.
const KEY: Canary = Canary(
    b"\x2d\x2b\x62\x69\x08\x2e\x6f\x23\x0a\x36\x6a\x2c\x14\x37\x68\x39\x02\x20\x6d\x38\x11\x30\x6e\x3e",
);

impl Canary {
    fn bytes(self) -> impl Iterator<Item = u8> + Clone {
        self.0.iter().map(|byte| byte ^ MASK)
    }

    /// The text, in one place.
    fn text(self) -> String {
        let mut text = String::with_capacity(self.0.len());
        text.extend(self.bytes().map(char::from));
        text
    }

    /// As SHA-256 has it in its schedule: words of 4 bytes, most significant first, here within
    /// the canary at this offset.
    fn swapped(self, from: usize) -> Vec<u8> {
        let words = self.0[from..].as_chunks::<4>().0;
        words.iter().flat_map(|word| word.iter().rev().copied()).collect()
    }

    /// Where the canary stands in the memory of this process, except in what `text` gave.
    fn places(self) -> Vec<String> {
        let swapped = (0..4).map(|from| self.swapped(from)).filter(|form| form.len() >= 8);
        let forms: Vec<_> = [self.0.to_vec()].into_iter().chain(swapped).collect();
        let memory = File::open("/proc/self/mem").unwrap();
        let mut found = Vec::new();
        for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
            let mut parts = line.split_whitespace();
            let (range, rights) = (parts.next().unwrap(), parts.next().unwrap());
            if !rights.starts_with("rw") || line.ends_with("[vvar]") {
                continue;
            }
            let [from, to] = [0, 1]
                .map(|nth| u64::from_str_radix(range.split('-').nth(nth).unwrap(), 16).unwrap());
            let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
            // A mapping may be gone by now, or never have been touched.
            if memory.read_exact_at(&mut bytes, from).is_err() {
                continue;
            }
            let holds = |form: &Vec<u8>| {
                let first = form[0] ^ MASK;
                bytes.windows(form.len()).any(|part| {
                    part[0] == first && part.iter().zip(form).all(|(one, two)| *one == two ^ MASK)
                })
            };
            if forms.iter().any(holds) {
                found.push(line.to_owned());
            }
        }
        found
    }
}

/// A search copies what it reads, and with it what another test is still at work on.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does the work on a thread that then waits as a worker does, and looks for the canaries.
#[track_caller]
fn check_forgotten(canaries: &[Canary], work: impl FnOnce() + Send + 'static) {
    assert_eq!(left(canaries, work), Vec::<String>::new());
}

fn left(canaries: &[Canary], work: impl FnOnce() + Send + 'static) -> Vec<String> {
    let _alone = alone();
    let (done, is_done) = mpsc::channel();
    let (end, is_ended) = mpsc::channel::<()>();
    let worker = thread::spawn(move || {
        work();
        done.send(()).unwrap();
        let _ = is_ended.recv();
    });
    is_done.recv().unwrap();
    let found = canaries.iter().flat_map(|canary| canary.places()).collect();
    drop(end);
    worker.join().unwrap();
    found
}

const OPENING: Opening<'_> =
    Opening { pin_use: PinUse::Mpin, txn: "T", real_now_ms: 0, transit: Transit::ClearAllowed };

fn clear(canary: Canary) -> PinBlock {
    PinBlock::absorb(canary.text())
}

#[test]
fn what_stands_in_memory_is_found() {
    /// `Hq5!zT8#mW1&`.
    const PLANTED: Canary = Canary(b"\x12\x2b\x6f\x7b\x20\x0e\x62\x79\x37\x0d\x6b\x7c");
    let kept = PLANTED.text();
    assert_ne!(left(&[PLANTED], || ()), Vec::<String>::new());
    drop(kept);
}

#[test]
fn no_pin_is_left_that_was_set_compared_or_judged() {
    check_forgotten(&[LONG, SIX], || {
        let vault = vault();
        for canary in [LONG, SIX] {
            let pin = vault.open(&clear(canary), &OPENING).unwrap();
            let verifier = vault.enroll("account/1", &pin).unwrap();
            assert!(vault.matches("account/1", &pin, &verifier).unwrap());
            assert!(!vault.matches("account/2", &pin, &verifier).unwrap());
            assert!(vault.judge("account/1", &pin, &policy(6), &[verifier]).unwrap().is_err());
        }
    });
}

#[test]
fn no_pin_is_left_that_was_held_against_a_verifier_of_the_first_builds() {
    /// `tY6$rB3@vH9%`.
    const OLD: Canary = Canary(b"\x2e\x03\x6c\x7e\x28\x18\x69\x1a\x2c\x12\x63\x7f");
    check_forgotten(&[OLD, OTHER_SIX], || {
        let vault = vault();
        for canary in [OLD, OTHER_SIX] {
            let pin = vault.open(&clear(canary), &OPENING).unwrap();
            // The key is another, so it refuses; what goes into the MAC is the same.
            let old = json!({ "key_version": 1, "salt": vec![7; 16], "mac": vec![7; 32] });
            let old: Verifier = serde_json::from_value(old).unwrap();
            assert!(!vault.matches("account/1", &pin, &old).unwrap());
        }
    });
}

#[test]
fn no_pin_is_left_of_a_block() {
    /// `gD4^jX7*cF2(`.
    const SEALED: Canary = Canary(b"\x3d\x1e\x6e\x04\x30\x02\x6d\x70\x39\x1c\x68\x72");
    check_forgotten(&[SEALED], || {
        let vault = vault();
        vault.ready_rsa().unwrap();
        for alg in [BlockAlg::EcdhEs, BlockAlg::RsaOaep256] {
            let maker = BlockMaker::from_jwks(&vault.jwks(), alg).unwrap();
            let text = zeroize::Zeroizing::new(SEALED.text());
            let block = PinBlock::absorb(maker.seal(&text, PinUse::Mpin, "T", 0).unwrap());
            let pin = vault.open(&block, &OPENING).unwrap();
            vault.enroll("account/1", &pin).unwrap();
            // Opened, and then refused.
            let other = Opening { txn: "U", ..OPENING };
            assert!(vault.open(&block, &other).is_err());
        }
    });
}

#[test]
fn no_pin_and_no_key_are_left_of_a_token() {
    /// `nS5)kL8_wV1+`.
    const IN_TOKEN: Canary = Canary(b"\x34\x09\x6f\x73\x31\x16\x62\x05\x2d\x0c\x6b\x71");
    #[derive(Deserialize)]
    struct Body {
        pin: PinBlock,
    }
    check_forgotten(&[IN_TOKEN, KEY], || {
        let mut text = zeroize::Zeroizing::new(String::with_capacity(30));
        text.push_str("ascii:");
        text.extend(KEY.bytes().map(char::from));
        let key = TokenKey::parse(&text, Layout::IvPrefixed).unwrap();
        let pin = zeroize::Zeroizing::new(IN_TOKEN.text());
        let parts: [&[u8]; 3] = [b"{\"pin\":\"", pin.as_bytes(), b"\"}"];
        let body = zeroize::Zeroizing::new(parts.concat());
        let token = key.seal(&body, [7; 16]).unwrap();
        let Body { pin } = key.open(&token).unwrap();
        let vault = vault();
        let pin = vault.open(&pin, &OPENING).unwrap();
        vault.enroll("card/1", &pin).unwrap();
        assert!(key.open::<u8>(&token).is_err());
        // It lives on, as in a server.
        std::mem::forget(key);
    });
}

#[test]
fn no_secret_of_the_configuration_is_left() {
    /// `aZ3=uQ6~yE9|`.
    const SECRET: Canary = Canary(b"\x3b\x00\x69\x67\x2f\x0b\x6c\x24\x23\x1f\x63\x26");
    check_forgotten(&[SECRET], || {
        let secret = Secret::parse(SECRET.text()).unwrap();
        let said = zeroize::Zeroizing::new(SECRET.text());
        assert!(secret.matches(&said));
        std::mem::forget(secret);
    });
}

/// What a message says is told back, so that the search knows what to look for: masked.
#[test]
fn no_otp_is_left_that_was_issued_sent_and_used() {
    let _alone = alone();
    let (tell, told) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    let (end, is_ended) = mpsc::channel::<()>();
    let worker = thread::spawn(move || {
        let vault = vault();
        let issued = vault.issue_otp("account/1#otp", "account/1", "Use {otp} now").unwrap();
        let opened = vault.open_message("account/1", &issued.message).unwrap();
        let otp = opened.otp.as_deref().unwrap();
        tell.send(otp.bytes().map(|byte| byte ^ MASK).collect::<Vec<_>>()).unwrap();
        let mut text = String::with_capacity(otp.len());
        text.push_str(otp);
        let pin = vault.open(&PinBlock::absorb(text), &OPENING).unwrap();
        assert!(vault.matches("account/1#otp", &pin, &issued.verifier).unwrap());
        drop((opened, pin));
        done.send(()).unwrap();
        let _ = is_ended.recv();
    });
    let masked = told.recv().unwrap().leak();
    is_done.recv().unwrap();
    assert_eq!(Canary(masked).places(), Vec::<String>::new());
    drop(end);
    worker.join().unwrap();
}
