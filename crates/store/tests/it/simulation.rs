//! The engine over a simulated store, clock and fate: millions of turns that chance orders, any of
//! which can be had again by its seed.
//!
//! A step is one store operation that the engine had carried out: a load, a read, a commit offered.
//! `KUNJI_SIMULATION_SEEDS=1000..2000` plays other seeds than the suite does, and
//! `KUNJI_SIMULATION_SEED=7` plays one and tells its whole trace.

mod chance;
mod checker;
mod clients;
mod ground;
mod guarded;
mod holders;
mod plants;
mod process;
mod requests;
mod store;
mod tally;
mod world;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;

use kunji_vault::{KeyRing, Vault};

use self::plants::Plant;
use self::tally::Tally;
use self::world::play;

/// The seeds of the suite, and the steps that they must come to.
const SEEDS: Range<u64> = 0..520;
const STEPS_MIN: u64 = 1_000_000;
/// Seeds within which each planted bug must show.
const PLANT_SEEDS: Range<u64> = 0..20;

/// The same keys in every run: the ids of new cards are drawn under them.
fn vault() -> Arc<Vault> {
    let folder = tempfile::tempdir().unwrap();
    let [keys, unseal] = ["test.keys", "unseal.key"].map(|name| folder.path().join(name));
    let unsealing = "5a".repeat(32);
    let files =
        [(&keys, &include_bytes!("simulation/test.keys")[..]), (&unseal, unsealing.as_bytes())];
    for (path, bytes) in files {
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }
    Arc::new(Vault::new(KeyRing::open(&keys, &unseal, 0).unwrap()))
}

fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}

fn seeds() -> (Range<u64>, bool) {
    let number = |text: &str| text.trim().parse::<u64>().unwrap();
    if let Ok(seed) = std::env::var("KUNJI_SIMULATION_SEED") {
        return (number(&seed)..number(&seed) + 1, true);
    }
    match std::env::var("KUNJI_SIMULATION_SEEDS") {
        Ok(range) => {
            let (first, end) = range.split_once("..").unwrap();
            (number(first)..number(end), false)
        }
        Err(_) => (SEEDS, false),
    }
}

/// Everything that a run of the suite must have gone through.
const MUST_HAPPEN: [&str; 51] = [
    // What broke.
    "crash of a process",
    "crash of the database",
    "crash after the sync",
    "batch failed",
    "failed batch is durable",
    "commit after a failed batch",
    "commit not accepted",
    "batch lost on the way",
    "answer lost on the way",
    "connection lost",
    "batch found written before",
    "batch given up",
    "batch met no database",
    "stray batch took effect",
    "stray batch too late",
    "read failed",
    "slow operation",
    "record forged",
    // Who met.
    "conflict at the check",
    "conflict in the database",
    "name under way",
    "batch of several",
    "a day passes",
    "client left",
    "repeat of what was not answered",
    "repeat of an earlier request",
    "earlier id with other contents",
    "earlier id with another secret",
    "answer: duplicate",
    "answer: outcome unknown",
    // Why an id was refused.
    "reason: other_content",
    "reason: other_secret",
    "reason: frozen",
    "reason: repeated_while_blocked",
    // What was decided.
    "verify: verified",
    "verify: wrong_pin",
    "verify: pin_blocked",
    "verify: replayed",
    "verify: duplicate",
    "verify: unknown_credential",
    "change: changed",
    "set: pin_set",
    "set: wrong_otp",
    "set: otp_expired",
    "reset: pin_set",
    "created: card_created",
    "register: registered",
    "register: held_by_another",
    "register: cooling",
    "update_number: deleted",
    "unlink: dropped",
];

#[test]
fn engine_keeps_its_promises_through_a_million_steps() {
    let (vault, (seeds, aloud)) = (vault(), seeds());
    let mut all = Tally::default();
    for seed in seeds.clone() {
        let run = play(seed, &vault, Plant::Nothing, aloud);
        assert_eq!(run.violation, None, "KUNJI_SIMULATION_SEED={seed} tells how it came to this");
        all.add(&run.tally);
    }
    say(&format!("simulation of seeds {seeds:?}\n{all}"));
    if seeds == SEEDS {
        assert!(all.steps >= STEPS_MIN, "{} steps only", all.steps);
        for what in MUST_HAPPEN {
            assert!(all.of(what) > 0, "never happened: {what}");
        }
    }
}

#[test]
fn same_seed_is_the_same_run() {
    for seed in [1, 2, 3] {
        let trace = || play(seed, &vault(), Plant::Nothing, false).tally;
        let (one, other) = (trace(), trace());
        assert_eq!((one.trace(), one.polls), (other.trace(), other.polls), "seed {seed}");
        assert_eq!(one.to_string(), other.to_string());
        assert_ne!(one.trace(), play(seed + 10, &vault(), Plant::Nothing, false).tally.trace());
    }
}

#[test]
fn every_planted_bug_is_found() {
    let vault = vault();
    for plant in Plant::ALL {
        let found = PLANT_SEEDS.clone().find_map(|seed| {
            let violation = play(seed, &vault, plant, false).violation?;
            Some(format!("{plant:?} shows with seed {seed}: {violation}"))
        });
        say(found.as_deref().unwrap_or("never"));
        assert!(found.is_some(), "{plant:?} was not found");
    }
}
