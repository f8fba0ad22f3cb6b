//! What the tests of several crates share: stories, a clock that moves, sample credentials.
//!
//! Test code: it stops with a panic where a service must not.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on must stop")]

mod chains;
mod clock;
mod engine_stage;
mod folder;
mod perform;
mod pooler;
mod postgres;
mod samples;
mod story;
mod story_words;
mod voice;

pub use chains::verify_chains;
pub use clock::FakeClock;
pub use engine_stage::{EngineStage, Home, Transport};
pub use folder::copy_folder;
pub use perform::{Played, Stage, Tally, perform, perform_all};
pub use pooler::Pooler;
pub use postgres::Cluster;
pub use samples::{account, card, enroll, sandbox};
pub use story::{
    AccountSketch, Act, CardSketch, Claim, HolderWord, OtpWord, Step, Story, StoryError, TxnWord,
    stories,
};
pub use voice::Plain;
