//! Which fault a round meets: all of it follows from the seed.

use crate::deeds::Mood;
use crate::dice::Dice;
use crate::ground::Engine;

/// Rounds between two nights.
const NIGHT_EVERY: u64 = 7;
/// Rounds that a mood lasts, so that a fault falls into the middle of it.
const MOOD_ROUNDS: u64 = 3;

/// What happens to the processes while clients are at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9` of this server.
    Kill(usize),
    /// `kill -9` of all servers.
    KillAll,
    /// `kill -9` of all servers, and of the next one while it starts.
    KillStarting,
    /// SIGTERM to this server.
    Stop(usize),
    /// The servers' disk becomes slow, then `kill -9`.
    SlowDisk,
    /// The servers' disk becomes full, then `kill -9` or SIGTERM.
    FullDisk,
    /// `kill -9` of the database.
    KillDatabase,
    /// `kill -9` of the database and, while it is away, of this server.
    KillDatabaseAnd(usize),
    /// The database's disk becomes slow, then `kill -9` of it.
    SlowDatabase,
    /// The database's disk becomes full, then `kill -9` of it.
    FullDatabase,
}

/// All that the seed decides of one round.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) fault: Fault,
    /// More than a day passes before it.
    pub(crate) night: bool,
    /// Draws how long things last.
    pub(crate) dice: Dice,
}

impl Round {
    /// The round of this number.
    pub(crate) fn of(seed: u64, number: u64, engine: Engine) -> Self {
        let mut dice = Dice::of(seed, number);
        let fault = match (first(seed, number, engine), engine) {
            (Some(fault), _) => fault,
            (None, Engine::Embedded) => embedded(&mut dice),
            (None, Engine::Postgres) => postgres(&mut dice),
        };
        Self { fault, night: number % NIGHT_EVERY == NIGHT_EVERY - 1, dice }
    }

    /// A round of a planted run: the slow disk holds open what the plants leave open.
    pub(crate) fn slow(seed: u64, number: u64) -> Self {
        Self { fault: Fault::SlowDisk, night: false, dice: Dice::of(seed, number) }
    }
}

/// How the clients of an object behave in a round.
pub(crate) fn mood(seed: u64, number: u64, object: u64) -> Mood {
    let mut dice = Dice::of(seed, 500_000 + number / MOOD_ROUNDS * 100 + object);
    match dice.hits(35) {
        true => Mood::Attack,
        false => Mood::Calm,
    }
}

/// The first rounds meet each kind of fault once, from a kind that is drawn: so that a short run
/// has them all.
fn first(seed: u64, number: u64, engine: Engine) -> Option<Fault> {
    let all: &[Fault] = match engine {
        Engine::Embedded => {
            &[Fault::KillAll, Fault::FullDisk, Fault::SlowDisk, Fault::Stop(0), Fault::KillStarting]
        }
        Engine::Postgres => &[
            Fault::Kill(0),
            Fault::KillDatabase,
            Fault::SlowDatabase,
            Fault::Kill(1),
            Fault::Stop(0),
            Fault::FullDatabase,
            Fault::KillDatabaseAnd(1),
            Fault::KillAll,
            Fault::KillStarting,
        ],
    };
    let number = usize::try_from(number).ok().filter(|number| *number < all.len())?;
    let start = Dice::of(seed, 400_000).throw(u64::try_from(all.len()).ok()?);
    all.iter().cycle().nth(number + usize::try_from(start).ok()?).copied()
}

fn embedded(dice: &mut Dice) -> Fault {
    match dice.throw(20) {
        0..12 => Fault::KillAll,
        12..15 => Fault::SlowDisk,
        15..18 => Fault::FullDisk,
        18 => Fault::KillStarting,
        _ => Fault::Stop(0),
    }
}

fn postgres(dice: &mut Dice) -> Fault {
    let one = usize::from(dice.hits(50));
    match dice.throw(20) {
        0..6 => Fault::Kill(one),
        6..8 => Fault::KillAll,
        8..13 => Fault::KillDatabase,
        13..15 => Fault::KillDatabaseAnd(one),
        15..17 => Fault::SlowDatabase,
        17 => Fault::FullDatabase,
        18 => Fault::KillStarting,
        _ => Fault::Stop(one),
    }
}
