//! The tests of the stores, and of the engine over each of them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

mod blocks;
mod canaries;
mod captures;
mod chains;
mod commits;
mod conformance;
mod connecting;
mod crashes;
mod distributed;
mod embedded;
mod engines;
mod errands;
mod fills;
mod guesses;
mod homes;
mod interleaved;
mod model;
mod model_words;
mod numbers;
mod postgres;
mod psp;
mod races;
mod random;
mod records;
mod retired;
mod simulation;
mod stories;
mod witness;
