//! What a guesser learns, over any sequence of requests: never more than three verdicts.
//!
//! The same requests are sent in many worlds that differ in one thing only, the PIN. Worlds that answer
//! alike cannot be told apart by whoever asked. Each wrong verdict takes one PIN away, so that after
//! three of them at most three worlds stand out from the rest, whatever was asked in whatever order
//! and under whatever ids.

use std::collections::BTreeSet;
use std::sync::Arc;

use kunji_core::command::Command;
use kunji_core::engine::Answered;
use kunji_store::Memory;
use kunji_testkit::Plain;
use kunji_vault::{KeyRing, PinBlock, PinUse, Transit, Vault};
use proptest::prelude::*;
use proptest::sample::select;

use crate::engines::{Bench, account_with};

/// The PIN is one of these, and the guesser knows that.
const PINS: [&str; 12] = [
    "4821", "7392", "5937", "8264", "6150", "9405", "3718", "2693", "8057", "1946", "7580", "0639",
];
/// The ids under which the guesser asks; the first one is the holder's own request.
const TXNS: [&str; 4] = ["HOLDER", "T1", "T2", "T3"];
/// A PIN that none of the worlds has.
const OTHER: &str = "2468";

/// One request of the guesser.
#[derive(Debug, Clone)]
enum Guess {
    Verify { txn: &'static str, pin: &'static str },
    Change { txn: &'static str, pin: &'static str, new: &'static str },
}

fn guess() -> impl Strategy<Value = Guess> {
    let (txn, pin) = (|| select(&TXNS[..]), || select(&PINS[..]));
    let new = prop_oneof![select(&PINS[..]), Just(OTHER)];
    prop_oneof![
        4 => (txn(), pin()).prop_map(|(txn, pin)| Guess::Verify { txn, pin }),
        1 => (txn(), pin(), new).prop_map(|(txn, pin, new)| Guess::Change { txn, pin, new }),
    ]
}

/// What the guesser hears in the world of one PIN, up to the moment in which he has it.
fn heard(pin: &str, vault: &Arc<Vault>, guesses: &[Guess]) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let bench =
            Bench::of(account_with(vault, pin), Memory::new(Arc::clone(vault)), vault).await;
        // The holder's request, whose receipt is made from the right PIN.
        assert_eq!(bench.verdict(bench.verify("tests", TXNS[0], pin)).await, "verified");
        let mut heard = Vec::new();
        for guess in guesses {
            let request = match guess {
                Guess::Verify { txn, pin } => bench.verify("tests", txn, pin),
                Guess::Change { txn, pin, new } => bench.change(txn, pin, new),
            };
            let code = bench.verdict(request).await;
            let has_it = matches!(code.as_str(), "verified" | "changed" | "pin_refused");
            heard.push(code);
            if has_it {
                break;
            }
        }
        heard
    })
}

fn check(guesses: &[Guess]) {
    let vault = Arc::new(Vault::new(KeyRing::ephemeral().unwrap()));
    let worlds: BTreeSet<_> = PINS.iter().map(|pin| heard(pin, &vault, guesses)).collect();
    assert!(worlds.len() <= 4, "{guesses:?} tells {} PINs apart: {worlds:?}", worlds.len() - 1);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_requests_tell_more_than_three_pins_apart(
        guesses in proptest::collection::vec(guess(), 1..24),
    ) {
        check(&guesses);
    }
}

/// The attack that was found: one id, every PIN.
#[test]
fn one_id_and_every_pin_tells_one_apart() {
    let vault = Arc::new(Vault::new(KeyRing::ephemeral().unwrap()));
    for first in [TXNS[0], TXNS[1]] {
        let guesses: Vec<_> = PINS.iter().map(|pin| Guess::Verify { txn: first, pin }).collect();
        let worlds: BTreeSet<_> = PINS.iter().map(|pin| heard(pin, &vault, &guesses)).collect();
        assert!(worlds.len() <= 2, "{first}: {worlds:?}");
    }
}

#[tokio::test]
async fn caller_hears_of_thirty_wrong_pins_in_ten_minutes_and_then_of_none() {
    let vault = Arc::new(Vault::new(KeyRing::ephemeral().unwrap()));
    let bench =
        Bench::of(account_with(&vault, "4821"), Memory::new(Arc::clone(&vault)), &vault).await;
    let mut wrong = 0;
    for nth in 0..40 {
        let clear = bench.request(
            "operator",
            &format!("C{nth}"),
            Command::ClearTries { reason: "a test".to_owned() },
        );
        assert_eq!(bench.verdict(clear).await, "tries_cleared");
        let asked = bench.verify("till", &format!("V{nth}"), OTHER);
        let Answered { reply, reason } = bench.engine.run(asked, &Plain).await.unwrap();
        match reply.code.as_str() {
            "wrong_pin" => wrong += 1,
            code => assert_eq!(code, "guess_budget_used_up", "{reason:?}"),
        }
        // Told or not, it counts.
        assert_eq!(bench.tries().await, 1);
    }
    assert_eq!(wrong, 30);
    // Another caller hears what it asks, and so does this one when the window has moved on.
    let code = bench.verdict(bench.verify("other", "V1", OTHER)).await;
    assert_eq!(code, "wrong_pin");
    bench.engine.clock.advance(10 * 60 * 1000);
    assert_eq!(bench.verdict(bench.verify("till", "LATER", "4821")).await, "verified");
    // What was not told then is told now, and taken from the budget like any other.
    let mut told = 0;
    for nth in 0..40 {
        let again = bench.verdict(bench.verify("till", &format!("V{nth}"), OTHER)).await;
        told += usize::from(again == "wrong_pin");
    }
    assert_eq!(told, 30);
}

/// Whoever repeats a sealed request hears the answer again; another block is never opened.
#[tokio::test]
async fn sealed_blocks_under_a_used_id_are_never_opened() {
    let vault = Arc::new(Vault::new(KeyRing::ephemeral().unwrap()));
    let bench =
        Bench::of(account_with(&vault, "4821"), Memory::new(Arc::clone(&vault)), &vault).await;
    let sealed = bench.block("4821", "T1");
    assert_eq!(bench.verdict(bench.verify("tests", "T1", &sealed)).await, "verified");
    for pin in ["4821", OTHER, "7392", "5937", "8264"] {
        let other = bench.block(pin, "T1");
        assert_eq!(bench.verdict(bench.verify("tests", "T1", &other)).await, "duplicate");
    }
    let clear = PinBlock::absorb("4821".to_owned());
    let transit = Transit::ClearAllowed;
    let clear = Command::Verify { pin: clear, pin_use: PinUse::Mpin, transit };
    assert_eq!(bench.verdict(bench.request("tests", "T1", clear)).await, "duplicate");
    assert_eq!(bench.tries().await, 0);
    assert_eq!(bench.verdict(bench.verify("tests", "T1", &sealed)).await, "verified");
}
